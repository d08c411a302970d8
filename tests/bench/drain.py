"""How fast does one worker work off what lies there? Messages against a helpdesk of 100 ms, and statuses."""

import sys
import time

from tests.bench.bodies import Batch
from tests.bench.figures import steady_rate
from tests.bench.people import Population
from tests.bench.report import Line
from tests.bench.rig import DatabaseKind, Rig, product_cpu
from tests.bench.stage import shares, spent

HELPDESK_SECONDS = 0.1
LONGEST_SECONDS = 40.0
LOOK_SECONDS = 0.25
FIRST_LOOK_SECONDS = 0.02
EVENTS_A_REQUEST = 10


def measure_messages(database: DatabaseKind, *, quick: bool) -> list[Line]:
    """One message each of known customers, all waiting when the worker starts.

    Counted from the first message that is taken in to the last helpdesk request, so that taking in and writing are
    both in it, in whatever order they happen. Ends early when time is up.
    """
    customers = 3_000 if quick else 6_000
    population = Population(customers, 0)
    with Rig(database) as rig:
        rig.start_product(population)
        rig.start_worker(population)
        rig.stop("worker")
        rig.set_far_side(delay_seconds=HELPDESK_SECONDS)
        rig.post_all(_batch("message", customers, rig, population))
        began, before = _start_worker(rig, "drain", customers)
        while len(rig.arrivals()) < customers and time.monotonic() - began < LONGEST_SECONDS:
            time.sleep(LOOK_SECONDS)
        seconds, used = time.monotonic() - began, spent(before, rig.cpu())
        told = [(one.at, mark) for one in rig.arrivals() if one.call == "update_ticket" for mark in one.marks]
        rig.stop("worker")
    if len({mark for _, mark in told}) != len(told):
        raise RuntimeError("a message was written twice")
    if not told:
        raise RuntimeError("nothing was written")
    rate = len(told) / (told[-1][0] - began)
    limit = shares(used, seconds)
    return [
        Line("drain", database.name, "messages of known customers, one worker", rate, "/s", target=300, limit=limit),
        Line(
            "drain",
            database.name,
            "product CPU per 1,000 messages, from a backlog",
            1000 * product_cpu(used) / len(told),
            "s",
            note=limit,
        ),
    ]


def measure_statuses(database: DatabaseKind, *, quick: bool) -> list[Line]:
    """Sent, delivered and read of messages of ours, all waiting when the worker starts."""
    statuses = 36_000 if quick else 96_000
    population = Population(3_000, statuses // 3)
    with Rig(database) as rig:
        rig.start_product(population)
        rig.post_all(_batch("status", statuses, rig, population))
        began, before = _start_worker(rig, "statuses", statuses)
        done = [(began, 0.0)]
        while done[-1][1] < statuses and done[-1][0] - began < LONGEST_SECONDS:
            time.sleep(LOOK_SECONDS)
            done.append((time.monotonic(), float(statuses - rig.waiting())))
        seconds, used = time.monotonic() - began, spent(before, rig.cpu())
        parked = rig.query("SELECT count(*) FROM inbox WHERE state = 'parked'")
        rig.stop("worker")
    if parked:
        raise RuntimeError(f"{parked} statuses found no message")
    rate, limit = steady_rate(done), shares(used, seconds)
    worked_off = done[-1][1]
    return [
        Line("statuses", database.name, "statuses, one worker", rate, "/s", target=8_000, limit=limit),
        Line(
            "statuses",
            database.name,
            "product CPU per 1,000 statuses, from a backlog",
            1000 * product_cpu(used) / worked_off,
            "s",
            note=limit,
        ),
    ]


def _batch(kind: str, events: int, rig: Rig, population: Population) -> Batch:
    return Batch(kind, events // EVENTS_A_REQUEST, population, rig.port, events=EVENTS_A_REQUEST)


def _start_worker(rig: Rig, scenario: str, waiting: int) -> tuple[float, dict[str, float]]:
    """(when it took in the first event, CPU seconds by then)."""
    rig.start("worker")
    print(f"{scenario} on {rig.database.name}: the worker is process {rig.pid('worker')}", file=sys.stderr, flush=True)
    while True:
        looked_at, used = time.monotonic(), rig.cpu()
        if rig.waiting() < waiting:
            return looked_at, used
        rig.check()
        time.sleep(FIRST_LOOK_SECONDS)
