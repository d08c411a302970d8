"""What does an agent tell the bridge in a private note? The first line, when it begins with `/wa`."""

from enum import StrEnum

PREFIX = "/wa"


class Command(StrEnum):
    STATUS = "status"
    RESEND = "resend"
    HOLD_CANCEL = "hold cancel"
    HELP = "help"
    """Anything else: answered by the list."""


DESCRIPTIONS = {
    Command.STATUS: "the window, held replies, limits and the last deliveries",
    Command.RESEND: "send every unconfirmed or failed reply of this ticket again",
    Command.HOLD_CANCEL: "drop the replies that wait for the window",
}


def parse_command(note: str) -> Command | None:
    """The command in a private note's plain text; None when the note is none."""
    first_line = note.strip().split("\n", 1)[0]
    words = first_line.replace("\u00a0", " ").casefold().split()
    if not words or words[0] != PREFIX:
        return None
    rest = " ".join(words[1:])
    return next((command for command in DESCRIPTIONS if command.value == rest), Command.HELP)
