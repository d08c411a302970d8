"""May this call leave now? Token buckets in Redis, shared by every worker; a script takes all or none.

Sends to customers wait while Redis is away: a limit that nobody keeps is one that Meta keeps for us. Helpdesk calls go
on within a budget of this process's own, since waiting would hold up what customers wrote.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bridge.domain import throttle
from bridge.runtime.metrics import WorkerMetrics
from connectors.errors import RateLimited
from connectors.interface import Draw

PREFIX = "deskbridge:limit"
WITHOUT_REDIS_SECONDS = 1.0
NEW_WINDOW_SECONDS = 2.0
"""A reset that lies later than the one known by more than this is a new window's."""
SCRIPT = (Path(__file__).parent / "limiter.lua").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Bucket:
    """`kind` is `window` (so many in a rolling period) or `pair` (Meta's limit to one customer)."""

    name: str
    kind: str
    limit: int
    period_seconds: float


class Buckets:
    """The shared buckets of one far side. `scope` names it, so that two accounts never share a limit."""

    def __init__(self, redis: Redis, *, scope: str) -> None:
        self._redis = redis
        self._scope = scope
        self._take = redis.register_script(SCRIPT)
        self._name = secrets.token_hex(8)
        self._drawn = 0

    def _keys(self, name: str) -> tuple[str, str]:
        return f"{PREFIX}:{self._scope}:{name}:drawn", f"{PREFIX}:{self._scope}:{name}:state"

    async def take(self, buckets: Sequence[Bucket]) -> tuple[float, Bucket | None]:
        """Draw from all: (0, None). Else (seconds to wait, the bucket that makes us). Raises `RedisError`."""
        self._drawn += 1
        arguments: list[Any] = [f"{self._name}-{self._drawn:x}"]
        keys: list[str] = []
        for bucket in buckets:
            keys.extend(self._keys(bucket.name))
            arguments.extend((bucket.kind, bucket.limit, bucket.period_seconds))
        milliseconds, blocking = await self._take(keys=keys, args=arguments)
        return milliseconds / 1000, (buckets[blocking - 1] if blocking else None)

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
        seconds_now, microseconds = await self._redis.time()
        now = seconds_now + microseconds / 1e6
        left, until = await self._redis.hmget(state, ["left", "left_until"])
        if left is not None and until is not None and now < float(until) >= now + reset_seconds - NEW_WINDOW_SECONDS:
            remaining = min(remaining, int(left))  # answers of one window come in any order
        await self._redis.hset(
            state, mapping={"left": remaining, "left_until": f"{now + reset_seconds:.6f}", "limit": limit}
        )
        await self._redis.expire(state, 3600)

    async def usage(self, name: str, *, period_seconds: float) -> tuple[int, int | None]:
        """(draws in the last period, the limit that was learnt)."""
        window, state = self._keys(name)
        seconds_now, microseconds = await self._redis.time()
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zcount(window, seconds_now + microseconds / 1e6 - period_seconds, "+inf")
            pipeline.hget(state, "limit")
            used, limit = await pipeline.execute()
        return int(used), None if limit is None else int(limit)


class SendLimits:
    """What Meta allows one of our numbers. `contact_id` is our own id, never a number."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    async def take(self, contact_id: str) -> tuple[float, str | None]:
        """(0, None) when a message to this contact may leave now; else (seconds, the limit that makes it wait)."""
        wanted = (
            Bucket("throughput", "window", throttle.THROUGHPUT_PER_SECOND, 1.0),
            Bucket(f"pair:{contact_id}", "pair", throttle.PAIR_BURST, throttle.PAIR_SECONDS),
        )
        try:
            wait, blocking = await self._buckets.take(wanted)
        except (RedisError, OSError):
            return WITHOUT_REDIS_SECONDS, "redis"
        return wait, None if blocking is None else blocking.name.partition(":")[0]

    async def close(self, limit: str, *, contact_id: str, seconds: float) -> None:
        """Meta itself said that a limit is used up."""
        try:
            await self._buckets.close(f"pair:{contact_id}" if limit == "pair" else "throughput", seconds=seconds)
        except (RedisError, OSError):
            return  # without Redis nothing is sent anyway


class HelpdeskBudget:
    """`connectors.interface.Budget` over the shared buckets."""

    def __init__(self, buckets: Buckets, metrics: WorkerMetrics) -> None:
        self._buckets = buckets
        self._metrics = metrics
        self._own: dict[str, throttle.RollingWindow] = {}
        self._closed_until: dict[str, float] = {}

    async def take(self, cause: str, draws: Sequence[Draw]) -> None:
        wanted = [Bucket(draw.bucket, "window", draw.limit, float(draw.period_seconds)) for draw in draws]
        try:
            wait, blocking = await self._buckets.take(wanted)
        except (RedisError, OSError):
            wait, blocking = self._take_own(wanted)
        if wait > 0:
            raise RateLimited("ours" if blocking is None else blocking.name, after_seconds=wait)
        self._metrics.count("deskbridge_helpdesk_calls_total", cause)

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
        try:
            await self._buckets.learn(bucket, limit=limit, remaining=remaining, reset_seconds=reset_seconds)
        except (RedisError, OSError):
            return  # the next answer says it again

    async def close(self, bucket: str, *, seconds: float) -> None:
        try:
            await self._buckets.close(bucket, seconds=seconds)
        except (RedisError, OSError):
            self._closed_until[bucket] = max(time.monotonic() + seconds, self._closed_until.get(bucket, 0.0))

    async def coalescing_pause(
        self, ticket_bucket: str, *, limit: int, period_seconds: float, account_bucket: str
    ) -> float:
        """How long a ticket's next write should wait, so that more goes along when the budget runs short. Seconds."""
        try:
            used, learnt = await self._buckets.usage(ticket_bucket, period_seconds=period_seconds)
            account_used, account_limit = await self._buckets.usage(account_bucket, period_seconds=60)
        except (RedisError, OSError):
            return 0.0
        return max(
            throttle.coalescing_pause(used=used, limit=learnt or limit, period_seconds=period_seconds),
            throttle.account_pause(used=account_used, limit=account_limit or 0),
        )
