"""Who works on which shard? Rows with a fence: every claim raises it, and every commit of the holder checks it.

A fence guards commits, not calls: what a dead holder may have begun at a far side is looked up, never assumed.
Lease times are real time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Transaction, and_, bindparam, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bridge.store import outbox
from bridge.store.tables import (
    SHARDS,
    Lane,
    UtcMicroseconds,
    contact,
    contact_merge,
    conversation,
    effect,
    inbox,
    media,
    message,
    shard,
    worker,
)

LEASE = timedelta(seconds=15)
WORKER_SEEN = timedelta(seconds=20)


class LeaseLost(Exception):
    """Somebody else holds the shard now: stop, and commit nothing."""


@dataclass(frozen=True, slots=True)
class Lease:
    shard: int
    fence: int
    holder: str


_FENCE = select(shard.c.fence).where(shard.c.id == bindparam("shard")).with_for_update(read=True)
_checked: WeakKeyDictionary[Transaction, set[Lease]] = WeakKeyDictionary()


def check(connection: Connection, lease: Lease) -> None:
    """Hold the shard's row for this transaction. Raises `LeaseLost`."""
    transaction = connection.get_nested_transaction() or connection.get_transaction()
    assert transaction is not None
    held = _checked.setdefault(transaction, set())
    if lease in held:
        return  # units of one transaction share the row's lock
    if connection.execute(_FENCE, {"shard": lease.shard}).scalar_one_or_none() != lease.fence:
        raise LeaseLost
    held.add(lease)


def claim(
    connection: Connection, *, holder: str, wanted: Sequence[int], at_most: int, real_now: datetime
) -> list[Lease]:
    """The first of the wanted shards that are free, with a new fence each.

    A row that somebody works under is left alone: who waits for nobody is in no circle of waiting, and a transaction
    has checks of other shards in it.
    """
    free = connection.execute(
        select(shard.c.id)
        .where(shard.c.id.in_(wanted), or_(shard.c.holder.is_(None), shard.c.expires_at <= real_now))
        .with_for_update(skip_locked=True)
    ).scalars()
    found = frozenset(free)
    return [
        Lease(number, _raise_fence(connection, number, holder=holder, real_now=real_now), holder)
        for number in [number for number in wanted if number in found][:at_most]
    ]


def _raise_fence(connection: Connection, number: int, *, holder: str, real_now: datetime) -> int:
    transaction = connection.get_nested_transaction() or connection.get_transaction()
    assert transaction is not None
    held = _checked.get(transaction, set())
    held -= {lease for lease in held if lease.shard == number}
    fence: int = connection.execute(
        update(shard)
        .where(shard.c.id == number)
        .values(fence=shard.c.fence + 1, holder=holder, expires_at=real_now + LEASE)
        .returning(shard.c.fence)
    ).scalar_one()
    return fence


def renew(connection: Connection, leases: Sequence[Lease], *, real_now: datetime) -> list[Lease]:
    """Prolong; returns the leases that are still ours. A row that somebody holds at this moment is left for the next
    time, like in `claim`."""
    rows = connection.execute(
        select(shard.c.id, shard.c.fence)
        .where(shard.c.id.in_([lease.shard for lease in leases]))
        .with_for_update(skip_locked=True)
    )
    fences = {row.id: row.fence for row in rows}
    kept = [lease for lease in leases if fences.get(lease.shard, lease.fence) == lease.fence]
    connection.execute(
        update(shard)
        .where(shard.c.id.in_([lease.shard for lease in kept if lease.shard in fences]))
        .values(expires_at=real_now + LEASE)
    )
    return kept


def release(connection: Connection, leases: Sequence[Lease], *, real_now: datetime) -> None:
    """Give back what is still ours. What somebody holds at this moment runs out by itself."""
    fences = {lease.shard: lease.fence for lease in leases}
    rows = connection.execute(
        select(shard.c.id, shard.c.fence).where(shard.c.id.in_(fences)).with_for_update(skip_locked=True)
    )
    ours = [row.id for row in rows if row.fence == fences[row.id]]
    connection.execute(update(shard).where(shard.c.id.in_(ours)).values(holder=None, expires_at=real_now))


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
    """Shards on which events or effects wait, those on which something fell due by itself, and those with windows to be
    looked at."""

    work: frozenset[int]
    chores: frozenset[int]
    windows: frozenset[int]

    def __bool__(self) -> bool:
        return bool(self.work or self.chores or self.windows)


_LATE = bindparam("late", type_=UtcMicroseconds)
_NOW, _REAL_NOW = bindparam("now", type_=UtcMicroseconds), bindparam("real_now", type_=UtcMicroseconds)
# One look per shard that ends at the first row, however many wait.
_WORK = select(shard.c.id).where(
    or_(
        exists().where(
            inbox.c.state == "new",
            inbox.c.shard == shard.c.id,
            inbox.c.due_at <= _NOW,
            or_(inbox.c.not_before_at.is_(None), inbox.c.not_before_at <= _REAL_NOW),
        ),
        *(
            exists().where(
                effect.c.state == state,
                effect.c.shard == shard.c.id,
                effect.c.due_at <= _NOW,
                effect.c.not_before_at <= _REAL_NOW,
                outbox.is_head(),
            )
            for state in ("ready", "unknown")
        ),
        exists().where(
            media.c.state == "waiting",
            media.c.due_at <= _NOW,
            media.c.message_id == message.c.id,
            message.c.conversation_id == conversation.c.id,
            conversation.c.shard == shard.c.id,
        ),
        and_(
            or_(shard.c.holder.is_(None), shard.c.expires_at <= _REAL_NOW),
            exists().where(effect.c.state == "performing", effect.c.shard == shard.c.id),
        ),
    )
)
LATE = timedelta(seconds=60)
"""Of a reply that waits for longer its agent is told."""
_CHORES = (
    select(effect.c.shard)
    .where(
        effect.c.state == "ready",
        effect.c.lane == Lane.WHATSAPP.value,
        effect.c.urgency == 0,
        effect.c.due_at <= _LATE,
        effect.c.created_at <= _LATE,
        effect.c.told.is_(None),
    )
    .distinct(),
    select(effect.c.shard).where(effect.c.state == "held", effect.c.expires_at <= _NOW).distinct(),
    select(conversation.c.shard)
    .join(message, message.c.conversation_id == conversation.c.id)
    .where(message.c.deadline_at <= _NOW)
    .distinct(),
    select(inbox.c.shard).where(inbox.c.state == "parked", inbox.c.due_at <= _NOW).distinct(),
    select(contact.c.shard)
    .join(contact_merge, contact_merge.c.one_id == contact.c.id)
    .where(contact_merge.c.done_at.is_(None))
    .distinct(),
)

_WINDOWS = select(shard.c.id).where(exists().where(conversation.c.shard == shard.c.id, conversation.c.look_at <= _NOW))


def find_due(connection: Connection, *, now: datetime, real_now: datetime) -> Due:
    """Where is something to do? `now` is business time."""
    times = {"now": now, "real_now": real_now, "late": now - LATE}
    work = frozenset(connection.execute(_WORK, times).scalars())
    chores = frozenset(number for query in _CHORES for number in connection.execute(query, times).scalars())
    windows = frozenset(connection.execute(_WINDOWS, times).scalars())
    return Due(work, chores, windows)
