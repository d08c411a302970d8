"""What do Meta's reads and webhooks say that our number may do? From its words to `NumberFacts`. Pure.

Documented and real spellings differ: a messaging limit comes as a number, as its digits, as `TIER_2K`, `UNLIMITED` or
-1 (fact sheet WhatsApp 1.10, 5.1). What is not understood says nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from bridge.domain.meta_limits import UNLIMITED
from bridge.domain.number_facts import NumberFacts
from bridge.whatsapp.wire import Part, part_of

NUMBER_FIELDS = ("throughput", "quality_rating", "is_on_biz_app", "whatsapp_business_manager_messaging_limit")
WABA_FIELDS = (
    "owner_business_info",
    "disable_marketing_messages_on_cloud_api",
    "business_verification_status",
    "whatsapp_business_manager_messaging_limit",
)
FIELDS = ("phone_number_quality_update", "business_capability_update", "account_update", "account_alerts")
"""Webhook fields that tell of limits."""

COEXISTENCE = 20
THROUGHPUT = {"STANDARD": 80, "HIGH": 1_000}
"""Messages a second by the level's name (fact sheet 5.3; the names are unconfirmed)."""
NEW_NUMBER = 250
"""What `TIER_NOT_SET` stands for: the documented beginning."""
LARGEST = 10**9
_TIER = re.compile(r"(?:TIER_)?(\d{1,9})(K|M)?\Z")
_RESTRICTED_OUTREACH = "RESTRICTED_BIZ_INITIATED_MESSAGING"
_RESTRICTED_UTILITY = "RESTRICTED_UTILITY_TEMPLATES"


def read_tier(value: object) -> int | None:
    """People in 24 hours; `UNLIMITED`; None for what is no limit at all."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return UNLIMITED if value < 0 else value if value < LARGEST else UNLIMITED
    if not isinstance(value, str):
        return None
    word = value.strip().upper()
    if word in ("UNLIMITED", "TIER_UNLIMITED", "-1"):
        return UNLIMITED
    if word == "TIER_NOT_SET":
        return NEW_NUMBER
    found = _TIER.match(word)
    if found is None:
        return None
    return int(found[1]) * {"K": 1_000, "M": 1_000_000, None: 1}[found[2]]


def read_nodes(number: Mapping[str, object], waba: Mapping[str, object], *, now: datetime) -> NumberFacts:
    """What the number's node and the account's say together. The number's own messaging limit wins."""
    tiers = (read_tier(node.get("whatsapp_business_manager_messaging_limit")) for node in (number, waba))
    asked = part_of(number)
    account = part_of(waba)
    return NumberFacts(
        throughput=_throughput(asked),
        tier=next((tier for tier in tiers if tier is not None), None),
        quality=_word(asked.text("quality_rating")),
        portfolio=account.part("owner_business_info").text("id"),
        marketing_off=account.flag("disable_marketing_messages_on_cloud_api"),
        verification=account.text("business_verification_status"),
        read_at=now,
    )


def read_change(field: str, value: object, *, known: NumberFacts) -> NumberFacts:
    """What is known after a webhook. Nothing is taken for lower or higher than it says; the account is asked anew."""
    told = part_of(value)
    members = told.members
    match field:
        case "business_capability_update" | "phone_number_quality_update":
            names = (
                "max_daily_conversations_per_business",
                "max_daily_conversation_per_phone",
                "current_limit",
            )
            tier = next((tier for name in names if (tier := read_tier(members.get(name))) is not None), None)
            return known if tier is None else replace(known, tier=tier)
        case "account_update":
            return _after_account_update(told, known)
        case "account_alerts":
            info = told.part("alert_info")
            kind = info.text("alert_type")
            if kind is None or not kind.startswith("INCREASED_CAPABILITIES"):
                return known
            return replace(known, alert=kind if info.text("alert_status") != "NONE" else "")
        case _:
            return known


def _after_account_update(told: Part, known: NumberFacts) -> NumberFacts:
    if told.text("event") != "ACCOUNT_RESTRICTION":
        return known
    kinds = {one.text("restriction_type"): one.number("expiration") for one in told.parts("restriction_info")}
    changed = known
    if _RESTRICTED_OUTREACH in kinds:
        until = kinds[_RESTRICTED_OUTREACH]
        if until is None:
            changed = replace(changed, outreach_forbidden=True)
        else:
            changed = replace(changed, outreach_until=datetime.fromtimestamp(min(until, LARGEST * 10), UTC))
    if _RESTRICTED_UTILITY in kinds:
        changed = replace(changed, utility_forbidden=True)
    return changed


def _throughput(number: Part) -> int | None:
    if number.flag("is_on_biz_app"):
        return COEXISTENCE
    return THROUGHPUT.get(_word(number.part("throughput").text("level")) or "")


def _word(text: str | None) -> str | None:
    return text.strip().upper()[:40] if text else None
