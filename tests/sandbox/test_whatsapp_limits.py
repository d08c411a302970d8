"""Does the sandbox hold a business to Meta's limits, and move them on command?"""

from typing import Any

import pytest

from sandbox.whatsapp.standing import DAY_SECONDS, Portfolio
from tests.sandbox.test_whatsapp_templates import made, send, simple
from tests.sandbox.world import APP_ID, NUMBER_ID, SECRET, WABA_ID, World, code_of

FIELDS = "messages,phone_number_quality_update,business_capability_update,account_update,account_alerts"
NUMBERS = [f"35191000{number:04d}" for number in range(5)]


@pytest.fixture
async def world(bare_world: World) -> World:
    """A sandbox that tells of limits, with five customers who never wrote, and templates of two categories."""
    answer = await bare_world.graph(
        "POST",
        f"/{APP_ID}/subscriptions",
        token=f"{APP_ID}|{SECRET}",
        data={
            "object": "whatsapp_business_account",
            "callback_url": bare_world.product.url,
            "verify_token": "verify-me",
            "fields": FIELDS,
        },
    )
    assert answer.is_success
    assert (await bare_world.graph("POST", f"/{WABA_ID}/subscribed_apps")).is_success
    await bare_world.faults(review_seconds=0)
    for number in NUMBERS:
        await bare_world.control("/customers", {"wa_id": number})
    await made(bare_world, simple())
    await made(bare_world, simple("sale", "Everything is cheaper this week in our shop.", category="MARKETING"))
    return bare_world


async def move(world: World, **wish: Any) -> dict[str, Any]:
    found: dict[str, Any] = await world.control("/whatsapp/limits", wish)
    return found


async def refusals(world: World) -> list[int]:
    found: list[dict[str, Any]] = await world.look("/whatsapp/refused")
    return [one["code"] for one in found]


async def write(world: World, number: str, name: str = "simple") -> int | None:
    answer = await send(world, name, to=f"+{number}")
    return None if answer.is_success else code_of(answer)


async def test_one_person_too_many_in_24_hours_is_refused_and_replies_are_not(world: World) -> None:
    await move(world, tier="TIER_50", others=48)
    assert [await write(world, number) for number in NUMBERS[:2]] == [None, None]
    assert await refusals(world) == []
    await write(world, NUMBERS[2])
    assert await refusals(world) == [131048]
    await write(world, NUMBERS[0])  # counts once
    assert await refusals(world) == [131048]
    await world.faults(messaging_limit_sync=True, messaging_limit_code=131064)
    assert await write(world, NUMBERS[3]) == 131064
    assert (await move(world))["used"] == 50


async def test_moved_tier_is_told_and_can_be_read(world: World) -> None:
    await move(world, tier="TIER_2K")
    told = {"max_daily_conversations_per_business": 2000, "max_phone_numbers_per_waba": 25}
    await world.product.until(lambda: told in world.product.values())
    fields = {"fields": "whatsapp_business_manager_messaging_limit,quality_rating,throughput"}
    await move(world, quality="YELLOW", level="HIGH")
    node = (await world.graph("GET", f"/{NUMBER_ID}", params=fields)).json()
    assert node["whatsapp_business_manager_messaging_limit"] == "TIER_2K"
    assert node["quality_rating"] == "YELLOW"
    assert node["throughput"] == {"level": "HIGH"}


async def test_throughput_follows_the_number(world: World) -> None:
    assert (await move(world))["per_second"] == 80
    assert (await move(world, coexistence=True))["per_second"] == 20
    assert (await move(world, coexistence=False, level="HIGH"))["per_second"] == 1000
    await move(world, level="HIGH", maintenance_seconds=60)
    assert await write(world, NUMBERS[0]) == 131057


async def test_restricted_business_may_answer_and_begin_nothing(world: World) -> None:
    await move(world, restricted=True, restriction={"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING"})
    await world.product.until(lambda: any("restriction_info" in value for value in world.product.values()))
    await write(world, NUMBERS[0])
    assert await refusals(world) == [131048]


async def test_person_who_had_enough_marketing_gets_no_more_for_a_day_after_the_last_try(world: World) -> None:
    await world.faults(marketing_per_day=1)
    await write(world, NUMBERS[0], "sale")
    await write(world, NUMBERS[0], "sale")
    assert await refusals(world) == [131049]
    await write(world, NUMBERS[0])  # no marketing
    assert await refusals(world) == [131049]
    await world.control("/clock", {"advance_seconds": 23 * 3600})
    await write(world, NUMBERS[0], "sale")
    await world.control("/clock", {"advance_seconds": 23 * 3600})
    await write(world, NUMBERS[0], "sale")
    assert await refusals(world) == [131049] * 3


async def test_calls_that_manage_are_counted_by_the_hour_and_told_in_headers(world: World) -> None:
    answer = await world.graph("GET", f"/{NUMBER_ID}")
    assert "whatsapp_business_management" in answer.headers["x-business-use-case-usage"]
    await world.faults(management_calls_per_hour=1)
    refused = await world.graph("GET", f"/{NUMBER_ID}")
    assert code_of(refused) == 80007
    assert '"call_count":100' in refused.headers["x-app-usage"]
    assert await write(world, NUMBERS[0]) is None


def test_portfolio_counts_people_not_messages_in_any_24_hours() -> None:
    portfolio = Portfolio(limit=2)
    for at in (0.0, 10.0, 20.0):
        portfolio.count("one", at)
    portfolio.count("two", 30.0)
    assert portfolio.is_full_for("three", 30.0)
    assert not portfolio.is_full_for("one", 30.0)
    assert portfolio.is_full_for("three", 20.0 + DAY_SECONDS - 0.1)
    assert not portfolio.is_full_for("three", 20.0 + DAY_SECONDS)
