"""Which processes does a run start, what did each cost, and how are they ended? By id, from /proc."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

END_SECONDS = 15.0
_TICKS = os.sysconf("SC_CLK_TCK")
REPOSITORY = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """One process with a log of its own. `piped`: spoken to by lines."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        environ: Mapping[str, str],
        log: Path,
        cwd: Path = REPOSITORY,
        piped: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        pipe = subprocess.PIPE if piped else None
        with log.open("ab") as written:
            self.popen = subprocess.Popen(
                list(arguments),
                env=dict(environ),
                cwd=cwd,
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or written,
                stderr=written,
                text=True if piped else None,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def check(self) -> None:
        """Raises `RuntimeError` with the end of its log when it does not live any more."""
        code = self.popen.poll()
        if code is not None:
            raise RuntimeError(f"{self.name} ended with {code}: {self.log.read_text('utf-8', 'replace')[-2000:]}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait; what does not end in time is killed."""
        if self.popen.poll() is None:
            self.popen.send_signal(how)
        try:
            self.popen.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of the children it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(fields[place]) for place in (11, 12, 13, 14)) / _TICKS


def family(pid: int) -> list[int]:
    """A process and all its descendants that live."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def family_cpu_seconds(pid: int) -> float:
    """Those who end just now are counted by whoever waited for them."""
    used = 0.0
    for member in family(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            used += cpu_seconds(member)
    return used


def pss_bytes(pid: int) -> int:
    """Memory that a process holds, shared pages by its share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
