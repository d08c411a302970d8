"""Does a process send in the right order, as fast as Meta allows and no faster? On a real Redis."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from redis.asyncio import Redis

from bridge.domain.meta_limits import UNLIMITED, Limit, SendKind
from bridge.domain.number_facts import NumberFacts
from bridge.runtime.clock import Clock
from bridge.runtime.send_limits import Forbidden, Held, Permit, SendLimits

scopes = (f"scope{number}" for number in itertools.count())


class People:
    """What the database knows of whom we wrote to."""

    def __init__(self) -> None:
        self.counted: dict[str, datetime] = {}
        self.asked = 0

    async def __call__(self, since: datetime) -> list[tuple[str, datetime]]:
        self.asked += 1
        return [(contact, at) for contact, at in self.counted.items() if at > since]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def people() -> People:
    return People()


async def limits_of(redis: Redis, people: People, **facts: object) -> SendLimits:
    """Ready at once: what is new to Redis waits for a second first."""
    limits = SendLimits(redis, scope=next(scopes), clock=Clock(), people_since=people)
    limits.learn(NumberFacts(**{"throughput": 80, "tier": 250, **facts}))  # type: ignore[arg-type]  # any of them
    await redis.hset(f"deskbridge:send:{limits._script._number.rpartition(':')[2]}:state", "born", "1")
    return limits


def granted(answer: Permit | Held | Forbidden) -> Permit:
    assert isinstance(answer, Permit)
    return answer


async def test_send_names_the_limit_that_holds_it_back(redis: Redis, people: People) -> None:
    limits = await limits_of(redis, people)
    granted(await limits.take("c1"))
    await limits.press(Limit.PAIR, contact_id="c1", seconds=20)
    held = await limits.take("c1")
    assert isinstance(held, Held)
    assert held.reason == "pair"
    granted(await limits.take("c2"))
    await limits.press(Limit.NUMBER, seconds=20)
    assert isinstance(await limits.take("c3"), Held)
    assert limits.is_quiet


async def test_nothing_leaves_while_redis_is_away(people: People) -> None:
    async with Redis.from_url("unix:///nonexistent/redis.sock") as nowhere:
        limits = SendLimits(nowhere, scope="s", clock=Clock(), people_since=people)
        held = await limits.take("c1")
        assert isinstance(held, Held)
        assert held.reason == "redis"
        assert held.seconds > 0
        await limits.press(Limit.PAIR, contact_id="c1", seconds=20)


async def test_what_is_urgent_passes_what_waits(redis: Redis, people: People) -> None:
    limits = await limits_of(redis, people, throughput=10, tier=UNLIMITED)
    order: list[str] = []

    async def send(name: str, kind: SendKind) -> None:
        permit = granted(await limits.take(name, kind, outside=kind is not SendKind.REPLY))
        order.append(name)
        assert await limits.hold(permit)
        await limits.answered(permit)

    marketing = [asyncio.create_task(send(f"m{number}", SendKind.MARKETING)) for number in range(12)]
    await asyncio.sleep(0)
    replies = [asyncio.create_task(send(f"r{number}", SendKind.REPLY)) for number in range(4)]
    await asyncio.gather(*marketing, *replies)
    assert [name for name in order if name.startswith("r")] == ["r0", "r1", "r2", "r3"]
    assert order.index("r3") < order.index("m4")


async def test_an_emptied_redis_asks_the_database_who_counts(redis: Redis, people: People) -> None:
    limits = await limits_of(redis, people, tier=2)
    now = Clock().business_now()
    people.counted = {"c1": now - timedelta(hours=1), "c2": now - timedelta(hours=2)}
    held = await limits.take("c3", SendKind.UTILITY, outside=True)
    assert isinstance(held, Held)
    assert held.waits_for_place
    assert held.seconds == pytest.approx(22 * 3600 + 60, abs=5)
    assert limits.seconds_to_free_tier > 0
    assert people.asked == 1
    granted(await limits.take("c1", SendKind.UTILITY, outside=True))
    await redis.flushdb()
    assert isinstance(await limits.take("c4", SendKind.MARKETING, outside=True), Held)
    assert people.asked == 2


async def test_a_decision_that_redis_forgot_before_it_was_on_record_holds_no_more(redis: Redis, people: People) -> None:
    limits = await limits_of(redis, people, tier=1)
    first = granted(await limits.take("c1", SendKind.UTILITY, outside=True))
    await redis.flushdb()
    await limits.take("c2", SendKind.REPLY)
    assert not await limits.hold(first)


async def test_a_refused_send_gives_the_place_back(redis: Redis, people: People) -> None:
    limits = await limits_of(redis, people, tier=1)
    permit = granted(await limits.take("c1", SendKind.UTILITY, outside=True))
    assert await limits.hold(permit)
    await limits.answered(permit)
    assert isinstance(await limits.take("c2", SendKind.UTILITY, outside=True), Held)
    await limits.give_back(permit)
    granted(await limits.take("c2", SendKind.UTILITY, outside=True))


async def test_customer_who_had_enough_marketing_gets_none_and_everything_else(redis: Redis, people: People) -> None:
    limits = await limits_of(redis, people)
    await limits.press(Limit.MARKETING_CAP, contact_id="c1")
    held = await limits.take("c1", SendKind.MARKETING, outside=True)
    assert isinstance(held, Held)
    assert held.limit is Limit.MARKETING_CAP
    assert held.seconds == pytest.approx(24 * 3600, abs=5)
    granted(await limits.take("c1", SendKind.UTILITY, outside=True))


async def test_what_meta_has_switched_off_is_never_asked_for(redis: Redis, people: People) -> None:
    limits = await limits_of(redis, people, marketing_off=True, outreach_forbidden=True)
    assert await limits.take("c1", SendKind.MARKETING) == Forbidden(131063)
    assert await limits.take("c1", SendKind.UTILITY, outside=True) == Forbidden(131048)
    granted(await limits.take("c1", SendKind.UTILITY))


async def test_after_131048_replies_go_on_and_nothing_is_begun(redis: Redis, people: People) -> None:
    limits = await limits_of(redis, people)
    await limits.press(Limit.OUTREACH)
    held = await limits.take("c1", SendKind.UTILITY, outside=True)
    assert isinstance(held, Held)
    assert held.limit is Limit.OUTREACH
    assert held.seconds >= 3599
    granted(await limits.take("c1"))
    assert not limits.is_quiet
