"""What an operator does by hand: look at what failed, try it again, give it up, ask the helpdesk now.

Nothing here shows what a customer or an agent wrote, unless it is asked for by name (`reveal`).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from redis.exceptions import RedisError
from sqlalchemy import Connection, select, update

from bridge.runtime import reconcile as feed
from bridge.runtime import wiring
from bridge.runtime.bell import Bell
from bridge.runtime.operator_error import OperatorError
from bridge.runtime.settings import Settings
from bridge.runtime.wiring import Store
from bridge.store import inbox as inbox_store
from bridge.store import messages, outbox
from bridge.store.tables import EPOCH, EffectState, InboxState, effect, inbox
from connectors.errors import RemoteFailure

DEAD = (InboxState.DEAD.value, InboxState.REFUSED.value)
FINAL_EFFECTS = (EffectState.DEAD.value,)
EVENT = "event"
EFFECT = "effect"


class OperationFailed(OperatorError):
    """What was asked for cannot be done; the text is one line that says why."""


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
    content: str | None = field(repr=False)


def list_events(settings: Settings, *, state: str | None, limit: int) -> list[EventSummary]:
    """Dead letters, newest first; or whatever is in `state`. Raises `OperationFailed` for a state that is none."""
    states = _states(state)
    with wiring.open_store(settings, seals=False) as store:
        found = store.database.read_now(lambda connection: _summaries(connection, states, limit))
    return sorted(found, key=lambda summary: (summary.at, summary.id), reverse=True)[:limit]


def _states(state: str | None) -> tuple[str, ...]:
    if state is None:
        return (*DEAD, *FINAL_EFFECTS)
    known = sorted({*InboxState, *EffectState})
    if state not in known:
        raise OperationFailed(f"no state is called {state[:40]!r}: use one of {', '.join(known)}")
    return (state,)


def _summaries(connection: Connection, states: Sequence[str], limit: int) -> list[EventSummary]:
    events = connection.execute(
        select(inbox.c.id, inbox.c.kind, inbox.c.state, inbox.c.reason, inbox.c.attempts, inbox.c.received_at)
        .where(inbox.c.state.in_(states))
        .order_by(inbox.c.received_at.desc())
        .limit(limit)
    )
    effects = connection.execute(
        select(effect.c.id, effect.c.kind, effect.c.state, effect.c.code, effect.c.attempts, effect.c.created_at)
        .where(effect.c.state.in_(states))
        .order_by(effect.c.created_at.desc())
        .limit(limit)
    )
    return [
        *(
            EventSummary(row.id, EVENT, row.kind, row.state, row.reason or "", row.attempts, row.received_at)
            for row in events
        ),
        *(
            EventSummary(row.id, EFFECT, row.kind, row.state, row.code or "", row.attempts, row.created_at)
            for row in effects
        ),
    ]


def show_event(settings: Settings, event_id: str, *, reveal: bool) -> EventDetail:
    """One row. Raises `OperationFailed` when there is none."""
    with wiring.open_store(settings, seals=False) as store:
        detail = store.database.read_now(lambda connection: _detail(connection, store, event_id, reveal=reveal))
    if detail is None:
        raise OperationFailed(f"there is no event {event_id[:40]!r}: see `deskbridge events list`")
    return detail


def _detail(connection: Connection, store: Store, event_id: str, *, reveal: bool) -> EventDetail | None:
    row = connection.execute(select(inbox).where(inbox.c.id == event_id)).one_or_none()
    if row is not None:
        entry = inbox_store.load_entry(connection, store.vault, event_id) if reveal else None
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
            content=entry.body.decode("utf-8", "replace") if entry and entry.body is not None else None,
        )
    record = connection.execute(select(effect).where(effect.c.id == event_id)).one_or_none()
    if record is None:
        return None
    content = None
    if reveal:
        opened = outbox.load(connection, store.vault, event_id)
        content = opened.payload
        if opened.message_id is not None:
            content = messages.load_text(connection, store.vault, opened.message_id)
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
        content=content,
    )


def replay(settings: Settings, ids: list[str] | None) -> int:
    """Dead letters (all, or these) are tried again from the start. Raises `OperationFailed` when an id is none."""

    def unit(connection: Connection, now: datetime) -> int:
        events = update(inbox).where(inbox.c.state == InboxState.DEAD.value)
        effects = update(effect).where(effect.c.state.in_(FINAL_EFFECTS))
        if ids is not None:
            events, effects = events.where(inbox.c.id.in_(ids)), effects.where(effect.c.id.in_(ids))
        count = connection.execute(
            events.values(state=InboxState.NEW.value, attempts=0, due_at=EPOCH, reason="replayed")
        ).rowcount
        return (
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
                    code="replayed",
                )
            ).rowcount
        )

    with wiring.open_store(settings, seals=False) as store:
        count = store.database.write_now(lambda connection: unit(connection, store.clock.business_now()))
    _require_all(ids, count, "is no dead letter")
    asyncio.run(_ring(settings))
    return count


def drop(settings: Settings, ids: list[str]) -> int:
    """Dead letters that nobody wants. Raises `OperationFailed` when an id is none."""

    def unit(connection: Connection) -> int:
        events = connection.execute(
            update(inbox)
            .where(inbox.c.id.in_(ids), inbox.c.state.in_(DEAD))
            .values(state=InboxState.DONE.value, reason="dropped by hand")
        ).rowcount
        return (
            events
            + connection.execute(
                update(effect)
                .where(effect.c.id.in_(ids), effect.c.state.in_(FINAL_EFFECTS))
                .values(state=EffectState.DROPPED.value, code="dropped by hand")
            ).rowcount
        )

    with wiring.open_store(settings, seals=False) as store:
        count = store.database.write_now(unit)
    _require_all(ids, count, "is no dead letter")
    return count


def _require_all(ids: list[str] | None, count: int, what: str) -> None:
    if ids is not None and count < len(set(ids)):
        raise OperationFailed(f"{len(set(ids)) - count} of {len(set(ids))} {what}: see `deskbridge events list`")


async def _ring(settings: Settings) -> None:
    redis = wiring.open_redis(settings)
    bell = Bell(redis, redis_url=settings.redis_url.get_secret_value())
    try:
        await bell.ring()
    except (RedisError, OSError):
        return  # the sweep finds it within seconds
    finally:
        bell.close()
        await redis.aclose()


def reconcile(settings: Settings) -> int:
    """Ask the helpdesk now. Returns how many tickets are looked at. Raises `OperationFailed`."""
    try:
        count = asyncio.run(_reconcile(settings))
    except RemoteFailure as failure:
        raise OperationFailed(
            f"the helpdesk could not be asked ({type(failure).__name__}): run `deskbridge doctor`"
        ) from None
    asyncio.run(_ring(settings))
    return count


async def _reconcile(settings: Settings) -> int:
    with wiring.open_store(settings) as store:
        async with wiring.open_workshop(settings, store) as workshop:
            return await feed.run_now(workshop.services)
