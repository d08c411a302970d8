"""How many calls to a far side go on at once? Fewer when it slows down or refuses, more while it is brisk. Pure."""

from dataclasses import dataclass

MOST, LEAST = 96, 4
SLOW_SECONDS = 2.0
SLOW_TIMES = 4.0
"""Slow is both: longer than this, and so many times as long as the far side takes at its best."""
SMOOTHING = 0.2
FORGETTING = 1.001
"""The best time is forgotten a little with each answer, since a far side may become slower for good."""
BACK_OFF_SECONDS = 1.0
"""What many calls under way tell at once is heeded once."""


@dataclass(slots=True)
class Concurrency:
    """Additive increase, multiplicative decrease. Times in seconds, `now` of any clock that only goes forward."""

    _allowed: float = float(MOST)
    _smoothed: float | None = None
    _best: float = float("inf")
    _backed_off_at: float = float("-inf")

    @property
    def allowed(self) -> int:
        return int(self._allowed)

    def took(self, seconds: float, *, now: float) -> None:
        """A step with the far side went on for so long."""
        self._best = min(self._best * FORGETTING, seconds)
        smoothed = seconds if self._smoothed is None else self._smoothed + SMOOTHING * (seconds - self._smoothed)
        self._smoothed = smoothed
        if smoothed > max(SLOW_SECONDS, SLOW_TIMES * self._best):
            self._back_off(0.8, now)
        else:
            self._allowed = min(float(MOST), self._allowed + 1 / self._allowed)

    def refused(self, *, now: float) -> None:
        """It said 429: half as many."""
        self._back_off(0.5, now)

    def _back_off(self, times: float, now: float) -> None:
        if now - self._backed_off_at >= BACK_OFF_SECONDS:
            self._backed_off_at = now
            self._allowed = max(float(LEAST), self._allowed * times)
