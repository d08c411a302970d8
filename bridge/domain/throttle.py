"""Which buckets does a send draw on, how much do they hold, and how long must who finds one empty wait? Pure.

The script `bridge/runtime/limiter_take.lua` keeps these same rules for all processes together. This is the model that
it is tested against, and what a process falls back to for helpdesk calls while Redis is away.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

THROUGHPUT_PER_SECOND = 70
"""Meta allows a number 80 (fact sheet WhatsApp 5.3); the rest is for what the network moves across a second's edge."""
PAIR_SECONDS = 6.1
PAIR_BURST = 45
PAIR_BURST_SLACK_SECONDS = 0.6
"""To one customer: one message per 6 s; within 6 s up to 45 at once, then a pause of 6 s for each of them, counted from
the first (fact sheet WhatsApp 5.4, in its strict reading). A little is kept back from both, for the network."""
COALESCE_FROM = 1 / 3
ACCOUNT_SHORT_FROM = 1 / 2
ACCOUNT_PAUSE_SECONDS = 5.0


@dataclass(slots=True)
class RollingWindow:
    """At most `limit` draws in any `period_seconds`."""

    limit: int
    period_seconds: float
    drawn_at: deque[float] = field(default_factory=deque)

    def wait(self, now: float) -> float:
        """Seconds until a draw is allowed; 0 when it is now. A limit of nothing is asked about again a period later."""
        if self.limit <= 0:
            return self.period_seconds
        while self.drawn_at and self.drawn_at[0] <= now - self.period_seconds:
            self.drawn_at.popleft()
        if len(self.drawn_at) < self.limit:
            return 0.0
        return self.drawn_at[len(self.drawn_at) - self.limit] + self.period_seconds - now

    def draw(self, now: float) -> None:
        self.drawn_at.append(now)


@dataclass(slots=True)
class PairLimit:
    """What one customer may be sent."""

    began: float = float("-inf")
    count: int = 0

    def wait(self, now: float) -> float:
        """Seconds until a message is allowed; 0 when it is now."""
        if self._in_burst(now):
            return 0.0
        return max(0.0, self.began + self.count * PAIR_SECONDS - now)

    def draw(self, now: float) -> None:
        if self._in_burst(now):
            self.count += 1
        else:
            self.began, self.count = now, 1

    def _in_burst(self, now: float) -> bool:
        return now - self.began < PAIR_SECONDS - PAIR_BURST_SLACK_SECONDS and self.count < PAIR_BURST


def coalescing_pause(*, used: int, limit: int, period_seconds: float) -> float:
    """How long a ticket's next write waits after the last one, so that what comes meanwhile goes along.

    Nothing while a third of the ticket's writes is used; from there it grows to the pace that can be kept up for ever.
    """
    if limit <= 0:
        return 0.0
    share = (used / limit - COALESCE_FROM) / (1 - COALESCE_FROM)
    return min(max(share, 0.0), 1.0) * period_seconds / limit


def account_pause(*, used: int, limit: int) -> float:
    """How long a ticket's next write waits for company when the account's own budget runs short. Seconds."""
    if limit <= 0:
        return 0.0
    share = (used / limit - ACCOUNT_SHORT_FROM) / (1 - ACCOUNT_SHORT_FROM)
    return min(max(share, 0.0), 1.0) * ACCOUNT_PAUSE_SECONDS


def longest(waits: Sequence[float]) -> float:
    """What a draw from several buckets at once waits for."""
    return max(waits, default=0.0)
