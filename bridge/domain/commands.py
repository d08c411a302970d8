"""What does an agent tell the bridge in a private note? The first line, when it begins with `/wa`."""

import re
from enum import StrEnum

from bridge.domain.speech import phrase

PREFIX = "/wa"


class Command(StrEnum):
    STATUS = "status"
    RESEND = "resend"
    HOLD_CANCEL = "hold cancel"
    HELP = "help"
    """Anything else: answered by the list."""


DESCRIPTIONS = {
    Command.STATUS: phrase("the window, held replies, limits and the last deliveries"),
    Command.RESEND: phrase("send every unconfirmed or failed reply of this ticket again"),
    Command.HOLD_CANCEL: phrase("drop the replies of this ticket that wait for the window"),
}
_DIRECTION_MARKS = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
"""Unseen signs that come along when a command is copied from a text that runs from right to left."""


def parse_command(note: str) -> Command | None:
    """The command in a private note's plain text; None when the note is none."""
    first_line = _DIRECTION_MARKS.sub("", note).strip().split("\n", 1)[0]
    words = first_line.replace("\u00a0", " ").casefold().split()
    if not words or words[0] != PREFIX:
        return None
    rest = " ".join(words[1:])
    return next((command for command in DESCRIPTIONS if command.value == rest), Command.HELP)
