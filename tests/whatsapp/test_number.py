"""Is what Meta says of a number read in all its spellings, and nothing made up of what it does not say?"""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.meta_limits import UNLIMITED
from bridge.domain.number_facts import NumberFacts
from bridge.whatsapp.number import FIELDS, read_change, read_nodes, read_tier

NOW = datetime(2026, 11, 22, tzinfo=UTC)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("said", "people"),
    [
        ("TIER_50", 50),
        ("TIER_250", 250),
        ("TIER_1K", 1_000),
        ("TIER_2K", 2_000),
        ("tier_10k", 10_000),
        ("TIER_100K", 100_000),
        ("TIER_UNLIMITED", UNLIMITED),
        ("UNLIMITED", UNLIMITED),
        ("TIER_NOT_SET", 250),
        (2000, 2_000),
        ("2000", 2_000),
        (-1, UNLIMITED),
        ("-1", UNLIMITED),
        (None, None),
        (True, None),
        ("TIER_LARGE", None),
        ({}, None),
    ],
)
def test_messaging_limit_is_read_in_every_spelling(said: object, people: int | None) -> None:
    assert read_tier(said) == people


def test_nodes_say_throughput_quality_and_portfolio() -> None:
    number = {
        "throughput": {"level": "HIGH"},
        "quality_rating": "YELLOW",
        "whatsapp_business_manager_messaging_limit": "TIER_10K",
    }
    waba = {"owner_business_info": {"id": "88"}, "whatsapp_business_manager_messaging_limit": "TIER_250"}
    facts = read_nodes(number, waba, now=NOW)
    assert (facts.throughput, facts.quality, facts.tier, facts.portfolio) == (1_000, "YELLOW", 10_000, "88")
    assert read_nodes({**number, "is_on_biz_app": True}, waba, now=NOW).throughput == 20
    assert read_nodes({"throughput": {"level": "NOT_APPLICABLE"}}, {}, now=NOW) == NumberFacts(read_at=NOW)


def test_webhooks_change_what_they_tell_of() -> None:
    known = NumberFacts(tier=250, throughput=80)
    told = read_change("business_capability_update", {"max_daily_conversations_per_business": 2000}, known=known)
    assert told.tier == 2_000
    assert told.throughput == 80
    upgraded = {"event": "THROUGHPUT_UPGRADE", "max_daily_conversations_per_business": "TIER_UNLIMITED"}
    assert read_change("phone_number_quality_update", upgraded, known=known).tier == UNLIMITED
    restricted = {
        "event": "ACCOUNT_RESTRICTION",
        "restriction_info": [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1795000000}],
    }
    assert read_change("account_update", restricted, known=known).outreach_until == datetime.fromtimestamp(
        1795000000, UTC
    )
    denied = {"alert_info": {"alert_type": "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED", "alert_status": "ACTIVE"}}
    assert read_change("account_alerts", denied, known=known).alert is not None


@given(field=st.sampled_from([*FIELDS, "messages"]), value=anything)
def test_whatever_a_webhook_holds_it_never_raises(field: str, value: Any) -> None:
    read_change(field, value, known=NumberFacts())
