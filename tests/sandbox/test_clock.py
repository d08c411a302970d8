"""The sandbox's clock, and the file by which others follow it."""

from pathlib import Path

import pytest

from sandbox.clock import SandboxClock


@pytest.mark.parametrize(("seconds", "written"), [(0, "0\n"), (90_000, "90000\n"), (1.5, "1.5\n")])
def test_clock_file_says_how_far_the_clock_was_turned(tmp_path: Path, seconds: float, written: str) -> None:
    file = tmp_path / "clock"
    clock = SandboxClock(clock_file=file)
    clock.set(seconds)
    assert file.read_text() == written
