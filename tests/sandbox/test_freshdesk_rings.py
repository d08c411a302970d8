"""What rings, with what in it, how often, and at whose expense."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.sandbox.freshdesk_world import RING_URL, SECRET, World, freshdesk_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with freshdesk_world() as made:
        yield made


async def _rule(world: World, **values: Any) -> None:
    await world.control("POST", "rules", {"webhook": {"url": RING_URL}, **values})


async def test_the_recipes_rule_rings_for_other_agents_replies_and_notes_with_the_secret(world: World) -> None:
    world.ring_me()
    ticket = await world.ticket()
    await world.note(ticket)
    await world.says(ticket, "/wa status", public=False)
    await world.says(ticket, "Olá", agent="Otto")
    assert world.ring_bodies() == [{"ticket_id": str(ticket["id"])}] * 2
    assert {ring.headers["X-Deskbridge-Secret"] for ring in world.rings} == {SECRET}
    assert {(str(ring.url), ring.method) for ring in world.rings} == {(RING_URL, "POST")}
    assert not [name for name in world.rings[0].headers if "signature" in name or "timestamp" in name]


async def test_the_recipes_rule_tells_a_change_of_status(world: World) -> None:
    world.ring_me()
    ticket = await world.ticket()
    await world.control("POST", f"tickets/{ticket['id']}", {"tags": ["whatsapp", "vip"]})
    await world.freshdesk.drain()
    assert world.rings == []
    await world.control("POST", f"tickets/{ticket['id']}", {"status": "pending"})
    await world.freshdesk.drain()
    assert len(world.rings) == 1


async def test_the_recipes_rule_is_silent_on_tickets_without_the_tag(world: World) -> None:
    world.ring_me()
    ticket = await world.ticket(tags=["vip"])
    await world.says(ticket, "Olá", agent="Otto")
    assert world.rings == []


async def test_the_recipes_rule_is_silent_for_customers_mail_and_our_own_agent(world: World) -> None:
    world.ring_me()
    ticket = await world.ticket()
    await world.says(ticket, "by mail", agent=ticket["requester_id"])
    await world.says(ticket, "by a rule", kind="automation")
    await world.says(ticket, "our own agent works", as_api_user=True)
    assert world.rings == []
    world.faults(rings_for_own_writes=True)
    await world.note(ticket)
    await world.says(ticket, "our own agent works", as_api_user=True)
    assert len(world.rings) == 2


async def test_a_contacts_note_may_count_as_the_requesters_act(world: World) -> None:
    await _rule(world, performer={"type": 2}, events=[{"field_name": "note_type"}])
    ticket = await world.ticket()
    await world.note(ticket)
    await world.freshdesk.drain()
    assert world.rings == []
    world.faults(incoming_note_by_requester=True)
    await world.note(ticket)
    await world.freshdesk.drain()
    assert len(world.rings) == 1


@pytest.mark.parametrize(
    ("event", "rings"),
    [
        ({"field_name": "note_type", "value": "public"}, 1),
        ({"field_name": "note_type", "value": "private"}, 0),
        ({"field_name": "reply_sent"}, 0),
        ({"field_name": "status", "from": 2, "to": 4}, 1),
        ({"field_name": "status", "from": 3}, 0),
        ({"field_name": "priority"}, 0),
    ],
)
async def test_events_choose_what_rings(world: World, event: dict[str, Any], rings: int) -> None:
    await _rule(world, events=[event])
    ticket = await world.ticket()
    await world.says(ticket, "note", status="solved", kind="note")
    assert len(world.rings) == rings


@pytest.mark.parametrize(
    ("condition", "rings"),
    [
        ({"field_name": "tag", "operator": "in", "value": ["whatsapp"]}, 1),
        ({"field_name": "tag", "operator": "not_in", "value": ["whatsapp"]}, 0),
        ({"field_name": "status", "operator": "in", "value": [3]}, 0),
        ({"field_name": "source", "operator": "in", "value": [7]}, 1),
    ],
)
async def test_conditions_choose_which_tickets_ring(world: World, condition: dict[str, Any], rings: int) -> None:
    await _rule(world, events=[{"field_name": "note_type"}], conditions=[condition])
    ticket = await world.ticket(tags=["whatsapp"])
    await world.says(ticket)
    assert len(world.rings) == rings


async def test_deletion_spam_and_creation_ring_where_a_rule_names_them(world: World) -> None:
    events = [{"field_name": "ticket_action", "value": value} for value in ("deleted", "marked_spam")]
    template = '{"ticket_id": "{{ticket.id}}", "event": "{{triggered_event}}", "status": "{{ticket.status}}"}'
    await _rule(world, events=events, webhook={"url": RING_URL, "body": template})
    await _rule(world, type="creation", webhook={"url": RING_URL, "body": '{"made": {{ticket.id}}}'})
    first, second = await world.ticket(), await world.ticket(await world.contact(mobile="+2"))
    await world.control("DELETE", f"tickets/{first['id']}")
    await world.control("POST", f"tickets/{second['id']}/spam")
    await world.freshdesk.drain()
    assert world.ring_bodies() == [
        {"made": 1},
        {"made": 2},
        {"ticket_id": "1", "event": "{ticket_action:deleted}", "status": "Open"},
        {"ticket_id": "2", "event": "{ticket_action:marked_spam}", "status": "Open"},
    ]


async def test_simple_bodies_are_wrapped_and_tell_one_event(world: World) -> None:
    fields = ["ticket.id", "ticket.status", "ticket.requester.unique_external_id", "ticket.latest_public_comment"]
    webhook = {"url": RING_URL, "content_layout": "simple", "fields": [*fields, "triggered_event"]}
    await _rule(world, events=[{"field_name": "status"}, {"field_name": "note_type"}], webhook=webhook)
    ticket = await world.ticket()
    await world.says(ticket, 'It "ships"', status="pending")
    (body,) = world.ring_bodies()
    assert body["freshdesk_webhook"] == {
        "ticket_id": 1,
        "ticket_status": "Pending",
        "ticket_requester_unique_external_id": "wa:351912345678",
        "ticket_latest_public_comment": 'Bia : <div dir="ltr">It "ships"</div>',
        "triggered_event": "{note_type:public}",
    }


async def test_own_bodies_may_come_wrapped_and_are_not_escaped(world: World) -> None:
    world.ring_me()
    world.faults(ring_body_wrapped=True)
    ticket = await world.ticket()
    await world.says(ticket)
    assert world.ring_bodies() == [{"freshdesk_webhook": {"ticket_id": str(ticket["id"])}}]
    await _rule(
        world,
        events=[{"field_name": "note_type"}],
        webhook={"url": RING_URL, "body": '{"c": "{{ticket.latest_public_comment}}"}'},
    )
    await world.says(ticket, "x")
    assert b'<div dir="ltr">x</div>' in world.rings[-1].content


async def test_rings_get_lost_doubled_and_late(world: World) -> None:
    world.ring_me()
    ticket = await world.ticket()
    world.faults(lose_rings=1)
    await world.says(ticket)
    assert world.rings == []
    world.faults(double_rings=True, delay_rings_seconds=4)
    await world.says(ticket)
    assert (len(world.rings), world.slept) == (2, [4, 4])
    outcomes = [one["status"] for one in await world.control("GET", "invocations")]
    assert outcomes == ["success", "lost"]


async def test_every_other_ring_may_come_late(world: World) -> None:
    world.ring_me()
    world.faults(reorder_rings=True)
    ticket = await world.ticket()
    for _ in range(2):
        await world.says(ticket)
    assert world.slept == [1]


async def test_a_failed_ring_comes_again_after_5_30_and_60_minutes_and_then_no_more(world: World) -> None:
    world.ring_me()
    world.ring_answer = lambda _request: httpx.Response(401)
    ticket = await world.ticket()
    await world.says(ticket)
    assert world.slept == [300, 1800, 3600]
    assert len(world.rings) == 4
    (invocation,) = await world.control("GET", "invocations")
    assert (invocation["status"], len(invocation["attempts"])) == ("failed", 4)


async def test_a_ring_waits_for_its_answer_as_long_as_the_switch_says(world: World) -> None:
    world.ring_me()
    ticket = await world.ticket()
    await world.says(ticket)
    world.faults(ring_timeout_seconds=20)
    await world.says(ticket)
    assert [ring.extensions["timeout"]["read"] for ring in world.rings] == [5, 20]


async def test_a_ring_that_succeeds_later_stops_there(world: World) -> None:
    world.ring_me()
    world.faults(ring_retry_scale=0.01)

    def answer(_request: httpx.Request) -> httpx.Response:
        if len(world.rings) == 1:
            raise httpx.ConnectError("nobody there")
        return httpx.Response(204)

    world.ring_answer = answer
    await world.says(await world.ticket())
    assert world.slept == [3]
    (invocation,) = await world.control("GET", "invocations")
    assert [one["status_code"] for one in invocation["attempts"]] == [None, 204]


async def test_rings_count_against_the_accounts_calls_and_wait_where_none_is_left() -> None:
    async with freshdesk_world(plan="growth") as world:
        world.ring_me()
        ticket = await world.ticket()
        left = int((await world.api("GET", "agents/me")).headers["x-ratelimit-remaining"])
        await world.says(ticket)
        after = int((await world.api("GET", "agents/me")).headers["x-ratelimit-remaining"])
        assert left - after == 2
        for _ in range(after):
            await world.api("GET", "agents/me")
        await world.says(ticket)
        assert world.slept == [3600]
        assert len(world.rings) == 2
        world.faults(rings_count=False)
        before = (await world.api("GET", "agents/me")).headers["x-ratelimit-remaining"]
        await world.says(ticket)
        now = (await world.api("GET", "agents/me")).headers["x-ratelimit-remaining"]
        assert int(before) - int(now) == 1


async def test_the_api_shows_rules_and_makes_none(world: World) -> None:
    world.ring_me()
    (rule,) = (await world.get("automations/4/rules"))["rules"]
    (action,) = rule["actions"]
    assert (action["url"], action["custom_headers"]) == (RING_URL, {"X-Deskbridge-Secret": SECRET})
    assert await world.get(f"automations/4/rules/{rule['id']}") == rule
    assert (await world.get("automations/1/rules"))["rules"] == []
    assert (await world.api("POST", "automations/4/rules", {"name": "x"})).status_code == 405
    await world.control("DELETE", f"rules/{rule['id']}")
    await world.says(await world.ticket())
    assert world.rings == []


async def test_setup_with_another_secret_makes_the_rule_anew(world: World) -> None:
    world.ring_me()
    world.freshdesk.setup({"webhook_secret": "another"})
    (hook,) = await world.control("GET", "webhooks")
    assert hook["custom_headers"] == {"X-Deskbridge-Secret": "another"}


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"webhook": {"url": "nowhere"}},
        {"webhook": {"url": RING_URL}, "events": [{"field_name": "moon"}]},
        {"webhook": {"url": RING_URL}, "performer": {"type": 9}},
        {"webhook": {"url": RING_URL}, "conditions": [{"field_name": "tag", "operator": "is", "value": []}]},
        {"webhook": {"url": RING_URL, "secret": "x"}},
        {"webhook": {"url": RING_URL}, "colour": "red"},
    ],
)
async def test_rules_refuse_nonsense(world: World, wish: dict[str, Any]) -> None:
    answer = await world.http.post("/sandbox/api/freshdesk/rules", json=wish)
    assert answer.status_code == 400
    assert answer.json()["error"]
