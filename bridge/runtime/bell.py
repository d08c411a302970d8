"""How does a worker learn that there is work? A job that says so, and never carries it. It may be lost or doubled.

Rings coalesce on a key of seconds: who finds it set knows that a job is on its way, or that a worker is listening.
`unique=True` of RQ would go deaf (docs/decisions/0003-bells.md).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from redis import Redis as SyncRedis
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rq import Queue

QUEUE = "deskbridge"
KEY = "deskbridge:bell"
CHANNEL = "deskbridge:bell"
RUNG_SECONDS = 5
LISTENING_SECONDS = 2
JOB = "bridge.runtime.jobs.drain"


class Bell:
    """Rings from any process, and listens in a worker. Make it after a fork, in the loop that uses it."""

    def __init__(self, redis: Redis, *, redis_url: str) -> None:
        self._redis = redis
        self._sync = SyncRedis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._queue = Queue(QUEUE, connection=self._sync)

    async def ring(self) -> None:
        """Say that there is work. Raises `RedisError` where nobody could be told; the sweep finds the work then."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.set(KEY, "1", nx=True, ex=RUNG_SECONDS)
            pipeline.publish(CHANNEL, "1")
            fresh, _ = await pipeline.execute()
        if fresh:
            await asyncio.to_thread(self.enqueue)

    def enqueue(self) -> None:
        """One job for one worker."""
        self._queue.enqueue(JOB, job_timeout=-1, result_ttl=0, failure_ttl=0)

    async def answer(self) -> None:
        """A worker looks now: rings from here on are news."""
        with contextlib.suppress(RedisError, OSError):
            await self._redis.delete(KEY)

    async def keep_listening(self) -> None:
        """A worker listens on `rings`: no job is needed for the next two seconds."""
        with contextlib.suppress(RedisError, OSError):
            await self._redis.set(KEY, "1", ex=LISTENING_SECONDS)

    async def rings(self) -> AsyncIterator[None]:
        """One item per ring while this is iterated over. Ends without a word when Redis goes away."""
        with contextlib.suppress(RedisError, OSError):
            async with self._redis.pubsub() as subscription:
                await subscription.subscribe(CHANNEL)
                async for message in subscription.listen():
                    if message["type"] == "message":
                        yield

    def close(self) -> None:
        self._sync.close()
