"""Do we slow down for a far side that does, and come back?"""

from bridge.domain.concurrency import BACK_OFF_SECONDS, LEAST, MOST, Concurrency


def test_brisk_far_side_gets_everything() -> None:
    concurrency = Concurrency()
    for step in range(1_000):
        concurrency.took(0.3, now=float(step))
    assert concurrency.allowed == MOST


def test_refusals_halve_it_once_for_all_that_was_under_way() -> None:
    concurrency = Concurrency()
    for _ in range(50):
        concurrency.refused(now=10.0)
    assert concurrency.allowed == MOST // 2
    for step in range(50):
        concurrency.refused(now=20.0 + step * BACK_OFF_SECONDS)
    assert concurrency.allowed == LEAST


def test_far_side_that_becomes_slow_gets_less_and_one_that_recovers_gets_it_back() -> None:
    concurrency = Concurrency()
    for step in range(20):
        concurrency.took(0.3, now=float(step))
    for step in range(60):
        concurrency.took(8.0, now=100.0 + step)
    slow = concurrency.allowed
    assert slow < MOST / 4
    for step in range(20_000):
        concurrency.took(0.3, now=1_000.0 + step)
    assert concurrency.allowed == MOST


def test_far_side_that_was_always_slow_is_not_punished_for_it() -> None:
    concurrency = Concurrency()
    for step in range(200):
        concurrency.took(6.0, now=float(step))
    assert concurrency.allowed == MOST
