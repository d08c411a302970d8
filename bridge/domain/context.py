"""How does a message read that speaks of another one? Answers, reactions, edits and deletions, with what they mean.

Pure: whoever knows the messages looks them up. What is quoted is the customer's or ours, and stands as it was said.
"""

from dataclasses import dataclass, field

from bridge.domain.model import InboundMessage
from bridge.domain.text import flatten, preview

QUOTE_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Quoted:
    """The message that another one speaks of. `is_ours`: we sent it. `text` is what it said when it was last told."""

    is_ours: bool
    text: str = field(repr=False)


def whole_text(message: InboundMessage, *, about: Quoted | None, last_reaction: str | None = None) -> str:
    """What the agent reads. `about`: the message that this one answers, reacts to, edits or revokes, where we know it.
    `last_reaction`: the emoji that the customer gave it before (empty: taken back)."""
    match message.kind:
        case "reaction":
            return _reaction(message.says or "", about, last_reaction or "")
        case "edit":
            return _edit(message.text, about)
        case "revoke":
            return _revoke(message.text, about)
        case _ if message.quoted is not None:
            return _answer(message.text, about)
        case _:
            return message.text


def _whose(about: Quoted | None) -> str:
    if about is None:
        return "an earlier message"
    return "our message" if about.is_ours else "their own message"


def _short(about: Quoted | None) -> str:
    return f" “{preview(about.text, QUOTE_CHARACTERS)}”" if about is not None and flatten(about.text) else ""


def _reaction(emoji: str, about: Quoted | None, before: str) -> str:
    if not emoji:
        return f"[Took the reaction{f' {before}' if before else ''} to {_whose(about)} back]{_short(about)}"
    if before and before != emoji:
        return f"[Changed the reaction {before} to {emoji}, to {_whose(about)}]{_short(about)}"
    return f"[Reacted {emoji} to {_whose(about)}]{_short(about)}"


def _answer(text: str, about: Quoted | None) -> str:
    """Of a message that we never saw nothing is said: the answer stands for itself."""
    if about is None or not flatten(about.text):
        return text
    return f"[In answer to {_whose(about)}]{_short(about)}\n{text}"


def _edit(text: str, about: Quoted | None) -> str:
    if about is None:
        return text
    return f"{text}\n[Before that it read:]\n{_block(about.text)}"


def _revoke(text: str, about: Quoted | None) -> str:
    if about is None:
        return text
    return f"{text}\n[It read:]\n{_block(about.text)}"


def _block(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.split("\n"))
