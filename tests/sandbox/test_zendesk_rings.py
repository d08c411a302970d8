"""What rings, with which signature, how often, and what the exports tell when nothing rang."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.sandbox.zendesk_world import RING_URL, World, zendesk_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with zendesk_world(plan="unlimited") as made:
        yield made


async def _reply(world: World, ticket_id: int, text: str = "Olá", **more: object) -> None:
    await world.control("POST", f"tickets/{ticket_id}/comments", {"text": text, **more})
    await world.zendesk.drain()


async def test_the_doctors_way_makes_a_webhook_whose_rings_are_signed(world: World) -> None:
    webhook = await world.trigger()
    secret = (await world.get(f"webhooks/{webhook['id']}/signing_secret"))["signing_secret"]
    assert secret["algorithm"] == "SHA256"
    ticket = await world.ticket()
    await _reply(world, ticket["id"])
    (ring,) = world.rings
    assert (str(ring.url), ring.content) == (RING_URL, b'{"ticket_id": "%d"}' % ticket["id"])
    stamp = ring.headers["X-Zendesk-Webhook-Signature-Timestamp"]
    mac = hmac.new(secret["secret"].encode(), stamp.encode() + ring.content, hashlib.sha256).digest()
    assert ring.headers["X-Zendesk-Webhook-Signature"] == base64.b64encode(mac).decode()
    assert ring.headers["X-Zendesk-Webhook-Id"] == webhook["id"]
    assert ring.headers["X-Zendesk-Webhook-Invocation-Id"]
    assert ring.headers["X-Zendesk-Account-Id"]


async def test_every_webhook_has_its_own_secret_unless_one_is_set_up(world: World) -> None:
    one, two = await world.webhook(), await world.webhook()
    kept = {hook["id"]: hook["signing_secret"] for hook in await world.control("GET", "webhooks")}
    assert kept[one["id"]] != kept[two["id"]]
    world.zendesk.setup({"signing_secret": "fixed"})
    await world.webhook()
    assert {hook["signing_secret"] for hook in await world.control("GET", "webhooks")} == {"fixed"}


async def test_only_updates_with_a_comment_that_are_not_by_the_api_meet_the_doctors_trigger(world: World) -> None:
    await world.trigger()
    ticket = await world.ticket()
    await world.update(ticket, comment={"body": "by the API"})
    await world.control("POST", f"tickets/{ticket['id']}", {"status": "pending"})
    await world.zendesk.drain()
    assert world.rings == []
    await _reply(world, ticket["id"], public=False)
    await _reply(world, ticket["id"], as_api_user=True)
    assert len(world.rings) == 2
    world.faults(not_relevant_needs_comment=False)
    await world.control("POST", f"tickets/{ticket['id']}", {"status": "solved"})
    await world.zendesk.drain()
    assert len(world.rings) == 3


@pytest.mark.parametrize(
    ("condition", "rings"),
    [
        (("comment_is_public", "is", "true"), 1),
        (("comment_is_public", "is", "false"), 0),
        (("role", "is", "agent"), 1),
        (("role", "is", "end_user"), 0),
        (("current_tags", "includes", "other whatsapp"), 1),
        (("current_tags", "not_includes", "whatsapp"), 0),
        (("update_type", "is", "Change"), 1),
        (("update_type", "is", "Create"), 0),
        (("status", "is", "pending"), 1),
        (("status", "changed_to", "pending"), 1),
        (("status", "less_than", "pending"), 0),
        (("current_via_id", "is", "0"), 1),
    ],
)
async def test_a_trigger_asks_each_condition(world: World, condition: tuple[str, str, str], rings: int) -> None:
    await world.trigger(condition, ("current_via_id", "is_not", "5"))
    ticket = await world.ticket(tags=["whatsapp"])
    await _reply(world, ticket["id"], status="pending")
    assert len(world.rings) == rings


async def test_a_trigger_needs_a_category_known_conditions_and_a_webhook_of_its_kind(world: World) -> None:
    events = await world.webhook("zen:event-type:ticket.comment_added")
    category = (await world.get("trigger_categories"))["trigger_categories"][0]["id"]
    good = {"field": "update_type", "operator": "is", "value": "Change"}
    wanted = {
        "title": "x",
        "category_id": category,
        "conditions": {"all": [good]},
        "actions": [{"field": "notification_webhook", "value": [events["id"], "{}"]}],
    }
    mail = [{"field": "notification_user", "value": ["requester_id", "a", "b"]}]
    for change, status in (
        ({}, 422),
        ({"actions": mail}, 201),
        ({"actions": mail, "category_id": None}, 422),
        ({"actions": mail, "conditions": {"all": [{**good, "field": "weather"}]}}, 422),
    ):
        answer = await world.api("POST", "triggers", {"trigger": {**wanted, **change}})
        assert answer.status_code == status, answer.text


async def test_a_webhook_is_for_triggers_or_for_events_and_stays_so(world: World) -> None:
    wanted = {
        "name": "x",
        "endpoint": RING_URL,
        "http_method": "POST",
        "request_format": "json",
        "status": "active",
        "subscriptions": ["conditional_ticket_events", "zen:event-type:ticket.created"],
    }
    assert (await world.api("POST", "webhooks", {"webhook": wanted})).status_code == 400
    webhook = await world.webhook()
    change = {"webhook": {"subscriptions": ["zen:event-type:ticket.created"]}}
    assert (await world.api("PATCH", f"webhooks/{webhook['id']}", change)).status_code == 400


async def test_a_webhook_that_a_trigger_uses_cannot_be_deleted(world: World) -> None:
    webhook = await world.trigger()
    assert (await world.api("DELETE", f"webhooks/{webhook['id']}")).status_code == 409
    trigger = next(one for one in (await world.get("triggers"))["triggers"] if one["title"] == "deskbridge")
    assert (await world.api("DELETE", f"triggers/{trigger['id']}")).status_code == 204
    assert (await world.api("DELETE", f"webhooks/{webhook['id']}")).status_code == 204


async def test_an_event_webhook_hears_every_comment_with_string_ids_and_upper_case(world: World) -> None:
    await world.webhook("zen:event-type:ticket.comment_added", "zen:event-type:ticket.status_changed")
    user = await world.user()
    ticket = await world.ticket(user)
    await world.zendesk.drain()
    await _reply(world, ticket["id"], public=False, status="pending")
    first, *others = world.ring_bodies()
    assert first["event"]["comment"]["author"] == {"id": str(user["id"]), "is_staff": False, "name": user["name"]}
    assert first["detail"]["via"] == {"channel": "web_service"}
    by_type = {body["type"]: body for body in others}
    comment = by_type["zen:event-type:ticket.comment_added"]["event"]["comment"]
    assert (comment["is_public"], comment["author"]["is_staff"]) == (False, True)
    assert comment["id"] == str((await world.comments(ticket))[1]["id"])
    status = by_type["zen:event-type:ticket.status_changed"]["event"]
    assert (status["current"], status["previous"]) == ("PENDING", "NEW")
    assert by_type["zen:event-type:ticket.status_changed"]["detail"]["id"] == str(ticket["id"])
    assert first["subject"] == f"zen:ticket:{ticket['id']}"


async def test_an_event_webhook_hears_of_merges_and_deletions(world: World) -> None:
    await world.webhook("zen:event-type:ticket.merged", "zen:event-type:ticket.soft_deleted")
    source, target = await world.ticket(), await world.ticket()
    await world.control("POST", f"tickets/{source['id']}/merge", {"into": target["id"]})
    await world.control("DELETE", f"tickets/{target['id']}")
    await world.zendesk.drain()
    told = {(body["type"], body["detail"]["id"]) for body in world.ring_bodies()}
    assert told == {
        ("zen:event-type:ticket.merged", str(source["id"])),
        ("zen:event-type:ticket.soft_deleted", str(target["id"])),
    }


@pytest.mark.parametrize(
    ("answer", "calls", "status"),
    [
        (httpx.Response(200), 1, "success"),
        (httpx.Response(409), 4, "failed"),
        (httpx.Response(500), 1, "failed"),
        (httpx.Response(401), 1, "failed"),
        (httpx.Response(302, headers={"Location": RING_URL}), 1, "failed"),
        (httpx.Response(503), 1, "failed"),
        (httpx.Response(503, headers={"Retry-After": "60"}), 1, "failed"),
        (httpx.Response(503, headers={"Retry-After": "30"}), 6, "failed"),
        (httpx.Response(429, headers={"Retry-After": "5"}), 6, "failed"),
    ],
)
async def test_what_is_retried_depends_on_the_answer(
    world: World, answer: httpx.Response, calls: int, status: str
) -> None:
    world.ring_answer = lambda _request: answer
    await world.trigger()
    await _reply(world, (await world.ticket())["id"])
    assert len(world.rings) == calls
    assert len({ring.headers["X-Zendesk-Webhook-Invocation-Id"] for ring in world.rings}) == 1
    assert (await world.control("GET", "invocations"))[0]["status"] == status


async def test_a_timeout_is_retried_five_times(world: World) -> None:
    def late(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too late", request=request)

    world.ring_answer = late
    await world.trigger()
    await _reply(world, (await world.ticket())["id"])
    assert len(world.rings) == 6
    assert (await world.control("GET", "invocations"))[0]["status"] == "timeout"


@pytest.mark.parametrize("restamped", [False, True])
async def test_a_retry_is_stamped_anew_only_with_the_switch(world: World, restamped: bool) -> None:
    def busy(_request: httpx.Request) -> httpx.Response:
        world.clock.advance(40)
        return httpx.Response(409)

    world.faults(restamp_retries=restamped)
    world.ring_answer = busy
    await world.trigger()
    await _reply(world, (await world.ticket())["id"])
    stamps = {ring.headers["X-Zendesk-Webhook-Signature-Timestamp"] for ring in world.rings}
    assert len(stamps) == (4 if restamped else 1)


async def test_rings_can_be_lost_doubled_and_delayed(world: World) -> None:
    await world.trigger()
    ticket = await world.ticket()
    world.faults(lose_rings=1)
    await _reply(world, ticket["id"])
    assert world.rings == []
    world.faults(double_rings=True, delay_rings_seconds=9)
    await _reply(world, ticket["id"])
    assert (len(world.rings), world.slept) == (2, [9.0, 9.0])
    world.faults(lose_rings=-1)
    await _reply(world, ticket["id"])
    assert len(world.rings) == 2


async def test_the_circuit_breaks_when_nearly_all_of_a_hundred_calls_failed(world: World) -> None:
    world.ring_answer = lambda _request: httpx.Response(500)
    await world.trigger()
    ticket = await world.ticket()
    for _ in range(101):
        await _reply(world, ticket["id"])
    assert len(world.rings) == 100
    assert (await world.control("GET", "invocations"))[0]["status"] == "circuit broken"
    world.real_seconds += 5
    await _reply(world, ticket["id"])
    assert len(world.rings) == 101


async def test_a_saved_webhook_can_be_tested(world: World) -> None:
    webhook = await world.webhook()
    answer = await world.api("POST", f"webhooks/test?webhook_id={webhook['id']}", {"request": {"payload": '{"a":1}'}})
    assert answer.json()["response"]["status"] == 200
    assert world.ring_bodies() == [{"a": 1}]


@pytest.mark.parametrize("escaped", [False, True])
async def test_placeholders_in_a_triggers_body_are_escaped_only_with_the_switch(world: World, escaped: bool) -> None:
    world.faults(escape_placeholders=escaped)
    await world.trigger(("current_via_id", "is_not", "5"), body='{"title": "{{ticket.title}}"}')
    await _reply(world, (await world.ticket(subject='say "hi"'))["id"])
    title = rb"say \"hi\"" if escaped else b'say "hi"'
    assert world.rings[0].content == b'{"title": "' + title + b'"}'


async def test_the_event_export_hides_the_last_minute_of_real_time(world: World) -> None:
    start = int(world.clock.timestamp()) - 100
    ticket = await world.ticket()
    await _reply(world, ticket["id"])
    empty = await world.get("incremental/ticket_events", start_time=start)
    assert (empty["ticket_events"], empty["end_of_stream"], empty["end_time"]) == ([], True, None)
    world.real_seconds += 60
    full = await world.get("incremental/ticket_events", start_time=start, include="comment_events")
    opened, replied = full["ticket_events"]
    assert (opened["via"], replied["via"], full["count"]) == ("Web service", "Web form", 2)
    comment = next(child for child in replied["child_events"] if child["event_type"] == "Comment")
    assert comment["id"] == (await world.comments(ticket))[1]["id"]
    assert (comment["body"], comment["comment_public"]) == ("Olá", True)
    assert full["end_time"] == replied["timestamp"] + 1
    assert full["next_page"].endswith(f"start_time={full['end_time']}&include=comment_events")
    bare = await world.get("incremental/ticket_events", start_time=start)
    assert "body" not in str(bare)


async def test_an_export_cannot_start_in_the_last_minute(world: World) -> None:
    now = int(world.clock.timestamp())
    for path in ("incremental/ticket_events", "incremental/tickets/cursor"):
        assert (await world.api("GET", path, params={"start_time": now - 30})).status_code == 422
        assert (await world.api("GET", path)).status_code == 400


async def test_a_page_of_the_event_export_never_splits_a_second(world: World) -> None:
    world.faults(export_delay_seconds=0)
    start = int(world.clock.timestamp()) - 100
    ticket = await world.ticket()
    for number in range(4):
        if number == 2:
            world.clock.advance(10)
        await world.update(ticket, comment={"body": str(number)})
    seen: list[str] = []
    for _ in range(10):
        page = await world.get("incremental/ticket_events", start_time=start, per_page=1, include="comment_events")
        bodies = [child.get("body") for event in page["ticket_events"] for child in event["child_events"]]
        seen += [body for body in bodies if body]
        if page["end_of_stream"]:
            break
        start = page["end_time"]
        world.clock.advance(200)
    assert seen == ["Oi", "0", "1", "2", "3"]


async def test_the_ticket_export_tells_each_ticket_once_and_goes_on_from_its_cursor(world: World) -> None:
    start = int(world.clock.timestamp()) - 100
    first, second = await world.ticket(), await world.ticket()
    await world.update(first, status="open")
    assert (await world.get("incremental/tickets/cursor", start_time=start))["tickets"] == []
    world.real_seconds += 60
    page = await world.get("incremental/tickets/cursor", start_time=start, per_page=1)
    assert ([ticket["id"] for ticket in page["tickets"]], page["end_of_stream"]) == ([second["id"]], False)
    page = await world.get("incremental/tickets/cursor", cursor=page["after_cursor"], include="users")
    assert ([ticket["id"] for ticket in page["tickets"]], page["end_of_stream"]) == ([first["id"]], True)
    await world.control("DELETE", f"tickets/{second['id']}")
    world.real_seconds += 60
    page = await world.get("incremental/tickets/cursor", cursor=page["after_cursor"])
    assert [(ticket["id"], ticket["status"]) for ticket in page["tickets"]] == [(second["id"], "deleted")]


async def test_eleven_exports_in_a_minute_are_too_many() -> None:
    async with zendesk_world() as world:
        start = int(world.clock.timestamp()) - 100
        query = {"start_time": start}
        paths = ["incremental/ticket_events", "incremental/tickets/cursor"] * 5
        answers = [await world.api("GET", path, params=query) for path in paths]
        assert {answer.status_code for answer in answers} == {200}
        assert (await world.api("GET", "incremental/ticket_events", params=query)).status_code == 429


async def test_a_customer_who_mails_reopens_the_ticket(world: World) -> None:
    user = await world.user()
    ticket = await world.ticket(user)
    await world.update(ticket, status="solved")
    await _reply(world, ticket["id"], agent=user["id"])
    full = await world.control("GET", f"tickets/{ticket['id']}")
    assert full["status"] == "open"
    assert full["comments"][1]["via"]["channel"] == "email"


async def test_an_agent_replies_as_in_the_ui_and_pages_are_told(world: World) -> None:
    ticket = await world.ticket()
    world.topics.clear()
    told = await world.control(
        "POST",
        f"tickets/{ticket['id']}/comments",
        {"html": "<p>Olá <b>Ana</b></p>", "agent": "Otto", "public": True, "status": "solved", "tags": ["done"]},
    )
    assert (told["ticket"]["status"], told["ticket"]["tags"]) == ("solved", ["done"])
    assert (told["comment"]["author_name"], told["comment"]["via"]["channel"]) == ("Otto", "web")
    assert f"ticket:{ticket['id']}" in world.topics
    kinds = {agent["name"]: agent["kind"] for agent in await world.control("GET", "agents")}
    assert kinds == {"deskbridge": "admin", "Bia": "admin", "Otto": "agent", "Lena": "light agent"}
    assert [one["id"] for one in await world.control("GET", "tickets?view=open")] == []
    answer = await world.http.post(f"/sandbox/api/zendesk/tickets/{ticket['id']}/comments", json={"texxt": "x"})
    assert answer.status_code == 400
