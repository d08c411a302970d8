"""Story: one person more than Meta allows to write to first; the agent knows, and it goes out once there is a place."""

import json
import secrets
from typing import Any

import httpx

from tests.flow.test_templates import _known, _template
from tests.flow.waiting import eventually
from tests.flow.world import World


def _limits(world: World) -> dict[str, Any]:
    """As the bridge tells them."""
    answer = httpx.get(f"{world.installation.url}/api/v1/limits", headers=world.installation.admin)
    found: dict[str, Any] = answer.raise_for_status().json()["items"][0]
    return found


def test_one_person_too_many_waits_for_a_place_and_goes_out_when_the_limit_grows(world: World) -> None:
    name = f"visit_news_{secrets.token_hex(4)}"
    shown = f"There is news about your visit for you, {name}."
    file = world.installation.folder / f"{name}.json"
    file.write_text(json.dumps(_template(name, shown)), "utf-8")
    world.faults(whatsapp_review_seconds=0)
    assert world.installation.command("templates", "submit", str(file)).returncode == 0
    eventually(lambda: _known(world, name).get("status"), "APPROVED")
    ana, bo = world.customer(), world.customer()
    first, second = ana.has_ticket(), bo.has_ticket()
    world.advance(hours=25)
    refused = len(world.get("/whatsapp/refused"))
    used = world.get("/whatsapp/limits")["used"]
    world.post("/whatsapp/limits", {"tier": f"TIER_{used + 1}"})
    eventually(lambda: _limits(world)["limit"], used + 1)

    first.whispers(f"/wa template {name}")
    ana.gets(shown)
    second.whispers(f"/wa template {name}")
    second.note("WhatsApp reply waits", "Meta limits how many people we may write to in 24 hours")
    waiting = _limits(world)
    assert waiting["level"] == 100
    assert waiting["waiting"]["for_a_place"] == 1
    assert waiting["drained_at"] is not None
    assert bo.received() == []

    world.post("/whatsapp/limits", {"tier": "TIER_2K"})
    bo.gets(shown)
    assert _limits(world)["waiting"]["for_a_place"] == 0
    assert len(world.get("/whatsapp/refused")) == refused
