"""When is an effect tried again, and when never? One owner of retries: the effect's row."""

from datetime import timedelta

FIRST = timedelta(seconds=1)
LONGEST = timedelta(minutes=5)
PAIR_LIMIT_BASE = 4


def backoff(attempts: int, *, jitter: float) -> timedelta:
    """The pause after the `attempts`th failed attempt (1 is the first): doubling from 1 s to 5 min, `jitter` in [0, 1)
    spreads it over 75–125 %."""
    doublings = min(max(attempts, 1) - 1, 16)
    return min(FIRST * (1 << doublings), LONGEST) * (0.75 + jitter / 2)


def pair_limit_pause(refusals: int) -> timedelta:
    """The pause that Meta asks for after 131056: 4^X seconds, X = 0, 1, 2 … (fact sheet WhatsApp 5.4)."""
    return timedelta(seconds=PAIR_LIMIT_BASE ** min(max(refusals, 1) - 1, 5))
