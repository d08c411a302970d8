"""How are the workers told that there is work? Beside the answer, never before it, and at most one ring at a time."""

import asyncio
from collections.abc import Awaitable, Callable

from webhooks.metrics import EdgeMetrics

RING_TIMEOUT_SECONDS = 5.0


class Bell:
    """Rings in the background. A ring may be lost: what it announces lies in the database and is found by the sweep."""

    def __init__(self, ring: Callable[[], Awaitable[object]], metrics: EdgeMetrics) -> None:
        self._ring = ring
        self._metrics = metrics
        self._wanted = False
        self._ringing: asyncio.Task[None] | None = None

    def ring_soon(self) -> None:
        """Ring after whatever was committed so far. Returns at once and raises nothing.

        Calls during a ring lead to a single further one.
        """
        self._wanted = True
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._ring_while_wanted())

    async def _ring_while_wanted(self) -> None:
        while self._wanted:
            self._wanted = False
            [outcome] = await asyncio.gather(self._ring_once(), return_exceptions=True)
            if isinstance(outcome, BaseException):
                self._metrics.count_bell_failure()

    async def _ring_once(self) -> None:
        async with asyncio.timeout(RING_TIMEOUT_SECONDS):
            await self._ring()
