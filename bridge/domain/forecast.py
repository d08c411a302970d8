"""How much of the limits is used, when will they be full, when is the queue empty, and what would raise them? Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.domain.meta_limits import UNLIMITED, Urgency
from bridge.domain.number_facts import NumberFacts

LEVELS = (70, 90, 100)
"""Percent of the messaging limit at which somebody should look."""
TREND = timedelta(hours=1)
VERIFIED = "verified"
FIRST_GROWTH = 250
GROWTH_PERIOD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Use:
    """How many people counted at a time."""

    at: datetime
    people: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """`level`: the highest of `LEVELS` that is reached, 0 below. `full_at`: at the rate of the last hour; None when it
    is not getting fuller. `blocks_growth`: what Meta still wants for the next messaging limit, in sentences.
    `drained_at`: when the last message that waits now will have left, None where nobody can say."""

    used: int
    limit: int | None
    level: int
    people_an_hour: float
    full_at: datetime | None
    next_limit: int | None
    blocks_growth: tuple[str, ...]
    backlog: int
    drained_at: datetime | None


def level_of(used: int, limit: int | None) -> int:
    if limit is None or limit == UNLIMITED:
        return 0
    percent = 100 if limit <= 0 else used * 100 // limit
    return max((level for level in LEVELS if percent >= level), default=0)


def people_an_hour(uses: Sequence[Use], *, now: datetime) -> float:
    """How fast the number of people grows, by what was seen in the last hour. `uses`: oldest first."""
    lately = [use for use in uses if now - TREND <= use.at <= now]
    if len(lately) < 2 or lately[-1].at <= lately[0].at:
        return 0.0
    return (lately[-1].people - lately[0].people) / ((lately[-1].at - lately[0].at) / timedelta(hours=1))


def forecast(
    facts: NumberFacts,
    *,
    used: int,
    uses: Sequence[Use],
    waiting: Mapping[Urgency, int],
    parked: int,
    last_place_at: datetime | None,
    now: datetime,
) -> Forecast:
    """`parked`: how many of what waits have to wait for a place in the messaging limit, `last_place_at`: when the last
    of them gets one, None: unknown."""
    rate = people_an_hour(uses, now=now)
    limit = facts.tier
    is_limited = limit is not None and limit != UNLIMITED
    full_at = None
    if is_limited and limit is not None:
        if used >= limit:
            full_at = now
        elif rate > 0:
            full_at = now + timedelta(hours=(limit - used) / rate)
    backlog = sum(waiting.values())
    moving = timedelta(seconds=(backlog - parked) / facts.per_second)
    drained_at = now + moving if not parked else None if last_place_at is None else max(now + moving, last_place_at)
    return Forecast(
        used=used,
        limit=limit,
        level=level_of(used, limit),
        people_an_hour=rate,
        full_at=full_at,
        next_limit=facts.next_tier,
        blocks_growth=tuple(_obstacles(facts, uses, now=now)),
        backlog=backlog,
        drained_at=drained_at,
    )


def _obstacles(facts: NumberFacts, uses: Sequence[Use], *, now: datetime) -> list[str]:
    """Fact sheet WhatsApp 5.1."""
    if facts.next_tier is None or facts.tier is None:
        return []
    found = []
    if facts.tier <= FIRST_GROWTH:
        if facts.verification != VERIFIED:
            found.append("Verify the business in Meta Business Settings > Security Center.")
    else:
        most = max((use.people for use in uses if use.at >= now - GROWTH_PERIOD), default=0)
        if most * 2 < facts.tier:
            found.append(
                f"Use half of the limit within 7 days: {(facts.tier + 1) // 2} people in 24 hours; the most was {most}."
            )
    if facts.quality in ("YELLOW", "RED"):
        found.append("Improve the number's quality: fewer customers block or report it, by better templates.")
    if facts.alert:
        found.append(f"Meta looked at it and said {facts.alert}: see WhatsApp Manager > Account Quality.")
    if facts.outreach_forbidden or (facts.outreach_until is not None and now < facts.outreach_until):
        found.append("Meta restricts what this business begins: see WhatsApp Manager > Account Quality.")
    return found
