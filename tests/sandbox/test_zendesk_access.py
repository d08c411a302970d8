"""Who gets in, how much they may ask, and what the account does when it is unwell."""

import base64
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.sandbox.zendesk_world import GRANT, World, zendesk_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with zendesk_world() as made:
        yield made


@pytest.mark.parametrize("as_form", [False, True])
async def test_a_known_client_gets_a_token_for_half_an_hour(world: World, as_form: bool) -> None:
    url = "/zendesk/oauth/tokens"
    answer = await (world.http.post(url, data=GRANT) if as_form else world.http.post(url, json=GRANT))
    assert answer.status_code == 200
    assert answer.json() | {"access_token": ""} == {
        "access_token": "",
        "token_type": "bearer",
        "scope": "read write",
        "expires_in": 1800,
    }


async def test_a_wrong_client_secret_is_401_invalid_client(world: World) -> None:
    answer = await world.http.post("/zendesk/oauth/tokens", json={**GRANT, "client_secret": "no"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(("seconds", "status"), [(299, 400), (300, 200), (172_800, 200), (172_801, 400)])
async def test_a_token_lives_from_300_to_172800_seconds(world: World, seconds: int, status: int) -> None:
    assert (await world.sign_in(expires_in=seconds)).status_code == status


async def test_a_token_ends_by_real_time_not_by_sandbox_time(world: World) -> None:
    await world.sign_in(expires_in=300)
    world.clock.advance(86_400)
    assert (await world.api("GET", "users/me")).status_code == 200
    world.real_seconds += 300
    answer = await world.api("GET", "users/me")
    assert answer.status_code == 401
    assert answer.json() == {
        "error": "invalid_token",
        "error_description": "The access token provided is expired, revoked, malformed or invalid for other reasons.",
    }


async def test_without_credentials_users_me_is_anonymous_and_everything_else_401(world: World) -> None:
    del world.http.headers["Authorization"]
    assert (await world.get("users/me"))["user"]["id"] is None
    assert (await world.api("GET", "tickets/1")).status_code == 401


async def test_an_api_token_acts_as_the_agent_with_that_email(world: World) -> None:
    world.zendesk.setup({"api_email": "otto@acme.example", "api_token": "tok"})
    secret = base64.b64encode(b"otto@acme.example/token:tok").decode()
    headers = {"Authorization": f"Basic {secret}"}
    me = await world.api("GET", "users/me", headers=headers)
    assert (me.json()["user"]["name"], me.json()["user"]["role"]) == ("Otto", "agent")
    assert (await world.api("GET", "triggers", headers=headers)).status_code == 403
    wrong = base64.b64encode(b"otto@acme.example/token:other").decode()
    assert (await world.api("GET", "users/me", headers={"Authorization": f"Basic {wrong}"})).status_code == 401


async def test_a_revoked_token_comes_back_to_life_when_access_is_mended(world: World) -> None:
    world.faults(token_revoked=True)
    assert (await world.api("GET", "users/me")).status_code == 401
    assert (await world.sign_in()).json()["error"] == "invalid_client"
    world.faults(token_revoked=False)
    assert (await world.api("GET", "users/me")).status_code == 200


async def test_expiring_tokens_is_done_once_and_new_ones_are_given(world: World) -> None:
    world.faults(expire_tokens=True)
    assert (await world.api("GET", "users/me")).status_code == 401
    assert (await world.sign_in()).status_code == 200
    assert (await world.api("GET", "users/me")).status_code == 200


@pytest.mark.parametrize(
    ("plan", "limit"), [("team", 200), ("growth", 400), ("enterprise", 700), ("high_volume", 2500)]
)
async def test_headers_tell_the_limit_of_the_plan(plan: str, limit: int) -> None:
    async with zendesk_world(plan=plan) as world:
        headers = (await world.api("GET", "users/me")).headers
        assert headers["X-Rate-Limit"] == headers["ratelimit-limit"] == str(limit)
        assert headers["X-Rate-Limit-Remaining"] == str(limit - 1)


async def test_call_201_of_a_minute_is_429_in_plain_text_until_the_window_ends(world: World) -> None:
    answers = [await world.api("GET", "users/me") for _ in range(201)]
    assert {answer.status_code for answer in answers[:200]} == {200}
    assert answers[200].status_code == 429
    assert answers[200].text == "Number of allowed API requests per minute exceeded"
    assert answers[200].headers["Retry-After"] == "60"
    world.real_seconds += 60
    assert (await world.api("GET", "users/me")).status_code == 200


async def test_a_429_can_come_without_retry_after_and_as_json(world: World) -> None:
    world.faults(rate_limited=2, with_retry_after=False, only="GET /users/me")
    assert "Retry-After" not in (await world.api("GET", "users/me")).headers
    world.faults(rate_limited_json=True)
    assert (await world.api("GET", "users/me")).json()["error"] == "APIRateLimitExceeded"
    assert (await world.api("GET", "users/me")).status_code == 200


async def test_update_31_of_a_ticket_in_ten_minutes_is_429_for_that_ticket_and_user_alone(world: World) -> None:
    ticket, other = await world.ticket(), await world.ticket()
    for number in range(30):
        assert (await world.update(ticket, comment={"body": str(number)})).status_code == 200
    refused = await world.update(ticket, comment={"body": "one more"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "600")
    assert (await world.update(other, comment={"body": "fine"})).status_code == 200
    await world.control("POST", f"tickets/{ticket['id']}/comments", {"text": "by hand", "agent": "Otto"})
    world.real_seconds += 600
    assert (await world.update(ticket, comment={"body": "again"})).status_code == 200


async def test_an_agents_own_updates_count_in_the_same_windows(world: World) -> None:
    ticket = await world.ticket()
    for number in range(30):
        await world.control("POST", f"tickets/{ticket['id']}/comments", {"text": str(number), "as_api_user": True})
    assert (await world.update(ticket, comment={"body": "by the API"})).status_code == 429


async def test_update_101_of_the_account_in_a_minute_is_429(world: World) -> None:
    tickets = [await world.ticket() for _ in range(5)]
    for number in range(100):
        assert (await world.update(tickets[number % 5], comment={"body": "x"})).status_code == 200
    assert (await world.update(tickets[0], comment={"body": "x"})).status_code == 429


async def test_users_are_upserted_once_a_second_and_five_times_a_minute(world: World) -> None:
    body = {"user": {"name": "Ana", "external_id": "wa:1"}}
    assert (await world.api("POST", "users/create_or_update", body)).status_code == 201
    assert (await world.api("POST", "users/create_or_update", body)).status_code == 429
    for _ in range(4):
        world.real_seconds += 1
        assert (await world.api("POST", "users/create_or_update", body)).status_code == 200
    world.real_seconds += 1
    assert (await world.api("POST", "users/create_or_update", body)).status_code == 429
    other = {"user": {"name": "Bo", "external_id": "wa:2"}}
    assert (await world.api("POST", "users/create_or_update", other)).status_code == 201


async def test_an_unlimited_plan_tells_limits_out_of_reach() -> None:
    async with zendesk_world(plan="unlimited") as world:
        ticket = await world.ticket()
        answers = [await world.update(ticket, comment={"body": "x"}) for _ in range(120)]
        assert {answer.status_code for answer in answers} == {200}
        assert int(answers[-1].headers["ratelimit-remaining"]) > 900_000


async def test_an_account_that_is_down_answers_503_and_does_nothing(world: World) -> None:
    ticket = await world.ticket()
    world.faults(down=True, down_retry_after_seconds=7)
    answer = await world.update(ticket, comment={"body": "lost"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    world.faults(down=False)
    assert len(await world.comments(ticket)) == 1


async def test_a_dropped_answer_means_the_work_is_done_and_the_connection_cut(world: World) -> None:
    ticket = await world.ticket()
    world.faults(drop_answer=1)
    with pytest.raises(ConnectionResetError):
        await world.update(ticket, comment={"body": "kept"})
    assert [comment["body"] for comment in await world.comments(ticket)] == ["Oi", "kept"]


async def test_a_late_answer_comes_after_the_work_and_a_late_write_before_the_work(world: World) -> None:
    ticket = await world.ticket()
    world.faults(late_answer_next=1, late_answer_seconds=40)
    assert (await world.update(ticket, comment={"body": "late answer"})).status_code == 200
    world.faults(late_write_next=1, late_write_seconds=5)
    with pytest.raises(ConnectionResetError):
        await world.update(ticket, comment={"body": "late write"})
    assert world.slept == [40.0, 5.0]
    assert [comment["body"] for comment in await world.comments(ticket)] == ["Oi", "late answer", "late write"]


async def test_a_scope_that_does_not_cover_a_call_is_403(world: World) -> None:
    ticket = await world.ticket()
    await world.sign_in(scope="tickets:read nonsense")
    assert (await world.api("GET", f"tickets/{ticket['id']}")).status_code == 200
    assert (await world.api("GET", f"tickets/{ticket['id']}/audits")).status_code == 403
    assert (await world.api("GET", "triggers")).status_code == 403
    assert (await world.update(ticket, status="open")).status_code == 403


async def test_a_404_can_come_without_a_body(world: World) -> None:
    world.faults(not_found_empty_body=True)
    answer = await world.api("GET", "tickets/999")
    assert (answer.status_code, answer.content) == (404, b"")


async def test_counted_faults_hit_only_the_calls_they_are_meant_for(world: World) -> None:
    ticket = await world.ticket()
    world.faults(server_error_next=1, only="PUT /tickets/")
    assert (await world.api("POST", "users", {"user": {"name": "Bo"}})).status_code == 201
    assert (await world.update(ticket, status="open")).status_code == 500
    assert (await world.update(ticket, status="open")).status_code == 200


async def test_an_unknown_path_is_404_invalid_endpoint(world: World) -> None:
    answer = await world.api("GET", "nonsense")
    assert (answer.status_code, answer.json()["error"]) == (404, "InvalidEndpoint")


async def test_a_body_that_is_not_json_is_refused(world: World) -> None:
    url = "/zendesk/api/v2/users"
    assert (await world.http.post(url, content=b"{", headers={"Content-Type": "application/json"})).status_code == 400
    assert (await world.http.post(url, content=b"{}", headers={"Content-Type": "text/plain"})).status_code == 415


async def test_every_switch_has_a_line_of_help_and_an_unknown_or_wrong_one_is_refused(world: World) -> None:
    described = world.zendesk.faults.describe()
    assert all(name.startswith("zendesk.") and switch["help"] for name, switch in described.items())
    with pytest.raises(ValueError, match="no switch"):
        world.faults(nonsense=1)
    with pytest.raises(ValueError, match="does not take"):
        world.faults(down="yes")
    with pytest.raises(ValueError, match="does not take"):
        world.faults(idempotency_in_flight="maybe")


async def test_calls_are_counted_per_endpoint_since_a_mark(world: World) -> None:
    ticket = await world.ticket()
    mark = (await world.control("GET", "calls"))["mark"]
    await world.update(ticket, comment={"body": "x"})
    await world.get(f"tickets/{ticket['id']}.json")
    since = await world.control("GET", f"calls?since={mark}")
    assert since["counters"] == {"PUT /tickets/{id}": 1, "GET /tickets/{id}": 1}
    assert [call["path"] for call in since["calls"]] == [f"/tickets/{ticket['id']}"] * 2


async def test_state_survives_a_restart(world: World) -> None:
    ticket = await world.ticket(external_id="wa:conv:1")
    await world.trigger()
    world.faults(double_rings=True)
    kept = httpx.Response(200, json=world.zendesk.dump()).json()
    token = world.http.headers["Authorization"]
    async with zendesk_world(signed_in=False) as again:
        again.zendesk.load(kept)
        again.http.headers["Authorization"] = token
        found = (await again.get("tickets", external_id="wa:conv:1"))["tickets"]
        assert [one["id"] for one in found] == [ticket["id"]]
        assert again.zendesk.dump() == world.zendesk.dump()
        assert len((await again.get("trigger_categories"))["trigger_categories"]) == 2
        newer = await again.ticket()
        assert newer["id"] > ticket["id"]


async def test_a_reset_drops_the_work_and_keeps_the_set_up(world: World) -> None:
    ticket = await world.ticket()
    await world.trigger()
    world.zendesk.reset()
    assert (await world.api("GET", f"tickets/{ticket['id']}")).status_code == 404
    assert (await world.get("users/me"))["user"]["name"] == "deskbridge"
    assert len((await world.get("webhooks"))["webhooks"]) == 1
