"""Story: a system of one's own takes events and tells what its agents wrote, as well or as badly as it can."""

import re

import httpx
import pytest

from tests.flow.test_files import PDF, attachments, send
from tests.flow.test_files_out import attached, bytes_of, gets
from tests.flow.waiting import eventually
from tests.flow.world import World

pytestmark = pytest.mark.helpdesk("http")


@pytest.mark.parametrize("answers", ["word", "zapier", "nothing"])
def test_system_that_names_nothing_is_spoken_to_by_our_names(world: World, answers: str) -> None:
    world.faults({"http.answers": answers})
    ana = world.customer()
    ticket = ana.has_ticket()
    answer, more = world.words("here it is"), world.words("thanks")

    ticket.replies(answer)
    ana.gets(answer)
    ana.writes(more)
    ticket.shows(more)
    ticket.commands("/wa status")
    world.settle()
    ana.gets(answer)
    assert len(world.tickets(ana)) == 1


def test_ticket_that_is_said_to_be_closed_is_followed_by_one_that_names_it_without_a_refusal(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.settle()
    ticket.close()
    eventually(lambda: world.get("/helpdesk/invocations", limit=1)[0]["status"], "success")
    world.settle()
    mark = world.calls_mark()
    again = world.words("it broke again")

    ana.writes(again)
    new = eventually(lambda: [one for one in world.tickets(ana) if one.id != ticket.id], bool)[-1]
    new.shows(again)
    assert new.look()["follows"] == str(ticket.id)
    world.settle()
    assert world.calls_since(mark, about=[ticket, new]) == ["POST /tickets"]


def test_what_is_told_twice_counts_once_and_what_cannot_be_understood_is_said(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    ring, answer = world.installation.ring, world.words("told twice")
    told = {"type": "reply", "ticket_id": ticket.id, "id": "900001", "text": answer}

    assert [ring(told) for _ in range(3)] == [200] * 3
    ana.gets(answer)
    assert ring(told) == 200
    assert ring({**told, "id": None}) == 400
    assert ring({**told, "type": "shout"}) == 400
    echo = {**told, "id": "900002", "event_id": "01K9ZZ3J7Q4V8M2C6T0B5N1D9F-1", "text": world.words("our own")}
    assert ring(echo) == 200
    world.settle()
    ana.gets(answer)


def test_files_come_as_links_and_go_by_their_addresses(world: World) -> None:
    ana = world.customer()
    send(ana, PDF, type="document", mime_type="application/pdf", filename="claim.pdf")
    ticket = ana.ticket()
    link = re.search(r"http://\S+/files/\S+", ticket.note("claim.pdf"))
    assert link is not None
    assert httpx.get(link[0]).content == PDF
    assert attachments(ticket) == []

    answer = world.words("here is the offer")
    ticket.replies(answer, attachments=[attached(world, "offer.pdf", "application/pdf", PDF)])
    [document] = gets(ana, ("document", answer))
    assert bytes_of(world, document) == PDF
