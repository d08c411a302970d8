"""Story: a reply comes too late, and a template asks the customer to come back."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.flow.waiting import eventually
from tests.flow.world import World
from tests.template_examples import body, buttons, quick

TEXT = "There is an answer to your request from our support team. Shall we send it to you now, please?"


@pytest.fixture
def asking(world: World) -> Iterator[str]:
    """The policy `template` with a template that Meta approved; its text."""
    name = f"come_back_{secrets.token_hex(4)}"
    text = f"{TEXT} ({name})."
    template: dict[str, Any] = {
        "name": name,
        "language": "en_US",
        "category": "UTILITY",
        "components": [body(text), buttons(quick("Yes, please"))],
    }
    file = world.installation.folder / f"{name}.json"
    file.write_text(json.dumps(template), "utf-8")
    world.faults(whatsapp_review_seconds=0)
    done = world.installation.command("templates", "submit", str(file))
    assert done.returncode == 0, done.stderr

    def status() -> str:
        listed = json.loads(world.installation.command("templates", "list", "--json").stdout)
        return next((str(one["status"]) for one in listed["templates"] if one["name"] == name), "")

    eventually(status, "APPROVED")
    worker = world.installation.worker
    assert worker.stop() == 0
    wanted = {"DESKBRIDGE_WINDOW_CLOSED": "template", "DESKBRIDGE_REENGAGE_TEMPLATE": f"{name}:en_US"}
    worker.start(extra=wanted)
    try:
        yield text
    finally:
        assert worker.stop() == 0
        worker.start()


def test_customer_is_asked_once_and_the_held_replies_follow_the_answer(world: World, asking: str) -> None:
    ana, quiet = world.customer(), world.customer()
    ticket, other = ana.has_ticket(), quiet.has_ticket()
    assert "On record" in other.commands("/wa opt-out")
    world.advance(hours=25)
    first, second, third = world.words("too late"), world.words("and more"), world.words("nobody asks")
    ticket.replies(first)
    ticket.note("asked to come back", asking)
    ana.gets(asking)
    ticket.replies(second)
    ticket.note("held, not sent", second[:30])
    other.replies(third)
    other.note("not asked to come back")
    world.settle()
    ana.gets(asking)
    assert quiet.received() == []

    wamid = ana.thread()[-1]["wamid"]
    world.post(f"/customers/{ana.id}/tap", {"wamid": wamid, "button": 0})
    ana.gets(asking, first, second)
    quiet.writes(world.words("here I am"))
    quiet.gets(third)
    world.settle()
    ana.gets(asking, first, second)
