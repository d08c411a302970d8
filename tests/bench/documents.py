"""How much memory does it take to move large files? Ten documents of 100 MB, and ten of 45 MB, by one worker.

The larger ones are more than Zendesk takes: they are laid aside for a link. The others are laid aside and uploaded.
"""

import socket
import time
from pathlib import Path

from tests.bench.bodies import document_of
from tests.bench.people import Population
from tests.bench.processes import family
from tests.bench.report import Line
from tests.bench.rig import DatabaseKind, Rig

DOCUMENTS = 10
LARGE, TAKEN = 100, 45
MEBIBYTE = 1024 * 1024
LONGEST_SECONDS = 240.0
LOOK_SECONDS = 0.1


def measure(database: DatabaseKind, *, quick: bool) -> list[Line]:
    """The worker's resident memory at its highest, beyond what it holds when it has worked and has nothing to do."""
    count = DOCUMENTS // 2 if quick else DOCUMENTS
    population = Population(2 * count, 0)
    with Rig(database) as rig:
        rig.start_product(population)
        rig.start_worker(population)
        before = _resident(rig.pid("worker"))
        rig.set_far_side(delay_seconds=0.0)
        began = time.monotonic()
        for number in range(2 * count):
            _post(rig.port, document_of(rig.port, number, megabytes=LARGE if number < count else TAKEN))
        highest = before
        while _count(rig, "download") < 2 * count or _count(rig, "upload") < count or rig.in_hand():
            highest = max(highest, _resident(rig.pid("worker")))
            rig.check()
            if time.monotonic() - began > LONGEST_SECONDS:
                raise RuntimeError("the documents did not arrive in time")
            time.sleep(LOOK_SECONDS)
        seconds = time.monotonic() - began
    pace = count * (LARGE + TAKEN) / seconds
    idle = before / MEBIBYTE
    told = f"{count} of {LARGE} MB and {count} of {TAKEN} MB, at {pace:.0f} MB/s; {idle:.0f} MiB before"
    extra = (highest - before) / MEBIBYTE
    return [Line("documents", database.name, "extra memory of a worker", extra, "MiB", 64, True, limit=told)]


def _resident(pid: int) -> int:
    """Of a process and its children, in bytes."""
    total = 0
    for member in family(pid):
        for line in Path(f"/proc/{member}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) * 1024
    return total


def _count(rig: Rig, call: str) -> int:
    return sum(one.call == call for one in rig.arrivals())


def _post(port: int, request: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        if b" 200 " not in connection.recv(4096).split(b"\r\n", 1)[0]:
            raise RuntimeError("a webhook was refused")
