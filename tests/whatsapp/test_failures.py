"""Does each of Meta's refusals get the meaning, the words and the exception that the fact sheet asks for?"""

import pytest

from bridge.whatsapp.failures import (
    FAILURES,
    UNREADABLE,
    FailureKind,
    LimitScope,
    WindowClosedByMeta,
    error_for_read,
    error_for_send,
    explain,
    kind_of,
)
from connectors.errors import NeedsOperator, OutcomeUnknown, Permanent, RateLimited, RetryLater


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (0, FailureKind.NEEDS_OPERATOR),
        (190, FailureKind.NEEDS_OPERATOR),
        (10, FailureKind.NEEDS_OPERATOR),
        (200, FailureKind.NEEDS_OPERATOR),
        (299, FailureKind.NEEDS_OPERATOR),
        (368, FailureKind.NEEDS_OPERATOR),
        (131031, FailureKind.NEEDS_OPERATOR),
        (131042, FailureKind.NEEDS_OPERATOR),
        (133010, FailureKind.NEEDS_OPERATOR),
        (4, FailureKind.RATE_LIMITED),
        (80007, FailureKind.RATE_LIMITED),
        (130429, FailureKind.RATE_LIMITED),
        (131056, FailureKind.RATE_LIMITED),
        (131048, FailureKind.PERMANENT),
        (131026, FailureKind.PERMANENT),
        (131047, FailureKind.WINDOW_CLOSED),
        (131049, FailureKind.PERMANENT),
        (100, FailureKind.PERMANENT),
        (131000, FailureKind.RETRY_LATER),
        (131016, FailureKind.RETRY_LATER),
        (133004, FailureKind.RETRY_LATER),
        (999999, FailureKind.PERMANENT),
        (None, FailureKind.PERMANENT),
    ],
)
def test_code_in_a_status_webhook_has_its_kind(code: int | None, kind: FailureKind) -> None:
    assert kind_of(code, http_status=None) is kind


@pytest.mark.parametrize(
    ("code", "http_status", "kind"),
    [
        (131016, 500, FailureKind.RETRY_LATER),
        (2, 503, FailureKind.RETRY_LATER),
        (131016, 502, FailureKind.OUTCOME_UNKNOWN),
        (None, 502, FailureKind.OUTCOME_UNKNOWN),
        (None, 504, FailureKind.OUTCOME_UNKNOWN),
        (None, 500, FailureKind.OUTCOME_UNKNOWN),
        (999999, 500, FailureKind.OUTCOME_UNKNOWN),
        (999999, 400, FailureKind.PERMANENT),
        (None, 400, FailureKind.PERMANENT),
        (None, 401, FailureKind.NEEDS_OPERATOR),
        (None, 302, FailureKind.NEEDS_OPERATOR),
        (None, 429, FailureKind.RATE_LIMITED),
        (None, 408, FailureKind.OUTCOME_UNKNOWN),
    ],
)
def test_http_status_decides_where_no_listed_code_does(code: int | None, http_status: int, kind: FailureKind) -> None:
    assert kind_of(code, http_status=http_status) is kind


@pytest.mark.parametrize("code", sorted(FAILURES))
def test_every_row_is_whole(code: int) -> None:
    failure = FAILURES[code]
    assert failure.explanation.endswith(".")
    assert failure.advice.endswith(".")
    assert failure.admin.endswith(".")
    limited = failure.kind is FailureKind.RATE_LIMITED
    assert (failure.scope is not None, failure.after_seconds is not None) == (limited, limited)


@pytest.mark.parametrize(
    ("code", "scope"),
    [(131056, LimitScope.PAIR), (130429, LimitScope.THROUGHPUT), (4, LimitScope.ACCOUNT), (80007, LimitScope.ACCOUNT)],
)
def test_rate_limit_names_whose_limit_it_is(code: int, scope: LimitScope) -> None:
    error = error_for_send(code, http_status=400)
    assert isinstance(error, RateLimited)
    assert error.limit == scope


def test_rate_limit_waits_as_long_as_meta_asks_and_never_shorter_than_the_table() -> None:
    longer = error_for_send(130429, http_status=400, after_seconds=30)
    shorter = error_for_send(80007, http_status=400, after_seconds=0)
    assert isinstance(longer, RateLimited)
    assert longer.after_seconds == 30
    assert isinstance(shorter, RateLimited)
    assert shorter.after_seconds == 60


def test_closed_window_is_permanent_with_a_name_of_its_own() -> None:
    error = error_for_send(131047, http_status=400)
    assert isinstance(error, WindowClosedByMeta)
    assert isinstance(error, Permanent)
    assert error.code == "131047"


def test_dead_token_tells_the_operator_what_to_do() -> None:
    error = error_for_send(190, http_status=401)
    assert isinstance(error, NeedsOperator)
    assert "WHATSAPP_ACCESS_TOKEN" in error.action


def test_ambiguous_answer_is_repeated_only_for_a_read() -> None:
    assert isinstance(error_for_send(None, http_status=502), OutcomeUnknown)
    assert isinstance(error_for_read(None, http_status=502), RetryLater)


def test_details_of_meta_are_shown_where_they_say_more_than_we_do() -> None:
    assert explain(131009, "parameter\n text").details == "parameter text"
    assert explain(131026, "Undeliverable").details == ""
    assert explain(999999, "new thing").details == "new thing"


def test_failure_without_a_code_still_has_words() -> None:
    failure = explain(None, None)
    assert failure.code == UNREADABLE
    assert failure.explanation
    assert failure.advice
