"""What does a person at the console see and do, and what can a stranger's page make their browser do?"""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest

from bridge.console.pages import PAGES
from bridge.domain.roles import Role
from tests.api.world import ADMIN_TOKEN, BSUID, NAME, NUMBER, TEXT, World


async def sign_in(world: World, token: str, *, to: str = "/") -> httpx.AsyncClient:
    """A browser that is signed in with `token`."""
    browser = httpx.AsyncClient(transport=world.clients[None]._transport, base_url="http://bridge")
    answer = await browser.post("/sign-in", data={"token": token, "next": to})
    assert (answer.status_code, answer.headers["location"]) == (303, to)
    return browser


async def token_of(world: World, role: Role) -> str:
    return world.clients[role].headers["authorization"].removeprefix("Bearer ")


@pytest.fixture
async def agent(small_world: World) -> AsyncIterator[httpx.AsyncClient]:
    browser = await sign_in(small_world, await token_of(small_world, Role.AGENT))
    async with aclosing(browser):
        yield browser


@pytest.fixture
async def admin(small_world: World) -> AsyncIterator[httpx.AsyncClient]:
    browser = await sign_in(small_world, ADMIN_TOKEN)
    async with aclosing(browser):
        yield browser


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return found.group(1)


async def test_every_page_asks_for_a_sign_in_first_and_leads_back(small_world: World) -> None:
    nobody = small_world.clients[None]
    for path in (*(page.path for page in PAGES), f"/messages/{small_world.ids['inbound']}", "/tickets/4711"):
        answer = await nobody.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={path}")
    shown = await nobody.get("/sign-in", params={"next": "/failures"})
    assert 'name="next" value="/failures"' in shown.text
    elsewhere = await nobody.get("/sign-in", params={"next": "//evil.example"})
    assert 'name="next" value="/"' in elsewhere.text
    wrong = await nobody.post("/sign-in", data={"token": "canary-token"})
    assert wrong.status_code == 401
    assert "not valid" in wrong.text
    assert "canary-token" not in wrong.text


async def test_pages_are_in_the_navigation_of_whoever_may_see_them(
    small_world: World, agent: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    for browser, role in ((agent, Role.AGENT), (admin, Role.ADMIN)):
        page = (await browser.get("/")).text
        linked = set(re.findall(r'<li><a href="([^"]+)"', page))
        allowed = {one.path for one in PAGES if role is Role.ADMIN or one.role is not Role.ADMIN}
        assert linked == allowed
        assert {(await browser.get(path)).status_code for path in linked} == {200}
    assert (await agent.get("/tokens")).status_code == 403
    assert "Redis does not answer" in (await agent.get("/")).text


async def test_pages_carry_a_strict_policy_and_no_script(agent: httpx.AsyncClient) -> None:
    for path in ("/", "/conversations", "/failures"):
        answer = await agent.get(path)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert "<script" not in answer.text
        assert " style=" not in answer.text
    assert (await agent.get("/console/console.css")).headers["content-type"].startswith("text/css")


async def test_cookie_is_out_of_reach_and_names_no_token(small_world: World) -> None:
    answer = await small_world.clients[None].post("/sign-in", data={"token": ADMIN_TOKEN})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert ADMIN_TOKEN not in cookie
    for damaged in ("", "00", cookie.split("=")[1].split(";")[0][:-2] + "00"):
        refused = await small_world.clients[None].get("/", headers={"cookie": f"deskbridge_session={damaged}"})
        assert refused.status_code == 303


async def test_session_ends_with_its_token(small_world: World, admin: httpx.AsyncClient) -> None:
    made = (await small_world.admin.post("/api/v1/tokens", json={"name": "eve", "role": "agent"})).json()
    async with aclosing(await sign_in(small_world, made["token"])) as browser:
        assert (await browser.get("/")).status_code == 200
        await small_world.admin.delete(f"/api/v1/tokens/{made['id']}")
        assert (await browser.get("/")).status_code == 303
    signed_out = await admin.post("/sign-out", data={"csrf": csrf_of((await admin.get("/")).text)})
    assert signed_out.status_code == 303
    assert (await admin.get("/")).status_code == 303


async def test_form_of_another_site_does_nothing(small_world: World, agent: httpx.AsyncClient) -> None:
    for word in (None, "", "canary", csrf_of((await agent.get("/")).text)[:-1]):
        refused = await agent.post("/failures/replay", data={"kind": "post_message", "reason": "422", "csrf": word})
        assert refused.status_code == 403
    state = (await small_world.reader.get(f"/api/v1/events/{small_world.ids['post']}")).json()["state"]
    assert state == "dead"
    foreign = {"sec-fetch-site": "cross-site"}
    assert (await agent.post("/sign-in", data={"token": ADMIN_TOKEN}, headers=foreign)).status_code == 403


async def test_failures_are_tried_again_by_cause_from_the_page(small_world: World, agent: httpx.AsyncClient) -> None:
    page = (await agent.get("/failures")).text
    assert "unknown phone_number_id" in page
    assert "Add the number, or drop it" in page
    done = await agent.post("/failures/replay", data={"csrf": csrf_of(page), "kind": "post_message", "reason": "422"})
    assert done.headers["location"] == "/failures"
    assert small_world.rung == 1
    await agent.post("/failures/drop", data={"csrf": csrf_of(page), "id": small_world.ids["event"]})
    assert "Nothing failed" in (await agent.get("/failures")).text
    deeds = (await small_world.admin.get("/api/v1/audit")).json()["items"]
    assert [deed["action"] for deed in deeds][:2] == ["events.drop", "events.replay"]
    assert {deed["origin"] for deed in deeds[:2]} == {"console"}


async def test_ticket_leads_to_its_conversation_and_on_to_the_way_of_a_message(
    small_world: World, agent: httpx.AsyncClient
) -> None:
    by_ticket = await agent.get("/tickets/4711")
    conversation = (await agent.get(by_ticket.headers["location"])).text
    assert NAME in conversation
    assert re.search(r"open, 23 h \d+ min left", conversation)
    message = (await agent.get(f"/messages/{small_world.ids['inbound']}")).text
    assert TEXT in message
    assert "was given up: a dead letter" in message
    assert "Why: 422" in message
    for path in ("/tickets/none", "/messages/%00", "/conversations/x", "/events/x"):
        assert (await agent.get(path)).status_code == 404


async def test_read_only_sees_nobody_s_words(small_world: World) -> None:
    token = await token_of(small_world, Role.READ_ONLY)
    async with aclosing(await sign_in(small_world, token)) as browser:
        seen = ""
        for path in (
            *("/", "/conversations", "/failures"),
            *(
                f"/{name}s/{small_world.ids[key]}"
                for name, key in (("conversation", "conversation"), ("message", "inbound"))
            ),
        ):
            answer = await browser.get(path)
            assert answer.status_code == 200
            seen += answer.text
        assert not [word for word in (NAME, NUMBER, BSUID, TEXT) if word in seen]
        refused = await browser.post("/failures/replay", data={"csrf": csrf_of(seen), "kind": "x", "reason": "y"})
        assert refused.status_code == 403


async def test_token_is_made_and_ended_on_the_page(small_world: World, admin: httpx.AsyncClient) -> None:
    word = csrf_of((await admin.get("/tokens")).text)
    made = await admin.post("/tokens", data={"csrf": word, "name": "Eve", "role": "agent", "days": "30"})
    token = re.search(r"<code>(dbt_[^<]+)</code>", made.text)
    assert token is not None
    headers = {"Authorization": f"Bearer {token.group(1)}"}
    assert (await small_world.clients[None].get("/api/v1/status", headers=headers)).status_code == 200
    assert "valid already" in (await admin.post("/tokens", data={"csrf": word, "name": "Eve", "role": "agent"})).text
    assert "64 letters" in (await admin.post("/tokens", data={"csrf": word, "name": "<b>", "role": "agent"})).text
    path = re.search(r"/tokens/(\w+)/revoke", made.text)
    assert path is not None
    await admin.post(path.group(0), data={"csrf": word})
    assert (await small_world.clients[None].get("/api/v1/status", headers=headers)).status_code == 401
