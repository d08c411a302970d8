"""How does a test wait? By looking at the far side until it shows what it should, with a generous deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 25.0
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.03, 0.3
"""Between two looks: longer and longer, so that waiting for what takes half a minute costs nothing."""


def eventually(look: Callable[[], T], until: object, *, patience_seconds: float = PATIENCE_SECONDS) -> T:
    """Look again and again until `until` holds: a predicate of what was seen, or the value itself. Returns what was
    seen; fails with what was seen last."""
    deadline = time.monotonic() + patience_seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        seen = look()
        if until(seen) if callable(until) else seen == until:
            return seen
        if time.monotonic() > deadline:
            wanted = "what it should" if callable(until) else repr(until)
            raise AssertionError(f"after {patience_seconds:.0f} s still not {wanted}; seen: {seen!r}")
        time.sleep(pause)
        pause = min(pause * 1.2, LAST_PAUSE_SECONDS)
