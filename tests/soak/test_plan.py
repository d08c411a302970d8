"""The same seed gives the same plan, and every plan is one that can be played."""

import itertools
from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from tests.soak.plan import GAP_SECONDS, Plan, make_plan

FAULTS = {"one": (0.5, 2.0), "two": (1.0, 1.0), "three": (3.0, 20.0)}

plans = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "traffic_seconds": st.floats(1.0, 400.0),
        "customers": st.integers(1, 30),
        "messages": st.integers(1, 12),
        "replies": st.integers(0, 60),
        "faults": st.dictionaries(st.sampled_from(sorted(FAULTS)), st.just((0.5, 4.0)), max_size=3),
    }
)


def _made(wish: dict[str, object]) -> Plan:
    seed = wish["seed"]
    assert isinstance(seed, int)
    return make_plan(seed, **{name: value for name, value in wish.items() if name != "seed"})  # type: ignore[arg-type]  # drawn above


@given(plans)
def test_same_seed_gives_the_same_plan(wish: dict[str, object]) -> None:
    assert _made(wish) == _made(dict(reversed(wish.items())))


def test_another_seed_gives_another_plan() -> None:
    def made(seed: int) -> Plan:
        return make_plan(seed, traffic_seconds=20, customers=5, messages=3, replies=5, faults=FAULTS)

    one, other = made(1), made(2)
    assert one.letters != other.letters
    assert one.replies != other.replies
    assert one.strikes != other.strikes
    assert one.word != other.word


@given(plans)
def test_each_customer_writes_what_was_asked_for_a_second_apart_at_least(wish: dict[str, object]) -> None:
    plan = _made(wish)
    of_customer: dict[int, list[float]] = defaultdict(list)
    for letter in sorted(plan.letters, key=lambda letter: letter.number):
        of_customer[letter.customer].append(letter.at_seconds)
    assert {len(times) for times in of_customer.values()} == {wish["messages"]}
    assert len(of_customer) == wish["customers"]
    for times in of_customer.values():
        assert all(later - earlier >= GAP_SECONDS * 0.999 for earlier, later in itertools.pairwise(times))
        assert times[0] >= 0.0
        assert times[-1] <= plan.traffic_seconds


@given(plans)
def test_replies_are_numbered_in_the_order_in_which_they_are_written(wish: dict[str, object]) -> None:
    plan = _made(wish)
    assert sum(reply.public for reply in plan.replies) == wish["replies"]
    written: Counter[int] = Counter()
    before = 0.0
    for reply in plan.replies:
        assert reply.number == written[reply.customer]
        assert reply.at_seconds >= before
        written[reply.customer] += 1
        before = reply.at_seconds


@given(plans)
def test_every_fault_strikes_while_there_is_traffic(wish: dict[str, object]) -> None:
    plan = _made(wish)
    faults = wish["faults"]
    assert isinstance(faults, dict)
    if plan.traffic_seconds > 3.0 or len(faults) != 1:
        assert {strike.fault for strike in plan.strikes} == set(faults)
    assert all(0.0 <= strike.at_seconds < plan.traffic_seconds for strike in plan.strikes)
    assert all(0.5 <= strike.length_seconds <= 4.0 for strike in plan.strikes)


def test_one_fault_strikes_again_and_again() -> None:
    plan = make_plan(1, traffic_seconds=60, customers=1, messages=1, replies=0, faults={"one": (0.5, 2.0)})
    assert len(plan.strikes) > 5
