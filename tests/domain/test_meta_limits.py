"""Does Meta never have to say no, and does nobody wait longer than its rules require? Against the sandbox's own limits.

A simulation without a clock: workers that crash, lose their answers and share one knowledge, customers who write, a
tier that moves, business time that is turned, a Redis that comes back empty. The sandbox judges each message at a
moment between its leaving and its answer.
"""

import heapq
import itertools
import random
from dataclasses import dataclass, field

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bridge.domain.meta_limits import (
    BUSINESS_LIMITS,
    FORGETFUL,
    HOUR,
    MILLISECOND,
    PAIR,
    PAIR_BURST,
    PAIR_LATE,
    SECOND,
    TENTATIVE,
    TIER_PERIOD,
    WINDOW,
    Go,
    Limit,
    MetaLimits,
    PairState,
    Rebuild,
    Tier,
    Urgency,
    Wait,
    Wish,
)
from sandbox.whatsapp.limits import PairLimit, Throughput
from sandbox.whatsapp.standing import Portfolio

START = 1_800_000_000 * SECOND
SHORTEST_WAY = MILLISECOND
no_shrinking = settings(max_examples=60, deadline=None, phases=[Phase.generate])


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is like."""

    per_second: int
    tier: int
    people: int
    sends: int
    together: int
    """Messages that are asked for at once, before the next pause."""
    pause: int
    way: int
    """How long a message may take to leave, then to be counted by Meta, and its answer to come back, each. More than
    0.5 s would move the end of a burst beyond what is kept back for it."""
    crashes: float
    wipes: float
    clock_moves: float
    replies: float
    """Part of the sends. Where Redis is wiped there are none: a quarter of them may leave in the second after it."""
    seed: int


plans = st.builds(
    Plan,
    per_second=st.sampled_from([20, 80]),
    tier=st.sampled_from([1, 5, 50]),
    people=st.sampled_from([1, 3, 40, 400]),
    sends=st.just(160),
    together=st.sampled_from([1, 8, 60, 160]),
    pause=st.sampled_from([10 * MILLISECOND, SECOND, 90 * SECOND, HOUR]),
    way=st.sampled_from([2 * MILLISECOND, 40 * MILLISECOND, 200 * MILLISECOND]),
    crashes=st.sampled_from([0.0, 0.0, 0.1]),
    wipes=st.just(0.0),
    clock_moves=st.sampled_from([0.0, 0.0, 0.05]),
    replies=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**32),
)


@dataclass(slots=True)
class Meta:
    """The sandbox's limits. Times in seconds, as it counts them."""

    per_second: int
    portfolio: Portfolio
    throughput: Throughput = field(default_factory=Throughput)
    pairs: PairLimit = field(default_factory=PairLimit)

    def would_refuse(self, wish: Wish, now: int, business_now: int) -> str:
        if self.throughput.full(now=now / SECOND, per_second=self.per_second):
            return "throughput"
        if not self.pairs.allows(("n", wish.contact), now=now / SECOND):
            return "pair"
        if wish.outside and self.portfolio.is_full_for(wish.contact, business_now / SECOND):
            return "tier"
        return ""

    def take(self, wish: Wish, now: int, business_now: int) -> None:
        assert self.would_refuse(wish, now, business_now) == ""
        self.throughput.count(now=now / SECOND)
        self.pairs.count(("n", wish.contact), now=now / SECOND)
        if wish.outside:
            self.portfolio.count(wish.contact, business_now / SECOND)


@dataclass(slots=True)
class Run:
    """One simulation. `later`: what happens, by real time."""

    plan: Plan
    chance: random.Random
    meta: Meta
    model: MetaLimits
    offset: int = 0
    record: dict[str, int] = field(default_factory=dict)
    """What the database knows of whom we wrote to."""
    build: int = 0
    settled: list[tuple[str, int]] = field(default_factory=list)
    later: list[tuple[int, int, tuple]] = field(default_factory=list)  # type: ignore[type-arg]  # one shape for each event
    order: itertools.count = field(default_factory=itertools.count)  # type: ignore[type-arg]  # of numbers
    busy: set[str] = field(default_factory=set)
    """Customers to whom a message is on its way, or waits."""
    lanes: dict[str, list[Wish]] = field(default_factory=dict)
    taken: int = 0
    waited: int = 0

    def at(self, when: int, *what: object) -> None:
        heapq.heappush(self.later, (when, next(self.order), what))

    def run(self) -> None:
        now = START
        for number in range(self.plan.sends):
            if number % self.plan.together == 0:
                now += self.chance.randrange(2 * self.plan.pause)
            is_reply = self.chance.random() < self.plan.replies
            urgency = Urgency.REPLY if is_reply else self.chance.choice([Urgency.TRANSACTION, Urgency.MARKETING])
            contact = f"c{self.chance.randrange(self.plan.people)}"
            self.at(now, "ask", Wish(contact, urgency, outside=not is_reply))
        steps = 0
        while self.later and (steps := steps + 1) < 20_000:
            when, _, what = heapq.heappop(self.later)
            self.step(when, *what)
        assert not self.later, "somebody waits for ever"
        assert not any(self.lanes.values())

    def step(self, now: int, what: str, *rest: object) -> None:
        if self.chance.random() < self.plan.wipes / 10:
            self.wipe()
        flying = [what, *(event[0] for _, _, event in self.later)]  # nobody turns the clock meanwhile
        if self.chance.random() < self.plan.clock_moves / 10 and "record" not in flying and "count" not in flying:
            self.offset += self.chance.choice([-HOUR, HOUR, 20 * HOUR])
        getattr(self, f"do_{what}")(now, *rest)

    def wipe(self) -> None:
        """Redis comes back empty: nobody knows of the last second or the last burst. Who counts is on record."""
        pairs = self.model.pairs
        self.model = MetaLimits(tier_state=Tier(built=False), pairs=pairs)
        self.settled = []
        self.build += 1

    def do_ask(self, now: int, wish: Wish, *, is_head: bool = False) -> None:
        if wish.contact in self.busy and not is_head:  # one after the other
            self.lanes.setdefault(wish.contact, []).append(wish)
            return
        self.busy.add(wish.contact)
        member = f"m{next(self.order)}"
        settled, self.settled = self.settled, []
        verdict = self.model.decide(
            wish,
            member=member,
            now=now,
            business_now=now + self.offset,
            throughput=self.plan.per_second,
            tier=self.plan.tier,
            settled=settled,
        )
        match verdict:
            case Go():
                record_at = now + self.chance.randrange(self.plan.way)
                if self.chance.random() < self.plan.crashes:
                    if self.chance.random() < 0.5:
                        self.free(wish.contact, now)
                        return  # died before it was on record
                    self.at(record_at, "record", wish, member, self.build, now, True)
                    return
                self.at(record_at, "record", wish, member, self.build, now, False)
            case Wait(microseconds=wait, limit=limit):
                self.check_wait(wish, now, wait, limit)
                self.waited += 1
                self.at(now + wait, "again", wish)
            case Rebuild():
                since_when = now + self.offset - TIER_PERIOD
                self.model.tier_state.people = {name: at for name, at in self.record.items() if at > since_when}
                self.model.tier_state.built = True
                self.at(now, "again", wish)

    def do_record(self, now: int, wish: Wish, member: str, build: int, decided_at: int, dies: bool) -> None:
        """The send is put on record; then what was decided must still hold."""
        if wish.outside:
            before = self.record.get(wish.contact)
            self.record[wish.contact] = max(now + self.offset, before or 0)
            if build != self.build or not self.model.tier_state.confirm(wish.contact, now + self.offset):
                if before is None:
                    del self.record[wish.contact]
                else:
                    self.record[wish.contact] = before
                self.at(now, "again", wish)
                return
        if dies:
            self.free(wish.contact, now)
            return  # before the call: nobody may know, so it counts
        counted_at = now + SHORTEST_WAY // 2 + self.chance.randrange(self.plan.way)
        answered_at = counted_at + SHORTEST_WAY // 2 + self.chance.randrange(self.plan.way)
        self.at(counted_at, "count", wish)
        self.at(answered_at, "answer", wish, member, answered_at, decided_at)

    def do_count(self, now: int, wish: Wish) -> None:
        self.meta.take(wish, now, now + self.offset)
        self.taken += 1

    def do_answer(self, _now: int, wish: Wish, member: str, answered_at: int, decided_at: int) -> None:
        counted_at = answered_at - SHORTEST_WAY // 2
        self.settled.append((member, counted_at + WINDOW))
        if counted_at - decided_at > PAIR_LATE:
            self.model.delay_pair(wish.contact, late=counted_at - decided_at)
        self.free(wish.contact, answered_at)

    def do_again(self, now: int, wish: Wish) -> None:
        self.do_ask(now, wish, is_head=True)

    def free(self, contact: str, now: int) -> None:
        """The next one to this customer."""
        self.busy.discard(contact)
        if self.lanes.get(contact):
            self.at(now, "ask", self.lanes[contact].pop(0))

    def check_wait(self, wish: Wish, now: int, wait: int, limit: Limit) -> None:
        """Was it right to wait, and for no longer than the rules require?"""
        assert wait > 0
        if limit is Limit.TIER:
            assert self.counted(wish, now) >= self.plan.tier
            assert self.counted(wish, now + wait) < self.plan.tier
            # Who died over a decision, before the clock was turned back, counts by the time that was.
            if not (self.plan.crashes and self.plan.clock_moves):
                assert self.counted(wish, now + wait - 1) >= self.plan.tier
        elif limit is Limit.PAIR:
            state = self.model.pairs[wish.contact]
            assert wait <= state.count * PAIR + state.late
        elif limit is Limit.THROUGHPUT:
            assert wait <= max(WINDOW + 2 * SECOND + self.plan.way * 2, FORGETFUL)
        else:
            raise AssertionError(f"nothing was refused, and {limit} makes wait")
        assert (limit in BUSINESS_LIMITS) is (limit is Limit.TIER)

    def counted(self, wish: Wish, now: int) -> int:
        """People who count at that time by what is on record, or is about to be; not this one."""
        since = now + self.offset - TIER_PERIOD
        known = {name for name, at in self.record.items() if at > since}
        drawn = {name for name in self.model.tier_state.tentative if self.model.tier_state.people[name] > since}
        assert wish.contact not in known
        return len(known | drawn)


def simulate(plan: Plan) -> Run:
    portfolio = Portfolio(tier="TIER_250", limit=plan.tier)
    run = Run(plan, random.Random(plan.seed), Meta(plan.per_second, portfolio), MetaLimits())
    run.run()
    return run


@no_shrinking
@given(plan=plans)
def test_meta_never_has_to_say_no(plan: Plan) -> None:
    run = simulate(plan)
    if plan.crashes == 0:
        assert run.taken == plan.sends


@settings(max_examples=30, deadline=None, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32), tier=st.sampled_from([2, 25, 250]))
def test_redis_that_comes_back_empty_again_and_again_in_24_hours_never_exceeds_the_tier(seed: int, tier: int) -> None:
    plan = Plan(80, tier, 2 * tier, 400, 1, 8 * 60 * SECOND, 40 * MILLISECOND, 0.05, 0.5, 0.0, 0.0, seed)
    run = simulate(plan)
    assert run.build > 3
    assert run.taken > tier


def test_nobody_waits_for_a_person_who_counts_already() -> None:
    model = MetaLimits(tier_state=Tier(people={"c1": START - HOUR}), born_at=0)
    arguments = {"now": START, "business_now": START, "throughput": 80, "tier": 1}
    assert isinstance(model.decide(Wish("c2", Urgency.MARKETING, outside=True), member="a", **arguments), Wait)
    assert isinstance(model.decide(Wish("c1", Urgency.MARKETING, outside=True), member="b", **arguments), Go)
    assert isinstance(model.decide(Wish("c2", Urgency.REPLY), member="c", **arguments), Go)


def test_place_that_a_dead_worker_took_is_free_after_a_minute() -> None:
    model = MetaLimits(born_at=0)
    first = Wish("c1", Urgency.TRANSACTION, outside=True)
    other = Wish("c2", Urgency.TRANSACTION, outside=True)
    arguments = {"throughput": 80, "tier": 1}
    model.decide(first, member="a", now=START, business_now=START, **arguments)
    before = model.decide(other, member="b", now=START + TENTATIVE - 1, business_now=START, **arguments)
    assert isinstance(before, Wait)
    assert isinstance(model.decide(other, member="c", now=START + TENTATIVE, business_now=START, **arguments), Go)


def test_marketing_is_not_starved_by_replies_and_replies_hardly_wait_for_it() -> None:
    """Both want more than there is, for 20 seconds."""
    model = MetaLimits(born_at=0)
    sent = {Urgency.REPLY: 0, Urgency.MARKETING: 0}
    for step in range(20_000):
        now = START + step * MILLISECOND
        for urgency in (Urgency.MARKETING, Urgency.REPLY):
            wish = Wish(f"{urgency}{step}", urgency)
            verdict = model.decide(wish, member=f"{urgency}{step}", now=now, business_now=now, throughput=20, tier=None)
            if isinstance(verdict, Go):
                sent[urgency] += 1
                model.free_at[f"{urgency}{step}"] = now + SECOND
    assert 10 <= sent[Urgency.MARKETING] <= 80
    assert sum(sent.values()) >= 0.98 * 20 * 20


def test_at_least_98_percent_of_the_rate_is_used() -> None:
    """Messages whose way varies by 15 milliseconds, at 80 a second, for a minute."""
    chance = random.Random(1)
    model = MetaLimits(born_at=0)
    now, sent = START, 0
    answers: list[tuple[int, str, int]] = []
    while now < START + 60 * SECOND:
        settled = [(name, at) for when, name, at in answers if when <= now]
        answers = [answer for answer in answers if answer[0] > now]
        wish = Wish(f"c{sent}", Urgency.MARKETING)
        verdict = model.decide(
            wish, member=f"m{sent}", now=now, business_now=now, throughput=80, tier=None, settled=settled
        )
        if isinstance(verdict, Wait):
            now += verdict.microseconds
            continue
        late = chance.randrange(15 * MILLISECOND)
        answers.append((now + 20 * MILLISECOND + late, f"m{sent}", now + late + WINDOW))
        sent += 1
    assert sent >= 0.98 * 80 * 60


def test_burst_of_45_leaves_at_once_and_is_paid_for() -> None:
    pair = PairState()
    for _ in range(PAIR_BURST):
        assert pair.wait(START) == 0
        pair.draw(START)
    assert pair.wait(START) == PAIR_BURST * PAIR
    assert pair.wait(START + PAIR_BURST * PAIR) == 0


def test_a_brake_doubles_and_then_probes() -> None:
    model = MetaLimits(born_at=0)
    arguments = {"throughput": 80, "tier": None}
    now = START
    for pause in (60 * SECOND, 120 * SECOND, 240 * SECOND):
        model.press(Limit.ACCOUNT.value, Limit.ACCOUNT, now=now)
        model.press(Limit.ACCOUNT.value, Limit.ACCOUNT, now=now + 1)  # was under way
        held = model.decide(Wish("c1", Urgency.REPLY), member="a", now=now, business_now=now, **arguments)
        assert held == Wait(pause, Limit.ACCOUNT)
        now += pause
    assert isinstance(model.decide(Wish("c2", Urgency.REPLY), member="b", now=now, business_now=now, **arguments), Go)
    probed = model.decide(Wish("c3", Urgency.REPLY), member="c", now=now, business_now=now, **arguments)
    assert probed == Wait(SECOND, Limit.ACCOUNT)
    now += 60 * SECOND
    for contact in ("c4", "c5", "c6"):
        assert isinstance(
            model.decide(Wish(contact, Urgency.REPLY), member=contact, now=now, business_now=now, **arguments), Go
        )
