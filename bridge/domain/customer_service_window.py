"""When may we write freely to a contact? Pure: every time is aware UTC and `now` is passed in.

A window belongs to one contact and one of our numbers. It opens or starts anew with what the customer sends, counted
from WhatsApp's own timestamp; what we send never extends it (fact sheet WhatsApp 3.1). Meta's verdict wins over our
clock: once it refused a message, the window is closed until the customer writes again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

WINDOW = timedelta(hours=24)
MARGIN = timedelta(minutes=2)
"""Near the end Meta's clock decides, so the last two minutes count as closed (fact sheet WhatsApp 3.2)."""
CLOSING = timedelta(hours=2)
"""How long before its end a window counts as closing, where nothing else is asked for."""


class WindowState(StrEnum):
    OPEN = "open"
    CLOSING = "closing"
    """Open, and about to close."""
    CLOSED = "closed"
    REFUSED = "refused"
    """Open by our clock, but Meta said that it is not."""
    UNKNOWN = "unknown"
    """The customer never wrote to this number, as far as we know. Counts as closed."""


@dataclass(frozen=True, slots=True)
class CustomerServiceWindow:
    """What is known of one window. `refused_at`: when we sent the message that Meta refused with 131047."""

    last_inbound_at: datetime | None
    refused_at: datetime | None = None

    @property
    def closes_at(self) -> datetime | None:
        """When it ends by WhatsApp's timestamps; None when it never opened."""
        return None if self.last_inbound_at is None else self.last_inbound_at + WINDOW

    def state(self, now: datetime, *, closing: timedelta = CLOSING) -> WindowState:
        """`closing`: how long before its end an open window counts as closing."""
        if self.last_inbound_at is None:
            return WindowState.UNKNOWN
        left = self.last_inbound_at + WINDOW - MARGIN - now
        if left <= timedelta(0):
            return WindowState.CLOSED
        # WhatsApp's timestamps are whole seconds: a message of the refusal's second came after it.
        if self.refused_at is not None and self.last_inbound_at < self.refused_at.replace(microsecond=0):
            return WindowState.REFUSED
        return WindowState.CLOSING if left <= closing else WindowState.OPEN

    def is_open(self, now: datetime) -> bool:
        """May a free-form message leave at `now`?"""
        return self.state(now) in (WindowState.OPEN, WindowState.CLOSING)

    def after_inbound(self, sent_at: datetime, *, now: datetime) -> "CustomerServiceWindow":
        """The window after a message of the customer. A timestamp of the future counts as now; an older one changes
        nothing."""
        sent_at = min(sent_at, now)
        if self.last_inbound_at is not None and sent_at <= self.last_inbound_at:
            return self
        return CustomerServiceWindow(sent_at, self.refused_at)

    def after_refusal(self, sent_at: datetime) -> "CustomerServiceWindow":
        """The window after Meta refused what we sent at `sent_at`."""
        return CustomerServiceWindow(self.last_inbound_at, max(sent_at, self.refused_at or sent_at))

    def joined(self, other: "CustomerServiceWindow") -> "CustomerServiceWindow":
        """One window of two of the same person: what either knows counts."""
        inbound = [at for at in (self.last_inbound_at, other.last_inbound_at) if at is not None]
        refused = [at for at in (self.refused_at, other.refused_at) if at is not None]
        return CustomerServiceWindow(max(inbound, default=None), max(refused, default=None))
