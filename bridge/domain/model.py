"""The values the bridge thinks in. Frozen, typed, and silent: personal fields are kept out of every `repr`."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

WaId = NewType("WaId", str)
"""Digits. Meta's id of a person; may differ from the number dialled, and may be absent."""
Bsuid = NewType("Bsuid", str)
"""Business-scoped user id, like `PT.30991122334455667788`. Whole and case-sensitive."""
Wamid = NewType("Wamid", str)
"""Opaque, compared as a whole. Holds the customer's number in base64: personal data."""
PhoneNumberId = NewType("PhoneNumberId", str)


class MessageStatus(StrEnum):
    """What became of an outbound message, in the order a message goes through them."""

    QUEUED = "queued"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote, as the webhook says it. At least one of the two ids is set."""

    bsuid: Bsuid | None = field(repr=False)
    wa_id: WaId | None = field(repr=False)
    name: str | None = field(repr=False)
    parent_bsuid: Bsuid | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MediaRef:
    """A file of a message. WhatsApp gives it out by `media_id`, or it came along whole as `content` (a vCard).

    `kind` is our word for it (`image`, `voice`, `contact` …). Name, type and hash are what the sender claims.
    """

    kind: str
    media_id: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)
    mime_type: str | None = field(default=None, repr=False)
    sha256: str | None = field(default=None, repr=False)
    content: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """Something a customer sent. `text` is what the agent reads, plain, in WhatsApp's own markup.

    `opens_window`: whether it opens or refreshes the customer service window (fact sheet WhatsApp 3.1).
    `kind` is Meta's type; `quoted` the wamid that it answers; `about` the one that it reacts to, edits or revokes, and
    `says` what it says of that (an emoji, the new words). `origin`: what brought the customer here (`ad` or `post`, and
    Meta's id of it). `is_understood` False: a later version may make more of it than a line that says so.
    """

    wamid: Wamid = field(repr=False)
    sender: Sender
    sent_at: datetime
    kind: str
    text: str = field(repr=False)
    opens_window: bool
    quoted: Wamid | None = field(default=None, repr=False)
    is_referred: bool = False
    """It came by an advertisement or a page's button (fact sheet WhatsApp 1.6.4)."""
    about: Wamid | None = field(default=None, repr=False)
    says: str | None = field(default=None, repr=False)
    media: tuple[MediaRef, ...] = ()
    origin: str | None = None
    is_understood: bool = True
    told_number: str | None = field(default=None, repr=False)
    """The customer's own number, in digits, where this answers our request for it."""
    is_echo: bool = False
    """The business wrote it, in the WhatsApp Business app: `sender` is the customer whom it went to."""


@dataclass(frozen=True, slots=True)
class SystemNotice:
    """WhatsApp itself says something of a customer (number or id change). Opens no ticket and no window.

    `sender` is who they were before; `new_…` is what they are called now, `previous_…` what they were called.
    """

    wamid: Wamid = field(repr=False)
    sender: Sender
    sent_at: datetime
    kind: str
    new_wa_id: WaId | None = field(repr=False)
    new_bsuid: Bsuid | None = field(repr=False)
    previous_bsuid: Bsuid | None = field(repr=False)
    new_parent_bsuid: Bsuid | None = field(default=None, repr=False)
    previous_parent_bsuid: Bsuid | None = field(default=None, repr=False)

    @property
    def changes_ids(self) -> bool:
        return bool(self.new_wa_id or self.new_bsuid or self.new_parent_bsuid) and self.kind in (
            "user_changed_number",
            "user_changed_user_id",
        )


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """Why Meta did not deliver. `code` is Meta's; `explanation`, `advice` and `customer_saw` are plain sentences for an
    agent, in English, which the catalogues have; `details` are Meta's own words, where they say more than ours.
    """

    code: int
    explanation: str
    advice: str
    customer_saw: str = ""
    details: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """A status webhook. `key` is ours where the message carried one; `recipient` helps nobody and is left out."""

    wamid: Wamid = field(repr=False)
    status: MessageStatus
    at: datetime
    key: str | None
    error_code: int | None
    error_details: str | None = field(repr=False)
    price_category: str | None = None
    price_type: str | None = None
    """What it costs, where this status tells it: `utility`, and `regular` or a reason why it is free."""
    free_entry_until: datetime | None = None
    """Until when Meta says that a free entry point is open (fact sheet WhatsApp 1.8)."""


@dataclass(frozen=True, slots=True)
class MarketingPreference:
    """What somebody told WhatsApp of our marketing messages. `word` is Meta's for it."""

    sender: Sender
    at: datetime
    wants_marketing: bool
    word: str


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """An item we have no words for. Kept, counted, and never in the way of its neighbours."""

    kind: str
    reason: str
