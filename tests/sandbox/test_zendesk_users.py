"""Who is who: ids, phones, the search index that lags, identities, merges."""

from collections.abc import AsyncIterator

import pytest

from tests.sandbox.zendesk_world import World, zendesk_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with zendesk_world(plan="unlimited") as made:
        yield made


async def test_an_external_id_belongs_to_one_user_whatever_its_case(world: World) -> None:
    await world.user(external_id="wa:US.AbC")
    answer = await world.api("POST", "users", {"user": {"name": "Other", "external_id": "WA:us.abc"}})
    assert answer.status_code == 422
    assert answer.json()["details"]["external_id"][0]["error"] == "DuplicateValue"
    assert len((await world.get("users/search", external_id="wa:us.ABC"))["users"]) == 1
    assert len((await world.get("users", external_id="wa:us.abc"))["users"]) == 1
    assert (await world.get("users/search", external_id="wa:us"))["users"] == []


async def test_a_phone_that_is_not_e164_is_refused_while_the_account_validates(world: World) -> None:
    answer = await world.api("POST", "users", {"user": {"name": "Ana", "phone": "5511912345678"}})
    assert (answer.status_code, "phone" in answer.json()["details"]) == (422, True)
    world.faults(validate_phone_numbers=False)
    assert (await world.user(phone="+1 (415)-555-1212"))["phone"] == "+1 (415)-555-1212"


async def test_a_second_user_with_a_number_shares_it_without_an_identity(world: World) -> None:
    first = await world.user(phone="+5511912345678")
    second = await world.user(phone="+5511912345678")
    assert (first["shared_phone_number"], second["shared_phone_number"]) == (False, True)
    own = (await world.get(f"users/{first['id']}/identities"))["identities"]
    assert [(one["type"], one["value"]) for one in own] == [("phone_number", "+5511912345678")]
    assert (await world.get(f"users/{second['id']}/identities"))["identities"] == []
    world.real_seconds += 60
    both = (await world.get("users/search", query="phone:+5511912345678"))["users"]
    assert [user["id"] for user in both] == [first["id"], second["id"]]


async def test_a_query_finds_a_new_user_only_after_the_index_delay(world: World) -> None:
    user = await world.user(phone="+5511912345678", external_id="wa:1")
    world.clock.advance(3_600)
    assert (await world.get("users/search", query="+5511912345678"))["users"] == []
    assert len((await world.get("users/search", external_id="wa:1"))["users"]) == 1
    world.real_seconds += 60
    for query in ("+5511912345678", "phone:+5511912345678", "role:end-user phone:+5511912345678", "Ana"):
        assert [one["id"] for one in (await world.get("users/search", query=query))["users"]] == [user["id"]]


async def test_the_index_shows_an_old_number_until_it_catches_up(world: World) -> None:
    user = await world.user(phone="+5511912345678")
    world.real_seconds += 60
    await world.api("PUT", f"users/{user['id']}", {"user": {"phone": "+5511900000000"}})
    assert len((await world.get("users/search", query="phone:+5511912345678"))["users"]) == 1
    world.faults(index_delay_seconds=0)
    assert (await world.get("users/search", query="phone:+5511912345678"))["users"] == []


async def test_create_or_update_matches_external_id_but_never_a_phone(world: World) -> None:
    body = {"user": {"name": "Ana", "phone": "+5511912345678", "external_id": "wa:1"}}
    first = await world.api("POST", "users/create_or_update", body)
    again = await world.api("POST", "users/create_or_update", {"user": {"name": "Ana S.", "external_id": "WA:1"}})
    other = await world.api("POST", "users/create_or_update", {"user": {"name": "X", "phone": "+5511912345678"}})
    assert [answer.status_code for answer in (first, again, other)] == [201, 200, 201]
    assert again.json()["user"]["id"] == first.json()["user"]["id"]
    assert again.json()["user"]["name"] == "Ana S."


async def test_show_many_takes_at_most_100_ids(world: World) -> None:
    user = await world.user(external_id="wa:1")
    assert len((await world.get("users/show_many", ids=f"{user['id']},7"))["users"]) == 1
    assert len((await world.get("users/show_many", external_ids="wa:1,wa:2"))["users"]) == 1
    answer = await world.api("GET", "users/show_many", params={"ids": ",".join(str(one) for one in range(101))})
    assert (answer.status_code, answer.json()["error"]) == (400, "TooManyValues")


async def test_an_identity_must_be_of_a_creatable_kind_and_nobody_elses_number(world: World) -> None:
    first, second = await world.user(phone="+5511912345678"), await world.user()
    path = f"users/{second['id']}/identities"
    for kind, value in (("whatsapp", "1"), ("phone_number", "+5511912345678"), ("phone_number", "11912345678")):
        answer = await world.api("POST", path, {"identity": {"type": kind, "value": value}})
        assert answer.status_code == 422
    made = await world.api("POST", path, {"identity": {"type": "phone_number", "value": "+5511900000000"}})
    assert made.status_code == 201
    assert (await world.get(f"users/{second['id']}"))["user"]["phone"] == "+5511900000000"
    assert first["phone"] == "+5511912345678"


@pytest.mark.parametrize("moves", [False, True])
async def test_a_merge_moves_tickets_and_identities_and_the_loser_is_gone(world: World, moves: bool) -> None:
    world.faults(merge_moves_external_id=moves)
    loser = await world.user(external_id="wa:1", phone="+5511912345678")
    winner = await world.user("Ana")
    ticket = await world.ticket(loser)
    answer = await world.api("PUT", f"users/{loser['id']}/merge", {"user": {"id": winner["id"]}})
    assert answer.status_code == 200
    assert (await world.api("GET", f"users/{loser['id']}")).status_code == 404
    assert (await world.get(f"tickets/{ticket['id']}"))["ticket"]["requester_id"] == winner["id"]
    assert (await world.get(f"users/{winner['id']}"))["user"]["phone"] == "+5511912345678"
    found = (await world.get("users/search", external_id="wa:1"))["users"]
    assert [user["id"] for user in found] == ([winner["id"]] if moves else [])


async def test_a_users_tickets_come_in_the_order_asked_for(world: World) -> None:
    user = await world.user()
    first, second = await world.ticket(user), await world.ticket(user)
    world.clock.advance(60)
    await world.update(first, comment={"body": "newer"})
    path = f"users/{user['id']}/tickets/requested"
    newest = (await world.get(path, sort_by="updated_at", sort_order="desc"))["tickets"]
    assert [ticket["id"] for ticket in newest] == [first["id"], second["id"]]


async def test_unknown_keys_are_dropped_with_a_warning_header(world: World) -> None:
    answer = await world.api("POST", "users", {"user": {"name": "Ana", "wa_id": "1"}})
    assert answer.status_code == 201
    assert '"user.wa_id"' in answer.headers["X-Zendesk-API-Warn"]
    assert [call["endpoint"] for call in await world.warnings()] == ["POST /users"]
