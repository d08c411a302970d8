"""What must be known of a Freshdesk account before it can be used, and where does a person get it?"""

import json
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr

from connectors.configuration import InvalidConfiguration, Variable

VARIABLES = (
    Variable(
        "FRESHDESK_URL",
        "address of the account, like https://acme.freshdesk.com",
        "Give the account's own address, like https://acme.freshdesk.com (a domain of your own does not do).",
    ),
    Variable(
        "FRESHDESK_API_KEY",
        "API key of an agent with the administrator role, best one that is used for nothing else",
        "In Freshdesk, signed in as that agent: profile picture > Profile settings > View API key.",
    ),
    Variable(
        "FRESHDESK_WEBHOOK_SECRET",
        "a word of your own that the automation rule sends as X-Deskbridge-Secret; a comma list while it is rotated",
        "Make one with `openssl rand -hex 32`; `deskbridge doctor` says where it goes in Freshdesk.",
    ),
    Variable(
        "FRESHDESK_TICKET_DEFAULTS",
        'ticket attributes as JSON, for fields that the account requires: {"type": "Question", "custom_fields": {…}}',
        'Write one JSON object, like {"group_id": 70000111222, "custom_fields": {"cf_region": "EMEA"}}.',
    ),
    Variable(
        "FRESHDESK_CONTACT_DEFAULTS",
        'contact attributes as JSON, for fields that the account requires: {"custom_fields": {…}}',
        'Write one JSON object, like {"custom_fields": {"region": "EMEA"}}.',
    ),
)
DEFAULT_SOURCE = 7
"""Chat. Whether 13 (WhatsApp) may be written is unconfirmed (fact sheet Freshdesk 2)."""

_MENDS = {variable.name: variable.mend for variable in VARIABLES}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_TICKET_KEYS = frozenset(
    {
        *("custom_fields", "type", "priority", "source", "tags", "group_id", "responder_id", "product_id"),
        *("company_id", "email_config_id", "internal_group_id", "internal_agent_id"),
    }
)
_CONTACT_KEYS = frozenset({"custom_fields", "company_id", "language", "time_zone", "tags", "job_title", "description"})


class FreshdeskSettings(BaseModel):
    """One account. `url` has no trailing slash and no `/api/v2`."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    url: str
    api_key: SecretStr
    webhook_secrets: tuple[SecretStr, ...] = ()
    ticket_defaults: Mapping[str, Any] = {}
    contact_defaults: Mapping[str, Any] = {}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Built from the `FRESHDESK_*` names. Raises `InvalidConfiguration`."""
        return cls(
            url=_url(environment),
            api_key=_api_key(environment),
            webhook_secrets=tuple(SecretStr(secret) for secret in webhook_secrets(environment)),
            ticket_defaults=_defaults(environment, "FRESHDESK_TICKET_DEFAULTS", _TICKET_KEYS),
            contact_defaults=_defaults(environment, "FRESHDESK_CONTACT_DEFAULTS", _CONTACT_KEYS),
        )


def webhook_secrets(environment: Mapping[str, str]) -> list[str]:
    """Those of `FRESHDESK_WEBHOOK_SECRET`, without empty ones. Raises `InvalidConfiguration` for one to be guessed."""
    secrets = [part.strip() for part in environment.get("FRESHDESK_WEBHOOK_SECRET", "").split(",") if part.strip()]
    if any(len(secret) < 16 or not secret.isascii() for secret in secrets):
        # It alone proves that a ring is Freshdesk's: nothing is signed.
        raise _invalid("FRESHDESK_WEBHOOK_SECRET", "is shorter than 16 plain characters, so it could be guessed")
    return secrets


def _invalid(name: str, problem: str) -> InvalidConfiguration:
    return InvalidConfiguration(name, problem, mend=_MENDS[name])


def _url(environment: Mapping[str, str]) -> str:
    raw = environment.get("FRESHDESK_URL", "").strip().rstrip("/").removesuffix("/api/v2")
    if not raw:
        raise _invalid("FRESHDESK_URL", "is not set")
    parts = urlsplit(raw)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise _invalid("FRESHDESK_URL", "is not the address of an account")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise _invalid("FRESHDESK_URL", "must begin with https:// (http is for the sandbox on this machine)")
    return raw


def _api_key(environment: Mapping[str, str]) -> SecretStr:
    key = environment.get("FRESHDESK_API_KEY", "").strip()
    if not key:
        raise _invalid("FRESHDESK_API_KEY", "is not set")
    if ":" in key or not key.isascii() or not key.isprintable():
        raise _invalid("FRESHDESK_API_KEY", "is not an API key")
    return SecretStr(key)


def _defaults(environment: Mapping[str, str], name: str, allowed: frozenset[str]) -> Mapping[str, Any]:
    text = environment.get(name, "").strip()
    if not text:
        return {}
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise _invalid(name, "is not a JSON object")
    if unknown := sorted(given.keys() - allowed):
        # Freshdesk refuses the whole request for one attribute that it does not know.
        raise _invalid(name, f"takes no {', '.join(unknown)[:100]}")
    if not isinstance(given.get("custom_fields", {}), dict) or not isinstance(given.get("tags", []), list):
        raise _invalid(name, "must give custom_fields as an object and tags as a list")
    return given
