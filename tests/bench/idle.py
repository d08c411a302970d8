"""What does it cost to be there? `deskbridge up` as it comes, without its sandbox, and nothing to do."""

import http.client
import time

from tests.bench.processes import command_of, family, family_cpu_seconds, pss_bytes
from tests.bench.report import Line
from tests.bench.rig import DESKBRIDGE, DatabaseKind, Rig, status
from tests.bench.stage import PATIENCE_SECONDS

SETTLE_SECONDS = 8.0
SECONDS, QUICK_SECONDS = 20.0, 10.0
LOOK_SECONDS = 0.02
MEBIBYTE = 1024 * 1024


def measure(database: DatabaseKind, *, quick: bool) -> list[Line]:
    """Memory (shared pages by their share), CPU, and the second start: the first has made database and keys."""
    with Rig(database) as rig:
        rig.set_far_side(delay_seconds=0.0)
        first = _start(rig)
        rig.stop("up")
        second = _start(rig)
        start_cpu = family_cpu_seconds(rig.pid("up"))
        time.sleep(SETTLE_SECONDS)
        seconds = QUICK_SECONDS if quick else SECONDS
        members, before = family(rig.pid("up")), family_cpu_seconds(rig.pid("up"))
        time.sleep(seconds)
        used = family_cpu_seconds(rig.pid("up")) - before
        memory = {member: pss_bytes(member) / MEBIBYTE for member in members}
        told = ", ".join(f"{command_of(member)[-24:]} {size:.0f}" for member, size in memory.items())
    name = database.name
    return [
        Line("idle", name, "memory (PSS) of up", sum(memory.values()), "MiB", 250, True, floor=300, limit=told),
        Line("idle", name, "CPU of up", 100 * used / seconds, "% of a core", 1.0, True),
        Line(
            *("idle", name, "ready after the second start", second, "s", 3.0, True, 4.0),
            limit=f"{start_cpu:.1f} CPU seconds by then",
        ),
        Line("idle", name, "ready after the first start", first, "s"),
    ]


def _start(rig: Rig) -> float:
    """Seconds until it is ready."""
    began = time.monotonic()
    rig.start_command("up", [str(DESKBRIDGE), "up"], environ=rig.environ)
    while status(rig.port, "/readyz") != http.client.OK:
        rig.check()
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise RuntimeError("up is not ready")
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - began
