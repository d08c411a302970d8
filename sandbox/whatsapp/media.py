"""Which files does the Cloud API keep, and would a phone take them (fact sheet WhatsApp 2.5)?"""

import hashlib
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MEGABYTE = 1024 * 1024
UPLOAD_LIFE_SECONDS = 30 * 86400.0
_OFFICE = "application/vnd.openxmlformats-officedocument."
KINDS: dict[str, tuple[frozenset[str], int]] = {
    "audio": (frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}), 16 * MEGABYTE),
    "document": (
        frozenset(
            {
                "text/plain",
                "application/pdf",
                "application/msword",
                "application/vnd.ms-excel",
                "application/vnd.ms-powerpoint",
                f"{_OFFICE}wordprocessingml.document",
                f"{_OFFICE}spreadsheetml.sheet",
                f"{_OFFICE}presentationml.presentation",
            }
        ),
        100 * MEGABYTE,
    ),
    "image": (frozenset({"image/jpeg", "image/png"}), 5 * MEGABYTE),
    "sticker": (frozenset({"image/webp"}), 500 * 1024),
    "video": (frozenset({"video/mp4", "video/3gpp"}), 16 * MEGABYTE),
}
"""What each type of message takes, and its most bytes."""
MIME_TYPES = frozenset[str]().union(*(types for types, _ in KINDS.values()))
_BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Media:
    """A file that was uploaded, or sent by a customer. `expires_at`: sandbox time, Unix seconds."""

    id: str
    phone_number_id: str
    mime_type: str
    sha256: str
    file_size: int
    expires_at: float


class MediaStore:
    """Files by id; the bytes lie in `folder` (one that `close` removes, where none is given)."""

    def __init__(self, folder: Path | None) -> None:
        self._given = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self.kept: dict[str, Media] = {}

    @property
    def _folder(self) -> Path:
        if self._given is not None:
            self._given.mkdir(parents=True, exist_ok=True)
            return self._given
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="sandbox-media-")
        return Path(self._temporary.name)

    def close(self) -> None:
        """Files that nobody will ask for again."""
        if self._temporary is not None:
            self._temporary.cleanup()

    def keep(self, source: BinaryIO, *, mime_type: str, phone_number_id: str, expires_at: float) -> Media:
        """Take in what `source` holds from here to its end."""
        media_id = "".join(secrets.choice("123456789") for _ in range(16))
        digest, size = hashlib.sha256(), 0
        with (self._folder / media_id).open("wb") as file:
            while block := source.read(_BLOCK):
                digest.update(block)
                size += len(block)
                file.write(block)
        media = Media(media_id, phone_number_id, mime_type, digest.hexdigest(), size, expires_at)
        self.kept[media_id] = media
        return media

    def find(self, media_id: str, *, now: float) -> Media | None:
        """The file, while it lives."""
        media = self.kept.get(media_id)
        return media if media is not None and media.expires_at > now else None

    def path(self, media: Media) -> Path:
        """Where its bytes are."""
        return self._folder / media.id

    def clear(self) -> None:
        """No file at all."""
        for media in self.kept.values():
            self.path(media).unlink(missing_ok=True)
        self.kept.clear()


def plain_type(content_type: str) -> str:
    """A MIME type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def is_too_large(mime_type: str, size: int) -> bool:
    """Beyond what any type of message takes of this MIME type."""
    limits = [most for types, most in KINDS.values() if mime_type in types]
    return size > max(limits, default=100 * MEGABYTE)


def problem_of(kind: str, media: Media, path: Path, *, voice: bool) -> str:
    """Why WhatsApp cannot deliver this file as a message of this type; empty when it can."""
    types, most = KINDS[kind]
    if media.mime_type not in types:
        return f"{media.mime_type} cannot be sent as {kind}"
    if media.file_size > most:
        return f"a file of {media.file_size} bytes is too large for {kind}"
    if media.file_size == 0:
        return "the file is empty"
    data = path.read_bytes()
    if not _LOOKS[media.mime_type](data):
        return f"the file is not what its type {media.mime_type} says"
    if voice and media.mime_type != "audio/ogg":
        return "a voice message must be OGG with OPUS"
    return ""


def _png(data: bytes) -> bool:
    """Eight bits, RGB or RGBA."""
    return data[:8] == b"\x89PNG\r\n\x1a\n" and data[24:25] == b"\x08" and data[25:26] in (b"\x02", b"\x06")


def _opus(data: bytes) -> bool:
    """OPUS with one channel; the identification header is the first packet."""
    head = data.find(b"OpusHead", 0, 512)
    return data[:4] == b"OggS" and head > 0 and data[head + 9 : head + 10] == b"\x01"


def _mp4(data: bytes) -> bool:
    """H.264, with AAC or without sound."""
    silent_or_aac = data.count(b"soun") == 0 or b"mp4a" in data
    return data[4:8] == b"ftyp" and (b"avc1" in data or b"avc3" in data) and silent_or_aac


def _starts(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(beginnings)


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


_ZIP, _OLE = _starts(b"PK\x03\x04"), _starts(b"\xd0\xcf\x11\xe0")
_LOOKS: dict[str, Callable[[bytes], bool]] = {
    "image/jpeg": _starts(b"\xff\xd8\xff"),
    "image/png": _png,
    "image/webp": lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP",
    "audio/aac": _starts(b"\xff\xf1", b"\xff\xf9"),
    "audio/amr": _starts(b"#!AMR"),
    "audio/mpeg": lambda data: data[:3] == b"ID3" or (data[:1] == b"\xff" and data[1] & 0xE6 == 0xE2),
    "audio/mp4": lambda data: data[4:8] == b"ftyp",
    "audio/ogg": _opus,
    "video/mp4": _mp4,
    "video/3gpp": lambda data: data[4:11] == b"ftyp3gp",
    "text/plain": _is_text,
    "application/pdf": _starts(b"%PDF-"),
    "application/msword": _OLE,
    "application/vnd.ms-excel": _OLE,
    "application/vnd.ms-powerpoint": _OLE,
    f"{_OFFICE}wordprocessingml.document": _ZIP,
    f"{_OFFICE}spreadsheetml.sheet": _ZIP,
    f"{_OFFICE}presentationml.presentation": _ZIP,
}
