"""Is what is foreseen honest?"""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.domain.forecast import Forecast, Use, forecast, level_of
from bridge.domain.meta_limits import UNLIMITED, SendKind, Urgency
from bridge.domain.number_facts import NumberFacts, from_json, merged, to_json

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FACTS = NumberFacts(throughput=80, tier=2_000, quality="GREEN", verification="verified")


def foreseen(
    facts: NumberFacts = FACTS, *, used: int = 0, before: int = 0, waiting: int = 0, parked: int = 0
) -> Forecast:
    return forecast(
        facts,
        used=used,
        uses=[Use(NOW - HOUR, before), Use(NOW, used)],
        waiting={Urgency.REPLY: 0, Urgency.TRANSACTION: 0, Urgency.MARKETING: waiting},
        parked=parked,
        last_place_at=NOW + 5 * HOUR if parked else None,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("used", "limit", "level"),
    [
        *((0, 250, 0), (174, 250, 0), (175, 250, 70), (225, 250, 90), (249, 250, 90), (250, 250, 100)),
        *((400, 250, 100), (9_999, UNLIMITED, 0), (5, None, 0), (0, 0, 100)),
    ],
)
def test_level_is_the_highest_that_is_reached(used: int, limit: int | None, level: int) -> None:
    assert level_of(used, limit) == level


def test_at_the_rate_of_the_last_hour_it_is_full_at_a_time() -> None:
    found = foreseen(used=1_000, before=500)
    assert found.people_an_hour == 500
    assert found.full_at == NOW + 2 * HOUR


def test_what_does_not_grow_is_never_full_and_what_is_full_is_full_now() -> None:
    assert foreseen(used=500, before=500).full_at is None
    assert foreseen(used=400, before=500).full_at is None
    assert foreseen(used=2_000, before=2_000).full_at == NOW
    assert foreseen(NumberFacts(tier=UNLIMITED), used=10**6).full_at is None


def test_queue_is_gone_once_the_last_has_left_or_got_its_place() -> None:
    assert foreseen(waiting=800).drained_at == NOW + timedelta(seconds=10)
    assert foreseen(waiting=800, parked=100).drained_at == NOW + 5 * HOUR
    assert foreseen(waiting=0).drained_at == NOW


def test_next_limit_names_what_is_missing() -> None:
    assert foreseen(used=100).blocks_growth == (
        "Use half of the limit within 7 days: 1000 people in 24 hours; the most was 100.",
    )
    assert foreseen(used=1_000).blocks_growth == ()
    small = NumberFacts(tier=250, quality="RED", verification="not_verified", alert="INCREASED_CAPABILITIES_FAILED")
    assert len(foreseen(small).blocks_growth) == 3
    assert foreseen(small).next_limit == 2_000
    assert foreseen(NumberFacts(tier=100_000)).next_limit == UNLIMITED
    assert foreseen(NumberFacts(tier=UNLIMITED)).next_limit is None
    assert foreseen(NumberFacts(tier=1_000)).next_limit == 2_000


def test_facts_are_kept_and_news_without_a_word_change_nothing() -> None:
    facts = NumberFacts(throughput=80, tier=250, outreach_until=NOW, read_at=NOW)
    assert from_json(to_json(facts)) == facts
    assert from_json({"tier": 250, "of a release to come": 1}) == NumberFacts(tier=250)
    assert merged(facts, NumberFacts(quality="RED")).tier == 250
    assert merged(facts, NumberFacts(tier=2_000)).tier == 2_000


def test_restriction_ends_at_its_time() -> None:
    facts = NumberFacts(outreach_until=NOW)
    assert facts.refuses(SendKind.UTILITY, outside=True, now=NOW - HOUR) == 131048
    assert facts.refuses(SendKind.UTILITY, outside=True, now=NOW) is None
    assert facts.refuses(SendKind.REPLY, outside=False, now=NOW - HOUR) is None
