"""How long does a person wait for us, and what does it cost? A steady pace, far below what would fill a queue.

Counted from the moment the webhook was sent to the moment our request reached the other far side, both on the
machine's monotonic clock. The helpdesk's own time is no part of it: a message needs no answer before its request
leaves, and for replies the helpdesk answers at once, since the comment must be read first.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from tests.bench.bodies import Batch
from tests.bench.figures import percentile
from tests.bench.generator import Plan, Result
from tests.bench.people import Population
from tests.bench.report import Line
from tests.bench.rig import Arrival, DatabaseKind, Rig, product_cpu
from tests.bench.stage import shares, spent

HELPDESK_SECONDS = 0.1
PER_SECOND = 50.0
STATUSES_PER_MESSAGE = 3
SECONDS, QUICK_SECONDS = 30.0, 10.0
CONNECTIONS = 16
P50_MS, P99_MS = 50.0, 250.0


def measure(database: DatabaseKind, *, quick: bool) -> list[Line]:
    """Messages of different known customers, statuses, and replies to different customers, one kind after the other."""
    seconds = QUICK_SECONDS if quick else SECONDS
    customers = int(PER_SECOND * seconds)
    population = Population(customers, customers)
    lines: list[Line] = []
    with Rig(database) as rig:
        rig.start_product(population)
        rig.start_worker(population)
        for kind, call, requests, told in (
            ("message", "update_ticket", customers, "webhook to helpdesk request"),
            ("status", "", customers * STATUSES_PER_MESSAGE, ""),
            ("ring", "send", customers, "comment ring to Cloud API request"),
        ):
            rig.set_far_side(delay_seconds=0.0 if kind == "ring" else HELPDESK_SECONDS, replies=kind == "ring")
            rate = PER_SECOND * requests / customers
            plan = Plan(Batch(kind, requests, population, rig.port), CONNECTIONS, seconds * 1.5, rate=rate, trace=True)
            result, used, took = _play(rig, plan, call)
            if call:
                lines += _waits(database, told, result, rig.arrivals(), call, shares(used, took))
            name = {"message": "message", "status": "status", "ring": "reply (statuses not counted)"}[kind]
            cpu = 1000 * product_cpu(used) / requests
            remark = f"at {rate:.0f}/s; {shares(used, took)}"
            lines.append(Line("cost", database.name, f"product CPU per 1,000: {name}", cpu, "s", note=remark))
    return lines


def _play(rig: Rig, plan: Plan, call: str) -> tuple[Result, Mapping[str, float], float]:
    """Send, and wait until everything is worked off. (what came of it, CPU seconds, seconds)."""
    with rig.load(plan) as go:
        before, began = rig.cpu(), time.monotonic()
        result = go()
    if result.accepted != plan.batch.requests:
        raise RuntimeError(f"not everything was accepted: {result.statuses}")
    if call:
        rig.until(_saw(rig, call, plan.batch.requests), f"{plan.batch.requests} times {call}")
    rig.until(lambda: not rig.in_hand(), "everything is worked off")
    return result, spent(before, rig.cpu()), time.monotonic() - began


def _saw(rig: Rig, call: str, count: int) -> Callable[[], bool]:
    return lambda: sum(one.call == call for one in rig.arrivals()) >= count


def _waits(
    database: DatabaseKind, told: str, result: Result, arrivals: Sequence[Arrival], call: str, limit: str
) -> list[Line]:
    arrived_at = {mark: one.at for one in arrivals if one.call == call for mark in one.marks}
    waits = [(arrived_at[mark] - sent_at) * 1000 for mark, sent_at in result.sent_at.items()]
    scenario, name = "latency", database.name
    return [
        Line(scenario, name, f"{told}, p50", percentile(waits, 0.50), "ms", target=P50_MS, at_most=True, limit=limit),
        Line(scenario, name, f"{told}, p99", percentile(waits, 0.99), "ms", target=P99_MS, at_most=True, limit=limit),
    ]
