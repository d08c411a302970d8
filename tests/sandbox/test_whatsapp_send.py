"""What the Cloud API of the sandbox refuses, and what it answers when it does not."""

import base64
from typing import Any

import pytest

from tests.sandbox.world import GRAPH, NUMBER_ID, World, code_of

TO = "+351910000111"
WAMID = "wamid.HBgMMzUxOTEwMDAwMTExFQIAERgSQQA="


async def test_accepted_text_names_the_customer_and_a_wamid_that_holds_the_number(world: World) -> None:
    await world.customer(wa_id="351910000111")
    answer = await world.text(TO)
    assert answer.status_code == 200
    content = answer.json()
    assert content["messaging_product"] == "whatsapp"
    assert content["contacts"] == [{"input": TO, "wa_id": "351910000111"}]
    prefix, _, rest = content["messages"][0]["id"].partition(".")
    assert prefix == "wamid"
    assert b"351910000111" in base64.b64decode(rest)


async def test_message_to_a_bsuid_answers_without_a_number(world: World) -> None:
    customer = await world.customer(hidden_number=True)
    answer = await world.send({"recipient": customer["user_id"], "type": "text", "text": {"body": "Hello"}})
    assert answer.json()["contacts"] == [{"input": customer["user_id"], "user_id": customer["user_id"]}]


async def test_to_wins_over_recipient(world: World) -> None:
    dialled, other = await world.customer(wa_id="351910000111"), await world.customer()
    answer = await world.text(TO, recipient=other["user_id"])
    assert answer.json()["contacts"] == [{"input": TO, "wa_id": dialled["wa_id"]}]


async def test_wa_id_may_differ_from_the_dialled_number(world: World) -> None:
    await world.customer(wa_id="551187654321")
    answer = await world.text("+5511987654321")
    assert answer.json()["contacts"] == [{"input": "+5511987654321", "wa_id": "551187654321"}]


@pytest.mark.parametrize("token", ["wrong", "300000000000007|shh-app-secret"])
async def test_send_without_the_right_token_is_refused(world: World, token: str) -> None:
    answer = await world.send({"to": TO, "type": "text", "text": {"body": "x"}}, token=token)
    assert (answer.status_code, code_of(answer)) in ((401, 190), (403, 200))


async def test_unknown_phone_number_id_is_refused(world: World) -> None:
    answer = await world.send({"to": TO, "type": "text", "text": {"body": "x"}}, number="1")
    assert (answer.status_code, code_of(answer), answer.json()["error"]["error_subcode"]) == (400, 100, 33)
    await world.faults(unknown_id_code_33=True)
    answer = await world.send({"to": TO, "type": "text", "text": {"body": "x"}}, number="1")
    assert code_of(answer) == 33


@pytest.mark.parametrize("version", ["v12.0", "v27.0", "v26", "v26.1"])
async def test_unknown_api_version_is_refused(world: World, version: str) -> None:
    answer = await world.http.post(f"/graph/{version}/{NUMBER_ID}/messages", json={})
    assert code_of(answer) == 2500


TEXT: dict[str, Any] = {"type": "text", "text": {"body": "x"}}
INTERACTIVE: dict[str, Any] = {"type": "button", "body": {"text": "Choose"}}


def _button(**reply: str) -> dict[str, Any]:
    return {"type": "reply", "reply": {"id": "a", "title": "A"} | reply}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({"to": TO, "text": {"body": "x"}}, 131008, id="no type"),
        pytest.param({"to": TO, "type": "poll", "poll": {}}, 131009, id="unknown type"),
        pytest.param({"to": TO, "type": "text"}, 131008, id="no object of the type"),
        pytest.param({**TEXT}, 131008, id="nobody to send to"),
        pytest.param({"to": TO, **TEXT, "image": {"id": "1"}}, 100, id="a second type object"),
        pytest.param({"to": TO, **TEXT, "preview_url": True}, 100, id="unknown key at top level"),
        pytest.param({"to": TO, "type": "text", "text": {"body": "x", "html": "x"}}, 100, id="unknown key in text"),
        pytest.param({"to": "351910000111", **TEXT}, 131009, id="number without plus"),
        pytest.param({"to": "+12", **TEXT}, 131009, id="number too short"),
        pytest.param({"to": "PT.30991122334455667788", **TEXT}, 131009, id="BSUID in to"),
        pytest.param({"to": 351910000111, **TEXT}, 100, id="number that is no string"),
        pytest.param({"recipient": TO, **TEXT}, 131009, id="number in recipient"),
        pytest.param({"to": TO, "recipient_type": "group", **TEXT}, 100, id="group"),
        pytest.param({"to": "+44 1632 960123", **TEXT}, 131021, id="to ourselves"),
        pytest.param({"to": TO, "type": "text", "text": {"body": ""}}, 100, id="empty text"),
        pytest.param({"to": TO, "type": "text", "text": {"body": " \n"}}, 100, id="blank text"),
        pytest.param({"to": TO, "type": "text", "text": {"body": "x" * 4097}}, 100, id="text too long"),
        pytest.param({"to": TO, "type": "text", "text": {"body": "😀" * 2049}}, 100, id="too many UTF-16 units"),
        pytest.param({"to": TO, "type": "text", "text": "x"}, 100, id="text that is no object"),
        pytest.param({"to": TO, **TEXT, "biz_opaque_callback_data": "x" * 513}, 100, id="opaque too long"),
        pytest.param({"to": TO, **TEXT, "context": {"message_id": "5"}}, 131009, id="quote of no wamid"),
        pytest.param({"to": TO, "type": "image", "image": {}}, 100, id="image without source"),
        pytest.param({"to": TO, "type": "image", "image": {"id": "1", "link": "https://x"}}, 100, id="two sources"),
        pytest.param({"to": TO, "type": "audio", "audio": {"id": "1", "caption": "x"}}, 100, id="audio with caption"),
        pytest.param({"to": TO, "type": "image", "image": {"id": "1", "caption": "x" * 1025}}, 100, id="caption"),
        pytest.param({"to": TO, "type": "document", "document": {"link": "file:///x"}}, 131009, id="link scheme"),
        pytest.param({"to": TO, "type": "location", "location": {"latitude": 91, "longitude": 0}}, 131009, id="pole"),
        pytest.param({"to": TO, "type": "contacts", "contacts": []}, 100, id="no contacts"),
        pytest.param(
            {"to": TO, "type": "contacts", "contacts": [{"name": {"formatted_name": "A"}}]}, 131009, id="one name part"
        ),
        pytest.param({"to": TO, "type": "reaction", "reaction": {"message_id": WAMID}}, 131008, id="no emoji"),
        pytest.param(
            {"to": TO, "type": "reaction", "reaction": {"message_id": WAMID, "emoji": "👍"}, "context": {}},
            100,
            id="reaction with context",
        ),
        pytest.param(
            {"to": TO, "type": "template", "template": {"name": "hi", "language": {"code": "en"}}},
            132001,
            id="template that nobody registered",
        ),
        pytest.param(
            {"to": TO, "type": "interactive", "interactive": {**INTERACTIVE, "action": {"buttons": []}}},
            131009,
            id="no buttons",
        ),
        pytest.param(
            {
                "to": TO,
                "type": "interactive",
                "interactive": {**INTERACTIVE, "action": {"buttons": [_button(), _button(id="b")]}},
            },
            131009,
            id="the same title twice",
        ),
        pytest.param(
            {
                "to": TO,
                "type": "interactive",
                "interactive": {**INTERACTIVE, "action": {"buttons": [_button(title="x" * 21)]}},
            },
            100,
            id="button title too long",
        ),
    ],
)
async def test_malformed_send_is_refused(world: World, body: dict[str, Any], code: int) -> None:
    await world.customer(wa_id="351910000111")
    answer = await world.send(body)
    assert (code_of(answer), answer.status_code) == (code, 404 if code == 132001 else 400)
    refused = await world.look("/whatsapp/refused")
    assert [(one["code"], one["where"], one["injected"]) for one in refused] == [(code, "sync", False)]


async def test_messaging_product_is_needed(world: World) -> None:
    assert code_of(await world.graph("POST", f"/{NUMBER_ID}/messages", json={"to": TO, **TEXT})) == 100


async def test_body_that_is_not_json_is_refused(world: World) -> None:
    headers = {"Authorization": "Bearer EAAtoken", "Content-Type": "application/json"}
    answer = await world.http.post(f"{GRAPH}/{NUMBER_ID}/messages", headers=headers, content=b"{")
    assert code_of(answer) == 100


@pytest.mark.parametrize(
    "body",
    [
        {"type": "text", "text": {"body": "😀" * 2048, "preview_url": False}},
        {"type": "image", "image": {"link": "https://example.com/a.jpg", "caption": "c"}},
        {"type": "document", "document": {"link": "https://example.com/a.pdf", "filename": "a.pdf"}},
        {"type": "audio", "audio": {"link": "https://example.com/a.ogg", "voice": True}},
        {"type": "location", "location": {"latitude": "38.7", "longitude": "-9.1", "name": "Loja"}},
        {"type": "contacts", "contacts": [{"name": {"formatted_name": "Rui Alves", "first_name": "Rui"}}]},
        {
            "type": "interactive",
            "interactive": {**INTERACTIVE, "action": {"buttons": [_button(), _button(id="b", title="B")]}},
        },
        {
            "type": "interactive",
            "interactive": {
                "type": "list",
                "body": {"text": "Choose"},
                "action": {"button": "Open", "sections": [{"rows": [{"id": "1", "title": "One"}]}]},
            },
        },
    ],
    ids=lambda body: str(body["type"]),
)
async def test_well_formed_send_is_accepted(world: World, body: dict[str, Any]) -> None:
    await world.customer(wa_id="351910000111")
    answer = await world.send({"to": TO, **body})
    assert answer.status_code == 200, answer.text


async def test_code_points_count_when_the_switch_says_so(world: World) -> None:
    await world.faults(count_code_points=True)
    await world.customer(wa_id="351910000111")
    assert (await world.text(TO, "😀" * 4096)).status_code == 200
    assert code_of(await world.text(TO, "😀" * 4097)) == 100


async def test_type_may_default_to_text(world: World) -> None:
    await world.faults(type_defaults_to_text=True)
    await world.customer(wa_id="351910000111")
    assert (await world.send({"to": TO, "text": {"body": "x"}})).status_code == 200


async def test_mark_read_ticks_every_earlier_message_and_shows_typing(world: World) -> None:
    customer = await world.customer()
    path = f"/customers/{customer['id']}/messages"
    second = (await world.control(path, {"text": "two"}))["wamid"]
    later = (await world.control(path, {"text": "three"}))["wamid"]
    answer = await world.send({"status": "read", "message_id": second, "typing_indicator": {"type": "text"}})
    assert answer.json() == {"success": True}
    ticks = {one["wamid"]: one["status"] == "read" for one in await world.look(path)}
    assert list(ticks.values()) == [True, True, False]
    assert later in ticks
    assert (await world.look(f"/customers/{customer['id']}"))["sees_typing"]
    await world.control("/clock", {"advance_seconds": 25})
    assert not (await world.look(f"/customers/{customer['id']}"))["sees_typing"]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"status": "read", "message_id": WAMID}, 131009),
        ({"status": "seen", "message_id": WAMID}, 100),
        ({"status": "read"}, 100),
        ({"status": "read", "message_id": WAMID, "typing_indicator": {"type": "voice"}}, 100),
        ({"status": "read", "message_id": WAMID, "to": TO}, 100),
    ],
)
async def test_bad_mark_read_is_refused(world: World, request_: dict[str, Any], code: int) -> None:
    assert code_of(await world.send(request_)) == code


async def test_mark_read_after_30_days_is_refused(world: World) -> None:
    customer = await world.customer()
    thread = await world.look(f"/customers/{customer['id']}/messages")
    await world.control("/clock", {"advance_seconds": 30 * 86400 + 60})
    assert code_of(await world.send({"status": "read", "message_id": thread[0]["wamid"]})) == 131009
