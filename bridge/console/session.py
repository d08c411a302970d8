"""Who is at the console? A sealed cookie that names the token they signed in with, never the token itself.

Every request looks the token up again, so revoking it ends the session at once. What changes anything carries the
session's own word (`csrf`), which no other site can read.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest

import orjson
from fastapi import Request, Response

from bridge.api.context import ApiContext
from bridge.domain.roles import Caller
from bridge.store import access
from bridge.store.crypto import CannotDecrypt, UnknownKey, Vault

COOKIE = "deskbridge_session"
LASTS = timedelta(hours=12)
PLACE = "console.session"


@dataclass(frozen=True, slots=True)
class Session:
    caller: Caller
    csrf: str = field(repr=False)


def begin(response: Response, context: ApiContext, caller: Caller) -> None:
    """Sign in: the browser keeps the cookie until it is closed, at most `LASTS`."""
    csrf = secrets.token_urlsafe(24)
    until = context.store.clock.real_now() + LASTS
    plain = orjson.dumps({"token_id": caller.token_id, "csrf": csrf, "until": until.timestamp()})
    response.set_cookie(
        COOKIE,
        context.store.vault.seal(plain, PLACE, COOKIE).hex(),
        httponly=True,
        samesite="strict",
        secure=context.settings.public_url.startswith("https://"),
        path="/",
    )


def end(response: Response) -> None:
    response.delete_cookie(COOKIE, path="/")


async def find(request: Request, context: ApiContext) -> Session | None:
    """The session of this request, None where there is none that is valid. Raises `StoreUnavailable`."""
    now = context.store.clock.real_now()
    opened = _open(request.cookies.get(COOKIE), context.store.vault, now)
    if opened is None:
        return None
    token_id, csrf = opened
    caller = await context.read(lambda connection: access.find_valid(connection, token_id, real_now=now))
    return None if caller is None else Session(caller, csrf)


def _open(cookie: str | None, vault: Vault, now: datetime) -> tuple[str, str] | None:
    try:
        kept = orjson.loads(vault.unseal(bytes.fromhex(cookie or ""), PLACE, COOKIE))
    except (ValueError, CannotDecrypt, UnknownKey):
        return None
    return (kept["token_id"], kept["csrf"]) if kept["until"] > now.timestamp() else None


def is_genuine(session: Session, word: object) -> bool:
    """Was this form made for this session?"""
    return isinstance(word, str) and compare_digest(session.csrf.encode(), word.encode("utf-8", "surrogatepass"))
