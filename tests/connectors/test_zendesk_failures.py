"""What does each refusal mean? The table, whole."""

import json

import pytest

from connectors.answers import Answer
from connectors.errors import (
    NeedsOperator,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    RemoteFailure,
    RetryLater,
)
from connectors.zendesk.failures import Refused, verdict

CLOSED = {
    "error": "RecordInvalid",
    "description": "Record validation errors",
    "details": {"status": [{"description": "Status: closed prevents ticket update"}]},
}
SUSPENDED = {
    "error": "RecordInvalid",
    "details": {"requester": [{"description": "Requester: Ana is suspended.", "error": "UserSuspended"}]},
}


def judged(status: int, *, safe: bool, body: object = None, **headers: str) -> RemoteFailure | None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return verdict(Answer(status, names, raw, safe=safe))


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_is_no_failure(status: int) -> None:
    assert judged(status, safe=False) is None


@pytest.mark.parametrize(
    ("status", "read", "write"),
    [
        (302, NeedsOperator, NeedsOperator),
        (400, Permanent, Permanent),
        (401, NeedsOperator, NeedsOperator),
        (402, NeedsOperator, NeedsOperator),
        (403, NeedsOperator, NeedsOperator),
        (404, Permanent, Permanent),
        (408, RetryLater, OutcomeUnknown),
        (409, RetryLater, RetryLater),
        (413, Permanent, Permanent),
        (415, Permanent, Permanent),
        (422, Permanent, Permanent),
        (429, RateLimited, RateLimited),
        (500, RetryLater, OutcomeUnknown),
        (502, RetryLater, OutcomeUnknown),
        (503, RetryLater, OutcomeUnknown),
        (504, RetryLater, OutcomeUnknown),
        (520, RetryLater, OutcomeUnknown),
    ],
)
def test_status_decides(status: int, read: type[RemoteFailure], write: type[RemoteFailure]) -> None:
    assert isinstance(judged(status, safe=True), read)
    assert isinstance(judged(status, safe=False), write)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0.5", 0.5), ("0", 60.0), ("", 60.0), ("soon", 60.0)])
def test_rate_limit_waits_as_told_or_a_minute(header: str, seconds: float) -> None:
    failure = judged(429, safe=False, body=b"Number of allowed API requests per minute exceeded", retry_after=header)
    assert isinstance(failure, RateLimited)
    assert failure.after_seconds == seconds


def test_maintenance_with_its_time_did_nothing() -> None:
    failure = judged(503, safe=False, retry_after="120")
    assert isinstance(failure, RetryLater)
    assert failure.after_seconds == 120


@pytest.mark.parametrize("status", [404, 403, 400])
def test_page_instead_of_data_is_for_the_operator(status: int) -> None:
    failure = judged(status, safe=True, body=b"<html>", content_type="text/html; charset=utf-8")
    assert isinstance(failure, NeedsOperator)
    assert failure.code == "not_an_api"


@pytest.mark.parametrize(
    ("body", "code", "fields"),
    [
        (CLOSED, "RecordInvalid", {("status", "")}),
        (SUSPENDED, "RecordInvalid", {("requester", "UserSuspended")}),
        ({"error": "IdempotentRequestError", "description": "…"}, "IdempotentRequestError", set()),
        ({"error": {"title": "Forbidden", "message": "…"}}, "Forbidden", set()),
        ({"error": "Couldn't authenticate you"}, "http_422", set()),
        ({"error": "RecordInvalid", "details": {"base": {"error": "Odd"}}}, "RecordInvalid", {("base", "Odd")}),
        ({"error": "RecordInvalid", "details": "odd"}, "RecordInvalid", set()),
        ([], "http_422", set()),
        (b"", "http_422", set()),
        (b"\xff<", "http_422", set()),
    ],
)
def test_codes_and_fields_are_read_from_every_shape(body: object, code: str, fields: set[tuple[str, str]]) -> None:
    failure = judged(422, safe=False, body=body)
    assert isinstance(failure, Refused)
    assert (failure.code, set(failure.fields)) == (code, fields)


def test_descriptions_are_never_repeated() -> None:
    failure = judged(422, safe=False, body=SUSPENDED)
    assert isinstance(failure, Refused)
    assert "Ana" not in f"{failure!r} {failure.hint} {failure.fields}"
