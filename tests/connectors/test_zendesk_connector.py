"""Does the connector keep its promises at the wire?"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
import respx

from connectors import registry
from connectors.client import remote_client
from connectors.configuration import InvalidConfiguration
from connectors.errors import (
    FilesRefused,
    NeedsOperator,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    RetryLater,
    TicketUnwritable,
)
from connectors.interface import (
    AuthorKind,
    CommentDraft,
    EffectKey,
    FeedsChanges,
    FileDraft,
    FindingLevel,
    HelpdeskConnector,
    Installs,
    RequesterDraft,
    RequesterId,
    TicketDraft,
    TicketId,
    TicketStatus,
    WindowMark,
)
from connectors.zendesk.connector import Zendesk
from connectors.zendesk.settings import ZendeskSettings
from tests.connectors.budget import CountingBudget

URL = "https://acme.zendesk.test"
API = f"{URL}/api/v2"
OAUTH = {"ZENDESK_URL": URL, "ZENDESK_OAUTH_CLIENT_ID": "bridge", "ZENDESK_OAUTH_CLIENT_SECRET": "s3cret"}
TOKEN = {"ZENDESK_URL": URL, "ZENDESK_EMAIL": "bot@acme.test", "ZENDESK_API_TOKEN": "t0ken"}
KEY = EffectKey("01JDKEY")
TICKET = TicketId("90210")
HOOK = "https://bridge.test/webhooks/zendesk"
BSUID, WA_ID = "BR.30991122334455667788", "5511912345678"
ANA = RequesterDraft(bsuid=BSUID, wa_id=WA_ID, name="Ana")


@pytest.fixture
def budget() -> CountingBudget:
    return CountingBudget()


@pytest.fixture
def router() -> Iterator[respx.MockRouter]:
    with respx.mock(using="httpx", assert_all_called=False) as mocked:
        yield mocked


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
async def zendesk(router: respx.MockRouter, budget: CountingBudget, warnings: list[str]) -> AsyncIterator[Zendesk]:
    """With an API token, so that no test but those of OAuth sees token calls."""
    async with connected(TOKEN, budget, warnings.append) as connector:
        yield connector


class connected:  # noqa: N801  # reads as a function
    def __init__(
        self, environment: dict[str, str], budget: CountingBudget, on_warning: Callable[[str], None] = lambda _: None
    ) -> None:
        self._client = remote_client(URL, timeout_seconds=5)
        self._connector = Zendesk(
            self._client,
            ZendeskSettings.from_environment(environment),
            budget=budget,
            field_ids={"window": 11, "undelivered": 12},
            on_warning=on_warning,
            tokens={},
        )

    async def __aenter__(self) -> Zendesk:
        return self._connector

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()


def sent(call: respx.models.Call) -> dict[str, object]:
    body: dict[str, object] = json.loads(call.request.content)
    return body


def user(user_id: int, **more: object) -> dict[str, object]:
    return {"id": user_id, "role": "end-user", "active": True, "external_id": None, "phone": None, "surprise": 1} | more


def ticket(status: str = "open", **more: object) -> dict[str, object]:
    return {"id": 90210, "status": status, "updated_at": "2026-11-20T12:00:05Z", "tags": ["whatsapp"]} | more


def written(status: str = "open", comment_id: int = 800203) -> dict[str, object]:
    events = [{"id": 800299, "type": "Change"}, {"id": comment_id, "type": "Comment", "public": True}]
    return {"ticket": ticket(status), "audit": {"id": 1, "events": events}}


def comment(comment_id: int, **more: object) -> dict[str, object]:
    return {
        "id": comment_id,
        "type": "Comment",
        "author_id": 7,
        "html_body": "<p>oi</p>",
        "plain_body": "oi&nbsp;",
        "public": True,
        "attachments": [],
        "via": {"channel": "web", "source": {"from": {}, "to": {}, "rel": None}},
        "created_at": "2026-11-20T12:00:05Z",
        "metadata": {"system": {}, "custom": {}},
    } | more


def page(name: str, items: list[dict[str, object]], *, after: str | None = None, **more: object) -> dict[str, object]:
    return {name: items, "meta": {"has_more": after is not None, "after_cursor": after or "filled anyway"}} | more


def invalid(**fields: str) -> httpx.Response:
    details = {name: [{"description": "…", "error": code}] for name, code in fields.items()}
    return httpx.Response(422, json={"error": "RecordInvalid", "details": details})


def marked(key: str) -> dict[str, object]:
    return {"system": {}, "custom": {"deskbridge": {"key": key}}}


def draft(**more: object) -> CommentDraft:
    values = {"html": "<p>oi</p>", "text": "oi", "public": True, "author": RequesterId("361")} | more
    return CommentDraft(**values)  # type: ignore[arg-type]  # a table's values


def test_it_can_what_it_says(zendesk: Zendesk) -> None:
    helpdesk: HelpdeskConnector = zendesk
    assert isinstance(helpdesk, FeedsChanges)
    assert isinstance(helpdesk, Installs)


# Credentials


async def test_token_is_asked_for_once_by_many_calls(router: respx.MockRouter, budget: CountingBudget) -> None:
    tokens = router.post(f"{URL}/oauth/tokens").respond(json={"access_token": "aaa", "expires_in": 3600})
    me = router.get(f"{API}/users/me").respond(json={"user": user(1, role="admin")})
    async with connected(OAUTH, budget) as zendesk:
        await asyncio.gather(*(zendesk.check() for _ in range(5)))
    assert tokens.call_count == 1
    assert sent(tokens.calls[0])["grant_type"] == "client_credentials"
    assert {call.request.headers["authorization"] for call in me.calls} == {"Bearer aaa"}


async def test_token_that_died_is_renewed_once(router: respx.MockRouter, budget: CountingBudget) -> None:
    router.post(f"{URL}/oauth/tokens").mock(
        side_effect=[httpx.Response(200, json={"access_token": name}) for name in ("aaa", "bbb")]
    )
    me = router.get(f"{API}/users/me").mock(
        side_effect=[httpx.Response(401), httpx.Response(200, json={"user": user(1, role="admin")})]
    )
    async with connected(OAUTH, budget) as zendesk:
        await zendesk.check()
    assert [call.request.headers["authorization"] for call in me.calls] == ["Bearer aaa", "Bearer bbb"]


async def test_second_refusal_needs_an_operator(router: respx.MockRouter, budget: CountingBudget) -> None:
    tokens = router.post(f"{URL}/oauth/tokens").respond(json={"access_token": "aaa", "expires_in": 3600})
    router.get(f"{API}/users/me").respond(401)
    async with connected(OAUTH, budget) as zendesk:
        with pytest.raises(NeedsOperator):
            await zendesk.check()
    assert tokens.call_count == 2


@pytest.mark.parametrize(("expires_in", "token_calls"), [(None, 1), (0, 2), (3600, 1)])
async def test_token_lives_as_long_as_it_says(
    router: respx.MockRouter, budget: CountingBudget, expires_in: int | None, token_calls: int
) -> None:
    answer = {"access_token": "aaa"} | ({} if expires_in is None else {"expires_in": expires_in})
    tokens = router.post(f"{URL}/oauth/tokens").respond(json=answer)
    router.get(f"{API}/users/me").respond(json={"user": user(1, role="admin")})
    async with connected(OAUTH, budget) as zendesk:
        await zendesk.check()
        await zendesk.check()
    assert tokens.call_count == token_calls


async def test_refused_oauth_client_needs_an_operator(router: respx.MockRouter, budget: CountingBudget) -> None:
    router.post(f"{URL}/oauth/tokens").respond(400, json={"error": "invalid_client"})
    async with connected(OAUTH, budget) as zendesk:
        with pytest.raises(NeedsOperator, match="oauth_client_refused"):
            await zendesk.check()


async def test_write_that_is_refused_for_its_token_is_written_with_the_next(
    router: respx.MockRouter, budget: CountingBudget
) -> None:
    router.post(f"{URL}/oauth/tokens").mock(
        side_effect=[httpx.Response(200, json={"access_token": name}) for name in ("aaa", "bbb")]
    )
    put = router.put(f"{API}/tickets/90210").mock(
        side_effect=[httpx.Response(401), httpx.Response(200, json=written())]
    )
    async with connected(OAUTH, budget) as zendesk:
        prepared = zendesk.prepare_comment(draft(), key=KEY)
        assert (await zendesk.add_comment(TICKET, prepared, key=KEY, repeat=False)).comment_id == "800203"
    assert put.calls[0].request.content == put.calls[1].request.content == prepared


async def test_api_token_is_the_old_way_in(router: respx.MockRouter, zendesk: Zendesk) -> None:
    me = router.get(f"{API}/users/me").respond(json={"user": user(1, role="agent")})
    await zendesk.check()
    scheme, pair = me.calls[0].request.headers["authorization"].split()
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"bot@acme.test/token:t0ken")


@pytest.mark.parametrize("me", [{"id": None, "role": "end-user"}, {"id": 5, "role": "end-user"}])
async def test_anonymous_or_powerless_user_is_found_out(
    router: respx.MockRouter, zendesk: Zendesk, me: dict[str, object]
) -> None:
    router.get(f"{API}/users/me").respond(json={"user": me})
    with pytest.raises(NeedsOperator):
        await zendesk.check()


# Limits


async def test_every_call_is_drawn_before_it_is_made(
    router: respx.MockRouter, zendesk: Zendesk, budget: CountingBudget
) -> None:
    put = router.put(f"{API}/tickets/90210").respond(json=written())
    prepared = zendesk.prepare_comment(draft(), key=KEY)
    await zendesk.add_comment(TICKET, prepared, key=KEY, repeat=False)
    assert budget.drawn == {"account": 1, "tickets-update": 1, "ticket:90210": 1}
    budget.left["ticket:90210"] = 0
    with pytest.raises(RateLimited):
        await zendesk.add_comment(TICKET, prepared, key=KEY, repeat=False)
    assert put.call_count == 1


@pytest.mark.parametrize(
    ("headers", "learnt"),
    [
        (
            {"ratelimit-limit": "700", "ratelimit-remaining": "699", "ratelimit-reset": "42"},
            {"account": (700, 699, 42.0)},
        ),
        ({"X-Rate-Limit": "400", "X-Rate-Limit-Remaining": "3"}, {"account": (400, 3, 60.0)}),
        (
            {"Zendesk-RateLimit-tickets-update": "total=100; remaining=99; resets=59"},
            {"tickets-update": (100, 99, 59.0)},
        ),
        (
            {"zendesk-rate-limit-per-ticket-updates": "total=30; remaining=12; resets=590"},
            {"ticket:90210": (30, 12, 590.0)},
        ),
        ({"Zendesk-RateLimit-search-index": "total=2500; remaining=1; resets=3", "ratelimit-limit": "x"}, {}),
        ({"Zendesk-RateLimit-tickets-update": "nonsense"}, {}),
    ],
)
async def test_headers_teach_the_budget(
    router: respx.MockRouter,
    zendesk: Zendesk,
    budget: CountingBudget,
    headers: dict[str, str],
    learnt: dict[str, tuple[int, int, float]],
) -> None:
    router.put(f"{API}/tickets/90210").respond(json=written(), headers=headers)
    await zendesk.add_comment(TICKET, zendesk.prepare_comment(draft(), key=KEY), key=KEY, repeat=False)
    assert budget.learnt == learnt


@pytest.mark.parametrize(
    ("headers", "bucket", "seconds"),
    [
        ({}, "account", 60.0),
        ({"Retry-After": "7", "ratelimit-limit": "200", "ratelimit-remaining": "0"}, "account", 7.0),
        ({"Retry-After": "590", "ratelimit-limit": "200", "ratelimit-remaining": "9"}, "ticket:90210", 590.0),
        ({"Zendesk-RateLimit-tickets-update": "total=100; remaining=0; resets=9"}, "tickets-update", 60.0),
        ({"zendesk-ratelimit-per-ticket-updates": "total=30; remaining=0; resets=9"}, "ticket:90210", 60.0),
    ],
)
async def test_limit_that_was_hit_is_closed_and_no_other(
    router: respx.MockRouter,
    zendesk: Zendesk,
    budget: CountingBudget,
    headers: dict[str, str],
    bucket: str,
    seconds: float,
) -> None:
    router.put(f"{API}/tickets/90210").respond(429, text="Number of allowed API requests exceeded", headers=headers)
    with pytest.raises(RateLimited) as limited:
        await zendesk.add_comment(TICKET, zendesk.prepare_comment(draft(), key=KEY), key=KEY, repeat=False)
    assert (limited.value.limit, limited.value.after_seconds) == (bucket, seconds)
    assert budget.closed == {bucket: seconds}


async def test_dropped_parameters_are_told(router: respx.MockRouter, zendesk: Zendesk, warnings: list[str]) -> None:
    router.get(f"{API}/users/me").respond(
        json={"user": user(1, role="admin")}, headers={"X-Zendesk-API-Warn": 'Removed restricted keys ["x"]'}
    )
    await zendesk.check()
    assert warnings == ["check"]


# Requesters


async def test_customer_is_found_by_every_exact_spelling_in_one_call(
    router: respx.MockRouter, zendesk: Zendesk, budget: CountingBudget
) -> None:
    show = router.get(f"{API}/users/show_many").respond(
        json={"users": [user(1, external_id=f"WA:{WA_ID}"), user(2, external_id=BSUID.lower())]}
    )
    found = await zendesk.find_or_create_requester(ANA)
    assert (found.id, found.adopted) == ("2", False)
    asked = show.calls[0].request.url.params["external_ids"].split(",")
    assert asked == [BSUID, f"wa:{BSUID}", WA_ID, f"wa:{WA_ID}"]
    assert sum(budget.calls.values()) == 1


async def test_bare_wa_id_of_another_integration_is_adopted(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/users/show_many").respond(json={"users": [user(1, external_id=WA_ID)]})
    assert (await zendesk.find_or_create_requester(ANA)).adopted


@pytest.mark.parametrize(
    "stranger",
    [
        user(1, external_id=BSUID, active=False),
        user(1, external_id=BSUID, role="agent"),
        user(1, external_id="other"),
    ],
)
async def test_staff_and_deleted_users_do_not_stand_in(
    router: respx.MockRouter, zendesk: Zendesk, stranger: dict[str, object]
) -> None:
    router.get(f"{API}/users/show_many").respond(json={"users": [stranger]})
    router.get(f"{API}/users/search").respond(json={"users": []})
    router.post(f"{API}/users").respond(201, json={"user": user(9)})
    assert (await zendesk.find_or_create_requester(ANA)).id == "9"


async def test_single_user_with_the_number_is_adopted(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/users/show_many").respond(json={"users": []})
    search = router.get(f"{API}/users/search").respond(
        json={
            "users": [
                user(1, phone="+55 (11) 91234-5678"),
                user(2, phone="+5511912345679"),
                user(3, phone="+5511912345678", role="agent"),
                user(4, phone="+5511912345678", active=False),
            ]
        }
    )
    found = await zendesk.find_or_create_requester(ANA)
    assert (found.id, found.adopted, found.candidates) == ("1", True, 1)
    assert search.calls[0].request.url.params["query"] == f"phone:+{WA_ID}"


async def test_several_with_the_number_are_left_alone(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/users/show_many").respond(json={"users": []})
    router.get(f"{API}/users/search").respond(json={"users": [user(n, phone=f"+{WA_ID}") for n in (1, 2)]})
    created = router.post(f"{API}/users").respond(201, json={"user": user(9)})
    found = await zendesk.find_or_create_requester(ANA)
    assert (found.id, found.adopted, found.candidates) == ("9", False, 2)
    assert sent(created.calls[0]) == {
        "user": {
            "name": "Ana",
            "role": "end-user",
            "external_id": BSUID,
            "skip_verify_email": True,
            "phone": f"+{WA_ID}",
        }
    }


@pytest.mark.parametrize(
    ("who", "name", "external_id", "phone"),
    [
        (RequesterDraft(bsuid=BSUID, wa_id=None, name=" "), "WhatsApp", BSUID, None),
        (RequesterDraft(bsuid=None, wa_id=WA_ID, name=None), f"+{WA_ID}", f"wa:{WA_ID}", f"+{WA_ID}"),
    ],
)
async def test_new_user_has_what_is_known(
    router: respx.MockRouter, zendesk: Zendesk, who: RequesterDraft, name: str, external_id: str, phone: str | None
) -> None:
    router.get(f"{API}/users/show_many").respond(json={"users": []})
    router.get(f"{API}/users/search").respond(json={"users": []})
    created = router.post(f"{API}/users").respond(201, json={"user": user(9)})
    await zendesk.find_or_create_requester(who)
    body = sent(created.calls[0])["user"]
    assert isinstance(body, dict)
    assert (body["name"], body["external_id"], body.get("phone")) == (name, external_id, phone)


async def test_user_made_meanwhile_is_taken(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/users/show_many").mock(
        side_effect=[
            httpx.Response(200, json={"users": []}),
            httpx.Response(200, json={"users": [user(5, external_id=BSUID)]}),
        ]
    )
    router.get(f"{API}/users/search").respond(json={"users": []})
    router.post(f"{API}/users").mock(return_value=invalid(external_id="DuplicateValue"))
    assert (await zendesk.find_or_create_requester(ANA)).id == "5"


async def test_number_that_zendesk_refuses_is_left_out(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/users/show_many").respond(json={"users": []})
    router.get(f"{API}/users/search").respond(json={"users": []})
    created = router.post(f"{API}/users").mock(
        side_effect=[invalid(phone="InvalidFormat"), httpx.Response(201, json={"user": user(9)})]
    )
    assert (await zendesk.find_or_create_requester(ANA)).id == "9"
    assert "phone" not in str(sent(created.calls[1]))


async def test_user_whose_answer_was_lost_is_unknown_and_then_found(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/users/show_many").mock(
        side_effect=[
            httpx.Response(200, json={"users": []}),
            httpx.Response(200, json={"users": [user(9, external_id=BSUID)]}),
        ]
    )
    router.get(f"{API}/users/search").respond(json={"users": []})
    created = router.post(f"{API}/users").mock(side_effect=httpx.ReadTimeout)
    with pytest.raises(OutcomeUnknown):
        await zendesk.find_or_create_requester(ANA)
    assert (await zendesk.find_or_create_requester(ANA)).id == "9"
    assert created.call_count == 1


# Tickets


def ticket_draft(**more: object) -> TicketDraft:
    values = {"subject": "WhatsApp: Ana", "requester": RequesterId("361"), "comment": draft(), "conversation_key": "c1"}
    return TicketDraft(**(values | more))  # type: ignore[arg-type]  # a table's values


def test_ticket_is_the_customers_own(zendesk: Zendesk) -> None:
    prepared = zendesk.prepare_ticket(
        ticket_draft(comment=draft(window=WindowMark.OPEN, undelivered=False), follows=TicketId("77")), key=KEY
    )
    assert json.loads(prepared) == {
        "ticket": {
            "subject": "WhatsApp: Ana",
            "comment": {"html_body": "<p>oi</p>", "public": True, "author_id": 361},
            "requester_id": 361,
            "submitter_id": 361,
            "external_id": "deskbridge:01JDKEY",
            "tags": ["whatsapp"],
            "metadata": {"deskbridge": {"key": "01JDKEY", "conversation": "c1"}},
            "via_followup_source_id": 77,
            "custom_fields": [{"id": 11, "value": "wa_window_open"}, {"id": 12, "value": False}],
        }
    }


def test_prepared_bytes_survive_what_cannot_be_sent(zendesk: Zendesk) -> None:
    prepared = zendesk.prepare_comment(draft(html="a\x00b\ud83dc 🙂"), key=KEY)
    assert "🙂" in prepared.decode()
    assert "\x00" not in json.loads(prepared)["ticket"]["comment"]["html_body"]


@pytest.mark.parametrize("text", ["{{ticket.requester.email}}", "{{{x}}}", "{% if x %}"])
def test_what_the_bridge_writes_itself_is_no_placeholder(zendesk: Zendesk, text: str) -> None:
    note = json.loads(zendesk.prepare_comment(draft(html=text, author=None, public=False), key=KEY))["ticket"][
        "comment"
    ]
    assert "{{" not in note["html_body"]
    assert "{%" not in note["html_body"]
    assert "author_id" not in note
    by_customer = json.loads(zendesk.prepare_comment(draft(html=text), key=KEY))["ticket"]["comment"]
    assert by_customer["html_body"] == text


async def test_ticket_is_opened_with_its_key(router: respx.MockRouter, zendesk: Zendesk) -> None:
    post = router.post(f"{API}/tickets").respond(201, json=written("new"))
    prepared = zendesk.prepare_ticket(ticket_draft(), key=KEY)
    opened = await zendesk.open_ticket(prepared, key=KEY, repeat=False)
    assert (opened.ticket_id, opened.comment_id, opened.status) == ("90210", "800203", TicketStatus.NEW)
    assert post.calls[0].request.headers["idempotency-key"] == KEY
    assert post.calls[0].request.content == prepared


async def test_ticket_that_was_opened_already_is_found(router: respx.MockRouter, zendesk: Zendesk) -> None:
    listed = router.get(f"{API}/tickets").respond(
        json={
            "tickets": [
                ticket("open", id=5, external_id="deskbridge:01JDKEY", from_messaging_channel=True),
                ticket("open", id=6, external_id="deskbridge:other"),
                ticket("pending", external_id="deskbridge:01JDKEY"),
            ]
        }
    )
    router.get(f"{API}/tickets/90210/comments").respond(json=page("comments", [comment(3, metadata=marked(KEY))]))
    opened = await zendesk.open_ticket(b"{}", key=KEY, repeat=True)
    assert (opened.ticket_id, opened.comment_id, opened.status) == ("90210", "3", TicketStatus.WAITING)
    assert listed.calls[0].request.url.params["external_id"] == "deskbridge:01JDKEY"


async def test_repeat_of_a_ticket_that_never_was_opens_it(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/tickets").respond(json={"tickets": []})
    post = router.post(f"{API}/tickets").respond(201, json=written("new"))
    await zendesk.open_ticket(b'{"ticket":{}}', key=KEY, repeat=True)
    assert post.calls[0].request.content == b'{"ticket":{}}'
    assert post.calls[0].request.headers["idempotency-key"] == KEY


async def test_key_that_was_used_for_other_bytes_is_looked_up(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.post(f"{API}/tickets").respond(400, json={"error": "IdempotentRequestError", "description": "…"})
    listed = router.get(f"{API}/tickets").respond(json={"tickets": [ticket(external_id="deskbridge:01JDKEY")]})
    router.get(f"{API}/tickets/90210/comments").respond(json=page("comments", [comment(3, metadata=marked(KEY))]))
    assert (await zendesk.open_ticket(b"{}", key=KEY, repeat=False)).ticket_id == "90210"
    listed.respond(json={"tickets": []})
    with pytest.raises(Permanent, match="IdempotentRequestError"):
        await zendesk.open_ticket(b"{}", key=KEY, repeat=False)


async def test_suspended_requester_is_permanent(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.post(f"{API}/tickets").mock(return_value=invalid(requester="UserSuspended"))
    with pytest.raises(Permanent) as refused:
        await zendesk.open_ticket(b"{}", key=KEY, repeat=False)
    assert refused.value.hint == "requester"


@pytest.mark.parametrize("answer", [b"", b"<html>", b'{"ticket":{"id":"x"}}', b"[]"])
async def test_success_that_cannot_be_read_is_unknown(
    router: respx.MockRouter, zendesk: Zendesk, answer: bytes
) -> None:
    router.post(f"{API}/tickets").respond(201, content=answer)
    with pytest.raises(OutcomeUnknown) as unknown:
        await zendesk.open_ticket(b"{}", key=KEY, repeat=False)
    assert unknown.value.__context__ is None


# Comments


async def test_comment_carries_marker_marks_and_no_tags(router: respx.MockRouter, zendesk: Zendesk) -> None:
    put = router.put(f"{API}/tickets/90210").respond(json=written())
    prepared = zendesk.prepare_comment(draft(reopen=True, window=WindowMark.CLOSED, undelivered=True), key=KEY)
    result = await zendesk.add_comment(TICKET, prepared, key=KEY, repeat=False)
    assert (result.comment_id, result.status) == ("800203", TicketStatus.OPEN)
    assert sent(put.calls[0]) == {
        "ticket": {
            "comment": {"html_body": "<p>oi</p>", "public": True, "author_id": 361},
            "metadata": {"deskbridge": {"key": "01JDKEY"}},
            "status": "open",
            "custom_fields": [{"id": 11, "value": "wa_window_closed"}, {"id": 12, "value": True}],
        }
    }
    assert put.call_count == 1


@pytest.mark.parametrize("status", ["pending", "hold", "solved"])
async def test_ticket_that_stays_asleep_is_woken(router: respx.MockRouter, zendesk: Zendesk, status: str) -> None:
    put = router.put(f"{API}/tickets/90210").mock(
        side_effect=[httpx.Response(200, json=written(status)), httpx.Response(200, json=written("open", 1))]
    )
    prepared = zendesk.prepare_comment(draft(reopen=True), key=KEY)
    result = await zendesk.add_comment(TICKET, prepared, key=KEY, repeat=False)
    assert (result.comment_id, result.status) == ("800203", TicketStatus.OPEN)
    assert sent(put.calls[1]) == {"ticket": {"status": "open"}}


async def test_comment_stands_when_waking_fails(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.put(f"{API}/tickets/90210").mock(
        side_effect=[httpx.Response(200, json=written("solved")), httpx.Response(500)]
    )
    prepared = zendesk.prepare_comment(draft(reopen=True), key=KEY)
    result = await zendesk.add_comment(TICKET, prepared, key=KEY, repeat=False)
    assert (result.comment_id, result.status) == ("800203", TicketStatus.SOLVED)


async def test_note_wakes_nobody(router: respx.MockRouter, zendesk: Zendesk) -> None:
    put = router.put(f"{API}/tickets/90210").respond(json=written("solved"))
    await zendesk.add_comment(TICKET, zendesk.prepare_comment(draft(public=False), key=KEY), key=KEY, repeat=False)
    assert put.call_count == 1


async def test_comment_that_was_added_already_is_found(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/tickets/90210").respond(json={"ticket": ticket("pending")})
    comments = router.get(f"{API}/tickets/90210/comments").respond(
        json=page("comments", [comment(5, metadata=marked("other")), comment(4, metadata=marked(KEY))])
    )
    result = await zendesk.add_comment(TICKET, b"{}", key=KEY, repeat=True)
    assert (result.comment_id, result.status) == ("4", TicketStatus.WAITING)
    assert comments.calls[0].request.url.params["sort"] == "-created_at"


async def test_comment_whose_metadata_is_hidden_is_found_in_the_audits(
    router: respx.MockRouter, zendesk: Zendesk
) -> None:
    router.get(f"{API}/tickets/90210").respond(json={"ticket": ticket()})
    router.get(f"{API}/tickets/90210/comments").respond(json=page("comments", [comment(5), comment(4)]))
    audits: list[dict[str, object]] = [
        {"events": [{"id": 4, "type": "Comment"}], "metadata": marked(KEY)},
        {"events": [{"id": 5, "type": "Comment"}], "metadata": {"custom": []}},
    ]
    router.get(f"{API}/tickets/90210/audits", params={"page[after]": "next"}).respond(json=page("audits", audits))
    router.get(f"{API}/tickets/90210/audits").respond(json=page("audits", [{"events": []}], after="next"))
    assert (await zendesk.add_comment(TICKET, b"{}", key=KEY, repeat=True)).comment_id == "4"


async def test_repeat_of_a_comment_that_never_was_is_bound_to_the_stamp(
    router: respx.MockRouter, zendesk: Zendesk
) -> None:
    router.get(f"{API}/tickets/90210").respond(json={"ticket": ticket()})
    router.get(f"{API}/tickets/90210/comments").respond(json=page("comments", []))
    router.get(f"{API}/tickets/90210/audits").respond(json=page("audits", []))
    put = router.put(f"{API}/tickets/90210").mock(
        side_effect=[httpx.Response(409, json={"error": "UpdateConflict"}), httpx.Response(200, json=written())]
    )
    prepared = zendesk.prepare_comment(draft(), key=KEY)
    with pytest.raises(RetryLater):
        await zendesk.add_comment(TICKET, prepared, key=KEY, repeat=True)
    body = sent(put.calls[0])["ticket"]
    assert isinstance(body, dict)
    assert (body.pop("safe_update"), body.pop("updated_stamp")) == (True, "2026-11-20T12:00:05Z")
    assert {"ticket": body} == json.loads(prepared)
    assert router.calls[0].request.url.path.endswith("/tickets/90210"), "the stamp must be older than the look"


async def test_closed_ticket_is_told_by_the_ticket_itself(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.put(f"{API}/tickets/90210").mock(return_value=invalid(status=""))
    router.get(f"{API}/tickets/90210").respond(json={"ticket": ticket("closed")})
    with pytest.raises(TicketUnwritable) as refused:
        await zendesk.add_comment(TICKET, zendesk.prepare_comment(draft(), key=KEY), key=KEY, repeat=False)
    assert (refused.value.reason, refused.value.successor) == ("closed", None)


@pytest.mark.parametrize(
    ("audits", "successor"),
    [
        (
            [
                {"via": {"channel": "api"}, "events": [{"type": "Comment", "body": "see #1"}]},
                {
                    "created_at": "2026-11-20T12:00:01Z",
                    "via": {"channel": "web", "source": {"rel": "merge", "from": {}, "to": {}}},
                    "events": [{"type": "Comment", "id": 3, "body": "merged into #4321. About #1"}],
                },
            ],
            "4321",
        ),
        (
            [
                {
                    "created_at": "2026-11-20T12:00:01Z",
                    "via": {"channel": 19, "source": {"rel": "merge", "to": {"ticket_id": 4321}}},
                    "events": [],
                }
            ],
            "4321",
        ),
        (
            [
                {
                    "created_at": "2026-11-20T12:00:01Z",
                    "via": {"channel": "merge", "source": {"rel": None, "to": {"ticket_id": 4321}}},
                    "events": [],
                }
            ],
            "4321",
        ),
        (
            [
                {
                    "created_at": "2026-11-20T12:00:01Z",
                    "via": {"channel": "web", "source": {"rel": "merge"}},
                    "events": [],
                }
            ],
            None,
        ),
        ([], None),
    ],
)
async def test_merged_ticket_names_its_successor(
    router: respx.MockRouter, zendesk: Zendesk, audits: list[dict[str, object]], successor: str | None
) -> None:
    router.put(f"{API}/tickets/90210").mock(return_value=invalid(status=""))
    router.get(f"{API}/tickets/90210").respond(json={"ticket": ticket("closed", tags=["closed_by_merge"])})
    router.get(f"{API}/tickets/90210/audits").respond(json=page("audits", audits))
    with pytest.raises(TicketUnwritable) as refused:
        await zendesk.add_comment(TICKET, zendesk.prepare_comment(draft(), key=KEY), key=KEY, repeat=False)
    found = refused.value.successor
    assert (refused.value.reason, found and found.ticket_id) == ("merged", successor)


async def test_merged_ticket_whose_audits_are_forbidden_has_no_successor(
    router: respx.MockRouter, zendesk: Zendesk
) -> None:
    router.put(f"{API}/tickets/90210").mock(return_value=invalid(status=""))
    router.get(f"{API}/tickets/90210").respond(json={"ticket": ticket("closed", tags=["closed_by_merge"])})
    router.get(f"{API}/tickets/90210/audits").respond(403, json={"error": "Forbidden"})
    with pytest.raises(TicketUnwritable) as refused:
        await zendesk.add_comment(TICKET, zendesk.prepare_comment(draft(), key=KEY), key=KEY, repeat=False)
    assert (refused.value.reason, refused.value.successor) == ("merged", None)


@pytest.mark.parametrize("body", [b"", b'{"error":"RecordNotFound","description":"Not found"}'])
async def test_deleted_ticket_is_gone(router: respx.MockRouter, zendesk: Zendesk, body: bytes) -> None:
    router.put(f"{API}/tickets/90210").respond(404, content=body)
    with pytest.raises(TicketUnwritable) as refused:
        await zendesk.add_comment(TICKET, zendesk.prepare_comment(draft(), key=KEY), key=KEY, repeat=False)
    assert refused.value.reason == "gone"


async def test_ticket_that_is_full_is_permanent(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.put(f"{API}/tickets/90210").mock(return_value=invalid(base="TooManyComments"))
    router.get(f"{API}/tickets/90210").respond(json={"ticket": ticket("open")})
    with pytest.raises(Permanent) as refused:
        await zendesk.add_comment(TICKET, zendesk.prepare_comment(draft(), key=KEY), key=KEY, repeat=False)
    assert not isinstance(refused.value, TicketUnwritable)


async def test_comment_whose_answer_was_lost_is_unknown(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.put(f"{API}/tickets/90210").mock(side_effect=httpx.ReadTimeout)
    with pytest.raises(OutcomeUnknown):
        await zendesk.add_comment(TICKET, zendesk.prepare_comment(draft(), key=KEY), key=KEY, repeat=False)


# Reading


SINCE = datetime(2026, 11, 20, 12, 0, 5, 700_000, tzinfo=UTC)
STAFF = user(7, role="agent", role_type=0)


async def comments_by(
    router: respx.MockRouter, zendesk: Zendesk, author: dict[str, object], **more: object
) -> AuthorKind:
    router.get(f"{API}/tickets/90210/comments").respond(json=page("comments", [comment(1, **more)], users=[author]))
    (read,) = await zendesk.comments_since(TICKET, SINCE)
    return read.author


@pytest.mark.parametrize(
    ("author", "more", "kind"),
    [
        (STAFF, {}, AuthorKind.STAFF),
        (user(7, role="admin"), {}, AuthorKind.STAFF),
        (user(7, role="agent", role_type=1), {}, AuthorKind.SYSTEM),
        (user(7, role="agent", only_private_comments=True), {}, AuthorKind.SYSTEM),
        (user(7), {}, AuthorKind.CUSTOMER),
        (user(7, role="other"), {}, AuthorKind.SYSTEM),
        (STAFF, {"author_id": -1}, AuthorKind.SYSTEM),
        (STAFF, {"author_id": None}, AuthorKind.SYSTEM),
        (STAFF, {"via": {"channel": "rule"}}, AuthorKind.SYSTEM),
        (STAFF, {"via": {"channel": "web", "source": {"rel": "merge"}}}, AuthorKind.SYSTEM),
        (STAFF, {"via": None}, AuthorKind.STAFF),
    ],
)
async def test_only_staff_counts_as_staff(
    router: respx.MockRouter,
    zendesk: Zendesk,
    author: dict[str, object],
    more: dict[str, object],
    kind: AuthorKind,
) -> None:
    assert await comments_by(router, zendesk, author, **more) is kind


async def test_comments_of_one_page_cost_one_call_and_come_oldest_first(
    router: respx.MockRouter, zendesk: Zendesk, budget: CountingBudget
) -> None:
    listed = router.get(f"{API}/tickets/90210/comments").respond(
        json=page(
            "comments",
            [
                comment(12, created_at="2026-11-20T12:00:05Z", public=False),
                comment(
                    11, created_at="2026-11-20T12:00:05Z", metadata=marked(KEY), attachments=[{"id": 1}, {"id": 2}]
                ),
                comment(13, type="VoiceComment"),
                comment(10, created_at="2026-11-20T12:00:04Z"),
            ],
            after="more",
            users=[STAFF],
        )
    )
    read = await zendesk.comments_since(TICKET, SINCE)
    assert [(c.id, c.public, c.key, len(c.files)) for c in read] == [("11", True, KEY, 2), ("12", False, None, 0)]
    assert (read[0].html, read[0].text) == ("<p>oi</p>", "oi ")
    assert listed.call_count == 1
    assert budget.drawn == {"account": 1}


async def test_paging_goes_on_until_older_and_trusts_has_more_alone(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/tickets/90210/comments", params={"page[after]": "two"}).respond(
        json=page("comments", [comment(10)], users=[STAFF])
    )
    router.get(f"{API}/tickets/90210/comments").respond(
        json=page("comments", [comment(11)], after="two", users=[STAFF])
    )
    assert [c.id for c in await zendesk.comments_since(TICKET, SINCE)] == ["10", "11"]


async def test_author_missing_from_the_page_is_asked_for(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/tickets/90210/comments").respond(json=page("comments", [comment(1)]))
    router.get(f"{API}/users/show_many", params={"ids": "7"}).respond(json={"users": [STAFF]})
    (read,) = await zendesk.comments_since(TICKET, SINCE)
    assert read.author is AuthorKind.STAFF


async def test_comments_of_a_deleted_ticket_are_gone(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/tickets/90210/comments").respond(404, json={"error": "RecordNotFound"})
    with pytest.raises(TicketUnwritable):
        await zendesk.comments_since(TICKET, SINCE)


async def test_answer_that_cannot_be_read_is_asked_for_again(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/tickets/90210/comments").respond(json={"comments": [{"id": "canary"}]})
    with pytest.raises(RetryLater) as failed:
        await zendesk.comments_since(TICKET, SINCE)
    assert failed.value.__context__ is None


# The feed


def export(*events: dict[str, object], end_time: int | None, end: bool = True) -> httpx.Response:
    return httpx.Response(200, json={"ticket_events": list(events), "end_time": end_time, "end_of_stream": end})


async def test_feed_names_every_comment_private_ones_too(
    router: respx.MockRouter, zendesk: Zendesk, budget: CountingBudget
) -> None:
    children = [
        {"id": 1, "event_type": "Comment", "public": True},
        {"id": 2, "event_type": "Comment", "public": False},
        {"id": 3, "event_type": "Change", "status": "open"},
        {"id": 4, "event_type": "Comment", "type": "VoiceComment"},
    ]
    feed = router.get(f"{API}/incremental/ticket_events").mock(
        return_value=export(
            {"ticket_id": 90210, "metadata": {}, "via": "Web form", "child_events": children},
            {"ticket_id": 90211, "metadata": marked(KEY), "child_events": [{"id": 9, "type": "Comment"}]},
            end_time=1_795_176_006,
        )
    )
    start = datetime.fromtimestamp(1_795_176_000, UTC)
    read = await zendesk.changes_since(None, start=start)
    assert [(c.ticket_id, c.comment_id, c.key) for c in read.changes] == [
        ("90210", "1", None),
        ("90210", "2", None),
        ("90211", "9", KEY),
    ]
    assert (read.cursor, read.end) == ("1795176006", True)
    assert dict(feed.calls[0].request.url.params) == {"start_time": "1795175880", "include": "comment_events"}
    assert budget.drawn == {"account": 1, "incremental": 1}


async def test_feed_overlaps_between_runs_and_never_within_one(router: respx.MockRouter, zendesk: Zendesk) -> None:
    feed = router.get(f"{API}/incremental/ticket_events").mock(
        side_effect=[export(end_time=1030, end=False), export(end_time=1030, end=True)]
    )
    first = await zendesk.changes_since("1000", start=SINCE)
    assert not first.end
    second = await zendesk.changes_since(first.cursor, start=SINCE)
    assert (second.cursor, second.end) == ("1030", True)
    assert [call.request.url.params["start_time"] for call in feed.calls] == ["940", "1030"]


@pytest.mark.parametrize("end_time", [None, 940, 960])
async def test_quiet_feed_keeps_its_place(router: respx.MockRouter, zendesk: Zendesk, end_time: int | None) -> None:
    router.get(f"{API}/incremental/ticket_events").mock(return_value=export(end_time=end_time))
    read = await zendesk.changes_since("1000", start=SINCE)
    assert (read.cursor, read.end) == ("1000", True)


async def test_feed_that_does_not_move_ends(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/incremental/ticket_events").mock(return_value=export(end_time=940, end=False))
    assert (await zendesk.changes_since("1000", start=SINCE)).end


# Settings and registry


@pytest.mark.parametrize(
    ("environment", "variable"),
    [
        ({}, "ZENDESK_URL"),
        ({"ZENDESK_URL": "acme"}, "ZENDESK_URL"),
        ({"ZENDESK_URL": "http://acme.zendesk.com"}, "ZENDESK_URL"),
        ({"ZENDESK_URL": URL}, "ZENDESK_OAUTH_CLIENT_ID"),
        ({"ZENDESK_URL": URL, "ZENDESK_OAUTH_CLIENT_ID": "x"}, "ZENDESK_OAUTH_CLIENT_SECRET"),
        ({"ZENDESK_URL": URL, "ZENDESK_OAUTH_CLIENT_SECRET": "x"}, "ZENDESK_OAUTH_CLIENT_ID"),
        ({"ZENDESK_URL": URL, "ZENDESK_EMAIL": "x"}, "ZENDESK_API_TOKEN"),
        ({"ZENDESK_URL": URL, "ZENDESK_API_TOKEN": "x"}, "ZENDESK_EMAIL"),
        (
            OAUTH | {"ZENDESK_WEBHOOK_SECRET": "a,dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="},
            "ZENDESK_WEBHOOK_SECRET",
        ),
    ],
)
def test_setting_that_is_wrong_is_named(environment: dict[str, str], variable: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        ZendeskSettings.from_environment(environment)
    assert refused.value.variable == variable
    assert str(refused.value).startswith(variable)
    assert refused.value.mend


@pytest.mark.parametrize("url", [URL, f"{URL}/", f" {URL}/api/v2/ "])
def test_address_is_understood_however_it_is_pasted(url: str) -> None:
    settings = ZendeskSettings.from_environment(OAUTH | {"ZENDESK_URL": url, "ZENDESK_WEBHOOK_SECRET": "a, b,"})
    assert settings.url == URL
    assert [secret.get_secret_value() for secret in settings.webhook_secrets] == ["a", "b"]
    assert "s3cret" not in repr(settings)


async def test_sandbox_lives_under_a_path(router: respx.MockRouter, budget: CountingBudget) -> None:
    base = "http://127.0.0.1:8001/zendesk"
    router.post(f"{base}/oauth/tokens").respond(json={"access_token": "aaa"})
    router.get(f"{base}/api/v2/users/me").respond(json={"user": user(1, role="admin")})
    environment = OAUTH | {"ZENDESK_URL": base}
    async with registry.find("zendesk").connect(
        environment, budget=budget, field_ids={}, on_warning=lambda _: None
    ) as helpdesk:
        await helpdesk.check()


def test_unknown_helpdesk_is_named() -> None:
    with pytest.raises(InvalidConfiguration, match="DESKBRIDGE_HELPDESK"):
        registry.find("nonesuch")
    assert "zendesk" in registry.names()


async def test_doctor_survives_a_dead_account(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.route(host="acme.zendesk.test").respond(401)
    findings = await zendesk.inspect(webhook_url=HOOK, webhook_secrets=["s"])
    assert {finding.level for finding in findings} == {FindingLevel.RED}
    assert all(finding.mend for finding in findings)


async def test_user_is_put_aside_and_then_erased_and_who_is_gone_is_erased(
    router: respx.MockRouter, zendesk: Zendesk
) -> None:
    user = router.get(f"{API}/users/77").respond(200, json={"user": {"id": 77, "role": "end-user", "active": True}})
    aside = router.delete(f"{API}/users/77").respond(200, json={"user": {"id": 77}})
    for_good = router.delete(f"{API}/deleted_users/77").respond(200, json={"deleted_user": {"id": 77}})
    await zendesk.erase_requester(RequesterId("77"))
    assert (aside.call_count, for_good.call_count) == (1, 1)
    user.respond(404, json={"error": "RecordNotFound"})
    await zendesk.erase_requester(RequesterId("77"))
    assert (aside.call_count, for_good.call_count) == (1, 1)


async def test_staff_are_never_erased(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.get(f"{API}/users/78").respond(200, json={"user": {"id": 78, "role": "agent", "active": True}})
    with pytest.raises(Permanent):
        await zendesk.erase_requester(RequesterId("78"))


# Files


class OneFile:
    """A `FileSource` whose every file is the same."""

    async def read(self, file_id: str) -> AsyncIterator[bytes]:
        assert file_id == "f1"
        yield b"%PDF-"
        yield b"1.7"


PDF = FileDraft("f1", "Fatura nº 7.pdf", "application/pdf", 8)


async def test_files_are_uploaded_and_their_tokens_go_with_the_comment(
    router: respx.MockRouter, zendesk: Zendesk
) -> None:
    upload = router.post(f"{API}/uploads").respond(201, json={"upload": {"token": "tok1"}})
    put = router.put(f"{API}/tickets/90210").respond(json=written())
    prepared = zendesk.prepare_comment(draft(files=[PDF]), key=KEY)
    await zendesk.add_comment(TICKET, prepared, key=KEY, repeat=False, files=OneFile())
    request = upload.calls[0].request
    assert (request.url.params["filename"], request.headers["content-type"]) == (PDF.name, "application/pdf")
    assert (request.headers["content-length"], request.content) == ("8", b"%PDF-1.7")
    assert json.loads(put.calls[0].request.content)["ticket"]["comment"]["uploads"] == ["tok1"]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (403, {"json": {"error": "AttachmentFileTypeNotAllowed"}}),
        (413, {"html": "<html>Request Entity Too Large</html>"}),
        (413, {"json": {"error": "AttachmentTooLarge"}}),
        (422, {"json": {"error": "RecordInvalid"}}),
    ],
)
async def test_a_file_that_is_refused_stops_neither_the_account_nor_the_comment(
    router: respx.MockRouter, zendesk: Zendesk, status: int, answer: dict[str, object]
) -> None:
    router.post(f"{API}/uploads").respond(status, **answer)  # type: ignore[arg-type]  # a table's values
    put = router.put(f"{API}/tickets/90210").respond(json=written())
    prepared = zendesk.prepare_comment(draft(files=[PDF]), key=KEY)
    with pytest.raises(FilesRefused):
        await zendesk.add_comment(TICKET, prepared, key=KEY, repeat=False, files=OneFile())
    assert put.call_count == 0


async def test_an_upload_whose_answer_is_lost_is_tried_again_later(router: respx.MockRouter, zendesk: Zendesk) -> None:
    router.post(f"{API}/uploads").mock(side_effect=httpx.ReadTimeout)
    prepared = zendesk.prepare_comment(draft(files=[PDF]), key=KEY)
    with pytest.raises(RetryLater):
        await zendesk.add_comment(TICKET, prepared, key=KEY, repeat=False, files=OneFile())
