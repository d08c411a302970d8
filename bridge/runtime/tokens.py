"""Tokens for people and programs: made, listed and ended, each on record."""

import re
import secrets
from datetime import timedelta

from sqlalchemy import Connection

from bridge.domain.roles import Caller, Role
from bridge.runtime import wiring
from bridge.runtime.clock import Clock
from bridge.runtime.operations import whoever_types
from bridge.runtime.operator_error import OperatorError
from bridge.runtime.settings import Settings
from bridge.store import access
from bridge.store.access import CONFIGURED, Token

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$"
PREFIX = "dbt_"
"""Tokens are known by it when they turn up where they should not."""
COMMAND_LINE = "command line"


def is_name(text: str) -> bool:
    return re.fullmatch(NAME_PATTERN, text) is not None


class TokenRefused(OperatorError):
    """It cannot be made or ended; the text says why."""


class UnknownToken(TokenRefused):
    """There is no valid token of that name or id."""


def create(
    connection: Connection,
    clock: Clock,
    caller: Caller,
    *,
    name: str,
    role: Role,
    valid_for: timedelta | None,
    origin: str,
) -> tuple[Token, str]:
    """A new token, and its only showing. Raises `TokenRefused`."""
    now = clock.real_now()
    secret = PREFIX + secrets.token_urlsafe(32)
    if name == CONFIGURED:
        raise TokenRefused(f"{CONFIGURED} is the token of DESKBRIDGE_ADMIN_TOKEN: choose another name")
    try:
        made = access.add_token(
            connection,
            name=name,
            role=role,
            token=secret,
            expires_at=None if valid_for is None else now + valid_for,
            real_now=now,
        )
    except access.NameTaken:
        raise TokenRefused("a token of that name is valid already: revoke it first, or choose another name") from None
    detail = f"{name}, {role.value}" + ("" if valid_for is None else f", {valid_for.days} days")
    access.record(
        connection, caller, origin=origin, action="token.create", subject=made.id, detail=detail, real_now=now
    )
    return made, secret


def revoke(connection: Connection, clock: Clock, caller: Caller, name_or_id: str, *, origin: str) -> int:
    """End the valid tokens of that name or id. Returns how many. Raises `UnknownToken` and `TokenRefused`."""
    now = clock.real_now()
    known = [token for token in access.list_tokens(connection) if name_or_id in (token.id, token.name)]
    if any(token.name == CONFIGURED for token in known):
        raise TokenRefused("this is the token of DESKBRIDGE_ADMIN_TOKEN: change it there")
    ended = access.revoke_token(connection, name_or_id, real_now=now)
    if not ended:
        raise UnknownToken("there is no valid token of that name: see `deskbridge tokens list`")
    for token_id in ended:
        access.record(connection, caller, origin=origin, action="token.revoke", subject=token_id, real_now=now)
    return len(ended)


def create_by_command(settings: Settings, *, name: str, role: Role, valid_for: timedelta | None) -> tuple[Token, str]:
    """Raises `TokenRefused` and `StoreUnavailable`."""
    with wiring.open_store(settings, seals=False) as store:
        return store.database.write_now(
            lambda connection: create(
                connection,
                store.clock,
                whoever_types(),
                name=name,
                role=role,
                valid_for=valid_for,
                origin=COMMAND_LINE,
            )
        )


def list_by_command(settings: Settings) -> list[Token]:
    with wiring.open_store(settings, seals=False) as store:
        return store.database.read_now(access.list_tokens)


def revoke_by_command(settings: Settings, name_or_id: str) -> int:
    """Raises `TokenRefused` and `StoreUnavailable`."""
    with wiring.open_store(settings, seals=False) as store:
        return store.database.write_now(
            lambda connection: revoke(connection, store.clock, whoever_types(), name_or_id, origin=COMMAND_LINE)
        )
