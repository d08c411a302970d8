"""What is every endpoint given? The store, whoever asks, and the page of a list that is wanted."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel, Field, StringConstraints
from redis.asyncio import Redis
from sqlalchemy import Connection

from bridge.api.problems import Refused
from bridge.domain.roles import Caller, Role
from bridge.runtime.settings import Settings
from bridge.runtime.wiring import Store
from bridge.store import access
from webhooks.app import CALLER, Readiness

T = TypeVar("T")
ID_PATTERN = "^[0-9A-HJKMNP-TV-Z]{26}$"


@dataclass(frozen=True, slots=True)
class ApiContext:
    """Made once per edge. `ring` tells the workers that there is work;"""

    settings: Settings
    store: Store
    ring: Callable[[], Awaitable[object]]
    check_readiness: Callable[[], Awaitable[Readiness]]
    redis: Redis | None = None
    """None: what only Redis knows is left out."""

    async def read(self, unit: Callable[[Connection], T]) -> T:
        """Raises `StoreUnavailable`, which is answered with 503."""
        return await self.store.database.read(unit)

    async def write(self, unit: Callable[[Connection], T]) -> T:
        """Raises `StoreUnavailable`, which is answered with 503, and what the unit raises: nothing is written then."""
        return await self.store.database.write(unit)

    def business_now(self) -> datetime:
        return self.store.clock.business_now()

    def record(
        self,
        connection: Connection,
        caller: Caller,
        *,
        action: str,
        subject: str,
        detail: str = "",
        origin: str = "api",
    ) -> None:
        """Put on record what `caller` does, in the transaction that does it."""
        now = self.store.clock.real_now()
        access.record(connection, caller, origin=origin, action=action, subject=subject, detail=detail, real_now=now)


def _context(request: Request) -> ApiContext:
    context: ApiContext = request.app.state.context
    return context


def _caller(request: Request) -> Caller:
    caller: Caller | None = request.scope.get(CALLER)
    if caller is None:
        raise Refused(HTTPStatus.UNAUTHORIZED, "A valid token is needed.")
    return caller


def _at_least(needed: Role) -> Callable[[Caller], Caller]:
    def check(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        if not caller.may(needed):
            raise Refused(HTTPStatus.FORBIDDEN, f"This takes the role {needed.value}; the token has {caller.role}.")
        return caller

    return check


Context = Annotated[ApiContext, Depends(_context)]
AsReader = Annotated[Caller, Depends(_at_least(Role.READ_ONLY))]
AsAgent = Annotated[Caller, Depends(_at_least(Role.AGENT))]
AsAdmin = Annotated[Caller, Depends(_at_least(Role.ADMIN))]
"""A parameter of this type makes an endpoint ask for that role."""

RowId = Annotated[str, Path(pattern=ID_PATTERN, description="An id of ours (ULID).")]
Cursor = Annotated[
    str | None, Query(pattern=ID_PATTERN, description="`next_cursor` of the page before; left out: the newest.")
]
Limit = Annotated[int, Query(ge=1, le=200, description="At most so many.")]
Plain = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
RowIdFilter = Annotated[str | None, Query(pattern=ID_PATTERN)]


class Page(BaseModel, Generic[T]):
    """A part of a list, newest first."""

    items: list[T]
    next_cursor: str | None = Field(description="The `cursor` of the next page; null: this is the last one.")


def page_of(rows: Sequence[Any], *, limit: int, shown: Callable[[Any], T]) -> Page[T]:
    """`rows`: one more than `limit` where there is a next page (see `one_more`)."""
    kept = rows[:limit]
    return Page(items=[shown(row) for row in kept], next_cursor=kept[-1].id if len(rows) > limit else None)


def one_more(limit: int) -> int:
    """How many rows to load, so that it is known whether there is a next page."""
    return limit + 1


def one_of(words: Iterable[str]) -> str:
    """A pattern that these words alone fit."""
    return f"^({'|'.join(words)})$"


def may_reveal(caller: Caller) -> bool:
    """Does this caller see names, numbers and texts?"""
    return caller.may(Role.AGENT)
