"""How do our processes live and die together? One parent that imports everything, forks the roles, and only watches.

The parent runs no thread, no event loop and no connection, so a fork copies nothing that could break. Children leave
the terminal's process group (Ctrl-C reaches the parent alone, which ends them in order) and die with the parent.
"""

import contextlib
import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from bridge.runtime.operator_error import OperatorError
from bridge.runtime.terminal import Terminal

STOP_SECONDS = 9.0
"""From the signal to the last SIGKILL. The promise is 10 s."""
BACK_OFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Waits before the first, second, … restart of a child that keeps dying."""
STEADY_SECONDS = 30.0
"""A child that lived this long has not kept dying."""
READY_SECONDS = 20.0
DEATHS_AT_START = 3
"""A role that others need and that dies more often before it is ready will not come up."""
_PROBE_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1
_ENDING = frozenset({signal.SIGTERM, signal.SIGINT})
_WATCHED = _ENDING | {signal.SIGCHLD, signal.SIGHUP}


class RoleNotReady(OperatorError):
    """A role that others need did not come up in time; the text is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a child does. `run` may become another program (`exec`).

    `stage`: roles of a lower stage start earlier and end later. `ready`: asked until true before the next stage
    starts; `not_ready` says what to do where it stays false. `once`: done when it returns, tried again when it fails.
    `hears_hangup`: a SIGHUP of ours goes on to it, and it takes its configuration anew by itself.
    """

    name: str
    run: Callable[[], None]
    count: int = 1
    stage: int = 1
    ready: Callable[[], bool] | None = None
    not_ready: str = ""
    once: bool = False
    hears_hangup: bool = False


@dataclass(frozen=True, slots=True)
class Renewal:
    """What SIGHUP means. `check` runs in a child: where it fails, everything stays as it is. Then `take` does it here,
    for children that start later; False where it could not."""

    check: Callable[[], None]
    take: Callable[[], bool]


@dataclass(slots=True)
class _Slot:
    """A place for one child of a role. `pid` None: none runs, the next starts at `start_at_seconds` (None: never)."""

    role: Role
    pid: int | None = None
    started_at_seconds: float = 0.0
    start_at_seconds: float | None = 0.0
    deaths_in_a_row: int = 0


class Supervisor:
    """Runs the roles until a signal ends it. One per process, in its main thread.

    Without a renewal SIGHUP ends it like SIGTERM, and so it does when the terminal went away that it was started on.
    """

    def __init__(self, roles: Sequence[Role], *, renewal: Renewal | None = None) -> None:
        self._slots = [_Slot(role) for role in roles for _ in range(role.count)]
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._log = structlog.get_logger()
        self._ending = False
        self._renewal = renewal
        self._terminal = Terminal()
        self._check = _Slot(Role("configuration", renewal.check, once=True), start_at_seconds=None) if renewal else None
        self._check_again = False

    def run(self) -> int:
        """0 after a signal that ends it, with every child gone. Raises `RoleNotReady`, after ending them too."""
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        gc.collect()
        gc.freeze()
        try:
            for stage in sorted({slot.role.stage for slot in self._slots}):
                if not self._start_stage(stage):
                    return 0
            while not self._wait(self._seconds_to_next_start()):
                self._start_due(self._slots)
            return 0
        finally:
            self._end_all()
            gc.unfreeze()
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)

    def _start_stage(self, stage: int) -> bool:
        """False: a signal came meanwhile."""
        slots = [slot for slot in self._slots if slot.role.stage == stage]
        self._start_due(slots)
        deadline = time.monotonic() + READY_SECONDS
        for role in {slot.role.name: slot.role for slot in slots}.values():
            while role.ready is not None and not role.ready():
                if time.monotonic() > deadline or self._deaths_in_a_row(role) > DEATHS_AT_START:
                    raise RoleNotReady(role.not_ready or f"{role.name} did not come up")
                if self._wait(_PROBE_SECONDS):
                    return False
                self._start_due(self._slots_started())
        return True

    def _deaths_in_a_row(self, role: Role) -> int:
        return max(slot.deaths_in_a_row for slot in self._slots if slot.role is role)

    def _slots_started(self) -> list[_Slot]:
        return [slot for slot in self._slots if slot.pid is not None or slot.deaths_in_a_row > 0]

    def _start_due(self, slots: Sequence[_Slot]) -> None:
        now_seconds = time.monotonic()
        for slot in slots:
            if slot.pid is None and slot.start_at_seconds is not None and slot.start_at_seconds <= now_seconds:
                self._fork(slot)

    def _fork(self, slot: _Slot) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _live(slot.role, parent=parent, libc=self._libc)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # the child does the same: whoever comes first
        slot.pid, slot.started_at_seconds, slot.start_at_seconds = pid, time.monotonic(), None
        self._log.info("role.started", role=slot.role.name, pid=pid)

    def _wait(self, seconds: float | None) -> bool:
        """Sleep until something happens, and take in who died. True: we are to end."""
        received = signal.sigtimedwait(_WATCHED, seconds) if seconds is not None else signal.sigwaitinfo(_WATCHED)
        self._reap()
        if received is None:
            return False
        return received.si_signo in _ENDING or (received.si_signo == signal.SIGHUP and self._take_hangup())

    def _take_hangup(self) -> bool:
        """True: it ends us."""
        if self._check is None or self._ending or self._terminal.has_gone():
            return True
        if self._check.pid is None:
            self._fork(self._check)
        else:
            self._check_again = True  # what it has read may be of before
        return False

    def _take_check(self, exit_code: int) -> None:
        """The check of a new configuration has ended."""
        assert self._check is not None
        assert self._renewal is not None
        self._check.pid = None
        if self._ending:
            return
        if self._check_again:
            self._check_again = False
            self._fork(self._check)
        elif exit_code == 0 and self._renewal.take():
            for slot in self._slots:
                if slot.role.hears_hangup and slot.pid is not None:
                    _signal_process(slot.pid, signal.SIGHUP)

    def _seconds_to_next_start(self) -> float | None:
        due = [slot.start_at_seconds for slot in self._slots if slot.start_at_seconds is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _reap(self) -> None:
        while True:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._check is not None and self._check.pid == pid:
                self._take_check(os.waitstatus_to_exitcode(wait_status))
            for slot in self._slots:
                if slot.pid == pid:
                    self._take_death(slot, pid, os.waitstatus_to_exitcode(wait_status))

    def _take_death(self, slot: _Slot, pid: int, exit_code: int) -> None:
        _signal_group(pid, signal.SIGKILL)  # whatever it may have started itself
        slot.pid = None
        if self._ending or (slot.role.once and exit_code == 0):
            self._log.info("role.ended", role=slot.role.name, pid=pid, exit_code=exit_code)
            return
        lived_seconds = time.monotonic() - slot.started_at_seconds
        deaths = 0 if lived_seconds >= STEADY_SECONDS else slot.deaths_in_a_row
        wait_seconds = BACK_OFF_SECONDS[min(deaths, len(BACK_OFF_SECONDS) - 1)]
        slot.deaths_in_a_row = deaths + 1
        slot.start_at_seconds = time.monotonic() + wait_seconds
        self._log.warning(
            "role.died", role=slot.role.name, pid=pid, exit_code=exit_code, seconds=wait_seconds, attempt=deaths + 1
        )

    def _end_all(self) -> None:
        """Stage by stage, the last first; who lingers is killed. A second signal kills at once."""
        self._ending = True
        for slot in self._slots:
            slot.start_at_seconds = None
        if self._check is not None:
            self._kill([self._check])
        stages = sorted({slot.role.stage for slot in self._slots}, reverse=True)
        started_at_seconds = time.monotonic()
        hurry = False
        for position, stage in enumerate(stages):
            # The first stage to end has work in hand and gets most of the time.
            share = 1.0 if position == len(stages) - 1 else 0.8
            deadline = started_at_seconds + STOP_SECONDS * share
            slots = [slot for slot in self._slots if slot.role.stage == stage]
            for slot in slots:
                if slot.pid is not None:
                    _signal_process(slot.pid, signal.SIGTERM)
            while any(slot.pid is not None for slot in slots) and not hurry:
                left_seconds = deadline - time.monotonic()
                if left_seconds <= 0:
                    break
                hurry = self._wait(left_seconds)
            self._kill(slots)

    def _kill(self, slots: Sequence[_Slot]) -> None:
        for slot in slots:
            if slot.pid is None:
                continue
            self._log.warning("role.killed", role=slot.role.name, pid=slot.pid)
            _signal_group(slot.pid, signal.SIGKILL)
            _signal_process(slot.pid, signal.SIGKILL)
            os.waitpid(slot.pid, 0)
            slot.pid = None


def _live(role: Role, *, parent: int, libc: ctypes.CDLL | None) -> None:
    """The child's whole life. Never returns."""
    exit_code = 1
    try:
        os.setpgid(0, 0)
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # the parent died before it could take us along
        for number in _WATCHED:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        # One that hears it lets it in as soon as it can take it.
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGHUP} if role.hears_hangup else ())
        nowhere = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nowhere, 0)
        role.run()
        exit_code = 0
    except SystemExit as exc:
        exit_code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except BaseException as exc:  # noqa: BLE001 - the last frame of a process; its text must not reach the terminal
        structlog.get_logger().error("role.failed", role=role.name, exc_info=exc)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)


def _signal_process(pid: int, number: signal.Signals) -> None:
    # Not reaped yet, so the number is still its own.
    os.kill(pid, number)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
