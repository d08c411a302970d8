"""What do the limits hold, for people who look: the API, the console, the metrics? Redis where it answers, else what
was written down last."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import Connection

from bridge.domain import number_facts
from bridge.domain.forecast import Forecast, Use, forecast
from bridge.domain.meta_limits import UNLIMITED, Limit, Urgency
from bridge.domain.number_facts import NumberFacts
from bridge.runtime.limit_script import LimitScript, Look
from bridge.runtime.wiring import Store
from bridge.store import limits
from bridge.store.limits import Sample

LOOKED_BACK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Report:
    """`look` is None while Redis is away. `parked`: what waits for a place in the messaging limit."""

    facts: NumberFacts
    look: Look | None
    waiting: dict[Urgency, int]
    parked: int
    forecast: Forecast
    at: datetime

    def braked(self, limit: Limit) -> timedelta:
        """For how long Meta's own word makes everybody wait."""
        return timedelta(0) if self.look is None else timedelta(microseconds=self.look.braked[limit])


@dataclass(frozen=True, slots=True)
class _Kept:
    facts: NumberFacts
    samples: list[Sample]
    waiting: dict[Urgency, int]
    parked: int


async def report(store: Store, redis: Redis | None, *, channel_id: str, phone_number_id: str) -> Report:
    """Raises `StoreUnavailable`."""
    now = store.clock.business_now()

    def load(connection: Connection) -> _Kept:
        known, _ = limits.load(connection, channel_id=channel_id)
        samples = limits.load_samples(connection, channel_id=channel_id, since=now - LOOKED_BACK)
        return _Kept(
            number_facts.from_json(known), samples, limits.waiting_sends(connection), limits.parked_sends(connection)
        )

    kept = await store.database.read(load)
    look, last_place_at = await _look(redis, kept, phone_number_id=phone_number_id, now=now)
    known = kept.samples[-1].people if kept.samples else 0
    used = look.people if look is not None and look.people_known else known
    uses = [*(Use(sample.taken_at, sample.people) for sample in kept.samples), Use(now, used)]
    foreseen = forecast(
        kept.facts,
        used=used,
        uses=uses,
        waiting=kept.waiting,
        parked=kept.parked,
        last_place_at=last_place_at,
        now=now,
    )
    return Report(kept.facts, look, kept.waiting, kept.parked, foreseen, now)


async def _look(
    redis: Redis | None, kept: _Kept, *, phone_number_id: str, now: datetime
) -> tuple[Look | None, datetime | None]:
    """(what Redis holds, when the last of those that wait for a place gets one)."""
    if redis is None:
        return None, None
    script = LimitScript(redis, number=phone_number_id)
    script.portfolio = kept.facts.portfolio or phone_number_id
    tier = kept.facts.tier
    business_now = int(now.timestamp() * 1_000_000)
    try:
        look = await script.look(business_now=business_now)
        if not kept.parked or tier is None or tier == UNLIMITED or tier <= 0:
            return look, None
        # Each place is free again a day after it was taken: the queue goes round as often as it must.
        rounds, place = divmod(kept.parked - 1 - max(0, tier - look.people), tier)
        if rounds < 0:
            return look, now
        first = await script.place_free_in(place, business_now=business_now)
    except (RedisError, OSError):
        return None, None
    return look, None if first is None else now + timedelta(microseconds=first) + rounds * timedelta(days=1)
