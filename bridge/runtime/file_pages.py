"""`GET /files/{token}`: a stored file for whoever has its link. Nothing else of it is told, not even whether it was."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import datetime
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from bridge.store import file_links, files
from bridge.store.crypto import UnknownKey, Vault
from bridge.store.database import Database, StoreUnavailable
from bridge.store.files import FileFolder, FileMissing, StoredFile

_SHOWN = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "audio/ogg", "audio/mpeg", "video/mp4"})
"""What a browser may show by itself; everything else is only ever saved, since a page could speak in our name."""
_GONE = "This link is not valid, or not any more.\n"


class FilePages:
    """An ASGI endpoint. `now` is business time."""

    def __init__(self, database: Database, vault: Vault, folder: FileFolder, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = vault
        self._folder = folder
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(Request(scope)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Method not allowed\n", 405, {"allow": "GET, HEAD"})
        now = self._now()
        token = request.url.path.removeprefix(file_links.PATH)
        file_id = file_links.read_token(self._vault, token, now=now)
        if file_id is None:
            return PlainTextResponse(_GONE, 404)
        try:
            file = await self._find(file_id, now)
            if file is None:
                return PlainTextResponse(_GONE, 404)
            content = self._folder.read(file)
            first = await anext(content, b"")
        except FileMissing:
            return PlainTextResponse(_GONE, 404)
        except (StoreUnavailable, UnknownKey):
            return PlainTextResponse("Not now\n", 503, {"retry-after": "5"})
        if request.method == "HEAD":
            await content.aclose()
            return Response(headers=_headers(file), media_type=file.mime_type)
        return StreamingResponse(_joined(first, content), headers=_headers(file), media_type=file.mime_type)

    async def _find(self, file_id: str, now: datetime) -> StoredFile | None:
        found = await self._database.read(lambda connection: files.load(connection, self._vault, [file_id]))
        file = found.get(file_id)
        return file if file is not None and file.expires_at > now else None


async def _joined(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece


def _headers(file: StoredFile) -> dict[str, str]:
    disposition = "inline" if file.mime_type in _SHOWN else "attachment"
    return {
        "content-length": str(file.size_bytes),
        "content-disposition": f"{disposition}; filename*=utf-8''{quote(file.name, safe='')}",
        "cache-control": "private, no-store",
        "content-security-policy": "sandbox; default-src 'none'",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-robots-tag": "noindex",
    }
