"""Do the buckets keep what they promise, whoever draws and whenever?"""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.throttle import (
    PAIR_BURST,
    PAIR_SECONDS,
    PairLimit,
    RollingWindow,
    account_pause,
    coalescing_pause,
    longest,
)

META_PAIR_SECONDS = 6
META_BURST = 45
pauses = st.lists(st.floats(0, 9, allow_subnormal=False), max_size=120)
bursts = st.lists(st.sampled_from([0.0, 0.01, 0.1, 1.0, 5.4, 5.5, 5.6, 6.0, 6.1, 7.0, 300.0]), max_size=200)


def drawn_by(bucket: RollingWindow | PairLimit, asked_after: list[float]) -> list[float]:
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


def bursts_as_meta_counts(drawn: list[float]) -> list[tuple[float, int]]:
    """(when it began, how many): what follows within six seconds of a first message belongs to its burst."""
    found: list[tuple[float, int]] = []
    for at in drawn:
        if found and at < found[-1][0] + META_PAIR_SECONDS:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((at, 1))
    return found


@given(asked_after=st.one_of(pauses, bursts))
def test_pair_limit_holds_in_its_strict_reading(asked_after: list[float]) -> None:
    found = bursts_as_meta_counts(drawn_by(PairLimit(), asked_after))
    assert all(count <= META_BURST for _, count in found)
    for (began, count), (next_began, _) in itertools.pairwise(found):
        assert next_began >= began + count * META_PAIR_SECONDS


@given(asked_after=st.one_of(pauses, bursts), delays=st.lists(st.floats(0, 0.09), min_size=200, max_size=200))
def test_pair_limit_holds_although_the_network_moves_messages(asked_after: list[float], delays: list[float]) -> None:
    arrived = sorted(at + delay for at, delay in zip(drawn_by(PairLimit(), asked_after), delays, strict=False))
    for (began, count), (next_began, _) in zip(
        bursts_as_meta_counts(arrived), bursts_as_meta_counts(arrived)[1:], strict=False
    ):
        assert next_began >= began + count * META_PAIR_SECONDS
        assert count <= META_BURST


def test_burst_of_45_leaves_at_once_and_is_paid_for() -> None:
    pair = PairLimit()
    for _ in range(PAIR_BURST):
        assert pair.wait(0.0) == 0
        pair.draw(0.0)
    assert pair.wait(0.0) == pytest.approx(PAIR_BURST * PAIR_SECONDS)
    assert pair.wait(PAIR_BURST * PAIR_SECONDS) == 0


def test_one_message_every_six_seconds_never_waits_long() -> None:
    drawn = drawn_by(PairLimit(), [PAIR_SECONDS] * 50)
    assert drawn[-1] - drawn[0] == pytest.approx(49 * PAIR_SECONDS)


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
