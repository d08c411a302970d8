"""What time is it? The only place that asks. Real time guards leases and buckets; business time can be moved."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

REREAD_SECONDS = 1.0


class Clock:
    """Real time, and business time: real time plus the seconds that `clock_file` holds ."""

    def __init__(self, clock_file: Path | None = None) -> None:
        self._clock_file = clock_file
        self._offset = timedelta()
        self._read_at_seconds = float("-inf")

    def real_now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def business_now(self) -> datetime:
        """Aware UTC, moved by the clock file. A missing or garbled file leaves the last good offset standing."""
        if self._clock_file is not None:
            self._read_again_when_due(self._clock_file)
        return self.real_now() + self._offset

    def _read_again_when_due(self, clock_file: Path) -> None:
        now_seconds = time.monotonic()
        if now_seconds - self._read_at_seconds < REREAD_SECONDS:
            return
        self._read_at_seconds = now_seconds
        try:
            offset = timedelta(seconds=float(clock_file.read_text("ascii")))
            # An offset that leaves the calendar is as garbled as one that is not a number.
            self.real_now() + offset
        except (OSError, ValueError, OverflowError):
            return
        self._offset = offset
