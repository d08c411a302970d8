"""What kind of file do the first bytes say it is? By signature alone: nothing is opened, unpacked or run."""

from bridge.domain.file_name import plain_type

SURE = 0.7
"""Signatures of two or three bytes occur by chance, those that are not looked for by name below."""
PROGRAM = "application/x-executable"

_SHORT = {b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"\x7fELF": PROGRAM}
_ALIASES = {"application/ogg": "audio/ogg", "application/mp4": "video/mp4"}


def look(head: bytes, *, claimed: str) -> str | None:
    """The MIME type that the beginning of a file shows: `claimed` (plain) where it may be that, None where it shows
    none for certain."""
    import puremagic  # only workers that move files need it, once they do

    if head.startswith(b"MZ") and b"\0" in head:
        return PROGRAM
    for beginning, mime_type in _SHORT.items():
        if head.startswith(beginning):
            return mime_type
    try:
        matches = [(_named(match.mime_type), match.confidence) for match in puremagic.magic_string(head)]
    except (puremagic.PureError, ValueError, IndexError):
        matches = []
    if any(mime_type == claimed for mime_type, _ in matches):
        return claimed
    sure = next((mime_type for mime_type, confidence in matches if mime_type and confidence >= SURE), None)
    return sure or ("text/plain" if _is_text(head) else None)


def _named(mime_type: str) -> str:
    plain = plain_type(mime_type) if mime_type else ""
    return _ALIASES.get(plain, plain)


def _is_text(head: bytes) -> bool:
    """The last bytes may be half a character."""
    for cut in range(4):
        try:
            text = head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        return bool(text) and "\0" not in text
    return False
