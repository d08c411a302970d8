"""Story: a customer wants no marketing, and says so in one way or another."""

from tests.flow.world import World

STOPPED, AGREED, NOT_ASKED = "does not want them", "has agreed to them", "was not asked"


def test_customer_who_stops_marketing_is_still_answered(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    assert NOT_ASKED in ticket.commands("/wa status")

    ana.writes(message={"type": "text", "text": {"body": "PARAR"}})
    ticket.note("no marketing messages are sent to them", "PARAR")
    assert STOPPED in ticket.commands("/wa status")
    answer = world.words("of course")
    ticket.replies(answer)
    ana.gets(answer)

    assert "say when and how" in ticket.commands("/wa opt-in")
    assert "On record" in ticket.commands("/wa opt-in by phone on 3 May")
    assert AGREED in ticket.commands("/wa status")
    # One question each: a ticket takes few writes in ten minutes.
    ana.change(stopped_marketing=True)
    world.settle()
    assert STOPPED in ticket.commands("/wa status")
    ana.change(stopped_marketing=False)
    world.settle()
    assert AGREED in ticket.commands("/wa status")
    assert "On record" in ticket.commands("/wa opt-out")
    assert STOPPED in ticket.commands("/wa status")
