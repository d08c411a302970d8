"""What does `/metrics` say? The edge's own counters, the workers' shared ones, and what lies in the tables now."""

import contextlib
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from redis.asyncio import Redis
from sqlalchemy import Connection, func, select

from bridge.runtime.metrics import COUNTERS, read_counters
from bridge.runtime.wiring import Store, field_ids_of
from bridge.store import channels
from bridge.store.crypto import UnknownKey
from bridge.store.database import StoreUnavailable
from bridge.store.tables import EPOCH, OPEN_STATES, alarm, channel, effect, feed, inbox, shard
from connectors import registry

WAITING_EVENTS = ("new", "parked", "refused", "dead")


class _Snapshot:
    """A collector of families that are there already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


async def render(edge: CollectorRegistry, store: Store, redis: Redis) -> bytes:
    """Prometheus text. What cannot be asked is left out, and `deskbridge_database_up` says so."""
    families = list(_counters(await read_counters(redis)))
    up = GaugeMetricFamily("deskbridge_database_up", "Whether the database answers.")
    try:
        now = store.clock.business_now()
        families += await store.database.read(lambda connection: _gauges(connection, now.timestamp()))
        with contextlib.suppress(UnknownKey):  # an alarm says so
            families.append(await store.database.read(lambda connection: _ticket_fields(connection, store)))
        up.add_metric([], 1)
    except StoreUnavailable:
        up.add_metric([], 0)
    snapshot = CollectorRegistry()
    snapshot.register(_Snapshot([*families, up]))
    return generate_latest(edge) + generate_latest(snapshot)


def _counters(counters: Mapping[tuple[str, str], int]) -> Iterable[Metric]:
    for name, (meaning, label) in COUNTERS.items():
        family = CounterMetricFamily(name.removesuffix("_total"), meaning, labels=[label] if label else [])
        for (found, value), amount in sorted(counters.items()):
            if found == name:
                family.add_metric([value] if label else [], amount)
        yield family


def _gauges(connection: Connection, now_seconds: float) -> list[Metric]:
    depth = GaugeMetricFamily("deskbridge_inbox_rows", "Rows of the inbox.", labels=["kind", "state"])
    for kind, state, count in connection.execute(
        select(inbox.c.kind, inbox.c.state, func.count())
        .where(inbox.c.state.in_(WAITING_EVENTS))
        .group_by(inbox.c.kind, inbox.c.state)
    ):
        depth.add_metric([kind, state], count)
    oldest = GaugeMetricFamily("deskbridge_inbox_oldest_seconds", "Age of the oldest event not yet worked on.")
    first = connection.execute(select(func.min(inbox.c.received_at)).where(inbox.c.state == "new")).scalar_one()
    oldest.add_metric([], max(0.0, now_seconds - first.timestamp()) if first else 0.0)
    effects = GaugeMetricFamily("deskbridge_effect_rows", "Effects not done.", labels=["kind", "state"])
    watched = [*(state.value for state in OPEN_STATES), "dead", "unconfirmed"]
    for kind, state, count in connection.execute(
        select(effect.c.kind, effect.c.state, func.count())
        .where(effect.c.state.in_(watched))
        .group_by(effect.c.kind, effect.c.state)
    ):
        effects.add_metric([kind, state], count)
    alarms = GaugeMetricFamily("deskbridge_alarms", "Things a person should look at, ever raised.", labels=["kind"])
    for kind, count in connection.execute(select(alarm.c.kind, func.sum(alarm.c.count)).group_by(alarm.c.kind)):
        alarms.add_metric([kind], count)
    gates = GaugeMetricFamily(
        "deskbridge_gate_closed", "Far sides that wait for an operator.", labels=["scope", "code"]
    )
    for scope, code in closed_scopes(connection):
        gates.add_metric([scope, code], 1)
    held = GaugeMetricFamily("deskbridge_shards_held", "Shards that a worker holds.")
    held.add_metric(
        [], connection.execute(select(func.count()).select_from(shard).where(shard.c.holder.is_not(None))).scalar_one()
    )
    polled = GaugeMetricFamily(
        "deskbridge_feed_polled_timestamp_seconds", "When the helpdesk's change feed was last read."
    )
    last = connection.execute(select(func.max(feed.c.polled_at))).scalar_one()
    polled.add_metric([], (last or EPOCH).timestamp())
    return [depth, oldest, effects, alarms, gates, held, polled]


def _ticket_fields(connection: Connection, store: Store) -> Metric:
    known = GaugeMetricFamily(
        "deskbridge_ticket_fields",
        "Ticket fields that are filled; 0 until `doctor --fix` made them.",
        labels=["helpdesk"],
    )
    for channel_id, helpdesk in connection.execute(select(channel.c.id, channel.c.helpdesk)):
        if helpdesk not in registry.names() or not registry.find(helpdesk).ticket_fields:
            continue
        kept = channels.load_settings(connection, store.vault, channel_id=channel_id)
        known.add_metric([helpdesk], len(field_ids_of(kept)))
    return known


def closed_scopes(connection: Connection) -> list[tuple[str, str]]:
    """(scope, code) of everything that waits for an operator."""
    return [(scope, code) for scope, code, _ in channels.load_gates(connection)]
