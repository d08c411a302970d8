"""What the sandbox tells the product, how it signs it, and how it misbehaves on the way."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tests.sandbox.world import (
    APP_ID,
    GRAPH,
    NUMBER_ID,
    SECRET,
    SETUP,
    TOKEN,
    VERIFY,
    WABA_ID,
    Product,
    World,
    code_of,
    product_listening,
    sandbox_world,
    signed,
)

TO = "+351910000111"


def _id(answer: Any) -> str:
    wamid: str = answer.json()["messages"][0]["id"]
    return wamid


async def _retry_one(world: World) -> None:
    """Do not wait for the back-off of the one webhook that is not answered yet."""
    while (await world.control("/whatsapp/deliveries/retry"))["retried"] == 0:
        assert (await world.look("/whatsapp/deliveries"))["unfinished"] == 1


async def test_body_is_escaped_as_meta_does_and_signed_over_its_bytes(world: World) -> None:
    customer = await world.customer(writes=False)
    await world.control(f"/customers/{customer['id']}/messages", {"text": "café 😀 a/b"})
    await world.product.until(lambda: world.product.requests)
    body, signature = world.product.requests[0]
    assert b"caf\\u00e9 \\ud83d\\ude00 a\\/b" in body
    assert signature == signed(body)
    assert world.product.messages()[0]["text"]["body"] == "café 😀 a/b"


async def test_inbound_message_carries_number_bsuid_and_profile(world: World) -> None:
    customer = await world.customer(wa_id="351910000111", username="ines.duarte", writes=False)
    path = f"/customers/{customer['id']}/messages"
    made = await world.control(path, {"text": "Hi", "timestamp": 1793527200, "context": "wamid.quoted"})
    await world.product.until(lambda: world.product.requests)
    body = json.loads(world.product.requests[0][0])
    assert body["object"] == "whatsapp_business_account"
    assert body["entry"][0]["id"] == WABA_ID
    assert body["entry"][0]["changes"][0]["field"] == "messages"
    (value,) = world.product.values()
    assert value["metadata"] == {"display_phone_number": "441632960123", "phone_number_id": NUMBER_ID}
    assert value["contacts"] == [
        {
            "profile": {"name": "Ines", "username": "ines.duarte"},
            "wa_id": "351910000111",
            "user_id": customer["user_id"],
        }
    ]
    assert value["messages"] == [
        {
            "from": "351910000111",
            "from_user_id": customer["user_id"],
            "id": made["wamid"],
            "timestamp": "1793527200",
            "context": {"from": "441632960123", "id": "wamid.quoted"},
            "type": "text",
            "text": {"body": "Hi"},
        }
    ]


async def test_hidden_number_is_omitted_everywhere(world: World) -> None:
    customer = await world.customer(hidden_number=True)
    answer = await world.send({"recipient": customer["user_id"], "type": "text", "text": {"body": "x"}})
    await world.product.until(lambda: len(world.product.statuses_of(_id(answer))) == 2)
    assert all(customer["wa_id"].encode() not in body for body, _ in world.product.requests)
    assert {status["recipient_user_id"] for status in world.product.statuses_of()} == {customer["user_id"]}


async def test_ticks_go_from_sent_to_delivered_to_read(world: World) -> None:
    customer = await world.customer(wa_id="351910000111")
    await world.control(f"/customers/{customer['id']}", {"online": False})
    wamid = _id(await world.text(TO, biz_opaque_callback_data="outbox:1"))
    await world.product.until(lambda: len(world.product.statuses_of(wamid)) == 1)
    await world.control(f"/customers/{customer['id']}", {"online": True})
    await world.product.until(lambda: len(world.product.statuses_of(wamid)) == 2)
    assert (await world.control(f"/customers/{customer['id']}/read"))["read"] == 1
    await world.product.until(lambda: len(world.product.statuses_of(wamid)) == 3)
    statuses = world.product.statuses_of(wamid)
    assert [status["status"] for status in statuses] == ["sent", "delivered", "read"]
    for status in statuses:
        assert status["recipient_id"] == "351910000111"
        assert status["recipient_user_id"] == customer["user_id"]
        assert status["biz_opaque_callback_data"] == "outbox:1"
    assert statuses[0]["pricing"]["type"] == "free_customer_service"
    contacts = [value["contacts"][0]["wa_id"] for value in world.product.values() if "statuses" in value]
    assert contacts == ["351910000111"] * 3
    out = (await world.look(f"/customers/{customer['id']}/messages"))[1]
    assert (out["direction"], out["status"], out["text"]) == ("out", "read", "Hello")


async def test_reaction_is_only_sent(world: World) -> None:
    customer = await world.customer(wa_id="351910000111", reads=True)
    await world.control(f"/customers/{customer['id']}", {"reads": True})
    target = (await world.look(f"/customers/{customer['id']}/messages"))[0]["wamid"]
    await world.faults(pair_limit=False)
    reaction = _id(await world.send({"to": TO, "type": "reaction", "reaction": {"message_id": target, "emoji": "👍"}}))
    text = _id(await world.text(TO))
    await world.product.until(lambda: len(world.product.statuses_of(text)) == 3)
    assert [status["status"] for status in world.product.statuses_of(reaction)] == ["sent"]


async def test_beyond_the_free_tier_messages_are_regular(world: World) -> None:
    await world.customer(wa_id="351910000111")
    await world.faults(free_tier_messages=1)
    first, second = _id(await world.text(TO)), _id(await world.text(TO))
    await world.product.until(lambda: len(world.product.statuses_of()) == 4)
    assert world.product.statuses_of(first)[0]["pricing"]["type"] == "free_customer_service"
    assert world.product.statuses_of(second)[0]["pricing"]["type"] == "regular"


async def test_customers_tick_follows_the_products_answer(world: World) -> None:
    world.product.statuses = [500]
    customer = await world.customer()
    await world.product.until(lambda: len(world.product.requests) == 2)
    assert len({body for body, _ in world.product.requests}) == 1
    path = f"/customers/{customer['id']}/messages"
    while (await world.look(path))[0]["status"] != "delivered":
        assert (await world.look("/whatsapp/deliveries"))["unfinished"] == 1


@pytest.mark.parametrize("status", [201, 204, 302, 401])
async def test_anything_but_200_is_repeated(world: World, status: int) -> None:
    world.product.statuses = [status]
    await world.customer()
    await world.product.until(lambda: len(world.product.requests) == 2)


async def test_webhook_is_given_up_after_7_days(world: World) -> None:
    world.product.statuses = [500, 500]
    await world.customer()
    await world.product.until(lambda: len(world.product.requests) == 2)
    world.product.statuses = [500, 200]
    await world.control("/clock", {"advance_seconds": 7 * 86400 + 1})
    await _retry_one(world)
    while (await world.look("/whatsapp/deliveries"))["counts"]["given_up"] == 0:
        assert (await world.look("/whatsapp/deliveries"))["counts"]["answered"] == 0
    assert len(world.product.requests) == 3
    assert (await world.look("/whatsapp/deliveries"))["unfinished"] == 0


async def test_nothing_is_delivered_without_both_subscriptions(bare_world: World) -> None:
    world = bare_world
    await world.customer()
    assert (await world.subscribe()).status_code == 200
    await world.customer()
    assert (await world.graph("POST", f"/{WABA_ID}/subscribed_apps")).json() == {"success": True}
    await world.control("/customers/messages", [])
    third = await world.customer()
    await world.product.until(lambda: world.product.requests)
    assert [message["from_user_id"] for message in world.product.messages()] == [third["user_id"]]
    assert (await world.graph("DELETE", f"/{WABA_ID}/subscribed_apps")).json() == {"success": True}
    await world.customer()
    deliveries = await world.look("/whatsapp/deliveries")
    assert (deliveries["counts"]["undeliverable"], deliveries["unfinished"]) == (3, 0)


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: JSONResponse(request.query_params["hub.challenge"]),
        lambda request: PlainTextResponse(request.query_params["hub.challenge"] + "\n"),
        lambda request: PlainTextResponse(request.query_params["hub.challenge"], status_code=201),
        lambda _request: Response(status_code=403),
    ],
    ids=["quoted", "newline", "201", "403"],
)
async def test_subscription_needs_the_bare_challenge(bare_world: World, answer: Any) -> None:
    bare_world.product.challenge = answer
    refused = await bare_world.subscribe()
    assert (refused.status_code, code_of(refused)) == (400, 2200)
    listed = await bare_world.graph("GET", f"/{APP_ID}/subscriptions", token=f"{APP_ID}|{SECRET}")
    assert listed.json() == {"data": []}


async def test_subscriptions_are_listed(world: World) -> None:
    listed = await world.graph("GET", f"/{APP_ID}/subscriptions", token=f"{APP_ID}|{SECRET}")
    (entry,) = listed.json()["data"]
    assert (entry["object"], entry["callback_url"], entry["active"]) == (
        "whatsapp_business_account",
        world.product.url,
        True,
    )
    assert [one["name"] for one in entry["fields"]] == ["messages"]
    (app,) = (await world.graph("GET", f"/{WABA_ID}/subscribed_apps")).json()["data"]
    assert app["whatsapp_business_api_data"]["id"] == APP_ID
    assert "override_callback_uri" not in app
    assert code_of(await world.graph("GET", f"/{APP_ID}/subscriptions")) == 15


async def test_override_takes_the_webhooks(world: World) -> None:
    async with product_listening() as other:
        override = {"override_callback_uri": other.url, "verify_token": VERIFY}
        assert (await world.graph("POST", f"/{WABA_ID}/subscribed_apps", json=override)).status_code == 200
        await world.customer()
        await other.until(lambda: other.requests)
    assert world.product.requests == []


async def test_raw_payload_is_signed_and_delivered_once(world: World) -> None:
    world.product.statuses = [500]
    body = {"object": "whatsapp_business_account", "entry": [{"odd": "é"}]}
    assert await world.control("/whatsapp/webhook", {"body": body}) == {"status": 500}
    ((raw, signature),) = world.product.requests
    assert json.loads(raw) == body
    assert signature == signed(raw)


async def _cut(world: World) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    body = {"messaging_product": "whatsapp", "to": TO, "type": "text", "text": {"body": "Hello"}}
    async with aiohttp.ClientSession() as session:
        url = str(world.http.base_url.join(f"{GRAPH}/{NUMBER_ID}/messages"))
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.post(url, json=body, headers=headers)


async def test_dropped_answer_cuts_the_connection_after_the_message_was_taken(world: World) -> None:
    customer = await world.customer(wa_id="351910000111")
    await world.faults(drop_answer=1, pair_limit=False)
    await _cut(world)
    await world.product.until(lambda: len(world.product.statuses_of()) == 2)
    assert (await world.text(TO)).status_code == 200
    directions = [one["direction"] for one in await world.look(f"/customers/{customer['id']}/messages")]
    assert directions == ["in", "out", "out"]


async def test_refused_connection_cuts_before_the_message_was_taken(world: World) -> None:
    customer = await world.customer(wa_id="351910000111")
    await world.faults(refuse_connection_after_read=1)
    await _cut(world)
    assert [one["direction"] for one in await world.look(f"/customers/{customer['id']}/messages")] == ["in"]


@pytest.mark.parametrize(("switch", "status", "code"), [({"down": True}, 503, 2), ({"token_expired": True}, 401, 190)])
async def test_outage_refuses_everything(world: World, switch: dict[str, Any], status: int, code: int) -> None:
    await world.faults(**switch)
    answer = await world.text(TO)
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert (await world.look("/whatsapp/refused"))[0]["injected"]


async def test_fail_next_at_once_and_later(world: World) -> None:
    await world.customer(wa_id="351910000111")
    await world.faults(fail_next={"code": 131016, "where": "sync", "count": 2}, pair_limit=False)
    answers = [await world.text(TO) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [500, 500, 200]
    await world.faults(fail_next={"code": 131053, "where": "status"})
    wamid = _id(await world.text(TO))
    await world.product.until(lambda: world.product.statuses_of(wamid))
    assert world.product.statuses_of(wamid)[0]["errors"][0]["code"] == 131053


async def test_billing_accepts_and_then_fails(world: World) -> None:
    await world.customer(wa_id="351910000111")
    await world.faults(billing=True)
    wamid = _id(await world.text(TO))
    await world.product.until(lambda: world.product.statuses_of(wamid))
    assert world.product.statuses_of(wamid)[0]["errors"][0]["code"] == 131042
    health = (await world.graph("GET", f"/{NUMBER_ID}?fields=health_status")).json()["health_status"]
    assert health["can_send_message"] == "BLOCKED"


async def test_every_webhook_comes_again(world: World) -> None:
    await world.faults(redeliver=2)
    await world.customer()
    await world.product.until(lambda: len(world.product.requests) == 3)
    assert len({message["id"] for message in world.product.messages()}) == 1


async def test_reorder_still_delivers_everything(world: World) -> None:
    await world.faults(reorder=True)
    customer = await world.customer(writes=False)
    texts = [f"{number}" for number in range(20)]
    await world.control("/customers/messages", [{"customer": customer["id"], "text": text} for text in texts])
    await world.product.until(lambda: len(world.product.requests) == 20)
    arrived = [message["text"]["body"] for message in world.product.messages()]
    assert sorted(arrived) == sorted(texts)
    assert arrived != texts


async def test_held_statuses_come_when_the_switch_goes_off(world: World) -> None:
    await world.customer(wa_id="351910000111")
    await world.faults(hold_statuses=True)
    wamid = _id(await world.text(TO))
    assert world.product.statuses_of(wamid) == []
    await world.faults(hold_statuses=False)
    await world.product.until(lambda: len(world.product.statuses_of(wamid)) == 2)


async def test_lost_statuses_never_come(world: World) -> None:
    customer = await world.customer(wa_id="351910000111")
    await world.faults(lose_statuses=1)
    wamid = _id(await world.text(TO))
    await world.control(f"/customers/{customer['id']}/read")
    await world.product.until(lambda: len(world.product.statuses_of(wamid)) == 2)
    assert {status["status"] for status in world.product.statuses_of(wamid)} == {"delivered", "read"}


async def test_statuses_arrive_before_the_answer(world: World) -> None:
    await world.customer(wa_id="351910000111")
    await world.faults(status_before_answer=True)
    wamid = _id(await world.text(TO))
    assert len(world.product.statuses_of(wamid)) == 2


@pytest.mark.parametrize("shuffle", [False, True])
async def test_batches_hold_many_updates(world: World, shuffle: bool) -> None:
    await world.faults(batch_milliseconds=50, batch_shuffle=shuffle)
    customer = await world.customer(writes=False)
    other = await world.customer(hidden_number=True, writes=False)
    wishes = [{"customer": who["id"], "text": str(n)} for n in range(600) for who in (customer, other)]
    wamids = await world.control("/customers/messages", wishes)
    await world.product.until(lambda: len(world.product.messages()) == 1200)
    assert len(world.product.requests) == 2
    arrived = [message["id"] for message in world.product.messages()]
    expected = [one["wamid"] for one in wamids]
    assert (arrived == expected) is not shuffle
    assert sorted(arrived) == sorted(expected)
    for value in world.product.values():
        told = [contact["user_id"] for contact in value["contacts"]]
        assert told == [message["from_user_id"] for message in value["messages"]]


@pytest.mark.parametrize(
    ("switch", "check"),
    [
        ("omit_profile", lambda value: "profile" not in value["contacts"][0]),
        ("bsuid_in_from", lambda value: value["messages"][0].get("from") == value["contacts"][0]["user_id"]),
        ("timestamp_milliseconds", lambda value: len(value["messages"][0]["timestamp"]) == 13),
        ("username_at_sign", lambda value: value["contacts"][0]["profile"]["username"] == "@ines"),
    ],
)
async def test_oddities_of_inbound_payloads(world: World, switch: str, check: Any) -> None:
    await world.customer(hidden_number=True, username="ines")
    await world.product.until(lambda: len(world.product.values()) == 1)
    assert (
        not check({"messages": [{"from": ""}]} | world.product.values()[0] | {}) if switch != "bsuid_in_from" else True
    )
    await world.faults(**{switch: True})
    await world.customer(hidden_number=True, username="ines")
    await world.product.until(lambda: len(world.product.values()) == 2)
    assert check(world.product.values()[1])


async def test_undelivered_webhooks_and_threads_survive_a_restart(product: Product, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    clock = tmp_path / "clock"
    product.statuses = [500, 500]
    async with sandbox_world(product, state_file=state, clock_file=clock) as world:
        await world.subscribe_all()
        customer = await world.customer()
        await world.control("/clock", {"advance_seconds": 3600})
        await product.until(lambda: len(product.requests) == 2)
    assert float(clock.read_text()) == 3600
    async with sandbox_world(product, state_file=state, clock_file=clock) as world:
        await product.until(lambda: len(product.requests) == 3)
        thread = await world.look(f"/customers/{customer['id']}/messages")
        assert [bubble["text"] for bubble in thread] == ["Hi"]
        assert (await world.look("/clock"))["offset_seconds"] == 3600
    assert len({body for body, _ in product.requests}) == 1


async def test_new_app_secret_signs_retries_unless_the_switch_keeps_the_old(world: World) -> None:
    world.product.statuses = [401, 401, 401, 401]
    await world.customer()
    await world.product.until(lambda: len(world.product.requests) == 2)
    await world.control("/setup", {"whatsapp": SETUP | {"app_secret": "new"}})
    await _retry_one(world)
    await world.product.until(lambda: len(world.product.requests) == 3)
    await world.faults(retries_keep_signature=True)
    await _retry_one(world)
    await world.product.until(lambda: len(world.product.requests) == 4)
    body = world.product.requests[0][0]
    assert [signature for _, signature in world.product.requests[1:4]] == [
        signed(body),
        signed(body, "new"),
        signed(body),
    ]
