"""What happens in a run, and when? Pure: the same seed and the same wishes give the same plan.

Seconds are real seconds from the start of the traffic.
"""

import random
import string
from collections.abc import Mapping
from dataclasses import dataclass

ROUND_SECONDS = 90.0
"""A longer run strikes with each fault about once in so many seconds."""
GAP_SECONDS = 1.2
"""Between two messages of one customer, so that their timestamps, whole seconds, are in order."""
SHY_EVERY = 7
"""One customer in so many hides the phone number."""
WHISPERS_PER_REPLY = 0.1


@dataclass(frozen=True, slots=True)
class Letter:
    """Message `number` of a customer, counted from 0."""

    customer: int
    number: int
    at_seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What an agent writes on the ticket of a customer; `public` False: a private note, which must stay there."""

    customer: int
    number: int
    at_seconds: float
    public: bool


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that begins and, `length_seconds` later, ends. What it chooses, it chooses by `seed`."""

    fault: str
    at_seconds: float
    length_seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """`word` is in every text, name and number of the run in some form, and nowhere else on the machine."""

    seed: int
    word: str
    digits: str
    traffic_seconds: float
    customers: int
    letters: tuple[Letter, ...]
    replies: tuple[Reply, ...]
    strikes: tuple[Strike, ...]

    def is_shy(self, customer: int) -> bool:
        return customer % SHY_EVERY == SHY_EVERY - 1


def make_plan(
    seed: int,
    *,
    traffic_seconds: float,
    customers: int,
    messages: int,
    replies: int,
    faults: Mapping[str, tuple[float, float]],
) -> Plan:
    """`messages` per customer, `replies` altogether; `faults`: how long each lasts, from and to.

    One fault strikes again and again; several strike at random, over each other, each of them at least once.
    """
    traffic_seconds = max(traffic_seconds, messages * GAP_SECONDS * 1.5)
    rng = random.Random(seed)
    word = "".join(rng.choices(string.ascii_lowercase + string.digits, k=6))
    digits = f"{rng.randrange(10_000):04d}"
    letters = [letter for customer in range(customers) for letter in _letters(rng, customer, messages, traffic_seconds)]
    answers = _replies(rng, customers, replies, traffic_seconds)
    return Plan(
        seed=seed,
        word=word,
        digits=digits,
        traffic_seconds=traffic_seconds,
        customers=customers,
        letters=tuple(sorted(letters, key=lambda letter: letter.at_seconds)),
        replies=tuple(answers),
        strikes=tuple(sorted(_strikes(rng, faults, traffic_seconds), key=lambda strike: strike.at_seconds)),
    )


def _letters(rng: random.Random, customer: int, messages: int, traffic_seconds: float) -> list[Letter]:
    room = traffic_seconds - messages * GAP_SECONDS
    offsets = sorted(rng.uniform(0.0, room) for _ in range(messages))
    return [Letter(customer, number, offset + number * GAP_SECONDS) for number, offset in enumerate(offsets)]


def _replies(rng: random.Random, customers: int, replies: int, traffic_seconds: float) -> list[Reply]:
    whispers = round(replies * WHISPERS_PER_REPLY)
    drawn = sorted(
        (rng.uniform(0.1, 1.0) * traffic_seconds, rng.randrange(customers), index >= whispers)
        for index in range(replies + whispers)
    )
    written = [0] * customers
    found = []
    for at_seconds, customer, public in drawn:
        found.append(Reply(customer, written[customer], at_seconds, public))
        written[customer] += 1
    return found


def _strikes(rng: random.Random, faults: Mapping[str, tuple[float, float]], traffic_seconds: float) -> list[Strike]:
    if len(faults) == 1:
        ((fault, lasts),) = faults.items()
        return _one_after_the_other(rng, fault, lasts, traffic_seconds)
    rounds = max(1, round(traffic_seconds / ROUND_SECONDS))
    return [
        _strike(rng, fault, lasts, rng.uniform(0.04, 0.9) * traffic_seconds)
        for fault, lasts in sorted(faults.items())
        for _ in range(rounds)
    ]


def _one_after_the_other(
    rng: random.Random, fault: str, lasts: tuple[float, float], traffic_seconds: float
) -> list[Strike]:
    strikes = []
    at_seconds = rng.uniform(1.0, 3.0)
    while at_seconds < traffic_seconds:
        strikes.append(_strike(rng, fault, lasts, at_seconds))
        at_seconds += strikes[-1].length_seconds + rng.uniform(1.5, 4.0)
    return strikes


def _strike(rng: random.Random, fault: str, lasts: tuple[float, float], at_seconds: float) -> Strike:
    return Strike(fault, at_seconds, rng.uniform(*lasts), rng.randrange(2**32))
