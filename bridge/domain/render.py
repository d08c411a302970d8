"""How do a customer's messages read on the ticket? One comment for all that wait together, in WhatsApp's order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape

from bridge.domain.text import clean, whatsapp_to_html

LATE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Line:
    """One message. `posted_until_at`: the newest message that stands on the ticket already."""

    text: str = field(repr=False)
    sent_at: datetime


def render_messages(lines: Sequence[Line], *, now: datetime, posted_until_at: datetime | None) -> tuple[str, str]:
    """HTML and plain text. A message carries its own time when it is late by a minute, or older than what stands on
    the ticket already, since a helpdesk stamps comments with its own clock (and some take no other)."""
    html, text = [], []
    for line in lines:
        is_late = now - line.sent_at > LATE or (posted_until_at is not None and line.sent_at < posted_until_at)
        stamp = f"[{line.sent_at:%Y-%m-%d %H:%M:%S} UTC] " if is_late else ""
        html.append(f"<p>{stamp}{whatsapp_to_html(line.text)}</p>")
        text.append(f"{stamp}{line.text}")
    return "".join(html), "\n\n".join(text)


def render_note(text: str) -> str:
    """One of our own private notes as HTML."""
    return "<p>" + escape(clean(text)).replace("\n", "<br>") + "</p>"
