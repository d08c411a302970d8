"""Files of customers: what the agent gets, whatever the file, WhatsApp and the helpdesk are like."""

import base64
import re
import secrets
from typing import Any

import httpx

from tests.flow.waiting import eventually
from tests.flow.world import Customer, Record, Ticket, World

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
OGG = b"OggS\0\x02" + bytes(22) + b"OpusHead\x01\x01" + bytes(200)
PDF = b"%PDF-1.7\n" + b"0" * 300_000
MEGABYTE = 1024 * 1024


def send(customer: Customer, content: bytes, **asked: str) -> str:
    world = customer.world
    world.private |= {asked[name] for name in ("caption", "filename") if name in asked}
    answer = world.http.post(f"/customers/{customer.id}/files", params=asked, content=content)
    assert answer.is_success, answer.text
    return str(answer.json()["wamid"])


def attachments(ticket: Ticket) -> list[Record]:
    return [file for comment in ticket.comments() for file in comment["attachments"]]


def names(ticket: Ticket) -> list[str]:
    return [file.get("file_name") or file["name"] for file in attachments(ticket)]


def content_of(world: World, file: Record) -> bytes:
    url = file.get("content_url") or file["attachment_url"]
    return httpx.get(url, follow_redirects=True).raise_for_status().content


def test_photo_voice_note_and_document_are_attached_as_they_were_sent(world: World) -> None:
    ana = world.customer()
    send(ana, PNG, type="image", mime_type="image/png", caption="The box is broken")
    ticket = ana.ticket()
    send(ana, OGG, type="audio", mime_type="audio/ogg; codecs=opus", voice="true")
    hostile = "..\\../" + "fatura " * 50 + "\u202efdp.exe"
    send(ana, PDF, type="document", mime_type="application/pdf", filename=hostile)
    eventually(lambda: len(attachments(ticket)), 3)
    ticket.shows("[Image]\nThe box is broken", "[Voice message]", "[Document]")
    photo, voice, document = attachments(ticket)
    assert [content_of(world, file) for file in (photo, voice, document)] == [PNG, OGG, PDF]
    assert [file["content_type"] for file in (photo, voice, document)] == ["image/png", "audio/ogg", "application/pdf"]
    assert re.fullmatch(r"image-\d{8}-\d{6}\.png", names(ticket)[0])
    assert re.fullmatch(r"voice-\d{8}-\d{6}\.ogg", names(ticket)[1])
    assert names(ticket)[2].startswith("fatura fatura")
    assert names(ticket)[2].endswith(".pdf")
    assert len(names(ticket)[2].encode()) <= 150


def test_a_file_that_the_helpdesk_does_not_take_comes_as_a_link(world: World) -> None:
    ana = world.customer()
    big = secrets.token_bytes(MEGABYTE) * (51 if world.desk.name == "zendesk" else 21)
    send(ana, big, type="document", mime_type="application/zip", filename="archive.zip", caption="All of it")
    ticket = ana.ticket()
    note = ticket.note("does not take: archive.zip")
    ticket.shows("Too big for the helpdesk")
    link = re.search(r"http://\S+/files/\S+", note)
    assert link is not None
    answer = httpx.get(link[0])
    assert answer.content == big
    assert attachments(ticket) == []
    world.advance(hours=31 * 24)
    assert httpx.get(link[0]).status_code == 404


def test_a_slow_file_comes_later_and_holds_nobody_up(world: World) -> None:
    ana = world.customer()
    world.faults(whatsapp_media_download_fails_next=4)
    send(ana, PNG, type="image", mime_type="image/png", caption="look here")
    said = world.words("and what is this")
    ana.writes(said)
    ticket = ana.ticket()
    ticket.shows("still on its way", said)
    eventually(lambda: len(attachments(ticket)), 1, patience_seconds=60)
    ticket.shows(
        "The file that was missing",
    )
    assert content_of(world, attachments(ticket)[0]) == PNG


def test_a_file_that_whatsapp_does_not_give_out_is_told_and_asked_for_again(world: World) -> None:
    world.may_be_refused = True
    ana = world.customer()
    world.faults(whatsapp_media_gone_next=1)
    send(ana, PDF, type="document", mime_type="application/pdf", filename="contract.pdf")
    ticket = ana.ticket()
    ticket.shows("To try again: /wa retry media")
    assert "Fetching a file" in ticket.commands("/wa retry media")
    eventually(lambda: len(attachments(ticket)), 1)
    assert content_of(world, attachments(ticket)[0]) == PDF
    assert "nothing to fetch again" in ticket.commands("/wa retry media")


def test_an_empty_file_and_one_that_lies_about_itself_are_said_to_be_so(world: World) -> None:
    ana = world.customer()
    send(ana, b"", type="document", mime_type="application/pdf", filename="nothing.pdf")
    send(ana, b"MZ" + bytes(400), type="image", mime_type="image/jpeg")
    ticket = ana.ticket()
    ticket.shows("is empty", "Careful: claimed image/jpeg")
    eventually(lambda: len(attachments(ticket)), 1)
    assert names(ticket)[0].endswith(".bin")


def test_a_card_is_readable_and_attached(world: World) -> None:
    ana = world.customer()
    rui = {
        "name": {"formatted_name": "Rui Alves"},
        "phones": [{"phone": "+351 910 000 222"}],
        "vcard": "BEGIN:VCARD\r\n",
    }
    message: dict[str, Any] = {"type": "contacts", "contacts": [rui]}
    ana.writes(message=message)
    ticket = ana.ticket()
    ticket.shows("[Contact] Rui Alves, +351 910 000 222")
    eventually(lambda: names(ticket), ["Rui Alves.vcf"])
