"""What does an agent tell the bridge in a private note? The first line, when it begins with `/wa`."""

import re
from enum import StrEnum

from bridge.domain.speech import phrase

PREFIX = "/wa"


class Command(StrEnum):
    STATUS = "status"
    RESEND = "resend"
    HOLD_CANCEL = "hold cancel"
    OPT_OUT = "opt-out"
    OPT_IN = "opt-in"
    RETRY_MEDIA = "retry media"
    ASK_NUMBER = "ask number"
    CONTACT = "contact"
    TEMPLATE = "template"
    HELP = "help"
    """Anything else: answered by the list."""


DESCRIPTIONS = {
    Command.STATUS: phrase("the window, held replies, limits and the last deliveries"),
    Command.RESEND: phrase("send every unconfirmed or failed reply of this ticket again"),
    Command.HOLD_CANCEL: phrase("drop the replies of this ticket that wait for the window"),
    Command.TEMPLATE: phrase(
        "send an approved template, also outside the window: its name, lang=CODE if you like, and its variables like "
        '1=Ines or first_name="Ines Duarte"'
    ),
    Command.OPT_OUT: phrase(
        "put on record that the customer wants no marketing messages; say how you know, if you like"
    ),
    Command.OPT_IN: phrase("put on record that the customer wants marketing messages; say when and how they agreed"),
    Command.RETRY_MEDIA: phrase("fetch the customer's files again that WhatsApp did not give out"),
    Command.ASK_NUMBER: phrase("ask a customer who hides their number for it"),
    Command.CONTACT: phrase("who the customer is; with the id of a helpdesk user behind it: it is that one"),
}
_WITH_WORDS = (Command.OPT_OUT, Command.OPT_IN, Command.CONTACT, Command.TEMPLATE)
"""What follows is the agent's own words."""
_DIRECTION_MARKS = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
"""Unseen signs that come along when a command is copied from a text that runs from right to left."""


def parse_command(note: str) -> Command | None:
    """The command in a private note's plain text; None when the note is none."""
    words = _words(note)
    if not words or words[0].casefold() != PREFIX:
        return None
    rest = " ".join(words[1:]).casefold()
    return next(
        (
            command
            for command in DESCRIPTIONS
            if command.value == rest or (command in _WITH_WORDS and rest.startswith(f"{command.value} "))
        ),
        Command.HELP,
    )


def words_after(note: str) -> str:
    """What stands behind a one-word command in its line, as it was written."""
    return " ".join(_words(note)[2:])


def text_after(note: str, command: Command) -> str:
    """Whatever stands behind a one-word command, over all lines, as it was written."""
    bare = _DIRECTION_MARKS.sub("", note).replace("\u00a0", " ")
    found = re.match(rf"\s*{PREFIX}[ \t]+{command.value}\b(.*)", bare, re.DOTALL | re.IGNORECASE)
    return "" if found is None else found[1].strip()


def _words(note: str) -> list[str]:
    first_line = _DIRECTION_MARKS.sub("", note).strip().split("\n", 1)[0]
    return first_line.replace("\u00a0", " ").split()
