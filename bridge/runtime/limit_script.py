"""How are the shared rules of sending asked? `send_limits.lua` in Redis, in the words of the pure model."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from bridge.domain.meta_limits import TIER_PERIOD, Go, Limit, Rebuild, Verdict, Wait, Wish

PREFIX = "deskbridge:send"
SCRIPT = (Path(__file__).parent / "send_limits.lua").read_text("utf-8")
REASONS = (
    Limit.NUMBER,
    Limit.ACCOUNT,
    Limit.OUTREACH,
    Limit.TEMPLATE,
    Limit.PAIR,
    Limit.THROUGHPUT,
    Limit.TIER,
    Limit.MARKETING_CAP,
)
PEOPLE_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Answer:
    """`at`: Redis's time of a `Go`. `build`: which knowledge of people it was decided by."""

    verdict: Verdict
    at: int = 0
    build: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What the limits hold at the moment. Times in microseconds, the brakes' of real time."""

    in_window: int
    permille: int
    people: int
    first_frees_in: int
    people_last_hour: int
    braked: Mapping[Limit, int]
    people_known: bool


class LimitScript:
    """`number` names the phone number, `portfolio` who shares its messaging limit. Every call raises `RedisError`."""

    def __init__(self, redis: Redis, *, number: str) -> None:
        self._redis = redis
        self._script = redis.register_script(SCRIPT)
        self._number = f"{PREFIX}:{number}"
        self.portfolio = number

    def _keys(self, contact: str = "", template: str = "") -> list[str]:
        people = f"{PREFIX}:tier:{self.portfolio}"
        return [
            f"{self._number}:state",
            f"{self._number}:window",
            f"{self._number}:pair:{contact}",
            f"{people}:people",
            f"{people}:state",
            f"{people}:tentative",
            f"{people}:before",
            f"{people}:cap:{contact}",
            f"{self._number}:template:{template}",
        ]

    async def _run(self, operation: str, *arguments: Any, keys: Sequence[str], now: int | None) -> Any:
        return await self._script(keys=keys, args=[operation, "" if now is None else now, *arguments])

    async def decide(
        self,
        wish: Wish,
        *,
        member: str,
        business_now: int,
        throughput: int,
        tier: int | None,
        lead: int = 0,
        arrived: int = 0,
        settled: Iterable[tuple[str, int]] = (),
        now: int | None = None,
    ) -> Answer:
        """See `MetaLimits.decide`. `now` None: Redis's clock, which all workers share."""
        code, *rest = await self._run(
            "decide",
            business_now,
            wish.contact,
            int(wish.urgency),
            int(wish.outside),
            int(wish.marketing),
            int(wish.template is not None),
            throughput,
            "" if tier is None else tier,
            lead,
            arrived,
            member,
            *(part for pair in settled for part in pair),
            keys=self._keys(wish.contact, wish.template or ""),
            now=now,
        )
        if code == 0:
            previous, at, build = rest
            return Answer(Go(int(previous) if previous else None), at, str(build, "ascii"))
        if code == 1:
            wait, reason = rest
            return Answer(Wait(wait, REASONS[reason - 1]))
        return Answer(Rebuild())

    async def confirm(self, contact: str, *, business_now: int, build: str, now: int | None = None) -> int | None:
        """Since when the person counts now; None when the decision does not hold any more."""
        held, *counted_at = await self._run("confirm", business_now, contact, build, keys=self._keys(contact), now=now)
        return counted_at[0] if held else None

    async def release(self, contact: str, *, drawn_at: int, previous: int | None, now: int | None = None) -> None:
        earlier = "" if previous is None else previous
        await self._run("release", contact, drawn_at, earlier, keys=self._keys(contact), now=now)

    async def rebuild(self, people: Iterable[tuple[str, int]]) -> None:
        """Who counts, by what is on record, with the business time at which they were written to last."""
        key = self._keys()[3]
        scores = dict(people)
        names = list(scores)
        for start in range(0, len(names), PEOPLE_AT_ONCE):
            some = {name: scores[name] for name in names[start : start + PEOPLE_AT_ONCE]}
            await self._redis.zadd(key, some, gt=True)
        await self._run("finish_build", secrets.token_hex(8), keys=self._keys(), now=None)

    async def press(
        self,
        limit: Limit,
        *,
        template: str = "",
        jitter_permille: int = 0,
        at_least: int = 0,
        now: int | None = None,
    ) -> int:
        """Meta refused: for how long it is quiet now."""
        (wait,) = await self._run(
            "press", limit.value, jitter_permille, at_least, keys=self._keys(template=template), now=now
        )
        return int(wait)

    async def close_pair(self, contact: str, *, pause: int, now: int | None = None) -> None:
        await self._run("close_pair", pause, keys=self._keys(contact), now=now)

    async def delay_pair(self, contact: str, *, late: int) -> None:
        """See `MetaLimits.delay_pair`."""
        await self._run("delay_pair", late, keys=self._keys(contact), now=None)

    async def cap(self, contact: str, *, business_now: int, until: int) -> None:
        await self._run("cap", business_now, until, keys=self._keys(contact), now=None)

    async def place_free_in(self, place: int, *, business_now: int) -> int | None:
        """Microseconds of business time until the place of whoever was counted as the `place`th (from 0) is free."""
        since = f"({business_now - TIER_PERIOD}"
        found = await self._redis.zrangebyscore(
            self._keys()[3], since, "+inf", start=place, num=1, withscores=True, score_cast_func=float
        )
        return None if not found else int(found[0][1]) + TIER_PERIOD - business_now

    async def count_sent(self) -> int:
        """How many left since this was asked last."""
        (sent,) = await self._run("count_sent", keys=self._keys(), now=None)
        return int(sent)

    async def look(self, *, business_now: int, now: int | None = None) -> Look:
        in_window, permille, people, first, hour, number, account, outreach, known = await self._run(
            "look", business_now, keys=self._keys(), now=now
        )
        braked = {Limit.NUMBER: number, Limit.ACCOUNT: account, Limit.OUTREACH: outreach}
        return Look(in_window, permille, people, first, hour, braked, bool(known))
