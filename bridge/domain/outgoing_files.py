"""In which form does a file reach WhatsApp? By what it is, not by what it says of itself. Pure.

Types and limits are the fact sheet's (WhatsApp 2.2, 2.5). What WhatsApp does not take is converted, else sent as a
document, else as a link; the forms of a file stand in that order, and a refused one is followed by the next.
"""

import codecs
import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.domain.text import clean, graphemes, utf16_length

MEGABYTE = 1024 * 1024
MOST_BYTES = 100 * MEGABYTE
"""More is not fetched at all."""
CAPTION_LIMIT = 1024
"""UTF-16 units."""
CONVERTIBLE_BYTES = 40 * MEGABYTE
NAME_UNITS = 200


class MediaKind(StrEnum):
    """The type of message that carries a file."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"


LIMITS = {
    MediaKind.IMAGE: 5 * MEGABYTE,
    MediaKind.VIDEO: 16 * MEGABYTE,
    MediaKind.AUDIO: 16 * MEGABYTE,
    MediaKind.DOCUMENT: 100 * MEGABYTE,
}


class Way(StrEnum):
    AS_IS = "as_is"
    CONVERTED = "converted"
    DOCUMENT = "document"
    LINK = "link"


class Conversion(StrEnum):
    PICTURE = "picture"
    """To JPEG, or to PNG where something shows through; small enough for a message."""
    VOICE = "voice"
    """To OGG with one channel of Opus."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to send a file. `kind` None: as a link in a text."""

    way: Way
    kind: MediaKind | None = None
    mime_type: str = ""
    conversion: Conversion | None = None
    voice: bool = False


LINK = Form(Way.LINK)
_PICTURE = Form(Way.CONVERTED, MediaKind.IMAGE, "image/jpeg", Conversion.PICTURE)
_VOICE = Form(Way.CONVERTED, MediaKind.AUDIO, "audio/ogg", Conversion.VOICE, voice=True)

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN_XML = {
    "docx": (b"word/", f"{_OFFICE}wordprocessingml.document"),
    "xlsx": (b"xl/", f"{_OFFICE}spreadsheetml.sheet"),
    "pptx": (b"ppt/", f"{_OFFICE}presentationml.presentation"),
}
_OLE = {
    "doc": "application/msword",
    "dot": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "pps": "application/vnd.ms-powerpoint",
}
DOCUMENTS = frozenset({"application/pdf", *_OLE.values(), *(mime for _, mime in _OPEN_XML.values())})
_PICTURES = frozenset({"image/gif", "image/webp", "image/heic", "image/avif", "image/bmp", "image/tiff"})
_SOUNDS = frozenset({"audio/mpeg", "audio/aac", "audio/amr", "audio/mp4"})
_OTHER_SOUNDS = frozenset({"audio/wav", "audio/flac", "audio/webm", "audio/vorbis", "audio/aiff"})
_UNPLAYABLE = (b"hvc1", b"hev1", b"av01", b"vp09", b"dvh1")
"""Marks of other codecs than H.264 inside an MP4."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_HEAD_BYTES = 4096
_OVERLAP = 3

_BEGINNINGS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"#!AMR", "audio/amr"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"FORM", "audio/aiff"),
    (b"%PDF-", "application/pdf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"PK\x03\x04", "zip"),
)
_BRANDS = (
    (b"hei", "image/heic"),
    (b"hevc", "image/heic"),
    (b"mif1", "image/heic"),
    (b"msf1", "image/heic"),
    (b"avi", "image/avif"),
    (b"3g", "video/3gpp"),
    (b"M4A", "audio/mp4"),
    (b"M4B", "audio/mp4"),
    (b"qt", "video/quicktime"),
)


class Inspection:
    """Looks at a file as it comes by, piece by piece."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_text = True
        self._other_codec = False
        self.size_bytes = 0

    def feed(self, piece: bytes) -> None:
        self.size_bytes += len(piece)
        self._head += piece[: max(0, _HEAD_BYTES - len(self._head))]
        seam = self._tail + piece
        self._other_codec = self._other_codec or any(mark in seam for mark in _UNPLAYABLE)
        self._tail = seam[-_OVERLAP:]
        if self._is_text:
            try:
                self._is_text = _CONTROL.search(self._decoder.decode(piece)) is None
            except UnicodeDecodeError:
                self._is_text = False

    def forms(self, *, name: str, mime_type: str) -> tuple[Form, ...]:
        """The forms that may be tried, best first. `name` and `mime_type` are believed only where the content is the
        same for several types."""
        found = self._type(name=name, mime_type=mime_type.partition(";")[0].strip().lower())
        return (*self._better_forms(found), LINK)

    def _better_forms(self, found: str) -> tuple[Form, ...]:
        size, may_convert = self.size_bytes, self.size_bytes <= CONVERTIBLE_BYTES
        if found in _PICTURES or found in {"image/jpeg", "image/png"}:
            as_is = found == "image/jpeg" or (found == "image/png" and self._is_plain_png())
            fits = as_is and size <= LIMITS[MediaKind.IMAGE]
            return (
                *((Form(Way.AS_IS, MediaKind.IMAGE, found),) if fits else ()),
                *((_PICTURE,) if may_convert else ()),
            )
        if found == "audio/ogg" and self._is_mono() and size <= LIMITS[MediaKind.AUDIO]:
            return (Form(Way.AS_IS, MediaKind.AUDIO, found, voice=True), _VOICE)
        if found in _SOUNDS and size <= LIMITS[MediaKind.AUDIO]:
            return (Form(Way.AS_IS, MediaKind.AUDIO, found), _VOICE)
        if found in _SOUNDS or found in _OTHER_SOUNDS or found == "audio/ogg":
            return (_VOICE,) if may_convert else ()
        if found in {"video/mp4", "video/3gpp"}:
            fits = size <= LIMITS[MediaKind.VIDEO] and not self._other_codec
            return (Form(Way.AS_IS, MediaKind.VIDEO, found),) if fits else ()
        if found in DOCUMENTS or found == "text/plain":
            return (Form(Way.AS_IS, MediaKind.DOCUMENT, found),)
        if found.startswith("text/"):
            return (Form(Way.DOCUMENT, MediaKind.DOCUMENT, "text/plain"),)
        return ()

    def _type(self, *, name: str, mime_type: str) -> str:
        head, extension = self._head, _extension(name)
        for beginning, found in _BEGINNINGS:
            if head.startswith(beginning):
                if found == "ole":
                    return _OLE.get(extension, mime_type if mime_type in _OLE.values() else "application/x-ole")
                return _of_zip(head, extension) if found == "zip" else found
        if head[:4] == b"RIFF":
            return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12], "video/x-msvideo")
        if head[4:8] == b"ftyp":
            brand = head[8:12]
            found = next((mime for begins, mime in _BRANDS if brand.startswith(begins)), "video/mp4")
            return "audio/mp4" if found == "video/mp4" and mime_type.startswith("audio/") else found
        if head[:4] == b"OggS":
            first = head[:512]
            return "audio/ogg" if b"OpusHead" in first else "audio/vorbis" if b"vorbis" in first else "video/ogg"
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return "audio/webm" if mime_type.startswith("audio/") else "video/webm"
        if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
            return "image/bmp"
        if head[:2] in (b"\xff\xf1", b"\xff\xf9"):
            return "audio/aac"
        if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xE6 == 0xE2:
            return "audio/mpeg"
        if self._is_text and head:
            return "text/plain" if extension in {"txt", ""} or mime_type == "text/plain" else "text/x-other"
        return "application/octet-stream"

    def _is_plain_png(self) -> bool:
        """Eight bits a channel, RGB or RGBA."""
        return self._head[24:25] == b"\x08" and self._head[25:26] in (b"\x02", b"\x06")

    def _is_mono(self) -> bool:
        at = self._head.find(b"OpusHead")
        return self._head[at + 9 : at + 10] == b"\x01"


def _of_zip(head: bytes, extension: str) -> str:
    inside = next((mime for begins, mime in _OPEN_XML.values() if begins in head), None)
    if inside is not None:
        return inside
    is_office = b"[Content_Types].xml" in head or b"_rels/" in head or b"docProps/" in head
    return _OPEN_XML[extension][1] if is_office and extension in _OPEN_XML else "application/zip"


def _extension(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""


@dataclass(frozen=True, slots=True)
class FileName:
    """A name that can be shown and saved anywhere, in two halves."""

    stem: str = field(repr=False)
    extension: str

    def __str__(self) -> str:
        return f"{self.stem}.{self.extension}" if self.extension else self.stem


_EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "video/mp4": "mp4",
    "video/3gpp": "3gp",
    "application/pdf": "pdf",
    "text/plain": "txt",
}


def safe_name(name: str, *, mime_type: str = "") -> FileName:
    """`name` without folders, control characters or marks that turn its direction, at most `NAME_UNITS` long. Without
    one it is called `file`."""
    last = re.split(r"[/\\]", clean(name))[-1]
    shown = "".join("_" if char in '<>:"|?*' else char for char in last if unicodedata.category(char)[0] != "C")
    stem, dot, extension = " ".join(shown.split()).strip(" .").rpartition(".")
    if not dot or not re.fullmatch(r"[A-Za-z0-9]{1,10}", extension):
        stem, extension = " ".join(shown.split()).strip(" ."), _EXTENSIONS.get(mime_type, "")
    size, kept = 0, ""
    for cluster in graphemes(stem):
        size += utf16_length(cluster)
        if size > NAME_UNITS:
            break
        kept += cluster
    return FileName(kept.strip(" .") or "file", extension)


def takes_caption(*, name: str, mime_type: str) -> bool:
    """Whether a text may ride on this file, as far as can be told before it was looked at: sounds take none."""
    sounds = {"mp3", "m4a", "ogg", "oga", "opus", "wav", "aac", "amr", "flac", "weba", "aiff"}
    return not mime_type.lower().startswith("audio/") and _extension(name) not in sounds
