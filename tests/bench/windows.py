"""What do a hundred thousand open windows cost a worker that looks around? Asked of the database as the worker asks."""

import time
from datetime import datetime, timedelta

from sqlalchemy import Connection, update

from bridge.runtime import wiring
from bridge.runtime.settings import load_settings
from bridge.runtime.wiring import Store
from bridge.store import conversations, leases
from bridge.store.tables import SHARDS, conversation
from tests.bench import seeding
from tests.bench.figures import percentile
from tests.bench.people import Population
from tests.bench.report import Line
from tests.bench.rig import DatabaseKind, Rig

WINDOWS, QUICK_WINDOWS = 100_000, 20_000
LOOKS, QUICK_LOOKS = 400, 100
FALLING_DUE = 500


def measure(database: DatabaseKind, *, quick: bool) -> list[Line]:
    """A look around finds nothing, then finds what fell due; both as long as with no window at all, or an index is
    missing."""
    count, looks = (QUICK_WINDOWS, QUICK_LOOKS) if quick else (WINDOWS, LOOKS)
    with Rig(database) as rig:
        settings = load_settings(rig.environ)
        wiring.migrate(settings)
        with wiring.open_store(settings) as store:
            now = store.clock.business_now()
            none = _looks(store, now, looks)
        seeding.seed(rig.environ, Population(count, 0))
        with wiring.open_store(settings) as store:
            store.database.write_now(lambda connection: _open_all(connection, now + timedelta(hours=20)))
            waiting = _looks(store, now, looks)
            store.database.write_now(lambda connection: _let_fall_due(connection, now))
            due = _looks(store, now, looks)
            found = _find(store, now)
    if found != FALLING_DUE:
        raise RuntimeError(f"{found} windows were found due, not {FALLING_DUE}")
    name = f"look around, p50, {count:,} open windows"
    return [
        Line("windows", database.name, "look around, p50, no window", percentile(none, 0.5) * 1000, "ms"),
        Line("windows", database.name, name, percentile(waiting, 0.5) * 1000, "ms", 5.0, True),
        Line("windows", database.name, f"{name}, {FALLING_DUE} due", percentile(due, 0.5) * 1000, "ms", 5.0, True),
    ]


def _open_all(connection: Connection, look_at: datetime) -> None:
    connection.execute(update(conversation).values(look_at=look_at, unanswered_since_at=look_at))


def _let_fall_due(connection: Connection, now: datetime) -> None:
    some = [row.id for row in connection.execute(conversation.select().limit(FALLING_DUE))]
    connection.execute(update(conversation).where(conversation.c.id.in_(some)).values(look_at=now))


def _looks(store: Store, now: datetime, count: int) -> list[float]:
    took = []
    for _ in range(count):
        began = time.perf_counter()
        store.database.read_now(lambda connection: leases.find_due(connection, now=now, real_now=now))
        took.append(time.perf_counter() - began)
    return took


def _find(store: Store, now: datetime) -> int:
    return len(
        store.database.read_now(
            lambda connection: conversations.find_to_look_at(
                connection, shards=range(SHARDS), now=now, limit=2 * FALLING_DUE
            )
        )
    )
