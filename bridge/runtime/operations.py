"""What an operator does by hand: look at what failed, try it again, give it up, ask the helpdesk now.

Nothing here shows what a customer or an agent wrote, unless it is asked for by name (`reveal`).
"""

import asyncio
import getpass
import os
from collections.abc import Collection

from redis.exceptions import RedisError
from sqlalchemy import Connection

from bridge.domain.roles import Caller, Role
from bridge.runtime import reconcile as feed
from bridge.runtime import wiring
from bridge.runtime.bell import Bell
from bridge.runtime.operator_error import OperatorError
from bridge.runtime.settings import Settings
from bridge.runtime.wiring import Store
from bridge.store import access, dead_letters, trail
from bridge.store.dead_letters import Cause, Chosen, EventDetail, EventSummary
from bridge.store.trail import TrailStep
from connectors.errors import RemoteFailure


class OperationFailed(OperatorError):
    """What was asked for cannot be done; the text is one line that says why."""


def list_events(settings: Settings, *, state: str | None, limit: int) -> list[EventSummary]:
    """Dead letters, newest first; or whatever is in `state`. Raises `OperationFailed` for a state that is none."""
    states = states_of(state)
    with wiring.open_store(settings, seals=False) as store:
        return store.database.read_now(
            lambda connection: dead_letters.summaries(connection, states=states, limit=limit)
        )


def states_of(state: str | None) -> tuple[str, ...]:
    """The states that are meant. Raises `OperationFailed`."""
    if state is None:
        return dead_letters.DEAD
    if state not in dead_letters.STATES:
        raise OperationFailed(f"no state is called {state[:40]!r}: use one of {', '.join(dead_letters.STATES)}")
    return (state,)


def list_causes(settings: Settings) -> list[Cause]:
    """Dead letters by cause, the most frequent first."""
    with wiring.open_store(settings, seals=False) as store:
        return store.database.read_now(dead_letters.causes)


def show_event(settings: Settings, event_id: str, *, reveal: bool) -> tuple[EventDetail, list[TrailStep]]:
    """One row, and what was done about it. Raises `OperationFailed` when there is none."""
    with wiring.open_store(settings, seals=False) as store:
        detail = store.database.read_now(
            lambda connection: dead_letters.detail(connection, store.vault, event_id, reveal=reveal)
        )
        steps = store.database.read_now(lambda connection: _trail(connection, store, event_id))
        if detail is not None and reveal:
            store.database.write_now(lambda connection: _record(connection, store, "event.reveal", event_id))
    if detail is None:
        raise OperationFailed(f"there is no event {event_id[:40]!r}: see `deskbridge events list`")
    return detail, steps


def _trail(connection: Connection, store: Store, event_id: str) -> list[TrailStep]:
    """Of the message that an effect is about, else of the effect alone."""
    message_id = dead_letters.message_of(connection, event_id)
    found = None if message_id is None else trail.of_message(connection, store.vault, message_id)
    return trail.of_effect(connection, event_id) if found is None else list(found.steps)


def replay(settings: Settings, chosen: Chosen) -> int:
    """Dead letters are tried again from the start. Raises `OperationFailed` when an id is none."""
    with wiring.open_store(settings, seals=False) as store:

        def unit(connection: Connection) -> int:
            count = dead_letters.replay(connection, chosen, now=store.clock.business_now())
            _require_all(chosen.ids, count, "is no dead letter")
            if count:
                _record(connection, store, "events.replay", describe(chosen), f"{count} replayed")
            return count

        count = store.database.write_now(unit)
    asyncio.run(ring(settings))
    return count


def describe(chosen: Chosen) -> str:
    """A choice of dead letters in a few words, for the audit."""
    if chosen.ids is not None:
        return ", ".join(sorted(chosen.ids))
    narrowed = (f"{name} {value}" for name, value in (("kind", chosen.kind), ("reason", chosen.reason)) if value)
    return " ".join([*narrowed, *(["since " + chosen.since.isoformat()] if chosen.since else [])]) or "all"


def drop(settings: Settings, ids: list[str]) -> int:
    """Dead letters that nobody wants. Raises `OperationFailed` when an id is none."""
    with wiring.open_store(settings, seals=False) as store:

        def unit(connection: Connection) -> int:
            count = dead_letters.drop(connection, ids)
            _require_all(ids, count, "is no dead letter")
            _record(connection, store, "events.drop", describe(Chosen(ids=ids)), f"{count} dropped")
            return count

        return store.database.write_now(unit)


def _require_all(ids: Collection[str] | None, count: int, what: str) -> None:
    if ids is not None and count < len(set(ids)):
        raise OperationFailed(f"{len(set(ids)) - count} of {len(set(ids))} {what}: see `deskbridge events list`")


def whoever_types() -> Caller:
    """Who runs this command, by the name the machine knows them by."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    return Caller("", name, Role.ADMIN)


def _record(connection: Connection, store: Store, action: str, subject: str, detail: str = "") -> None:
    access.record(
        connection,
        whoever_types(),
        origin="command line",
        action=action,
        subject=subject,
        detail=detail,
        real_now=store.clock.real_now(),
    )


async def ring(settings: Settings) -> None:
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
    asyncio.run(ring(settings))
    return count


async def _reconcile(settings: Settings) -> int:
    with wiring.open_store(settings) as store:
        async with wiring.open_workshop(settings, store) as workshop:
            return await feed.run_now(workshop.services)
