"""What does Meta say that a number may do? Read, never assumed; what is not known is None. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bridge.domain.meta_limits import UNLIMITED, SendKind

UNKNOWN_THROUGHPUT = 20
"""The least that Meta gives any number (one that is in the WhatsApp Business app as well), until it is known."""
TIERS = (250, 2_000, 10_000, 100_000, UNLIMITED)
"""Unique people in 24 hours (fact sheet WhatsApp 5.1)."""


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """`throughput`: messages a second, in and out together. `tier`: unique people outside windows in 24 hours,
    `UNLIMITED` without a limit. `portfolio`: who shares the tier. `outreach_until`: Meta forbids what we begin until
    then, business time; `outreach_forbidden` without an end. `alert`: the last word on a higher tier."""

    throughput: int | None = None
    tier: int | None = None
    quality: str | None = None
    portfolio: str | None = None
    marketing_off: bool = False
    outreach_forbidden: bool = False
    outreach_until: datetime | None = None
    utility_forbidden: bool = False
    verification: str | None = None
    alert: str | None = None
    read_at: datetime | None = None

    def refuses(self, kind: SendKind, *, outside: bool, now: datetime) -> int | None:
        """Such a message can never leave as things are: the code with which Meta would refuse it. None: it may."""
        if kind is SendKind.MARKETING and self.marketing_off:
            return 131063
        if kind is SendKind.UTILITY and self.utility_forbidden:
            return 131064
        if outside and (self.outreach_forbidden or (self.outreach_until is not None and now < self.outreach_until)):
            return 131048
        if outside and self.tier == 0:
            return 131048
        return None

    @property
    def per_second(self) -> int:
        return UNKNOWN_THROUGHPUT if self.throughput is None else self.throughput

    @property
    def next_tier(self) -> int | None:
        """What the messaging limit grows to; None at the top, or while it is not known."""
        if self.tier is None or self.tier == UNLIMITED:
            return None
        return next((tier for tier in TIERS if tier == UNLIMITED or tier > self.tier), None)


def to_json(facts: NumberFacts) -> dict[str, Any]:
    """What `from_json` reads."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name in NumberFacts.__slots__
        if (value := getattr(facts, name)) not in (None, False)
    }


def from_json(members: dict[str, Any]) -> NumberFacts:
    """What is not understood, of a release to come, is left out."""
    known = {name: value for name, value in members.items() if name in NumberFacts.__slots__}
    for name in ("outreach_until", "read_at"):
        if isinstance(known.get(name), str):
            known[name] = datetime.fromisoformat(known[name])
    return NumberFacts(**known)


def merged(known: NumberFacts, news: NumberFacts) -> NumberFacts:
    """`news` where it says something, else what was known."""
    said = {name: value for name in NumberFacts.__slots__ if (value := getattr(news, name)) is not None}
    return replace(known, **said)
