"""What a business is allowed, and how much of it it has used: messaging limit, marketing per person, calls an hour.

The messaging limit is of the whole portfolio: people written to outside a window in any 24 hours, by whichever of its
numbers, other teams' too (fact sheet WhatsApp 5.1). Times are the sandbox's, Unix seconds; calls are counted by real
(monotonic) seconds.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

DAY_SECONDS = 24 * 3600.0
HOUR_SECONDS = 3600.0
TIERS: dict[str, int] = {
    "TIER_50": 50,
    "TIER_250": 250,
    "TIER_1K": 1_000,
    "TIER_2K": 2_000,
    "TIER_10K": 10_000,
    "TIER_100K": 100_000,
    "TIER_UNLIMITED": -1,
}
LEVELS: dict[str, int] = {"STANDARD": 80, "HIGH": 1_000}
COEXISTENCE_PER_SECOND = 20
LAST = "\U0010ffff"
"""Comes after every id."""
QUALITIES = ("GREEN", "YELLOW", "RED", "UNKNOWN")


@dataclass(slots=True)
class Portfolio:
    """`people`: whom the business wrote to outside a window, with the time of the last message."""

    tier: str = "TIER_250"
    limit: int = 250
    people: dict[str, float] = field(default_factory=dict)
    is_restricted: bool = False
    """What the business begins is refused with 131048; replies go on."""
    marketing: dict[str, list[float]] = field(default_factory=dict)
    """When each person was sent marketing."""
    spared_until: dict[str, float] = field(default_factory=dict)
    """People who get no marketing until then."""
    strangers: int = 0
    times: list[tuple[float, str]] = field(default_factory=list)
    """The same as `people`, in order."""

    def used(self, now: float) -> int:
        """How many people count."""
        return len(self.times) - bisect_right(self.times, (now - DAY_SECONDS, LAST))

    def is_full_for(self, person: str, now: float) -> bool:
        """Would writing to this person outside a window be one person too many."""
        if self.limit < 0 or self.people.get(person, now - DAY_SECONDS) > now - DAY_SECONDS:
            return False
        return self.used(now) >= self.limit

    def count(self, person: str, now: float) -> None:
        """Somebody was written to outside a window."""
        before = self.people.get(person)
        if before is not None:
            del self.times[bisect_left(self.times, (before, person))]
        self.people[person] = max(now, before or now)
        insort(self.times, (self.people[person], person))

    def count_strangers(self, number: int, now: float) -> None:
        """Another team of the business wrote to so many people."""
        for _ in range(number):
            self.strangers += 1
            self.count(f"another team's {self.strangers}", now)

    def spares(self, person: str, now: float, *, per_day: int) -> bool:
        """Does this person get no more marketing just now; asking again makes it worse (fact sheet WhatsApp 4.5)."""
        if self.spared_until.get(person, 0.0) > now:
            self.spared_until[person] = now + DAY_SECONDS
            return True
        lately = [at for at in self.marketing.get(person, ()) if at > now - DAY_SECONDS]
        if per_day and len(lately) >= per_day:
            self.spared_until[person] = now + DAY_SECONDS
            return True
        self.marketing[person] = [*lately, now]
        return False


class Standing:
    """Portfolios by id, and the management calls of each account."""

    def __init__(self) -> None:
        self._portfolios: dict[str, Portfolio] = {}
        self._calls: dict[str, deque[float]] = {}

    def of(self, portfolio_id: str) -> Portfolio:
        """The portfolio, new where it is not known."""
        return self._portfolios.setdefault(portfolio_id, Portfolio())

    def call(self, waba_id: str, *, now: float, per_hour: int) -> bool:
        """A management call came; False when it is one too many (and not counted)."""
        calls = self._calls.setdefault(waba_id, deque())
        while calls and calls[0] <= now - HOUR_SECONDS:
            calls.popleft()
        if per_hour and len(calls) >= per_hour:
            return False
        calls.append(now)
        return True

    def usage(self, waba_id: str, *, now: float, per_hour: int) -> tuple[int, int]:
        """(percent of the calls of an hour that are used, minutes until the next one when all are)."""
        calls = self._calls.get(waba_id)
        while calls and calls[0] <= now - HOUR_SECONDS:
            calls.popleft()
        if not calls or not per_hour:
            return 0, 0
        used = len(calls)
        minutes = int((calls[0] + HOUR_SECONDS - now) // 60) + 1 if used >= per_hour else 0
        return min(100, used * 100 // per_hour), minutes

    def reset(self) -> None:
        """Nobody was written to; limits are as they were."""
        for portfolio in self._portfolios.values():
            portfolio.people.clear()
            portfolio.times.clear()
            portfolio.marketing.clear()
            portfolio.spared_until.clear()
            portfolio.is_restricted = False
        self._calls.clear()

    def dump(self) -> dict[str, Any]:
        """JSON-able."""
        return {name: {**asdict(portfolio), "times": []} for name, portfolio in self._portfolios.items()}

    def load(self, kept: dict[str, Any]) -> None:
        """What `dump` of an earlier run told."""
        self._portfolios = {name: Portfolio(**one) for name, one in kept.items()}
        for portfolio in self._portfolios.values():
            portfolio.times = sorted((at, person) for person, at in portfolio.people.items())
