"""Story: webhooks come in batches, shuffled, twice and late; and people hide and show their numbers."""

from typing import Any

import pytest

from tests.flow.waiting import eventually
from tests.flow.world import World, in_order


def test_shuffled_redelivered_batch_stands_on_the_ticket_once_and_in_order(world: World) -> None:
    ana, ben = world.customer(), world.customer("Ben")
    world.faults({"whatsapp.batch_milliseconds": 400, "whatsapp.batch_shuffle": True, "whatsapp.redeliver": 2})
    of_ana = [world.words(f"from Ana {number}") for number in range(8)]
    of_ben = [world.words(f"from Ben {number}") for number in range(8)]

    ana.writes_one_after_the_other(of_ana)
    ben.writes_one_after_the_other(of_ben)
    ana.ticket().shows(*of_ana)
    ben.ticket().shows(*of_ben)
    world.faults({"whatsapp.batch_milliseconds": 0, "whatsapp.redeliver": 0})
    world.settle()
    ana.ticket().shows(*of_ana)
    ben.ticket().shows(*of_ben)
    assert len(world.tickets(ana)) == len(world.tickets(ben)) == 1


def test_reordered_webhooks_of_messages_that_wait_keep_whatsapps_order(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.faults({"helpdesk.down": True, "helpdesk.down_retry_after_seconds": 2, "whatsapp.reorder": True})
    texts = [world.words(f"line {number}") for number in range(8)]
    ana.writes_one_after_the_other(texts)
    eventually(lambda: world.installation.metric("deskbridge_effect_rows", kind="post_message", state="ready"), 8.0)
    world.faults({"helpdesk.down": False, "whatsapp.reorder": False})

    ticket.shows(*texts)


def test_older_message_that_comes_late_carries_its_time(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    newer, older = world.words("newer"), world.words("older")
    sent_at = int(world.now().timestamp()) - 600

    ana.writes(newer)
    ticket.shows(newer)
    ana.writes(older, timestamp=sent_at)
    ticket.shows(newer, older)
    shown = next(text for text in ticket.from_customer() if older in text)
    assert "UTC]" in shown
    assert "UTC]" not in next(text for text in ticket.from_customer() if newer in text)


def test_customer_who_hides_the_number_and_shows_it_later_is_one_person(world: World) -> None:
    ana = world.customer(hidden_number=True, username=f"ana{world.words('x')[2:]}")
    first, answer = world.words("who am I"), world.words("a guest")
    ana.writes(first)
    ticket = ana.ticket()
    ticket.shows(first)
    ticket.replies(answer)
    ana.gets(answer)

    ana.change(hidden_number=False)
    second, again = world.words("this is my number"), world.words("thank you")
    ana.writes(second)
    ticket.shows(first, second)
    ticket.replies(again)
    ana.gets(answer, again)
    ana.change(hidden_number=True)
    third = world.words("and hidden again")
    ana.writes(third)
    ticket.shows(first, second, third)
    assert len(world.tickets(ana)) == 1
    assert len(world.users(ana)) == 1


def test_user_who_alone_has_the_number_is_adopted(world: World) -> None:
    ana = world.customer()
    # A user is found by number once the search index has it; what is there from before, is.
    world.faults({"helpdesk.index_delay_seconds": 0.0})
    known = world.post("/helpdesk/users", {"name": ana.name, "phone": f"+{ana.wa_id}"})

    ticket = ana.has_ticket()
    assert ticket.look()["requester_id"] == known["id"]
    assert len(world.users(ana)) == 1


@pytest.mark.parametrize(
    "switches",
    [
        {"whatsapp.omit_profile": True},
        {"whatsapp.bsuid_in_from": True},
        {"whatsapp.timestamp_milliseconds": True},
        {"whatsapp.status_before_answer": True},
        {"whatsapp.old_conversation_object": True, "whatsapp.read_skips_delivered": True},
        {"zendesk.comment_metadata_visible": False},
        {"zendesk.auto_reopen_by_author": True},
        {"zendesk.noop_audit_null": False, "zendesk.html_body_wins": False},
        {"zendesk.not_relevant_needs_comment": False},
        {"freshdesk.note_by_contact": "forbidden"},
        {"freshdesk.note_by_contact": "invalid"},
        {"freshdesk.incoming_note_reopens": True, "freshdesk.incoming_note_by_requester": True},
        {"freshdesk.rings_for_own_writes": True},
        {"freshdesk.ring_body_wrapped": True, "freshdesk.updated_since_inclusive": True},
        {"freshdesk.note_moves_updated_at": False},
        {"freshdesk.external_id": "invalid_field"},
        {"freshdesk.external_id": "require_feature", "freshdesk.duplicate_names_contact": "none"},
        {"freshdesk.html_survives": "all", "freshdesk.source_13_accepted": True},
        {"freshdesk.reply_needs_email": False, "freshdesk.sub_limit_in_headers": True},
    ],
    ids=lambda switches: "+".join(f"{name}={value}" for name, value in switches.items()),
)
def test_conversation_works_whichever_way_an_unconfirmed_fact_goes(world: World, switches: dict[str, Any]) -> None:
    world.faults(switches)
    ana = world.customer(hidden_number="whatsapp.bsuid_in_from" in switches)
    ana.change(reads=True)
    text, answer, command = world.words("hello"), world.words("good day"), "/wa status"
    ana.writes(text)

    def ticket_ids() -> list[int]:
        found = world.get("/helpdesk/tickets")
        return [row["id"] for row in found if text in row["latest"] or row["requester_name"] == ana.name]

    ticket = world.ticket(eventually(ticket_ids, lambda ids: len(ids) == 1)[0])
    ticket.shows(text)
    ticket.replies(answer)
    ana.gets(answer)
    eventually(ana.ticks, ["read"])
    world.settle()
    assert "read" in ticket.commands(command)
    more = world.words("one more")
    ana.writes(more)
    ticket.shows(text, more)
    world.settle()
    ana.gets(answer)
    assert in_order(ticket.from_customer(), [text, more])
