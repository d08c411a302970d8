"""What Meta allows a number, as it was learnt, and how much of it was used."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, delete, func, select, update

from bridge.domain.meta_limits import Urgency
from bridge.store.insert_once import insert_once
from bridge.store.outbox import PARKED
from bridge.store.tables import EPOCH, EffectState, Lane, effect, limit_sample, number_limit

COUNTED_UP_TO = 100_000
"""A longer queue is told as this long: counting it must not cost more than working on it."""


def ensure(connection: Connection, *, channel_id: str) -> None:
    """From here on there is a row for what is known of the channel's number."""
    insert_once(
        connection,
        number_limit,
        {"channel_id": channel_id, "claimed_at": EPOCH, "facts": "{}"},
        unique=(number_limit.c.channel_id,),
    )


def claim(connection: Connection, *, channel_id: str, every: timedelta, real_now: datetime) -> bool:
    """Is it our turn to ask Meta what it allows? One caller per interval."""
    ensure(connection, channel_id=channel_id)
    return bool(
        connection.execute(
            update(number_limit)
            .where(number_limit.c.channel_id == channel_id, number_limit.c.claimed_at <= real_now - every)
            .values(claimed_at=real_now)
        ).rowcount
    )


def postpone(connection: Connection, *, channel_id: str, claimed_at: datetime) -> None:
    """As if the last claim had been then: the asking failed."""
    connection.execute(
        update(number_limit).where(number_limit.c.channel_id == channel_id).values(claimed_at=claimed_at)
    )


def ask_anew(connection: Connection, *, channel_id: str) -> None:
    """Something changed at Meta: whoever looks next asks."""
    connection.execute(update(number_limit).where(number_limit.c.channel_id == channel_id).values(claimed_at=EPOCH))


_FACTS = select(number_limit.c.facts, number_limit.c.claimed_at).where(
    number_limit.c.channel_id == bindparam("channel_id")
)


def load(connection: Connection, *, channel_id: str) -> tuple[dict[str, Any], datetime]:
    """(what is known, when it was asked last, real time)."""
    row = connection.execute(_FACTS, {"channel_id": channel_id}).one_or_none()
    return ({}, EPOCH) if row is None else (orjson.loads(row.facts), row.claimed_at)


def save(connection: Connection, *, channel_id: str, facts: dict[str, Any]) -> None:
    connection.execute(
        update(number_limit)
        .where(number_limit.c.channel_id == channel_id)
        .values(facts=orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).decode())
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """`people`: counted towards the messaging limit; `tier`: that limit; `sent`: since the sample before."""

    taken_at: datetime
    people: int
    tier: int | None
    sent: int
    waiting: dict[Urgency, int]
    quality: str | None


def waiting_sends(connection: Connection) -> dict[Urgency, int]:
    """How many sends wait to leave, by urgency."""
    counts = {}
    for urgency in Urgency:
        some = (
            select(effect.c.id)
            .where(
                effect.c.state == EffectState.READY.value,
                effect.c.lane == Lane.WHATSAPP.value,
                effect.c.urgency == urgency.value,
            )
            .limit(COUNTED_UP_TO)
            .subquery()
        )
        counts[urgency] = connection.execute(select(func.count()).select_from(some)).scalar_one()
    return counts


def parked_sends(connection: Connection) -> int:
    """How many of them wait for a place among the people whom Meta lets us write to."""
    some = (
        select(effect.c.id)
        .where(
            effect.c.state == EffectState.READY.value,
            effect.c.lane == Lane.WHATSAPP.value,
            effect.c.due_at == PARKED,
        )
        .limit(COUNTED_UP_TO)
        .subquery()
    )
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


_PARKED = (
    select(effect.c.id)
    .where(effect.c.state == EffectState.READY.value, effect.c.lane == Lane.WHATSAPP.value, effect.c.due_at == PARKED)
    .limit(1)
)


def has_parked(connection: Connection) -> bool:
    return connection.execute(_PARKED).one_or_none() is not None


def last_sample_at(connection: Connection, *, channel_id: str) -> datetime | None:
    last: datetime | None = connection.execute(
        select(func.max(limit_sample.c.taken_at)).where(limit_sample.c.channel_id == channel_id)
    ).scalar_one()
    return last


def keep_sample(connection: Connection, sample: Sample, *, channel_id: str, forget_before: datetime) -> bool:
    """False: somebody else kept one of that time."""
    added = insert_once(
        connection,
        limit_sample,
        {
            "channel_id": channel_id,
            "taken_at": sample.taken_at,
            "people": sample.people,
            "tier": sample.tier,
            "sent": sample.sent,
            "waiting_replies": sample.waiting[Urgency.REPLY],
            "waiting_transactions": sample.waiting[Urgency.TRANSACTION],
            "waiting_marketing": sample.waiting[Urgency.MARKETING],
            "quality": sample.quality,
        },
        unique=(limit_sample.c.channel_id, limit_sample.c.taken_at),
    )
    connection.execute(
        delete(limit_sample).where(limit_sample.c.channel_id == channel_id, limit_sample.c.taken_at < forget_before)
    )
    return added


def load_samples(connection: Connection, *, channel_id: str, since: datetime) -> list[Sample]:
    """Oldest first."""
    rows = connection.execute(
        select(limit_sample)
        .where(limit_sample.c.channel_id == channel_id, limit_sample.c.taken_at >= since)
        .order_by(limit_sample.c.taken_at)
    )
    return [
        Sample(
            row.taken_at,
            row.people,
            row.tier,
            row.sent,
            {
                Urgency.REPLY: row.waiting_replies,
                Urgency.TRANSACTION: row.waiting_transactions,
                Urgency.MARKETING: row.waiting_marketing,
            },
            row.quality,
        )
        for row in rows
    ]
