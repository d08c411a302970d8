"""Who of this process sends next? One queue by urgency in front of the limits that all workers share.

A send asks (`take`), is put on record, holds what it was given (`hold`), leaves, and tells how it went (`answered`,
`refused`). What waits for the throughput waits here, in memory; what waits for long is told so and goes away. While
Redis is away nothing leaves: a limit that nobody keeps is one that Meta keeps for us.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bridge.domain.meta_limits import (
    HOUR,
    PAIR_LATE,
    SECOND,
    TIER_PERIOD,
    UNLIMITED,
    WINDOW,
    Go,
    Limit,
    Rebuild,
    SendKind,
    Urgency,
    Wait,
    Wish,
    urgency_of,
)
from bridge.domain.number_facts import NumberFacts
from bridge.runtime.clock import Clock
from bridge.runtime.limit_script import LimitScript, Look
from bridge.store.database import StoreUnavailable

WITHOUT_REDIS_SECONDS = 1.0
LONGEST_QUIET_SECONDS = 5.0
PATIENCE_SECONDS = 2.0
"""Who waits for the throughput for longer gives the place in the queue back, and is found again in order."""
AGED_SECONDS = 1.0
SHARED = frozenset({Limit.THROUGHPUT, Limit.NUMBER, Limit.ACCOUNT})
"""Limits that hold everybody up alike."""
REMEMBERED = 200
SETTLED_AT_ONCE = 200
CAPPED = 24 * HOUR
"""131049: another try within a day would make it worse (fact sheet WhatsApp 4.5)."""
BUILD_ATTEMPTS = 3
MARGIN_SECONDS = 0.0005

PeopleSince = Callable[[datetime], Awaitable[Iterable[tuple[str, datetime]]]]


@dataclass(frozen=True, slots=True)
class Held:
    """Not now. `until` is business time for `BUSINESS_LIMITS`, else real time; `limit` is None while Redis is away."""

    seconds: float
    limit: Limit | None

    @property
    def is_shared(self) -> bool:
        """Everybody waits for the same."""
        return self.limit is None or self.limit in SHARED

    @property
    def waits_for_place(self) -> bool:
        """Whoever comes first when there is room again goes first; until then nobody needs to ask."""
        return self.limit in (Limit.TIER, Limit.OUTREACH)

    @property
    def reason(self) -> str:
        return "redis" if self.limit is None else self.limit.value


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Not as things are. `code`: the one with which Meta would refuse it."""

    code: int


@dataclass(slots=True)
class Permit:
    """One message may leave. `counted`: the person counts towards the messaging limit because of it."""

    wish: Wish
    member: str
    at: int
    asked_at: float
    granted_at: float
    lead: float
    build: str
    counted: bool
    counted_at: int
    previous: int | None
    left_at: float = 0.0


@dataclass(slots=True)
class _Waiter:
    wish: Wish
    until: float
    verdict: "asyncio.Future[Permit | Held]"
    started_at: float = field(default_factory=time.monotonic)


class SendLimits:
    """What Meta allows one of our numbers. `contact_id` is our own id, never a number.

    `people_since` reads from the database who counts towards the messaging limit, and since when.
    """

    def __init__(self, redis: Redis, *, scope: str, clock: Clock, people_since: PeopleSince) -> None:
        self._script = LimitScript(redis, number=scope)
        self._clock = clock
        self._people_since = people_since
        self._facts = NumberFacts()
        self._name = secrets.token_hex(6)
        self._drawn = 0
        self._arrived = 0
        self._settled: deque[tuple[str, int]] = deque()
        self._queues: dict[Urgency, deque[_Waiter]] = {urgency: deque() for urgency in Urgency}
        self._served_at: dict[Urgency, float] = dict.fromkeys(Urgency, 0.0)
        self._called = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._gaps: deque[float] = deque(maxlen=20)
        self._trips: deque[float] = deque(maxlen=REMEMBERED)
        self._tier_free_at = 0.0
        self._quiet_until = 0.0

    @property
    def facts(self) -> NumberFacts:
        return self._facts

    def learn(self, facts: NumberFacts) -> None:
        """What Meta says of the number. A tier that changed lets those who wait for it ask anew."""
        if facts.tier != self._facts.tier:
            self._tier_free_at = 0.0
        self._facts = facts
        if facts.portfolio is not None:
            self._script.portfolio = facts.portfolio

    def arrived(self, count: int) -> None:
        """Customers wrote: that counts towards the throughput as well."""
        self._arrived += count

    @property
    def is_quiet(self) -> bool:
        """Nothing may leave for a while, whoever it is for: nobody needs to ask."""
        return time.monotonic() < self._quiet_until

    @property
    def seconds_to_free_tier(self) -> float:
        """For so long another new person certainly has to wait (business time); 0: ask."""
        return max(0.0, self._tier_free_at - self._clock.business_now().timestamp())

    async def take(
        self,
        contact_id: str,
        kind: SendKind = SendKind.REPLY,
        *,
        outside: bool = False,
        template: str | None = None,
        urgency: Urgency | None = None,
    ) -> Permit | Held | Forbidden:
        """May this message leave? `outside`: the customer service window is closed. `urgency` None: by the kind."""
        refusal = self._facts.refuses(kind, outside=outside, now=self._clock.business_now())
        if refusal is not None:
            return Forbidden(refusal)
        wish = Wish(
            contact_id, urgency_of(kind) if urgency is None else urgency, outside, kind is SendKind.MARKETING, template
        )
        loop = asyncio.get_running_loop()
        waiter = _Waiter(wish, loop.time() + PATIENCE_SECONDS, loop.create_future())
        queue = self._queues[wish.urgency]
        if not queue:
            self._served_at[wish.urgency] = loop.time()
        queue.append(waiter)
        self._called.set()
        if self._pump is None or self._pump.done():
            self._pump = loop.create_task(self._serve())
            self._pump.add_done_callback(self._ended)
        return await waiter.verdict

    def _ended(self, pump: "asyncio.Task[None]") -> None:
        """Whatever ended the queue, nobody waits in it for ever."""
        failure = None if pump.cancelled() else pump.exception()
        if not pump.cancelled() and failure is None:
            return
        for queue in self._queues.values():
            while queue:
                waiting = queue.popleft().verdict
                if not waiting.done() and failure is not None:
                    waiting.set_exception(failure)
                elif not waiting.done():
                    waiting.set_result(Held(WITHOUT_REDIS_SECONDS, None))

    async def _serve(self) -> None:
        """Until nobody waits. One question at a time: whoever is most urgent then asks next."""
        while (waiter := self._next()) is not None:
            self._called.clear()
            try:
                verdict = await self._ask(waiter)
            except StoreUnavailable as exc:
                self._leave_queue(waiter)
                if not waiter.verdict.done():
                    waiter.verdict.set_exception(exc)
                continue
            if isinstance(verdict, Held) and verdict.limit in SHARED:
                loop = asyncio.get_running_loop()
                if verdict.seconds < PATIENCE_SECONDS and loop.time() < waiter.until:
                    await self._pause(verdict.seconds)
                    continue
            if isinstance(verdict, Held) and verdict.is_shared and verdict.limit is not Limit.THROUGHPUT:
                self._quiet_until = time.monotonic() + min(verdict.seconds, LONGEST_QUIET_SECONDS)
            self._leave_queue(waiter)
            if not waiter.verdict.done():
                waiter.verdict.set_result(verdict)
            elif isinstance(verdict, Permit):
                await self.give_back(verdict)

    def _next(self) -> _Waiter | None:
        """The most urgent; but who is less urgent is not passed over for longer than a second."""
        now = asyncio.get_running_loop().time()
        waiting = []
        for urgency, queue in self._queues.items():
            while queue and queue[0].verdict.done():
                queue.popleft()
            if queue:
                waiting.append(urgency)
        if not waiting:
            return None
        aged = [urgency for urgency in waiting[1:] if now - self._served_at[urgency] >= AGED_SECONDS]
        return self._queues[aged[-1] if aged else waiting[0]][0]

    def _leave_queue(self, waiter: _Waiter) -> None:
        queue = self._queues[waiter.wish.urgency]
        if queue and queue[0] is waiter:
            queue.popleft()
        self._served_at[waiter.wish.urgency] = asyncio.get_running_loop().time()

    async def _pause(self, seconds: float) -> None:
        """Until then, or until somebody else asks, who may be more urgent."""
        try:
            async with asyncio.timeout(seconds + MARGIN_SECONDS):
                await self._called.wait()
        except TimeoutError:
            return

    async def _ask(self, waiter: _Waiter) -> Permit | Held:
        try:
            for _ in range(BUILD_ATTEMPTS):
                verdict = await self._decide(waiter.wish)
                if verdict is not None:
                    return verdict
                await self._rebuild()
        except (RedisError, OSError):
            pass
        return Held(WITHOUT_REDIS_SECONDS, None)

    async def _decide(self, wish: Wish) -> Permit | Held | None:
        """None: who counts towards the messaging limit has to be told first."""
        self._drawn += 1
        member = f"{self._name}-{self._drawn:x}"
        arrived, self._arrived = self._arrived, 0
        settled = [self._settled.popleft() for _ in range(min(len(self._settled), SETTLED_AT_ONCE))]
        lead = min(self._gaps, default=0.0)
        business_now = _microseconds(self._clock.business_now())
        asked_at = time.monotonic()
        try:
            answer = await self._script.decide(
                wish,
                member=member,
                business_now=business_now,
                throughput=self._facts.per_second,
                tier=self._facts.tier,
                lead=int(lead * SECOND),
                arrived=arrived,
                settled=settled,
            )
        except (RedisError, OSError):
            self._arrived += arrived
            self._settled.extendleft(reversed(settled))
            raise
        match answer.verdict:
            case Go(previous=previous):
                counted = wish.outside and self._facts.tier != UNLIMITED
                counted_at = max(business_now, previous or business_now)
                return Permit(
                    wish,
                    member,
                    answer.at,
                    asked_at,
                    time.monotonic(),
                    lead,
                    answer.build,
                    counted,
                    counted_at,
                    previous,
                )
            case Wait(microseconds=wait, limit=limit):
                if limit is Limit.TIER:
                    self._tier_free_at = (business_now + wait) / SECOND
                return Held(wait / SECOND, limit)
            case Rebuild():
                return None

    async def _rebuild(self) -> None:
        """Redis came back empty, or is new: who counts is on record."""
        since = self._clock.business_now() - timedelta(microseconds=TIER_PERIOD)
        people = await self._people_since(since)
        await self._script.rebuild((contact, _microseconds(at)) for contact, at in people)

    async def hold(self, permit: Permit) -> bool:
        """The send is on record: does what was decided still hold? False: decide again. Then the moment of leaving
        has come. Raises nothing: without Redis nothing leaves that counts a person."""
        if permit.counted:
            business_now = _microseconds(self._clock.business_now())
            try:
                counted_at = await self._script.confirm(
                    permit.wish.contact, business_now=business_now, build=permit.build
                )
            except (RedisError, OSError):
                return False
            if counted_at is None:
                return False
            permit.counted_at = counted_at
        gap = time.monotonic() - permit.granted_at
        self._gaps.append(gap)
        if gap < permit.lead:
            await asyncio.sleep(permit.lead - gap)
        permit.left_at = time.monotonic()
        return True

    async def answered(self, permit: Permit) -> None:
        """An answer came, whatever it says: Meta counted the message between its leaving and now."""
        now = time.monotonic()
        trip = now - permit.left_at
        self._trips.append(trip)
        # Both ways take at least the shortest trip of late, so Meta counted it that much before now.
        late = trip - 0.8 * min(self._trips)
        counted_until = permit.at + int((permit.left_at - permit.asked_at + late) * SECOND) + WINDOW
        self._settled.append((permit.member, counted_until))
        took = int((permit.left_at - permit.asked_at + late) * SECOND)
        if took > PAIR_LATE:
            with contextlib.suppress(RedisError, OSError):
                await self._script.delay_pair(permit.wish.contact, late=took)

    async def give_back(self, permit: Permit) -> None:
        """The message does not leave after all, or Meta took nothing: the person does not count for it."""
        if not permit.counted:
            return
        try:
            await self._script.release(permit.wish.contact, drawn_at=permit.counted_at, previous=permit.previous)
        except (RedisError, OSError):
            return  # the person counts for a day too many

    async def press(self, limit: Limit, *, contact_id: str = "", template: str = "", seconds: float = 0.0) -> None:
        """Meta itself said that a limit is used up: slow down at once. `seconds`: at least."""
        at_least = int(seconds * SECOND)
        try:
            if limit is Limit.PAIR:
                await self._script.close_pair(contact_id, pause=at_least)
            elif limit is Limit.MARKETING_CAP:
                now = _microseconds(self._clock.business_now())
                await self._script.cap(contact_id, business_now=now, until=now + CAPPED)
            else:
                await self._script.press(
                    limit, template=template, jitter_permille=random.randrange(1000), at_least=at_least
                )
        except (RedisError, OSError):
            return  # without Redis nothing is sent anyway

    async def look(self) -> Look:
        """What the limits hold at the moment. Raises `RedisError`."""
        return await self._script.look(business_now=_microseconds(self._clock.business_now()))

    async def count_sent(self) -> int:
        """How many messages left since this was asked last. Raises `RedisError`."""
        return await self._script.count_sent()

    async def close(self) -> None:
        """End the queue; who still waits is told to come again."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
