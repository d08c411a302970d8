"""How much of Meta's does one web process take while a worker drains? Committed and sealed before each 200."""

from tests.bench import baseline
from tests.bench.bodies import Batch
from tests.bench.generator import Plan, Result
from tests.bench.people import Population
from tests.bench.report import Line, shown
from tests.bench.rig import WARMUP_REQUESTS, DatabaseKind, Rig
from tests.bench.stage import CONNECTIONS, shares, spent

HELPDESK_SECONDS = 0.1
CUSTOMERS = 6_000
FASTEST = 12_000
"""Requests a second that are prepared for."""
SECONDS, QUICK_SECONDS = 8.0, 4.0
WARMUP_SECONDS = 1.0
EVENTS_A_REQUEST = 10
FASTEST_OF_MANY = 2_500


def measure(database: DatabaseKind, *, quick: bool) -> list[Line]:
    """Three loads, one after the other: as fast as it takes single events, a third of that, ten events a request.

    The mix is Meta's: three statuses of messages of ours to one message of a known customer.
    """
    seconds = QUICK_SECONDS if quick else SECONDS
    before_it = baseline.measure(quick=quick).value
    many = int(FASTEST * (seconds + WARMUP_SECONDS)) // 4 * 4
    tens = int(FASTEST_OF_MANY * (seconds + WARMUP_SECONDS)) // 4 * 4
    events = 2 * many + EVENTS_A_REQUEST * tens
    population = Population(CUSTOMERS, events // 4)
    with Rig(database) as rig:
        rig.start_product(population)
        rig.start_worker(population)
        rig.set_far_side(delay_seconds=HELPDESK_SECONDS)
        most = Batch("mix", many, population, rig.port)
        with rig.load(Plan(most, CONNECTIONS, seconds, WARMUP_SECONDS)) as go:
            before, done_before = rig.cpu(), _done(rig)
            full = go()
            limit = shares(spent(before, rig.cpu()), full.seconds + WARMUP_SECONDS)
            drained = (_done(rig) - done_before) / (full.seconds + WARMUP_SECONDS)
        third = rig.send(
            Plan(
                Batch("mix", many, population, rig.port, first=many),
                CONNECTIONS,
                seconds,
                WARMUP_SECONDS,
                rate=full.rate / 3,
            )
        )
        batch = Batch("mix", tens, population, rig.port, first=2 * many, events=EVENTS_A_REQUEST)
        with rig.load(Plan(batch, CONNECTIONS, seconds, WARMUP_SECONDS)) as go:
            before = rig.cpu()
            ten = go()
            limit_ten = shares(spent(before, rig.cpu()), ten.seconds + WARMUP_SECONDS)
        _check(rig, full, third, ten)
    # Right before and right after: others may use the machine as well.
    bare = (before_it + baseline.measure(quick=quick).value) / 2
    name = database.name
    return [
        Line(
            "ingest", database.name, "one event a request, kept, a worker draining", full.rate, "requests/s", note=limit
        ),
        Line(
            "ingest",
            database.name,
            "the same against the bare server",
            full.rate / bare,
            "",
            target=0.25,
            limit=limit,
            note=f"of {shown(bare)} requests/s",
        ),
        Line("ingest", name, "p99 at a third of that load", third.p99_ms, "ms", target=50, at_most=True),
        Line("ingest", name, "ten events a request", ten.rate * EVENTS_A_REQUEST, "events/s", note=limit_ten),
        Line("ingest", name, "worked off meanwhile (first load)", drained, "events/s"),
    ]


def _done(rig: Rig) -> int:
    return rig.query("SELECT count(*) FROM inbox WHERE state = 'done'")


def _check(rig: Rig, full: Result, third: Result, ten: Result) -> None:
    """200 means kept: every event that was acknowledged is a row."""
    for result in (full, third, ten):
        if set(result.statuses) != {"200"}:
            raise RuntimeError(f"not everything was accepted: {result.statuses}")
    acknowledged = full.accepted + third.accepted + ten.accepted * EVENTS_A_REQUEST
    kept = rig.query("SELECT count(*) FROM inbox") - WARMUP_REQUESTS
    if kept != acknowledged:
        raise RuntimeError(f"{acknowledged} events were acknowledged and {kept} kept")
