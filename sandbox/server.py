"""How the sandbox listens: uvicorn, with connections that can be cut and streams that end on shutdown."""

import socket
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.live import Live

CUT = "sandbox.cut"


class CuttableProtocol(HttpToolsProtocol):
    """Lets the application close the TCP connection under a request, by `scope["extensions"]["sandbox.cut"]()`."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        extensions: dict[str, Any] = self.scope.setdefault("extensions", {})
        extensions[CUT] = self.transport.close


class Cut(Response):
    """No answer at all: the connection is closed, as when a server dies between the work and the word."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        scope["extensions"][CUT]()
        while (await receive())["type"] != "http.disconnect":
            pass
        if self.background is not None:
            await self.background()


class Server(uvicorn.Server):
    """A uvicorn server that ends live streams first, so that stopping takes no time."""

    def __init__(self, config: uvicorn.Config, *, live: Live) -> None:
        super().__init__(config)
        self._live = live

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live.close()
        await super().shutdown(sockets)


def make_server(app: Starlette, *, live: Live, host: str, port: int) -> Server:
    """The server that `python -m sandbox` runs; `port` 0 takes a free one."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=CuttableProtocol,
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    return Server(config, live=live)
