"""Story: the helpdesk rings too often, too late, for nothing, or not at all."""

import secrets

import pytest

from tests.flow.desks import DESKS
from tests.flow.installation import RECONCILE_SECONDS
from tests.flow.waiting import eventually
from tests.flow.world import World


def test_lost_ring_is_repaired_by_polling(world: World) -> None:
    ana, ben = world.customer(), world.customer("Ben")
    first, second = ana.has_ticket(), ben.has_ticket()
    answer, command = world.words("nobody rang"), "/wa status"
    # A helpdesk's times are whole seconds: where its feed names tickets alone, a change of our write's own second is
    # found once the ticket is quiet.
    world.advance(seconds=5)
    world.faults({"helpdesk.lose_rings": -1})

    first.replies(answer)
    second.whispers(command)
    ana.gets(answer, patience_seconds=RECONCILE_SECONDS + 30)
    second.note("Window: open", patience_seconds=RECONCILE_SECONDS + 30)
    world.settle()
    ana.gets(answer)
    assert len(second.notes()) == 1


def test_reconcile_command_repairs_lost_rings_at_once(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    answer = world.words("nobody rang")
    world.advance(seconds=5)
    world.faults({"helpdesk.lose_rings": -1, "helpdesk.export_delay_seconds": 0.0})

    ticket.replies(answer)
    world.installation.run("reconcile", "--json")
    ana.gets(answer)


def test_lost_ring_that_a_message_hides_is_repaired_once_the_ticket_is_quiet(world: World) -> None:
    """Where the feed names tickets alone, the customer's message that follows looks like the only change."""
    ana = world.customer()
    ticket = ana.has_ticket()
    world.settle()
    world.faults({"helpdesk.lose_rings": -1})
    ticket.whispers("/wa status")
    more = world.words("one more thing")
    ana.writes(more)
    ticket.shows(more)

    world.advance(hours=0.2)
    ticket.note("Window: open", patience_seconds=RECONCILE_SECONDS + 30)
    world.settle()
    assert len(ticket.notes()) == 1


def test_doubled_and_delayed_rings_do_no_harm(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.faults({"helpdesk.double_rings": True})
    first, second, third = world.words("one"), world.words("two"), world.words("three")

    ticket.replies(first)
    ana.gets(first)
    world.faults({"helpdesk.delay_rings_seconds": 1.0})
    ticket.replies(second)
    world.faults({"helpdesk.delay_rings_seconds": 0.0})
    ticket.replies(third)
    ana.gets(first, second, third)
    eventually(lambda: _rings_made(world), lambda made: made >= 6)
    world.settle()
    ana.gets(first, second, third)


def _rings_made(world: World) -> int:
    return len(world.get("/helpdesk/invocations", limit=100))


def test_replies_of_the_same_second_keep_their_order(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    texts = [world.words(f"line {number}") for number in range(6)]

    for text in texts:
        ticket.replies(text)
    ana.gets(*texts)
    world.settle()
    ana.gets(*texts)


def test_rings_for_unknown_tickets_cost_no_call(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    requester = ticket.look()["requester_id"]
    world.settle()
    mark = world.calls_mark()

    assert world.installation.ring({"ticket_id": str(10**9 + secrets.randbelow(10**6))}) == 200
    opened = world.post(
        "/helpdesk/tickets", {"requester_id": requester, "text": world.words("by hand"), "public": True}
    )
    world.post(f"/helpdesk/tickets/{opened['id']}/comments", {"text": world.words("by hand again"), "public": True})
    world.settle()
    assert world.calls_since(mark, about=[ticket, world.ticket(opened["id"])]) == []
    assert ana.received() == []


def test_unsigned_and_unreadable_rings_are_refused(world: World) -> None:
    ring = world.installation.ring
    unsigned = world.http.post(f"{world.installation.url}/webhooks/{world.desk.name}", json={"ticket_id": "1"})
    assert unsigned.status_code == 401
    assert ring({"ticket_id": "1"}) == 200
    assert ring({"ticket_id": 1}) == 200
    assert ring({"ticket": "none"}) == 400


def test_webhook_of_a_helpdesk_that_is_not_configured_is_not_found(world: World) -> None:
    other = next(name for name in DESKS if name != world.desk.name)
    assert world.http.post(f"{world.installation.url}/webhooks/{other}", json={"ticket_id": "1"}).status_code == 404


@pytest.mark.helpdesk("freshdesk")
def test_ring_names_its_ticket_in_the_wrapper_of_a_simple_rule(world: World) -> None:
    assert (
        world.installation.ring({"freshdesk_webhook": {"ticket_id": 1207, "triggered_event": "{note_type:public}"}})
        == 200
    )


@pytest.mark.helpdesk("zendesk")
def test_stale_rings_are_refused_and_tickets_found_wherever_they_are_named(world: World) -> None:
    ring = world.installation.ring
    assert ring({"ticket_id": "1"}, age_seconds=16 * 60) == 401
    assert ring({"ticket_id": "1"}, age_seconds=-16 * 60) == 401
    assert ring({"ticket_id": "1"}, age_seconds=14 * 60) == 200
    assert ring({"detail": {"id": "1"}}) == 200
    assert ring({"ticket": {"id": 1}}) == 200


@pytest.mark.helpdesk("zendesk")
def test_ring_right_after_the_clock_was_turned_is_heard(world: World) -> None:
    world.post("/clock", {"advance_seconds": 25 * 3600})
    assert world.installation.ring({"ticket_id": "1"}) == 200
