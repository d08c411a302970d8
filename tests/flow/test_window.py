"""Story: the customer service window closes, and opens again."""

import pytest

from tests.flow.waiting import eventually
from tests.flow.world import World


def test_reply_after_window_closes_is_held_and_goes_out_before_newer_replies(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.advance(hours=25)
    held = [world.words("held one"), world.words("held two"), world.words("held three")]

    for text in held:
        ticket.replies(text)
        told = ticket.note("held, not sent", text[:40])
        assert "24-hour customer service window closed" in told
        assert "/wa hold cancel" in told
    assert ana.received() == []
    again, newer = world.words("are you there"), world.words("a newer reply")
    ana.writes(again)
    ticket.shows(again)
    ticket.replies(newer)
    ana.gets(*held, newer)
    world.settle()
    ana.gets(*held, newer)
    assert {"wa_window_open"} <= set(ticket.look()["tags"])


def test_ticket_says_that_the_window_is_closed_and_a_reply_undelivered(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    assert "wa_window_open" in ticket.look()["tags"]
    world.advance(hours=25)

    ticket.replies(world.words("too late"))
    ticket.note("held, not sent")
    eventually(lambda: set(ticket.look()["tags"]), lambda tags: {"wa_window_closed", "wa_undelivered"} <= tags)
    assert "wa_window_open" not in ticket.look()["tags"]
    ana.writes(world.words("back again"))
    eventually(ana.received, lambda texts: len(texts) == 1)


def test_held_reply_that_is_cancelled_never_goes_out(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.advance(hours=25)
    ticket.replies(world.words("never mind"))
    ticket.note("held, not sent")

    assert "Dropped 1" in ticket.commands("/wa hold cancel")
    again, marker = world.words("hello again"), world.words("marker")
    ana.writes(again)
    ticket.shows(again)
    ticket.replies(marker)
    ana.gets(marker)


def test_held_reply_expires_and_the_agent_is_told(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.advance(hours=25)
    text = world.words("waiting in vain")
    ticket.replies(text)
    ticket.note("held, not sent")

    world.advance(hours=73)
    ticket.note("dropped, not sent", text[:30], "72 hours")
    again, marker = world.words("hello after days"), world.words("marker")
    ana.writes(again)
    ticket.shows(again)
    ticket.replies(marker)
    ana.gets(marker)


def test_held_reply_goes_out_when_its_ticket_was_solved_meanwhile(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.advance(hours=25)
    held, again = world.words("held"), world.words("me again")
    ticket.replies(held, status="solved")
    ticket.note("held, not sent")
    ticket.change(status="solved")

    ana.writes(again)
    ana.gets(held)
    ticket.shows(again)
    eventually(lambda: ticket.status, "open")


@pytest.mark.helpdesk("zendesk")
def test_held_reply_goes_out_when_its_ticket_was_closed_and_followed_up_meanwhile(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.advance(hours=25)
    held, again = world.words("held"), world.words("me again")
    ticket.replies(held)
    ticket.note("held, not sent")
    ticket.change(status="solved")
    ticket.close()

    ana.writes(again)
    ana.gets(held)
    follow_up = eventually(lambda: world.tickets(ana), lambda tickets: len(tickets) == 2)[1]
    follow_up.shows(again)
    newer = world.words("from the follow-up")
    follow_up.replies(newer)
    ana.gets(held, newer)


@pytest.mark.helpdesk("zendesk")
def test_hold_of_a_closed_ticket_that_expires_is_told_where_somebody_sees_it_or_kept(world: World) -> None:
    """A closed ticket takes no note: the customer's next ticket does."""
    ana = world.customer()
    ticket = ana.has_ticket()
    world.advance(hours=25)
    held = world.words("held on a ticket that closes")
    ticket.replies(held)
    ticket.note("held, not sent")
    ticket.change(status="solved")
    ticket.close()
    world.advance(hours=73)
    world.settle()

    again = world.words("after a week")
    ana.writes(again)
    follow_up = eventually(lambda: world.tickets(ana), lambda tickets: len(tickets) == 2)[1]
    follow_up.shows(again)
    follow_up.note("dropped, not sent", held[:30])


def test_reject_policy_tells_the_agent_and_sends_nothing_later(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.advance(hours=25)
    worker = world.installation.worker
    assert worker.stop() == 0
    worker.start(extra={"DESKBRIDGE_WINDOW_CLOSED": "reject"})
    try:
        rejected = world.words("rejected")
        ticket.replies(rejected)
        told = ticket.note("not sent", rejected[:30])
        assert "held" not in told
    finally:
        assert worker.stop() == 0
        worker.start()
    again, marker = world.words("hello again"), world.words("marker")
    ana.writes(again)
    ticket.shows(again)
    ticket.replies(marker)
    ana.gets(marker)


def test_status_command_tells_window_held_and_last_deliveries(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    sent, held = world.words("sent in time"), world.words("sent too late")
    ticket.replies(sent)
    eventually(ana.ticks, ["delivered"])
    world.settle()
    assert "Window: open until" in ticket.commands("/wa status")
    world.advance(hours=25)
    ticket.replies(held)
    ticket.note("held, not sent")

    report = ticket.commands("/wa status")
    assert "Window: closed since" in report
    assert "Held: 1" in report
    assert sent[:30] in report
    assert "delivered" in report
    assert held[:30] in report
    assert "/wa status" in ticket.commands("/wa do something else")


def test_message_that_stays_undelivered_for_a_day_is_told_once(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    ana.change(online=False)
    text = world.words("to a phone that is off")
    ticket.replies(text)
    eventually(ana.ticks, ["sent"])
    world.settle()

    world.advance(hours=25)
    ticket.note("Not delivered after 24 hours", text[:30])
    world.advance(hours=25)
    ana.change(online=True)
    eventually(ana.ticks, ["delivered"])
    world.settle()
    assert len([note for note in ticket.notes() if "Not delivered after 24 hours" in note]) == 1


def test_agent_of_an_unanswered_customer_is_warned_once_before_the_window_closes(world: World) -> None:
    waiting, answered, solved = world.customer(), world.customer(), world.customer()
    tickets = [one.has_ticket() for one in (waiting, answered, solved)]
    said = world.words("in time")
    tickets[1].replies(said)
    answered.gets(said)
    tickets[2].change(status="solved")
    world.settle()

    world.advance(hours=22.5)
    told = tickets[0].note("has not been answered yet")
    assert "window closes" in told
    eventually(lambda: "wa_window_closing" in tickets[0].look()["tags"], True)
    world.advance(hours=2)
    eventually(lambda: "wa_window_closed" in tickets[0].look()["tags"], True)
    world.settle()
    assert len(tickets[0].notes()) == 1
    assert tickets[1].notes() == []
    assert tickets[2].notes() == []
    assert tickets[2].status == "solved"

    again = world.words("still there")
    waiting.writes(again)
    tickets[0].shows(again)
    eventually(lambda: "wa_window_open" in tickets[0].look()["tags"], True)
