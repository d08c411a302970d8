"""Story: an agent answers with files, and each reaches the phone in a form that WhatsApp takes."""

import base64
import re
from collections.abc import Sequence
from typing import Any

import httpx

from tests import files
from tests.flow.waiting import eventually
from tests.flow.world import Customer, World


def attached(world: World, name: str, mime_type: str, content: bytes, **more: Any) -> dict[str, Any]:
    """A file as an agent's browser hands it to the helpdesk, with a name that occurs nowhere else."""
    stem, _, extension = name.rpartition(".")
    return {
        "filename": f"{world.words(stem)}.{extension}",
        "content_type": mime_type,
        "data": base64.b64encode(content).decode(),
        **more,
    }


def shown(customer: Customer) -> list[tuple[str, str]]:
    """What the phone shows from the business: each message's type, and its text or caption."""
    return [
        (message["type"], message["content"].get("caption") or message["content"].get("body") or "")
        for message in customer.thread()
        if message["direction"] == "out"
    ]


def gets(customer: Customer, *messages: tuple[str, str]) -> Sequence[dict[str, Any]]:
    """Waits until the phone shows exactly these; their contents."""
    eventually(lambda: shown(customer), list(messages), patience_seconds=40)
    return [message["content"] for message in customer.thread() if message["direction"] == "out"]


def bytes_of(world: World, content: dict[str, Any]) -> bytes:
    """The file as the phone has it."""
    return world.http.get(f"/whatsapp/media/{content['id']}").raise_for_status().content


def test_files_follow_the_text_in_order_each_as_what_it_is(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    jpeg, png = files.picture("JPEG"), files.picture("PNG")
    text = world.words("all that you asked for")
    sent = [
        attached(world, "photo.jpg", "image/jpeg", jpeg),
        attached(world, "drawing.png", "image/png", png),
        attached(world, "film.mp4", "video/mp4", files.MP4),
        attached(world, "song.mp3", "audio/mpeg", files.MP3),
        attached(world, "spoken.ogg", "audio/ogg", files.OPUS),
        attached(world, "offer.pdf", "application/pdf", files.PDF),
        attached(world, "table.csv", "text/csv", "name;städte\n".encode()),
    ]
    ticket.replies(text, attachments=sent)
    kinds = ["image", "image", "video", "audio", "audio", "document", "document"]
    found = gets(ana, ("text", text), *((kind, "") for kind in kinds))[1:]
    contents = [jpeg, png, files.MP4, files.MP3, files.OPUS, files.PDF, "name;städte\n".encode()]
    assert [bytes_of(world, content) for content in found] == contents
    assert [content.get("filename") for content in found[5:]] == [one["filename"] for one in sent[5:]]
    assert [content.get("voice", False) for content in found[3:5]] == [False, True]
    assert "document" in ticket.note("Your file", sent[6]["filename"])
    world.settle()
    assert len(ticket.notes()) == 1


def test_what_whatsapp_does_not_take_is_converted_or_goes_as_a_link_and_the_agent_is_told(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    sent = [
        attached(world, "phone.heic", "image/heic", files.picture("HEIF")),
        attached(world, "still.gif", "image/gif", files.picture("GIF", mode="P")),
        attached(world, "talk.wav", "audio/wav", files.sound()),
        attached(world, "lies.jpg", "image/jpeg", files.PDF),
        attached(world, "empty.pdf", "application/pdf", b""),
        attached(world, "parts.zip", "application/zip", files.ZIP),
    ]
    ticket.replies(world.words("all of these"), attachments=sent)
    eventually(lambda: len(shown(ana)), 6, patience_seconds=60)
    assert [kind for kind, _ in shown(ana)] == ["text", "image", "image", "audio", "document", "text"]
    found = [message["content"] for message in ana.thread() if message["direction"] == "out"][1:]
    assert bytes_of(world, found[0])[:3] == b"\xff\xd8\xff"
    assert bytes_of(world, found[2])[:4] == b"OggS"
    assert found[2]["voice"] is True
    link = re.search(r"https?://\S+/files/\S+", found[4]["body"])
    assert link is not None
    assert httpx.get(link[0]).raise_for_status().content == files.ZIP
    assert "converted" in ticket.note(sent[0]["filename"])
    assert "empty" in ticket.note("not sent", sent[4]["filename"])
    assert "link" in ticket.note(sent[5]["filename"])


def test_short_text_rides_on_a_single_file_and_a_quoted_message_is_answered(world: World) -> None:
    ana = world.customer()
    asked = world.words("which seal do I need?")
    ana.writes(asked)
    ticket = ana.ticket()
    ticket.shows(asked)
    ana.writes(world.words("and when?"))
    answer = world.words("this one")
    ticket.replies(
        "",
        html=f"<blockquote>{asked}</blockquote><p><b>{answer}</b></p><p>--</p><p>Bia, Support</p>",
        attachments=[attached(world, "seal.jpg", "image/jpeg", files.picture("JPEG"))],
    )
    gets(ana, ("image", f"*{answer}*"))
    thread = ana.thread()
    first = next(message["wamid"] for message in thread if message["direction"] == "in")
    assert [message["context"] for message in thread if message["direction"] == "out"] == [first]


def test_file_of_a_held_reply_goes_once_the_customer_writes(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket(seconds_ago=25 * 3600)
    text = world.words("your invoice")
    ticket.replies(text, attachments=[attached(world, "invoice.pdf", "application/pdf", files.PDF)])
    ticket.note("held, not sent")
    assert shown(ana) == []
    ana.writes(world.words("are you there?"))
    found = gets(ana, ("document", text))
    assert bytes_of(world, found[0]) == files.PDF


def test_file_that_fails_at_meta_goes_in_its_next_form(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    text = world.words("the drawing")
    world.faults(whatsapp_fail_next={"code": 131053, "where": "status", "count": 1})
    ticket.replies(text, attachments=[attached(world, "drawing.png", "image/png", files.picture("PNG"))])
    found = gets(ana, ("image", text))
    assert bytes_of(world, found[0])[:3] == b"\xff\xd8\xff"
    ticket.note("converted")
    world.settle()
    assert len(shown(ana)) == 1


def test_picture_in_the_text_is_sent_and_the_answer_marks_what_the_customer_wrote_as_read(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.settle()
    assert [message["status"] for message in ana.thread()] == ["delivered"]
    text = world.words("see the screen")
    png = files.picture("PNG")
    ticket.replies(
        "", html=f"<p>{text}</p>", attachments=[attached(world, "screen.png", "image/png", png, inline=True)]
    )
    found = gets(ana, ("image", text))
    assert bytes_of(world, found[0]) == png
    world.settle()
    assert [message["status"] for message in ana.thread() if message["direction"] == "in"] == ["read"]


def test_files_survive_an_outage_in_order_and_one_that_cannot_go_is_sent_again_on_request(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    text, after = world.words("two of them"), world.words("and that was all")
    world.faults(whatsapp_down=True)
    first = attached(world, "first.pdf", "application/pdf", files.PDF)
    second = attached(world, "second.png", "image/png", files.picture("PNG"))
    ticket.replies(text, attachments=[first, second])
    ticket.replies(after)
    world.faults(whatsapp_down=None)
    gets(ana, ("text", text), ("document", ""), ("image", ""), ("text", after))
    world.faults(whatsapp_fail_next={"code": 131026, "where": "status", "count": 1})
    third = attached(world, "third.pdf", "application/pdf", files.PDF)
    ticket.replies(world.words("the last"), attachments=[third])
    ticket.note("not delivered", third["filename"])
    assert len(shown(ana)) == 4
    ticket.commands("/wa resend")
    eventually(lambda: [kind for kind, _ in shown(ana)], ["text", "document", "image", "text", "document"])
