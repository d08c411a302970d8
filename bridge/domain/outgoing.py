"""What does an agent's comment say to the customer? Text, files and the message that it answers. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bridge.domain.outgoing_files import CAPTION_LIMIT, FileName, safe_name, takes_caption
from bridge.domain.quoted import leading_quote
from bridge.domain.text import MESSAGE_LIMIT, markdown_to_whatsapp, read_comment, split_message, utf16_length

MARKUP_LIMIT = 262_144
"""Characters of a comment that are read: what helpdesks keep of one is far less."""
MOST_PARTS = 20
"""Messages that one comment may become."""
_FENCE = "```"


class NameLine(StrEnum):
    """Whether a reply begins with who wrote it."""

    OFF = "off"
    FIRST = "first"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """A file on a comment, by where the helpdesk gives it out. What it says of itself need not be true."""

    ticket_id: str
    comment_id: str
    commented_at: datetime
    file_id: str
    name: str = field(repr=False)
    mime_type: str
    size_bytes: int | None

    @property
    def shown_name(self) -> FileName:
        return safe_name(self.name, mime_type=self.mime_type)

    def to_json(self) -> dict[str, Any]:
        return {
            "ticket_id": self.ticket_id,
            "comment_id": self.comment_id,
            "commented_at": self.commented_at.isoformat(),
            "file_id": self.file_id,
            "name": self.name,
            "mime_type": self.mime_type,
            "size_bytes": self.size_bytes,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "OutgoingFile":
        return cls(**{**kept, "commented_at": datetime.fromisoformat(kept["commented_at"])})


@dataclass(frozen=True, slots=True)
class Words:
    """A comment as WhatsApp shows it. `quote`: what it quotes first, not part of `text`, where anything is."""

    text: str = field(repr=False)
    pictures: Sequence[str] = field(repr=False)
    """Those of the pictures asked for that stand in it."""
    quote: str | None = field(repr=False)
    is_cut: bool


def read_words(html: str, text: str, *, pictures: Sequence[str]) -> Words:
    """A comment's words; `text` is what is read where there is no HTML."""
    shown, met = read_comment(html[:MARKUP_LIMIT], pictures)
    said = markdown_to_whatsapp((shown or ("" if met else text[:MARKUP_LIMIT])).strip())
    quoted = leading_quote(said)
    is_cut = len(html) > MARKUP_LIMIT or (not html and len(text) > MARKUP_LIMIT)
    return Words(said, met, quoted[0] if quoted else None, is_cut)


def without_quote(words: str) -> str:
    """The reply without what it quotes first."""
    quoted = leading_quote(words)
    return quoted[1] if quoted else words


def name_of(author: str | None, line: NameLine) -> str:
    """The author's name as a reply begins with it; empty where it does not."""
    name = " ".join((author or "").replace("*", "").split())
    return {NameLine.OFF: "", NameLine.FIRST: name.partition(" ")[0], NameLine.FULL: name}[line]


def parts_of(text: str, *, name: str) -> tuple[list[str], int]:
    """The messages that a text becomes, `MOST_PARTS` of them at most, and how many it would be whole.

    A mono block that is cut is closed in one message and opened again in the next.
    """
    if not text.strip():
        return [], 0
    line = f"*{name}*\n" if name else ""
    pieces = split_message(line + text, limit=MESSAGE_LIMIT - 2 * len(_FENCE))
    return _fenced(pieces[:MOST_PARTS]), len(pieces)


def _fenced(pieces: Sequence[str]) -> list[str]:
    fenced, is_open = [], False
    for piece in pieces:
        whole = (_FENCE if is_open else "") + piece
        is_open = whole.count(_FENCE) % 2 == 1
        fenced.append(whole + _FENCE if is_open else whole)
    # A lone fence at the very end is a character like any other.
    return fenced if not is_open else [*fenced[:-1], fenced[-1].removesuffix(_FENCE)]


def is_caption(parts: Sequence[str], files: Sequence[OutgoingFile]) -> bool:
    """Whether the text rides on the file: one of each, and short enough."""
    return (
        len(parts) == 1
        and len(files) == 1
        and utf16_length(parts[0]) <= CAPTION_LIMIT
        and takes_caption(name=files[0].name, mime_type=files[0].mime_type)
    )


def described(text: str, file: OutgoingFile | None) -> str:
    """A message as notes quote it."""
    return " ".join(part for part in (f"📎 {file.shown_name}" if file else "", text) if part)
