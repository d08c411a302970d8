"""The agents' hands: the same calls and shapes as on the simulated Zendesk, where the prefix alone differs."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.freshdesk_world import World as FreshdeskWorld
from tests.sandbox.freshdesk_world import freshdesk_world
from tests.sandbox.zendesk_world import World as ZendeskWorld
from tests.sandbox.zendesk_world import zendesk_world

PNG = {"filename": "a.png", "data": "aGVsbG8=", "content_type": "image/png"}


@pytest.fixture
async def world() -> AsyncIterator[FreshdeskWorld]:
    async with freshdesk_world() as made:
        yield made


@pytest.fixture
async def zendesk() -> AsyncIterator[ZendeskWorld]:
    async with zendesk_world(plan="unlimited") as made:
        yield made


async def _story(world: FreshdeskWorld | ZendeskWorld) -> dict[str, Any]:
    """What a page and a test do at the desk; everything that they read."""
    seen: dict[str, Any] = {"agents": (await world.control("GET", "agents"))[0]}
    ana = await world.control("POST", "users", {"name": "Ana", "phone": "+351912345678", "external_id": "wa:1"})
    seen["user"] = ana
    opened = await world.control("POST", "tickets", {"requester_id": ana["id"], "subject": "Olá", "text": "um\ndois"})
    path = f"tickets/{opened['id']}"
    wish = {"text": "três", "status": "pending", "tags": ["whatsapp"], "attachments": [PNG]}
    seen["comment"] = (await world.control("POST", f"{path}/comments", wish))["comment"]
    await world.control("POST", f"{path}/comments", {"html": "<p>psst</p>", "public": False, "agent": "Otto"})
    await world.control("POST", path, {"status": "solved", "priority": "high"})
    seen["ticket"] = await world.control("GET", path)
    (seen["row"],) = await world.control("GET", "tickets?view=all")
    assert await world.control("GET", "tickets?view=open") == []
    assert [user["name"] for user in await world.control("GET", "users?role=end-user")] == ["Ana"]
    seen["calls"] = await world.control("GET", "calls?since=1000000000")
    return seen


async def test_what_pages_and_tests_read_of_zendesks_desk_is_on_this_one_too(
    world: FreshdeskWorld, zendesk: ZendeskWorld
) -> None:
    here, there = await _story(world), await _story(zendesk)
    needed = {
        "agents": {"id", "name", "kind", "is_api_user"},
        "user": {"id", "name", "email", "phone", "external_id", "role"},
        "row": set(there["row"]),
        "calls": set(there["calls"]),
        "ticket": {"id", "subject", "status", "tags", "requester", "requester_id", "assignee", "comments"}
        | {"external_id", "fields_by_title", "created_at", "updated_at"},
        "comment": {"id", "author_id", "author_name", "author_role", "public", "plain_body", "html_body"}
        | {"created_at", "via", "attachments", "custom"},
    }
    for name, keys in needed.items():
        assert keys <= set(there[name]), name
        assert keys <= set(here[name]), name
    for told in (here, there):
        assert (told["ticket"]["status"], told["ticket"]["tags"]) == ("solved", ["whatsapp"])
        assert told["row"]["latest"] == "psst"
        comments = told["ticket"]["comments"]
        assert [one["plain_body"] for one in comments] == ["um\ndois", "três", "psst"]
        assert [one["public"] for one in comments] == [True, True, False]
        assert comments[2]["author_name"] == "Otto"
        assert told["comment"]["via"]["channel"] == "web"
        (file,) = told["comment"]["attachments"]
        assert {name: file[name] for name in ("file_name", "content_type")} == {
            "file_name": "a.png",
            "content_type": "image/png",
        }
    file = here["comment"]["attachments"][0]
    assert (await world.http.get(file["content_url"])).content == b"hello"


async def test_the_kinds_of_agents_are_the_same(world: FreshdeskWorld, zendesk: ZendeskWorld) -> None:
    kinds = [
        {(one["name"], one["kind"], one["is_api_user"]) for one in await side.control("GET", "agents")}
        for side in (world, zendesk)
    ]
    assert kinds[0] == kinds[1]


async def test_faults_with_the_same_name_have_the_same_default_and_type(
    world: FreshdeskWorld, zendesk: ZendeskWorld
) -> None:
    ours, theirs = world.freshdesk.faults.describe(), zendesk.zendesk.faults.describe()
    shared = {name.partition(".")[2] for name in ours} & {name.partition(".")[2] for name in theirs}
    assert {"down", "lose_rings", "drop_answer", "late_write_next", "rate_limited", "token_revoked"} <= shared
    for name in shared - {"index_delay_seconds", "export_delay_seconds"}:
        assert ours[f"freshdesk.{name}"]["default"] == theirs[f"zendesk.{name}"]["default"], name


@pytest.mark.parametrize(("word", "number"), [("open", 2), ("pending", 3), ("solved", 4), ("closed", 5), ("hold", 7)])
async def test_statuses_are_told_in_the_same_words(world: FreshdeskWorld, word: str, number: int) -> None:
    ticket = await world.ticket(status=3 if number != 3 else 2)
    told = await world.control("POST", f"tickets/{ticket['id']}", {"status": word})
    assert (told["status"], told["status_id"]) == (word, number)
    assert (await world.get(f"tickets/{ticket['id']}"))["status"] == number


async def test_the_desk_refuses_what_the_form_refuses(world: FreshdeskWorld) -> None:
    world.freshdesk.setup({"custom_fields": [{"name": "cf_cause", "required_for_closure": True}]})
    ticket = await world.ticket()
    path = f"/sandbox/api/freshdesk/tickets/{ticket['id']}"
    for wish in ({"status": "solved"}, {"status": "new"}, {"colour": 1}, {"tags": ["x" * 33]}, {"assignee_id": 5}):
        assert (await world.http.post(path, json=wish)).status_code == 400, wish
    for tail, wish in (("/comments", {}), ("/comments", {"text": "x", "kind": "fax"}), ("/merge", {"into": 99})):
        assert (await world.http.post(path + tail, json=wish)).status_code == 400, tail
    solved = await world.control(
        "POST", f"tickets/{ticket['id']}", {"status": "solved", "custom_fields": {"cf_cause": "late"}}
    )
    assert solved["fields_by_title"] == {"Cause": "late"}


async def test_live_pages_are_woken_and_the_journal_tells(world: FreshdeskWorld) -> None:
    ticket = await world.ticket()
    world.topics.clear()
    await world.says(ticket, "secret words")
    assert f"ticket:{ticket['id']}" in world.topics
    newest = world.journal.newest()
    assert [entry["summary"] for entry in newest[:2]] == ["POST /tickets: 201", "POST /contacts: 201"]
    assert "secret words" not in str(newest)


async def test_deleting_users_by_hand_is_soft_and_merging_moves_tickets(world: FreshdeskWorld) -> None:
    first, second = await world.contact(mobile="+1"), await world.contact("Bo", mobile="+2")
    ticket = await world.ticket(second)
    await world.control("POST", f"users/{second['id']}/merge", {"into": first["id"]})
    assert (await world.get(f"tickets/{ticket['id']}"))["requester_id"] == first["id"]
    await world.control("DELETE", f"users/{first['id']}")
    assert (await world.get(f"contacts/{first['id']}"))["deleted"] is True
    assert await world.control("GET", "users?role=end-user") == []
