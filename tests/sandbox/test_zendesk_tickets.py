"""What writing a ticket does and does not do."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.sandbox.zendesk_world import World, zendesk_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with zendesk_world(plan="unlimited") as made:
        yield made


async def _field(world: World, kind: str = "tagger", **more: Any) -> int:
    wanted = {"type": kind, "title": "WhatsApp", **more}
    if kind == "tagger":
        options = ("wa_window_open", "wa_window_closed")
        wanted["custom_field_options"] = [{"name": name, "value": name} for name in options]
    answer = await world.api("POST", "ticket_fields", {"ticket_field": wanted})
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["ticket_field"]["id"]
    return number


async def test_a_new_ticket_answers_201_with_the_comments_id_in_its_audit(world: World) -> None:
    user = await world.user()
    body = {"ticket": {"requester_id": user["id"], "submitter_id": user["id"], "comment": {"body": "Oi"}}}
    answer = await world.api("POST", "tickets", body)
    ticket, audit = answer.json()["ticket"], answer.json()["audit"]
    assert (answer.status_code, answer.headers["Location"]) == (201, ticket["url"])
    assert (ticket["status"], ticket["subject"], ticket["description"]) == ("new", "Oi", "Oi")
    event = next(event for event in audit["events"] if event["type"] == "Comment")
    comment = (await world.comments(ticket))[0]
    assert (event["id"], comment["audit_id"]) == (comment["id"], audit["id"])
    me = (await world.get("users/me"))["user"]
    assert (comment["author_id"], audit["author_id"]) == (user["id"], me["id"])
    created = {event["field_name"]: event["value"] for event in audit["events"] if event["type"] == "Create"}
    assert created["requester_id"] == str(user["id"])
    assert await world.warnings() == []


async def test_without_a_submitter_the_first_comment_is_by_the_api_user(world: World) -> None:
    user = await world.user()
    answer = await world.api("POST", "tickets", {"ticket": {"requester_id": user["id"], "comment": {"body": "Oi"}}})
    me = (await world.get("users/me"))["user"]
    assert (await world.comments(answer.json()["ticket"]))[0]["author_id"] == me["id"]


@pytest.mark.parametrize("comment", [None, {}, {"body": " "}, {"body": "<br>"}, {"html_body": "<p></p>"}])
async def test_a_comment_needs_text_even_with_files(world: World, comment: dict[str, Any] | None) -> None:
    token = (await _upload(world)).json()["upload"]["token"]
    wanted: dict[str, Any] = {"subject": "x"}
    if comment is not None:
        wanted["comment"] = {**comment, "uploads": [token]}
    answer = await world.api("POST", "tickets", {"ticket": wanted})
    assert (answer.status_code, answer.json()["error"]) == (422, "RecordInvalid")


async def test_html_in_body_is_stripped_and_blank_lines_collapse(world: World) -> None:
    ticket = await world.ticket()
    await world.update(ticket, comment={"body": "a <b>bold</b>   word\n\n\n\nnext <script>x</script>"})
    await world.update(ticket, comment={"html_body": "<p>a &lt; b<br>c</p><script>x</script>"})
    _, plain, html = await world.comments(ticket)
    assert plain["body"] == "a bold word\n\nnext x"
    assert html["html_body"] == '<div class="zd-comment" dir="auto"><p>a &lt; b<br>c</p></div>'
    assert html["plain_body"] == "a < b\nc"


@pytest.mark.parametrize("wins", [True, False])
async def test_of_body_and_html_body_one_wins(world: World, wins: bool) -> None:
    world.faults(html_body_wins=wins)
    ticket = await world.ticket()
    await world.update(ticket, comment={"body": "plain", "html_body": "<p>html</p>"})
    assert (await world.comments(ticket))[1]["plain_body"] == ("html" if wins else "plain")


async def test_placeholders_are_filled_for_agents_and_stay_text_for_customers(world: World) -> None:
    user = await world.user("Ana", phone="+5511912345678")
    ticket = await world.ticket(user)
    text = r"{{ticket.requester.name}} {{ ticket.requester.phone }} {{ticket.id}} {{nonsense}}. \{{x}}"
    await world.update(ticket, comment={"body": text})
    await world.update(ticket, comment={"body": text, "author_id": user["id"]})
    await world.update(ticket, comment={"html_body": "<b>{{ticket.requester.name}}</b>"})
    bodies = [comment["body"] for comment in await world.comments(ticket)][1:]
    assert bodies == [f"Ana +5511912345678 {ticket['id']} . {{{{x}}}}", text, "Ana"]


async def test_a_comment_is_cut_at_64_kilobytes_in_silence(world: World) -> None:
    ticket = await world.ticket()
    answer = await world.update(ticket, comment={"body": "é" * 40_000})
    assert answer.status_code == 200
    assert len((await world.comments(ticket))[1]["body"].encode()) == 65_534


async def test_comment_5001_is_refused_while_other_updates_work(world: World) -> None:
    ticket = await world.ticket()
    for _ in range(4_999):
        await world.update(ticket, comment={"body": "x"})
    answer = await world.update(ticket, comment={"body": "x"})
    assert (answer.status_code, answer.json()["error"]) == (422, "RecordInvalid")
    assert (await world.update(ticket, status="open")).status_code == 200


async def test_tags_on_an_update_replace_all_and_are_lower_case(world: World) -> None:
    ticket = await world.ticket(tags=["One", "two words"])
    assert ticket["tags"] == ["one", "two", "words"]
    assert (await world.update(ticket, tags=["Three"])).json()["ticket"]["tags"] == ["three"]
    path = f"tickets/{ticket['id']}/tags"
    assert (await world.api("PUT", path, {"tags": ["four"]})).json()["tags"] == ["four", "three"]
    assert (await world.http.request("DELETE", f"/zendesk/api/v2/{path}", json={"tags": ["three"]})).json() == {
        "tags": ["four"]
    }
    answer = await world.api("POST", path, {"tags": ["five"]})
    assert (answer.status_code, answer.json()["tags"]) == (201, ["five"])


@pytest.mark.parametrize("works", [False, True])
async def test_additional_tags_on_one_ticket_depend_on_the_switch(world: World, works: bool) -> None:
    world.faults(additional_tags_on_put=works)
    ticket = await world.ticket(tags=["a", "b"])
    answer = await world.update(ticket, additional_tags=["c"], remove_tags=["a"])
    assert answer.json()["ticket"]["tags"] == (["b", "c"] if works else ["a", "b"])
    assert ("X-Zendesk-API-Warn" in answer.headers) is not works


async def test_a_drop_downs_value_is_a_tag_and_losing_the_tag_clears_it(world: World) -> None:
    field_id = await _field(world)
    ticket = await world.ticket(tags=["mine"], custom_fields=[{"id": field_id, "value": "wa_window_open"}])
    assert ticket["tags"] == ["mine", "wa_window_open"]
    closed = (await world.update(ticket, custom_fields=[{"id": field_id, "value": "wa_window_closed"}])).json()[
        "ticket"
    ]
    assert closed["tags"] == ["mine", "wa_window_closed"]
    cleared = (await world.update(ticket, tags=["mine"])).json()["ticket"]
    assert [one["value"] for one in cleared["custom_fields"] if one["id"] == field_id] == [None]


async def test_a_checkbox_with_a_tag_sets_and_clears_it(world: World) -> None:
    field_id = await _field(world, "checkbox", tag="wa_undelivered")
    ticket = await world.ticket(custom_fields=[{"id": field_id, "value": True}])
    assert ticket["tags"] == ["wa_undelivered"]
    after = (await world.update(ticket, custom_fields=[{"id": field_id, "value": False}])).json()["ticket"]
    assert after["tags"] == []


async def test_unknown_fields_values_and_keys_are_dropped_with_a_warning(world: World) -> None:
    field_id = await _field(world)
    ticket = await world.ticket()
    for wanted in (
        {"custom_fields": [{"id": 1, "value": "x"}]},
        {"custom_fields": [{"id": field_id, "value": "unknown"}]},
        {"channel": "whatsapp"},
        {"comment": {"body": "x", "created_at": "2026-01-01T00:00:00Z"}},
    ):
        answer = await world.update(ticket, **wanted)
        assert answer.status_code == 200
        assert "X-Zendesk-API-Warn" in answer.headers
    assert len(await world.warnings()) == 4


async def test_option_values_are_unique_across_the_account(world: World) -> None:
    await _field(world)
    options = [{"name": "x", "value": "wa_window_open"}]
    wanted = {"type": "tagger", "title": "Other", "custom_field_options": options}
    answer = await world.api("POST", "ticket_fields", {"ticket_field": wanted})
    assert answer.json()["details"]["custom_field_options"][0]["error"] == "DuplicateValue"


async def test_an_external_id_may_be_several_tickets(world: World) -> None:
    first, second = await world.ticket(external_id="wa:c:1"), await world.ticket(external_id="wa:c:1")
    found = (await world.get("tickets", external_id="wa:c:1"))["tickets"]
    assert [ticket["id"] for ticket in found] == [first["id"], second["id"]]
    await world.update(first, external_id="wa:c:2")
    assert len((await world.get("tickets", external_id="wa:c:1"))["tickets"]) == 1


@pytest.mark.parametrize("visible", [True, False])
async def test_metadata_is_in_the_audit_and_maybe_on_the_comment(world: World, visible: bool) -> None:
    world.faults(comment_metadata_visible=visible)
    ticket = await world.ticket()
    mark = {"deskbridge": "01JD"}
    audit = (await world.update(ticket, comment={"body": "x"}, metadata=mark)).json()["audit"]
    assert audit["metadata"]["custom"] == mark
    assert (await world.comments(ticket))[1]["metadata"]["custom"] == (mark if visible else {})
    audits = (await world.get(f"tickets/{ticket['id']}/audits"))["audits"]
    assert audits[1]["metadata"]["custom"] == mark


@pytest.mark.parametrize("opens", [False, True])
async def test_an_api_comment_by_the_customer_reopens_only_with_the_switch(world: World, opens: bool) -> None:
    world.faults(auto_reopen_by_author=opens)
    user = await world.user()
    ticket = await world.ticket(user)
    await world.update(ticket, status="solved")
    answer = await world.update(ticket, comment={"body": "Oi", "author_id": user["id"]})
    assert answer.json()["ticket"]["status"] == ("open" if opens else "solved")
    assert (await world.update(ticket, status="open")).json()["ticket"]["status"] == "open"
    assert (await world.update(ticket, status="new")).status_code == 422


async def test_an_update_of_a_closed_ticket_is_422_on_status(world: World) -> None:
    ticket = await world.ticket()
    await world.control("POST", f"tickets/{ticket['id']}/close")
    answer = await world.update(ticket, comment={"body": "x"})
    assert answer.status_code == 422
    assert answer.json() == {
        "error": "RecordInvalid",
        "description": "Record validation errors",
        "details": {"status": [{"description": "Status: closed prevents ticket update"}]},
    }


async def test_a_deleted_ticket_is_404_record_not_found(world: World) -> None:
    ticket = await world.ticket(external_id="wa:c:1")
    await world.control("DELETE", f"tickets/{ticket['id']}")
    for answer in (await world.update(ticket, status="open"), await world.api("GET", f"tickets/{ticket['id']}")):
        assert (answer.status_code, answer.json()) == (404, {"error": "RecordNotFound", "description": "Not found"})
    assert (await world.get("tickets", external_id="wa:c:1"))["tickets"] == []


@pytest.mark.parametrize("null", [True, False])
async def test_an_update_that_changes_nothing_has_no_audit_or_an_empty_one(world: World, null: bool) -> None:
    world.faults(noop_audit_null=null)
    ticket = await world.ticket(tags=["a"])
    audit = (await world.update(ticket, tags=["a"], status="new")).json()["audit"]
    assert audit is None if null else audit["events"] == []
    assert len((await world.get(f"tickets/{ticket['id']}/audits"))["audits"]) == 1


@pytest.mark.parametrize("safe", [True, False])
async def test_a_stale_stamp_is_a_conflict_whatever_safe_update_says(world: World, safe: bool) -> None:
    ticket = await world.ticket()
    world.clock.advance(5)
    first = await world.update(ticket, comment={"body": "x"}, safe_update=safe, updated_stamp=ticket["updated_at"])
    late = await world.update(ticket, comment={"body": "y"}, safe_update=safe, updated_stamp=ticket["updated_at"])
    assert (first.status_code, late.status_code, late.json()["error"]) == (200, 409, "UpdateConflict")
    assert (await world.update(ticket, comment={"body": "z"})).status_code == 200


async def test_plain_updates_can_be_made_to_conflict(world: World) -> None:
    ticket = await world.ticket()
    world.faults(conflict_next=1)
    assert (await world.update(ticket, status="open")).json()["error"] == "UpdateConflict"
    assert (await world.update(ticket, status="open")).status_code == 200
    world.faults(conflict_next=1, conflict_empty_body=True)
    answer = await world.update(ticket, status="pending")
    assert (answer.status_code, answer.content) == (409, b"")


async def test_a_suspended_requester_cannot_get_a_ticket(world: World) -> None:
    user = await world.user()
    await world.control("POST", f"users/{user['id']}", {"suspended": True})
    answer = await world.api("POST", "tickets", {"ticket": {"requester_id": user["id"], "comment": {"body": "x"}}})
    assert answer.status_code == 422
    assert answer.json()["details"]["requester"][0]["error"] == "UserSuspended"


async def test_a_follow_up_needs_a_closed_source_and_ignores_the_submitter(world: World) -> None:
    user = await world.user()
    source = await world.ticket(user, tags=["kept"], subject="The first")
    body = {
        "requester_id": user["id"],
        "submitter_id": user["id"],
        "comment": {"body": "again"},
        "via_followup_source_id": source["id"],
    }
    ignored = (await world.api("POST", "tickets", {"ticket": body})).json()["ticket"]
    assert ignored["via"]["source"]["rel"] is None
    await world.control("POST", f"tickets/{source['id']}/close")
    follow_up = (await world.api("POST", "tickets", {"ticket": body})).json()["ticket"]
    assert follow_up["via"]["source"]["rel"] == "follow_up"
    assert follow_up["via"]["source"]["from"]["ticket_id"] == source["id"]
    assert follow_up["tags"] == ["kept"]
    me = (await world.get("users/me"))["user"]
    assert (await world.comments(follow_up))[0]["author_id"] == me["id"]
    assert (await world.get(f"tickets/{source['id']}"))["ticket"]["followup_ids"] == [follow_up["id"]]


async def _create_with_key(world: World, body: bytes, key: str = "k1") -> httpx.Response:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    return await world.http.post("/zendesk/api/v2/tickets", content=body, headers=headers)


async def test_an_idempotency_key_replays_the_first_answer_for_two_hours_of_sandbox_time(world: World) -> None:
    body = b'{"ticket":{"comment":{"body":"Oi"}}}'
    first, again = await _create_with_key(world, body), await _create_with_key(world, body)
    assert [one.headers["x-idempotency-lookup"] for one in (first, again)] == ["miss", "hit"]
    assert first.json() == again.json()
    other = await _create_with_key(world, body + b" ")
    assert (other.status_code, other.json()) == (
        400,
        {
            "error": "IdempotentRequestError",
            "description": "Request parameters don't match the given idempotency key",
        },
    )
    world.clock.advance(7_201)
    late = await _create_with_key(world, body)
    assert late.headers["x-idempotency-lookup"] == "miss"
    assert late.json()["ticket"]["id"] != first.json()["ticket"]["id"]


async def test_a_dropped_answer_is_replayed_for_its_key(world: World) -> None:
    body = b'{"ticket":{"comment":{"body":"Oi"}}}'
    world.faults(drop_answer=1)
    with pytest.raises(ConnectionResetError):
        await _create_with_key(world, body)
    assert (await _create_with_key(world, body)).headers["x-idempotency-lookup"] == "hit"
    assert len((await world.get("tickets"))["tickets"]) == 1


@pytest.mark.parametrize(("in_flight", "status", "tickets"), [("conflict", 409, 1), ("duplicate", 201, 2)])
async def test_a_key_whose_first_call_is_under_way_conflicts_or_doubles(
    world: World, in_flight: str, status: int, tickets: int
) -> None:
    world.faults(idempotency_in_flight=in_flight, slow_seconds=3)
    world.wake = asyncio.Event()
    body = b'{"ticket":{"comment":{"body":"Oi"}}}'
    first = asyncio.create_task(_create_with_key(world, body))
    await world.asleep.wait()
    world.faults(slow_seconds=0)
    second = await _create_with_key(world, body)
    world.wake.set()
    assert ((await first).status_code, second.status_code) == (201, status)
    assert len((await world.get("tickets"))["tickets"]) == tickets


async def test_a_refused_creation_is_not_kept_for_its_key(world: World) -> None:
    refused = b'{"ticket":{"subject":"no comment"}}'
    assert (await _create_with_key(world, refused)).status_code == 422
    assert (await _create_with_key(world, b'{"ticket":{"comment":{"body":"Oi"}}}')).status_code == 201


async def test_comments_page_by_cursor_with_a_next_link_even_at_the_end(world: World) -> None:
    user = await world.user()
    ticket = await world.ticket(user)
    for number in range(4):
        await world.update(ticket, comment={"body": str(number)})
    path = f"tickets/{ticket['id']}/comments"
    first = await world.get(path, **{"page[size]": 3, "sort": "-created_at", "include": "users"})
    assert [comment["body"] for comment in first["comments"]] == ["3", "2", "1"]
    assert first["meta"]["has_more"] is True
    cursor = first["meta"]["after_cursor"]
    last = await world.get(path, **{"page[size]": 3, "sort": "-created_at", "include": "users", "page[after]": cursor})
    assert [comment["body"] for comment in last["comments"]] == ["0", "Oi"]
    assert (last["meta"]["has_more"], bool(last["links"]["next"])) == (False, True)
    assert user["id"] in [one["id"] for one in last["users"]]
    assert (await world.api("GET", path, params={"page[size]": 101})).status_code == 400
    assert (await world.api("GET", path, params={"page[after]": "x", "page[size]": 2})).status_code == 400


async def test_a_light_agents_public_comment_becomes_private_or_is_refused(world: World) -> None:
    ticket = await world.ticket()
    body = {"text": "hi", "agent": "Lena", "public": True}
    assert (await world.control("POST", f"tickets/{ticket['id']}/comments", body))["comment"]["public"] is False
    world.faults(light_agent_public_is_refused=True)
    answer = await world.http.post(f"/sandbox/api/zendesk/tickets/{ticket['id']}/comments", json=body)
    assert answer.status_code == 422


async def _upload(world: World, name: str = "foto.png", data: bytes = b"\x89PNG bytes", **query: str) -> httpx.Response:
    headers = {"Content-Type": "image/png"}
    params = {"filename": name, **query}
    return await world.http.post("/zendesk/api/v2/uploads", params=params, content=data, headers=headers)


async def test_an_upload_goes_onto_one_comment_and_its_token_is_used_up(world: World) -> None:
    ticket = await world.ticket()
    token = (await _upload(world)).json()["upload"]["token"]
    assert (await _upload(world, "two.png", token=token)).status_code == 201
    assert (await world.update(ticket, comment={"body": "photos", "uploads": [token]})).status_code == 200
    attached = (await world.comments(ticket))[1]["attachments"]
    assert [one["file_name"] for one in attached] == ["foto.png", "two.png"]
    answer = await world.http.get(attached[0]["content_url"])
    assert (answer.content, answer.headers["content-type"]) == (b"\x89PNG bytes", "image/png")
    assert (await world.update(ticket, comment={"body": "again", "uploads": [token]})).status_code == 422
    assert len(await world.comments(ticket)) == 2


async def test_uploads_end_are_limited_and_may_be_refused_by_type(world: World) -> None:
    ticket = await world.ticket()
    token = (await _upload(world)).json()["upload"]["token"]
    world.clock.advance(3_601)
    assert (await world.update(ticket, comment={"body": "x", "uploads": [token]})).status_code == 422
    assert (await _upload(world, data=b"x" * (50 * 1024 * 1024 + 1))).status_code == 413
    world.faults(allowed_file_types="pdf, jpg")
    assert (await _upload(world)).status_code == 422
    assert (await _upload(world, "a.pdf")).status_code == 201


async def test_private_attachments_need_a_token_and_redirect(world: World) -> None:
    url = (await _upload(world)).json()["upload"]["attachment"]["content_url"]
    world.faults(private_attachments=True)
    assert (await world.http.get(url)).status_code == 302
    assert (await world.http.get(url, follow_redirects=True)).content == b"\x89PNG bytes"
    del world.http.headers["Authorization"]
    assert (await world.http.get(url)).status_code == 401


async def test_inline_images_are_listed_only_when_asked_for(world: World) -> None:
    ticket = await world.ticket()
    file = {"filename": "shot.png", "content_type": "image/png", "data": "aGk=", "inline": True}
    await world.control("POST", f"tickets/{ticket['id']}/comments", {"html": "<p>see</p>", "attachments": [file]})
    path = f"tickets/{ticket['id']}/comments"
    assert (await world.get(path))["comments"][1]["attachments"] == []
    shown = (await world.get(path, include_inline_images="true"))["comments"][1]["attachments"]
    assert [one["file_name"] for one in shown] == ["shot.png"]


async def test_a_merge_closes_the_source_with_its_tag_and_private_comments(world: World) -> None:
    source, target = await world.ticket(), await world.ticket()
    answer = await world.api("POST", f"tickets/{target['id']}/merge", {"ids": [source["id"]]})
    job = answer.json()["job_status"]
    assert (job["status"], job["results"][0]["success"]) == ("completed", True)
    assert (await world.get(f"job_statuses/{job['id']}"))["job_status"] == job
    merged = (await world.get(f"tickets/{source['id']}"))["ticket"]
    assert (merged["status"], merged["tags"]) == ("closed", ["closed_by_merge"])
    last = (await world.get(f"tickets/{source['id']}/audits"))["audits"][-1]
    assert last["via"]["source"] | {"from": {}} == {"from": {}, "to": {"ticket_id": target["id"]}, "rel": "merge"}
    notes = [(await world.comments(ticket))[-1] for ticket in (source, target)]
    assert [note["public"] for note in notes] == [False, False]
    assert re.search(rf"#{target['id']}\b", notes[0]["body"])


@pytest.mark.parametrize("needed", [False, True])
async def test_solving_without_an_assignee_depends_on_the_switch(world: World, needed: bool) -> None:
    world.faults(solve_needs_assignee=needed)
    ticket = await world.ticket()
    assert (await world.update(ticket, status="solved")).status_code == (422 if needed else 200)


@pytest.mark.parametrize("honoured", [False, True])
async def test_a_requester_by_phone_depends_on_the_switch(world: World, honoured: bool) -> None:
    world.faults(requester_by_phone=honoured)
    wanted = {"requester": {"name": "Ana", "phone": "+5511912345678"}, "comment": {"body": "Oi"}}
    answer = await world.api("POST", "tickets", {"ticket": wanted})
    assert answer.status_code == (201 if honoured else 422)


async def test_a_comment_can_be_made_private(world: World) -> None:
    ticket = await world.ticket()
    comment = (await world.comments(ticket))[0]
    path = f"tickets/{ticket['id']}/comments/{comment['id']}/make_private"
    assert (await world.api("PUT", path)).status_code == 200
    assert (await world.comments(ticket))[0]["public"] is False
