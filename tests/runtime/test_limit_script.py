"""Does the script in Redis decide as the pure model does, for whatever comes in whatever order? On a real Redis."""

import itertools
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bridge.domain.meta_limits import (
    BRAKES,
    HOUR,
    MILLISECOND,
    SECOND,
    TENTATIVE,
    TIER_PERIOD,
    UNLIMITED,
    Go,
    Limit,
    MetaLimits,
    Rebuild,
    Urgency,
    Wait,
    Wish,
)
from bridge.runtime.limit_script import LimitScript

START = 1_800_000_000 * SECOND
numbers = (f"number{count}" for count in itertools.count())


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@dataclass(frozen=True, slots=True)
class Weather:
    """What a run is like: how far apart things happen, how many people there are, what is allowed."""

    throughput: int
    tier: int | None
    people: int
    pause: int
    refusals: float
    replies: float
    answered: float
    seed: int


weathers = st.builds(
    Weather,
    throughput=st.sampled_from([1, 3, 20, 80]),
    tier=st.sampled_from([None, 0, 1, 3, 20, UNLIMITED]),
    people=st.sampled_from([1, 4, 60, 1000]),
    pause=st.sampled_from([100, 5 * MILLISECOND, 40 * MILLISECOND, SECOND, 10 * SECOND, HOUR]),
    refusals=st.sampled_from([0.0, 0.02, 0.2]),
    replies=st.sampled_from([0.0, 0.3, 0.6, 1.0]),
    answered=st.sampled_from([0.5, 1.0]),
    seed=st.integers(0, 2**32),
)


@given(weather=weathers)
@settings(
    max_examples=100,
    deadline=None,
    phases=[Phase.generate],  # a seed does not get smaller
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_script_and_model_decide_alike(redis: Redis, weather: Weather) -> None:
    chance = random.Random(weather.seed)
    script = LimitScript(redis, number=next(numbers))
    await script.rebuild([])
    model = MetaLimits()
    now = business_now = START
    build = ""
    throughput, tier = weather.throughput, weather.tier
    answered: list[tuple[str, int]] = []
    drawn: dict[str, tuple[int, int | None]] = {}
    for count in range(120):
        pause = chance.randrange(2 * weather.pause)
        now += pause
        business_now += pause + (chance.choice([-HOUR, HOUR, 23 * HOUR]) if chance.random() < 0.03 else 0)
        member = f"m{count}"
        if chance.random() < 0.02:
            throughput, tier = chance.choice([1, 20, 80]), chance.choice([1, 2, 5, 20, UNLIMITED])
        contact = f"c{chance.randrange(weather.people)}"
        if chance.random() < weather.refusals:
            await _refuse(chance, model, script, contact, now=now, business_now=business_now)
            continue
        urgency = Urgency.REPLY if chance.random() < weather.replies else chance.choice(list(Urgency))
        is_template = urgency is not Urgency.REPLY
        wish = Wish(
            contact=contact,
            urgency=urgency,
            outside=is_template and chance.random() < 0.8,
            marketing=urgency is Urgency.MARKETING,
            template=chance.choice([None, "t1"]) if is_template else None,
        )
        arguments = {
            "member": member,
            "now": now,
            "business_now": business_now,
            "throughput": throughput,
            "tier": tier,
            "lead": chance.choice([0, 0, 7 * MILLISECOND]),
            "arrived": chance.choice([0, 0, 0, 0, 1, 7]),
            "settled": answered,
        }
        expected = model.decide(wish, **arguments)
        answer = await script.decide(wish, **arguments)
        answered = []
        assert answer.verdict == expected, (count, wish, arguments)
        if isinstance(expected, Rebuild):
            await script.rebuild(model.tier_state.people.items())
            model.tier_state.built = True
        if not isinstance(expected, Go):
            continue
        assert answer.at == now
        if chance.random() < 0.1:
            model.delay_pair(contact, late=300 * MILLISECOND)
            await script.delay_pair(contact, late=300 * MILLISECOND)
        if chance.random() < weather.answered:
            answered = [(member, now + SECOND + chance.randrange(50 * MILLISECOND))]
        if not wish.outside or tier == UNLIMITED:
            continue
        build = answer.build
        drawn[contact] = (model.tier_state.people[contact], expected.previous)
        match chance.choice(["confirm", "confirm later", "release", "nothing"]):
            case "confirm":
                held = model.tier_state.confirm(contact, business_now)
                counted_at = await script.confirm(contact, business_now=business_now, build=build, now=now)
                assert counted_at == (model.tier_state.people[contact] if held else None)
            case "release":
                drawn_at, previous = drawn[contact]
                model.tier_state.release(contact, drawn_at=drawn_at, previous=previous)
                await script.release(contact, drawn_at=drawn_at, previous=previous, now=now)


async def _refuse(
    chance: random.Random, model: MetaLimits, script: LimitScript, contact: str, *, now: int, business_now: int
) -> None:
    limit = chance.choice([*BRAKES, Limit.PAIR, Limit.MARKETING_CAP])
    if limit is Limit.PAIR:
        model.close_pair(contact, now=now, pause=4 * SECOND)
        await script.close_pair(contact, pause=4 * SECOND, now=now)
    elif limit is Limit.MARKETING_CAP:
        until = business_now + 24 * HOUR
        model.cap(contact, until=until)
        await script.cap(contact, business_now=business_now, until=until)
    else:
        template = "t1" if limit is Limit.TEMPLATE else ""
        jitter, at_least = chance.randrange(1000), chance.choice([0, 0, 90 * SECOND])
        name = "template:t1" if template else limit.value
        model.press(name, limit, now=now, jitter_permille=jitter, at_least=at_least)
        await script.press(limit, template=template, jitter_permille=jitter, at_least=at_least, now=now)


async def test_an_emptied_redis_counts_nobody_until_it_is_told_who_was_written_to(redis: Redis) -> None:
    script = LimitScript(redis, number=next(numbers))
    wish = Wish("c1", Urgency.MARKETING, outside=True)
    rest = {"member": "m", "business_now": START, "throughput": 80, "tier": 2, "now": START}
    assert (await script.decide(wish, **rest)).verdict == Rebuild()
    await script.rebuild([("c2", START - HOUR), ("c3", START - 2 * HOUR), ("c4", START - TIER_PERIOD)])
    verdict = (await script.decide(wish, **rest)).verdict
    assert verdict == Wait(TIER_PERIOD - 2 * HOUR, Limit.TIER)


async def test_who_forgot_the_decision_between_it_and_the_record_must_decide_again(redis: Redis) -> None:
    script = LimitScript(redis, number=next(numbers))
    await script.rebuild([])
    now = START
    wish = Wish("c1", Urgency.TRANSACTION, outside=True)
    rest = {"member": "m", "business_now": START, "throughput": 80, "tier": 2}
    await script.decide(Wish("c9", Urgency.REPLY), **{**rest, "now": now})
    now += 2 * SECOND
    answer = await script.decide(wish, **rest, now=now)
    assert answer.verdict == Go()
    await redis.delete(*[key for key in await redis.keys("deskbridge:send:tier:*") if b"state" in key])
    await script.rebuild([])
    assert await script.confirm("c1", business_now=START, build=answer.build, now=now) is None


async def test_what_a_dead_worker_drew_and_never_recorded_is_free_after_a_minute(redis: Redis) -> None:
    script = LimitScript(redis, number=next(numbers))
    await script.rebuild([])
    rest = {"member": "m", "business_now": START, "throughput": 80, "tier": 1}
    await script.decide(Wish("c9", Urgency.REPLY), **rest, now=START)
    later = START + 2 * SECOND
    assert (await script.decide(Wish("c1", Urgency.MARKETING, outside=True), **rest, now=later)).verdict == Go()
    other = Wish("c2", Urgency.MARKETING, outside=True)
    held = (await script.decide(other, **rest, now=later + SECOND)).verdict
    assert isinstance(held, Wait)
    assert held.limit is Limit.TIER
    assert (await script.decide(other, **rest, now=later + TENTATIVE)).verdict == Go()
