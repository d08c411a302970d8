"""Story: what is not a public reply by staff never leaves the helpdesk. A canary tries hard."""

import pytest

from tests.flow.waiting import eventually
from tests.flow.world import Ticket, World

CANARY = "canary"


def _whisper(world: World, ticket: Ticket) -> None:
    ticket.whispers(world.words(CANARY))


def _whisper_like_a_command(world: World, ticket: Ticket) -> None:
    ticket.whispers(f"/wa {world.words(CANARY)}")
    ticket.note("/wa status")


def _whisper_with_a_command_further_down(world: World, ticket: Ticket) -> None:
    ticket.whispers(f"{world.words(CANARY)}\n/wa resend")


def _whisper_in_rich_text(world: World, ticket: Ticket) -> None:
    ticket.whispers(html=f"<p><b>{world.words(CANARY)}</b></p><blockquote>{world.words(CANARY)}</blockquote>")


def _light_agent_comments(world: World, ticket: Ticket) -> None:
    ticket.replies(world.words(CANARY), agent="Lena")


def _end_user_in_copy_comments(world: World, ticket: Ticket) -> None:
    copied = world.post("/helpdesk/users", {"name": world.words("Carla"), "email": f"{world.words('c')[2:]}@x.example"})
    ticket.replies(world.words(CANARY), agent=copied["id"])


def _requester_comments_by_mail(world: World, ticket: Ticket) -> None:
    ticket.replies(world.words(CANARY), agent=ticket.look()["requester_id"])


def _another_ticket_is_merged_in(world: World, ticket: Ticket) -> None:
    requester = ticket.look()["requester_id"]
    opened = world.post("/helpdesk/tickets", {"requester_id": requester, "text": world.words(CANARY), "public": False})
    Ticket(world, opened["id"]).merge_into(ticket)


def _agent_opens_a_ticket_of_their_own(world: World, ticket: Ticket) -> None:
    requester = ticket.look()["requester_id"]
    world.post("/helpdesk/tickets", {"requester_id": requester, "text": world.words(CANARY), "public": True})


def _whisper_after_solving(world: World, ticket: Ticket) -> None:
    ticket.replies(world.words(CANARY), public=False, status="solved")


@pytest.mark.parametrize(
    "temptation",
    [
        _whisper,
        _whisper_like_a_command,
        _whisper_with_a_command_further_down,
        _whisper_in_rich_text,
        _light_agent_comments,
        _end_user_in_copy_comments,
        _requester_comments_by_mail,
        _another_ticket_is_merged_in,
        _agent_opens_a_ticket_of_their_own,
        _whisper_after_solving,
    ],
)
def test_only_public_replies_by_staff_leave(world: World, temptation: object) -> None:
    assert callable(temptation)
    ana = world.customer()
    ticket = ana.has_ticket()
    before, after = world.words("a public reply"), world.words("a public reply that comes later")

    temptation(world, ticket)
    ticket.replies(before)
    ana.gets(before)
    temptation(world, ticket)
    ticket.whispers(world.words(CANARY))
    ticket.replies(after)
    ana.gets(before, after)
    world.settle()
    ana.gets(before, after)


def test_private_first_comment_and_what_the_system_writes_stay(world: World) -> None:
    """A ticket is opened for the customer by hand, and merged into the bridge's: nothing of it leaves."""
    ana = world.customer()
    ticket = ana.has_ticket()
    requester = ticket.look()["requester_id"]
    opened = world.post("/helpdesk/tickets", {"requester_id": requester, "text": world.words(CANARY), "public": True})
    other = Ticket(world, opened["id"])
    other.whispers(world.words(CANARY))
    world.post(f"/helpdesk/tickets/{other.id}/merge", {"into": ticket.id, "public": True})

    marker = world.words("marker")
    ticket.replies(marker)
    ana.gets(marker)


def test_reply_by_the_agent_whose_key_the_bridge_uses_goes_out(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    answer = world.words("from the owner of the key")

    ticket.replies(answer, as_api_user=True)
    ana.gets(answer)
    world.settle()
    ana.gets(answer)


def test_texts_and_numbers_are_nowhere_in_the_clear_on_disk(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    answer = world.words("a secret answer")
    ticket.replies(answer)
    ana.gets(answer)
    eventually(ana.ticks, ["delivered"])
    ticket.whispers(f"/wa {world.words('status')}")
    ticket.note("/wa status")

    kept = {path: path.read_bytes() for path in world.installation.data_dir.rglob("*") if path.is_file()}
    assert kept
    found = [(path.name, text) for text in world.private for path, raw in kept.items() if text.encode() in raw]
    assert not found
