"""Does a file become what WhatsApp takes, and does a hostile one burst in the child alone?"""

import io
import struct
import zlib
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from bridge.conversion.child import LONGEST_SIDE, MOST_IMAGE_BYTES, MOST_INPUT_BYTES
from bridge.domain.outgoing_files import CONVERTIBLE_BYTES, Conversion
from bridge.runtime.conversions import Conversions, Converted
from tests import files


async def pieces(content: bytes, *, times: int = 1) -> AsyncIterator[bytes]:
    for _ in range(times):
        yield content


async def converted(kind: Conversion, content: bytes) -> Converted | None:
    return await Conversions().convert(kind, pieces(content))


async def picture(content: bytes) -> Image.Image:
    made = await converted(Conversion.PICTURE, content)
    assert made is not None
    assert len(made.content) <= MOST_IMAGE_BYTES
    opened = Image.open(io.BytesIO(made.content))
    assert made.mime_type == {"JPEG": "image/jpeg", "PNG": "image/png"}[opened.format or ""]
    return opened


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "BMP", "HEIF", "PNG"])
async def test_picture_becomes_one_that_whatsapp_takes(kind: str) -> None:
    made = await picture(files.picture(kind, mode="P" if kind in {"GIF", "PNG"} else "RGB"))
    assert (made.format, made.mode, made.size) == ("JPEG", "RGB", (24, 16))


async def test_what_shows_through_still_does() -> None:
    target = io.BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 90)).save(target, "WEBP", lossless=True)
    made = await picture(target.getvalue())
    assert (made.format, made.mode) == ("PNG", "RGBA")


async def test_photo_stands_upright_and_fits() -> None:
    noise = Image.effect_noise((5000, 3000), 90).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    target = io.BytesIO()
    noise.save(target, "JPEG", quality=95, exif=exif)
    assert len(target.getvalue()) > MOST_IMAGE_BYTES
    made = await picture(target.getvalue())
    assert made.height > made.width
    assert max(made.size) <= LONGEST_SIDE


def _bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that says it is `side` pixels wide and high, and is."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = b"\0" * (side * 3 + 1)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(row) for _ in range(64)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        pytest.param(Conversion.PICTURE, _bomb(30_000), id="a decompression bomb"),
        pytest.param(Conversion.PICTURE, files.picture("JPEG")[:200], id="a photo that is cut"),
        pytest.param(Conversion.PICTURE, b"plain text", id="no picture"),
        pytest.param(Conversion.PICTURE, b"", id="nothing"),
        pytest.param(Conversion.VOICE, files.MP4, id="a film without sound"),
        pytest.param(Conversion.VOICE, files.sound()[:44], id="no sound in it"),
        pytest.param(Conversion.VOICE, b"RIFF\xff\xff\xff\xffWAVEfmt ", id="a length that lies"),
        pytest.param(Conversion.VOICE, b"plain text", id="no sound"),
    ],
)
async def test_what_cannot_be_converted_is_said_so(kind: Conversion, content: bytes) -> None:
    assert await converted(kind, content) is None


async def test_file_that_never_ends_is_let_go() -> None:
    assert await Conversions().convert(Conversion.PICTURE, pieces(b"\0" * 1024 * 1024, times=50)) is None
    assert CONVERTIBLE_BYTES <= MOST_INPUT_BYTES


async def test_sound_becomes_a_voice_message_of_one_channel() -> None:
    made = await converted(Conversion.VOICE, files.sound(channels=2, seconds=1))
    assert made is not None
    assert made.mime_type == "audio/ogg"
    head = made.content.index(b"OpusHead")
    assert made.content[:4] == b"OggS"
    assert made.content[head + 9] == 1
    again = await converted(Conversion.VOICE, made.content)
    assert again is not None


async def test_failure_of_the_far_side_in_the_middle_is_the_callers() -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield b"begin"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await Conversions().convert(Conversion.PICTURE, cut())
