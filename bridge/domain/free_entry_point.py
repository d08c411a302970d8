"""When are our messages to somebody who came by an advertisement free? Pure.

Whoever writes by a Click-to-WhatsApp ad (or a page's button) and is answered within 24 hours opens a free entry point
of 72 hours, counted from the answer (fact sheet WhatsApp 3.3). It is about money alone: what may be sent is decided by
the customer service window, which it does not extend. Meta's own word on it, in a status, wins over our count.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

ANSWERED_WITHIN = timedelta(hours=24)
FREE_FOR = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class FreeEntryPoint:
    """`referred_at`: when the customer came by an advertisement and nobody had answered yet. `until`: its end."""

    referred_at: datetime | None = None
    until: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        return self.until is not None and now < self.until

    def after_referral(self, sent_at: datetime) -> "FreeEntryPoint":
        """The customer wrote by an advertisement."""
        return FreeEntryPoint(sent_at, self.until)

    def after_answer(self, sent_at: datetime) -> "FreeEntryPoint":
        """A message of ours left. The first one in time opens it."""
        if self.referred_at is None:
            return self
        in_time = self.referred_at <= sent_at <= self.referred_at + ANSWERED_WITHIN
        until = max(self.until or sent_at, sent_at + FREE_FOR) if in_time else self.until
        return FreeEntryPoint(None, until)

    def joined(self, other: "FreeEntryPoint") -> "FreeEntryPoint":
        """One of two of the same person."""
        referred = [at for at in (self.referred_at, other.referred_at) if at is not None]
        until = [at for at in (self.until, other.until) if at is not None]
        return FreeEntryPoint(max(referred, default=None), max(until, default=None))

    def as_meta_says(self, until: datetime) -> "FreeEntryPoint":
        return FreeEntryPoint(None, until)
