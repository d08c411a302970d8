"""Do all processes together keep the limits, by the rules of the pure model? On a real Redis."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bridge.domain import throttle
from bridge.domain.throttle import PAIR_BURST, PAIR_SECONDS, PairLimit, RollingWindow
from bridge.runtime.limiter import ARRIVAL_SPREAD_SECONDS, PREFIX, Bucket, Buckets, HelpdeskBudget, SendLimits, Usage
from bridge.runtime.metrics import WorkerMetrics, read_counters
from connectors.errors import RateLimited
from connectors.interface import Draw

NEAR_SECONDS = 0.25
"""The script looks at Redis's clock a moment after the model did."""
ACCOUNT = Bucket("account", "window", 5, 60.0)
PAIR = Bucket("pair:c1", "pair", PAIR_BURST, PAIR_SECONDS)
scopes = (f"scope{number}" for number in itertools.count())
on_a_shared_redis = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def nowhere() -> AsyncIterator[Redis]:
    """A Redis that is away."""
    async with Redis.from_url("unix:///nonexistent/redis.sock") as client:
        yield client


@pytest.fixture
def buckets(redis: Redis) -> Buckets:
    return Buckets(redis, scope="one")


async def now_of(redis: Redis) -> float:
    seconds, microseconds = await redis.time()
    return float(seconds) + microseconds / 1e6


async def age(redis: Redis, seconds: float) -> None:
    """Let everything in Redis be so much older, its time to live included."""
    keys: Any = await redis.keys(f"{PREFIX}:*")
    for key in keys:
        if key.endswith(b":drawn"):
            members: Any = await redis.zrange(key, 0, -1, withscores=True)
            await redis.zadd(key, {member: score - seconds for member, score in members})
        else:
            for name in ("began", "closed_until", "left_until"):
                value = await redis.hget(key, name)
                if value is not None:
                    await redis.hset(key, name, f"{float(value) - seconds:.6f}")
        left = await redis.pttl(key)
        if 0 < left <= seconds * 1000:
            await redis.delete(key)
        elif left > 0:
            await redis.pexpire(key, left - int(seconds * 1000))


async def agree(redis: Redis, bucket: Bucket, model: RollingWindow | PairLimit, pauses: Sequence[float]) -> None:
    """Draw from both after each pause: the same answer, and the same wait."""
    buckets = Buckets(redis, scope=next(scopes))
    passed = 0.0
    for pause in pauses:
        await age(redis, pause)
        passed += pause
        now = await now_of(redis) + passed
        expected, after = model.wait(now), model.wait(now + NEAR_SECONDS)
        drawing = await buckets.take([bucket])
        wait, blocking = drawing.wait_seconds, drawing.blocking
        if (expected == 0) is (after == 0):
            assert wait == pytest.approx(expected, abs=NEAR_SECONDS)
        assert (blocking is None) is (wait == 0)
        if wait == 0:
            model.draw(now)


@on_a_shared_redis
@given(
    limit=st.integers(1, 5),
    period=st.sampled_from([1.0, 10.0, 60.0]),
    pauses=st.lists(st.sampled_from([0.0, 0.0, 0.4, 0.6, 2.9, 9.3, 31.7, 61.0]), max_size=25),
)
async def test_window_of_the_script_is_the_models(
    redis_url: str, limit: int, period: float, pauses: list[float]
) -> None:
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
        await agree(redis, Bucket("b", "window", limit, period), RollingWindow(limit, period), pauses)


@on_a_shared_redis
@given(
    pauses=st.one_of(
        st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.7, 2.1, 4.9, 5.75, 6.6, 13.7, 100.0, 290.0]), max_size=25),
        st.integers(PAIR_BURST - 2, PAIR_BURST + 3).map(lambda count: [0.0] * count + [200.0, 80.0, 0.0]),
    )
)
async def test_pair_limit_of_the_script_is_the_models(redis_url: str, pauses: list[float]) -> None:
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
        await agree(redis, PAIR, PairLimit(), pauses)


async def test_takers_side_by_side_never_get_more_than_the_limit(redis_url: str) -> None:
    bucket = Bucket("b", "window", 40, 60.0)

    async def take_many(times: int) -> int:
        async with Redis.from_url(redis_url) as own:
            buckets = Buckets(own, scope="shared")
            return [(await buckets.take([bucket])).wait_seconds for _ in range(times)].count(0)

    assert sum(await asyncio.gather(*(take_many(20) for _ in range(8)))) == 40


async def test_burst_to_one_customer_ends_after_45_for_all_takers_together(redis_url: str) -> None:
    async def take_many(times: int) -> int:
        async with Redis.from_url(redis_url) as own:
            buckets = Buckets(own, scope="shared")
            return [(await buckets.take([PAIR])).wait_seconds for _ in range(times)].count(0)

    assert sum(await asyncio.gather(*(take_many(20) for _ in range(4)))) == PAIR_BURST


async def test_draw_takes_from_every_bucket_or_from_none(buckets: Buckets) -> None:
    small = Bucket("small", "window", 1, 60.0)
    assert (await buckets.take([ACCOUNT, small])).wait_seconds == 0
    refused = await buckets.take([ACCOUNT, small])
    assert refused.blocking == small
    assert 59 < refused.wait_seconds <= 60
    assert refused.usage["account"].used == 1


async def test_two_far_sides_share_nothing(redis: Redis) -> None:
    bucket = Bucket("account", "window", 1, 60.0)
    for scope in ("one", "two"):
        assert (await Buckets(redis, scope=scope).take([bucket])).wait_seconds == 0


async def test_closed_bucket_gives_nothing_until_its_time(buckets: Buckets, redis: Redis) -> None:
    await buckets.close("account", seconds=90)
    drawing = await buckets.take([ACCOUNT])
    wait, blocking = drawing.wait_seconds, drawing.blocking
    assert 89 < wait <= 90
    assert blocking == ACCOUNT
    await age(redis, 91)
    assert (await buckets.take([ACCOUNT])).wait_seconds == 0


async def test_pair_closed_by_meta_gives_nothing_until_its_time(buckets: Buckets, redis: Redis) -> None:
    assert (await buckets.take([PAIR])).wait_seconds == 0
    await buckets.close("pair:c1", seconds=1024)
    assert (await buckets.take([PAIR])).wait_seconds > 1023
    await age(redis, 1000)
    assert 0 < (await buckets.take([PAIR])).wait_seconds <= 24
    await age(redis, 25)
    assert (await buckets.take([PAIR])).wait_seconds == 0


async def test_shorter_closing_never_ends_a_longer_one(buckets: Buckets) -> None:
    await buckets.close("account", seconds=90)
    await buckets.close("account", seconds=2)
    assert (await buckets.take([ACCOUNT])).wait_seconds > 80


async def test_what_the_far_side_says_is_left_counts_until_its_reset(buckets: Buckets, redis: Redis) -> None:
    await buckets.learn("account", limit=100, remaining=2, reset_seconds=30)
    assert [(await buckets.take([ACCOUNT])).wait_seconds for _ in range(2)] == [0, 0]
    wait = (await buckets.take([ACCOUNT])).wait_seconds
    assert 29 < wait <= 30
    await age(redis, 31)
    assert (await buckets.take([ACCOUNT])).wait_seconds == 0


async def test_answer_that_overtook_another_never_gives_back_what_was_drawn(buckets: Buckets) -> None:
    await buckets.learn("account", limit=100, remaining=1, reset_seconds=30)
    await buckets.learn("account", limit=100, remaining=9, reset_seconds=30)
    assert (await buckets.take([ACCOUNT])).wait_seconds == 0
    assert (await buckets.take([ACCOUNT])).wait_seconds > 0


@pytest.mark.parametrize("limit", [2, 9])
async def test_limit_of_the_far_side_wins_over_the_one_we_assumed(buckets: Buckets, limit: int) -> None:
    await buckets.learn("account", limit=limit, remaining=1000, reset_seconds=60)
    taken = [(await buckets.take([ACCOUNT])).wait_seconds for _ in range(12)]
    assert taken.count(0) == limit


async def test_limit_that_sinks_below_what_was_drawn_waits_for_enough_to_pass(buckets: Buckets, redis: Redis) -> None:
    for _ in range(ACCOUNT.limit):
        await buckets.take([ACCOUNT])
        await age(redis, 5)
    await buckets.learn("account", limit=2, remaining=100, reset_seconds=60)
    wait = (await buckets.take([ACCOUNT])).wait_seconds
    # Drawn 25, 20, 15, 10 and 5 seconds ago: the fourth of them must be a minute old.
    assert wait == pytest.approx(50, abs=1)


async def test_usage_counts_the_last_period_alone(buckets: Buckets, redis: Redis) -> None:
    first = await buckets.take([ACCOUNT])
    assert first.usage == {"account": Usage(1, ACCOUNT.limit, 60.0)}
    await age(redis, 50)
    await buckets.take([ACCOUNT])
    await age(redis, 20)
    await buckets.learn("account", limit=7, remaining=7, reset_seconds=9)
    assert (await buckets.take([ACCOUNT])).usage == {"account": Usage(2, 7, 60.0)}


async def test_wiped_redis_costs_the_count_and_nothing_else(buckets: Buckets, redis: Redis) -> None:
    for _ in range(ACCOUNT.limit):
        await buckets.take([ACCOUNT])
    assert (await buckets.take([ACCOUNT])).wait_seconds > 0
    await redis.flushdb()
    await redis.script_flush()
    assert (await buckets.take([ACCOUNT])).wait_seconds == 0


async def test_nothing_of_a_limit_stays_in_redis_for_ever(buckets: Buckets, redis: Redis) -> None:
    await buckets.take([ACCOUNT, PAIR])
    await buckets.close("account", seconds=5)
    await buckets.learn("other", limit=5, remaining=5, reset_seconds=5)
    keys = await redis.keys("*")
    assert len(keys) == 4
    for key in keys:
        assert 0 < await redis.ttl(key) <= 3700


# What Meta allows


async def test_send_names_the_limit_that_holds_it_back(redis: Redis) -> None:
    limits = SendLimits(Buckets(redis, scope="wa"))
    assert await limits.take("c1") == (0, None)
    await limits.close("pair", contact_id="c1", seconds=20)
    assert (await limits.take("c1"))[1] == "pair"
    assert await limits.take("c2") == (0, None)
    await limits.close("throughput", contact_id="c2", seconds=20)
    assert (await limits.take("c3"))[1] == "throughput"


async def test_one_number_never_sends_more_than_meta_takes_in_a_second(redis: Redis) -> None:
    limits = SendLimits(Buckets(redis, scope="wa"))
    began = await now_of(redis)
    taken = await asyncio.gather(*(limits.take(f"c{number}") for number in range(200)))
    seconds = int(await now_of(redis) - began) + 1
    assert [wait for wait, _ in taken].count(0) >= throttle.THROUGHPUT_PER_SECOND
    assert [wait for wait, _ in taken].count(0) <= throttle.THROUGHPUT_PER_SECOND * seconds


async def test_send_waits_while_redis_is_away(nowhere: Redis) -> None:
    limits = SendLimits(Buckets(nowhere, scope="wa"))
    wait, limit = await limits.take("c1")
    assert wait > 0
    assert limit == "redis"
    await limits.close("pair", contact_id="c1", seconds=20)


# What the helpdesk allows

CALL = [Draw("account", 3, 60), Draw("ticket:7", 2, 600)]


@pytest.fixture
def budget(buckets: Buckets) -> HelpdeskBudget:
    return HelpdeskBudget(buckets, WorkerMetrics())


@pytest.fixture
def lonely(nowhere: Redis) -> HelpdeskBudget:
    return HelpdeskBudget(Buckets(nowhere, scope="one"), WorkerMetrics())


@pytest.fixture(params=["shared", "alone"])
async def either(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[HelpdeskBudget]:
    """With Redis, and without."""
    url = redis_url if request.param == "shared" else "unix:///nonexistent/redis.sock"
    async with Redis.from_url(url) as client:
        yield HelpdeskBudget(Buckets(client, scope="one"), WorkerMetrics())


async def test_call_beyond_the_budget_is_refused_with_the_bucket_and_the_wait(
    either: HelpdeskBudget,
) -> None:
    await either.learn("search", limit=9, remaining=9, reset_seconds=60)  # limits are no guesses any more
    for _ in range(2):
        await either.take("comment", CALL)
    with pytest.raises(RateLimited) as ticket:
        await either.take("comment", CALL)
    assert ticket.value.limit == "ticket:7"
    assert 591 < ticket.value.after_seconds <= 600 + ARRIVAL_SPREAD_SECONDS
    await either.take("comment", CALL[:1])
    with pytest.raises(RateLimited) as account:
        await either.take("comment", CALL[:1])
    assert account.value.limit == "account"
    assert 51 < account.value.after_seconds <= 60 + ARRIVAL_SPREAD_SECONDS


async def test_calls_that_left_are_counted_by_cause(redis: Redis, buckets: Buckets) -> None:
    metrics = WorkerMetrics()
    budget = HelpdeskBudget(buckets, metrics)
    for cause in ("comment", "comment", "read"):
        await budget.take(cause, [CALL[0]])
    with pytest.raises(RateLimited):
        await budget.take("comment", [CALL[0]])
    await metrics.flush(redis)
    counters = await read_counters(redis)
    assert counters["deskbridge_helpdesk_calls_total", "comment"] == 2
    assert counters["deskbridge_helpdesk_calls_total", "read"] == 1


async def test_account_that_the_helpdesk_closed_is_left_alone_and_opens_again(
    either: HelpdeskBudget,
) -> None:
    await either.close("account", seconds=30)
    with pytest.raises(RateLimited) as refused:
        await either.take("comment", CALL)
    assert 0 < refused.value.after_seconds <= 30
    await either.take("read", [Draw("ticket:8", 1, 60)])


async def test_bucket_closed_while_redis_was_away_opens_by_itself(lonely: HelpdeskBudget) -> None:
    await lonely.close("account", seconds=0)
    await lonely.take("comment", CALL)


async def test_far_side_that_allows_nothing_is_left_alone(budget: HelpdeskBudget) -> None:
    await budget.learn("account", limit=0, remaining=0, reset_seconds=0)
    with pytest.raises(RateLimited):
        await budget.take("comment", CALL)


async def test_learning_without_redis_is_no_failure(lonely: HelpdeskBudget) -> None:
    await lonely.learn("account", limit=1, remaining=0, reset_seconds=9)
    await lonely.take("comment", CALL)


def pause(budget: HelpdeskBudget) -> float:
    return budget.coalescing_pause("ticket:7", account_bucket="account")


async def test_messages_wait_for_company_once_a_third_of_the_tickets_writes_is_used(
    budget: HelpdeskBudget, redis: Redis
) -> None:
    write = [Draw("ticket:7", 30, 600)]
    pauses = []
    for _ in range(30):
        await budget.take("comment", write)
        pauses.append(pause(budget))
    assert pauses[:10] == [0] * 10
    assert pauses[10:] == pytest.approx([n * (600 + ARRIVAL_SPREAD_SECONDS) / 600 for n in range(1, 21)])
    await age(redis, 601)
    await budget.take("comment", write)
    assert pause(budget) == 0


async def test_messages_wait_for_company_when_the_account_is_short(budget: HelpdeskBudget) -> None:
    await budget.learn("account", limit=10, remaining=10, reset_seconds=60)
    pauses = []
    for _ in range(10):
        await budget.take("comment", [Draw("account", 10, 60)])
        pauses.append(pause(budget))
    assert pauses == pytest.approx([0, 0, 0, 0, 0, 1, 2, 3, 4, 5])


async def test_limits_that_are_guesses_make_nobody_wait_long(budget: HelpdeskBudget) -> None:
    await budget.take("comment", [Draw("account", 1, 60)])
    with pytest.raises(RateLimited) as guessed:
        await budget.take("comment", [Draw("account", 1, 60)])
    assert guessed.value.after_seconds == 2
    await budget.learn("account", limit=1, remaining=0, reset_seconds=50)
    with pytest.raises(RateLimited) as told:
        await budget.take("comment", [Draw("account", 1, 60)])
    assert told.value.after_seconds > 40


async def test_nobody_waits_for_company_while_redis_is_away(lonely: HelpdeskBudget) -> None:
    assert pause(lonely) == 0
