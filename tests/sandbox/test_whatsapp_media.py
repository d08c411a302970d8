"""Which files does the sandbox's Cloud API take, and what becomes of those that lie?"""

import io
import struct
import zlib
from typing import Any

import httpx
import pytest

from sandbox.whatsapp.media import MEGABYTE
from tests.sandbox.world import NUMBER_ID, World, code_of

TO = "+351910000111"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*, depth: int = 8, colour: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", 1, 1, depth, colour, 0, 0, 0)
    body = zlib.compress(b"\0" * 8)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def opus(channels: int) -> bytes:
    return b"OggS" + b"\0" * 24 + b"OpusHead\x01" + bytes([channels]) + b"\0" * 10


async def upload(
    world: World, content: bytes, mime_type: str, *, token: str | None = None, **fields: str
) -> httpx.Response:
    files = {"file": ("name", io.BytesIO(content), mime_type)}
    data = {"messaging_product": "whatsapp", "type": mime_type} | fields
    more: dict[str, Any] = {} if token is None else {"token": token}
    return await world.graph("POST", f"/{NUMBER_ID}/media", data=data, files=files, **more)


async def uploaded(world: World, content: bytes, mime_type: str) -> str:
    answer = await upload(world, content, mime_type)
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


async def sent(world: World, kind: str, media_id: str, **more: Any) -> dict[str, Any]:
    """What became of a message with this file, as the phone or the refusals tell it."""
    answer = await world.send({"to": TO, "type": kind, kind: {"id": media_id, **more}})
    assert answer.is_success, answer.text
    wamid = answer.json()["messages"][0]["id"]
    await world.product.until(lambda: len(world.product.statuses_of(wamid)) >= 1)
    first: dict[str, Any] = world.product.statuses_of(wamid)[0]
    return first


async def test_file_that_was_uploaded_reaches_the_phone_with_its_bytes(world: World) -> None:
    await world.subscribe_all()
    customer = await world.customer(wa_id="351910000111")
    media_id = await uploaded(world, png(), "image/png")
    assert (await sent(world, "image", media_id, caption="A dot"))["status"] == "sent"
    message = (await world.look(f"/customers/{customer['id']}/messages"))[-1]
    assert (message["type"], message["content"]["caption"]) == ("image", "A dot")
    found = await world.http.get(f"/sandbox/api/whatsapp/media/{message['content']['id']}")
    assert (found.content, found.headers["content-type"]) == (png(), "image/png")


@pytest.mark.parametrize(
    ("kind", "content", "mime_type", "voice"),
    [
        pytest.param("image", b"GIF89a", "image/png", None, id="a GIF that says PNG"),
        pytest.param("image", png(depth=16), "image/png", None, id="16 bits a channel"),
        pytest.param("image", png(colour=3), "image/png", None, id="a palette"),
        pytest.param("image", b"%PDF-1.7", "application/pdf", None, id="a document sent as image"),
        pytest.param("audio", opus(2), "audio/ogg", None, id="two channels"),
        pytest.param("audio", b"ID3\x04", "audio/mpeg", True, id="a voice message that is no OGG"),
        pytest.param("video", b"\0\0\0\x18ftypmp42hvc1", "video/mp4", None, id="H.265"),
        pytest.param("image", b"\xff\xd8\xff" + b"\0" * (6 * MEGABYTE), "image/jpeg", None, id="an image of 6 MB"),
    ],
)
async def test_file_that_whatsapp_does_not_deliver_fails_with_131053(
    world: World, kind: str, content: bytes, mime_type: str, voice: bool | None
) -> None:
    await world.subscribe_all()
    await world.customer(wa_id="351910000111")
    answer = await upload(world, content, mime_type)
    if answer.is_success:
        more = {} if voice is None else {"voice": voice}
        status = await sent(world, kind, answer.json()["id"], **more)
        assert (status["status"], status["errors"][0]["code"]) == ("failed", 131053)
    else:
        assert code_of(answer) == 131053


async def test_upload_is_refused_without_token_product_type_or_content(world: World) -> None:
    assert code_of(await upload(world, png(), "image/png", token="wrong")) == 190
    assert code_of(await upload(world, png(), "image/png", messaging_product="")) == 100
    assert code_of(await upload(world, png(), "image/png", type="image/jpeg")) == 100
    assert code_of(await upload(world, b"", "image/png")) == 100


async def test_mime_type_that_nobody_takes_is_refused_at_once_or_fails_later(world: World) -> None:
    assert code_of(await upload(world, b"PK\x03\x04", "application/zip")) == 100
    await world.faults(media_type_at_upload=False)
    await world.subscribe_all()
    await world.customer(wa_id="351910000111")
    media_id = await uploaded(world, b"PK\x03\x04", "application/zip")
    assert (await sent(world, "document", media_id))["errors"][0]["code"] == 131053


async def test_media_id_ends_after_thirty_days(world: World) -> None:
    await world.customer(wa_id="351910000111")
    media_id = await uploaded(world, png(), "image/png")
    await world.control("/clock", {"advance_seconds": 30 * 86400})
    answer = await world.send({"to": TO, "type": "image", "image": {"id": media_id}})
    assert code_of(answer) == 131009
