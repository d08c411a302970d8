"""Contacts: unique values, spellings, deletion in two steps, agents who are no contacts."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.freshdesk_world import World, freshdesk_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with freshdesk_world() as made:
        yield made


async def test_a_contact_is_made_with_location_and_every_field(world: World) -> None:
    body = {"name": "Ana", "mobile": "+351912345678", "unique_external_id": "wa:351912345678", "tags": ["whatsapp"]}
    answer = await world.api("POST", "contacts", body)
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"http://sandbox.test/freshdesk/api/v2/contacts/{made['id']}"
    assert {name: made[name] for name in body} == body
    assert (made["phone"], made["email"], made["active"], made["company_id"]) == (None, None, False, None)
    assert not [name for name in made if name.startswith("_")]
    assert await world.get(f"contacts/{made['id']}") == made


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"mobile": "+1"}, [("name", "missing_field")]),
        ({"name": "Ana"}, [("email", "missing_field")]),
        ({"name": "Ana", "mobile": "+1", "wa_id": "1"}, [("wa_id", "invalid_field")]),
        ({"name": "Ana", "mobile": 351}, [("mobile", "datatype_mismatch")]),
        ({"name": 5, "tags": "x", "email": []}, [(name, "datatype_mismatch") for name in ("name", "tags", "email")]),
        ({"name": "Ana", "email": "no address"}, [("email", "invalid_value")]),
        ({"name": "A" * 256, "mobile": "+1"}, [("name", "invalid_value")]),
        ({"name": "Ana", "mobile": "+1", "tags": ["x" * 33]}, [("tags", "invalid_value")]),
        ({"name": "Ana", "mobile": "+1", "time_zone": "Europe/Lisbon"}, [("time_zone", "invalid_value")]),
        ({"name": "Ana", "mobile": "+1", "language": "xx"}, [("language", "invalid_value")]),
        ({"name": "Ana", "mobile": "+1", "custom_fields": {"bsuid": 1}}, [("custom_fields.bsuid", "invalid_field")]),
    ],
)
async def test_a_contact_that_is_not_right_is_refused_by_field_and_code(
    world: World, body: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert await world.refusal("POST", "contacts", body) == expected
    assert await world.get("contacts") == []


@pytest.mark.parametrize("name", ["email", "mobile", "unique_external_id", "twitter_id"])
async def test_a_value_that_somebody_has_is_409_and_names_them(world: World, name: str) -> None:
    values = {"email": "ana@acme.example", "mobile": "+351", "unique_external_id": "wa:351", "twitter_id": "ana"}
    first = await world.contact(**{name: values[name]})
    answer = await world.api("POST", "contacts", {"name": "Again", name: values[name]})
    assert answer.status_code == 409
    (error,) = answer.json()["errors"]
    assert (error["field"], error["code"]) == (name, "duplicate_value")
    assert error["additional_info"] == {"user_id": first["id"]}


async def test_which_409s_name_the_contact_is_a_switch(world: World) -> None:
    await world.contact(mobile="+351", email="ana@acme.example")

    async def named(**values: str) -> bool:
        answer = await world.api("POST", "contacts", {"name": "Again", **values})
        return "additional_info" in answer.json()["errors"][0]

    world.faults(duplicate_names_contact="email")
    assert (await named(mobile="+351"), await named(email="ana@acme.example")) == (False, True)
    world.faults(duplicate_names_contact="none")
    assert not await named(email="ana@acme.example")


async def test_another_spelling_of_the_number_is_another_person(world: World) -> None:
    await world.contact(mobile="+351912345678")
    await world.contact(mobile="00351912345678")
    await world.contact(phone="+351912345678")
    await world.contact(phone="+351912345678")
    assert len(await world.get("contacts")) == 4


async def test_on_old_accounts_a_mobile_is_not_unique(world: World) -> None:
    flags = {field["name"]: field["unique"] for field in await world.get("contact_fields")}
    assert (flags["mobile"], flags["phone"]) == (True, False)
    world.faults(mobile_is_unique=False)
    assert not any(field["unique"] for field in await world.get("contact_fields"))
    await world.contact(mobile="+351")
    await world.contact(mobile="+351")
    assert len(await world.get("contacts", mobile="+351")) == 2


async def test_a_work_phone_may_be_unique_too(world: World) -> None:
    await world.contact(phone="+351")
    world.faults(phone_is_unique=True)
    assert await world.refusal("POST", "contacts", {"name": "Bo", "phone": "+351"}) == [("phone", "duplicate_value")]


async def test_lookups_are_exact_and_a_bare_plus_is_a_blank(world: World) -> None:
    ana = await world.contact(mobile="+351912345678", unique_external_id="wa:351912345678")
    for query in ({"mobile": "+351912345678"}, {"unique_external_id": "wa:351912345678"}):
        assert [one["id"] for one in await world.get("contacts", **query)] == [ana["id"]]
    assert await world.get("contacts", phone="+351912345678") == []
    assert await world.get("contacts", mobile="351912345678") == []
    assert (await world.api("GET", "contacts?mobile=+351912345678")).json() == []
    assert await world.get("contacts", unique_external_id="wa:unknown") == []
    world.faults(mobile_lookup="digits")
    assert [one["id"] for one in await world.get("contacts", mobile="351 912-345-678")] == [ana["id"]]


async def test_the_lookup_by_external_id_may_not_exist(world: World) -> None:
    world.faults(contacts_by_external_id=False)
    refused = await world.refusal("GET", "contacts", params={"unique_external_id": "wa:1"})
    assert refused == [("unique_external_id", "invalid_field")]


async def test_external_ids_may_be_a_feature(world: World) -> None:
    body = {"name": "Ana", "unique_external_id": "wa:1"}
    world.faults(external_id="require_feature")
    answer = await world.api("POST", "contacts", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "require_feature")
    world.faults(external_id="invalid_field")
    assert await world.refusal("POST", "contacts", body) == [("unique_external_id", "invalid_field")]


async def test_lists_know_their_parameters_and_pages(world: World) -> None:
    for number in range(5):
        await world.contact(f"Ana {number}", mobile=f"+{number}")
    first = await world.api("GET", "contacts", params={"per_page": 2})
    assert [one["name"] for one in first.json()] == ["Ana 0", "Ana 1"]
    assert first.headers["link"] == '<http://sandbox.test/freshdesk/api/v2/contacts?per_page=2&page=2>; rel="next"'
    last = await world.api("GET", "contacts", params={"per_page": 2, "page": 3})
    assert ([one["name"] for one in last.json()], "link" in last.headers) == (["Ana 4"], False)
    for query in ({"per_page": 101}, {"per_page": 0}, {"page": 0}, {"page": "x"}, {"wa_id": "1"}, {"state": "gone"}):
        answer = await world.api("GET", "contacts", params=query)
        assert answer.status_code == 400, query


async def test_a_deleted_contact_is_405_to_change_still_unique_and_can_be_restored(world: World) -> None:
    ana = await world.contact(mobile="+351")
    path = f"contacts/{ana['id']}"
    assert (await world.api("DELETE", path)).status_code == 204
    assert (await world.get(path))["deleted"] is True
    assert await world.get("contacts") == []
    assert [one["id"] for one in await world.get("contacts", state="deleted")] == [ana["id"]]
    assert (await world.api("PUT", path, {"name": "Ana"})).status_code == 405
    duplicate = await world.api("POST", "contacts", {"name": "Again", "mobile": "+351"})
    assert duplicate.json()["errors"][0]["additional_info"] == {"user_id": ana["id"]}
    assert (await world.api("PUT", f"{path}/restore")).status_code == 204
    assert (await world.api("PUT", path, {"name": "Ana L."})).json()["name"] == "Ana L."
    assert (await world.api("PUT", f"{path}/restore")).status_code == 404


async def test_an_agent_is_no_contact_but_shares_the_values(world: World) -> None:
    agent_id = await world.agent_id("Otto")
    for method, body in (("GET", None), ("PUT", {"name": "Otto"})):
        answer = await world.api(method, f"contacts/{agent_id}", body)
        assert (answer.status_code, answer.content) == (404, b"")
    answer = await world.api("POST", "contacts", {"name": "Otto", "email": "OTTO@acme.example"})
    assert (answer.status_code, answer.json()["errors"][0]["additional_info"]) == (409, {"user_id": agent_id})
    promoted = await world.contact(mobile="+351")
    await world.control("POST", f"users/{promoted['id']}/make_agent")
    assert await world.get("contacts", mobile="+351") == []
    assert await world.refusal("POST", "contacts", {"name": "Ana", "mobile": "+351"}) == [("mobile", "duplicate_value")]


async def test_changing_a_contact_keeps_what_is_not_named(world: World) -> None:
    ana = await world.contact(mobile="+351", unique_external_id="wa:351")
    await world.contact("Bo", mobile="+44")
    path = f"contacts/{ana['id']}"
    changed = (await world.api("PUT", path, {"mobile": "+352"})).json()
    assert (changed["mobile"], changed["unique_external_id"], changed["name"]) == ("+352", "wa:351", "Ana Lima")
    assert await world.get("contacts", mobile="+351") == []
    assert await world.refusal("PUT", path, {"mobile": "+44"}) == [("mobile", "duplicate_value")]
    assert await world.refusal("PUT", path, {"mobile": None, "unique_external_id": None}) == [
        ("email", "missing_field")
    ]


async def test_erasing_takes_the_tickets_along(world: World) -> None:
    ana = await world.contact()
    ticket = await world.ticket(ana)
    path = f"contacts/{ana['id']}/hard_delete"
    assert (await world.api("DELETE", path)).status_code == 400
    assert (await world.api("DELETE", f"{path}?force=true")).status_code == 204
    assert (await world.api("GET", f"tickets/{ticket['id']}")).status_code == 404
    assert (await world.api("GET", f"contacts/{ana['id']}")).status_code == 404
    await world.contact()


async def test_merging_contacts_moves_tickets_and_asks_for_values_of_both(world: World) -> None:
    first, second = await world.contact(mobile="+351"), await world.contact(mobile="+352", unique_external_id="wa:352")
    ticket = await world.ticket(second)
    body = {"primary_contact_id": first["id"], "secondary_contact_ids": [second["id"]]}
    assert await world.refusal("POST", "contacts/merge", body) == [("mobile", "missing_field")]
    answer = await world.api("POST", "contacts/merge", {**body, "contact": {"mobile": "+351"}})
    assert answer.status_code == 204
    assert (await world.get(f"tickets/{ticket['id']}"))["requester_id"] == first["id"]
    merged = await world.get(f"contacts/{first['id']}")
    assert (merged["mobile"], merged["unique_external_id"]) == ("+351", "wa:352")
    assert (await world.get(f"contacts/{second['id']}"))["deleted"] is True


async def test_names_are_completed_from_the_beginning_of_a_word(world: World) -> None:
    ana = await world.contact("Ana Lima")
    assert await world.get("contacts/autocomplete", term="LI") == [{"id": ana["id"], "name": "Ana Lima"}]
    assert await world.get("contacts/autocomplete", term="ima") == []


async def test_search_finds_a_contact_minutes_later(world: World) -> None:
    ana = await world.contact(mobile="+351")
    query = "\"mobile:'+351'\""
    assert (await world.get("search/contacts", query=query))["total"] == 0
    world.real_seconds += 181
    found = await world.get("search/contacts", query=query)
    assert [one["id"] for one in found["results"]] == [ana["id"]]
