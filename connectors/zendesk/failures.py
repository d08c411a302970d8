"""What does Zendesk's refusal mean for us? The table of fact sheet Zendesk 7.4.

Decided by status first. Descriptions are localised and may hold names, so only codes and field names are kept.
"""

import json
import re
from collections.abc import Callable, Mapping

from connectors.answers import Answer, no_verdict, unavailable
from connectors.errors import NeedsOperator, Permanent, RateLimited, RemoteFailure, RetryLater

DEFAULT_RETRY_AFTER_SECONDS = 60.0

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)


class Refused(Permanent):
    """A 4xx that says no to this request. `fields` are pairs of field name and error code (`""` where it has none)."""

    def __init__(self, code: str, *, status: int, fields: frozenset[tuple[str, str]]) -> None:
        super().__init__(code, hint=", ".join(sorted({name for name, _ in fields})))
        self.status = status
        self.fields = fields

    def names(self, *field_names: str) -> bool:
        """Whether the refusal is about one of these fields."""
        return any(name in field_names for name, _ in self.fields)


_CREDENTIALS = (
    "Renew the Zendesk credentials: the OAuth client or token is not accepted (any more), or its user lost access."
)
_RIGHTS = "Give the Zendesk user of the credentials the admin role, and the OAuth client the scopes `read write`."
_ACCOUNT = "Check ZENDESK_URL, and in Zendesk whether the account is active: it answers with a page instead of data."


def verdict(answer: Answer) -> RemoteFailure | None:
    """None: done. A write's 5xx has no verdict: Zendesk may have committed before it failed."""
    if 200 <= answer.status < 300:
        return None
    if answer.is_html and answer.status < 500 and answer.status != 429:
        return NeedsOperator("not_an_api", action=_ACCOUNT)
    if answer.status in _BY_STATUS:
        return _BY_STATUS[answer.status](answer)
    if answer.status >= 500:
        return no_verdict(answer)
    if answer.status < 400:
        return NeedsOperator("redirected", action=_ACCOUNT)
    return _refused(answer)


def _refused(answer: Answer) -> Refused:
    code, fields = _read(answer.body)
    return Refused(code or f"http_{answer.status}", status=answer.status, fields=fields)


_BY_STATUS: Mapping[int, Callable[[Answer], RemoteFailure]] = {
    401: lambda _: NeedsOperator("unauthorised", action=_CREDENTIALS),
    402: lambda _: NeedsOperator("account_suspended", action=_ACCOUNT),
    403: lambda _: NeedsOperator("forbidden", action=_RIGHTS),
    408: no_verdict,
    409: lambda answer: RetryLater("UpdateConflict", after_seconds=answer.retry_after_seconds),
    429: lambda answer: RateLimited("account", after_seconds=answer.retry_after_seconds or DEFAULT_RETRY_AFTER_SECONDS),
    503: unavailable,
}


def _read(body: bytes) -> tuple[str, frozenset[tuple[str, str]]]:
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return "", frozenset()
    if not isinstance(problem, dict):
        return "", frozenset()
    error = problem.get("error")
    code = _code(error.get("title") if isinstance(error, dict) else error)
    details = problem.get("details")
    fields = set()
    for name, entries in details.items() if isinstance(details, dict) else ():
        for entry in entries if isinstance(entries, list) else [entries]:
            fields.add((_code(name), _code(entry.get("error") if isinstance(entry, dict) else None)))
    return code, frozenset(fields)


def _code(value: object) -> str:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""
