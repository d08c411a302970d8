"""Pauses grow, end somewhere, and never become nothing."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.retry import FIRST, LONGEST, backoff, pair_limit_pause

jitters = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(-3, 1), (0, 1), (1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (17, 300), (10**6, 300)]
)
def test_pause_doubles_from_a_second_to_five_minutes(attempts: int, seconds: int) -> None:
    assert backoff(attempts, jitter=0.5) == timedelta(seconds=seconds)


@given(attempts=st.integers(0, 10**9), jitter=jitters)
def test_jitter_spreads_a_pause_by_a_quarter_to_both_sides(attempts: int, jitter: float) -> None:
    middle = backoff(attempts, jitter=0.5)
    assert middle * 0.75 <= backoff(attempts, jitter=jitter) <= middle * 1.25
    assert FIRST * 0.75 <= backoff(attempts, jitter=jitter) <= LONGEST * 1.25


@given(attempts=st.integers(0, 40), jitter=jitters)
def test_later_attempt_never_waits_less(attempts: int, jitter: float) -> None:
    assert backoff(attempts, jitter=jitter) <= backoff(attempts + 1, jitter=jitter)


@pytest.mark.parametrize(("refusals", "seconds"), [(0, 1), (1, 1), (2, 4), (3, 16), (4, 64), (6, 1024), (99, 1024)])
def test_pause_after_131056_is_the_one_that_meta_asks_for(refusals: int, seconds: int) -> None:
    assert pair_limit_pause(refusals) == timedelta(seconds=seconds)
