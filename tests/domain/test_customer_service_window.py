"""When may we write freely? By WhatsApp's timestamps, with a margin, and never against Meta's word."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.customer_service_window import CLOSING, MARGIN, WINDOW, CustomerServiceWindow, WindowState

WROTE = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
LAST_MOMENT = WROTE + WINDOW - MARGIN

instants = st.integers(-200_000_000_000, 200_000_000_000).map(lambda number: WROTE + timedelta(microseconds=number))
whole_seconds = st.integers(-200_000, 200_000).map(lambda number: WROTE + timedelta(seconds=number))
windows = st.builds(CustomerServiceWindow, st.none() | whole_seconds, st.none() | instants)


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (WROTE, WindowState.OPEN),
        (WROTE - timedelta(hours=1), WindowState.OPEN),
        (LAST_MOMENT - CLOSING - TICK, WindowState.OPEN),
        (LAST_MOMENT - CLOSING, WindowState.CLOSING),
        (LAST_MOMENT - TICK, WindowState.CLOSING),
        (LAST_MOMENT, WindowState.CLOSED),
        (WROTE + WINDOW, WindowState.CLOSED),
        (WROTE + timedelta(days=400), WindowState.CLOSED),
    ],
)
def test_window_is_open_until_two_minutes_before_its_end(now: datetime, state: WindowState) -> None:
    window = CustomerServiceWindow(WROTE)
    assert window.state(now) is state
    assert window.is_open(now) is (state in (WindowState.OPEN, WindowState.CLOSING))


@pytest.mark.parametrize(("seconds_left", "is_open"), [(121, True), (119, False)])
def test_last_two_minutes_count_as_closed(seconds_left: int, is_open: bool) -> None:
    assert CustomerServiceWindow(WROTE).is_open(WROTE + timedelta(hours=24, seconds=-seconds_left)) is is_open


def test_it_closes_a_day_after_what_the_customer_wrote() -> None:
    assert CustomerServiceWindow(WROTE).closes_at == WROTE + timedelta(hours=24)


@given(now=instants, refused_at=st.none() | instants)
def test_unknown_window_counts_as_closed_at_all_times(now: datetime, refused_at: datetime | None) -> None:
    window = CustomerServiceWindow(None, refused_at)
    assert window.state(now) is WindowState.UNKNOWN
    assert not window.is_open(now)
    assert window.closes_at is None


@pytest.mark.parametrize(
    ("refused_after", "wrote_after", "opens"),
    [
        (timedelta(hours=1), timedelta(hours=2), True),
        (timedelta(hours=2), timedelta(hours=1), False),
        # WhatsApp's whole seconds: what bears the refusal's second came after it.
        (timedelta(hours=1, milliseconds=700), timedelta(hours=1), True),
        (timedelta(hours=1, milliseconds=700), timedelta(hours=1, seconds=-1), False),
    ],
)
def test_refused_window_opens_with_what_the_customer_wrote_since(
    refused_after: timedelta, wrote_after: timedelta, opens: bool
) -> None:
    now = WROTE + timedelta(hours=3)
    refused = CustomerServiceWindow(WROTE).after_refusal(WROTE + refused_after)
    assert refused.state(now) is WindowState.REFUSED
    assert refused.after_inbound(WROTE + wrote_after, now=now).is_open(now) is opens


def test_refusal_of_a_message_older_than_the_customers_last_word_closes_nothing() -> None:
    window = CustomerServiceWindow(WROTE).after_refusal(WROTE - timedelta(hours=1))
    assert window.is_open(WROTE + SECOND)


def test_refused_and_run_out_is_closed_not_refused() -> None:
    window = CustomerServiceWindow(WROTE).after_refusal(WROTE + SECOND)
    assert window.state(WROTE + timedelta(days=2)) is WindowState.CLOSED


@pytest.mark.parametrize("ahead", [SECOND, timedelta(days=3)])
def test_timestamp_of_the_future_counts_as_now(ahead: timedelta) -> None:
    window = CustomerServiceWindow(None).after_inbound(WROTE + ahead, now=WROTE)
    assert window.last_inbound_at == WROTE


@given(window=windows, sent_at=whole_seconds, now=instants)
def test_message_never_moves_the_window_back(window: CustomerServiceWindow, sent_at: datetime, now: datetime) -> None:
    after = window.after_inbound(sent_at, now=now)
    assert after.last_inbound_at is not None
    assert after.last_inbound_at == max(min(sent_at, now), window.last_inbound_at or min(sent_at, now))
    assert after.refused_at == window.refused_at


@given(window=windows, sent=st.lists(whole_seconds, min_size=1, max_size=6), data=st.data())
def test_order_and_repeats_of_messages_do_not_matter(
    window: CustomerServiceWindow, sent: list[datetime], data: st.DataObject
) -> None:
    now = max(sent)
    shuffled = data.draw(st.permutations(sent + data.draw(st.lists(st.sampled_from(sent), max_size=3))))
    one = other = window
    for sent_at in sent:
        one = one.after_inbound(sent_at, now=now)
    for sent_at in shuffled:
        other = other.after_inbound(sent_at, now=now)
    assert one == other


@given(window=windows, now=instants, wait=st.timedeltas(timedelta(0), timedelta(days=3)))
def test_time_alone_never_opens_a_window(window: CustomerServiceWindow, now: datetime, wait: timedelta) -> None:
    assert window.is_open(now) or not window.is_open(now + wait)


@given(window=windows, now=instants, refusals=st.lists(instants, min_size=1, max_size=4), data=st.data())
def test_refusals_only_close_and_their_order_does_not_matter(
    window: CustomerServiceWindow, now: datetime, refusals: list[datetime], data: st.DataObject
) -> None:
    one = other = window
    for sent_at in refusals:
        one = one.after_refusal(sent_at)
    for sent_at in data.draw(st.permutations(refusals)):
        other = other.after_refusal(sent_at)
    assert one == other
    assert window.is_open(now) or not one.is_open(now)


@given(now=whole_seconds, window=windows)
def test_message_sent_at_this_moment_always_opens(window: CustomerServiceWindow, now: datetime) -> None:
    refused_before = window.refused_at is None or window.refused_at <= now
    written_before = window.last_inbound_at is None or window.last_inbound_at <= now
    after = window.after_inbound(now, now=now)
    if refused_before and written_before:
        assert after.state(now) is WindowState.OPEN
