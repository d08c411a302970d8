"""How does a raw ASGI endpoint read a capped body and answer in two messages? Shared by what must be fast."""

import asyncio
import contextlib
from collections.abc import Sequence

from starlette.types import Receive, Scope, Send

MAX_BODY_BYTES = 4 * 1024 * 1024
DISCARDED_BYTES = 16 * 1024 * 1024
DISCARDED_SECONDS = 5.0
"""How much of a body that is too large we take in and drop: a sender cut off while it writes never reads its 413."""
RETRY_AFTER_SECONDS = 30
"""Short: a helpdesk may repeat after a 503 only when it is asked to wait less than 60 s."""


class BodyTooLarge(Exception):
    """More than we keep. The rest was dropped, or left unread where it is out of all measure."""


class ClientGone(Exception):
    """The sender hung up before its body was complete. There is nobody to answer."""


def read_header(scope: Scope, name: bytes) -> str | None:
    """The first header of that name (lower case), or None."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


async def read_body(scope: Scope, receive: Receive, *, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The whole body. Raises `BodyTooLarge` by what the length says or by what comes, and `ClientGone`."""
    claimed_bytes = _claimed_bytes(scope)
    if claimed_bytes > DISCARDED_BYTES:
        raise BodyTooLarge
    if claimed_bytes > max_bytes:
        await _discard(receive)
        raise BodyTooLarge
    chunks: list[bytes] = []
    size_bytes = 0
    while True:
        chunk, more = await _read_chunk(receive)
        size_bytes += len(chunk)
        if size_bytes > max_bytes:
            chunks.clear()
            if more:
                await _discard(receive)
            raise BodyTooLarge
        chunks.append(chunk)
        if not more:
            return b"".join(chunks)


def _claimed_bytes(scope: Scope) -> int:
    claimed = read_header(scope, b"content-length") or ""
    if not (claimed.isascii() and claimed.isdigit()):
        return 0
    return int(claimed) if len(claimed) <= 18 else DISCARDED_BYTES + 1


async def _read_chunk(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


async def _discard(receive: Receive) -> None:
    size_bytes, more = 0, True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARDED_SECONDS):
            while more and size_bytes <= DISCARDED_BYTES:
                chunk, more = await _read_chunk(receive)
                size_bytes += len(chunk)


async def respond(
    send: Send,
    status: int,
    body: bytes = b"",
    *,
    content_type: bytes = b"text/plain; charset=utf-8",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Answer at once and completely."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                (b"x-content-type-options", b"nosniff"),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def respond_too_large(send: Send) -> None:
    """413. The connection ends, since some of the body may be unread."""
    await respond(send, 413, b"payload too large", headers=[(b"connection", b"close")])


async def respond_unavailable(send: Send) -> None:
    """503: nothing was kept, and it may be sent again."""
    await respond(send, 503, b"not kept", headers=[(b"retry-after", str(RETRY_AFTER_SECONDS).encode())])


async def respond_wrong_method(send: Send, *, allowed: bytes) -> None:
    """405."""
    await respond(send, 405, b"method not allowed", headers=[(b"allow", allowed)])
