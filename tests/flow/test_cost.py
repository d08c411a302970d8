"""Story: what a conversation costs in calls to the helpdesk, which counts them."""

from tests.flow.waiting import eventually
from tests.flow.world import World


def test_single_message_of_a_known_customer_costs_one_call_and_our_own_write_none(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.settle()
    mark = world.calls_mark()
    text = world.words("one more thing")

    ana.writes(text)
    ticket.shows(text)
    world.settle()
    assert world.calls_since(mark, about=[ticket]) == [world.desk.write(ticket.id)]


def test_ten_messages_that_wait_together_cost_one_or_two_writes(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.settle()
    world.faults({"helpdesk.down": True, "helpdesk.down_retry_after_seconds": 3})
    texts = [world.words(f"thought {number}") for number in range(10)]
    ana.writes_one_after_the_other(texts)
    eventually(lambda: world.installation.metric("deskbridge_effect_rows", kind="post_message", state="ready"), 10.0)
    mark = world.calls_mark()
    world.faults({"helpdesk.down": False})

    ticket.shows(*texts)
    world.settle()
    write = world.desk.write(ticket.id)
    assert world.calls_since(mark, refused=False, about=[ticket]) in ([write], [write] * 2)


def test_ten_first_messages_that_wait_together_open_one_ticket_with_one_write(world: World) -> None:
    world.faults({"helpdesk.down": True, "helpdesk.down_retry_after_seconds": 3})
    ana = world.customer()
    texts = [world.words(f"thought {number}") for number in range(10)]
    ana.writes_one_after_the_other(texts)
    eventually(lambda: world.installation.metric("deskbridge_effect_rows", kind="post_message", state="ready"), 10.0)
    mark = world.calls_mark()
    world.faults({"helpdesk.down": False})

    ticket = ana.ticket()
    ticket.shows(*texts)
    world.settle()
    calls = world.calls_since(mark, refused=False, about=[ticket])
    assert calls.count("POST /tickets") == 1
    assert calls.count(world.desk.make_requester) == 1
    assert len(calls) <= 5, calls


def test_reply_costs_at_most_two_reads(world: World) -> None:
    """Two rings tell of it, and they coalesce unless the first was taken already."""
    ana = world.customer()
    ticket = ana.has_ticket()
    world.settle()
    mark = world.calls_mark()
    answer = world.words("an answer")

    ticket.replies(answer)
    ana.gets(answer)
    world.settle()
    calls = world.calls_since(mark, about=[ticket])
    assert set(calls) <= {world.desk.read(ticket.id)}
    assert len(calls) <= 2
