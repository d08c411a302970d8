"""What time is it in the sandbox: real time plus an offset that a test or a person turns."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path


class SandboxClock:
    """Real time plus `offset_seconds`. With a clock file, every change writes the offset there as text, atomically."""

    def __init__(self, *, clock_file: Path | None = None) -> None:
        self._clock_file = clock_file
        self._offset_seconds = 0.0

    @property
    def offset_seconds(self) -> float:
        return self._offset_seconds

    def now(self) -> datetime:
        """The sandbox's time as an aware UTC datetime."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def timestamp(self) -> float:
        """The sandbox's time in Unix seconds."""
        return time.time_ns() / 1e9 + self._offset_seconds

    def advance(self, seconds: float) -> None:
        """Move the clock by `seconds` from where it is."""
        self.set(self._offset_seconds + seconds)

    def set(self, seconds: float) -> None:
        """Make the offset exactly `seconds`."""
        self._offset_seconds = float(seconds)
        self.write()

    def write(self) -> None:
        """Write the offset to the clock file, if there is one."""
        if self._clock_file is None:
            return
        self._clock_file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._clock_file.with_name(f"{self._clock_file.name}.{os.getpid()}.new")
        whole = self._offset_seconds.is_integer()
        fresh.write_text(f"{int(self._offset_seconds) if whole else self._offset_seconds}\n")
        fresh.replace(self._clock_file)
