"""What was said in the WhatsApp Business app before we came? Pure; the shape of fact sheet WhatsApp 1.12.

Chunks come out of order and may repeat; media come later, if at all, so that a file is only named here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bridge.domain.model import Sender, Unrecognised
from bridge.whatsapp.translate import sender_of_id, translate_bare
from bridge.whatsapp.wire import Part, part_of

FIELD = "history"


@dataclass(frozen=True, slots=True)
class Past:
    """One message of long ago."""

    wamid: str = field(repr=False)
    is_ours: bool
    sent_at: datetime
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PastThread:
    """What was said with one customer, oldest first."""

    customer: Sender
    messages: tuple[Past, ...]


def threads_of(item: Mapping[str, object]) -> Iterator[tuple[str, list[Mapping[str, object]]]]:
    """Each thread of a history webhook with its messages; groups are left out by Meta itself."""
    for history in part_of(item).part("value").parts("history"):
        for thread in history.parts("threads"):
            thread_id = thread.text("id")
            if thread_id:
                yield thread_id, [message.members for message in thread.parts("messages")]


def translate_thread(item: Mapping[str, object], *, received_at: datetime) -> PastThread | Unrecognised:
    """What `deskbridge events import-history` put into the inbox: `{"metadata", "thread": {"id", "messages"}}`."""
    root = part_of(item)
    thread = root.part("thread")
    ours = _digits(root.part("metadata").text("display_phone_number"))
    customer = sender_of_id(thread.text("id"))
    if customer is None:
        return Unrecognised("history", "it names nobody")
    found = [_past(message, ours=ours, received_at=received_at) for message in thread.parts("messages")]
    messages = sorted((one for one in found if one is not None), key=lambda one: one.sent_at)
    return PastThread(customer, tuple(messages))


def _past(message: Part, *, ours: str, received_at: datetime) -> Past | None:
    wamid = message.text("id")
    if wamid is None:
        return None
    sent_at, text = translate_bare(message, received_at=received_at)
    is_ours = bool(ours) and _digits(message.text("from")) == ours
    return Past(wamid, is_ours, sent_at, "[A file]" if message.text("type") == "media_placeholder" else text)


def _digits(number: str | None) -> str:
    return "".join(char for char in number or "" if char.isascii() and char.isdigit())
