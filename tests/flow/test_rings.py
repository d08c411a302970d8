"""Story: the helpdesk rings too often, too late, for nothing, or not at all."""

import secrets

from tests.flow.installation import RECONCILE_SECONDS
from tests.flow.waiting import eventually
from tests.flow.world import World


def test_lost_ring_is_repaired_by_polling(world: World) -> None:
    ana, ben = world.customer(), world.customer("Ben")
    first, second = ana.has_ticket(), ben.has_ticket()
    answer, command = world.words("nobody rang"), "/wa status"
    world.faults({"zendesk.lose_rings": -1})

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
    world.faults({"zendesk.lose_rings": -1, "zendesk.export_delay_seconds": 0.0})

    ticket.replies(answer)
    world.installation.run("reconcile", "--json")
    ana.gets(answer)


def test_doubled_and_delayed_rings_do_no_harm(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.faults({"zendesk.double_rings": True})
    first, second, third = world.words("one"), world.words("two"), world.words("three")

    ticket.replies(first)
    ana.gets(first)
    world.faults({"zendesk.delay_rings_seconds": 1.0})
    ticket.replies(second)
    world.faults({"zendesk.delay_rings_seconds": 0.0})
    ticket.replies(third)
    ana.gets(first, second, third)
    eventually(lambda: _rings_made(world), lambda made: made >= 6)
    world.settle()
    ana.gets(first, second, third)


def _rings_made(world: World) -> int:
    return len(world.get("/zendesk/invocations", limit=100))


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
    opened = world.post("/zendesk/tickets", {"requester_id": requester, "text": world.words("by hand"), "public": True})
    world.post(f"/zendesk/tickets/{opened['id']}/comments", {"text": world.words("by hand again"), "public": True})
    world.settle()
    assert world.calls_since(mark, about=[ticket, world.ticket(opened["id"])]) == []
    assert ana.received() == []


def test_unsigned_stale_and_unreadable_rings_are_refused(world: World) -> None:
    ring = world.installation.ring
    unsigned = world.http.post(f"{world.installation.url}/webhooks/zendesk", json={"ticket_id": "1"})
    assert unsigned.status_code == 401
    assert ring({"ticket_id": "1"}, age_seconds=16 * 60) == 401
    assert ring({"ticket_id": "1"}, age_seconds=-16 * 60) == 401
    assert ring({"ticket_id": "1"}, age_seconds=14 * 60) == 200
    assert ring({"detail": {"id": "1"}}) == 200
    assert ring({"ticket": {"id": 1}}) == 200
