"""Everything a far side told us, kept before it is answered. The unique key is the dedupe; nothing else is."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, or_, select, text, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.store import keyring
from bridge.store.crypto import CannotDecrypt, UnknownKey, Vault
from bridge.store.database import Database, StoreUnavailable
from bridge.store.ids import new_id, shard_of
from bridge.store.tables import EPOCH, MICROSECOND, InboxState, inbox, message

BODY = "inbox.body"
PARKED_FOR = timedelta(hours=24)
UNKNOWN_TICKET = "told of a ticket that is not known"
MAX_ATTEMPTS = 8
NOT_UNDERSTOOD = "not understood"
"""How the reason of an event begins that a later version may understand. Such are not forgotten."""
AGAIN = "again"
"""The reason of such an event that is taken in once more."""
LONGEST_INSERT_SECONDS = 8.0
"""Whoever told us gives up at about ten; a 503 before that makes it come again."""


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A row of the inbox, opened."""

    id: str
    source: str
    kind: InboxKind
    channel: str
    shard: int
    body: bytes | None = field(repr=False)
    received_at: datetime
    position: int
    attempts: int
    state: InboxState
    reason: str | None


class Inbox:
    """The edge's way in."""

    def __init__(self, database: Database, vault: Vault, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = vault
        self._now = now

    async def insert(self, items: Sequence[InboxItem]) -> int:
        """Keep what is new of `items`; returns how many were. Durable on return; raises `StoreUnavailable`."""
        rows = rows_of(items, vault=self._vault, received_at=self._now())
        try:
            async with asyncio.timeout(LONGEST_INSERT_SECONDS):
                return await self._database.write(lambda connection: insert_rows(connection, rows))
        except TimeoutError:
            raise StoreUnavailable("slow") from None


def rows_of(items: Iterable[InboxItem], *, vault: Vault, received_at: datetime) -> list[dict[str, Any]]:
    """Sealed rows, with ids made here because the encryption is bound to them."""
    rows = []
    for item in items:
        row_id = new_id()
        rows.append(
            {
                "id": row_id,
                "source": item.source,
                "kind": item.kind.value,
                "channel": item.channel,
                "shard": shard_of(item.shard_key),
                "event_key": None if item.event_key is None else vault.index("event", item.event_key),
                "body": vault.seal(item.body, BODY, row_id),
                "position": item.position,
                "received_at": received_at,
                "state": (InboxState.REFUSED if item.kind is InboxKind.REFUSED else InboxState.NEW).value,
                "due_at": EPOCH,
                "attempts": 0,
            }
        )
    return rows


_COLUMNS = (
    ("id", "text"),
    ("source", "text"),
    ("kind", "text"),
    ("channel", "text"),
    ("shard", "int"),
    ("event_key", "bytea"),
    ("body", "bytea"),
    ("position", "int"),
    ("received_at", "bigint"),
    ("state", "text"),
    ("due_at", "bigint"),
    ("attempts", "int"),
)
# One statement whatever the number of rows: an executemany is a round trip a row (docs/architecture.md, measurements).
_POSTGRESQL_INSERT = text(
    f"INSERT INTO inbox ({', '.join(name for name, _ in _COLUMNS)}) "  # noqa: S608 - column names of our own
    f"SELECT * FROM unnest({', '.join(f'CAST(:{name} AS {kind}[])' for name, kind in _COLUMNS)}) "
    "ON CONFLICT (event_key) DO NOTHING"
)


def insert_rows(connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
    """Insert rows whose `event_key` is not there yet."""
    if not rows:
        return 0
    if connection.dialect.name == "sqlite":
        return connection.execute(sqlite_insert(inbox).on_conflict_do_nothing(), list(rows)).rowcount
    arrays: dict[str, list[Any]] = {
        name: [(row[name] - EPOCH) // MICROSECOND if name.endswith("_at") else row[name] for row in rows]
        for name, _ in _COLUMNS
    }
    return connection.execute(_POSTGRESQL_INSERT, arrays).rowcount


def load_due(
    connection: Connection, vault: Vault, *, shards: Sequence[int], now: datetime, real_now: datetime, limit: int
) -> list[InboxEntry]:
    """What waits on these shards, oldest first. A row that does not open is there with no body."""
    rows = connection.execute(_DUE, {"shards": shards, "now": now, "real_now": real_now, "limit": limit}).all()
    try:
        return [_entry(row, vault) for row in rows]
    except UnknownKey as unknown:
        if unknown.key in keyring.on_record(connection):
            raise  # it opens once this process knows the key
    return [_entry(row, vault, damaged=(CannotDecrypt, UnknownKey)) for row in rows]


_DUE = (
    select(inbox)
    .where(
        # Not a plain column: the index in order of arrival ends at the limit, the one by shard sorts all that waits.
        (inbox.c.shard + 0).in_(bindparam("shards", expanding=True)),
        inbox.c.state == InboxState.NEW.value,
        inbox.c.due_at <= bindparam("now"),
        or_(inbox.c.not_before_at.is_(None), inbox.c.not_before_at <= bindparam("real_now")),
    )
    .order_by(inbox.c.received_at, inbox.c.position, inbox.c.id)
    .limit(bindparam("limit"))
)
_CHANGE = update(inbox).where(inbox.c.id.in_(bindparam("ids", expanding=True)))


def _entry(row: Any, vault: Vault, *, damaged: tuple[type[Exception], ...] = (CannotDecrypt,)) -> InboxEntry:
    """With no body where that is `damaged`."""
    return InboxEntry(
        id=row.id,
        source=row.source,
        kind=InboxKind(row.kind),
        channel=row.channel,
        shard=row.shard,
        body=_body(row, vault, damaged),
        received_at=row.received_at,
        position=row.position,
        attempts=row.attempts,
        state=InboxState(row.state),
        reason=row.reason,
    )


def _body(row: Any, vault: Vault, damaged: tuple[type[Exception], ...]) -> bytes | None:
    try:
        return vault.unseal(row.body, BODY, row.id)
    except damaged:
        return None


def load_entry(connection: Connection, vault: Vault, entry_id: str) -> InboxEntry | None:
    row = connection.execute(select(inbox).where(inbox.c.id == entry_id)).one_or_none()
    return None if row is None else _entry(row, vault)


def load_changes(connection: Connection, vault: Vault, *, after: str, limit: int) -> list[InboxEntry]:
    """Kept changes of Meta's, by id, those after `after`."""
    wanted = select(inbox).where(inbox.c.kind == InboxKind.CHANGE.value, inbox.c.id > after)
    rows = connection.execute(wanted.order_by(inbox.c.id).limit(limit))
    return [_entry(row, vault, damaged=(CannotDecrypt, UnknownKey)) for row in rows]


def take_rings(connection: Connection, entry_ids: Sequence[str]) -> None:
    """From here on a new ring of the same ticket is a row of its own: these may be read too early for it."""
    connection.execute(update(inbox).where(inbox.c.id.in_(entry_ids)).values(event_key=None))


def finish(connection: Connection, entry_ids: Sequence[str], *, reason: str | None = None) -> None:
    connection.execute(_CHANGE, {"ids": entry_ids, "state": InboxState.DONE.value, "reason": reason})


def rehome(connection: Connection, entry_ids: Sequence[str], *, shard: int) -> None:
    """The event belongs to a contact of another shard: it waits there."""
    connection.execute(update(inbox).where(inbox.c.id.in_(entry_ids)).values(shard=shard))


def park(
    connection: Connection, entries: Sequence[tuple[str, bytes]], *, now: datetime, is_content: bool = False
) -> None:
    """Statuses of messages we do not know, and rings of tickets we do not know: another app's, or ahead of the answer
    that names the wamid or the ticket. `is_content`: they bring along what somebody wrote."""
    connection.execute(
        update(inbox).where(inbox.c.id == bindparam("entry")),
        [
            {
                "entry": entry_id,
                "state": InboxState.PARKED.value,
                "match_index": index,
                "due_at": now + PARKED_FOR,
                "reason": UNKNOWN_TICKET if is_content else None,
            }
            for entry_id, index in entries
        ],
    )


def unpark(connection: Connection, *, match_index: bytes) -> None:
    connection.execute(_UNPARK, {"index": match_index})


# Parked rows alone have a `match_index`; their state is no condition, or its index is taken for the better one.
_UNPARK = (
    update(inbox)
    .where(inbox.c.match_index == bindparam("index"))
    .values(state=InboxState.NEW.value, due_at=EPOCH, match_index=None)
)


def unpark_known(connection: Connection, *, shard: int, now: datetime) -> None:
    """A status that was parked at the very moment its message got a wamid is no stranger's."""
    known = select(message.c.wamid_index).where(message.c.wamid_index == inbox.c.match_index)
    connection.execute(
        update(inbox)
        .where(
            inbox.c.shard == shard,
            inbox.c.state == InboxState.PARKED.value,
            inbox.c.due_at <= now,
            exists(known),
        )
        .values(state=InboxState.NEW.value, due_at=EPOCH, match_index=None)
    )


def expire_parked(connection: Connection, *, shard: int, now: datetime) -> int:
    return connection.execute(
        update(inbox)
        .where(inbox.c.shard == shard, inbox.c.state == InboxState.PARKED.value, inbox.c.due_at <= now)
        .values(state=InboxState.DONE.value, reason="not ours", match_index=None)
    ).rowcount


def bury_unclaimed(connection: Connection, *, shard: int, now: datetime) -> int:
    """What somebody wrote on a ticket that never became known is kept for a person to look at; returns how many."""
    return connection.execute(
        update(inbox)
        .where(
            inbox.c.shard == shard,
            inbox.c.state == InboxState.PARKED.value,
            inbox.c.due_at <= now,
            inbox.c.reason == UNKNOWN_TICKET,
        )
        .values(state=InboxState.DEAD.value, match_index=None)
    ).rowcount


def postpone(connection: Connection, entry_ids: Sequence[str], *, due_at: datetime, reason: str) -> None:
    """Try again later; an event that failed `MAX_ATTEMPTS` times is dead and stays for a person to look at."""
    connection.execute(
        update(inbox)
        .where(inbox.c.id.in_(entry_ids))
        .values(attempts=inbox.c.attempts + 1, due_at=due_at, reason=reason)
    )
    connection.execute(
        update(inbox)
        .where(inbox.c.id.in_(entry_ids), inbox.c.attempts >= MAX_ATTEMPTS, inbox.c.kind != InboxKind.RING.value)
        .values(state=InboxState.DEAD.value)
    )


def prune(connection: Connection, *, before: datetime, limit: int) -> int:
    """Forget finished events of old. Meta redelivers for seven days; dead letters stay until a person decides."""
    old = (
        select(inbox.c.id)
        .where(
            inbox.c.state == InboxState.DONE.value,
            inbox.c.received_at < before,
            or_(inbox.c.reason.is_(None), inbox.c.reason.not_like(f"{NOT_UNDERSTOOD}%")),
        )
        .limit(limit)
    )
    return connection.execute(delete(inbox).where(inbox.c.id.in_(old))).rowcount


def take_again(connection: Connection, *, limit: int) -> int:
    """What was not understood is new once more. How many events."""
    kinds = (InboxKind.MESSAGE.value, InboxKind.CALL.value, InboxKind.ECHO.value)
    wanted = (
        select(inbox.c.id)
        .where(
            inbox.c.state == InboxState.DONE.value,
            inbox.c.kind.in_(kinds),
            inbox.c.reason.like(f"{NOT_UNDERSTOOD}%"),
        )
        .limit(limit)
    )
    return connection.execute(
        update(inbox)
        .where(inbox.c.id.in_(wanted))
        .values(state=InboxState.NEW.value, due_at=EPOCH, reason=AGAIN, attempts=0)
    ).rowcount


def wait(connection: Connection, entry_ids: Sequence[str], *, not_before_at: datetime) -> None:
    """Not now, through no fault of the event's own. Real time: however the clock is turned, the pause is as long."""
    connection.execute(update(inbox).where(inbox.c.id.in_(entry_ids)).values(not_before_at=not_before_at))


def bury(connection: Connection, entry_ids: Sequence[str], *, reason: str) -> None:
    connection.execute(
        update(inbox).where(inbox.c.id.in_(entry_ids)).values(state=InboxState.DEAD.value, reason=reason)
    )
