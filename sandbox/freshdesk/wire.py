"""What do Freshdesk's answers and refusals look like on the wire? Fact sheet Freshdesk 1."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]
"""One JSON object in the spelling of the API."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: what the gate turns into a response."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusalError(Exception):
    """A call that Freshdesk refuses, with the status and the body it gives; no body at all for None.

    `warning` tells whoever watches the calls that the caller spoke wrongly, not that the world was in its way.
    """

    def __init__(
        self,
        status: int,
        body: Record | str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        warning: str | None = None,
    ) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})
        self.warning = warning


def problem(name: str, message: str, code: str, **additional_info: Any) -> Record:
    """One entry of `errors`."""
    entry: Record = {"field": name, "message": message, "code": code}
    if additional_info:
        entry["additional_info"] = additional_info
    return entry


def invalid(problems: Sequence[Record], *, status: int = 400, warning: str | None = None) -> RefusalError:
    """The validation error: 400, or 409 for values that others have."""
    return RefusalError(
        status, {"description": "Validation failed", "errors": list(problems)}, headers={}, warning=warning
    )


def invalid_value(name: str, message: str) -> RefusalError:
    """400 for one value."""
    return invalid([problem(name, message, "invalid_value")])


def unexpected(name: str) -> Record:
    """The entry for an attribute or a query parameter that the API does not know."""
    return problem(name, "Unexpected/invalid field in request", "invalid_field")


def mismatch(name: str, wanted: str, value: object) -> Record:
    """The entry for a value of another type."""
    given = _TYPE_NAMES.get(type(value), "Null")
    return problem(name, f"Value set is of type {given}.It should be a/an {wanted}", "datatype_mismatch")


_TYPE_NAMES = {str: "String", int: "Integer", float: "Float", bool: "Boolean", list: "Array", dict: "Hash"}


def not_found() -> RefusalError:
    """404: always without a body."""
    return RefusalError(404)


def not_allowed(method: str, allowed: Sequence[str]) -> RefusalError:
    """405: a wrong verb, and every change of what is deleted, blocked or spam."""
    verbs = ", ".join(allowed)
    message = f"{method} method is not allowed. It should be one of these method(s): {verbs}"
    return RefusalError(405, {"message": message}, headers={"Allow": verbs})


def access_denied(code: str = "access_denied") -> RefusalError:
    """403; the texts are unconfirmed."""
    messages = {
        "account_suspended": "Your account has been suspended.",
        "require_feature": "The feature is not supported in your plan.",
    }
    message = messages.get(code, "You are not authorized to perform this action.")
    return RefusalError(403, {"code": code, "message": message})


def iso(moment: datetime) -> str:
    """Whole seconds with a `Z`, as the API writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_TIME = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}(:?\d{2})?)?)?")


def moment_of(text: object) -> datetime | None:
    """An aware UTC time from one of the documented forms, UTC where none is named; None for anything else."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
