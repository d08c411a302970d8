"""Channels, and what is known about their far sides: gates, settings found or made, the change feed, alarms."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bridge.store.crypto import Vault
from bridge.store.ids import new_id
from bridge.store.insert_once import insert_once
from bridge.store.tables import EPOCH, alarm, channel, feed, gate, setting

PROBE_EVERY = timedelta(seconds=30)
VALUE = "setting.value"


@dataclass(frozen=True, slots=True)
class Channel:
    id: str
    helpdesk: str
    phone_number_id: str
    waba_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Gate:
    """A closed gate. `next_probe_at` is real time."""

    code: str
    action: str
    by_status: bool
    closed_at: datetime
    next_probe_at: datetime


def ensure_channel(
    connection: Connection, *, helpdesk: str, phone_number_id: str, waba_id: str, now: datetime
) -> Channel:
    mine = (channel.c.phone_number_id == phone_number_id) & (channel.c.helpdesk == helpdesk)
    insert_once(
        connection,
        channel,
        {
            "id": new_id(),
            "helpdesk": helpdesk,
            "phone_number_id": phone_number_id,
            "waba_id": waba_id,
            "created_at": now,
        },
        unique=(channel.c.phone_number_id, channel.c.helpdesk),
    )
    row = connection.execute(select(channel).where(mine)).one()
    if row.waba_id != waba_id:
        connection.execute(update(channel).where(mine).values(waba_id=waba_id))
    return Channel(row.id, row.helpdesk, row.phone_number_id, waba_id, row.created_at)


_GATE = select(gate).where(gate.c.channel_id == bindparam("channel_id"), gate.c.scope == bindparam("scope"))


def load_gate(connection: Connection, *, channel_id: str, scope: str) -> Gate | None:
    row = connection.execute(_GATE, {"channel_id": channel_id, "scope": scope}).one_or_none()
    return None if row is None else Gate(row.code, row.action, row.by_status, row.closed_at, row.next_probe_at)


def close_gate(
    connection: Connection, *, channel_id: str, scope: str, code: str, action: str, by_status: bool, real_now: datetime
) -> bool:
    """Nothing of this scope until a person acts, but for a probe every 30 s. True when it was open before."""
    mine = (gate.c.channel_id == channel_id) & (gate.c.scope == scope)
    fresh = insert_once(
        connection,
        gate,
        {
            "id": new_id(),
            "channel_id": channel_id,
            "scope": scope,
            "code": code,
            "action": action,
            "by_status": by_status,
            "closed_at": real_now,
            "next_probe_at": real_now + PROBE_EVERY,
        },
        unique=(gate.c.channel_id, gate.c.scope),
    )
    if not fresh:
        connection.execute(update(gate).where(mine).values(code=code, action=action, by_status=by_status))
    return fresh


def claim_probe(connection: Connection, *, channel_id: str, scope: str, real_now: datetime) -> bool:
    """May this caller try the closed gate? One at a time, every 30 s."""
    return bool(
        connection.execute(
            update(gate)
            .where(gate.c.channel_id == channel_id, gate.c.scope == scope, gate.c.next_probe_at <= real_now)
            .values(next_probe_at=real_now + PROBE_EVERY)
        ).rowcount
    )


def open_gate(
    connection: Connection, *, channel_id: str, scope: str, by_status: bool, started_at: datetime
) -> str | None:
    """A call that began at `started_at` went well, so it works again. Returns the code it was closed for, None when it
    was open, or stays closed: a call of before says nothing, and what a status closed is opened by a status alone."""
    known = load_gate(connection, channel_id=channel_id, scope=scope)
    if known is None or started_at <= known.closed_at or (known.by_status and not by_status):
        return None
    connection.execute(delete(gate).where(gate.c.channel_id == channel_id, gate.c.scope == scope))
    return known.code


def load_gates(connection: Connection) -> list[tuple[str, str, str]]:
    """(scope, code, action) of every closed gate."""
    return [(row.scope, row.code, row.action) for row in connection.execute(select(gate))]


def raise_alarm(connection: Connection, *, kind: str, subject: str, now: datetime) -> None:
    """Count something a person should look at. `subject` is no personal data."""
    make = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    connection.execute(
        make(alarm)
        .values(id=new_id(), kind=kind, subject=subject, count=1, first_at=now, last_at=now)
        .on_conflict_do_update(
            index_elements=[alarm.c.kind, alarm.c.subject], set_={"count": alarm.c.count + 1, "last_at": now}
        )
    )


def save_settings(connection: Connection, vault: Vault, *, channel_id: str, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        connection.execute(delete(setting).where(setting.c.channel_id == channel_id, setting.c.name == name))
        row_id = new_id()
        connection.execute(
            insert(setting).values(
                id=row_id, channel_id=channel_id, name=name, value=vault.seal_text(value, VALUE, row_id)
            )
        )


def load_settings(connection: Connection, vault: Vault, *, channel_id: str) -> dict[str, str]:
    return {
        row.name: vault.unseal_text(row.value, VALUE, row.id)
        for row in connection.execute(select(setting).where(setting.c.channel_id == channel_id))
    }


def claim_feed(
    connection: Connection, *, channel_id: str, every: timedelta, real_now: datetime
) -> tuple[bool, str | None]:
    """Is it our turn to ask the helpdesk what changed? One caller per interval; (whether, cursor)."""
    insert_once(connection, feed, {"channel_id": channel_id, "claimed_at": EPOCH}, unique=(feed.c.channel_id,))
    claimed = connection.execute(
        update(feed)
        .where(feed.c.channel_id == channel_id, feed.c.claimed_at <= real_now - every)
        .values(claimed_at=real_now)
    ).rowcount
    cursor = connection.execute(select(feed.c.cursor).where(feed.c.channel_id == channel_id)).scalar_one()
    return bool(claimed), cursor


def save_feed(connection: Connection, *, channel_id: str, cursor: str, real_now: datetime) -> None:
    connection.execute(update(feed).where(feed.c.channel_id == channel_id).values(cursor=cursor, polled_at=real_now))


def is_feed_due(connection: Connection, *, channel_id: str, every: timedelta, real_now: datetime) -> bool:
    claimed_at = connection.execute(
        select(feed.c.claimed_at).where(feed.c.channel_id == channel_id)
    ).scalar_one_or_none()
    return claimed_at is None or claimed_at <= real_now - every


def postpone_feed(connection: Connection, *, channel_id: str, claimed_at: datetime) -> None:
    """As if the last claim had been then: the asking failed, and is due again an interval later."""
    connection.execute(update(feed).where(feed.c.channel_id == channel_id).values(claimed_at=claimed_at))
