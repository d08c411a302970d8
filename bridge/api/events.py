"""`/api/v1/events`: what could not be done and why, tried again or given up."""

from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection

from bridge.api.context import (
    ID_PATTERN,
    AsAgent,
    AsReader,
    Context,
    Cursor,
    Limit,
    Page,
    Plain,
    RowId,
    may_reveal,
    one_more,
    one_of,
    page_of,
)
from bridge.api.conversations import Step
from bridge.api.problems import Refused, not_found
from bridge.domain.roles import Role
from bridge.runtime.operations import describe
from bridge.store import dead_letters, trail
from bridge.store.dead_letters import Chosen

router = APIRouter(prefix="/api/v1/events", tags=["events"])
AT_ONCE = 500

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]


class Event(BaseModel):
    """Something that a far side told us (`what` is `event`), or that we resolved to do (`effect`)."""

    id: str
    what: str
    kind: str
    state: str
    reason: str
    attempts: int
    at: datetime


class WholeEvent(Event):
    shard: int
    due_at: datetime
    conversation_id: str | None
    message_id: str | None
    content: str | None = Field(description="What was written; null unless `reveal` was asked for.")
    steps: list[Step] = Field(default=[], description="What was done about it, oldest first.")


class Cause(BaseModel):
    """Dead letters that failed for the same reason."""

    what: str
    kind: str
    state: str
    reason: str
    count: int
    oldest_at: datetime
    newest_at: datetime


class Causes(BaseModel):
    items: list[Cause]


class Choice(BaseModel):
    """Which dead letters: by their ids, or all that the other fields fit; `all` for every one."""

    model_config = ConfigDict(extra="forbid")
    ids: list[Id] | None = Field(default=None, min_length=1, max_length=AT_ONCE)
    kind: Plain | None = None
    reason: Plain | None = None
    since: AwareDatetime | None = None
    all: bool = False


class Ids(BaseModel):
    model_config = ConfigDict(extra="forbid")
    ids: list[Id] = Field(min_length=1, max_length=AT_ONCE)


class Count(BaseModel):
    count: int


@router.get("")
async def list_events(
    context: Context,
    _caller: AsReader,
    state: Annotated[
        str | None, Query(pattern=one_of(dead_letters.STATES), description="Left out: dead letters.")
    ] = None,
    kind: Annotated[Plain | None, Query()] = None,
    reason: Annotated[Plain | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Event]:
    """Dead letters, or whatever is in `state`."""
    states = dead_letters.DEAD if state is None else (state,)
    chosen = Chosen(kind=kind, reason=reason)
    rows = await context.read(
        lambda connection: dead_letters.summaries(
            connection, states=states, chosen=chosen, before=cursor, limit=one_more(limit)
        )
    )
    return page_of(rows, limit=limit, shown=lambda row: Event(**asdict(row)))


@router.get("/causes")
async def list_causes(context: Context, _caller: AsReader) -> Causes:
    """Dead letters by what failed and why, the most frequent first."""
    found = await context.read(dead_letters.causes)
    return Causes(items=[Cause(**asdict(cause)) for cause in found])


@router.get("/{event_id}")
async def show_event(context: Context, caller: AsReader, event_id: RowId, *, reveal: bool = False) -> WholeEvent:
    """One event. `reveal` decrypts what was written, takes the role agent and is put on record."""
    if reveal and not may_reveal(caller):
        raise Refused(HTTPStatus.FORBIDDEN, f"Content takes the role {Role.AGENT.value}.")

    def unit(connection: Connection) -> dead_letters.EventDetail | None:
        found = dead_letters.detail(connection, context.store.vault, event_id, reveal=reveal)
        if found is not None and reveal:
            context.record(connection, caller, action="event.reveal", subject=event_id)
        return found

    found = await (context.write if reveal else context.read)(unit)
    if found is None:
        raise not_found("event")
    steps = await context.read(lambda connection: trail.of_effect(connection, event_id))
    return WholeEvent(**asdict(found), steps=[Step(**asdict(step)) for step in steps])


@router.post("/replay")
async def replay(context: Context, caller: AsAgent, choice: Choice) -> Count:
    """Try dead letters again from the start."""
    narrowed = [choice.ids, choice.kind, choice.reason, choice.since]
    if choice.all == any(one is not None for one in narrowed):
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "Give ids, kind, reason or since; or all alone.")
    chosen = Chosen(ids=choice.ids, kind=choice.kind, reason=choice.reason, since=choice.since)

    def unit(connection: Connection) -> int:
        count = dead_letters.replay(connection, chosen, now=context.business_now())
        _require_all(choice.ids, count)
        if count:
            context.record(
                connection, caller, action="events.replay", subject=describe(chosen), detail=f"{count} replayed"
            )
        return count

    count = await context.write(unit)
    await context.ring()
    return Count(count=count)


@router.post("/drop")
async def drop(context: Context, caller: AsAgent, these: Ids) -> Count:
    """Give dead letters up for good."""

    def unit(connection: Connection) -> int:
        count = dead_letters.drop(connection, these.ids)
        _require_all(these.ids, count)
        subject = describe(Chosen(ids=these.ids))
        context.record(connection, caller, action="events.drop", subject=subject, detail=f"{count} dropped")
        return count

    return Count(count=await context.write(unit))


def _require_all(ids: list[str] | None, count: int) -> None:
    if ids is not None and count < len(set(ids)):
        raise Refused(HTTPStatus.CONFLICT, f"{len(set(ids)) - count} of them are no dead letters. Nothing was done.")
