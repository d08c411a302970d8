"""What may a program with a token ask for and do, and what does it get for an answer?"""

from http import HTTPStatus

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from bridge.api.app import ROUTERS
from bridge.domain.roles import Role
from tests.api.world import ADMIN_TOKEN, BSUID, NAME, NUMBER, TEXT, World

LISTS = ["channels", "events", "events/causes", "conversations", "messages", "contacts", "alarms", "tokens", "audit"]
SECRET = (NAME, NUMBER, BSUID, TEXT)


@pytest.mark.parametrize("path", ["", "/", "/status", "/nothing", *(f"/{name}" for name in LISTS)])
async def test_no_path_is_reached_without_a_token(small_world: World, path: str) -> None:
    nobody = small_world.clients[None]
    for method in ("GET", "POST", "DELETE"):
        answer = await nobody.request(method, f"/api/v1{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")


async def test_lists_answer_without_parameters_and_go_on_page_by_page(world: World) -> None:
    for name in LISTS:
        answer = await world.admin.get(f"/api/v1/{name}")
        assert answer.status_code == HTTPStatus.OK, name
        assert answer.json()["items"], name
    first = (await world.reader.get("/api/v1/events", params={"limit": 1})).json()
    second = (await world.reader.get("/api/v1/events", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    ids = [page["items"][0]["id"] for page in (first, second)]
    assert ids == sorted([world.ids["event"], world.ids["post"]], reverse=True)
    assert second["next_cursor"] is None


async def test_read_only_sees_states_and_nobody_s_content(world: World) -> None:
    seen = ""
    for path in (*LISTS[:7], f"contacts/{world.ids['contact']}", f"messages/{world.ids['inbound']}"):
        answer = await world.reader.get(f"/api/v1/{path}")
        assert answer.status_code == HTTPStatus.OK
        seen += answer.text
    assert not [secret for secret in SECRET if secret in seen]
    reveal = await world.reader.get(f"/api/v1/events/{world.ids['event']}", params={"reveal": "true"})
    assert reveal.status_code == HTTPStatus.FORBIDDEN
    assert reveal.json()["detail"] == "Content takes the role agent."
    found = (await world.agent.get("/api/v1/contacts")).text + (await world.agent.get("/api/v1/messages")).text
    assert [secret for secret in SECRET if secret not in found] == []


async def test_each_role_may_what_it_says(small_world: World) -> None:
    for path in ("tokens", "audit"):
        assert (await small_world.agent.get(f"/api/v1/{path}")).status_code == HTTPStatus.FORBIDDEN
    replay = await small_world.reader.post("/api/v1/events/replay", json={"all": True})
    assert replay.status_code == HTTPStatus.FORBIDDEN
    assert replay.json()["title"] == "Forbidden"


async def test_conversation_says_how_long_its_window_is_open(world: World) -> None:
    shown = (await world.reader.get(f"/api/v1/conversations/{world.ids['conversation']}")).json()
    assert shown["window"]["state"] == "open"
    assert 23 * 3600 < shown["window"]["seconds_left"] < 24 * 3600
    assert shown["ticket_id"] == "4711"
    assert shown["tickets"][0]["id"] == "4711"
    assert shown["effects"] == {"dead": 1, "ready": 1}
    by_ticket = (await world.reader.get("/api/v1/conversations", params={"ticket_id": "4711"})).json()
    assert [one["id"] for one in by_ticket["items"]] == [shown["id"]]


async def test_contact_is_found_by_number_in_any_spelling_of_digits(small_world: World) -> None:
    for wanted in ({"number": "+351 910-000-111"}, {"number": "00351910000111"}, {"bsuid": BSUID}):
        found = (await small_world.agent.post("/api/v1/contacts/search", json=wanted)).json()["items"]
        assert [one["id"] for one in found] == [small_world.ids["contact"]]
    assert (await small_world.agent.post("/api/v1/contacts/search", json={"number": "1"})).json() == {"items": []}


async def test_dead_letters_are_counted_by_cause_and_replayed_by_it(world: World) -> None:
    causes = (await world.reader.get("/api/v1/events/causes")).json()["items"]
    assert {(one["what"], one["kind"], one["reason"], one["count"]) for one in causes} == {
        ("event", "message", "unknown phone_number_id", 1),
        ("effect", "post_message", "422", 1),
    }
    replayed = await world.agent.post("/api/v1/events/replay", json={"reason": "422"})
    assert replayed.json() == {"count": 1}
    assert world.rung == 1
    assert (await world.reader.get(f"/api/v1/events/{world.ids['post']}")).json()["state"] == "ready"
    again = await world.agent.post("/api/v1/events/replay", json={"ids": [world.ids["post"], world.ids["event"]]})
    assert again.status_code == HTTPStatus.CONFLICT
    assert (await world.reader.get(f"/api/v1/events/{world.ids['event']}")).json()["state"] == "dead"
    dropped = await world.agent.post("/api/v1/events/drop", json={"ids": [world.ids["event"]]})
    assert dropped.json() == {"count": 1}
    assert (await world.reader.get("/api/v1/events")).json() == {"items": [], "next_cursor": None}


async def test_content_is_revealed_to_agents_and_that_is_on_record(world: World) -> None:
    shown = await world.agent.get(f"/api/v1/events/{world.ids['post']}", params={"reveal": "true"})
    assert shown.json()["content"] == TEXT
    deed = (await world.admin.get("/api/v1/audit")).json()["items"][0]
    assert (deed["actor"], deed["action"], deed["subject"]) == ("agent", "event.reveal", world.ids["post"])


async def test_alarm_that_was_seen_to_is_gone(small_world: World) -> None:
    (alarm,) = (await small_world.reader.get("/api/v1/alarms")).json()["items"]
    assert (alarm["kind"], alarm["count"]) == ("dead_letter", 1)
    path = f"/api/v1/alarms/{alarm['id']}"
    assert (await small_world.reader.delete(path)).status_code == HTTPStatus.FORBIDDEN
    assert (await small_world.agent.delete(path)).status_code == HTTPStatus.NO_CONTENT
    assert (await small_world.agent.delete(path)).status_code == HTTPStatus.NOT_FOUND


async def test_token_is_shown_once_works_at_once_and_ends_at_once(world: World) -> None:
    made = await world.admin.post("/api/v1/tokens", json={"name": "eve", "role": "agent", "days": 30})
    assert made.status_code == HTTPStatus.CREATED
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    nobody = world.clients[None]
    assert (await nobody.get("/api/v1/status", headers=headers)).json()["wrong"] == ["Redis does not answer"]
    listed = (await world.admin.get("/api/v1/tokens")).text
    assert made.json()["token"] not in listed
    twice = await world.admin.post("/api/v1/tokens", json={"name": "eve", "role": "agent"})
    assert twice.status_code == HTTPStatus.CONFLICT
    ended = await world.admin.delete(f"/api/v1/tokens/{made.json()['id']}")
    assert ended.status_code == HTTPStatus.NO_CONTENT
    assert (await nobody.get("/api/v1/status", headers=headers)).status_code == HTTPStatus.UNAUTHORIZED
    configured = next(
        one for one in (await world.admin.get("/api/v1/tokens")).json()["items"] if one["name"] == "admin"
    )
    refused = await world.admin.delete(f"/api/v1/tokens/{configured['id']}")
    assert refused.status_code == HTTPStatus.CONFLICT
    assert ADMIN_TOKEN not in (await world.admin.get("/api/v1/audit")).text


@pytest.mark.parametrize("change", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"])
async def test_audit_is_only_ever_added_to(world: World, change: str) -> None:
    with pytest.raises(DBAPIError, match="only ever added to"):
        await world.store.database.write(lambda connection: connection.execute(text(change)))
    assert (await world.admin.get("/api/v1/audit")).json()["items"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("PUT", "events", None, 405),
        ("GET", "events?limit=0", None, 422),
        ("GET", "events?cursor=%00", None, 422),
        ("GET", "events?state=canary", None, 422),
        ("GET", "messages/canary", None, 422),
        ("GET", "messages/01ARZ3NDEKTSV4RRFFQ69G5FAV", None, 404),
        ("POST", "events/replay", b"{canary", 400),
        ("POST", "events/replay", b"{}", 422),
        ("POST", "events/drop", b'{"ids": []}', 422),
        ("POST", "tokens", b'{"name": "canary/", "role": "admin"}', 422),
        ("POST", "tokens", b'{"name": "admin", "role": "admin"}', 409),
    ],
)
async def test_mistakes_are_problem_details_without_what_was_sent(
    small_world: World, method: str, path: str, body: bytes | None, status: int
) -> None:
    headers = {"content-type": "application/json"} if body is not None else {}
    answer = await small_world.admin.request(method, f"/api/v1/{path}", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert "canary" not in answer.text


async def test_every_endpoint_is_described_with_its_problems(small_world: World) -> None:
    described = (await small_world.clients[None].get("/openapi.json")).json()
    routes = {route.path for router in ROUTERS for route in router.routes}
    assert set(described["paths"]) == {f"{path}" for path in routes}
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["security"]
            assert "401" in operation["responses"]
    assert "Problem" in described["components"]["schemas"]
    assert Role.AGENT.value in str(described["components"]["schemas"]["Role"])
