"""Tickets: strict bodies, the form's rules, lists and their windows, deletion, merging, search."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.freshdesk_world import API_KEY, World, freshdesk_world

FAR_BACK = "2015-01-01T00:00:00Z"
DAY_SECONDS = 86_400


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with freshdesk_world() as made:
        yield made


def _ids(tickets: list[dict[str, Any]]) -> list[int]:
    return [ticket["id"] for ticket in tickets]


async def test_a_ticket_is_made_with_location_defaults_and_due_times_that_come_later(world: World) -> None:
    ana = await world.contact()
    body = {"requester_id": ana["id"], "subject": "WhatsApp: Ana", "description": "Hi <b>you</b><br>there"}
    answer = await world.api("POST", "tickets", body)
    made = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (201, "http://sandbox.test/freshdesk/api/v2/tickets/1")
    assert (made["status"], made["priority"], made["source"], made["due_by"]) == (2, 1, 2, None)
    assert made["description"] == "<div>Hi <b>you</b><br>there</div>"
    assert made["description_text"] == "Hi you there"
    read = await world.get("tickets/1")
    assert read["due_by"] > read["fr_due_by"] > made["created_at"]
    assert {**read, "due_by": None, "fr_due_by": None} == made
    assert not [name for name in read if name.startswith("_") or name == "deleted"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"requester_id": None}, [("requester_id", "missing_field")]),
        ({"requester_id": 7}, [("requester_id", "invalid_value")]),
        ({"requester_id": "70050000001"}, [("requester_id", "datatype_mismatch")]),
        ({"status": "2"}, [("status", "datatype_mismatch")]),
        ({"status": None}, [("status", "datatype_mismatch")]),
        ({"status": True}, [("status", "datatype_mismatch")]),
        ({"status": 99}, [("status", "invalid_value")]),
        ({"priority": 5}, [("priority", "invalid_value")]),
        ({"source": 13}, [("source", "invalid_value")]),
        ({"type": "question"}, [("type", "invalid_value")]),
        ({"subject": ""}, [("subject", "missing_field")]),
        ({"description": None}, [("description", "missing_field")]),
        ({"subject": "s" * 256}, [("subject", "invalid_value")]),
        ({"tags": ["a,b"]}, [("tags", "invalid_value")]),
        ({"tags": "whatsapp"}, [("tags", "datatype_mismatch")]),
        ({"mobile": "+351"}, [("mobile", "invalid_field")]),
        ({"external_id": "x", "comment": {}}, [("external_id", "invalid_field"), ("comment", "invalid_field")]),
        ({"custom_fields": {"cf_none": "x"}}, [("custom_fields.cf_none", "invalid_field")]),
        ({"custom_fields": []}, [("custom_fields", "datatype_mismatch")]),
        ({"group_id": 5}, [("group_id", "invalid_value")]),
        ({"responder_id": 5}, [("responder_id", "invalid_value")]),
        ({"due_by": "tomorrow"}, [("due_by", "datatype_mismatch")]),
        ({"company_id": 5}, [("company_id", "invalid_value")]),
    ],
)
async def test_a_ticket_that_is_not_right_is_refused_by_field_and_code(
    world: World, values: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    ana = await world.contact()
    body = {"requester_id": ana["id"], "subject": "s", "description": "d", **values}
    assert await world.refusal("POST", "tickets", body) == expected
    assert await world.get("tickets") == []


async def test_a_phone_alone_needs_a_name_and_fills_the_work_phone(world: World) -> None:
    body = {"phone": "+351912345678", "subject": "s", "description": "d"}
    assert await world.refusal("POST", "tickets", body) == [("name", "missing_field")]
    ticket = await world.made("tickets", {**body, "name": "Ana"})
    contact = await world.get(f"contacts/{ticket['requester_id']}")
    assert (contact["phone"], contact["mobile"]) == ("+351912345678", None)
    assert (await world.made("tickets", body | {"name": "Ana"}))["requester_id"] == contact["id"]


async def test_an_external_id_names_or_makes_the_requester(world: World) -> None:
    ana = await world.contact(unique_external_id="wa:1")
    body = {"subject": "s", "description": "d"}
    assert (await world.made("tickets", {**body, "unique_external_id": "wa:1"}))["requester_id"] == ana["id"]
    made = await world.made("tickets", {**body, "unique_external_id": "wa:2", "name": "Bo"})
    assert [one["name"] for one in await world.get("contacts", unique_external_id="wa:2")] == ["Bo"]
    assert made["requester_id"] != ana["id"]


async def test_the_form_may_not_ask_for_a_subject(world: World) -> None:
    ana = await world.contact()
    required = {field["name"]: field["required_for_agents"] for field in await world.get("ticket_fields")}
    assert (required["subject"], required["description"]) == (True, True)
    world.faults(subject_required=False)
    assert (await world.made("tickets", {"requester_id": ana["id"]}))["subject"] is None


async def test_required_custom_fields_apply_to_creation_and_closure_fields_to_closing(world: World) -> None:
    choices = {"type": "custom_dropdown", "choices": ["EMEA", "APAC"], "required_for_agents": True}
    world.freshdesk.setup(
        {"custom_fields": [{"name": "cf_region", **choices}, {"name": "cf_cause", "required_for_closure": True}]}
    )
    ana = await world.contact()
    body = {"requester_id": ana["id"], "subject": "s", "description": "d"}
    assert await world.refusal("POST", "tickets", body) == [("custom_fields.cf_region", "missing_field")]
    wrong = {**body, "custom_fields": {"cf_region": "Mars"}}
    assert await world.refusal("POST", "tickets", wrong) == [("custom_fields.cf_region", "invalid_value")]
    ticket = await world.made("tickets", {**body, "custom_fields": {"cf_region": "EMEA"}})
    assert ticket["custom_fields"] == {"cf_region": "EMEA", "cf_cause": None}
    path = f"tickets/{ticket['id']}"
    for status in (4, 5):
        assert await world.refusal("PUT", path, {"status": status}) == [("custom_fields.cf_cause", "missing_field")]
    world.faults(resolving_counts_as_closing=False)
    assert (await world.api("PUT", path, {"status": 4})).status_code == 200
    closed = await world.api("PUT", path, {"status": 5, "custom_fields": {"cf_cause": "late"}})
    assert closed.json()["custom_fields"] == {"cf_region": "EMEA", "cf_cause": "late"}


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "code"),
    [
        ("custom_text", "x", 5, "datatype_mismatch"),
        ("custom_number", 5, "5", "datatype_mismatch"),
        ("custom_checkbox", True, "true", "datatype_mismatch"),
        ("custom_date", "2026-10-05", "2026-10-05T10:00:00Z", "invalid_value"),
        ("custom_decimal", 1.5, "1.5", "datatype_mismatch"),
    ],
)
async def test_custom_fields_have_types(world: World, kind: str, right: object, wrong: object, code: str) -> None:
    world.freshdesk.setup({"custom_fields": [{"name": "cf_x", "type": kind}]})
    ticket = await world.ticket(custom_fields={"cf_x": right})
    assert ticket["custom_fields"] == {"cf_x": right}
    refused = await world.refusal("PUT", f"tickets/{ticket['id']}", {"custom_fields": {"cf_x": wrong}})
    assert refused == [("custom_fields.cf_x", code)]


async def test_the_accounts_statuses_are_in_the_ticket_fields(world: World) -> None:
    (field,) = await world.get("ticket_fields", type="default_status")
    assert field["choices"]["2"] == ["Open", "Being Processed"]
    assert set(field["choices"]) == {"2", "3", "4", "5", "6", "7"}
    ticket = await world.ticket()
    assert (await world.api("PUT", f"tickets/{ticket['id']}", {"status": 7})).status_code == 200


async def test_a_new_field_takes_its_name_from_the_answer(world: World) -> None:
    body = {"label": "WhatsApp number", "label_for_customers": "WhatsApp number", "type": "custom_text"}
    made = await world.made("admin/ticket_fields", body)
    assert made["name"].startswith("cf_whatsapp_number_")
    assert made["name"] in (await world.ticket())["custom_fields"]
    assert await world.refusal("POST", "admin/ticket_fields", body) == [("label", "duplicate_value")]


async def test_source_13_may_be_accepted(world: World) -> None:
    world.faults(source_13_accepted=True)
    assert (await world.ticket(source=13))["source"] == 13


async def test_an_agent_must_be_in_the_group(world: World) -> None:
    groups = {group["name"]: group["id"] for group in await world.get("groups")}
    bia, otto = await world.agent_id("Bia"), await world.agent_id("Otto")
    ticket = await world.ticket()
    path = f"tickets/{ticket['id']}"
    wrong = {"group_id": groups["Night"], "responder_id": bia}
    assert await world.refusal("PUT", path, wrong) == [("responder_id", "invalid_value")]
    assert (await world.api("PUT", path, {**wrong, "responder_id": otto})).status_code == 200
    world.faults(responder_must_be_in_group=False)
    assert (await world.api("PUT", path, wrong)).status_code == 200


async def test_tags_are_replaced_on_update_and_only_real_changes_move_the_time(world: World) -> None:
    ticket = await world.ticket(tags=["whatsapp", "VIP"])
    path = f"tickets/{ticket['id']}"
    world.clock.advance(60)
    same = (await world.api("PUT", path, {"tags": ["whatsapp", "VIP"]})).json()
    assert same["updated_at"] == ticket["updated_at"]
    changed = (await world.api("PUT", path, {"tags": ["wa_window_open"]})).json()
    assert changed["tags"] == ["wa_window_open"]
    assert changed["updated_at"] > ticket["updated_at"]


async def test_forms_are_all_text_and_take_files_under_one_name_alone(world: World) -> None:
    ana = await world.contact()
    form = {
        "requester_id": str(ana["id"]),
        "subject": 'Ünïcode "quoted"',
        "description": "<div>d</div>",
        "status": "3",
        "tags[]": ["whatsapp", "b"],
    }
    files = [("attachments[]", ('fö "1".bin', b"\r\n--x\r\n\x00\xff", "application/x-one"))]
    post = {"url": "/freshdesk/api/v2/tickets", "auth": (API_KEY, "X"), "data": form}
    answer = await world.http.post(**post, files=files)
    made = answer.json()
    assert answer.status_code == 201, answer.text
    assert (made["status"], made["tags"], made["subject"]) == (3, ["whatsapp", "b"], form["subject"])
    (attachment,) = made["attachments"]
    assert (attachment["name"], attachment["content_type"]) == ('fö "1".bin', "application/x-one")
    content = await world.http.get(attachment["attachment_url"])
    assert content.content == b"\r\n--x\r\n\x00\xff"
    wrong = await world.http.post(**post, files=[("attachments", ("a.txt", b"x", "text/plain"))])
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "attachments")
    as_json = await world.refusal("POST", "tickets", {"requester_id": ana["id"], "attachments": ["x"]})
    assert as_json == [("attachments", "datatype_mismatch")]


async def test_an_attachments_address_expires_and_refuses_the_key(world: World) -> None:
    ticket = await world.ticket()
    await world.says(
        ticket, "see", attachments=[{"filename": "a.txt", "data": "aGVsbG8=", "content_type": "text/plain"}]
    )
    ((attachment,),) = [one["attachments"] for one in await world.conversations(ticket)]
    url = attachment["attachment_url"]
    assert (await world.http.get(url)).content == b"hello"
    assert (await world.http.get(url, auth=(API_KEY, "X"))).status_code == 400
    assert (await world.http.get(url.replace("signature=", "signature=0"))).status_code == 403
    world.faults(attachment_refuses_authorization=False)
    assert (await world.http.get(url, auth=(API_KEY, "X"))).status_code == 200
    world.clock.advance(301)
    assert (await world.http.get(url)).status_code == 403
    world.faults(attachment_url_seconds=86_400)
    ((fresh,),) = [one["attachments"] for one in await world.conversations(ticket)]
    assert fresh["id"] == attachment["id"]
    world.clock.advance(86_000)
    assert (await world.http.get(fresh["attachment_url"])).content == b"hello"


async def test_twenty_megabytes_are_the_whole_tickets(world: World) -> None:
    ticket = await world.ticket()
    post = {"url": f"/freshdesk/api/v2/tickets/{ticket['id']}/notes", "auth": (API_KEY, "X"), "data": {"body": "x"}}
    mebibyte = 1024 * 1024
    first = await world.http.post(**post, files=[("attachments[]", ("a", b"x" * 12 * mebibyte, "video/mp4"))])
    assert first.status_code == 201
    second = await world.http.post(**post, files=[("attachments[]", ("b", b"x" * 9 * mebibyte, "video/mp4"))])
    assert (second.status_code, second.json()["errors"][0]["code"]) == (400, "invalid_size")
    assert len(await world.conversations(ticket)) == 1
    world.faults(too_large_status="413")
    again = await world.http.post(**post, files=[("attachments[]", ("b", b"x" * 9 * mebibyte, "video/mp4"))])
    assert again.status_code == 413


async def test_the_list_shows_thirty_days_unless_it_is_asked_since_when(world: World) -> None:
    old = await world.ticket()
    world.clock.advance(31 * DAY_SECONDS)
    fresh = await world.ticket(await world.contact(mobile="+2"))
    assert _ids(await world.get("tickets")) == [fresh["id"]]
    since = {"updated_since": FAR_BACK, "order_by": "updated_at", "order_type": "asc"}
    assert _ids(await world.get("tickets", **since)) == [old["id"], fresh["id"]]
    world.clock.advance(1)
    await world.note(old)
    assert _ids(await world.get("tickets", **since)) == [fresh["id"], old["id"]]
    assert _ids(await world.get("tickets", **{**since, "order_type": "desc"})) == [old["id"], fresh["id"]]
    listed = await world.get("tickets", **since)
    assert all("description" not in one and "attachments" not in one for one in listed)
    assert (await world.get("tickets", include="description"))[0]["description"] == "<div>Oi</div>"


async def test_updated_since_is_to_the_second_with_or_without_its_own(world: World) -> None:
    ticket = await world.ticket()
    stamp = ticket["updated_at"]
    assert await world.get("tickets", updated_since=stamp) == []
    world.faults(updated_since_inclusive=True)
    assert _ids(await world.get("tickets", updated_since=stamp)) == [ticket["id"]]
    assert _ids(await world.get("tickets", updated_since=f"{stamp[:-1]}+01:00")) == [ticket["id"]]
    assert await world.refusal("GET", "tickets", params={"updated_since": "soon"}) == [
        ("updated_since", "invalid_value")
    ]


async def test_changes_may_be_seen_late_in_lists(world: World) -> None:
    ticket = await world.ticket()
    world.faults(export_delay_seconds=5)
    await world.note(ticket)
    assert await world.get("tickets", updated_since=FAR_BACK) == []
    world.real_seconds += 5
    assert _ids(await world.get("tickets", updated_since=FAR_BACK)) == [ticket["id"]]


async def test_a_note_may_not_move_the_tickets_time(world: World) -> None:
    ticket = await world.ticket()
    world.faults(note_moves_updated_at=False)
    world.clock.advance(60)
    await world.note(ticket)
    assert (await world.get(f"tickets/{ticket['id']}"))["updated_at"] == ticket["updated_at"]


async def test_lists_filter_by_requester_and_know_their_parameters(world: World) -> None:
    ana = await world.contact(mobile="+1", unique_external_id="wa:1")
    mine = [await world.ticket(ana), await world.ticket(ana)]
    await world.ticket(await world.contact(mobile="+2"))
    for query in ({"requester_id": ana["id"]}, {"unique_external_id": "wa:1"}):
        assert sorted(_ids(await world.get("tickets", **query))) == sorted(_ids(mine))
    assert await world.get("tickets", requester_id=5) == []
    wrong = ({"status": 2}, {"order_by": "id"}, {"filter": "all"}, {"include": "conversations"}, {"per_page": 101})
    for refused in wrong:
        assert (await world.api("GET", "tickets", params=refused)).status_code == 400, refused


async def test_the_list_ends_at_page_300(world: World) -> None:
    await world.ticket()
    assert await world.get("tickets", page=300) == []
    assert await world.refusal("GET", "tickets", params={"page": 301}) == [("page", "invalid_value")]


async def test_a_ticket_embeds_the_ten_oldest_conversations_the_requester_and_stats(world: World) -> None:
    ticket = await world.ticket()
    for number in range(12):
        await world.note(ticket, f"<div>{number}</div>")
    seen = await world.get(f"tickets/{ticket['id']}", include="conversations,requester,stats")
    assert [one["body_text"] for one in seen["conversations"]] == [str(number) for number in range(10)]
    assert seen["requester"]["mobile"] == "+351912345678"
    assert seen["stats"]["requester_responded_at"]
    assert (await world.api("GET", "tickets/1", params={"include": "users"})).status_code == 400


@pytest.mark.parametrize("way", ["delete", "spam"])
async def test_deleted_and_spam_tickets_are_read_but_405_to_change(world: World, way: str) -> None:
    ticket = await world.ticket()
    path = f"tickets/{ticket['id']}"
    if way == "delete":
        assert (await world.api("DELETE", path)).status_code == 204
        assert (await world.get(path))["deleted"] is True
    else:
        await world.control("POST", f"{path}/spam")
        assert (await world.get(path))["spam"] is True
    for method in ("PUT", "DELETE"):
        answer = await world.api(method, path, {"status": 2} if method == "PUT" else None)
        assert answer.status_code == 405
        assert "method is not allowed" in answer.json()["message"]
    assert await world.get("tickets", updated_since=FAR_BACK) == []
    assert _ids(await world.get("tickets", filter={"delete": "deleted", "spam": "spam"}[way])) == [ticket["id"]]
    assert (await world.look(ticket))["status"] == {"delete": "deleted", "spam": "spam"}[way]
    for status in ("404", "405", "201"):
        world.faults(note_on_deleted=status)
        assert (await world.api("POST", f"{path}/notes", {"body": "x"})).status_code == int(status)
    if way == "delete":
        assert (await world.api("PUT", f"{path}/restore")).status_code == 204
    else:
        await world.control("POST", f"{path}/restore")
    assert (await world.api("PUT", path, {"status": 3})).status_code == 200


async def test_an_archived_ticket_is_gone_from_the_usual_paths(world: World) -> None:
    ticket = await world.ticket()
    await world.note(ticket)
    path = f"tickets/{ticket['id']}"
    await world.control("POST", f"{path}/close")
    await world.control("POST", f"{path}/archive")
    for method, tail, body in (("GET", "", None), ("PUT", "", {}), ("GET", "/conversations", None)):
        assert (await world.api(method, path + tail, body)).status_code == 404
    assert (await world.api("POST", f"{path}/notes", {"body": "x"})).status_code == 404
    assert await world.get("tickets", updated_since=FAR_BACK) == []
    assert (await world.get(f"tickets/archived/{ticket['id']}"))["status"] == 5
    assert len(await world.get(f"tickets/archived/{ticket['id']}/conversations")) == 1
    world.faults(archived_readable=True)
    assert (await world.get(path))["status"] == 5


async def test_a_merge_closes_the_secondary_with_a_note_and_no_pointer(world: World) -> None:
    ana = await world.contact()
    primary, secondary = await world.ticket(ana), await world.ticket(ana)
    said = await world.note(secondary)
    body = {"primary_id": primary["id"], "ticket_ids": [secondary["id"]], "convert_recepients_to_cc": False}
    answer = await world.api("PUT", "tickets/merge", body)
    assert (answer.status_code, answer.content) == (204, b"")
    closed = await world.get(f"tickets/{secondary['id']}")
    assert closed["status"] == 5
    assert not [name for name in closed if "merge" in name]
    last = (await world.conversations(secondary))[-1]
    assert (last["private"], last["body_text"]) == (True, "This ticket is closed and merged into ticket 1")
    assert [one["private"] for one in await world.conversations(primary)] == [True]
    assert said["id"] in _ids(await world.conversations(secondary))


async def test_a_merge_may_move_conversations_and_say_little(world: World) -> None:
    ana = await world.contact()
    primary, secondary = await world.ticket(ana), await world.ticket(ana)
    said = await world.note(secondary)
    later = await world.note(primary)
    world.faults(merge_moves_conversations=True, merge_note="bare")
    await world.control("POST", f"tickets/{secondary['id']}/merge", {"into": primary["id"]})
    moved = await world.conversations(primary)
    assert _ids(moved)[:2] == [said["id"], later["id"]]
    assert {one["ticket_id"] for one in moved} == {primary["id"]}
    (note,) = await world.conversations(secondary)
    assert note["body_text"] == "This ticket is closed and merged"
    assert (await world.api("DELETE", f"conversations/{said['id']}")).status_code == 204
    assert said["id"] not in _ids(await world.conversations(primary))


async def test_a_merge_needs_tickets_that_are_there(world: World) -> None:
    ticket = await world.ticket()
    assert await world.refusal("PUT", "tickets/merge", {"primary_id": 9, "ticket_ids": [1]}) == [
        ("primary_id", "invalid_value")
    ]
    for ids in ([9], [ticket["id"]], []):
        body = {"primary_id": ticket["id"], "ticket_ids": ids}
        assert await world.refusal("PUT", "tickets/merge", body) == [("ticket_ids", "invalid_value")]


async def test_bulk_updates_are_jobs(world: World) -> None:
    first, second = await world.ticket(), await world.ticket(await world.contact(mobile="+2"))
    ids = [first["id"], second["id"], 99]
    action = {"ids": ids, "properties": {"status": 3}}
    answer = await world.api("POST", "tickets/bulk_update", {"bulk_action": action})
    assert answer.status_code == 202
    job = await world.get(f"jobs/{answer.json()['job_id']}")
    assert (job["status"], [one["success"] for one in job["data"]]) == ("COMPLETED", [True, True, False])
    assert (await world.get("tickets/2"))["status"] == 3
    wrong = {"bulk_action": {"ids": ids, "properties": {"status": "3"}}}
    assert await world.refusal("POST", "tickets/bulk_update", wrong) == [("status", "datatype_mismatch")]
    gone = await world.api("POST", "tickets/bulk_delete", {"bulk_action": {"ids": [1]}})
    assert gone.status_code == 202
    assert (await world.get("tickets/1"))["deleted"] is True


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status:2", [1]),
        ("status:>3 AND tag:'vip'", [2]),
        ("(status:2 OR status:4) AND priority:<1", [1, 2]),
        ("tag:'VIP' OR tag:'none' AND status:2", [2]),
        ("cf_number:'+351'", [1]),
        ("cf_number:null", [2]),
        ("created_at:>'2015-01-01'", [1, 2]),
        ("agent_id:null", [1, 2]),
        ("type:'Question'", []),
    ],
)
async def test_search_understands_the_query_language(world: World, query: str, found: list[int]) -> None:
    world.freshdesk.setup({"custom_fields": [{"name": "cf_number"}]})
    await world.ticket(custom_fields={"cf_number": "+351"})
    await world.ticket(await world.contact(mobile="+2"), status=4, tags=["VIP"])
    world.real_seconds += 181
    answer = await world.get("search/tickets", query=f'"{query}"')
    assert (answer["total"], _ids(answer["results"])) == (len(found), found)


@pytest.mark.parametrize(
    "query",
    [
        "status:2",
        '""',
        '"status"',
        '"requester_id:5"',
        "\"phone:'+351'\"",
        '"status:2 AND"',
        '"(status:2"',
        '"status:2)"',
        '"status:two"',
        f'"{"status:2 OR " * 60}status:3"',
    ],
)
async def test_search_refuses_what_is_not_of_its_language(world: World, query: str) -> None:
    assert (await world.api("GET", "search/tickets", params={"query": query})).status_code == 400


async def test_search_is_minutes_behind_and_ends_after_ten_pages(world: World) -> None:
    ticket = await world.ticket()
    query = {"query": '"status:2"'}
    assert (await world.get("search/tickets", **query))["total"] == 0
    world.real_seconds += 181
    await world.api("PUT", f"tickets/{ticket['id']}", {"status": 3})
    assert (await world.get("search/tickets", **query))["total"] == 1
    world.real_seconds += 181
    assert (await world.get("search/tickets", **query))["total"] == 0
    assert (await world.api("GET", "search/tickets", params={**query, "page": 11})).status_code == 400
    assert (await world.api("GET", "search/tickets", params={**query, "per_page": 50})).status_code == 400
