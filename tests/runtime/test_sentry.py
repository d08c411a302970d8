"""What does a Sentry get that somebody points us at? Asked of a receiver that keeps what it gets."""

import gzip
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import sentry_sdk
import structlog

from bridge.runtime import log
from bridge.runtime.sentry import SentryReports

SECRETS = ("351910000111", "Inês Margarida", "wamid.HBgM", "token-canary", "The parcel")


class Receiver(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[str] = []

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.server_port}/1"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.bodies.append(body.decode())
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        sentry_sdk.get_client().close()
        server.shutdown()
        thread.join()
    log.configure(stream=io.StringIO())


def _fail(secret: str) -> None:
    text = f"{secret} of {SECRETS[0]}"
    try:
        raise ValueError(text)
    except ValueError as cause:
        raise RuntimeError(text, {"local": secret}) from cause


def test_error_arrives_with_types_and_places_and_nobody_s_data(receiver: Receiver) -> None:
    log.configure("json", stream=io.StringIO(), sentry=SentryReports(receiver.dsn, release="deskbridge@test"))
    for secret in SECRETS:
        try:
            _fail(secret)
        except RuntimeError as exc:
            structlog.get_logger().error(
                "lane.failed", exc_info=exc, shard=7, kind="helpdesk", text=secret, reason=f"about {secret}"
            )
    structlog.get_logger().warning("store.unavailable")
    sentry_sdk.flush(timeout=5)
    events = [json.loads(body.splitlines()[2]) for body in receiver.bodies]
    assert len(events) == len(SECRETS)
    event = events[0]
    assert event["logentry"] == {"message": "lane.failed"}
    assert [one["type"] for one in event["exception"]["values"]] == ["ValueError", "RuntimeError"]
    frame = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert frame["filename"].endswith("test_sentry.py")
    assert frame["lineno"] > 0
    assert event["extra"]["shard"] == 7
    everything = "\n".join(receiver.bodies)
    assert not [secret for secret in SECRETS if secret in everything]
    assert not {"modules", "breadcrumbs", "request", "user", "server_name", "contexts"} & event.keys()


def test_process_that_has_no_error_never_loads_it(receiver: Receiver) -> None:
    log.configure("json", stream=io.StringIO(), sentry=SentryReports(receiver.dsn, release="deskbridge@test"))
    structlog.get_logger().info("process.started")
    sentry_sdk.flush(timeout=1)
    assert receiver.bodies == []
