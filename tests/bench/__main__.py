"""The command behind `scripts/bench`: run what was asked for, print one table, write `var/bench.json`."""

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from tests.bench import baseline, calls, documents, drain, idle, ingest, latency, limits, machine, postgresql, windows
from tests.bench.report import Line, table, to_json
from tests.bench.rig import DatabaseKind

DATABASES = ("sqlite", "postgresql")
OUTPUT = Path("var/bench.json")


class Scenario(Protocol):
    """Measures on a database that nobody has used before."""

    def __call__(self, database: DatabaseKind, /, *, quick: bool) -> list[Line]:
        """Raises `RuntimeError` when what was measured means nothing."""


SCENARIOS: dict[str, Scenario] = {
    "ingest": ingest.measure,
    "latency": latency.measure,
    "drain": drain.measure_messages,
    "statuses": drain.measure_statuses,
    "calls": calls.measure,
    "documents": documents.measure,
    "idle": idle.measure,
    "limits": limits.measure,
    "windows": windows.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Benchmarks of deskbridge on this machine.")
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="just this one; may be repeated")
    parser.add_argument("--database", choices=DATABASES, help="just this one; default both")
    parser.add_argument("--quick", action="store_true", help="shorter runs, rougher figures")
    asked = parser.parse_args()
    began_at = datetime.now(UTC)  # noqa: TID251 - the date of a report, not a rule's time
    lines = [_others("before the run"), baseline.measure(quick=asked.quick)]
    failures = []
    for database in [asked.database] if asked.database else DATABASES:
        for name in asked.only or SCENARIOS:
            print(f"measuring {name} on {database}", file=sys.stderr, flush=True)
            try:
                with _fresh(database) as fresh:
                    lines += SCENARIOS[name](fresh, quick=asked.quick)
            except RuntimeError as exc:
                failures.append(f"{name} on {database}: {exc}")
    lines.insert(1, _others("after the run"))
    about: dict[str, object] = {
        "at": began_at.isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "quick": asked.quick,
        "failures": failures,
    }
    print(table(lines))
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(to_json(lines, about=about))
    for failure in failures:
        print(f"not measured: {failure}", file=sys.stderr)
    sys.exit(1 if failures else 0)


def _others(when: str) -> Line:
    """On a machine that others use, only CPU seconds, memory and calls mean anything."""
    return Line("baseline", "none", f"busy with other things {when}", machine.busy_cores(), "cores")


@contextmanager
def _fresh(name: str) -> Iterator[DatabaseKind]:
    if name == "sqlite":
        yield DatabaseKind("sqlite")
        return
    with postgresql.running() as server:
        yield DatabaseKind("postgresql", server.create("bench"), server.pid)


if __name__ == "__main__":
    main()
