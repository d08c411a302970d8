"""How fast may a number send: throughput per number, pair limit per customer. Real (monotonic) seconds."""

from collections import deque

PAIR_SECONDS = 6.0
PAIR_BURST = 45


class Throughput:
    """At most N messages in any stretch of one second (fact sheet WhatsApp 5.3)."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def count(self, *, now: float) -> None:
        """A message passed, either way."""
        self._times.append(now)

    def full(self, *, now: float, per_second: int) -> bool:
        """Would one more message exceed the limit."""
        while self._times and self._times[0] <= now - 1.0:
            self._times.popleft()
        return per_second > 0 and len(self._times) >= per_second


class PairLimit:
    """One message per 6 s to one customer; up to 45 within 6 s borrow from the future (fact sheet WhatsApp 5.4).

    The strict reading: after a burst of n nothing passes until n x 6 s after the burst began.
    """

    def __init__(self) -> None:
        self._bursts: dict[tuple[str, str], tuple[float, int]] = {}

    def allows(self, pair: tuple[str, str], *, now: float) -> bool:
        """May one more message go to this customer."""
        began, count = self._bursts.get(pair, (now, 0))
        if now >= began + count * PAIR_SECONDS:
            return True
        return now < began + PAIR_SECONDS and count < PAIR_BURST

    def count(self, pair: tuple[str, str], *, now: float) -> None:
        """A message was accepted for this customer."""
        began, count = self._bursts.get(pair, (now, 0))
        if now >= began + count * PAIR_SECONDS:
            began, count = now, 0
        self._bursts[pair] = (began, count + 1)

    def clear(self) -> None:
        """Forget every burst."""
        self._bursts.clear()
