"""Statuses come late, doubled and out of order: what is kept is the same in any case."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.message_status import RANK, advance, is_at_phone, left_meta
from bridge.domain.model import MessageStatus

ORDER = [
    MessageStatus.QUEUED,
    MessageStatus.ACCEPTED,
    MessageStatus.SENT,
    MessageStatus.FAILED,
    MessageStatus.DELIVERED,
    MessageStatus.READ,
    MessageStatus.PLAYED,
]
statuses = st.sampled_from(MessageStatus)


def after(reports: list[MessageStatus], start: MessageStatus = MessageStatus.QUEUED) -> MessageStatus:
    for report in reports:
        start = advance(start, report)
    return start


def test_every_status_has_its_place() -> None:
    assert set(ORDER) == set(MessageStatus)
    assert sorted(MessageStatus, key=RANK.__getitem__) == ORDER


@pytest.mark.parametrize(("current", "reported"), list(itertools.product(MessageStatus, repeat=2)))
def test_report_moves_forward_or_changes_nothing(current: MessageStatus, reported: MessageStatus) -> None:
    expected = reported if ORDER.index(reported) > ORDER.index(current) else current
    assert advance(current, reported) is expected


@given(start=statuses, reports=st.lists(statuses, max_size=8), data=st.data())
def test_any_order_and_any_repeats_of_reports_end_alike(
    start: MessageStatus, reports: list[MessageStatus], data: st.DataObject
) -> None:
    again = reports + (data.draw(st.lists(st.sampled_from(reports), max_size=4)) if reports else [])
    assert after(reports, start) is after(data.draw(st.permutations(again)), start)


@given(reports=st.lists(statuses, max_size=8))
def test_status_never_goes_backwards(reports: list[MessageStatus]) -> None:
    seen = [ORDER.index(after(reports[:count])) for count in range(len(reports) + 1)]
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("reports", "final"),
    [
        ([MessageStatus.SENT, MessageStatus.FAILED], MessageStatus.FAILED),
        ([MessageStatus.FAILED, MessageStatus.SENT], MessageStatus.FAILED),
        ([MessageStatus.FAILED, MessageStatus.DELIVERED], MessageStatus.DELIVERED),
        ([MessageStatus.DELIVERED, MessageStatus.FAILED], MessageStatus.DELIVERED),
        ([MessageStatus.READ, MessageStatus.DELIVERED, MessageStatus.SENT], MessageStatus.READ),
        ([MessageStatus.PLAYED, MessageStatus.READ], MessageStatus.PLAYED),
    ],
)
def test_failed_wins_over_what_left_and_delivered_over_failed(
    reports: list[MessageStatus], final: MessageStatus
) -> None:
    assert after(reports) is final


def test_at_the_phone_is_delivered_and_what_follows_it() -> None:
    at_phone = {status for status in MessageStatus if is_at_phone(status)}
    assert at_phone == {MessageStatus.DELIVERED, MessageStatus.READ, MessageStatus.PLAYED}


def test_accepted_proves_nothing_and_failed_neither() -> None:
    left = {status for status in MessageStatus if left_meta(status)}
    assert left == {MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.READ, MessageStatus.PLAYED}
