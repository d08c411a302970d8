"""How fast could it be? A bare ASGI server on uvloop and httptools that checks the signature and keeps nothing."""

import hashlib
import hmac
import sys

import uvicorn
from starlette.types import Receive, Scope, Send

from tests.bench.people import APP_SECRET

_HEADERS = [(b"content-length", b"0")]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """200 for a signed body, 401 for any other."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    given = next((value for name, value in scope["headers"] if name == b"x-hub-signature-256"), b"")
    wanted = b"sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest().encode()
    status = 200 if hmac.compare_digest(given, wanted) else 401
    await send({"type": "http.response.start", "status": status, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
    )
