"""Who is calling? Client-credentials tokens and the old API tokens (fact sheet Zendesk 1)."""

import base64
import binascii
import secrets
from urllib.parse import parse_qs

import orjson
from starlette.requests import Request

from sandbox.zendesk.account import Account
from sandbox.zendesk.wire import Answer, Record, RefusalError, forbidden, whole_number

SHORTEST_SECONDS, LONGEST_SECONDS, DEFAULT_SECONDS = 300, 172_800, 1_800
INVALID_TOKEN = {
    "error": "invalid_token",
    "error_description": "The access token provided is expired, revoked, malformed or invalid for other reasons.",
}
ANONYMOUS: Record = {
    "id": None,
    "url": None,
    "name": "Anonymous user",
    "email": "invalid@example.com",
    "role": "end-user",
    "active": False,
    "verified": False,
}


async def give_token(account: Account, request: Request) -> Answer:
    """`POST /oauth/tokens`, JSON or form. Tokens end by real time."""
    asked = _parameters(await request.body(), request.headers.get("content-type", ""))
    if asked.get("grant_type") != "client_credentials":
        raise RefusalError(
            400,
            {
                "error": "unsupported_grant_type",
                "error_description": "The authorization grant type is not supported by the authorization server.",
            },
        )
    known_id, known_secret = account.setting("oauth_client_id"), account.setting("oauth_client_secret")
    right = known_id and asked.get("client_id") == known_id and asked.get("client_secret") == known_secret
    if not right or account.faults.is_on("token_revoked"):
        raise RefusalError(
            401,
            {
                "error": "invalid_client",
                "error_description": "Client authentication failed due to unknown client, no client authentication "
                "included, or unsupported authentication method.",
            },
        )
    expires_in = whole_number(asked.get("expires_in", DEFAULT_SECONDS), name="expires_in")
    if not SHORTEST_SECONDS <= expires_in <= LONGEST_SECONDS:
        raise RefusalError(
            400,
            {
                "error": "invalid_request",
                "error_description": f"expires_in must be between {SHORTEST_SECONDS} and {LONGEST_SECONDS}",
            },
        )
    now = account.real_seconds()
    for token, kept in list(account.store.tokens.items()):
        if kept["expires_at"] < now - LONGEST_SECONDS:
            del account.store.tokens[token]
    token = secrets.token_hex(32)
    scope = str(asked.get("scope") or "read write")
    account.store.tokens[token] = {
        "user_id": account.store.setup["api_user_id"],
        "expires_at": now + expires_in,
        "scope": scope,
    }
    return Answer({"access_token": token, "token_type": "bearer", "scope": scope, "expires_in": expires_in})


def caller(account: Account, authorization: str | None, *, method: str = "GET", path: str = "") -> Record | None:
    """The user behind an `Authorization` header; None without one. Raises a 401 for a wrong one, and a 403 where the
    token's scope does not cover the call."""
    if authorization is None:
        return None
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        kept = account.store.tokens.get(value)
        if kept is None or kept["expires_at"] <= account.real_seconds() or account.faults.is_on("token_revoked"):
            raise RefusalError(401, INVALID_TOKEN)
        if not _covers(kept["scope"], method, path):
            raise forbidden()
        return account.store.users[kept["user_id"]]
    known = account.setting("api_email"), account.setting("api_token")
    if scheme.lower() == "basic" and all(known) and not account.faults.is_on("token_revoked"):
        name, _, token = _decoded(value).partition(":")
        if (name, token) == (f"{known[0]}/token", known[1]):
            user = account.store.user_with_email(known[0])
            assert user is not None
            return user
    raise RefusalError(401, {"error": "Couldn't authenticate you"})


def expire_all(account: Account) -> None:
    """Every token given so far is over."""
    for kept in account.store.tokens.values():
        kept["expires_at"] = 0.0


def _covers(scope: str, method: str, path: str) -> bool:
    """Any scope yields a token; audits and exports need the global one (fact sheet Zendesk 1.2)."""
    wanted = "read" if method == "GET" else "write"
    scopes = scope.split()
    if wanted in scopes:
        return True
    resource = path.partition("/")[0]
    own = {"trigger_categories": "triggers", "uploads": "tickets"}.get(resource, resource)
    return f"{own}:{wanted}" in scopes and not path.endswith("/audits") and own != "incremental"


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _parameters(body: bytes, content_type: str) -> Record:
    if content_type.startswith("application/json"):
        try:
            asked = orjson.loads(body)
        except orjson.JSONDecodeError:
            asked = None
        if not isinstance(asked, dict):
            raise RefusalError(400, {"error": "invalid_request", "error_description": "The body is not a JSON object"})
        return asked
    return {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
