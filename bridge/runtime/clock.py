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
        if time.monotonic() - self._read_at_seconds >= REREAD_SECONDS:
            self.was_moved()
        return self.real_now() + self._offset

    def was_moved(self) -> bool:
        """Read the file at once. True when business time is another than it was."""
        if self._clock_file is None:
            return False
        before = self._offset
        self._read(self._clock_file)
        return self._offset != before

    def _read(self, clock_file: Path) -> None:
        self._read_at_seconds = time.monotonic()
        try:
            offset = timedelta(seconds=float(clock_file.read_text("ascii")))
            # An offset that leaves the calendar is as garbled as one that is not a number.
            self.real_now() + offset
        except (OSError, ValueError, OverflowError):
            return
        self._offset = offset
