"""Story: a customer writes, an agent answers."""

from tests.flow.waiting import eventually
from tests.flow.world import World


def test_first_message_opens_a_ticket_and_later_ones_append(world: World) -> None:
    ana = world.customer()
    first, second = world.words("the kettle leaks"), world.words("and it hisses")

    ana.writes(first)
    ticket = ana.ticket()
    ticket.shows(first)
    ana.writes(second)
    ticket.shows(first, second)

    seen = ticket.look()
    assert seen["requester"]["name"] == ana.name
    assert all(comment["public"] for comment in seen["comments"])
    assert {"whatsapp", "wa_window_open"} <= set(seen["tags"])
    assert "wa_undelivered" not in seen["tags"]
    assert [one.id for one in world.tickets(ana)] == [ticket.id]
    assert len(world.users(ana)) == 1


def test_reply_within_the_window_arrives_once_and_status_says_delivered_then_read(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    answer = world.words("a new seal is on its way")

    ticket.replies(answer)
    ana.gets(answer)
    eventually(ana.ticks, ["delivered"])
    world.settle()
    assert "delivered" in ticket.commands("/wa status")
    ana.reads()
    world.settle()
    assert "read" in ticket.commands("/wa status")
    ana.gets(answer)
    assert ticket.from_customer() == [comment["plain_body"] for comment in ticket.comments()[:1]]
