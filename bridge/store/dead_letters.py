"""What could not be done, and why? Events and effects for people: summaries by state and cause, replay, drop.

Nothing here shows what a customer or an agent wrote, unless it is asked for by name (`reveal`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select, update

from bridge.store import inbox as inbox_store
from bridge.store import messages, outbox
from bridge.store.crypto import CannotDecrypt, Vault
from bridge.store.tables import EPOCH, EffectState, InboxState, effect, inbox, message

DEAD = (InboxState.DEAD.value, InboxState.REFUSED.value, EffectState.DEAD.value)
STATES = tuple(sorted({*InboxState, *EffectState}))
EVENT = "event"
EFFECT = "effect"
REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class EventSummary:
    """A row of the inbox (`event`) or of the outbox (`effect`), without its content."""

    id: str
    what: str
    kind: str
    state: str
    reason: str
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class EventDetail:
    """A row whole. `content` is None unless it was asked for."""

    id: str
    what: str
    kind: str
    state: str
    reason: str
    attempts: int
    at: datetime
    shard: int
    due_at: datetime
    conversation_id: str | None
    message_id: str | None
    content: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cause:
    """Dead letters of one kind that failed for the same reason. `oldest_at`, `newest_at`: when they came."""

    what: str
    kind: str
    state: str
    reason: str
    count: int
    oldest_at: datetime
    newest_at: datetime


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which dead letters. Everything that is None does not narrow the choice."""

    ids: Collection[str] | None = None
    kind: str | None = None
    reason: str | None = None
    since: datetime | None = None


_EVENTS = select(
    inbox.c.id, inbox.c.kind, inbox.c.state, inbox.c.reason.label("why"), inbox.c.attempts, inbox.c.received_at
)
_EFFECTS = select(
    effect.c.id, effect.c.kind, effect.c.state, effect.c.code.label("why"), effect.c.attempts, effect.c.created_at
)


def summaries(
    connection: Connection,
    *,
    states: Sequence[str] = DEAD,
    chosen: Chosen | None = None,
    before: str | None = None,
    limit: int,
) -> list[EventSummary]:
    """Newest first. `before`: older than the one with that id."""
    found: list[EventSummary] = []
    for what, wanted, table, at, why in (
        (EVENT, _EVENTS, inbox, inbox.c.received_at, inbox.c.reason),
        (EFFECT, _EFFECTS, effect, effect.c.created_at, effect.c.code),
    ):
        statement = _narrowed(wanted.where(table.c.state.in_(states)), table, at, why, chosen or Chosen())
        if before is not None:
            statement = statement.where(table.c.id < before)
        found += [
            EventSummary(row[0], what, row[1], row[2], row[3] or "", row[4], row[5])
            for row in connection.execute(statement.order_by(table.c.id.desc()).limit(limit))
        ]
    return sorted(found, key=lambda summary: summary.id, reverse=True)[:limit]


def _narrowed(statement: Any, table: Any, at: Any, why: Any, chosen: Chosen) -> Any:
    if chosen.ids is not None:
        statement = statement.where(table.c.id.in_(chosen.ids))
    if chosen.kind is not None:
        statement = statement.where(table.c.kind == chosen.kind)
    if chosen.reason is not None:
        statement = statement.where(func.coalesce(why, "") == chosen.reason)
    if chosen.since is not None:
        statement = statement.where(at >= chosen.since)
    return statement


def causes(connection: Connection) -> list[Cause]:
    """Dead letters by what failed and why, the most frequent first."""
    found = [
        *_causes(connection, EVENT, _grouped(inbox, inbox.c.reason, inbox.c.received_at)),
        *_causes(connection, EFFECT, _grouped(effect, effect.c.code, effect.c.created_at)),
    ]
    return sorted(found, key=lambda cause: (-cause.count, cause.what, cause.kind, cause.reason))


def _grouped(table: Any, why: Any, at: Any) -> Select[Any]:
    return (
        select(table.c.kind, table.c.state, why, func.count(), func.min(at), func.max(at))
        .where(table.c.state.in_(DEAD))
        .group_by(table.c.kind, table.c.state, why)
    )


def _causes(connection: Connection, what: str, grouped: Select[Any]) -> list[Cause]:
    return [Cause(what, row[0], row[1], row[2] or "", *row[3:]) for row in connection.execute(grouped)]


def detail(connection: Connection, vault: Vault, event_id: str, *, reveal: bool) -> EventDetail | None:
    """One row, None when there is none. Content that does not open is shown as None."""
    row = connection.execute(select(inbox).where(inbox.c.id == event_id)).one_or_none()
    if row is not None:
        entry = inbox_store.load_entry(connection, vault, event_id) if reveal else None
        return EventDetail(
            id=row.id,
            what=EVENT,
            kind=row.kind,
            state=row.state,
            reason=row.reason or "",
            attempts=row.attempts,
            at=row.received_at,
            shard=row.shard,
            due_at=row.due_at,
            conversation_id=None,
            message_id=None,
            content=entry.body.decode("utf-8", "replace") if entry and entry.body is not None else None,
        )
    record = connection.execute(select(effect).where(effect.c.id == event_id)).one_or_none()
    if record is None:
        return None
    return EventDetail(
        id=record.id,
        what=EFFECT,
        kind=record.kind,
        state=record.state,
        reason=record.code or "",
        attempts=record.attempts,
        at=record.created_at,
        shard=record.shard,
        due_at=record.due_at,
        conversation_id=record.conversation_id,
        message_id=record.message_id,
        content=_content(connection, vault, event_id) if reveal else None,
    )


def message_of(connection: Connection, event_id: str) -> str | None:
    """The message that an effect is about, or the id itself where it is a message's."""
    found: str | None = connection.execute(
        select(effect.c.message_id).where(effect.c.id == event_id)
    ).scalar_one_or_none()
    known = select(message.c.id).where(message.c.id == event_id)
    return found or connection.execute(known).scalar_one_or_none()


def _content(connection: Connection, vault: Vault, effect_id: str) -> str | None:
    try:
        opened = outbox.load(connection, vault, effect_id)
        if opened.message_id is not None:
            return messages.load_text(connection, vault, opened.message_id)
    except CannotDecrypt:
        return None
    return opened.payload


def replay(connection: Connection, chosen: Chosen, *, now: datetime) -> int:
    """Try dead letters again from the start. Returns how many."""
    events: Any = update(inbox).where(inbox.c.state == InboxState.DEAD.value)
    effects: Any = update(effect).where(effect.c.state == EffectState.DEAD.value)
    events = _narrowed(events, inbox, inbox.c.received_at, inbox.c.reason, chosen)
    effects = _narrowed(effects, effect, effect.c.created_at, effect.c.code, chosen)
    count = connection.execute(
        events.values(state=InboxState.NEW.value, attempts=0, due_at=EPOCH, reason=REPLAYED)
    ).rowcount
    return int(
        count
        + connection.execute(
            effects.values(
                state=EffectState.READY.value,
                failures=0,
                refusals=0,
                created_at=now,
                due_at=EPOCH,
                not_before_at=EPOCH,
                batch_id=None,
                frozen=None,
                code=REPLAYED,
            )
        ).rowcount
    )


def drop(connection: Connection, ids: Collection[str]) -> int:
    """Dead letters that nobody wants. Returns how many."""
    events = connection.execute(
        update(inbox)
        .where(inbox.c.id.in_(ids), inbox.c.state.in_((InboxState.DEAD.value, InboxState.REFUSED.value)))
        .values(state=InboxState.DONE.value, reason="dropped by hand")
    ).rowcount
    return (
        events
        + connection.execute(
            update(effect)
            .where(effect.c.id.in_(ids), effect.c.state == EffectState.DEAD.value)
            .values(state=EffectState.DROPPED.value, code="dropped by hand")
        ).rowcount
    )
