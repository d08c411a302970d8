"""Do the API and the console say what the limits hold?"""

from datetime import timedelta

import pytest
from sqlalchemy import Connection

from bridge.domain import number_facts
from bridge.domain.meta_limits import Urgency
from bridge.domain.number_facts import NumberFacts
from bridge.domain.roles import Role
from bridge.store import limits
from bridge.store.limits import Sample
from tests.api.test_console import sign_in, token_of
from tests.api.world import World


@pytest.fixture
def used(small_world: World) -> World:
    """A number whose messaging limit fills up."""
    world = small_world
    store = world.store
    now = store.clock.business_now()

    def fill(connection: Connection) -> None:
        limits.ensure(connection, channel_id=world.channel_id)
        facts = NumberFacts(throughput=80, tier=250, quality="YELLOW", read_at=now)
        limits.save(connection, channel_id=world.channel_id, facts=number_facts.to_json(facts))
        waiting = {Urgency.REPLY: 1, Urgency.TRANSACTION: 0, Urgency.MARKETING: 7}
        for minutes, people in ((90, 100), (50, 150), (5, 200)):
            sample = Sample(now - timedelta(minutes=minutes), people, 250, 3, waiting, "YELLOW")
            limits.keep_sample(
                connection,
                sample,
                channel_id=world.channel_id,
                forget_before=now - timedelta(days=31),
            )

    store.database.write_now(fill)
    return world


async def test_limits_are_told_with_what_is_foreseen(used: World) -> None:
    listed = await used.reader.get("/api/v1/limits")
    (found,) = listed.json()["items"]
    assert found["limit"] == 250
    assert found["used"] == 200
    assert found["level"] == 70
    assert found["full_at"] is not None
    assert found["next_limit"] == 2000
    assert len(found["blocks_growth"]) == 2
    assert found["is_live"] is False
    one = await used.reader.get(f"/api/v1/limits/{used.channel_id}")
    assert one.json()["throughput"] == 80
    history = await used.reader.get(f"/api/v1/limits/{used.channel_id}/history?hours=1")
    assert [sample["people"] for sample in history.json()] == [150, 200]


async def test_unknown_channel_has_no_limits(used: World) -> None:
    assert (await used.reader.get("/api/v1/limits/01ARZ3NDEKTSV4RRFFQ69G5FAV")).status_code == 404


async def test_console_shows_limits_with_plots(used: World) -> None:
    browser = await sign_in(used, await token_of(used, Role.READ_ONLY))
    page = (await browser.get("/limits")).text
    assert "200 / 250" in page
    assert "70 % reached" in page
    assert page.count('class="people"') == 2
    assert "Redis does not answer" in page
    await browser.aclose()
