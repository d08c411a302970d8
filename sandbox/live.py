"""What changed just now: server-sent events that wake open pages."""

import asyncio
from collections.abc import AsyncIterator

import orjson

PAUSE_SECONDS = 0.1
"""Topics that come within this time of each other are told once."""
HEARTBEAT_SECONDS = 15.0


class Live:
    """Tells every open page the topics that changed, each topic once per pause."""

    def __init__(self) -> None:
        self._listeners: dict[asyncio.Event, set[str]] = {}
        self._closed = False

    def publish(self, topic: str) -> None:
        """Wake the pages that care about `topic` (`thread:ID`, `ticket:ID`, `customers`, `faults`, …)."""
        for wake, topics in self._listeners.items():
            topics.add(topic)
            wake.set()

    def close(self) -> None:
        """End every stream, now and from now on."""
        self._closed = True
        for wake in self._listeners:
            wake.set()

    async def stream(self) -> AsyncIterator[bytes]:
        """The event stream of one page; ends when `close` is called."""
        wake = asyncio.Event()
        topics: set[str] = set()
        self._listeners[wake] = topics
        try:
            yield b": hello\n\n"
            while not self._closed:
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await wake.wait()
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                wake.clear()
                told = sorted(topics)
                topics.clear()
                for topic in told:
                    yield b"data: " + orjson.dumps({"topic": topic}) + b"\n\n"
                if not self._closed:
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            del self._listeners[wake]
