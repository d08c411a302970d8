"""Who said what to whom: a bounded record of everything that crossed the sandbox."""

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice, takewhile
from typing import Any

from sandbox.clock import SandboxClock

KEPT = 5_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was said. `at` is sandbox time, ISO 8601; `cause` says what made it happen, in words."""

    number: int
    at: str
    source: str
    target: str
    summary: str
    detail: dict[str, Any]
    cause: str


class Journal:
    """The newest `kept` entries, in memory only."""

    def __init__(self, *, clock: SandboxClock, kept: int = KEPT) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._count = 0
        self.on_record: Callable[[], None] | None = None

    def record(self, *, source: str, target: str, summary: str, detail: dict[str, Any], cause: str = "") -> None:
        """Keep one entry; `detail` must be JSON-able and is not copied."""
        self._count += 1
        at = self._clock.now().isoformat(timespec="milliseconds")
        self._entries.append(Entry(self._count, at, source, target, summary, detail, cause))
        if self.on_record is not None:
            self.on_record()

    def newest(self, *, limit: int = 100, after: int = 0) -> list[dict[str, Any]]:
        """Up to `limit` entries, newest first; only those whose number is above `after`."""
        newer = takewhile(lambda entry: entry.number > after, reversed(self._entries))
        return [asdict(entry) for entry in islice(newer, limit)]

    def clear(self) -> None:
        """Forget every entry."""
        self._entries.clear()
