# One image for every role: the command says which (`serve`, `worker`, `scheduler`, `migrate`, ...).
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/deskbridge
WORKDIR /source
COPY requirements.lock ./
RUN /opt/deskbridge/bin/pip install --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY bridge bridge
COPY connectors connectors
COPY sandbox sandbox
COPY templates_registry templates_registry
COPY webhooks webhooks
RUN /opt/deskbridge/bin/pip install --no-deps --no-index --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /data --create-home deskbridge
COPY --from=build /opt/deskbridge /opt/deskbridge
ENV PATH=/opt/deskbridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DESKBRIDGE_DATA_DIR=/data \
    DESKBRIDGE_HOST=0.0.0.0 \
    DESKBRIDGE_LOG_FORMAT=json
WORKDIR /data
VOLUME /data
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('DESKBRIDGE_PORT', '8000') + '/healthz', timeout=2)"]
ENTRYPOINT ["deskbridge"]
CMD ["serve"]
