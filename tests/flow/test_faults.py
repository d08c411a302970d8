"""Story: far sides are down, slow, cut the line, refuse; each message still arrives once or the agent is told."""

from typing import Any

import pytest

from tests.flow.waiting import eventually
from tests.flow.world import World


@pytest.mark.parametrize(
    ("during", "after"),
    [
        ({"helpdesk.down": True}, {"helpdesk.down": False}),
        ({"helpdesk.down": True, "helpdesk.down_retry_after_seconds": 2}, {"helpdesk.down": False}),
        ({"helpdesk.rate_limited": 2}, {}),
        ({"helpdesk.rate_limited": 1, "helpdesk.rate_limited_json": True}, {}),
        ({"helpdesk.server_error_next": 2}, {}),
        ({"helpdesk.conflict_next": 1}, {}),
        ({"helpdesk.conflict_next": 1, "zendesk.conflict_empty_body": True}, {}),
        ({"helpdesk.late_write_next": 1, "helpdesk.late_write_seconds": 1.0}, {}),
        ({"helpdesk.drop_answer": 1}, {}),
        ({"helpdesk.drop_answer": 2}, {}),
        ({"helpdesk.drop_answer": 1, "zendesk.comment_metadata_visible": False}, {}),
        ({"zendesk.expire_tokens": True}, {}),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else None,
)
def test_message_reaches_the_ticket_once(world: World, during: dict[str, Any], after: dict[str, Any]) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.settle()
    mark = world.calls_mark()
    world.faults(during)
    text, marker = world.words("in hard times"), world.words("afterwards")

    ana.writes(text)
    eventually(lambda: world.calls_since(mark), bool)
    world.faults(after)
    ticket.shows(text, patience_seconds=40)
    ana.writes(marker)
    ticket.shows(text, marker, patience_seconds=40)
    world.settle()
    ticket.shows(text, marker)


LATE = {"helpdesk.late_write_next": 1, "helpdesk.late_write_seconds": 1.0}


@pytest.mark.parametrize(
    ("only", "fault"),
    [
        ("POST /tickets", {"helpdesk.drop_answer": 1}),
        ("POST /tickets", {"helpdesk.server_error_next": 1}),
        ("POST /tickets", LATE),
        ("POST /tickets", {**LATE, "zendesk.idempotency_in_flight": "duplicate"}),
        ("requester", {"helpdesk.drop_answer": 1}),
        ("requester", {"helpdesk.server_error_next": 1}),
        ("requester", LATE),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else value,
)
def test_first_message_makes_one_user_and_one_ticket(world: World, only: str, fault: dict[str, Any]) -> None:
    world.faults({"helpdesk.only": world.desk.make_requester if only == "requester" else only, **fault})
    ana = world.customer()
    text, more = world.words("first"), world.words("second")

    ana.writes(text)
    ana.ticket(patience_seconds=40).shows(text)
    ana.writes(more)
    ana.ticket().shows(text, more, patience_seconds=40)
    world.settle()
    assert len(world.tickets(ana)) == 1
    assert len(world.users(ana)) == 1
    ana.ticket().shows(text, more)


def test_note_is_written_once_when_the_answer_was_dropped(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.settle()
    world.faults({"helpdesk.drop_answer": 1})

    ticket.whispers("/wa status")
    ticket.note("Window: open")
    world.settle()
    assert len(ticket.notes()) == 1


def test_reply_waits_while_meta_is_down_and_goes_out_once(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.faults({"whatsapp.down": True})
    first, second = world.words("one"), world.words("two")
    known = len(world.refusals())

    ticket.replies(first)
    ticket.replies(second)
    eventually(lambda: len(world.refusals()), lambda count: count > known)
    world.faults({"whatsapp.down": False})
    ana.gets(first, second)
    world.settle()
    ana.gets(first, second)


@pytest.mark.parametrize("early", [False, True], ids=["status after the cut", "status before the cut"])
def test_reply_whose_answer_was_dropped_is_settled_by_its_status(world: World, early: bool) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.faults({"whatsapp.drop_answer": 1, "whatsapp.status_before_answer": early})
    first, second = world.words("one"), world.words("two")

    ticket.replies(first)
    ticket.replies(second)
    ana.gets(first, second)
    world.settle()
    ana.gets(first, second)
    assert ticket.notes() == []
    assert "not confirmed" not in ticket.commands("/wa status")


def test_reply_without_a_verdict_is_told_as_not_confirmed_then_confirmed_late(world: World) -> None:
    """Takes 45 real seconds: that promise is counted from the start of the call, in real time."""
    ana, ben = world.customer(), world.customer("Ben")
    ticket, untaken = ana.has_ticket(), ben.has_ticket()
    first, second, never = world.words("one"), world.words("two"), world.words("cut before it was taken")
    world.faults({"whatsapp.drop_answer": 1, "whatsapp.hold_statuses": True})
    ticket.replies(first)
    ana.gets(first)
    world.faults({"whatsapp.refuse_connection_after_read": 1})
    untaken.replies(never)
    ticket.replies(second)

    ticket.note("not confirmed", first[:30], patience_seconds=60)
    untaken.note("not confirmed", never[:30], patience_seconds=60)
    ana.gets(first, second)
    assert ben.received() == []
    assert "not confirmed" in ticket.commands("/wa status")
    world.faults({"whatsapp.hold_statuses": False})
    ticket.note("now confirmed", first[:30])
    ana.gets(first, second)

    assert "Sending 1" in untaken.commands("/wa resend")
    ben.gets(never)
    assert "nothing to send again" in ticket.commands("/wa resend")
    world.settle()
    ana.gets(first, second)
    ben.gets(never)


def test_expired_token_is_told_once_per_waiting_ticket_and_work_resumes(world: World) -> None:
    ana, ben = world.customer(), world.customer("Ben")
    first, second = ana.has_ticket(), ben.has_ticket()
    world.faults({"whatsapp.token_expired": True})
    texts = [world.words("one"), world.words("two")]
    other = world.words("three")

    for text in texts:
        first.replies(text)
    second.replies(other)
    first.note("reply waits", "administrator")
    second.note("reply waits", "administrator")
    status, body = world.installation.readiness()
    assert status == 200
    assert "degraded" in body
    world.faults({"whatsapp.token_expired": False})
    ana.gets(*texts, patience_seconds=60)
    ben.gets(other, patience_seconds=60)
    world.settle()
    assert len(first.notes()) == len(second.notes()) == 1
    assert "degraded" not in world.installation.readiness()[1]


def test_billing_refusal_by_status_is_told_and_work_resumes(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.faults({"whatsapp.billing": True})
    text = world.words("unpaid")

    ticket.replies(text)
    ticket.note("reply waits", "administrator")
    world.faults({"whatsapp.billing": False})
    ana.gets(text, patience_seconds=60)
    world.settle()
    ana.gets(text)
    assert len(ticket.notes()) == 1


@pytest.mark.parametrize("where", ["status", "sync"])
def test_window_that_meta_sees_closed_holds_the_reply_and_tells_both_times(world: World, where: str) -> None:
    ana = world.customer()
    # WhatsApp's timestamps are whole seconds, and a message of the refusal's own second counts as after it.
    ticket = ana.has_ticket(seconds_ago=30)
    world.faults({"whatsapp.fail_next": {"code": 131047, "where": where}})
    refused, newer = world.words("refused"), world.words("newer")

    ticket.replies(refused)
    told = ticket.note("refused this reply", refused[:30])
    assert told.count("UTC") == 2
    ticket.replies(newer)
    ticket.note("held, not sent", newer[:30])
    assert ana.received() == []
    again = world.words("here I am")
    ana.writes(again)
    ana.gets(refused, newer)
    world.settle()
    ana.gets(refused, newer)


@pytest.mark.parametrize("where", ["status", "sync"])
def test_customer_who_cannot_receive_is_told_in_plain_words_and_resend_tries_again(world: World, where: str) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.faults({"whatsapp.fail_next": {"code": 131026, "where": where}})
    text = world.words("to nobody")

    ticket.replies(text)
    told = ticket.note("not delivered", text[:30])
    assert "cannot receive it" in told
    assert "131026" in told
    assert ana.received() == []
    ticket.commands("/wa resend")
    ana.gets(text)


@pytest.mark.parametrize("code", [130429, 131056, 131000, 131016])
def test_reply_that_meta_refuses_for_a_passing_reason_goes_out_later(world: World, code: int) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.faults({"whatsapp.fail_next": {"code": code, "where": "sync"}})
    first, second = world.words("one"), world.words("two")

    ticket.replies(first)
    ticket.replies(second)
    ana.gets(first, second, patience_seconds=60)
    world.settle()
    ana.gets(first, second)
