"""The simulated Freshdesk as a part of the sandbox that really listens."""

from pathlib import Path

import httpx
import pytest

from tests.sandbox.freshdesk_world import API_KEY
from tests.sandbox.world import Product, World, sandbox_world

API = "/freshdesk/api/v2"
AUTH = (API_KEY, "X")
CONTACT = {"name": "Ana", "unique_external_id": "wa:1"}


async def _set_up(world: World) -> None:
    await world.control("/setup", {"freshdesk": {"api_key": API_KEY, "plan": "unlimited"}})


async def test_setup_makes_the_account_and_refuses_nonsense(bare_world: World) -> None:
    assert (await bare_world.http.get(f"{API}/agents/me", auth=AUTH)).status_code == 401
    assert (await bare_world.look("/state"))["helpdesks"] == []
    await _set_up(bare_world)
    assert (await bare_world.http.get(f"{API}/agents/me", auth=AUTH)).status_code == 200
    assert (await bare_world.look("/state"))["helpdesks"] == ["freshdesk"]
    refused = await bare_world.http.post("/sandbox/api/setup", json={"freshdesk": {"plan": "garden"}})
    assert refused.status_code == 400
    assert "plan" in refused.json()["error"]


async def test_switches_are_turned_with_the_others_and_reset_with_them(bare_world: World) -> None:
    await _set_up(bare_world)
    turned = await bare_world.control("/faults", {"freshdesk.down": True, "zendesk.down": True})
    assert (turned["freshdesk.down"]["value"], turned["zendesk.down"]["value"]) == (True, True)
    assert (await bare_world.http.get(f"{API}/agents/me", auth=AUTH)).status_code == 503
    await bare_world.control("/reset")
    assert not (await bare_world.look("/faults"))["freshdesk.down"]["value"]
    assert (await bare_world.http.get(f"{API}/agents/me", auth=AUTH)).status_code == 200


async def test_a_dropped_answer_cuts_the_connection_after_the_work(bare_world: World) -> None:
    await _set_up(bare_world)
    await bare_world.control("/faults", {"freshdesk.drop_answer": 1})
    with pytest.raises(httpx.TransportError):
        await bare_world.http.post(f"{API}/contacts", json=CONTACT, auth=AUTH)
    found = await bare_world.http.get(f"{API}/contacts", params={"unique_external_id": "wa:1"}, auth=AUTH)
    assert [one["name"] for one in found.json()] == ["Ana"]


async def test_the_account_survives_a_restart(product: Product, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    async with sandbox_world(product, state_file=state) as world:
        await _set_up(world)
        made = (await world.http.post(f"{API}/contacts", json=CONTACT, auth=AUTH)).json()
    async with sandbox_world(product, state_file=state) as world:
        found = await world.http.get(f"{API}/contacts/{made['id']}", auth=AUTH)
        assert found.json() == made
