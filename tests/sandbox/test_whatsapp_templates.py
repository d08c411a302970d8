"""Templates in the sandbox: create, review, list, send, show, tap, and everything that Meta does to them meanwhile."""

from typing import Any

import httpx
import pytest

from tests.sandbox.world import APP_ID, GRAPH, NUMBER_ID, SECRET, TOKEN, WABA_ID, World, code_of
from tests.template_examples import EXAMPLES, Example, body, buttons, quick, said, url

TO = "+351910000111"
HOUR, DAY = 3600, 86400
TEMPLATE_FIELDS = (
    "messages,message_template_status_update,message_template_quality_update,template_category_update,"
    "message_template_components_update"
)


@pytest.fixture
async def world(bare_world: World) -> World:
    """A sandbox that tells of templates as well, and judges them at once."""
    answer = await bare_world.graph(
        "POST",
        f"/{APP_ID}/subscriptions",
        token=f"{APP_ID}|{SECRET}",
        data={
            "object": "whatsapp_business_account",
            "callback_url": bare_world.product.url,
            "verify_token": "verify-me",
            "fields": TEMPLATE_FIELDS,
        },
    )
    assert answer.is_success
    assert (await bare_world.graph("POST", f"/{WABA_ID}/subscribed_apps")).is_success
    await bare_world.faults(review_seconds=0, pair_limit=False)
    return bare_world


async def handle(world: World) -> str:
    """Of a sample file, uploaded in the two steps that Meta wants."""
    asked = {"file_name": "a.jpg", "file_length": "3", "file_type": "image/jpeg"}
    session = (await world.graph("POST", f"/{APP_ID}/uploads", params=asked)).json()["id"]
    answer = await world.http.post(
        f"{GRAPH}/{session}", headers={"Authorization": f"OAuth {TOKEN}", "file_offset": "0"}, content=b"abc"
    )
    found: str = answer.json()["h"]
    return found


async def create(world: World, wish: dict[str, Any]) -> httpx.Response:
    return await world.graph("POST", f"/{WABA_ID}/message_templates", json=wish)


async def made(world: World, wish: dict[str, Any]) -> str:
    answer = await create(world, wish)
    assert answer.is_success, answer.text
    found: str = answer.json()["id"]
    return found


async def listed(world: World, **asked: Any) -> httpx.Response:
    return await world.graph("GET", f"/{WABA_ID}/message_templates", params=asked)


async def send(world: World, name: str, components: list[dict[str, Any]] | None = None, **more: Any) -> httpx.Response:
    content: dict[str, Any] = {"name": name, "language": {"code": more.pop("language", "en_US")}}
    if components:
        content["components"] = components
    return await world.send({"to": TO, "type": "template", "template": content} | more)


async def act(world: World, template_id: str, **wish: Any) -> dict[str, Any]:
    found: dict[str, Any] = await world.control(f"/whatsapp/templates/{template_id}", wish)
    return found


def simple(name: str = "simple", text: str = "There is news about your ticket for you.", **more: Any) -> dict[str, Any]:
    return {"name": name, "language": "en_US", "category": "UTILITY", "components": [body(text)]} | more


async def events(world: World, key: str, count: int = 1) -> list[dict[str, Any]]:
    """Webhook values that have `key`."""
    await world.product.until(lambda: len([one for one in world.product.values() if key in one]) >= count)
    return [one for one in world.product.values() if key in one]


async def test_every_kind_is_created_reviewed_listed_sent_and_shown(world: World) -> None:
    sample = await handle(world)
    customer = await world.customer(wa_id="351910000111", writes=False)
    for example in EXAMPLES:
        answer = await create(world, example.body(handle=sample))
        assert answer.is_success, (example.name, answer.text)
        assert answer.json()["status"] in ("PENDING", "APPROVED")
        sent = await send(world, example.name, example.sends, language=example.language)
        assert sent.is_success, (example.name, sent.text)
        assert sent.json()["messages"][0]["message_status"] == "accepted"
        thread = await world.look(f"/customers/{customer['id']}/messages")
        assert thread[-1]["text"] == example.shows
    page = (await listed(world, limit="100", fields="name,status,category,components")).json()["data"]
    assert {one["name"]: (one["status"], one["category"]) for one in page} == {
        example.name: ("APPROVED", example.category) for example in EXAMPLES
    }
    assert await world.look("/whatsapp/refused") == []


@pytest.mark.parametrize(
    ("change", "subcode"),
    [
        ({"name": "Big"}, None),
        ({"language": "en-US"}, None),
        ({"category": "TRANSACTIONAL"}, None),
        ({"footer": "x"}, None),
        ({"components": [body("x" * 1025)]}, 2388040),
        ({"components": [body("Hello {{1}} and welcome to the shop.")]}, 2388072),
        ({"components": [body("Hello {{2}} and welcome to the shop.", "a")]}, 2388072),
        ({"components": [body("{{1}} is welcome to the shop.", "a")]}, 2388299),
        ({"components": [body("Hi {{1}} {{2}} {{3}} a.", "a", "b", "c")]}, 2388293),
        ({"components": [body("Fine text."), {"type": "FOOTER", "text": "Hi {{1}}"}]}, 2388073),
        ({"components": [{"type": "HEADER", "format": "IMAGE"}, body("Fine text.")]}, 2388047),
        ({"components": [body("Fine text."), buttons(quick("A"), url("B", "https://e.com"), quick("C"))]}, None),
        ({"components": [body("Fine text."), buttons(url("B", "https://e.com/{{1}}/x", "https://e.com/1/x"))]}, None),
        ({"components": [body("Fine text."), buttons(quick("x" * 26))]}, 2388040),
    ],
)
async def test_what_the_rules_forbid_is_refused_at_once(
    world: World, change: dict[str, Any], subcode: int | None
) -> None:
    answer = await create(world, simple() | change)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("error_subcode")) == (400, 100, subcode)
    assert error["error_user_msg"]


@pytest.mark.parametrize(
    ("text", "category", "reason"),
    [
        ("Hello {{1}} {{2}}, this text is long enough to be fine.", "UTILITY", "INVALID_FORMAT"),
        ("Hello, your verification code is in this message.", "UTILITY", "INCORRECT_CATEGORY"),
        ("You are stupid, and we tell you so in this message.", "UTILITY", "ABUSIVE_CONTENT"),
        ("See https://bit.ly/3x for what we have for you today.", "UTILITY", "INVALID_FORMAT"),
    ],
)
async def test_review_rejects_with_a_reason(world: World, text: str, category: str, reason: str) -> None:
    examples = ["a", "b"] if "{{2}}" in text else []
    await made(world, simple(category=category) | {"components": [body(text, *examples)]})
    (node,) = (await listed(world, fields="status,rejected_reason")).json()["data"]
    assert (node["status"], node["rejected_reason"]) == ("REJECTED", reason)
    (event,) = await events(world, "event")
    assert (event["event"], event["reason"]) == ("REJECTED", reason)
    assert ("rejection_info" in event) is (reason == "INVALID_FORMAT")
    assert code_of(await send(world, "simple")) == 132001


async def test_review_takes_the_clocks_time_and_the_webhook_tells_of_it(world: World) -> None:
    await world.faults(review_seconds=6 * HOUR)
    template_id = await made(world, simple())
    assert code_of(await send(world, "simple")) == 132001
    await world.control("/clock", {"advance_seconds": 6 * HOUR + 1})
    (event,) = await events(world, "event")
    assert event["message_template_id"] == int(template_id)
    assert event["message_template_language"] == "en-US"
    payload = world.product.requests[-1][0]
    assert b'"time":' in payload
    await world.customer(wa_id="351910000111")
    assert (await send(world, "simple")).is_success


async def test_utility_that_sells_is_approved_as_marketing(world: World) -> None:
    answer = await create(world, simple(text="A discount for you waits in our shop until Friday."))
    assert answer.json()["category"] == "MARKETING"


async def test_listing_is_paged_filtered_and_counts(world: World) -> None:
    for number in range(7):
        await made(world, simple(f"t_{number}", text=f"This is the template with number {number}."))
    names: list[str] = []
    asked: dict[str, Any] = {"limit": 3, "fields": "name"}
    while True:
        page = (await listed(world, **asked)).json()
        names += [one["name"] for one in page["data"]]
        if "next" not in page["paging"]:
            break
        asked["after"] = page["paging"]["cursors"]["after"]
    assert sorted(names) == [f"t_{number}" for number in range(7)]
    assert [one["name"] for one in (await listed(world, name="t_3")).json()["data"]] == ["t_3"]
    assert (await listed(world, status="REJECTED")).json()["data"] == []
    assert (await listed(world, summary="true")).json()["summary"]["message_template_count"] == 7
    assert code_of(await listed(world, after="bm90LWhlcmU=")) == 131059


async def test_quotas_edits_and_locked_names_hold(world: World) -> None:
    await world.faults(template_limit=2, template_creations_per_hour=3)
    first = await made(world, simple())
    assert code_of(await create(world, simple())) == 100
    edit = {"components": [body("There is other news about your ticket.")]}
    assert (await world.graph("POST", f"/{first}", json=edit)).json() == {"success": True}
    again = await world.graph("POST", f"/{first}", json=edit)
    assert again.json()["error"]["error_subcode"] == 2388039
    assert (await world.graph("POST", f"/{first}", json={"category": "MARKETING"})).status_code == 400
    await made(world, simple("second", text="Another text that is about your ticket."))
    full = await create(world, simple("third", text="A third text that is about your ticket."))
    assert full.json()["error"]["error_subcode"] == 2388019
    gone = await world.graph("DELETE", f"/{WABA_ID}/message_templates", params={"name": "simple", "hsm_id": first})
    assert gone.json() == {"success": True}
    assert code_of(await create(world, simple())) == 100
    await world.control("/clock", {"advance_seconds": 31 * DAY})
    await made(world, simple())
    await world.faults(template_limit=250)
    await made(world, simple("fourth", text="A fourth text that is about your ticket."))
    await made(world, simple("fifth", text="A fifth text that is about your ticket."))
    assert code_of(await create(world, simple("sixth"))) == 80008


async def test_red_quality_pauses_twice_and_disables_then(world: World) -> None:
    await world.customer(wa_id="351910000111")
    template_id = await made(world, simple())
    for hours in (3, 6):
        await act(world, template_id, do="quality", quality="RED")
        assert code_of(await send(world, "simple")) == 132015
        await world.control("/clock", {"advance_seconds": hours * HOUR + 1})
        assert (await send(world, "simple")).is_success
    await act(world, template_id, do="quality", quality="RED")
    assert code_of(await send(world, "simple")) == 132016
    told = [one["event"] for one in await events(world, "event", 6)]
    assert told == ["APPROVED", "PAUSED", "REINSTATED", "PAUSED", "REINSTATED", "DISABLED"]
    assert len(await events(world, "new_quality_score", 3)) == 3


async def test_category_changes_after_notice_and_marketing_reaches_nobody_who_stopped_it(world: World) -> None:
    customer = await world.customer(wa_id="351910000111")
    template_id = await made(world, simple())
    await act(world, template_id, do="category", category="MARKETING", notice=True)
    await events(world, "correct_category")
    await world.control("/clock", {"advance_seconds": DAY + 1})
    (changed,) = await events(world, "previous_category")
    assert (changed["previous_category"], changed["new_category"]) == ("UTILITY", "MARKETING")
    await world.control(f"/customers/{customer['id']}", {"stopped_marketing": True})
    wamid = (await send(world, "simple")).json()["messages"][0]["id"]
    await world.product.until(lambda: world.product.statuses_of(wamid))
    (status,) = world.product.statuses_of(wamid)
    assert status["errors"][0]["code"] == 131050


async def test_what_somebody_edits_elsewhere_is_told(world: World) -> None:
    template_id = await made(world, simple())
    components = [body("This text came from somewhere else."), buttons(quick("Fine"))]
    await act(world, template_id, do="components", components=components)
    (told,) = await events(world, "message_template_element")
    assert told["message_template_element"] == "This text came from somewhere else."
    assert told["message_template_buttons"][0]["message_template_button_text"] == "Fine"


async def test_held_sends_are_released_or_dropped(world: World) -> None:
    customer = await world.customer(wa_id="351910000111")
    template_id = await made(world, simple())
    await world.faults(hold_for_quality_assessment=True)
    answer = (await send(world, "simple")).json()["messages"][0]
    assert answer["message_status"] == "held_for_quality_assessment"
    assert [one["direction"] for one in await world.look(f"/customers/{customer['id']}/messages")] == ["in"]
    await act(world, template_id, do="release")
    await world.product.until(lambda: len(world.product.statuses_of(answer["id"])) == 2)
    second = (await send(world, "simple")).json()["messages"][0]["id"]
    await act(world, template_id, do="drop")
    await world.product.until(lambda: world.product.statuses_of(second))
    assert world.product.statuses_of(second)[0]["errors"][0]["code"] == 132015
    assert code_of(await send(world, "simple")) == 132015


@pytest.mark.parametrize(
    ("example", "components", "code"),
    [
        ("numbered_two", [], 132000),
        ("numbered_two", [said("body", "only one")], 132000),
        ("numbered_two", [said("body", "a\nb", "c")], 132018),
        ("numbered_two", [said("body", "a     b", "c")], 132018),
        ("numbered_two", [said("body", "", "c")], 131008),
        ("numbered_two", [said("body", "x" * 600, "y" * 600)], 132005),
        ("named_two", [said("body", "Ines", "42")], 132012),
        ("plain_body", [said("body", "too much")], 132000),
        ("image_header", [], 132012),
        ("url_with_variable", [], 131008),
        ("coupon_code", [], 131008),
        ("carousel_quick_replies", [], 132000),
    ],
)
async def test_send_that_does_not_fit_its_template_is_refused(
    world: World, example: str, components: list[dict[str, Any]], code: int
) -> None:
    (found,) = [one for one in EXAMPLES if one.name == example]
    await made(world, found.body(handle=await handle(world)))
    assert code_of(await send(world, example, components)) == code


async def test_language_must_match_exactly_and_codes_need_a_number(world: World) -> None:
    customer = await world.customer(wa_id="351910000111")
    await made(world, simple())
    assert code_of(await send(world, "simple", language="en")) == 132001
    (found,) = [one for one in EXAMPLES if one.name == "code_to_copy"]
    await made(world, found.body())
    content = {"name": found.name, "language": {"code": "en_US"}, "components": found.sends}
    answer = await world.send({"recipient": customer["user_id"], "type": "template", "template": content})
    assert code_of(answer) == 131062


async def test_template_passes_a_closed_window_and_a_tap_opens_it(world: World) -> None:
    customer = await world.customer(wa_id="351910000111", writes=False)
    (found,) = [one for one in EXAMPLES if one.name == "three_quick_replies"]
    await made(world, found.body())
    wamid = (await send(world, found.name, found.sends)).json()["messages"][0]["id"]
    await world.product.until(lambda: len(world.product.statuses_of(wamid)) == 2)
    priced = [status["pricing"]["category"] for status in world.product.statuses_of(wamid) if "pricing" in status]
    assert set(priced) == {"utility"}
    tapped = await world.control(f"/customers/{customer['id']}/tap", {"wamid": wamid, "button": 1})
    await world.product.until(lambda: world.product.messages())
    (message,) = world.product.messages()
    assert message["id"] == tapped["wamid"]
    assert message["button"] == {"payload": "csat:2", "text": "So so"}
    assert message["context"]["id"] == wamid
    assert (await world.text(TO)).is_success
    seen = await world.look(f"/customers/{customer['id']}")
    assert seen["window_seconds_left"][NUMBER_ID] > 0


async def test_buttons_lead_where_they_say(world: World) -> None:
    customer = await world.customer(wa_id="351910000111", writes=False)
    wanted: list[tuple[Example, int, dict[str, str]]] = []
    for example in EXAMPLES:
        if example.name == "url_with_variable":
            wanted.append((example, 0, {"url": "https://example.com/o/48211?a=b"}))
        if example.name == "coupon_code":
            wanted.append((example, 0, {"code": "THANKS10"}))
        if example.name == "two_groups":
            wanted.append((example, 3, {"phone_number": "+351910000999"}))
    for example, place, led in wanted:
        await made(world, example.body())
        wamid = (await send(world, example.name, example.sends)).json()["messages"][0]["id"]
        assert await world.control(f"/customers/{customer['id']}/tap", {"wamid": wamid, "button": place}) == led
