"""When is a window looked at, and what does it ask for then?"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.customer_service_window import MARGIN, WINDOW, CustomerServiceWindow, WindowState
from bridge.domain.window_timer import TOLD_FOR, Look, Turn, first_look_at, look

WROTE = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPENED = CustomerServiceWindow(WROTE)
END = WROTE + WINDOW - MARGIN
HOUR = timedelta(hours=1)
BEFORE = 2 * HOUR

windows = st.builds(
    CustomerServiceWindow,
    st.just(WROTE) | st.none(),
    st.none() | st.integers(-86_400, 200_000).map(lambda seconds: WROTE + timedelta(seconds=seconds)),
)
moments = st.integers(0, 400_000).map(lambda seconds: WROTE + timedelta(seconds=seconds))
warnings = st.integers(5, 1380).map(lambda minutes: timedelta(minutes=minutes))


def looked(now: datetime, *, unanswered: bool = True, window: CustomerServiceWindow = OPENED) -> Look:
    return look(window, is_unanswered=unanswered, now=now, warn_before=BEFORE)


def test_first_look_is_when_the_warning_is_due() -> None:
    assert first_look_at(OPENED, warn_before=BEFORE) == END - BEFORE
    assert first_look_at(CustomerServiceWindow(None), warn_before=BEFORE) is None


def test_unanswered_customer_is_warned_of_once_and_then_the_window_is_closed() -> None:
    assert looked(END - BEFORE) == Look(Turn.WARN, END)
    assert looked(END) == Look(Turn.CLOSED, None)


def test_look_that_came_too_early_is_put_off() -> None:
    assert looked(END - BEFORE - HOUR) == Look(Turn.NOTHING, END - BEFORE)


def test_whoever_slept_past_the_warning_only_says_that_it_is_closed() -> None:
    assert looked(END + HOUR) == Look(Turn.CLOSED, None)
    assert looked(END + TOLD_FOR) == Look(Turn.NOTHING, None)


@pytest.mark.parametrize("now", [END - BEFORE, END, END + HOUR])
def test_answered_customer_asks_for_nothing(now: datetime) -> None:
    assert looked(now, unanswered=False) == Look(Turn.NOTHING, None)


def test_window_that_meta_closed_is_not_warned_of() -> None:
    refused = CustomerServiceWindow(WROTE, WROTE + HOUR)
    assert looked(END - BEFORE, window=refused) == Look(Turn.NOTHING, END)


@given(window=windows, now=moments, warn_before=warnings)
def test_warning_is_given_in_a_closing_window_and_at_no_other_time(
    window: CustomerServiceWindow, now: datetime, warn_before: timedelta
) -> None:
    found = look(window, is_unanswered=True, now=now, warn_before=warn_before)
    is_closing = window.state(now, closing=warn_before) is WindowState.CLOSING
    assert (found.turn is Turn.WARN) is is_closing


@given(window=windows, now=moments, warn_before=warnings)
def test_looks_go_forward_and_come_to_an_end(
    window: CustomerServiceWindow, now: datetime, warn_before: timedelta
) -> None:
    turns, moment = [], now
    for _ in range(4):
        found = look(window, is_unanswered=True, now=moment, warn_before=warn_before)
        turns.append(found.turn)
        if found.next_at is None:
            break
        assert found.next_at > moment
        moment = found.next_at
    else:
        pytest.fail("it never ends")
    assert turns.count(Turn.WARN) <= 1
    assert turns.count(Turn.CLOSED) <= 1
