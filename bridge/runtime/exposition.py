"""What does `/metrics` say? The edge's own counters, the workers' shared ones, and what lies in the tables now."""

import contextlib
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import Connection, func, select, text

from bridge.domain.customer_service_window import CLOSING, MARGIN, WINDOW
from bridge.runtime import checkup, limits_report
from bridge.runtime.metrics import COUNTERS, HISTOGRAMS, histogram_of, read_counters
from bridge.runtime.wiring import Store, field_ids_of
from bridge.store import channels
from bridge.store.crypto import UnknownKey
from bridge.store.database import StoreUnavailable
from bridge.store.tables import EPOCH, OPEN_STATES, alarm, channel, conversation, effect, feed, inbox, shard, worker
from connectors import registry
from connectors.interface import FindingLevel

WORKER_GONE_AFTER = timedelta(seconds=30)
_SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}
WAITING_EVENTS = ("new", "parked", "refused", "dead")


class _Snapshot:
    """A collector of families that are there already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


async def render(edge: CollectorRegistry, store: Store, redis: Redis, *, data_dir: Path) -> bytes:
    """Prometheus text. What cannot be asked is left out, and `deskbridge_database_up` says so."""
    counters = await read_counters(redis)
    families = [*_counters(counters), *_histograms(counters), await _redis_up(redis), _disk(data_dir)]
    up = GaugeMetricFamily("deskbridge_database_up", "Whether the database answers.")
    try:
        now = store.clock.business_now()
        families += await store.database.read(lambda connection: _gauges(connection, now.timestamp()))
        real_now = store.clock.real_now()
        families += await store.database.read(lambda connection: _more_gauges(connection, now, real_now))
        families += await _limits(store, redis)
        with contextlib.suppress(UnknownKey):  # an alarm says so
            families.append(await store.database.read(lambda connection: _ticket_fields(connection, store)))
            families += await store.database.read(lambda connection: _doctor(connection, store))
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


def _doctor(connection: Connection, store: Store) -> list[Metric]:
    looked = GaugeMetricFamily("deskbridge_doctor_timestamp_seconds", "When the doctor last made its round.")
    found = GaugeMetricFamily("deskbridge_doctor_findings", "What the doctor found then.", labels=["level"])
    at, findings = checkup.kept_findings(connection, store.vault)
    looked.add_metric([], (at or EPOCH).timestamp())
    for level in FindingLevel:
        found.add_metric([level.value], sum(one.level is level for one in findings))
    return [looked, found]


def _histograms(counters: Mapping[tuple[str, str], int]) -> Iterable[Metric]:
    for name, meaning in HISTOGRAMS.items():
        buckets, total = histogram_of(counters, name)
        yield HistogramMetricFamily(name, meaning, buckets=buckets, sum_value=total)


async def _redis_up(redis: Redis) -> Metric:
    up = GaugeMetricFamily("deskbridge_redis_up", "Whether Redis answers.")
    try:
        await redis.ping()
        up.add_metric([], 1)
    except (RedisError, OSError):
        up.add_metric([], 0)
    return up


def _disk(data_dir: Path) -> Metric:
    free = GaugeMetricFamily("deskbridge_disk_free_bytes", "What is left on the disk of the data dir.")
    with contextlib.suppress(OSError):
        free.add_metric([], shutil.disk_usage(data_dir).free)
    return free


def _more_gauges(connection: Connection, now: datetime, real_now: datetime) -> list[Metric]:
    workers = GaugeMetricFamily("deskbridge_workers", "Workers that live.")
    alive = select(func.count()).select_from(worker).where(worker.c.seen_at > real_now - WORKER_GONE_AFTER)
    workers.add_metric([], connection.execute(alive).scalar_one())
    windows = GaugeMetricFamily("deskbridge_windows", "Customer service windows that are open.", labels=["state"])
    opened = select(func.count()).select_from(conversation)
    closing = now - WINDOW + MARGIN
    for state, after, until in (
        ("open", closing + CLOSING, now),
        ("closing", closing, closing + CLOSING),
    ):
        within = (conversation.c.last_inbound_at > after) & (conversation.c.last_inbound_at <= until)
        windows.add_metric([state], connection.execute(opened.where(within)).scalar_one())
    size = GaugeMetricFamily("deskbridge_database_bytes", "Size of the database.")
    size.add_metric([], connection.execute(text(_SIZE[connection.dialect.name])).scalar_one())
    return [workers, windows, size]


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


async def _limits(store: Store, redis: Redis) -> list[Metric]:
    """What Meta allows our numbers, and how much of it is used."""
    number = ["phone_number_id"]
    used = GaugeMetricFamily("deskbridge_limit_people_used", "People written to first in 24 hours.", labels=number)
    limit = GaugeMetricFamily("deskbridge_limit_people", "Meta's messaging limit; -1: none.", labels=number)
    level = GaugeMetricFamily(
        "deskbridge_limit_level", "70, 90 or 100 when so many percent of the messaging limit are used.", labels=number
    )
    full = GaugeMetricFamily(
        "deskbridge_limit_full_timestamp_seconds", "When the messaging limit is full at this rate.", labels=number
    )
    speed = GaugeMetricFamily("deskbridge_throughput_per_second", "Messages a second that Meta allows.", labels=number)
    quality = GaugeMetricFamily("deskbridge_number_quality", "The number's quality.", labels=[*number, "quality"])
    waiting = GaugeMetricFamily("deskbridge_sends_waiting", "Messages that wait to leave.", labels=["urgency"])
    parked = GaugeMetricFamily("deskbridge_sends_waiting_for_place", "Of those, what waits for the messaging limit.")
    drained = GaugeMetricFamily(
        "deskbridge_sends_drained_timestamp_seconds", "When what waits now will have left.", labels=number
    )
    found = None
    for channel_id, phone_number_id in await store.database.read(_numbers):
        found = await limits_report.report(store, redis, channel_id=channel_id, phone_number_id=phone_number_id)
        foreseen = found.forecast
        used.add_metric([phone_number_id], foreseen.used)
        level.add_metric([phone_number_id], foreseen.level)
        if foreseen.limit is not None:
            limit.add_metric([phone_number_id], foreseen.limit)
        if foreseen.full_at is not None:
            full.add_metric([phone_number_id], foreseen.full_at.timestamp())
        if foreseen.drained_at is not None:
            drained.add_metric([phone_number_id], foreseen.drained_at.timestamp())
        if found.facts.throughput is not None:
            speed.add_metric([phone_number_id], found.facts.throughput)
        if found.facts.quality is not None:
            quality.add_metric([phone_number_id, found.facts.quality], 1)
    if found is not None:
        for urgency, count in found.waiting.items():
            waiting.add_metric([urgency.name.lower()], count)
        parked.add_metric([], found.parked)
    return [used, limit, level, full, speed, quality, waiting, parked, drained]


def _numbers(connection: Connection) -> list[tuple[str, str]]:
    return [
        (row.id, row.phone_number_id) for row in connection.execute(select(channel.c.id, channel.c.phone_number_id))
    ]


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
