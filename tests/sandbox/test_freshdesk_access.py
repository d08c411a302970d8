"""Who may call, how often, in which form, and what a bad day looks like."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.sandbox.freshdesk_world import API_KEY, World, freshdesk_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with freshdesk_world() as made:
        yield made


@pytest.fixture
async def small_world() -> AsyncIterator[World]:
    async with freshdesk_world(plan="growth") as made:
        yield made


async def test_the_key_is_the_user_name_and_the_password_does_not_matter(world: World) -> None:
    for password in ("X", "anything"):
        answer = await world.http.get("/freshdesk/api/v2/agents/me", auth=(API_KEY, password))
        assert answer.status_code == 200
        assert answer.json()["contact"]["name"] == "deskbridge"
        assert answer.headers["X-Freshdesk-Api-Version"] == "latest=v2; requested=v2"


@pytest.mark.parametrize("auth", [None, ("wrong", "X"), ("", ""), ("X", API_KEY)])
async def test_any_other_key_is_401_with_a_code(world: World, auth: tuple[str, str] | None) -> None:
    answer = await world.http.get("/freshdesk/api/v2/agents/me", auth=auth)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")


async def test_a_bearer_token_is_no_key(world: World) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    assert (await world.http.get("/freshdesk/api/v2/agents/me", headers=headers)).status_code == 401


async def test_a_reset_key_a_suspended_account_and_a_lost_right_are_told_apart(world: World) -> None:
    ticket = await world.ticket()
    seen = []
    for name in ("token_revoked", "account_suspended", "access_denied"):
        world.faults(**{name: True})
        read = await world.api("GET", "agents/me")
        write = await world.api("PUT", f"tickets/{ticket['id']}", {"status": 3})
        seen.append((read.status_code, write.status_code, write.json()["code"]))
        world.faults(**{name: None})
    assert seen == [(401, 401, "invalid_credentials"), (403, 403, "account_suspended"), (200, 403, "access_denied")]
    assert (await world.get(f"tickets/{ticket['id']}"))["status"] == 2


async def test_admin_endpoints_need_an_admins_key(world: World) -> None:
    paths = ("agents", "contact_fields", "groups", "roles", "admin/ticket_fields", "automations/4/rules")
    assert {(await world.api("GET", path)).status_code for path in paths} == {200}
    world.faults(key_is_admin=False)
    assert {(await world.api("GET", path)).status_code for path in paths} == {403}
    for path in ("agents/me", "ticket_fields", "account", "settings/helpdesk"):
        assert (await world.api("GET", path)).status_code == 200


async def test_unknown_paths_are_404_without_a_body_and_wrong_verbs_405(world: World) -> None:
    for path in ("nothing", "tickets/12345", "tickets/abc", "contacts/1/nothing"):
        answer = await world.api("GET", path)
        assert (answer.status_code, answer.content) == (404, b"")
    answer = await world.api("PUT", "tickets", {})
    assert answer.status_code == 405
    expected = "PUT method is not allowed. It should be one of these method(s): GET, POST"
    assert (answer.json(), answer.headers["Allow"]) == ({"message": expected}, "GET, POST")


async def test_only_json_and_forms_are_taken_and_only_json_is_given(world: World) -> None:
    path = "/freshdesk/api/v2/contacts"
    auth = (API_KEY, "X")
    xml = await world.http.post(path, content=b"<a/>", headers={"Content-Type": "application/xml"}, auth=auth)
    assert xml.status_code == 415
    html = await world.http.get(path, headers={"Accept": "text/html"}, auth=auth)
    assert html.status_code == 406
    broken = await world.http.post(path, content=b"{", headers={"Content-Type": "application/json"}, auth=auth)
    assert (broken.status_code, broken.json()["code"]) == (400, "invalid_json")
    listed = await world.http.post(path, json=["name"], auth=auth)
    assert (listed.status_code, listed.json()["code"]) == (400, "invalid_json")
    read = await world.api("GET", "contacts", {"email": "a@b.example"})
    assert (read.status_code, read.json()["code"]) == (400, "no_content_required")


async def test_every_answer_tells_what_is_left_of_the_minute(small_world: World) -> None:
    world = small_world
    told = []
    for _ in range(2):
        headers = (await world.api("GET", "agents/me")).headers
        told.append([headers[f"x-ratelimit-{name}"] for name in ("total", "remaining", "used-currentrequest")])
    assert told == [["200", "199", "1"], ["200", "198", "1"]]
    missing = await world.api("GET", "tickets/7")
    assert (missing.status_code, missing.headers["x-ratelimit-remaining"]) == (404, "197")


async def test_above_the_limit_every_call_is_429_until_the_minute_is_over(small_world: World) -> None:
    world = small_world
    for _ in range(200):
        assert (await world.api("GET", "agents/me")).status_code == 200
    world.real_seconds += 20
    refused = await world.api("GET", "agents/me")
    assert (refused.status_code, refused.headers["Retry-After"], refused.content) == (429, "40", b"")
    assert refused.headers["x-ratelimit-remaining"] == "0"
    world.faults(rate_limited_json=True, with_retry_after=False)
    bare = await world.api("GET", "agents/me")
    assert "Retry-After" not in bare.headers
    assert bare.json()["message"]
    world.real_seconds += 40
    assert (await world.api("GET", "agents/me")).status_code == 200


async def test_lists_and_ticket_writes_have_limits_of_their_own(small_world: World) -> None:
    world = small_world
    for path in ("tickets", "contacts"):
        statuses = [(await world.api("GET", path)).status_code for _ in range(21)]
        assert statuses == [200] * 20 + [429]
    assert (await world.api("GET", "agents/me")).status_code == 200
    world.real_seconds += 60
    contact = await world.contact()
    ticket = await world.ticket(contact)
    body = {"requester_id": contact["id"], "subject": "s", "description": "d"}
    created = [(await world.api("POST", "tickets", body)).status_code for _ in range(80)]
    assert created == [201] * 79 + [429]
    updated = [(await world.api("PUT", f"tickets/{ticket['id']}", {"priority": 2})).status_code for _ in range(81)]
    assert updated == [200] * 80 + [429]
    # 163 of 200 are gone; notes have no limit but the account's.
    path = f"tickets/{ticket['id']}/notes"
    noted = [(await world.api("POST", path, {"body": "n"})).status_code for _ in range(38)]
    assert noted == [201] * 37 + [429]


async def test_a_limit_of_its_own_is_told_only_where_the_switch_says_so(small_world: World) -> None:
    world = small_world
    assert (await world.api("GET", "tickets")).headers["x-ratelimit-total"] == "200"
    world.faults(sub_limit_in_headers=True)
    told = (await world.api("GET", "tickets")).headers
    assert (told["x-ratelimit-total"], told["x-ratelimit-remaining"]) == ("20", "18")


async def test_what_is_included_costs_more(world: World) -> None:
    ticket = await world.ticket()
    one = await world.api("GET", f"tickets/{ticket['id']}", params={"include": "requester,stats"})
    many = await world.api("GET", "tickets", params={"include": "requester"})
    assert one.headers["x-ratelimit-used-currentrequest"] == "3"
    assert many.headers["x-ratelimit-used-currentrequest"] == "3"
    calls = (await world.control("GET", "calls"))["calls"]
    assert [call["credits"] for call in calls[-2:]] == [3, 3]


async def test_calls_are_counted_since_a_mark_with_what_was_spoken_wrongly(world: World) -> None:
    ticket = await world.ticket()
    before = await world.control("GET", "calls")
    assert before["counters"] == {"POST /contacts": 1, "POST /tickets": 1}
    await world.api("PUT", f"tickets/{ticket['id']}", {"stauts": 2})
    await world.get("tickets/1")
    after = await world.control("GET", f"calls?since={before['mark']}")
    assert (after["total"], after["credits"]) == (2, 2)
    assert after["counters"] == {"PUT /tickets/{id}": 1, "GET /tickets/{id}": 1}
    assert [call["warning"] for call in after["warnings"]] == ["invalid_field stauts"]


async def test_refusals_that_are_the_worlds_own_are_no_warnings(world: World) -> None:
    await world.contact()
    await world.refusal("POST", "contacts", {"name": "Other", "mobile": "+351912345678"})
    world.faults(external_id="invalid_field")
    await world.refusal("POST", "contacts", {"name": "Third", "unique_external_id": "wa:1"})
    assert await world.warnings() == []


async def test_down_answers_503_to_everything_and_does_nothing(world: World) -> None:
    ticket = await world.ticket()
    world.faults(down=True, down_retry_after_seconds=7)
    answer = await world.api("PUT", f"tickets/{ticket['id']}", {"status": 3})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    world.faults(down=False)
    assert (await world.get(f"tickets/{ticket['id']}"))["status"] == 2


async def test_counted_faults_hit_the_next_writes_alone(world: World) -> None:
    ticket = await world.ticket()
    path = f"tickets/{ticket['id']}"
    world.faults(server_error_next=1, rate_limited=1)
    assert (await world.api("GET", path)).status_code == 200
    assert [(await world.api("PUT", path, {"status": 3})).status_code for _ in range(3)] == [500, 429, 200]
    world.faults(only="GET /contacts", server_error_next=1)
    assert (await world.api("PUT", path, {"status": 2})).status_code == 200
    assert (await world.api("GET", "contacts")).status_code == 500


async def test_a_conflict_is_a_409_without_a_duplicate(world: World) -> None:
    ticket = await world.ticket()
    world.faults(conflict_next=1)
    assert await world.refusal("PUT", f"tickets/{ticket['id']}", {"status": 3}) == [("id", "inconsistent_state")]
    assert (await world.api("PUT", f"tickets/{ticket['id']}", {"status": 3})).status_code == 200


async def test_a_dropped_answer_leaves_the_work_done(world: World) -> None:
    ticket = await world.ticket()
    world.faults(drop_answer=1)
    with pytest.raises(ConnectionResetError):
        await world.note(ticket)
    assert len(await world.conversations(ticket)) == 1
    calls = (await world.control("GET", "calls"))["calls"]
    assert [call["status"] for call in calls if call["endpoint"].endswith("notes")] == [None]


async def test_a_late_write_comes_after_everything_that_is_done_meanwhile(world: World) -> None:
    ticket = await world.ticket()
    world.faults(late_write_next=1, late_write_seconds=9)
    world.wake = asyncio.Event()
    late = asyncio.create_task(world.note(ticket, "<div>first</div>"))
    await world.asleep.wait()
    await world.note(ticket, "<div>second</div>")
    assert [one["body_text"] for one in await world.conversations(ticket)] == ["second"]
    world.wake.set()
    with pytest.raises(ConnectionResetError):
        await late
    assert [one["body_text"] for one in await world.conversations(ticket)] == ["second", "first"]
    assert world.slept == [9]


async def test_a_late_answer_comes_after_work_that_is_done_at_once(world: World) -> None:
    ticket = await world.ticket()
    world.faults(late_answer_next=1, late_answer_seconds=31, slow_seconds=0)
    world.wake = asyncio.Event()
    late = asyncio.create_task(world.note(ticket))
    await world.asleep.wait()
    assert len(await world.conversations(ticket)) == 1
    world.wake.set()
    assert (await late)["id"]


async def test_slowness_is_before_the_work(world: World) -> None:
    world.faults(slow_seconds=2)
    await world.get("agents/me")
    assert world.slept == [2]


@pytest.mark.parametrize(
    "wish",
    [
        {"freshdesk.dwon": True},
        {"freshdesk.down": 1},
        {"freshdesk.rate_limited": 1.5},
        {"freshdesk.note_on_deleted": "500"},
        {"freshdesk.slow_seconds": -1},
    ],
)
async def test_switches_refuse_nonsense(world: World, wish: dict[str, Any]) -> None:
    before = world.freshdesk.faults.describe()
    with pytest.raises(ValueError, match="freshdesk"):
        world.freshdesk.faults.update(wish)
    assert world.freshdesk.faults.describe() == before
    assert all(switch["help"] for switch in before.values())


@pytest.mark.parametrize(
    "wish",
    [
        {"api_token": "x"},
        {"api_key": 5},
        {"plan": "garden"},
        {"custom_fields": [{"name": "region"}]},
        {"custom_fields": [{"name": "cf_region", "type": "colour"}]},
        {"custom_fields": "cf_region"},
    ],
)
async def test_setup_refuses_nonsense(world: World, wish: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"freshdesk|custom field"):
        world.freshdesk.setup(wish)


async def test_state_survives_a_restart_and_setup_again_changes_nothing(world: World) -> None:
    world.ring_me()
    ticket = await world.ticket()
    await world.note(ticket)
    await world.says(ticket, "file", attachments=[{"filename": "a.txt", "data": "aGVsbG8="}])
    world.faults(delay_rings_seconds=3.0)
    kept = httpx.Response(200, json=world.freshdesk.dump()).json()
    async with freshdesk_world() as other:
        other.freshdesk.load(kept)
        assert httpx.Response(200, json=other.freshdesk.dump()).json() == kept
        assert await other.conversations(ticket, per_page=1) == (await world.conversations(ticket))[:1]
        assert (await other.contact(mobile="+1", name="New"))["id"] > ticket["requester_id"]
        before = await other.control("GET", "rules")
        other.ring_me()
        assert await other.control("GET", "rules") == before


async def test_reset_empties_the_desk_and_keeps_key_rules_and_agents(world: World) -> None:
    world.ring_me()
    agents = await world.control("GET", "agents")
    await world.ticket()
    world.faults(down=True)
    world.freshdesk.reset()
    assert await world.get("tickets") == []
    assert await world.get("contacts") == []
    assert await world.control("GET", "agents") == agents
    assert len(await world.control("GET", "rules")) == 1
    assert world.freshdesk.summary()["tickets"] == 0
