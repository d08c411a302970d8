"""May this message leave now, must it wait, and for how long? Meta's limits to what a number may send. Pure.

`bridge/runtime/send_limits.lua` keeps these same rules for all workers together; this is the model that it is tested
against. Times are whole microseconds: `now` real (throughput, pace to one customer, brakes), `business_now` the
clock that may be moved (the 24 hours of the messaging limit, fact sheet WhatsApp 5).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

MILLISECOND = 1_000
SECOND = 1_000 * MILLISECOND
HOUR = 3_600 * SECOND

WINDOW = SECOND + 2 * MILLISECOND
"""How long a message counts towards the throughput, from the moment at which Meta counted it at the latest."""
ANSWER = 2 * SECOND
"""For as long a slot is kept for a call whose answer nobody told of: its worker died."""
PAIR = 6_100 * MILLISECOND
PAIR_BURST = 45
PAIR_BURST_END = 5_500 * MILLISECOND
PAIR_LATE = 50 * MILLISECOND
"""A message that took no longer needs no word: less is kept back anyway."""
"""To one customer: one message per 6 s; within 6 s up to 45 at once, then a pause of 6 s for each of them, counted from
the first (fact sheet WhatsApp 5.4, in its strict reading). A little is kept back from both, for the network."""
TIER_PERIOD = 24 * HOUR + 60 * SECOND
"""A person counts for 24 h; a minute more, for clocks that differ."""
TIER_KEPT = 48 * HOUR
"""So long it is remembered, for a clock that is turned back."""
TENTATIVE = 60 * SECOND
"""So long after the decision a send that counts a new person must be on record; else the person is free again."""
UNLIMITED = -1

PACE_BURST = 100 * MILLISECOND
YIELD = 20 * MILLISECOND
WANTED = 250 * MILLISECOND
STARVED = SECOND
"""What is urgent passes first; who was passed over for so long gets the next place."""
FORGETFUL = 1_100 * MILLISECOND
"""After Redis came back empty nobody knows what left in the last second."""
INBOUND_MEMORY_SECONDS = 10
SLOWEST_PERMILLE = 100
RECOVERY_PERMILLE = 25
"""After 130429 half the rate, and this much more each second."""
UNKNOWN_TIER_WAIT = 5 * SECOND


class SendKind(StrEnum):
    """What a message is to Meta: free text and files within the window, or a template by its category."""

    REPLY = "reply"
    AUTHENTICATION = "authentication"
    UTILITY = "utility"
    MARKETING = "marketing"


class Urgency(IntEnum):
    """Who goes first when not all may go. Kept with each effect."""

    REPLY = 0
    TRANSACTION = 1
    MARKETING = 2


def urgency_of(kind: SendKind) -> Urgency:
    match kind:
        case SendKind.REPLY:
            return Urgency.REPLY
        case SendKind.AUTHENTICATION | SendKind.UTILITY:
            return Urgency.TRANSACTION
        case SendKind.MARKETING:
            return Urgency.MARKETING


class Limit(StrEnum):
    """Why a message waits."""

    THROUGHPUT = "throughput"
    PAIR = "pair"
    NUMBER = "number"
    """130429: our number was too fast."""
    ACCOUNT = "account"
    """4, 80007, 429: too many calls."""
    OUTREACH = "outreach"
    """131048, 131064: Meta limits what we begin. Replies go on."""
    TEMPLATE = "template"
    """A template that Meta holds back or has paused."""
    TIER = "tier"
    MARKETING_CAP = "marketing_cap"
    """131049: this customer has had enough marketing."""


BUSINESS_LIMITS = frozenset({Limit.TIER, Limit.MARKETING_CAP})
"""Limits whose wait is in business time."""


@dataclass(frozen=True, slots=True)
class Brake:
    """After a refusal nothing for `pause`, twice as long after each further one, up to `longest`. Then one message per
    `gap`, a gap that halves every `halving`: so the limit is probed, not run into."""

    pause: int
    longest: int
    gap: int
    halving: int


BRAKES: Mapping[Limit, Brake] = {
    Limit.NUMBER: Brake(SECOND, 30 * SECOND, 0, SECOND),
    Limit.ACCOUNT: Brake(60 * SECOND, HOUR, SECOND, 5 * SECOND),
    Limit.OUTREACH: Brake(HOUR, 6 * HOUR, 60 * SECOND, 60 * SECOND),
    Limit.TEMPLATE: Brake(600 * SECOND, 6 * HOUR, 60 * SECOND, 60 * SECOND),
}
SMALLEST_GAP = MILLISECOND
LONGEST_HALVINGS = 30


@dataclass(frozen=True, slots=True)
class Wish:
    """A message that would leave. `contact` is our own id. `outside`: the customer service window is closed, so the
    person counts towards the messaging limit. `template`: our id of a template, if it is one."""

    contact: str
    urgency: Urgency
    outside: bool = False
    marketing: bool = False
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Go:
    """It may leave, no earlier than the lead after this. `previous`: when the person last counted, None: never."""

    previous: int | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Not before `microseconds` have passed, of business time for `BUSINESS_LIMITS`."""

    microseconds: int
    limit: Limit


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Nobody knows any more whom we wrote to: ask the database first."""


Verdict = Go | Wait | Rebuild


@dataclass(slots=True)
class BrakeState:
    closed_until: int = 0
    pause: int = 0
    granted_at: int = 0

    def wait(self, brake: Brake, now: int) -> int:
        if now < self.closed_until:
            return self.closed_until - now
        if self.closed_until == 0 or brake.gap == 0:
            return 0
        halvings = min((now - self.closed_until) // brake.halving, LONGEST_HALVINGS)
        gap = brake.gap // (1 << halvings)
        if gap < SMALLEST_GAP:
            return 0
        return max(0, self.granted_at + gap - now)

    def press(self, brake: Brake, now: int, *, jitter_permille: int, at_least: int) -> None:
        """Meta refused. Refusals of calls that were under way when the first one came do not count anew."""
        if now < self.closed_until and at_least <= self.closed_until - now:
            return
        if now >= self.closed_until:
            remembers = self.pause > 0 and now - self.closed_until <= 10 * self.pause
            self.pause = min(2 * self.pause, brake.longest) if remembers else brake.pause
        pause = max(self.pause + self.pause * jitter_permille // 4000, at_least)
        self.closed_until = now + pause
        self.granted_at = 0


@dataclass(slots=True)
class PairState:
    began: int = -(1 << 52)
    count: int = 0
    closed_until: int = 0
    late: int = 0
    """How much later than we thought Meta may have counted a message of this burst."""

    def in_burst(self, now: int) -> bool:
        return now - self.began < PAIR_BURST_END and self.count < PAIR_BURST

    def wait(self, now: int) -> int:
        wait = max(0, self.closed_until - now)
        return wait if self.in_burst(now) else max(wait, self.began + self.late + self.count * PAIR - now)

    def draw(self, now: int) -> None:
        if self.in_burst(now):
            self.count += 1
        else:
            self.began, self.count, self.late = now, 1, 0


@dataclass(slots=True)
class Inbound:
    """What customers write counts towards the throughput as well: the fullest second of late is kept free for it."""

    second: int = 0
    count: int = 0
    peak: int = 0
    peak_second: int = 0

    def take(self, now: int, arrived: int) -> None:
        second = now // SECOND
        if second != self.second:
            if self.count >= self.peak or second - self.peak_second > INBOUND_MEMORY_SECONDS:
                self.peak, self.peak_second = self.count, self.second
            self.second, self.count = second, 0
        self.count += arrived

    def reserve(self, now: int, limit: int) -> int:
        peak = self.peak if now // SECOND - self.peak_second <= INBOUND_MEMORY_SECONDS else 0
        most = max(peak, self.count)
        return min(most + (most + 3) // 4, limit - limit // 4)


@dataclass(slots=True)
class Tier:
    """Whom a business wrote to outside a window: when last, in business time. `tentative`: when a decision that is not
    on record yet runs out (real time), and what was known before it."""

    built: bool = True
    people: dict[str, int] = field(default_factory=dict)
    tentative: dict[str, tuple[int, int | None]] = field(default_factory=dict)

    def expire(self, now: int) -> None:
        for contact in [name for name, (until, _) in self.tentative.items() if until <= now]:
            self._restore(contact, self.tentative.pop(contact)[1])

    def _restore(self, contact: str, previous: int | None) -> None:
        if previous is None:
            self.people.pop(contact, None)
        else:
            self.people[contact] = previous

    def counts(self, contact: str, business_now: int) -> bool:
        at = self.people.get(contact)
        return at is not None and at > business_now - TIER_PERIOD

    def used(self, business_now: int) -> int:
        return sum(at > business_now - TIER_PERIOD for at in self.people.values())

    def wait(self, contact: str, business_now: int, limit: int) -> int:
        if limit == UNLIMITED or self.counts(contact, business_now):
            return 0
        if limit <= 0:
            return HOUR
        counted = sorted(at for at in self.people.values() if at > business_now - TIER_PERIOD)
        if len(counted) < limit:
            return 0
        return counted[len(counted) - limit] + TIER_PERIOD - business_now

    def draw(self, contact: str, now: int, business_now: int) -> int | None:
        previous = self.people.get(contact)
        _, kept = self.tentative.get(contact, (0, previous))
        self.tentative[contact] = (now + TENTATIVE, kept)
        self.people[contact] = max(business_now, previous or business_now)
        return previous

    def confirm(self, contact: str, business_now: int) -> bool:
        """The send is on record: the person counts. False when the decision ran out, or was forgotten."""
        if not self.built or not self.counts(contact, business_now):
            return False
        self.tentative.pop(contact, None)
        self.people[contact] = max(business_now, self.people[contact])
        self.people = {name: at for name, at in self.people.items() if at > business_now - TIER_KEPT}
        return True

    def release(self, contact: str, *, drawn_at: int, previous: int | None) -> None:
        """Meta refused the send that `draw` was for: nothing was delivered."""
        self.tentative.pop(contact, None)
        if self.people.get(contact) == drawn_at:
            self._restore(contact, previous)


@dataclass(slots=True)
class MetaLimits:
    """Everything that decides. `throughput` and `tier` are Meta's own words: None while they are not known."""

    tier_state: Tier = field(default_factory=Tier)
    born_at: int | None = None
    free_at: dict[str, int] = field(default_factory=dict)
    paced: int = 0
    wanted_until: dict[Urgency, int] = field(default_factory=dict)
    refused_since: dict[Urgency, int] = field(default_factory=dict)
    slow_permille: int = 1000
    slow_at: int = 0
    inbound: Inbound = field(default_factory=Inbound)
    brakes: dict[str, BrakeState] = field(default_factory=dict)
    pairs: dict[str, PairState] = field(default_factory=dict)
    capped_until: dict[str, int] = field(default_factory=dict)

    def decide(
        self,
        wish: Wish,
        *,
        member: str,
        now: int,
        business_now: int,
        throughput: int,
        tier: int | None,
        lead: int = 0,
        arrived: int = 0,
        settled: Iterable[tuple[str, int]] = (),
    ) -> Verdict:
        """`member` names the send. `lead`: the caller sends no earlier than that after now. `settled`: until when
        sends that were answered count. Draws everything, or nothing."""
        self.free_at.update(settled)
        self.inbound.take(now, arrived)
        if self.born_at is None:
            self.born_at = now
        if wish.outside and tier == UNLIMITED:
            self.tier_state.built = False  # nobody is counted
        elif wish.outside:
            if tier is None:
                return Wait(UNKNOWN_TIER_WAIT, Limit.TIER)
            if not self.tier_state.built:
                return Rebuild()
            self.tier_state.expire(now)
            if wait := self.tier_state.wait(wish.contact, business_now, tier):
                return Wait(wait, Limit.TIER)
        if wish.marketing and (capped := self.capped_until.get(wish.contact, 0)) > business_now:
            return Wait(capped - business_now, Limit.MARKETING_CAP)
        allowed = self._allowed(now, throughput)
        speed = self._throughput_wait(wish.urgency, now, lead, allowed)
        waits = [(self._brake_wait(name, limit, now), limit) for name, limit in self._brakes_of(wish)]
        waits.append((self.pairs.get(wish.contact, PairState()).wait(now), Limit.PAIR))
        wait, limit = max(waits, key=lambda pair: pair[0])
        if wait == 0 and speed > 0:
            self.wanted_until[wish.urgency] = now + WANTED
            self.refused_since.setdefault(wish.urgency, now)
        if max(wait, speed) > 0:
            return Wait(wait, limit) if wait >= speed else Wait(speed, Limit.THROUGHPUT)
        return self._draw(wish, member, now, business_now, lead, allowed, counted=wish.outside and tier != UNLIMITED)

    def _allowed(self, now: int, throughput: int) -> int:
        """Messages in any second, now."""
        self.free_at = {name: at for name, at in self.free_at.items() if at > now}
        permille = min(1000, self.slow_permille + (now - self.slow_at) * RECOVERY_PERMILLE // SECOND)
        return max(1, (throughput - self.inbound.reserve(now, throughput)) * permille // 1000)

    def _throughput_wait(self, urgency: Urgency, now: int, lead: int, allowed: int) -> int:
        waits = [0]
        assert self.born_at is not None
        if now - self.born_at < FORGETFUL:
            if urgency is not Urgency.REPLY:
                waits.append(self.born_at + FORGETFUL - now)
            allowed = max(1, allowed // 4)
        taken = sorted(at for at in self.free_at.values() if at > now + lead)
        if len(taken) >= allowed:
            waits.append(taken[len(taken) - allowed] - now - lead)
        if urgency is not Urgency.REPLY:
            waits.append(max(self.paced, now) - now - PACE_BURST)
        if self._yields(urgency, now):
            waits.append(YIELD)
        return max(waits)

    def _yields(self, urgency: Urgency, now: int) -> bool:
        refused_for = now - self.refused_since.get(urgency, now)
        for other in Urgency:
            if other is urgency or self.wanted_until.get(other, 0) <= now:
                continue
            if other < urgency and refused_for < STARVED:
                return True
            if other > urgency and now - self.refused_since.get(other, now) >= 2 * STARVED:
                return True
        return False

    def _brakes_of(self, wish: Wish) -> list[tuple[str, Limit]]:
        names = [(Limit.NUMBER.value, Limit.NUMBER), (Limit.ACCOUNT.value, Limit.ACCOUNT)]
        if wish.outside:
            names.append((Limit.OUTREACH.value, Limit.OUTREACH))
        if wish.template is not None:
            names.append((f"template:{wish.template}", Limit.TEMPLATE))
        return names

    def _brake_wait(self, name: str, limit: Limit, now: int) -> int:
        state = self.brakes.get(name)
        return 0 if state is None else state.wait(BRAKES[limit], now)

    def _draw(
        self, wish: Wish, member: str, now: int, business_now: int, lead: int, allowed: int, *, counted: bool
    ) -> Go:
        self.free_at[member] = now + lead + WINDOW + ANSWER
        self.wanted_until.pop(wish.urgency, None)
        self.refused_since.pop(wish.urgency, None)
        if wish.urgency is not Urgency.REPLY:
            self.paced = max(self.paced, now) + SECOND // allowed
        for name, _ in self._brakes_of(wish):
            if name in self.brakes:
                self.brakes[name].granted_at = now
        self.pairs.setdefault(wish.contact, PairState()).draw(now)
        return Go(self.tier_state.draw(wish.contact, now, business_now) if counted else None)

    def press(self, name: str, limit: Limit, *, now: int, jitter_permille: int = 0, at_least: int = 0) -> None:
        """Meta refused: slow down at once. `name`: the limit, or `template:` and which."""
        state = self.brakes.setdefault(name, BrakeState())
        fresh = now >= state.closed_until
        state.press(BRAKES[limit], now, jitter_permille=jitter_permille, at_least=at_least)
        if limit is Limit.NUMBER and fresh:
            permille = min(1000, self.slow_permille + (now - self.slow_at) * RECOVERY_PERMILLE // SECOND)
            self.slow_permille, self.slow_at = max(SLOWEST_PERMILLE, permille // 2), now

    def close_pair(self, contact: str, *, now: int, pause: int) -> None:
        """131056: this customer gets nothing for so long."""
        state = self.pairs.setdefault(contact, PairState())
        state.closed_until = max(state.closed_until, now + pause)

    def delay_pair(self, contact: str, *, late: int) -> None:
        """A message to this customer took that long from its decision until Meta counted it, at the latest."""
        state = self.pairs.setdefault(contact, PairState())
        state.late = max(state.late, late)

    def cap(self, contact: str, *, until: int) -> None:
        """131049: no marketing to this customer until then, business time."""
        self.capped_until[contact] = max(until, self.capped_until.get(contact, 0))
