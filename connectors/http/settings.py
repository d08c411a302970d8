"""What must be known of a system of your own before it can be used, and where does a person get it?"""

import base64
import binascii
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr

from connectors.configuration import InvalidConfiguration, Variable

VARIABLES = (
    Variable(
        "HTTP_DESK_URL",
        "address that takes our signed events, like https://hooks.example.com/deskbridge",
        "Give the https address of your system's webhook (Zapier, Make, a Lambda, your CRM).",
    ),
    Variable(
        "HTTP_DESK_SECRET",
        "signs our events (Standard Webhooks, whsec_ and base64); a comma list while it is rotated: all of them sign",
        'Make one with `echo "whsec_$(openssl rand -base64 32)"` and give the same to your system.',
    ),
    Variable(
        "HTTP_DESK_TOKEN",
        "bearer token with which your system tells what agents wrote; a comma list while it is rotated",
        "Make one with `openssl rand -hex 32` and give the same to your system.",
    ),
    Variable(
        "HTTP_DESK_ASKS",
        "on when your system answers questions too: what stands on a ticket, what changed; default off",
        "Use `on` or `off`.",
    ),
    Variable(
        "HTTP_DESK_CALLS_PER_MINUTE",
        "how many events a minute your system takes; default 600",
        "Use a number from 1 to 60000.",
    ),
)
CALLS_PER_MINUTE = 600
SHORTEST_TOKEN = 16
SECRET_PREFIX = "whsec_"  # noqa: S105 - how secrets begin, none itself

_MENDS = {variable.name: variable.mend for variable in VARIABLES}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SECRET_BYTES = range(24, 65)
"""What Standard Webhooks asks of a secret."""


class HttpSettings(BaseModel):
    """One system. `secrets` are Standard Webhooks' (`whsec_…`), each checked to be one."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    url: str
    secrets: tuple[SecretStr, ...]
    tokens: tuple[SecretStr, ...]
    asks: bool = False
    calls_per_minute: int = CALLS_PER_MINUTE

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Built from the `HTTP_DESK_*` names. Raises `InvalidConfiguration`."""
        url, secrets, found = _url(environment), _secrets(environment), tokens(environment)
        if not found:
            raise _invalid("HTTP_DESK_TOKEN", "is not set")
        return cls(
            url=url,
            secrets=secrets,
            tokens=tuple(SecretStr(token) for token in found),
            asks=_asks(environment),
            calls_per_minute=_calls_per_minute(environment),
        )


def tokens(environment: Mapping[str, str]) -> list[str]:
    """Those of `HTTP_DESK_TOKEN`, without empty ones. Raises `InvalidConfiguration` for one that could be guessed."""
    found = _listed(environment, "HTTP_DESK_TOKEN")
    if any(len(token) < SHORTEST_TOKEN or not token.isascii() or " " in token for token in found):
        raise _invalid("HTTP_DESK_TOKEN", f"is shorter than {SHORTEST_TOKEN} plain characters, so it could be guessed")
    return found


def _invalid(name: str, problem: str) -> InvalidConfiguration:
    return InvalidConfiguration(name, problem, mend=_MENDS[name])


def _listed(environment: Mapping[str, str], name: str) -> list[str]:
    return [part.strip() for part in environment.get(name, "").split(",") if part.strip()]


def _url(environment: Mapping[str, str]) -> str:
    raw = environment.get("HTTP_DESK_URL", "").strip()
    if not raw:
        raise _invalid("HTTP_DESK_URL", "is not set")
    try:
        parts = urlsplit(raw)
        is_port = parts.port is None or parts.port > 0
    except ValueError:
        raise _invalid("HTTP_DESK_URL", "is not an address that takes webhooks") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname or not is_port or parts.username or parts.fragment:
        raise _invalid("HTTP_DESK_URL", "is not an address that takes webhooks")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise _invalid("HTTP_DESK_URL", "must begin with https:// (http is for a system on this machine)")
    return raw


def _secrets(environment: Mapping[str, str]) -> tuple[SecretStr, ...]:
    found = _listed(environment, "HTTP_DESK_SECRET")
    if not found:
        raise _invalid("HTTP_DESK_SECRET", "is not set")
    if not all(_is_secret(secret) for secret in found):
        raise _invalid("HTTP_DESK_SECRET", "is not whsec_ and 24 to 64 bytes in base64")
    return tuple(SecretStr(secret) for secret in found)


def _is_secret(text: str) -> bool:
    if not text.startswith(SECRET_PREFIX):
        return False
    try:
        return len(base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)) in _SECRET_BYTES
    except (binascii.Error, ValueError):
        return False


def _asks(environment: Mapping[str, str]) -> bool:
    value = environment.get("HTTP_DESK_ASKS", "off").strip().lower() or "off"
    if value not in {"on", "off"}:
        raise _invalid("HTTP_DESK_ASKS", "has a value that is not known")
    return value == "on"


def _calls_per_minute(environment: Mapping[str, str]) -> int:
    text = environment.get("HTTP_DESK_CALLS_PER_MINUTE", "").strip() or str(CALLS_PER_MINUTE)
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 60_000):
        raise _invalid("HTTP_DESK_CALLS_PER_MINUTE", "is not a number in its range")
    return int(text)
