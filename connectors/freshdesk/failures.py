"""What does Freshdesk's refusal mean for us? The table of fact sheet Freshdesk 1.

Decided by status first. Messages are localised and may quote a customer, so only codes and field names are kept.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connectors.answers import Answer, no_verdict, unavailable
from connectors.errors import NeedsOperator, Permanent, RateLimited, RemoteFailure, RetryLater

DEFAULT_RETRY_AFTER_SECONDS = 60.0

_CODE = re.compile(r"[a-z][a-z_]{0,63}", re.ASCII)
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One entry of `errors`. `existing_id`: who has the value already, where a 409 says so."""

    field: str
    code: str
    existing_id: int | None = None


class Refused(Permanent):
    """A 4xx that says no to this request."""

    def __init__(self, code: str, *, status: int, errors: tuple[FieldError, ...]) -> None:
        super().__init__(code, hint=", ".join(sorted({error.field for error in errors})))
        self.status = status
        self.errors = errors

    def names(self, *field_names: str) -> bool:
        """Whether the refusal is about one of these fields."""
        return any(error.field in field_names for error in self.errors)

    def duplicate(self, field_name: str) -> FieldError | None:
        """The entry that says that this field's value is somebody else's."""
        return next((e for e in self.errors if e.field == field_name and e.code == "duplicate_value"), None)


_CREDENTIALS = "Set FRESHDESK_API_KEY anew: Freshdesk does not accept it (any more), or its agent was removed."
_RIGHTS = "In Freshdesk, give the agent whose FRESHDESK_API_KEY this is the administrator role and all tickets."
_ACCOUNT = (
    "Check FRESHDESK_URL (the account's own address, like https://acme.freshdesk.com), and in Freshdesk whether the "
    "account is active and its plan has the API."
)
_FIELDS = (
    "The account requires ticket fields that we do not fill: give them values in FRESHDESK_TICKET_DEFAULTS "
    "(`deskbridge doctor` names them)."
)
_ACCOUNT_CODES = frozenset(
    {"account_suspended", "require_feature", "password_lockout", "password_expired", "ssl_required"}
)


def verdict(answer: Answer) -> RemoteFailure | None:
    """None: done. A write's 5xx has no verdict: Freshdesk may have committed before it failed."""
    if 200 <= answer.status < 300:
        return NeedsOperator("not_an_api", action=_ACCOUNT) if answer.is_html else None
    if answer.status in _BY_STATUS:
        return _BY_STATUS[answer.status](answer)
    if answer.status >= 500:
        return no_verdict(answer)
    if answer.status < 400:
        return NeedsOperator("redirected", action=_ACCOUNT)
    return _refused(answer)


def _refused(answer: Answer) -> RemoteFailure:
    code, errors = _read(answer.body)
    if code in _ACCOUNT_CODES:
        return NeedsOperator(code, action=_ACCOUNT)
    if errors and all(e.code == "missing_field" and e.field.startswith("custom_fields") for e in errors):
        return NeedsOperator("missing_field", action=_FIELDS)
    return Refused(code or f"http_{answer.status}", status=answer.status, errors=errors)


def _conflict(answer: Answer) -> RemoteFailure:
    refused = _refused(answer)
    if isinstance(refused, Refused) and any(error.code == "duplicate_value" for error in refused.errors):
        return refused
    return RetryLater("conflict", after_seconds=answer.retry_after_seconds)


def _forbidden(answer: Answer) -> RemoteFailure:
    code, _ = _read(answer.body)
    return NeedsOperator(code or "forbidden", action=_ACCOUNT if code in _ACCOUNT_CODES else _RIGHTS)


_BY_STATUS: Mapping[int, Callable[[Answer], RemoteFailure]] = {
    401: lambda _: NeedsOperator("unauthorised", action=_CREDENTIALS),
    403: _forbidden,
    408: no_verdict,
    409: _conflict,
    429: lambda answer: RateLimited("account", after_seconds=answer.retry_after_seconds or DEFAULT_RETRY_AFTER_SECONDS),
    503: unavailable,
}


def _read(body: bytes) -> tuple[str, tuple[FieldError, ...]]:
    """(code, entries of `errors`). The whole refusal's code, else the first entry's."""
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return "", ()
    if not isinstance(problem, dict):
        return "", ()
    listed = problem.get("errors")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    errors = tuple(
        FieldError(_matching(_FIELD, entry.get("field")), _matching(_CODE, entry.get("code")), _existing_id(entry))
        for entry in entries
    )
    return _matching(_CODE, problem.get("code")) or (errors[0].code if errors else ""), errors


def _existing_id(entry: Mapping[str, object]) -> int | None:
    """Documented nowhere, relied on by four integrators; known for e-mail alone (fact sheet Freshdesk 1)."""
    info = entry.get("additional_info")
    found = info.get("user_id") if isinstance(info, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None


def _matching(pattern: re.Pattern[str], value: object) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""
