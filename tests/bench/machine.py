"""Is the machine ours alone? What others do to it, from /proc."""

import os
import time
from pathlib import Path

SECONDS = 2.0
_TICKS = os.sysconf("SC_CLK_TCK")


def _busy_seconds() -> float:
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(
        int, Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS


def busy_cores() -> float:
    """How many cores were at work while we did nothing."""
    before, began = _busy_seconds(), time.monotonic()
    time.sleep(SECONDS)
    return (_busy_seconds() - before) / (time.monotonic() - began)
