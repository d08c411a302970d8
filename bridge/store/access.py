"""Who may come in, and what did people do? Tokens, hashed; and an audit to which rows are only ever added."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from bridge.domain.roles import Caller, Role
from bridge.store.ids import new_id
from bridge.store.insert_once import insert_once
from bridge.store.tables import admin_token, audit

USED_EVERY = timedelta(minutes=1)
"""How exactly it is known when a token was last used."""
NEWEST = 200
CONFIGURED = "admin"
"""The name of the token of `DESKBRIDGE_ADMIN_TOKEN`. No other may be called so."""


class NameTaken(Exception):
    """A token of that name is valid already."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it may be shown: never the token itself. `expires_at` is real time."""

    id: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that a person did. `subject` is an id of ours or the name of a thing, `detail` a few words of ours."""

    id: str
    at: datetime
    actor: str
    role: str
    origin: str
    action: str
    subject: str
    detail: str


def hash_token(token: str) -> bytes:
    """Tokens are long and random, so a plain hash keeps them (nothing to guess)."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def identify(connection: Connection, token: str, *, real_now: datetime) -> tuple[Caller | None, bool]:
    """Whose token this is, None when it is not valid; and whether its use should be noted (`note_use`)."""
    row = connection.execute(select(admin_token).where(admin_token.c.token_hash == hash_token(token))).one_or_none()
    if row is None or not _is_valid(row.revoked_at, row.expires_at, real_now):
        return None, False
    stale = row.last_used_at is None or row.last_used_at < real_now - USED_EVERY
    return Caller(row.id, row.name, Role(row.role)), stale


def find_valid(connection: Connection, token_id: str, *, real_now: datetime) -> Caller | None:
    """The holder of a token that is still valid."""
    row = connection.execute(select(admin_token).where(admin_token.c.id == token_id)).one_or_none()
    if row is None or not _is_valid(row.revoked_at, row.expires_at, real_now):
        return None
    return Caller(row.id, row.name, Role(row.role))


def _is_valid(revoked_at: datetime | None, expires_at: datetime | None, real_now: datetime) -> bool:
    return revoked_at is None and (expires_at is None or expires_at > real_now)


def note_use(connection: Connection, token_id: str, *, real_now: datetime) -> None:
    connection.execute(update(admin_token).where(admin_token.c.id == token_id).values(last_used_at=real_now))


def add_token(
    connection: Connection, *, name: str, role: Role, token: str, expires_at: datetime | None, real_now: datetime
) -> Token:
    """Keep a new token's hash. Raises `NameTaken`: names tell people apart in the audit."""
    taken = connection.execute(
        select(admin_token.c.revoked_at, admin_token.c.expires_at).where(admin_token.c.name == name)
    )
    if any(_is_valid(revoked_at, until, real_now) for revoked_at, until in taken):
        raise NameTaken
    made = Token(new_id(), name, role, real_now, expires_at, None, None)
    connection.execute(
        insert(admin_token).values(
            id=made.id,
            name=name,
            role=role.value,
            token_hash=hash_token(token),
            created_at=real_now,
            expires_at=expires_at,
        )
    )
    return made


def set_configured_token(connection: Connection, token: str, *, real_now: datetime) -> None:
    """The one of `DESKBRIDGE_ADMIN_TOKEN`, which has every right; an earlier one is forgotten."""
    known = hash_token(token)
    connection.execute(delete(admin_token).where(admin_token.c.name == CONFIGURED, admin_token.c.token_hash != known))
    row = {"id": new_id(), "name": CONFIGURED, "role": Role.ADMIN.value, "token_hash": known, "created_at": real_now}
    insert_once(connection, admin_token, row, unique=(admin_token.c.token_hash,))


def list_tokens(connection: Connection) -> list[Token]:
    """Every token, newest first, those that are no longer valid included."""
    rows = connection.execute(select(admin_token).order_by(admin_token.c.id.desc()))
    return [
        Token(row.id, row.name, Role(row.role), row.created_at, row.expires_at, row.last_used_at, row.revoked_at)
        for row in rows
    ]


def revoke_token(connection: Connection, name_or_id: str, *, real_now: datetime) -> list[str]:
    """End the valid tokens of that name or id. Returns their ids; none where there was none."""
    mine = (admin_token.c.name == name_or_id) | (admin_token.c.id == name_or_id)
    rows = connection.execute(select(admin_token).where(mine, admin_token.c.revoked_at.is_(None))).all()
    ids = [row.id for row in rows]
    connection.execute(update(admin_token).where(admin_token.c.id.in_(ids)).values(revoked_at=real_now))
    return ids


def record(
    connection: Connection,
    caller: Caller,
    *,
    origin: str,
    action: str,
    subject: str,
    detail: str = "",
    real_now: datetime,
) -> None:
    """Put on record what somebody does, in the transaction that does it. `subject` and `detail` are no personal data
    of customers."""
    connection.execute(
        insert(audit).values(
            id=new_id(),
            at=real_now,
            actor=caller.name,
            role=caller.role.value,
            origin=origin,
            action=action,
            subject=subject[:100],
            detail=detail[:300],
        )
    )


def list_deeds(connection: Connection, *, before: str | None = None, limit: int = NEWEST) -> list[Deed]:
    """What people did, newest first; `before`: older than that one."""
    wanted = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(audit.c.id < before)
    return [
        Deed(row.id, row.at, row.actor, row.role, row.origin, row.action, row.subject, row.detail)
        for row in connection.execute(wanted)
    ]
