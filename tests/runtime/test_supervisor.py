"""Real processes, really killed."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

Start = Callable[[str], subprocess.Popen[str]]
PATIENCE_SECONDS = 20


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def _start(family: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.runtime.family", str(tmp_path), family],
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield _start
    for process in started:
        process.kill()
        process.communicate()


def pids(folder: Path, role: str) -> set[int]:
    return {int(path.suffix[1:]) for path in folder.glob(f"{role}.*")}


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.01)


def none_alive(folder: Path) -> bool:
    return not any(alive(int(path.suffix[1:])) for path in folder.iterdir())


def test_every_count_of_a_role_runs_and_a_killed_child_is_replaced(start: Start, tmp_path: Path) -> None:
    start("obedient")
    until(lambda: len(pids(tmp_path, "obedient")) == 2)
    os.kill(min(pids(tmp_path, "obedient")), signal.SIGKILL)
    until(lambda: len(pids(tmp_path, "obedient")) == 3)
    assert sum(alive(pid) for pid in pids(tmp_path, "obedient")) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything_and_that_is_success(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    parent = start("obedient")
    until(lambda: len(pids(tmp_path, "obedient")) == 2)
    parent.send_signal(number)
    assert parent.wait(PATIENCE_SECONDS) == 0
    assert none_alive(tmp_path)


def test_a_child_that_does_not_listen_is_killed(start: Start, tmp_path: Path) -> None:
    parent = start("deaf")
    until(lambda: len(pids(tmp_path, "deaf")) == 1)
    parent.send_signal(signal.SIGTERM)
    # The promise itself: ended within 10 s.
    assert parent.wait(10) == 0
    assert none_alive(tmp_path)


def test_a_second_signal_kills_at_once_and_still_leaves_nobody(start: Start, tmp_path: Path) -> None:
    parent = start("deaf")
    until(lambda: len(pids(tmp_path, "deaf")) == 1)
    parent.send_signal(signal.SIGTERM)
    parent.send_signal(signal.SIGINT)
    assert parent.wait(PATIENCE_SECONDS) == 0
    assert none_alive(tmp_path)


def test_children_die_with_a_parent_that_is_killed(start: Start, tmp_path: Path) -> None:
    parent = start("deaf")
    until(lambda: len(pids(tmp_path, "deaf")) == 1)
    parent.kill()
    parent.wait()
    until(lambda: none_alive(tmp_path))


def test_what_a_child_started_ends_with_it(start: Start, tmp_path: Path) -> None:
    parent = start("mother")
    until(lambda: len(pids(tmp_path, "grandchild")) == 1)
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(PATIENCE_SECONDS) == 0
    until(lambda: none_alive(tmp_path))


def test_a_child_that_keeps_dying_is_tried_again_and_its_texts_stay_out_of_the_log(
    start: Start, tmp_path: Path
) -> None:
    parent = start("failing")
    until(lambda: len(pids(tmp_path, "failing")) >= 3)
    parent.send_signal(signal.SIGTERM)
    _, errors = parent.communicate(timeout=PATIENCE_SECONDS)
    assert parent.returncode == 0
    assert "RuntimeError" in errors
    assert "customer" not in errors
    assert none_alive(tmp_path)


def test_a_role_of_one_time_is_not_repeated_once_it_succeeded(start: Start, tmp_path: Path) -> None:
    parent = start("once")
    until(lambda: len(pids(tmp_path, "once")) == 1 and len(pids(tmp_path, "obedient")) == 1)
    done = pids(tmp_path, "once")
    until(lambda: not any(alive(pid) for pid in done))
    # Whatever would follow the death is decided before this one's replacement.
    os.kill(next(iter(pids(tmp_path, "obedient"))), signal.SIGKILL)
    until(lambda: len(pids(tmp_path, "obedient")) == 2)
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(PATIENCE_SECONDS) == 0
    assert pids(tmp_path, "once") == done


def test_nothing_starts_above_a_role_that_does_not_come_up(start: Start, tmp_path: Path) -> None:
    parent = start("staged")
    _, errors = parent.communicate(timeout=PATIENCE_SECONDS)
    assert parent.returncode == 1
    assert errors.splitlines()[-1] == "the floor is missing"
    assert not pids(tmp_path, "obedient")
    assert none_alive(tmp_path)


def test_hangup_is_checked_taken_and_passed_on_to_those_who_hear_it(start: Start, tmp_path: Path) -> None:
    parent = start("hearing")
    until(lambda: len(pids(tmp_path, "hearing")) == 1 and len(pids(tmp_path, "obedient")) == 1)
    (tmp_path / "value").write_text("second")
    parent.send_signal(signal.SIGHUP)
    until(lambda: pids(tmp_path, "heard-first") == pids(tmp_path, "hearing"))
    assert len(pids(tmp_path, "check")) == 1
    assert pids(tmp_path, "check") != {parent.pid}, "a child looks, so that the parent opens nothing"
    assert pids(tmp_path, "taken") == {parent.pid}
    assert alive(next(iter(pids(tmp_path, "obedient"))))

    # Whoever is started later goes by what was taken.
    os.kill(next(iter(pids(tmp_path, "hearing"))), signal.SIGKILL)
    until(lambda: len(pids(tmp_path, "hearing")) == 2)
    parent.send_signal(signal.SIGHUP)
    until(lambda: len(pids(tmp_path, "heard-second")) == 1)
    (tmp_path / "value").unlink()
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(PATIENCE_SECONDS) == 0
    assert none_alive(tmp_path)


def test_hangup_with_something_wrong_changes_nothing(start: Start, tmp_path: Path) -> None:
    parent = start("hearing")
    until(lambda: len(pids(tmp_path, "hearing")) == 1)
    (tmp_path / "wrong").touch()
    parent.send_signal(signal.SIGHUP)
    until(lambda: len(pids(tmp_path, "check")) == 1)
    until(lambda: not any(alive(pid) for pid in pids(tmp_path, "check")))
    (tmp_path / "wrong").unlink()
    (tmp_path / "value").write_text("second")
    parent.send_signal(signal.SIGHUP)
    until(lambda: len(pids(tmp_path, "taken")) == 1)
    until(lambda: len(pids(tmp_path, "heard-first")) == 1)
    assert len(pids(tmp_path, "check")) == 2
    assert len(pids(tmp_path, "hearing")) == 1, "it started over by itself, once"


def test_hangup_because_the_terminal_went_away_ends_everything(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.runtime.family", str(tmp_path), "hearing"],
        stdin=slave,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(slave)
    until(lambda: len(pids(tmp_path, "hearing")) == 1)
    os.close(master)
    parent.send_signal(signal.SIGHUP)
    assert parent.wait(PATIENCE_SECONDS) == 0
    assert none_alive(tmp_path)
