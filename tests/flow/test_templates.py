"""Story: a template is submitted, reviewed, sent outside the window and answered; and stopped when it may not go."""

import json
import secrets
from typing import Any

import httpx

from tests.flow.waiting import eventually
from tests.flow.world import World
from tests.template_examples import body, buttons, quick


def _template(name: str, text: str, *examples: str, **more: Any) -> dict[str, Any]:
    content = [body(text, *examples), buttons(quick("Show me"))]
    return {"name": name, "language": "en_US", "category": "UTILITY", "components": content} | more


def _kept(world: World, name: str) -> dict[str, Any]:
    rows = [one for one in world.get("/whatsapp/templates") if one["name"] == name and one["status"] != "DELETED"]
    return rows[0] if rows else {}


def _known(world: World, name: str) -> dict[str, Any]:
    """The template as the bridge knows it."""
    asked = {"name": name, "limit": "200"}
    answer = httpx.get(f"{world.installation.url}/api/v1/templates", params=asked, headers=world.installation.admin)
    found = [one for one in answer.raise_for_status().json()["items"] if one["name"] == name]
    return found[0] if found else {}


def test_template_is_submitted_sent_outside_the_window_and_its_tap_releases_what_was_held(world: World) -> None:
    name = f"order_news_{secrets.token_hex(4)}"
    file = world.installation.folder / f"{name}.json"
    text = f"Hello {{{{1}}}}, there is news about your order {{{{2}}}} at our {name} shop."
    file.write_text(json.dumps(_template(name, text, "Ines", "48211") | {"langauge": "x"}), "utf-8")
    wrong = world.installation.command("templates", "lint", str(file))
    assert wrong.returncode == 1
    assert "did you mean 'language'?" in wrong.stderr
    file.write_text(json.dumps(_template(name, text, "Ines", "48211")), "utf-8")
    world.faults(whatsapp_review_seconds=3600)
    done = world.installation.command("templates", "submit", str(file))
    assert done.returncode == 0, done.stderr
    assert f"{name} (en_US): created, PENDING, UTILITY" in done.stdout
    world.advance(hours=25)
    eventually(lambda: _known(world, name).get("status"), "APPROVED")

    ana = world.customer()
    ticket = ana.has_ticket()
    world.advance(hours=25)
    held = world.words("the held answer")
    ticket.replies(held)
    ticket.note("held, not sent")
    asked = ticket.commands(f"/wa template {name} 2=A-7")
    assert "It needs a value for" in asked
    assert "1: text (Ines)" in asked
    ticket.whispers(f'/wa template {name} 1=O\'Brien 2="A-7\nB"')
    shown = f"Hello O'Brien, there is news about your order A-7 B at our {name} shop."
    told = ticket.note("goes to the customer, who sees:", shown)
    assert "became spaces" in told
    ana.gets(shown)
    wamid = ana.thread()[-1]["wamid"]
    world.post(f"/customers/{ana.id}/tap", {"wamid": wamid, "button": 0})
    ana.gets(shown, held)
    ticket.shows("[Tapped] Show me")

    used = json.loads(world.installation.command("templates", "usage", "--name", name, "--json").stdout)
    (line,) = used["days"]
    assert (line["asked"], line["sent"], line["delivered"], line["price_category"]) == (1, 1, 1, "utility")


def test_paused_and_recategorised_templates_are_not_sent_and_another_is_offered(world: World) -> None:
    tail = secrets.token_hex(4)
    first, second = f"ticket_update_{tail}", f"ticket_news_{tail}"
    world.faults(whatsapp_review_seconds=0)
    for name in (first, second):
        file = world.installation.folder / f"{name}.json"
        file.write_text(json.dumps(_template(name, f"There is an update of your ticket for you, {name}.")), "utf-8")
        done = world.installation.command("templates", "submit", str(file))
        assert done.returncode == 0, done.stderr
        eventually(lambda name=name: _known(world, name).get("status"), "APPROVED")
    ana = world.customer()
    ticket = ana.has_ticket()
    world.post(f"/whatsapp/templates/{_kept(world, first)['id']}", {"do": "quality", "quality": "RED"})
    eventually(lambda: _known(world, first).get("status"), "PAUSED")
    refused = ticket.commands(f"/wa template {first}")
    assert "WhatsApp has paused it" in refused
    assert f"/wa template {second} lang=en_US" in refused
    world.post(f"/whatsapp/templates/{_kept(world, second)['id']}", {"do": "category", "category": "MARKETING"})
    eventually(lambda: _known(world, second).get("category"), "MARKETING")
    assert "has not agreed" in ticket.commands(f"/wa template {second}")
    assert ana.received() == []
    unknown = ticket.commands(f"/wa template {second}x")
    assert f"Did you mean {second}?" in unknown
