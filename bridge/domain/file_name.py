"""What may a file be called, whoever named it, and what is it really? Pure.

Names come from strangers and end up on agents' disks: no path, nothing invisible, no text that runs backwards, no
name longer than file systems take, and an ending that says what the bytes are.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime

from bridge.domain.text import clean, graphemes

NAME_BYTES = 150

ENDINGS: Mapping[str, str] = {
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/zip": "zip",
    "audio/aac": "aac",
    "audio/amr": "amr",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "text/csv": "csv",
    "text/plain": "txt",
    "text/vcard": "vcf",
    "video/3gpp": "3gp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
}
_SAME = {"jpeg": "jpg", "oga": "ogg", "opus": "ogg", "m4b": "m4a", "mpga": "mp3", "htm": "html", "tif": "tiff"}
_MIME_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,100}")
_ENDING = re.compile(r"\.([A-Za-z0-9]{1,12})\Z")
_PATH_SIGNS = re.compile(r'[/\\:*?"<>|]+')
_BLANKS = re.compile(r"\s+")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|\Z)", re.IGNORECASE)
UNKNOWN_TYPE = "application/octet-stream"
_CONTAINERS = {
    "application/zip": (
        "application/vnd.openxmlformats",
        "application/vnd.oasis",
        "application/epub",
        "application/java",
    ),
    "application/x-ole-storage": ("application/msword", "application/vnd.ms-", "application/vnd.visio"),
    "text/plain": ("text/", "application/json", "application/xml", "application/x-sh", "message/"),
}
"""What a file of these types looks like from outside says little of what it is."""
_ALIKE = (frozenset({"audio", "video"}),)
"""An MP4, an OGG or a 3GP is either, by what is in it."""


def plain_type(mime_type: str | None) -> str:
    """A claimed MIME type without its parameters, in lower case; a vague one where it is none."""
    found = (mime_type or "").partition(";")[0].strip().lower()
    return found if _MIME_TYPE.fullmatch(found) else UNKNOWN_TYPE


def is_contradicted(claimed: str, found: str | None) -> bool:
    """Do the bytes look like something else than was claimed? `found` None: they look like nothing in particular."""
    if found is None or claimed == UNKNOWN_TYPE or found in (claimed, UNKNOWN_TYPE):
        return False
    if any(claimed.startswith(inner) for inner in _CONTAINERS.get(found, ())):
        return False
    kinds = {claimed.partition("/")[0], found.partition("/")[0]}
    if len(kinds) == 1:
        # A JPEG that is called a PNG harms nobody; among applications the difference is the point.
        return kinds == {"application"}
    return not any(kinds <= alike for alike in _ALIKE)


def safe_name(name: str | None, *, kind: str, mime_type: str, at: datetime) -> str:
    """A harmless name of at most `NAME_BYTES` in UTF-8. `mime_type` is plain; its ending is added where it is known and
    the name has another one. Nameless files are called by their kind and time."""
    ending = ENDINGS.get(mime_type)
    text = _PATH_SIGNS.sub("_", clean(name or ""))
    text = _BLANKS.sub(" ", "".join(char for char in text if char.isspace() or _is_visible(char))).strip(" ._-")
    if not any(char.isalnum() for char in text):
        text = f"{kind}-{at:%Y%m%d-%H%M%S}"
    if _DEVICES.match(text):
        text = f"_{text}"
    found = _ENDING.search(text)
    own = found[1].lower() if found else None
    stem = text[: found.start()] if found else text
    if own is None or (ending is not None and _SAME.get(own, own) != ending):
        # An ending that is not of this type stays in sight: it is what the sender called it.
        stem, own_ending = text, ending or "bin"
    else:
        own_ending = text[len(stem) + 1 :]
    return f"{_cut(stem, NAME_BYTES - len(own_ending) - 1)}.{own_ending}"


def _is_visible(char: str) -> bool:
    """No control, no format character (direction marks among them), nothing unassigned or private."""
    category = unicodedata.category(char)
    return not category.startswith("C") or char == "\N{ZERO WIDTH JOINER}"


def _cut(text: str, at_most_bytes: int) -> str:
    kept, size = "", 0
    for cluster in graphemes(text):
        size += len(cluster.encode("utf-8", "replace"))
        if size > at_most_bytes:
            return kept.rstrip(" .") or "file"
        kept += cluster
    return kept


def in_words(size_bytes: int) -> str:
    """A size as people read it."""
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    size, unit = size_bytes / 1000, "kB"
    if size >= 1000:
        size, unit = size / 1000, "MB"
    return f"{size:.1f} {unit}" if size < 10 else f"{size:.0f} {unit}"
