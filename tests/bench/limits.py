"""How fast is the decision, how much of Meta's rate is used, and do replies pass what waits? Judged by the sandbox's
limits, message by message as they arrive."""

import asyncio
import statistics
import time

from redis.asyncio import Redis

from bridge.domain.meta_limits import UNLIMITED, Urgency, Wish
from bridge.runtime import embedded_redis
from bridge.runtime.limit_script import LimitScript
from sandbox.whatsapp.limits import Throughput
from tests.bench import seeding
from tests.bench.figures import percentile
from tests.bench.people import Population
from tests.bench.report import Line
from tests.bench.rig import Arrival, DatabaseKind, Rig

DECISIONS_A_SECOND = 1_000
LEVELS = {"COEXISTENCE": 20, "STANDARD": 80, "HIGH": 1_000}
SETTLE_SECONDS = 3.0
"""The first second is slow by design: nobody knows what left before."""
MARKETING = 100_000
AUDIENCE = 5_000
MARKETING_FIRST, REPLIES_FIRST = 1_000_000, 40_000_000
REPLY_EVERY_SECONDS = 0.25


def measure(database: DatabaseKind, *, quick: bool) -> list[Line]:
    """Decisions need no database, and are measured beside the first one alone."""
    seconds = 8.0 if quick else 25.0
    lines = [] if database.url is not None else _decisions(database, seconds=min(seconds, 10.0))
    for level, per_second in LEVELS.items():
        lines += _rate(database, level, per_second, seconds=seconds)
    return [*lines, *_beside_marketing(database, count=10_000 if quick else MARKETING, seconds=seconds)]


def _decisions(database: DatabaseKind, *, seconds: float) -> list[Line]:
    with Rig(database) as rig:
        rig.start_product(Population(0, 0))
        took = asyncio.run(_decide(embedded_redis.url(rig.data_dir), seconds))
    name = f"decision, p50 at {DECISIONS_A_SECOND:,}/s"
    return [
        Line("limits", "none", name, statistics.median(took) * 1000, "ms", target=0.3, at_most=True),
        Line("limits", "none", "decision, p99", percentile(took, 0.99) * 1000, "ms"),
    ]


async def _decide(redis_url: str, seconds: float) -> list[float]:
    took = []
    async with Redis.from_url(redis_url) as redis:
        script = LimitScript(redis, number="bench")
        began = time.monotonic()
        for number in range(int(DECISIONS_A_SECOND * seconds)):
            due = began + number / DECISIONS_A_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            wish = Wish(f"c{number}", Urgency.REPLY)
            asked = time.perf_counter()
            await script.decide(wish, member=f"m{number}", business_now=0, throughput=1_000, tier=UNLIMITED, settled=())
            took.append(time.perf_counter() - asked)
    return took


def _rate(database: DatabaseKind, level: str, per_second: int, *, seconds: float) -> list[Line]:
    count = int(per_second * (seconds + SETTLE_SECONDS) * 1.2)
    people = Population(min(count, 5_000), 0)
    with Rig(database) as rig:
        rig.start_product(people)
        everybody = range(people.customers)
        seeding.seed_waiting(rig.environ, count, urgency=Urgency.REPLY, first=REPLIES_FIRST, customers=everybody)
        rig.set_far_side(delay_seconds=0.0, level=level)
        rig.start("worker")
        rig.until(lambda: len(_sends(rig)) > per_second, "messages leave")
        time.sleep(seconds + SETTLE_SECONDS)
        sends = _sends(rig)
    since = sends[0].at + SETTLE_SECONDS
    counted = [one for one in sends if since <= one.at < since + seconds]
    rate = len(counted) / seconds
    name = f"at {per_second:,}/s"
    return [
        Line(
            "limits",
            database.name,
            f"messages sent, {name}",
            rate / per_second * 100,
            "%",
            target=98,
            limit="two cores carry no more" if level == "HIGH" else "",
            note=f"{rate:.1f}/s",
        ),
        Line(
            "limits",
            database.name,
            f"refusals by the sandbox's limits, {name}",
            _refusals(sends, per_second),
            "",
            target=0,
            at_most=True,
        ),
    ]


def _beside_marketing(database: DatabaseKind, *, count: int, seconds: float) -> list[Line]:
    """Replies of agents while so many marketing messages wait."""
    replies = int(seconds / REPLY_EVERY_SECONDS)
    with Rig(database) as rig:
        rig.start_product(Population(AUDIENCE + replies, 0))
        seeding.seed_waiting(
            rig.environ, count, urgency=Urgency.MARKETING, first=MARKETING_FIRST, customers=range(AUDIENCE)
        )
        rig.set_far_side(delay_seconds=0.0, level="STANDARD")
        rig.start("worker")
        rig.until(lambda: len(_sends(rig)) > LEVELS["STANDARD"], "messages leave")
        asked = {}
        for number in range(replies):
            one_customer = range(AUDIENCE + number, AUDIENCE + number + 1)
            seeding.seed_waiting(
                rig.environ, 1, urgency=Urgency.REPLY, first=REPLIES_FIRST + number, customers=one_customer
            )
            asked[REPLIES_FIRST + number] = time.monotonic()
            time.sleep(REPLY_EVERY_SECONDS)
        rig.until(lambda: len([one for one in _sends(rig) if _is_reply(one)]) >= replies, "every reply left")
        waited = [one.at - asked[one.marks[0]] for one in _sends(rig) if _is_reply(one)]
        refused = _refusals(_sends(rig), LEVELS["STANDARD"])
    beside = f"beside {count:,} waiting marketing messages"
    name = f"reply {beside}, p99 wait"
    return [
        Line("limits", database.name, name, percentile(waited, 0.99), "s", target=1.0, at_most=True),
        Line("limits", database.name, f"reply {beside}, p50 wait", statistics.median(waited), "s"),
        Line("limits", database.name, f"refusals {beside}", refused, "", target=0, at_most=True),
    ]


def _sends(rig: Rig) -> list[Arrival]:
    return [one for one in rig.arrivals() if one.call == "send"]


def _is_reply(one: Arrival) -> bool:
    return one.marks[0] >= REPLIES_FIRST


def _refusals(sends: list[Arrival], per_second: int) -> int:
    """How many the sandbox would have refused, had it been there."""
    throughput, refused = Throughput(), 0
    for one in sends:
        if throughput.full(now=one.at, per_second=per_second):
            refused += 1
            continue
        throughput.count(now=one.at)
    return refused
