"""Small files of every kind, made on the spot."""

import io
import math
import struct
import wave

from PIL import Image

MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0\0\0\x10moovtrakavc1" + b"\0" * 64
H265 = MP4.replace(b"avc1", b"hvc1")
OPUS = b"OggS\0\x02" + b"\0" * 22 + b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0" + b"\0" * 40
MP3 = b"ID3\x04\0\0\0\0\0\0" + b"\xff\xfb\x90\x64" + b"\0" * 100
PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n"
ZIP = b"PK\x03\x04" + b"\x14\0" + b"\0" * 22 + b"\x05\0\0\0a.txt" + b"\0" * 20
DOCX = b"PK\x03\x04" + b"\x14\0" + b"\0" * 22 + b"\x13\0\0\0[Content_Types].xml" + b"\0" * 10 + b"word/document.xml"


def picture(kind: str, *, mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> bytes:
    """A picture that Pillow can write: `JPEG`, `PNG`, `GIF`, `WEBP`, `BMP`, or `HEIF`."""
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    target = io.BytesIO()
    Image.new(mode, size, 120 if mode in {"L", "1", "P"} else "teal").save(target, kind)
    return target.getvalue()


def sound(*, channels: int = 2, seconds: float = 0.2) -> bytes:
    """A WAV with a tone."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16_000)
        for number in range(int(16_000 * seconds)):
            file.writeframes(struct.pack("<h", int(9000 * math.sin(number / 12))) * channels)
    return target.getvalue()
