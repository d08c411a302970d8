"""May this call to the helpdesk leave now? Token buckets in Redis, shared by every worker; a script takes all or none.

While Redis is away calls go on within a budget of this process's own, since waiting would hold up what customers wrote.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bridge.domain import throttle
from bridge.domain.concurrency import Concurrency
from bridge.runtime.metrics import WorkerMetrics
from connectors.errors import RateLimited
from connectors.interface import Draw

PREFIX = "deskbridge:limit"
NEW_WINDOW_SECONDS = 2.0
"""A reset that lies later than the one known by more than this is a new window's."""
TAKE, LEARN = ((Path(__file__).parent / f"limiter_{verb}.lua").read_text("utf-8") for verb in ("take", "learn"))
LEARN_EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many in a rolling period."""

    name: str
    limit: int
    period_seconds: float


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a bucket was drawn in its period. `limit`: what the far side itself said last, else ours."""

    used: int
    limit: int
    period_seconds: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """`wait_seconds` 0: drawn. Else nothing was, and `blocking` is why."""

    wait_seconds: float
    blocking: Bucket | None
    usage: Mapping[str, Usage]


class Buckets:
    """The shared buckets of one far side. `scope` names it, so that two accounts never share a limit."""

    def __init__(self, redis: Redis, *, scope: str) -> None:
        self._redis = redis
        self._scope = scope
        self._take = redis.register_script(TAKE)
        self._learn = redis.register_script(LEARN)
        self._name = secrets.token_hex(8)
        self._drawn = 0

    def _keys(self, name: str) -> tuple[str, str]:
        return f"{PREFIX}:{self._scope}:{name}:drawn", f"{PREFIX}:{self._scope}:{name}:state"

    async def take(self, buckets: Sequence[Bucket]) -> Drawing:
        """Draw from all of them, or from none. Raises `RedisError`."""
        self._drawn += 1
        arguments: list[Any] = [f"{self._name}-{self._drawn:x}"]
        keys: list[str] = []
        for bucket in buckets:
            keys.extend(self._keys(bucket.name))
            arguments.extend((bucket.limit, bucket.period_seconds))
        milliseconds, blocking, *counts = await self._take(keys=keys, args=arguments)
        return Drawing(
            wait_seconds=milliseconds / 1000,
            blocking=buckets[blocking - 1] if blocking else None,
            usage={
                bucket.name: Usage(used, limit, bucket.period_seconds)
                for bucket, used, limit in zip(buckets, counts[::2], counts[1::2], strict=True)
            },
        )

    async def close(self, name: str, *, seconds: float) -> None:
        """Nothing may be drawn for so long."""
        _, state = self._keys(name)
        seconds_now, microseconds = await self._redis.time()
        until = seconds_now + microseconds / 1e6 + seconds
        known = await self._redis.hget(state, "closed_until")
        if known is None or float(known) < until:
            await self._redis.hset(state, mapping={"closed_until": f"{until:.6f}"})
            await self._redis.expire(state, int(seconds) + 3600)

    async def learn(self, name: str, *, limit: int, remaining: int, reset_seconds: float) -> None:
        """The far side's own count: others may draw from the same bucket."""
        _, state = self._keys(name)
        await self._learn(keys=[state], args=[limit, remaining, reset_seconds, NEW_WINDOW_SECONDS])


NOTHING = Usage(0, 0, 0.0)
BUCKETS_REMEMBERED = 1_000
ARRIVAL_SPREAD_SECONDS = 1.0
"""A far side counts calls as they arrive: one that was long on its way still counts when ours have begun anew."""
GUESSED_SECONDS = 2.0
"""Until the far side's first answer its limits are guesses, and the next may be far higher."""


class HelpdeskBudget:
    """`connectors.interface.Budget` over the shared buckets.

    `share`: how much of what others draw from as well is ours, above 0 and up to 1; the rest is left to them.
    """

    def __init__(self, buckets: Buckets, metrics: WorkerMetrics, *, share: float = 1.0) -> None:
        self._buckets = buckets
        self._metrics = metrics
        self._share = share
        self._unshared: dict[str, None] = {}
        self._own: dict[str, throttle.RollingWindow] = {}
        self._closed_until: dict[str, float] = {}
        self._usage: dict[str, Usage] = {}
        self._drawn_at = float("-inf")
        self._learnt: dict[str, tuple[int, float]] = {}
        self.concurrency = Concurrency()
        """How many calls of this process go on at once, by how the helpdesk answers."""

    async def take(self, cause: str, draws: Sequence[Draw]) -> None:
        for draw in draws:
            if not draw.shared:
                self._unshared[draw.bucket] = None
        while len(self._unshared) > BUCKETS_REMEMBERED:
            self._unshared.pop(next(iter(self._unshared)))
        wanted = [
            Bucket(
                draw.bucket,
                self._ours(draw.bucket, draw.limit),
                draw.period_seconds + ARRIVAL_SPREAD_SECONDS,
            )
            for draw in draws
        ]
        try:
            drawing = await self._buckets.take(wanted)
        except (RedisError, OSError):
            wait, blocking = self._take_own(wanted)
            self._usage.clear()
        else:
            wait, blocking = drawing.wait_seconds, drawing.blocking
            self._remember(drawing.usage)
            self._own.clear()
        if wait > 0:
            if not self._learnt:
                wait = min(wait, GUESSED_SECONDS)
            raise RateLimited("ours" if blocking is None else blocking.name, after_seconds=wait)
        self._metrics.count("deskbridge_helpdesk_calls_total", cause)

    def _ours(self, bucket: str, limit: int) -> int:
        """Of any limit at all one call is ours."""
        return limit if bucket in self._unshared else min(limit, max(1, round(limit * self._share)))

    def _remember(self, usage: Mapping[str, Usage]) -> None:
        self._drawn_at = time.monotonic()
        for name, used in usage.items():
            self._usage.pop(name, None)
            self._usage[name] = used  # last in line to be forgotten
        while len(self._usage) > BUCKETS_REMEMBERED:
            self._usage.pop(next(iter(self._usage)))

    def _take_own(self, wanted: Sequence[Bucket]) -> tuple[float, Bucket | None]:
        now = time.monotonic()
        windows = [
            self._own.setdefault(bucket.name, throttle.RollingWindow(bucket.limit, bucket.period_seconds))
            for bucket in wanted
        ]
        waits = [
            max(window.wait(now), self._closed_until.get(bucket.name, now) - now)
            for bucket, window in zip(wanted, windows, strict=True)
        ]
        wait = throttle.longest(waits)
        if wait > 0:
            return wait, wanted[waits.index(wait)]
        for window in windows:
            window.draw(now)
        return 0.0, None

    async def learn(self, bucket: str, *, limit: int, remaining: int, reset_seconds: float) -> None:
        """What the others may draw is no more left to us than it is part of our limit."""
        others = limit - self._ours(bucket, limit)
        limit, remaining = limit - others, max(0, remaining - others)
        now = time.monotonic()
        known_limit, known_at = self._learnt.get(bucket, (None, 0.0))
        if limit == known_limit and remaining > limit / 2 and now < known_at + LEARN_EVERY_SECONDS:
            return  # plenty is left: nobody waits for the exact number
        self._learnt[bucket] = (limit, now)
        try:
            await self._buckets.learn(bucket, limit=limit, remaining=remaining, reset_seconds=reset_seconds)
        except (RedisError, OSError):
            return  # the next answer says it again

    async def close(self, bucket: str, *, seconds: float) -> None:
        self.concurrency.refused(now=time.monotonic())
        try:
            await self._buckets.close(bucket, seconds=seconds)
        except (RedisError, OSError):
            self._closed_until[bucket] = max(time.monotonic() + seconds, self._closed_until.get(bucket, 0.0))

    def is_ample(self, bucket: str) -> bool:
        """Is so much left that what is not urgent may draw as well? By this process's last draw, as far as that counts
        still; without Redis nobody knows, so no."""
        if self._own:
            return False
        used = self._usage.get(bucket, NOTHING)
        is_stale = time.monotonic() - self._drawn_at >= used.period_seconds
        return is_stale or used.used * 2 <= used.limit

    def coalescing_pause(self, ticket_bucket: str, *, account_bucket: str) -> float:
        """How long a ticket's next write should wait, so that more goes along when the budget runs short. Seconds.

        By the counts of this process's last draw, so ask after a write.
        """
        ticket, account = self._usage.get(ticket_bucket, NOTHING), self._usage.get(account_bucket, NOTHING)
        return max(
            throttle.coalescing_pause(used=ticket.used, limit=ticket.limit, period_seconds=ticket.period_seconds),
            throttle.account_pause(used=account.used, limit=account.limit),
        )
