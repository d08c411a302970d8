"""A budget in memory that really counts: no refill, so a test sees every draw."""

from collections import Counter
from collections.abc import Sequence

from connectors.errors import RateLimited
from connectors.interface import Draw


class CountingBudget:
    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.drawn: Counter[str] = Counter()
        self.left: dict[str, int] = {}
        self.learnt: dict[str, tuple[int, int, float]] = {}
        self.closed: dict[str, float] = {}

    async def take(self, cause: str, draws: Sequence[Draw]) -> None:
        for draw in draws:
            if draw.bucket in self.closed:
                raise RateLimited(draw.bucket, after_seconds=self.closed[draw.bucket])
            if self.left.setdefault(draw.bucket, draw.limit) <= 0:
                raise RateLimited(draw.bucket, after_seconds=draw.period_seconds)
        for draw in draws:
            self.left[draw.bucket] -= 1
            self.drawn[draw.bucket] += 1
        self.calls[cause] += 1

    async def learn(self, bucket: str, *, limit: int, remaining: int, reset_seconds: float) -> None:
        self.learnt[bucket] = (limit, remaining, reset_seconds)
        self.left[bucket] = remaining

    async def close(self, bucket: str, *, seconds: float) -> None:
        self.closed[bucket] = seconds
