"""Does the simulated CRM refuse what a strict system refuses, and do everything once?"""

import base64
import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest

from tests.connectors.http_desk import SANDBOX, SECRET, TOKEN, URL, Desk

PERSON = {"id": "wa-1", "bsuid": None, "wa_id": "351912345678", "name": "Ana"}
SEEN = {"type": "requester.seen", "data": {"requester": PERSON}}


async def post(
    desk: Desk, body: object, *, event_id: str = "e1", age_seconds: int = 0, **headers: str
) -> httpx.Response:
    raw = json.dumps(body).encode()
    stamp = str(int(desk.clock.timestamp()) - age_seconds)
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.new(key, f"{event_id}.{stamp}.".encode() + raw, hashlib.sha256).digest()).decode()
    signed = {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,AAAA v1,{signature}",
    }
    return await desk.http.post(URL, content=raw, headers={**signed, **headers})


@pytest.mark.parametrize(
    "broken",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-id": "e2"},
        {"webhook-id": "e.1"},
        {"webhook-timestamp": "now"},
    ],
    ids=str,
)
async def test_event_that_is_not_signed_is_refused(broken: dict[str, str]) -> None:
    desk = Desk()
    assert (await post(desk, SEEN, **broken)).status_code == 401
    assert len(await desk.warnings()) == 1


@pytest.mark.parametrize(("age_seconds", "status"), [(301, 401), (299, 200), (-299, 200), (-302, 401)])
async def test_event_is_taken_within_five_minutes_of_now(age_seconds: int, status: int) -> None:
    assert (await post(Desk(), SEEN, age_seconds=age_seconds)).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        {"type": "requester.seen"},
        {"type": "nothing", "data": {}},
        {**SEEN, "more": 1},
        {"type": "requester.seen", "data": {"requester": {**PERSON, "more": 1}}},
        {"type": "requester.seen", "data": {"requester": {**PERSON, "wa_id": "+351 912"}}},
        {"type": "requester.seen", "data": {"requester": {**PERSON, "wa_id": None}}},
        {"type": "ping", "data": {"more": 1}},
    ],
    ids=str,
)
async def test_event_that_is_malformed_is_refused_and_told(body: Any) -> None:
    desk = Desk()
    assert (await post(desk, body)).status_code == 422
    assert len(await desk.warnings()) == 1


async def test_event_that_comes_again_does_nothing_again_and_is_answered_alike() -> None:
    desk = Desk()
    first, again = await post(desk, SEEN), await post(desk, SEEN)
    assert first.json() == again.json()
    other = {"type": "requester.seen", "data": {"requester": {**PERSON, "id": "wa-2", "wa_id": "351912345679"}}}
    assert (await post(desk, other)).status_code == 422
    desk.account.faults.update({"remembers_events": False})
    assert (await post(desk, other)).status_code == 200
    assert len([one for one in await desk.agent("GET", "/users") if one["role"] == "end-user"]) == 2


async def test_what_agents_do_is_told_with_the_token_in_the_order_of_each_ticket() -> None:
    desk = Desk()
    await desk.account.start()
    ticket_id = await desk.open()
    answers = iter([httpx.Response(503), httpx.Response(200), httpx.Response(200), httpx.Response(200)])
    heard: list[dict[str, Any]] = []

    def hear(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert str(request.url) == f"{SANDBOX}/webhooks/http"
        heard.append(json.loads(request.content))
        return next(answers)

    desk.hear = hear  # type: ignore[method-assign]  # the far end of this test
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"text": "one"})
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"text": "two", "public": False, "status": "solved"})
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"text": "by the light agent", "agent": "Lena"})
    await desk.account.drain()
    assert [(one["type"], one.get("text")) for one in heard] == [
        ("reply", "one"),
        ("reply", "one"),
        ("note", "two"),
        ("solve", None),
    ]
    assert {one["ticket_id"] for one in heard} == {ticket_id}
    await desk.account.stop()
    await desk.http.aclose()
