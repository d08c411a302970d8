"""Notes and replies: who appears, who reads, what sanitising leaves, in which order lists come."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.freshdesk_world import API_KEY, World, freshdesk_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with freshdesk_world() as made:
        yield made


async def test_a_note_is_private_outgoing_and_the_keys_agents_by_default(world: World) -> None:
    ticket = await world.ticket()
    made = await world.made(f"tickets/{ticket['id']}/notes", {"body": "Not delivered"})
    assert (made["private"], made["incoming"], made["user_id"]) == (True, False, await world.agent_id("deskbridge"))
    assert (made["body"], made["notified_to"]) == ("<div>Not delivered</div>", [])
    (listed,) = await world.conversations(ticket)
    assert (listed["source"], listed["category"], listed["id"]) == (2, 2, made["id"])
    assert "source" not in made


async def test_a_customers_message_is_a_public_incoming_note_by_the_contact(world: World) -> None:
    ticket = await world.ticket()
    made = await world.note(ticket, "<div>no tracking code &amp; &lt;3<br>late</div>")
    assert (made["user_id"], made["incoming"], made["private"]) == (ticket["requester_id"], True, False)
    assert made["body_text"] == "no tracking code & <3 late"
    seen = (await world.look(ticket))["comments"][-1]
    assert (seen["author_role"], seen["public"], seen["via"]) == ("end-user", True, {"channel": "api"})
    assert seen["plain_body"] == "no tracking code & <3\nlate"


@pytest.mark.parametrize(("reading", "status"), [("accepted", 201), ("forbidden", 403), ("invalid", 400)])
async def test_whether_a_contact_may_be_the_author_is_a_switch(world: World, reading: str, status: int) -> None:
    world.faults(note_by_contact=reading)
    ticket = await world.ticket()
    body = {"body": "x", "private": False, "incoming": True}
    path = f"tickets/{ticket['id']}/notes"
    answer = await world.api("POST", path, {**body, "user_id": ticket["requester_id"]})
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["errors"][0]["field"] == "user_id"
    assert (await world.api("POST", path, body)).status_code == 201


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("body", "missing_field")]),
        ({"body": " "}, [("body", "missing_field")]),
        ({"body": 5}, [("body", "datatype_mismatch")]),
        ({"body": "x", "private": "false"}, [("private", "datatype_mismatch")]),
        ({"body": "x", "user_id": "5"}, [("user_id", "datatype_mismatch")]),
        ({"body": "x", "user_id": 5}, [("user_id", "invalid_value")]),
        ({"body": "x", "created_at": "2026-01-01"}, [("created_at", "invalid_field")]),
        ({"body": "x", "import_id": 1}, [("import_id", "invalid_field")]),
        ({"body": "x", "notify_emails": ["nobody"]}, [("notify_emails", "invalid_value")]),
    ],
)
async def test_a_note_that_is_not_right_is_refused(
    world: World, body: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    ticket = await world.ticket()
    assert await world.refusal("POST", f"tickets/{ticket['id']}/notes", body) == expected
    assert await world.conversations(ticket) == []


async def test_nothing_makes_a_repeated_note_one_note(world: World) -> None:
    ticket = await world.ticket()
    path = f"tickets/{ticket['id']}/notes"
    for _ in range(2):
        answer = await world.api("POST", path, {"body": "same"}, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 201
    assert len(await world.conversations(ticket)) == 2


async def test_a_form_note_carries_files_and_texts_for_flags(world: World) -> None:
    ticket = await world.ticket()
    data = {"body": "<div>foto</div>", "private": "false", "incoming": "true", "user_id": str(ticket["requester_id"])}
    files = [("attachments[]", ("a.jpg", b"1", "image/jpeg")), ("attachments[]", ("b.pdf", b"22", "application/pdf"))]
    url = f"/freshdesk/api/v2/tickets/{ticket['id']}/notes"
    answer = await world.http.post(url, data=data, files=files, auth=(API_KEY, "X"))
    made = answer.json()
    assert (answer.status_code, made["private"], made["incoming"]) == (201, False, True)
    assert [(one["name"], one["size"]) for one in made["attachments"]] == [("a.jpg", 1), ("b.pdf", 2)]
    wrong = await world.http.post(url, data={**data, "private": "no"}, files=files, auth=(API_KEY, "X"))
    assert wrong.json()["errors"][0]["code"] == "datatype_mismatch"


async def test_conversations_are_oldest_first_paged_and_without_the_description(world: World) -> None:
    ticket = await world.ticket()
    made = [(await world.note(ticket, f"<div>{number}</div>"))["id"] for number in range(35)]
    first = await world.api("GET", f"tickets/{ticket['id']}/conversations")
    assert [one["id"] for one in first.json()] == made[:30]
    assert first.headers["link"].endswith('conversations?page=2>; rel="next"')
    assert [one["id"] for one in await world.conversations(ticket, page=2)] == made[30:]
    assert [one["id"] for one in await world.conversations(ticket, per_page=10, page=4)] == made[30:]
    assert await world.conversations(ticket, page=3) == []
    for query in ({"per_page": 101}, {"order_type": "desc"}, {"since": "x"}):
        assert (await world.api("GET", f"tickets/{ticket['id']}/conversations", params=query)).status_code == 400


async def test_an_agents_replies_and_notes_are_told_apart_by_source_and_privacy(world: World) -> None:
    by_phone = await world.ticket()
    by_mail = await world.ticket(await world.contact(email="ana@acme.example"))
    await world.says(by_phone, "public note")
    await world.says(by_phone, "private note", public=False)
    await world.says(by_mail, "reply")
    await world.says(by_mail, "note", kind="note")
    await world.says(by_mail, "forwarded", kind="forward")
    seen = [(one["source"], one["private"], one["incoming"]) for one in await world.conversations(by_phone)]
    assert seen == [(2, False, False), (2, True, False)]
    seen = [(one["source"], one["private"], one["incoming"]) for one in await world.conversations(by_mail)]
    assert seen == [(0, False, False), (2, False, False), (8, True, False)]


async def test_what_no_agent_wrote_to_the_customer_looks_different(world: World) -> None:
    ticket = await world.ticket()
    await world.says(ticket, "by a rule", kind="automation")
    await world.says(ticket, "5 of 5", kind="survey")
    await world.says(ticket, "by mail", agent=ticket["requester_id"])
    await world.says(ticket, "collaborator", agent="Lena")
    rule, survey, mail, collaborator = await world.conversations(ticket)
    assert rule["automation_id"]
    assert not rule["private"]
    assert (survey["source"], survey["incoming"]) == (6, True)
    assert (mail["source"], mail["incoming"], mail["user_id"]) == (0, True, ticket["requester_id"])
    assert collaborator["private"] is True


async def test_replying_needs_an_address_unless_the_switch_says_otherwise(world: World) -> None:
    ticket = await world.ticket()
    path = f"tickets/{ticket['id']}/reply"
    assert await world.refusal("POST", path, {"body": "x"}) == [("to_emails", "invalid_value")]
    refused = await world.http.post(
        f"/sandbox/api/freshdesk/tickets/{ticket['id']}/comments", json={"text": "x", "kind": "reply"}
    )
    assert refused.status_code == 400
    world.faults(reply_needs_email=False)
    assert (await world.made(path, {"body": "x"}))["replied_to"] == []
    assert [one["source"] for one in await world.conversations(ticket)] == [0]


async def test_a_requester_with_an_address_gets_mail_for_everything_public(world: World) -> None:
    ticket = await world.ticket(await world.contact(email="ana@acme.example"))
    await world.note(ticket)
    await world.made(f"tickets/{ticket['id']}/notes", {"body": "private"})
    await world.made(f"tickets/{ticket['id']}/notes", {"body": "public", "private": False})
    mails = await world.control("GET", "mails")
    assert [mail["subject"] for mail in mails] == ["New comment", "Ticket received"]
    assert {mail["to"] for mail in mails} == {"ana@acme.example"}
    await world.ticket(await world.contact(mobile="+2"))
    assert len(await world.control("GET", "mails")) == 2


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("plain", "<div>plain</div>"),
        ("<div>a</div>", "<div>a</div>"),
        ("<p>1 &lt; 2 &amp; 3</p>", "<div><p>1 &lt; 2 &amp; 3</p></div>"),
        ('<a href="https://x.example/?a=1&amp;b=2" title="t">l</a>', '<div><a href="https://x.example/?a=1&amp;b=2">l</a></div>'),
        ('<a href="javascript:alert(1)">l</a>', "<div><a>l</a></div>"),
        ("<script>alert(1)</script>x", "<div>x</div>"),
        ("<div>x<!-- key --></div>", "<div>x</div>"),
        ('<div data-key="1" class="c" style="display:none">x</div>', "<div>x</div>"),
        ("a\u200bb\u2060c", "<div>abc</div>"),
        ("a&#8203;b", "<div>ab</div>"),
        ("família 👨‍👩‍👧 שלום", "<div>família 👨‍👩‍👧 שלום</div>"),
        ("<custom>x</custom>", "<div>x</div>"),
    ],
)  # fmt: skip
async def test_nothing_that_a_reader_cannot_see_survives_sanitising(world: World, given: str, kept: str) -> None:
    ticket = await world.ticket()
    assert (await world.note(ticket, given))["body"] == kept


async def test_marks_may_survive_sanitising(world: World) -> None:
    ticket = await world.ticket()
    world.faults(html_survives="all")
    body = '<div data-key="1" class="c">a\u200bb</div>'
    assert (await world.note(ticket, body))["body"] == body


async def test_tickets_of_freshdesks_own_channels_refuse_plain_public_bodies(world: World) -> None:
    ana = await world.contact()
    opened = await world.control("POST", "tickets", {"requester_id": ana["id"], "text": "Olá", "source": 13})
    assert (await world.get(f"tickets/{opened['id']}"))["source"] == 13
    path = f"tickets/{opened['id']}/notes"
    public = {"private": False, "incoming": True, "user_id": ana["id"]}
    assert await world.refusal("POST", path, {"body": "x", **public}) == [("structured_body", "missing_field")]
    assert (await world.api("POST", path, {"body": "x"})).status_code == 201
    structured = {"body_contents": [{"type": "text", "data": {"content": "1 < 2"}}]}
    made = await world.made(path, {"structured_body": structured, **public})
    assert (made["structured_body"], made["body"]) == (structured, "<div>1 &lt; 2</div>")
    world.faults(native_channel_refuses_body=False)
    assert (await world.api("POST", path, {"body": "x", **public})).status_code == 201


async def test_only_notes_are_edited_and_deletion_is_for_good(world: World) -> None:
    ticket = await world.ticket(await world.contact(email="ana@acme.example"))
    note, reply = await world.says(ticket, "note", kind="note"), await world.says(ticket, "reply")
    edited = await world.api("PUT", f"conversations/{note['id']}", {"body": "changed"})
    assert edited.json()["body"] == "<div>changed</div>"
    assert (await world.conversations(ticket))[0]["last_edited_at"]
    assert (await world.api("PUT", f"conversations/{reply['id']}", {"body": "x"})).status_code == 405
    assert (await world.api("DELETE", f"conversations/{note['id']}")).status_code == 204
    assert (await world.api("DELETE", f"conversations/{note['id']}")).status_code == 404
    assert [one["id"] for one in await world.conversations(ticket)] == [reply["id"]]


async def test_agents_edit_and_delete_notes_by_hand(world: World) -> None:
    ticket = await world.ticket()
    note = await world.says(ticket, "first words")
    await world.control("POST", f"comments/{note['id']}", {"text": "other words", "agent": "Otto"})
    (seen,) = await world.conversations(ticket)
    assert (seen["body_text"], seen["last_edited_user_id"]) == ("other words", await world.agent_id("Otto"))
    await world.control("DELETE", f"comments/{note['id']}")
    assert await world.conversations(ticket) == []


async def test_a_notes_through_the_api_reopens_nothing_unless_the_switch_says_so(world: World) -> None:
    ticket = await world.ticket(status=4)
    await world.note(ticket)
    assert (await world.get(f"tickets/{ticket['id']}"))["status"] == 4
    world.faults(incoming_note_reopens=True)
    await world.note(ticket)
    assert (await world.get(f"tickets/{ticket['id']}"))["status"] == 2


async def test_a_customers_mail_reopens_by_the_default_rule_that_an_admin_may_switch_off(world: World) -> None:
    ticket = await world.ticket(status=5)
    world.faults(reopen_rule=False)
    await world.says(ticket, "still here", agent=ticket["requester_id"])
    assert (await world.look(ticket))["status"] == "closed"
    world.faults(reopen_rule=True)
    await world.says(ticket, "still here", agent=ticket["requester_id"])
    assert (await world.look(ticket))["status"] == "open"
    assert (await world.get(f"tickets/{ticket['id']}", include="stats"))["stats"]["reopened_at"]


async def test_inline_images_are_in_the_body_alone(world: World) -> None:
    ticket = await world.ticket()
    image = {"filename": "a.png", "data": "aGVsbG8=", "content_type": "image/png", "inline": True}
    await world.says(ticket, "see", attachments=[image])
    (seen,) = await world.conversations(ticket)
    assert seen["attachments"] == []
    url = seen["body"].split('src="')[1].split('"')[0]
    content = await world.http.get(url)
    assert (content.content, content.headers["content-type"]) == (b"hello", "image/png")
    assert (await world.http.get(url + "0")).status_code == 404
