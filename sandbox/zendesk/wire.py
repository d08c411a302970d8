"""What do Zendesk's answers and refusals look like on the wire?"""

import re
from collections.abc import Mapping
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
    """A call that Zendesk refuses, with the status and the body it gives (fact sheet Zendesk 7.4)."""

    def __init__(self, status: int, body: Record | str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def record_invalid(name: str, description: str, error: str | None = None) -> RefusalError:
    """422 for one field; `error` is missing in some of the recorded bodies (a closed ticket's)."""
    detail = {"description": description} if error is None else {"description": description, "error": error}
    return RefusalError(
        422,
        {"error": "RecordInvalid", "description": "Record validation errors", "details": {name: [detail]}},
    )


def not_found() -> RefusalError:
    """404 for a record that never was, or is deleted."""
    return RefusalError(404, {"error": "RecordNotFound", "description": "Not found"})


def invalid_attribute(message: str) -> RefusalError:
    """400 for a parameter of the wrong shape."""
    return RefusalError(400, {"error": {"title": "Invalid attribute", "message": message}})


def forbidden() -> RefusalError:
    """403 for a user without the right."""
    return RefusalError(
        403,
        {
            "error": "Forbidden",
            "description": "You do not have access to this page. Please contact the account owner of this help desk "
            "for further help.",
        },
    )


def too_many_values(limit: int) -> RefusalError:
    """400 for a list of more than `limit` values."""
    return RefusalError(
        400,
        {
            "error": "TooManyValues",
            "description": f"Parameter  cannot specify more than {limit} values",
            "max_count": limit,
        },
    )


def update_conflict() -> RefusalError:
    """409 of optimistic locking and of `safe_update`; the text is unconfirmed (fact sheet Zendesk 2.4)."""
    return RefusalError(
        409,
        {
            "error": "UpdateConflict",
            "description": "Safe Update prevented the update due to outdated ticket data. Please fetch the latest "
            "ticket data and try again.",
        },
    )


def iso(moment: datetime) -> str:
    """Second precision with a `Z`, as the API writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def whole_number(value: object, *, name: str) -> int:
    """An id or a count; the API also takes digits in a string. Raises a 400 for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        return int(value)
    raise invalid_attribute(f"You passed an invalid value for the {name} attribute. Invalid parameter: {name}")


def truth(value: object) -> bool:
    """A boolean as the API takes it: also in a string."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def split_tags(value: object) -> list[str]:
    """Tags as they are kept: lower case, split at blanks and commas, each once, sorted (fact sheet Zendesk 2.13)."""
    texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    found = {tag for text in texts if isinstance(text, str) for tag in re.split(r"[\s,]+", text.lower()) if tag}
    return sorted(found)
