"""Who works on which shard? Rows with a fence: every claim raises it, and every commit of the holder checks it.

A fence guards commits, not calls: what a dead holder may have begun at a far side is looked up, never assumed.
Lease times are real time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bridge.store import outbox
from bridge.store.tables import SHARDS, conversation, effect, inbox, message, shard, worker

LEASE = timedelta(seconds=15)
WORKER_SEEN = timedelta(seconds=20)


class LeaseLost(Exception):
    """Somebody else holds the shard now: stop, and commit nothing."""


@dataclass(frozen=True, slots=True)
class Lease:
    shard: int
    fence: int
    holder: str


def check(connection: Connection, lease: Lease) -> None:
    """Hold the shard's row for this transaction. Raises `LeaseLost`."""
    fence = connection.execute(
        select(shard.c.fence).where(shard.c.id == lease.shard).with_for_update(read=True)
    ).scalar_one_or_none()
    if fence != lease.fence:
        raise LeaseLost


def claim(connection: Connection, *, holder: str, wanted: Sequence[int], real_now: datetime) -> list[Lease]:
    """Those of the wanted shards that are free, with a new fence each. In one order, so that two claimers never wait
    for each other in a circle."""
    leases = []
    for number in sorted(wanted):
        fence = connection.execute(
            update(shard)
            .where(shard.c.id == number, or_(shard.c.holder.is_(None), shard.c.expires_at <= real_now))
            .values(fence=shard.c.fence + 1, holder=holder, expires_at=real_now + LEASE)
            .returning(shard.c.fence)
        ).scalar_one_or_none()
        if fence is not None:
            leases.append(Lease(number, fence, holder))
    return leases


def renew(connection: Connection, leases: Sequence[Lease], *, real_now: datetime) -> list[Lease]:
    """Prolong; returns the leases that are still ours."""
    kept = []
    for lease in sorted(leases, key=lambda lease: lease.shard):
        renewed = connection.execute(
            update(shard)
            .where(shard.c.id == lease.shard, shard.c.fence == lease.fence)
            .values(expires_at=real_now + LEASE)
        )
        if renewed.rowcount:
            kept.append(lease)
    return kept


def release(connection: Connection, lease: Lease, *, real_now: datetime) -> None:
    connection.execute(
        update(shard)
        .where(shard.c.id == lease.shard, shard.c.fence == lease.fence)
        .values(holder=None, expires_at=real_now)
    )


def share_of(connection: Connection, *, holder: str, real_now: datetime) -> int:
    """How many shards this worker should hold at most, given who else lives. Says that we live."""
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    connection.execute(
        insert(worker)
        .values(id=holder, seen_at=real_now)
        .on_conflict_do_update(index_elements=[worker.c.id], set_={"seen_at": real_now})
    )
    connection.execute(delete(worker).where(worker.c.seen_at < real_now - WORKER_SEEN))
    living = connection.execute(select(func.count()).select_from(worker)).scalar_one()
    return -(-SHARDS // max(living, 1))


def leave(connection: Connection, *, holder: str) -> None:
    connection.execute(delete(worker).where(worker.c.id == holder))


@dataclass(frozen=True, slots=True)
class Due:
    """Shards on which events or effects wait, and those on which something fell due by itself."""

    work: frozenset[int]
    chores: frozenset[int]

    def __bool__(self) -> bool:
        return bool(self.work or self.chores)


def find_due(connection: Connection, *, now: datetime, real_now: datetime) -> Due:
    """Where is something to do? `now` is business time."""
    is_free = or_(shard.c.holder.is_(None), shard.c.expires_at <= real_now)
    work = (
        select(inbox.c.shard).where(inbox.c.state == "new", inbox.c.due_at <= now),
        select(effect.c.shard).where(
            effect.c.state.in_(("ready", "unknown")),
            effect.c.due_at <= now,
            effect.c.not_before_at <= real_now,
            outbox.is_head(),
        ),
        select(effect.c.shard).join(shard, shard.c.id == effect.c.shard).where(effect.c.state == "performing", is_free),
    )
    chores = (
        select(effect.c.shard).where(effect.c.state == "held", effect.c.expires_at <= now),
        select(conversation.c.shard)
        .join(message, message.c.conversation_id == conversation.c.id)
        .where(message.c.deadline_at <= now),
        select(inbox.c.shard).where(inbox.c.state == "parked", inbox.c.due_at <= now),
    )
    found = [
        frozenset(number for query in queries for number in connection.execute(query.distinct()).scalars())
        for queries in (work, chores)
    ]
    return Due(*found)
