"""What goes over the wire to the Cloud API, and what does each answer become?"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import httpx
import pytest
import respx

from bridge.domain.model import PhoneNumberId, Wamid
from bridge.whatsapp.client import CALL_TIMEOUT_SECONDS, Accepted, CloudApi
from bridge.whatsapp.failures import WindowClosedByMeta
from bridge.whatsapp.payloads import media, text
from connectors.client import remote_client
from connectors.errors import NeedsOperator, OutcomeUnknown, Permanent, RateLimited, RemoteFailure, RetryLater

BASE = "https://graph.test/graph"
CANARY = "351910000111"
TOKEN = "EAAG-canary-token"


@pytest.fixture
def meta() -> Iterator[respx.MockRouter]:
    with respx.mock(using="httpx", base_url=f"{BASE}/v26.0") as router:
        yield router


@pytest.fixture
async def api() -> AsyncIterator[CloudApi]:
    async with remote_client(BASE, timeout_seconds=CALL_TIMEOUT_SECONDS) as client:
        yield CloudApi(client, phone_number_id=PhoneNumberId("99001"), waba_id="10485", token=TOKEN)


async def _send(api: CloudApi) -> Accepted:
    return await api.send(text(f"private {CANARY}"), to_wa_id=CANARY, to_bsuid="PT.3099", key="db1:7:01J")


def _error(code: int, details: str = "") -> dict[str, object]:
    return {"error": {"message": "x", "type": "OAuthException", "code": code, "error_data": {"details": details}}}


async def test_text_goes_to_the_number_with_a_plus_and_carries_our_key(meta: respx.MockRouter, api: CloudApi) -> None:
    route = meta.post("/99001/messages").respond(
        200, json={"contacts": [{"input": "+351910000111", "wa_id": "351910000222"}], "messages": [{"id": "wamid.A"}]}
    )
    accepted = await _send(api)
    request = route.calls.last.request
    assert json.loads(request.content) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+351910000111",
        "type": "text",
        "text": {"body": "private 351910000111", "preview_url": True},
        "biz_opaque_callback_data": "db1:7:01J",
    }
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert accepted == Accepted(wamid=Wamid("wamid.A"), wa_id=accepted.wa_id, bsuid=None)
    assert accepted.wa_id == "351910000222"


async def test_text_goes_to_the_bsuid_where_no_number_is_known_and_quotes(
    meta: respx.MockRouter, api: CloudApi
) -> None:
    route = meta.post("/99001/messages").respond(
        200, json={"contacts": [{"input": "PT.3099", "user_id": "PT.3099"}], "messages": [{"id": "wamid.A"}]}
    )
    accepted = await api.send(text("hi"), to_wa_id=None, to_bsuid="PT.3099", key="k", quote=Wamid("wamid.Q"))
    sent = json.loads(route.calls.last.request.content)
    assert sent["recipient"] == "PT.3099"
    assert "to" not in sent
    assert sent["context"] == {"message_id": "wamid.Q"}
    assert (accepted.bsuid, accepted.wa_id) == ("PT.3099", None)


async def test_text_to_nobody_is_a_mistake_of_the_caller(api: CloudApi) -> None:
    with pytest.raises(ValueError, match="BSUID"):
        await api.send(text("hi"), to_wa_id=None, to_bsuid=None, key="k")


@pytest.mark.parametrize(
    "body",
    [b"", b"ok", b"[]", b"{}", b'{"messages":[]}', b'{"messages":[null]}', b'{"messages":[{"id":null}]}', b"[" * 9999],
)
async def test_success_that_names_no_message_is_an_unknown_outcome(
    body: bytes, meta: respx.MockRouter, api: CloudApi
) -> None:
    meta.post("/99001/messages").respond(200, content=body)
    with pytest.raises(OutcomeUnknown):
        await _send(api)


async def test_success_without_contacts_is_a_success(meta: respx.MockRouter, api: CloudApi) -> None:
    meta.post("/99001/messages").respond(200, json={"contacts": None, "messages": [{"id": "wamid.A"}]})
    assert (await _send(api)).wamid == "wamid.A"


@pytest.mark.parametrize(
    ("http_status", "code", "expected"),
    [
        (400, 131047, WindowClosedByMeta),
        (400, 131056, RateLimited),
        (400, 131026, Permanent),
        (400, 999999, Permanent),
        (401, 190, NeedsOperator),
        (500, 131000, RetryLater),
        (502, 131000, OutcomeUnknown),
    ],
)
async def test_refused_send_raises_what_its_code_means(
    http_status: int, code: int, expected: type[RemoteFailure], meta: respx.MockRouter, api: CloudApi
) -> None:
    meta.post("/99001/messages").respond(http_status, json=_error(code, CANARY))
    with pytest.raises(expected) as raised:
        await _send(api)
    assert type(raised.value) is expected


@pytest.mark.parametrize(
    ("http_status", "expected"),
    [(500, OutcomeUnknown), (502, OutcomeUnknown), (504, OutcomeUnknown), (429, RateLimited), (413, Permanent)],
)
async def test_refusal_that_is_not_metas_is_told_by_its_http_status(
    http_status: int, expected: type[RemoteFailure], meta: respx.MockRouter, api: CloudApi
) -> None:
    meta.post("/99001/messages").respond(http_status, content=b"<html>nginx</html>")
    with pytest.raises(expected):
        await _send(api)


@pytest.mark.parametrize(("wish", "seconds"), [("90", 90), ("999999999", 3600), ("soon", 60), ("-5", 60)])
async def test_retry_after_is_heard_within_reason(
    wish: str, seconds: float, meta: respx.MockRouter, api: CloudApi
) -> None:
    meta.post("/99001/messages").respond(429, headers={"Retry-After": wish})
    with pytest.raises(RateLimited) as raised:
        await _send(api)
    assert raised.value.after_seconds == seconds


@pytest.mark.parametrize(
    ("fault", "expected"),
    [(httpx.ConnectError, RetryLater), (httpx.ReadTimeout, OutcomeUnknown), (httpx.ReadError, OutcomeUnknown)],
)
async def test_lost_answer_of_a_send_is_not_taken_for_a_failure(
    fault: type[httpx.HTTPError], expected: type[RemoteFailure], meta: respx.MockRouter, api: CloudApi
) -> None:
    meta.post("/99001/messages").mock(side_effect=fault("cut"))
    with pytest.raises(expected):
        await _send(api)


@pytest.mark.parametrize("http_status", [200, 400, 401, 429, 500, 502])
async def test_no_failure_tells_token_number_or_text(http_status: int, meta: respx.MockRouter, api: CloudApi) -> None:
    meta.post("/99001/messages").respond(http_status, json={"error": {"message": f"{TOKEN} {CANARY}"}})
    with pytest.raises(RemoteFailure) as raised:
        await _send(api)
    told = f"{raised.value!r} {raised.value} {vars(raised.value)} {raised.value.__cause__} {raised.value.__context__}"
    assert CANARY not in told
    assert TOKEN not in told
    assert "private" not in told


async def test_accepted_keeps_its_ids_out_of_its_repr(meta: respx.MockRouter, api: CloudApi) -> None:
    meta.post("/99001/messages").respond(200, json={"messages": [{"id": f"wamid.{CANARY}"}]})
    assert CANARY not in repr(await _send(api))


async def test_token_is_looked_up_with_itself(meta: respx.MockRouter, api: CloudApi) -> None:
    meta.get("/debug_token", params={"input_token": TOKEN}).respond(200, json={"data": {"is_valid": True}})
    assert await api.debug_token() == {"is_valid": True}


async def test_number_and_account_are_asked_for_the_named_fields(meta: respx.MockRouter, api: CloudApi) -> None:
    meta.get("/99001", params={"fields": "id,status"}).respond(200, json={"id": "99001", "status": "CONNECTED"})
    meta.get("/10485", params={"fields": "currency"}).respond(200, json={"currency": "EUR"})
    assert (await api.phone_number(["id", "status"]))["status"] == "CONNECTED"
    assert (await api.waba(["currency"]))["currency"] == "EUR"


async def test_subscriptions_of_the_account_are_listed_and_made(meta: respx.MockRouter, api: CloudApi) -> None:
    listed = {"whatsapp_business_api_data": {"id": "3000"}}
    meta.get("/10485/subscribed_apps").respond(200, json={"data": [listed]})
    made = meta.post("/10485/subscribed_apps").respond(200, json={"success": True})
    assert await api.subscribed_apps() == [listed]
    await api.subscribe_app()
    assert made.call_count == 1


async def test_webhook_of_the_app_is_read_and_set_with_the_apps_own_token(
    meta: respx.MockRouter, api: CloudApi
) -> None:
    meta.get("/3000/subscriptions", headers={"Authorization": "Bearer 3000|shh"}).respond(200, json={"data": []})
    route = meta.post("/3000/subscriptions", headers={"Authorization": "Bearer 3000|shh"}).respond(
        200, json={"success": True}
    )
    assert await api.app_subscriptions("3000", "shh") == []
    await api.set_app_subscription(
        "3000",
        "shh",
        callback_url="https://us.test/webhooks/whatsapp",
        verify_token="v",
        fields=["messages", "account_update"],
    )
    form = dict(httpx.QueryParams(route.calls.last.request.content.decode()))
    assert form == {
        "object": "whatsapp_business_account",
        "callback_url": "https://us.test/webhooks/whatsapp",
        "verify_token": "v",
        "fields": "messages,account_update",
    }


Read = Callable[[CloudApi], Awaitable[object]]


@pytest.mark.parametrize("read", [CloudApi.debug_token, CloudApi.subscribed_apps, CloudApi.subscribe_app])
@pytest.mark.parametrize(
    ("http_status", "body", "expected"),
    [
        (401, json.dumps(_error(190)), NeedsOperator),
        (400, json.dumps(_error(100)), Permanent),
        (503, "", RetryLater),
        (502, "<html>", RetryLater),
        (200, "<html>", RetryLater),
    ],
)
async def test_read_is_never_ambiguous(
    read: Read, http_status: int, body: str, expected: type[RemoteFailure], meta: respx.MockRouter, api: CloudApi
) -> None:
    meta.route().respond(http_status, text=body)
    with pytest.raises(expected):
        await read(api)


async def test_file_goes_up_in_pieces_with_its_type_and_without_its_name(meta: respx.MockRouter, api: CloudApi) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"begin "
        yield b"end"

    route = meta.post("/99001/media").respond(200, json={"id": "445566"})
    assert await api.upload(content(), size_bytes=9, mime_type="image/png") == "445566"
    request = route.calls.last.request
    body = request.content
    assert int(request.headers["Content-Length"]) == len(body)
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b'name="messaging_product"\r\n\r\nwhatsapp\r\n' in body
    assert b'name="type"\r\n\r\nimage/png\r\n' in body
    assert b'filename="file"\r\nContent-Type: image/png\r\n\r\nbegin end\r\n--' in body


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [(400, 100, Permanent), (400, 131053, Permanent), (401, 190, NeedsOperator), (500, 131000, RetryLater)],
)
async def test_upload_that_is_refused_says_what_to_do(
    meta: respx.MockRouter, api: CloudApi, status: int, code: int, meaning: type[RemoteFailure]
) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"x"

    meta.post("/99001/media").respond(status, json=_error(code))
    with pytest.raises(meaning):
        await api.upload(content(), size_bytes=1, mime_type="image/png")


async def test_upload_whose_answer_is_lost_is_harmless_to_repeat(meta: respx.MockRouter, api: CloudApi) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"x"

    meta.post("/99001/media").mock(side_effect=httpx.ReadError)
    with pytest.raises(RetryLater):
        await api.upload(content(), size_bytes=1, mime_type="image/png")


async def test_message_is_marked_as_read(meta: respx.MockRouter, api: CloudApi) -> None:
    route = meta.post("/99001/messages").respond(200, json={"success": True})
    await api.mark_read("wamid.Q")
    assert json.loads(route.calls.last.request.content) == {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": "wamid.Q",
    }


@pytest.mark.parametrize(
    ("payload", "wire"),
    [
        (media("image", "1", caption="c", name="a.jpg", voice=False), {"image": {"id": "1", "caption": "c"}}),
        (media("document", "1", caption="", name="a.pdf", voice=False), {"document": {"id": "1", "filename": "a.pdf"}}),
        (media("audio", "1", caption="c", name="a.ogg", voice=True), {"audio": {"id": "1", "voice": True}}),
        (media("video", "1", caption="", name="a.mp4", voice=False), {"video": {"id": "1"}}),
    ],
)
def test_file_is_sent_by_its_id_with_what_its_type_takes(payload: object, wire: dict[str, object]) -> None:
    assert payload == {"type": next(iter(wire)), **wire}
