"""Do the buckets keep what they promise, whoever draws and whenever?"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.throttle import (
    RollingWindow,
    account_pause,
    coalescing_pause,
    longest,
)

pauses = st.lists(st.floats(0, 9, allow_subnormal=False), max_size=120)


def drawn_by(bucket: RollingWindow, asked_after: list[float]) -> list[float]:
    """When somebody draws who asks after these pauses, and asks again exactly when told to."""
    now, drawn = 1_000.0, []
    for pause in asked_after:
        now += pause
        wait = bucket.wait(now)
        assert wait >= 0
        while wait > 0:
            now = max(now + wait, math.nextafter(now, math.inf))
            wait = bucket.wait(now)
            assert wait < 1e-6
        bucket.draw(now)
        drawn.append(now)
    return drawn


@given(limit=st.integers(1, 8), period=st.floats(0.5, 60), asked_after=pauses)
def test_no_rolling_period_ever_sees_more_than_the_limit(limit: int, period: float, asked_after: list[float]) -> None:
    drawn = drawn_by(RollingWindow(limit, period), asked_after)
    for first, beyond in zip(drawn, drawn[limit:], strict=False):
        assert beyond - first >= period - 1e-6


@given(limit=st.integers(1, 8), period=st.floats(0.5, 60), asked_after=pauses)
def test_nobody_waits_while_the_period_holds_fewer_than_the_limit(
    limit: int, period: float, asked_after: list[float]
) -> None:
    window = RollingWindow(limit, period)
    now, drawn = 1_000.0, list[float]()
    for pause in asked_after:
        now += pause
        inside = [at for at in drawn if at > now - period]
        wait = window.wait(now)
        assert (wait == 0) is (len(inside) < limit)
        if wait == 0:
            window.draw(now)
            drawn.append(now)
        else:
            assert wait <= period + 1e-6


def test_asking_draws_nothing() -> None:
    window = RollingWindow(1, 10)
    assert [window.wait(5.0) for _ in range(3)] == [0, 0, 0]
    window.draw(5.0)
    assert [window.wait(6.0) for _ in range(2)] == [9, 9]


@pytest.mark.parametrize("drawn", [0, 2])
def test_window_that_allows_nothing_makes_everybody_wait(drawn: int) -> None:
    window = RollingWindow(0, 10)
    for _ in range(drawn):
        window.draw(100.0)
    assert 0 < window.wait(100.0) <= 10


@pytest.mark.parametrize(
    ("used", "limit", "seconds"),
    [(0, 30, 0), (10, 30, 0), (20, 30, 10), (30, 30, 20), (90, 30, 20), (3, 0, 0), (0, 0, 0)],
)
def test_ticket_slows_down_to_the_pace_it_can_keep_up(used: int, limit: int, seconds: float) -> None:
    assert coalescing_pause(used=used, limit=limit, period_seconds=600) == pytest.approx(seconds)


@given(used=st.integers(0, 500), limit=st.integers(-1, 400))
def test_pauses_grow_with_use_and_are_bounded(used: int, limit: int) -> None:
    assert 0 <= account_pause(used=used, limit=limit) <= account_pause(used=used + 1, limit=limit) <= 5
    pause = coalescing_pause(used=used, limit=limit, period_seconds=600)
    assert 0 <= pause <= coalescing_pause(used=used + 1, limit=limit, period_seconds=600)
    assert pause <= 600 / max(limit, 1)


@pytest.mark.parametrize(("used", "seconds"), [(0, 0), (100, 0), (150, 2.5), (200, 5), (999, 5)])
def test_account_waits_for_company_from_half_of_its_budget(used: int, seconds: float) -> None:
    assert account_pause(used=used, limit=200) == pytest.approx(seconds)


def test_draw_from_several_waits_for_the_slowest() -> None:
    assert longest([0.0, 3.0, 1.0]) == 3.0
    assert longest([]) == 0.0
