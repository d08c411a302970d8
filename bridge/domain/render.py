"""How do a customer's messages read on the ticket? One comment for all that wait together, in WhatsApp's order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from itertools import groupby

from bridge.domain.text import clean, whatsapp_to_html

LATE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Line:
    """One message. `asides` is what we say of its files, a line each. `is_table`: lines with tabs in them are rows."""

    text: str = field(repr=False)
    sent_at: datetime
    asides: Sequence[str] = ()
    is_table: bool = False


def render_messages(lines: Sequence[Line], *, now: datetime, posted_until_at: datetime | None) -> tuple[str, str]:
    """HTML and plain text. `posted_until_at`: the newest message that stands on the ticket already.

    A message carries its own time when it is late by a minute, or older than what stands on the ticket already, since a
    helpdesk stamps comments with its own clock (and some take no other).
    """
    html, text = [], []
    for line in lines:
        is_late = now - line.sent_at > LATE or (posted_until_at is not None and line.sent_at < posted_until_at)
        stamp = f"[{line.sent_at:%Y-%m-%d %H:%M:%S} UTC] " if is_late else ""
        says = "\n".join(part for part in (line.text, *line.asides) if part)
        html.append(_rows(says, stamp) if line.is_table else f"<p>{stamp}{whatsapp_to_html(says)}</p>")
        text.append(f"{stamp}{says}")
    return "".join(html), "\n\n".join(text)


def _rows(text: str, stamp: str) -> str:
    """Lines with a tab are rows of a table, the others paragraphs around it."""
    html = []
    for is_row, lines in groupby(text.split("\n"), lambda line: "\t" in line):
        if is_row:
            cells = (line.split("\t") for line in lines)
            # Blanks between the cells: some readers get the text alone.
            rows = "".join(f"<tr>{' '.join(f'<td>{escape(clean(c))}</td>' for c in row)}</tr>" for row in cells)
            html.append(f"<table>{rows}</table>")
        else:
            html.append(f"<p>{stamp}{whatsapp_to_html(chr(10).join(lines))}</p>")
        stamp = ""
    return "".join(html)


def render_note(text: str) -> str:
    """One of our own private notes as HTML."""
    return "<p>" + escape(clean(text)).replace("\n", "<br>") + "</p>"
