"""What survives a restart of the sandbox: one JSON file, written behind the work."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

DEBOUNCE_SECONDS = 0.5
SHARE_OF_TIME = 20
"""A big state is written so seldom that writing takes at most one part in this many of the time."""


class StateFile:
    """Keeps `dump()` in `path` from `open` on: within a second after `touch` (a very big one later), and on `close`."""

    def __init__(self, *, path: Path | None, dump: Callable[[], dict[str, Any]]) -> None:
        self._path = path
        self._dump = dump
        self._task: asyncio.Task[None] | None = None
        self._dirty = False
        self._open = False
        self._took_seconds = 0.0

    def read(self) -> dict[str, Any]:
        """What the last run left; empty when there is no file."""
        if self._path is None or not self._path.exists():
            return {}
        loaded: dict[str, Any] = orjson.loads(self._path.read_bytes())
        return loaded

    def open(self) -> None:
        """Begin to write; must be called inside the event loop."""
        self._open = True
        self.touch()

    def touch(self) -> None:
        """Something changed."""
        self._dirty = True
        if self._open and self._path is not None and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write_soon())

    async def close(self) -> None:
        """Write what is unwritten, and no more after that."""
        self._open = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._dirty:
            self._write()

    async def _write_soon(self) -> None:
        while self._dirty:
            await asyncio.sleep(max(DEBOUNCE_SECONDS, self._took_seconds * SHARE_OF_TIME))
            self._write()
        self._task = None

    def _write(self) -> None:
        if self._path is None:
            return
        started = time.monotonic()
        self._dirty = False
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        fresh.write_bytes(orjson.dumps(self._dump(), option=orjson.OPT_NON_STR_KEYS))
        fresh.replace(self._path)
        self._took_seconds = time.monotonic() - started
