"""Is every refusal of Freshdesk's taken for what it means?"""

import json

import pytest

from connectors.answers import Answer
from connectors.errors import NeedsOperator, OutcomeUnknown, RateLimited, RetryLater
from connectors.freshdesk.failures import Refused, verdict


def answer(status: int, body: object = None, *, safe: bool = False, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw, safe=safe)


def invalid(*errors: tuple[str, str], **more: object) -> dict[str, object]:
    entries = [{"field": field, "message": "canary 351912345678", "code": code, **more} for field, code in errors]
    return {"description": "Validation failed", "errors": entries}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(200), None),
        (answer(204), None),
        (answer(200, b"<html>", content_type="text/html"), NeedsOperator),
        (answer(302), NeedsOperator),
        (answer(400, invalid(("status", "datatype_mismatch"))), Refused),
        (answer(400, {"code": "invalid_json"}), Refused),
        (answer(400, b"\xff not json"), Refused),
        (answer(401, {"code": "invalid_credentials"}), NeedsOperator),
        (answer(403, {"code": "access_denied"}), NeedsOperator),
        (answer(403, {"code": "account_suspended"}), NeedsOperator),
        (answer(404), Refused),
        (answer(405, {"message": "PUT method is not allowed."}), Refused),
        (answer(408), OutcomeUnknown),
        (answer(409, invalid(("email", "duplicate_value"))), Refused),
        (answer(409, invalid(("status", "inconsistent_state"))), RetryLater),
        (answer(409), RetryLater),
        (answer(413), Refused),
        (answer(429), RateLimited),
        (answer(500), OutcomeUnknown),
        (answer(500, safe=True), RetryLater),
        (answer(502, b"<html>", content_type="text/html"), OutcomeUnknown),
        (answer(503), OutcomeUnknown),
        (answer(503, safe=True), RetryLater),
        (answer(503, retry_after="7"), RetryLater),
        (answer(400, invalid(("custom_fields.cf_region", "missing_field"))), NeedsOperator),
        (answer(400, invalid(("custom_fields.cf_a", "missing_field"), ("status", "invalid_value"))), Refused),
    ],
)
def test_each_answer_has_one_meaning(given: Answer, kind: type[Exception] | None) -> None:
    found = verdict(given)
    assert type(found) is (kind or type(None))
    assert "canary" not in repr(found) + str(found)
    assert "351912345678" not in repr(vars(found) if found else "")


def test_retry_after_is_believed_and_else_a_minute() -> None:
    told, untold = verdict(answer(429, retry_after="17")), verdict(answer(429))
    assert isinstance(told, RateLimited)
    assert told.after_seconds == 17
    assert isinstance(untold, RateLimited)
    assert untold.after_seconds == 60


@pytest.mark.parametrize(
    ("info", "existing_id"),
    [
        ({"user_id": 70061234567}, 70061234567),
        ({"user_id": "70061234567"}, None),
        ({"user_id": True}, None),
        ({}, None),
        (None, None),
    ],
)
def test_conflict_names_who_was_there_first_where_it_says_so(info: object, existing_id: int | None) -> None:
    found = verdict(answer(409, invalid(("unique_external_id", "duplicate_value"), additional_info=info)))
    assert isinstance(found, Refused)
    duplicate = found.duplicate("unique_external_id")
    assert duplicate is not None
    assert duplicate.existing_id == existing_id
    assert found.duplicate("mobile") is None
    assert found.names("mobile", "unique_external_id")


@pytest.mark.parametrize("code", ["account_suspended", "require_feature", "password_expired"])
def test_account_that_is_shut_needs_an_operator_whatever_the_status(code: str) -> None:
    for status in (400, 403):
        found = verdict(answer(status, {"code": code, "message": "…"}))
        assert isinstance(found, NeedsOperator)
        assert found.code == code
        assert "FRESHDESK_URL" in found.action
