"""`/api/v1/alarms`, `/tokens` and `/audit`: what should a person look at, who may come in, and who did what?"""

from dataclasses import asdict
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection

from bridge.api.context import (
    AsAdmin,
    AsAgent,
    AsReader,
    Context,
    Cursor,
    Limit,
    Page,
    RowId,
    one_more,
    page_of,
)
from bridge.api.problems import Refused, not_found
from bridge.domain.roles import Role
from bridge.runtime import tokens
from bridge.store import access, listing

router = APIRouter(prefix="/api/v1", tags=["administration"])


class Alarm(BaseModel):
    """Something that a person should look at."""

    id: str
    kind: str
    subject: str
    count: int
    first_at: datetime
    last_at: datetime


class Token(BaseModel):
    """A token, never shown itself."""

    id: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewToken(Token):
    token: str = Field(description="Shown this once.")


class TokenWish(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, StringConstraints(pattern=tokens.NAME_PATTERN)]
    role: Role
    days: Annotated[int, Field(ge=1, le=3650, strict=True)] | None = Field(
        default=None, description="How long it is valid; null: until it is revoked."
    )


class Tokens(BaseModel):
    items: list[Token]
    next_cursor: None = None


class Deed(BaseModel):
    """Something that a person did."""

    id: str
    at: datetime
    actor: str
    role: str
    origin: str
    action: str
    subject: str
    detail: str


@router.get("/alarms")
async def list_alarms(context: Context, _caller: AsReader, cursor: Cursor = None, limit: Limit = 50) -> Page[Alarm]:
    rows = await context.read(lambda connection: listing.alarms(connection, before=cursor, limit=one_more(limit)))
    return page_of(rows, limit=limit, shown=lambda row: Alarm(**asdict(row)))


@router.delete("/alarms/{alarm_id}", status_code=HTTPStatus.NO_CONTENT)
async def clear_alarm(context: Context, caller: AsAgent, alarm_id: RowId) -> Response:
    """Somebody has seen to it. It comes back with the next occurrence."""

    def unit(connection: Connection) -> bool:
        cleared = listing.clear_alarm(connection, alarm_id)
        if cleared:
            context.record(connection, caller, action="alarm.clear", subject=alarm_id)
        return cleared

    if not await context.write(unit):
        raise not_found("alarm")
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/tokens")
async def list_tokens(context: Context, _caller: AsAdmin) -> Tokens:
    """Every token, newest first, those that are no longer valid included."""
    found = await context.read(access.list_tokens)
    return Tokens(items=[Token(**asdict(token)) for token in found])


@router.post("/tokens", status_code=HTTPStatus.CREATED)
async def create_token(context: Context, caller: AsAdmin, wish: TokenWish) -> NewToken:
    """Make a token. It is shown in this answer and never again."""

    def unit(connection: Connection) -> tuple[access.Token, str]:
        return tokens.create(
            connection,
            context.store.clock,
            caller,
            name=wish.name,
            role=wish.role,
            valid_for=None if wish.days is None else timedelta(days=wish.days),
            origin="api",
        )

    try:
        made, secret = await context.write(unit)
    except tokens.TokenRefused as refused:
        raise Refused(HTTPStatus.CONFLICT, str(refused)) from None
    return NewToken(**asdict(made), token=secret)


@router.delete("/tokens/{token_id}", status_code=HTTPStatus.NO_CONTENT)
async def revoke_token(context: Context, caller: AsAdmin, token_id: RowId) -> Response:
    """From now on this token opens nothing."""
    try:
        await context.write(
            lambda connection: tokens.revoke(connection, context.store.clock, caller, token_id, origin="api")
        )
    except tokens.UnknownToken:
        raise not_found("valid token") from None
    except tokens.TokenRefused as refused:
        raise Refused(HTTPStatus.CONFLICT, str(refused)) from None
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/audit")
async def list_deeds(context: Context, _caller: AsAdmin, cursor: Cursor = None, limit: Limit = 50) -> Page[Deed]:
    """What people did, newest first. Nobody can change or remove what stands here."""
    rows = await context.read(lambda connection: access.list_deeds(connection, before=cursor, limit=one_more(limit)))
    return page_of(rows, limit=limit, shown=lambda row: Deed(**asdict(row)))
