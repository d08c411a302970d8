"""What stands on the machine while something is measured? Processes that are started, watched, weighed and ended."""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Self

from tests.bench import generator
from tests.bench.generator import Plan, Result
from tests.bench.processes import REPOSITORY, Process, cpu_seconds

PATIENCE_SECONDS = 120.0
LOOK_EVERY_SECONDS = 0.1
CONNECTIONS = 256
"""At a few thousand requests a second that take tens of milliseconds, Meta has about as many open."""
OUR_PREFIXES = ("DESKBRIDGE_", "WHATSAPP_", "ZENDESK_", "FRESHDESK_", "SENTRY_")


class Stage:
    """`with` ends everything that was started, the last first."""

    def __init__(self) -> None:
        # A short path: sockets.
        self.folder = Path(tempfile.mkdtemp(prefix="deskbridge-b-"))
        self._plain = {name: value for name, value in os.environ.items() if not name.startswith(OUR_PREFIXES)}
        self._running: dict[str, Process] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.check()
        finally:
            for process in reversed(self._running.values()):
                process.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    def check(self) -> None:
        """Raises `RuntimeError` when a process died: what was measured without it means nothing."""
        for process in self._running.values():
            process.check()

    def start_command(self, name: str, arguments: list[str], *, environ: Mapping[str, str]) -> None:
        log = self.folder / f"{name}.log"
        self._running[name] = Process(name, arguments, environ=environ, log=log, cwd=self.folder)

    def start_module(self, name: str, module: str, *arguments: str, piped: bool = False) -> Process:
        """A process of the bench's own."""
        log = self.folder / f"{name}.log"
        command = [sys.executable, "-m", module, *arguments]
        self._running[name] = Process(name, command, environ=self._plain, log=log, cwd=REPOSITORY, piped=piped)
        return self._running[name]

    def stop(self, name: str) -> None:
        """Raises `RuntimeError` when it died before."""
        process = self._running.pop(name)
        process.check()
        process.stop()

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by process."""
        return {name: cpu_seconds(process.pid) for name, process in self._running.items()}

    def until(self, look: Callable[[], bool], what: str, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Look until it holds. Raises `RuntimeError` when it does not, or when a process died."""
        deadline = time.monotonic() + patience_seconds
        while not look():
            self.check()
            if time.monotonic() > deadline:
                raise RuntimeError(f"after {patience_seconds:.0f} s still not: {what}")
            time.sleep(LOOK_EVERY_SECONDS)

    @contextmanager
    def load(self, plan: Plan) -> Iterator[Callable[[], Result]]:
        """Build the requests; the value sends them and returns what came of it."""
        process = self.start_module("load", "tests.bench.generator", piped=True)
        stdin, stdout = process.popen.stdin, process.popen.stdout
        assert stdin is not None
        assert stdout is not None

        def line(sent: str) -> str:
            stdin.write(sent + "\n")
            stdin.flush()
            received = str(stdout.readline())
            if not received:
                process.popen.wait()
                raise RuntimeError(f"the load ended: {process.log.read_text('utf-8', 'replace')[-2000:]}")
            return received

        line(json.dumps(asdict(plan)))
        try:
            yield lambda: generator.result_from(line("go"))
        finally:
            stdin.close()
            stdout.close()
            self._running.pop("load").stop()

    def send(self, plan: Plan) -> Result:
        with self.load(plan) as go:
            return go()


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds between two looks, by process."""
    return {name: after[name] - before[name] for name in after if name in before}


def shares(used: Mapping[str, float], seconds: float) -> str:
    """Who used how much of a core, largest first; for the column that tells what limits a figure."""
    ordered = sorted(used.items(), key=lambda one: -one[1])
    return ", ".join(f"{name} {cpu / seconds:.0%}" for name, cpu in ordered if cpu / seconds >= 0.02)
