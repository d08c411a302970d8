"""Which path leads where? Webhooks go to raw ASGI endpoints, probes are answered here, the rest has its own face."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.store.database import StoreUnavailable
from webhooks.asgi import read_header, respond
from webhooks.bell import Bell
from webhooks.group_commit import GroupCommit
from webhooks.ingest import WhatsAppWebhook
from webhooks.metrics import EdgeMetrics
from webhooks.rings import HelpdeskWebhook, RingReader

GRACEFUL_SHUTDOWN_SECONDS = 5
"""How long requests and open streams may take to end. `up` as a whole has 10 s."""

_PROBLEM = "application/problem+json"
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
CALLER = "deskbridge.caller"
"""Where the scope holds what `identify` said of the token."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What is wrong, in short sentences without customer data.

    `unavailable`: events cannot be kept. `degraded`: they are kept, and something else does not work.
    """

    unavailable: Sequence[str] = ()
    degraded: Sequence[str] = ()
    doctor: Sequence[str] = ()
    """What was red in the doctor's last round: a detail, since it may be mended by now."""


@dataclass(frozen=True, slots=True)
class EdgeServices:
    """All that the edge is given.

    `now` is business time. `ring` tells the workers that there is work. `identify` says who holds a token, None when it
    is not valid; it may raise `StoreUnavailable`, and so may `check_readiness`. `render_metrics` returns Prometheus'
    text format. `face` answers everything that is neither webhook nor probe, with the holder of the token in the scope.
    """

    app_secrets: Sequence[str] = field(repr=False)
    verify_token: str = field(repr=False)
    now: Callable[[], datetime]
    group_commit: GroupCommit
    ring: Callable[[], Awaitable[object]]
    ring_readers: Mapping[str, RingReader]
    check_readiness: Callable[[], Awaitable[Readiness]]
    identify: Callable[[str], Awaitable[object | None]]
    render_metrics: Callable[[], Awaitable[bytes]]
    metrics: EdgeMetrics
    face: ASGIApp
    files: ASGIApp | None = None
    """Answers under `/files/`, by link alone."""


def build_app(services: EdgeServices) -> ASGIApp:
    """The whole web part. Webhooks never touch FastAPI; no path under `/api/v1` is reached without a valid token."""
    bell = Bell(services.ring, services.metrics)
    whatsapp = WhatsAppWebhook(
        app_secrets=services.app_secrets,
        verify_token=services.verify_token,
        group_commit=services.group_commit,
        bell=bell,
        metrics=services.metrics,
    )
    helpdesk = HelpdeskWebhook(
        readers=services.ring_readers,
        now=services.now,
        group_commit=services.group_commit,
        bell=bell,
        metrics=services.metrics,
    )
    pages = _build_pages(services)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        if path == "/webhooks/whatsapp":
            await whatsapp(scope, receive, send)
        elif path.startswith("/webhooks/"):
            await helpdesk(scope, receive, send)
        elif path in PROBES or scope["type"] == "lifespan":
            await pages(scope, receive, send)
        elif (path == "/api/v1" or path.startswith("/api/v1/")) and (refusal := await _refusal(services, scope)):
            status, headers = refusal
            await respond(send, status, _problem(status), content_type=_PROBLEM.encode(), headers=headers)
        elif services.files is not None and path.startswith("/files/"):
            await services.files(scope, receive, send)
        else:
            await services.face(scope, receive, send)

    return app


def build_server(app: ASGIApp, *, host: str, port: int) -> uvicorn.Server:
    """A server without an access log that ends within `GRACEFUL_SHUTDOWN_SECONDS` of SIGTERM, whatever is open.

    Logging is left as the caller configured it.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
        )
    )


def _build_pages(services: EdgeServices) -> FastAPI:
    pages = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @pages.exception_handler(HTTPException)
    async def tell_problem(_request: Request, exc: HTTPException) -> Response:
        return Response(_problem(exc.status_code), exc.status_code, exc.headers, media_type=_PROBLEM)

    @pages.get("/healthz")
    async def tell_alive() -> dict[str, str]:
        """The process lives. Touches nothing."""
        return {"status": "alive"}

    @pages.get("/readyz")
    async def tell_ready() -> Response:
        """200 while events can be kept (`ready`, or `degraded` with what is wrong), else 503."""
        try:
            readiness = await services.check_readiness()
        except StoreUnavailable:
            readiness = Readiness(unavailable=["the database does not answer"])
        wrong = [*readiness.unavailable, *readiness.degraded]
        status = "unavailable" if readiness.unavailable else "degraded" if readiness.degraded else "ready"
        return Response(
            orjson.dumps(
                {"status": status, "wrong": wrong} | ({"doctor": [*readiness.doctor]} if readiness.doctor else {})
            ),
            503 if readiness.unavailable else 200,
            media_type="application/json",
        )

    @pages.get("/metrics")
    async def show_metrics() -> Response:
        """Prometheus' text format."""
        return Response(await services.render_metrics(), headers={"content-type": CONTENT_TYPE_LATEST})

    return pages


async def _refusal(services: EdgeServices, scope: Scope) -> tuple[int, list[tuple[bytes, bytes]]] | None:
    """Status and headers for a request without a valid bearer token, None for one with it, whose holder is noted."""
    scheme, _, token = (read_header(scope, b"authorization") or "").partition(" ")
    token = token.strip()
    try:
        if scheme.lower() == "bearer" and token:
            scope[CALLER] = await services.identify(token)
            if scope[CALLER] is not None:
                return None
    except StoreUnavailable:
        return 503, [(b"retry-after", b"5")]
    return 401, [(b"www-authenticate", b'Bearer realm="deskbridge"')]


def _problem(status: int) -> bytes:
    """RFC 9457, without anything of the request."""
    return orjson.dumps({"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status})
