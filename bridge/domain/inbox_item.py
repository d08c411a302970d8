"""One thing that a far side told us, on its way into the inbox."""

from dataclasses import dataclass, field
from enum import StrEnum


class InboxKind(StrEnum):
    MESSAGE = "message"
    STATUS = "status"
    CALL = "call"
    ECHO = "echo"
    """What the business wrote in the WhatsApp Business app."""
    HISTORY = "history"
    """What was said in the app before we came, put here on request."""
    CHANGE = "change"
    """Any other thing Meta tells, understood or not."""
    RING = "ring"
    """A helpdesk says that a ticket changed."""
    REFUSED = "refused"
    """Signed, and not readable. Kept to be looked at, never worked on."""


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One thing that was told. `event_key` carries its channel; `shard_key` is whatever names the person or ticket."""

    kind: InboxKind
    channel: str
    event_key: str | None = field(repr=False)
    shard_key: str = field(repr=False)
    body: bytes = field(repr=False)
    position: int
    source: str = "whatsapp"
