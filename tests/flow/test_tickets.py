"""Story: tickets are solved, closed, deleted and merged while the conversation goes on."""

import pytest

from tests.flow.waiting import eventually
from tests.flow.world import Customer, Ticket, World


def _second_ticket(world: World, customer: Customer) -> Ticket:
    return eventually(lambda: world.tickets(customer), lambda tickets: len(tickets) == 2)[1]


@pytest.mark.parametrize("status", ["solved", "pending", "hold"])
def test_ticket_that_waits_or_is_solved_is_reopened_by_the_customer(world: World, status: str) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    ticket.replies(world.words("is that all"), status=status)
    eventually(lambda: len(ana.received()), 1)
    assert ticket.status == status
    world.settle()

    text = world.words("no, one more thing")
    ana.writes(text)
    ticket.shows(text)
    eventually(lambda: ticket.status, "open")
    assert len(world.tickets(ana)) == 1


@pytest.mark.helpdesk("freshdesk")
def test_closed_ticket_is_reopened_where_nothing_is_closed_for_good(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    ticket.replies(world.words("that was all"), status="closed")
    eventually(lambda: len(ana.received()), 1)
    world.settle()

    text = world.words("it broke again")
    ana.writes(text)
    ticket.shows(text)
    eventually(lambda: ticket.status, "open")
    assert len(world.tickets(ana)) == 1


def test_ticket_that_was_solved_before_its_ring_was_heard_is_reopened_by_the_customer(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.settle()
    world.faults({"helpdesk.delay_rings_seconds": 1.5})
    answer, text = world.words("is that all"), world.words("no, one more thing")
    ticket.replies(answer, status="solved")
    ana.writes(text)

    ticket.shows(text)
    ana.gets(answer)
    eventually(lambda: ticket.status, "open")
    world.settle()
    assert ticket.status == "open"


def test_ticket_that_was_solved_in_silence_is_reopened_by_the_customer(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.settle()
    ticket.change(status="solved")

    text = world.words("one more thing")
    ana.writes(text)
    ticket.shows(text)
    eventually(lambda: ticket.status, "open")


@pytest.mark.helpdesk("freshdesk")
def test_ticket_marked_as_spam_is_followed_by_one_that_names_it(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.post(f"/helpdesk/tickets/{ticket.id}/spam", {})
    again = world.words("hello again")

    ana.writes(again)
    new = eventually(lambda: [one for one in world.tickets(ana) if one.id != ticket.id], bool)[-1]
    new.shows(again)
    new.note(f"#{ticket.id}")


@pytest.mark.helpdesk("zendesk")
def test_closed_ticket_is_followed_by_one_that_links_to_it(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    ticket.change(status="solved")
    ticket.close()
    again, answer = world.words("it broke again"), world.words("from the follow-up")

    ana.writes(again)
    follow_up = _second_ticket(world, ana)
    follow_up.shows(again)
    assert str(ticket.id) in str(follow_up.look()["via"])
    follow_up.replies(answer)
    ana.gets(answer)
    more = world.words("thanks")
    ana.writes(more)
    follow_up.shows(again, more)
    assert len(world.tickets(ana)) == 2
    assert len(world.users(ana)) == 1


def test_deleted_ticket_is_followed_by_one_that_names_it(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    ticket.delete()
    again, answer = world.words("hello again"), world.words("from the new ticket")

    ana.writes(again)
    new = eventually(lambda: [one for one in world.tickets(ana) if one.id != ticket.id], bool)[-1]
    new.shows(again)
    new.note(f"#{ticket.id}")
    new.replies(answer)
    ana.gets(answer)


@pytest.mark.helpdesk("zendesk")
def test_merged_ticket_goes_on_in_the_target(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    requester = ticket.look()["requester_id"]
    opened = world.post(
        "/helpdesk/tickets", {"requester_id": requester, "text": world.words("by phone"), "public": True}
    )
    target = Ticket(world, opened["id"])
    # Zendesk's times are whole seconds: what an agent wrote in the merge's own second cannot be told from what follows.
    world.advance(seconds=5)
    ticket.merge_into(target)
    again, answer = world.words("where am I now"), world.words("from the target")

    ana.writes(again)
    target.shows(again)
    target.replies(answer)
    ana.gets(answer)
    assert len(world.tickets(ana)) == 2


@pytest.mark.helpdesk("freshdesk")
def test_message_that_came_to_a_merged_ticket_which_still_takes_comments_is_told_on_the_target(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    requester = ticket.look()["requester_id"]
    opened = world.post("/helpdesk/tickets", {"requester_id": requester, "text": world.words("by phone")})
    target = Ticket(world, opened["id"])
    world.faults({"helpdesk.delay_rings_seconds": 1.5})
    ticket.merge_into(target)
    meanwhile, answer = world.words("where am I now"), world.words("from the target")

    ana.writes(meanwhile)
    ticket.shows(meanwhile)
    target.note(f"#{ticket.id}", meanwhile)
    again = world.words("and here I am")
    ana.writes(again)
    target.shows(again)
    target.replies(answer)
    ana.gets(answer)
    assert len(world.tickets(ana)) == 2


def test_reply_on_the_target_reaches_the_customer_before_the_customer_writes_again(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    requester = ticket.look()["requester_id"]
    opened = world.post(
        "/helpdesk/tickets", {"requester_id": requester, "text": world.words("by phone"), "public": True}
    )
    target = Ticket(world, opened["id"])
    answer = world.words("from the target")
    world.advance(seconds=5)
    ticket.merge_into(target)

    target.replies(answer)
    ana.gets(answer)
    world.settle()
    ana.gets(answer)


def test_reply_and_solving_in_one_go_reaches_the_customer(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    answer = world.words("done, goodbye")
    ticket.replies(answer, status="solved")
    ana.gets(answer)
    world.settle()
    assert ticket.status == "solved"
    ana.gets(answer)
