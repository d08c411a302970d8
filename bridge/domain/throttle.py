"""How much does a bucket of the helpdesk's hold, and how long must who finds it empty wait? Pure.

The script `bridge/runtime/limiter_take.lua` keeps these same rules for all processes together. This is the model that
it is tested against, and what a process falls back to for helpdesk calls while Redis is away.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

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
