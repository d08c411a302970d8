"""Who keeps an eye on the limits? Workers: what Meta says is read, who waits for a place is called, use is recorded.

`look` is cheap and done by every worker every second; `run_if_due` asks Meta, one worker at a time.
"""

from datetime import datetime, timedelta

import structlog
from redis.exceptions import RedisError
from sqlalchemy import Connection

from bridge.domain import number_facts
from bridge.domain.forecast import level_of
from bridge.domain.meta_limits import UNLIMITED, Limit
from bridge.runtime.services import Moment, Services
from bridge.store import channels, limits, outbox
from bridge.store.limits import Sample
from bridge.whatsapp import number
from connectors.errors import RemoteFailure

ASK_EVERY = timedelta(minutes=10)
ASK_AGAIN = timedelta(seconds=30)
SAMPLE_EVERY = timedelta(minutes=5)
SAMPLES_KEPT = timedelta(days=31)
ALERT_AGAIN = timedelta(hours=2)
"""A level that is left and reached again within this is not told twice."""
CALLED_AT_ONCE = 64
OVERDUE_AT_ONCE = 100

log = structlog.get_logger()


async def look(services: Services) -> None:
    """Know what was learnt, and call those whose place has become free. Raises `StoreUnavailable`."""
    known, _ = await services.database.read(lambda connection: limits.load(connection, channel_id=services.channel.id))
    services.send_limits.learn(number_facts.from_json(known))
    waiting = await services.database.read(limits.has_parked)
    if not waiting:
        return
    now = services.clock.business_now()
    places = await _free_places(services)

    def unit(connection: Connection) -> None:
        if places:
            outbox.unpark(connection, limit=places, now=now)
        # Who waits for longer than anything may is looked at once more, and told to the agent.
        overdue = now - services.dead_letter_after
        outbox.unpark(connection, limit=OVERDUE_AT_ONCE, now=now, created_before=overdue)

    await services.database.write(unit)


async def _free_places(services: Services) -> int:
    """How many of those that wait may ask now."""
    send_limits = services.send_limits
    most = max(CALLED_AT_ONCE, 2 * send_limits.facts.per_second)
    tier = send_limits.facts.tier
    if tier is None or send_limits.seconds_to_free_tier > 0:
        return 0
    try:
        found = await send_limits.look()
    except (RedisError, OSError):
        return 0
    if found.braked[Limit.OUTREACH] > 0:
        return 0
    if tier == UNLIMITED:
        return most
    if not found.people_known:
        return 1  # its asking makes them known
    return max(0, min(most, tier - found.people))


async def is_due(services: Services) -> bool:
    """Is it time to ask Meta, or to write down how much is used? A look, no claim."""
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> bool:
        _, claimed_at = limits.load(connection, channel_id=services.channel.id)
        return claimed_at <= moment.real - ASK_EVERY or _is_sample_due(connection, services, moment.business)

    return await services.database.read(unit)


async def run_if_due(services: Services) -> None:
    """Ask, and write down. Raises `StoreUnavailable`."""
    real_now = services.clock.real_now()
    channel_id = services.channel.id
    if await services.database.write(
        lambda connection: limits.claim(connection, channel_id=channel_id, every=ASK_EVERY, real_now=real_now)
    ):
        await _ask(services)
    await _sample(services)


async def _ask(services: Services) -> None:
    try:
        node = await services.cloud_api.phone_number(number.NUMBER_FIELDS)
        waba = await services.cloud_api.waba(number.WABA_FIELDS)
    except RemoteFailure as failure:
        log.warning("limits.unread", exc_type=type(failure).__name__)
        again_at = services.clock.real_now() - ASK_EVERY + ASK_AGAIN
        await services.database.write(
            lambda connection: limits.postpone(connection, channel_id=services.channel.id, claimed_at=again_at)
        )
        return
    news = number.read_nodes(node, waba, now=services.clock.business_now())

    def unit(connection: Connection) -> None:
        known, _ = limits.load(connection, channel_id=services.channel.id)
        facts = number_facts.merged(number_facts.from_json(known), news)
        limits.save(connection, channel_id=services.channel.id, facts=number_facts.to_json(facts))

    await services.database.write(unit)


def heed_change(connection: Connection, services: Services, field: str, value: object, moment: Moment) -> None:
    """A webhook of the account told something: known at once, and Meta is asked what is true now."""
    limits.ensure(connection, channel_id=services.channel.id)
    known, _ = limits.load(connection, channel_id=services.channel.id)
    before = number_facts.from_json(known)
    after = number.read_change(field, value, known=before)
    if after != before:
        limits.save(connection, channel_id=services.channel.id, facts=number_facts.to_json(after))
    if after.outreach_forbidden and not before.outreach_forbidden:
        channels.raise_alarm(connection, kind="outreach_forbidden", subject="whatsapp", now=moment.real)
    limits.ask_anew(connection, channel_id=services.channel.id)


def _is_sample_due(connection: Connection, services: Services, now: datetime) -> bool:
    last = limits.last_sample_at(connection, channel_id=services.channel.id)
    return last is None or abs(now - last) >= SAMPLE_EVERY


async def _sample(services: Services) -> None:
    now = services.clock.business_now()
    if not await services.database.read(lambda connection: _is_sample_due(connection, services, now)):
        return
    try:
        found = await services.send_limits.look()
        sent = await services.send_limits.count_sent()
    except (RedisError, OSError):
        return  # there is no knowing what was used; the next one tells
    facts = services.send_limits.facts
    waiting = await services.database.read(limits.waiting_sends)
    sample = Sample(now, found.people, facts.tier, sent, waiting, facts.quality)
    level = level_of(found.people, facts.tier)

    def unit(connection: Connection) -> bool:
        before = limits.load_samples(connection, channel_id=services.channel.id, since=now - ALERT_AGAIN)
        known = max((level_of(one.people, one.tier) for one in before), default=0)
        limits.keep_sample(connection, sample, channel_id=services.channel.id, forget_before=now - SAMPLES_KEPT)
        if level <= known:
            return False
        channels.raise_alarm(connection, kind="messaging_limit", subject=f"{level} percent used", now=now)
        return True

    if await services.database.write(unit):
        log.warning("limits.used", count=level)
