"""Does the HTTP connector sign, name, repeat and understand as its README says, whoever answers?"""

import json
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from connectors.configuration import InvalidConfiguration
from connectors.errors import (
    NeedsOperator,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    RemoteFailure,
    RetryLater,
    TicketUnwritable,
    UnreadableRing,
    UnsignedRing,
)
from connectors.http import translate
from connectors.http.connector import desk_of
from connectors.http.definition import DEFINITION
from connectors.http.settings import HttpSettings
from connectors.interface import (
    AuthorKind,
    CommentDraft,
    CommentId,
    EffectKey,
    FileRef,
    RequesterChange,
    RequesterDraft,
    RequesterId,
    TicketId,
    TicketStatus,
)
from tests.connectors.budget import CountingBudget
from tests.connectors.http_desk import ANA, ENVIRONMENT, OLD_SECRET, SECRET, TOKEN, WA_ID, Desk

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
KEY = EffectKey("01K9ZZ3J7Q4V8M2C6T0B5N1D9F-1")
README = (Path(translate.__file__).parent / "README.md").read_text("utf-8")
SAID = CommentDraft("<p>oi</p>", "oi", True, None)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    await desk.account.start()
    yield desk
    assert await desk.warnings() == []
    await desk.http.aclose()
    await desk.account.stop()


def client_of(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def add(answer: httpx.Response) -> Any:
    """Add a comment to a system that gives this answer."""
    async with client_of(lambda _: answer) as client:
        connector = desk_of(client, HttpSettings.from_environment(ENVIRONMENT), budget=CountingBudget())
        prepared = connector.prepare_comment(SAID, key=KEY)
        return await connector.add_comment(TicketId("17"), prepared, key=KEY, repeat=False)


async def test_event_is_signed_by_every_secret_and_its_id_is_the_key() -> None:
    seen: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    async with client_of(take) as client:
        settings = HttpSettings.from_environment(ENVIRONMENT | {"HTTP_DESK_SECRET": f"{SECRET},{OLD_SECRET}"})
        connector = desk_of(client, settings, budget=CountingBudget())
        prepared = connector.prepare_comment(SAID, key=KEY)
        for repeat in (False, True):
            await connector.add_comment(TicketId("17"), prepared, key=KEY, repeat=repeat)
        await connector.check()
        await connector.check()
    for request in seen:
        for secret in (SECRET, OLD_SECRET):
            Webhook(secret).verify(request.content, dict(request.headers))
        assert "." not in request.headers["webhook-id"]
    first, again, ping, later = seen
    assert first.headers["webhook-id"] == again.headers["webhook-id"] == KEY
    assert first.content == again.content
    assert ping.headers["webhook-id"] != later.headers["webhook-id"]


async def test_customer_has_one_name_of_ours_that_tells_no_number_and_outlives_a_rotation(desk: Desk) -> None:
    desk.account.faults.update({"answers": "word"})
    alone = RequesterDraft(bsuid=None, wa_id=WA_ID, name="Ana")
    names = {
        (await desk.connect(HTTP_DESK_SECRET=secrets).find_or_create_requester(alone)).id
        for secrets in (SECRET, SECRET, f"{SECRET}")
    }
    [name] = names
    assert re.fullmatch(r"wa-[0-9a-f]{24}", name)
    assert translate.requester_name(alone, SECRET) == name != translate.requester_name(alone, OLD_SECRET)
    rotating = HttpSettings.from_environment(ENVIRONMENT | {"HTTP_DESK_SECRET": f"{OLD_SECRET},{SECRET}"})
    assert rotating.secrets[-1].get_secret_value() == SECRET
    assert (await desk.connector.find_or_create_requester(ANA)).id != name


async def test_customer_whom_the_system_knows_by_the_number_is_adopted(desk: Desk) -> None:
    known = await desk.agent("POST", "/users", {"name": "Ana L.", "phone": "+55 11 91234-5678"})
    found = await desk.connector.find_or_create_requester(ANA)
    assert (found.id, found.adopted) == (str(known["id"]), True)
    assert (await desk.connector.find_or_create_requester(ANA)).id == found.id


async def test_customer_with_a_new_number_stays_one(desk: Desk) -> None:
    first = await desk.connector.find_or_create_requester(ANA)
    await desk.connector.update_requester(first.id, RequesterChange(ANA.bsuid, "5511955550000", (WA_ID,)))
    [user] = await desk.agent("GET", "/users?role=end-user")
    assert (str(user["id"]), user["phone"]) == (first.id, "+5511955550000")
    with pytest.raises(Permanent):
        await desk.connector.update_requester(RequesterId("999"), RequesterChange(None, WA_ID))


async def test_customer_who_was_removed_is_made_anew_when_asked_for_again(desk: Desk) -> None:
    first = await desk.connector.find_or_create_requester(ANA)
    ticket_id = await desk.open()
    await desk.agent("DELETE", f"/users/{first.id}")
    with pytest.raises(Permanent, match="http_422"):
        await desk.add(ticket_id, CommentDraft("<p>oi</p>", "oi", True, first.id), key="01K-9")
    assert (await desk.connector.find_or_create_requester(ANA)).id != first.id


@pytest.mark.parametrize("answers", ["word", "zapier", "nothing"])
async def test_ticket_that_is_not_named_keeps_our_name(desk: Desk, answers: str) -> None:
    desk.account.faults.update({"answers": answers})
    ticket_id = await desk.open(key=KEY)
    assert ticket_id == await desk.open(key=KEY, repeat=True) == f"wa-{KEY.lower()}"
    written = await desk.add(ticket_id, CommentDraft("<p>x</p>", "x", False, None, reopen=True), key="01K-2")
    assert (written.comment_id, written.status) == (None, TicketStatus.OPEN)
    assert len(await desk.agent("GET", "/tickets")) == 1


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (httpx.Response(401), NeedsOperator),
        (httpx.Response(403, json={"error": "ticket_closed"}), NeedsOperator),
        (httpx.Response(404), NeedsOperator),
        (httpx.Response(410), NeedsOperator),
        (httpx.Response(302, headers={"location": "https://elsewhere.example"}), NeedsOperator),
        (httpx.Response(200, html="<!doctype html><title>Sign in</title>"), NeedsOperator),
        (httpx.Response(400), Permanent),
        (httpx.Response(422, json={"error": "requester_gone"}), Permanent),
        (httpx.Response(409, text="in work"), RetryLater),
        (httpx.Response(429), RateLimited),
        (httpx.Response(408), OutcomeUnknown),
        (httpx.Response(500), OutcomeUnknown),
        (httpx.Response(503), OutcomeUnknown),
        (httpx.Response(503, headers={"retry-after": "7"}), RetryLater),
        (httpx.Response(200, json={"comment_id": ["no", "id"]}), OutcomeUnknown),
        (httpx.Response(200, json={"comment_id": "with a space"}), OutcomeUnknown),
    ],
)
async def test_refusal_has_the_meaning_that_the_readme_gives_it(
    answer: httpx.Response, meaning: type[RemoteFailure]
) -> None:
    with pytest.raises(meaning) as raised:
        await add(answer)
    assert not isinstance(raised.value, TicketUnwritable)


@pytest.mark.parametrize("status", [404, 409, 422])
@pytest.mark.parametrize(
    ("body", "reason", "successor"),
    [
        ({"error": "ticket_gone"}, "gone", None),
        ({"error": "ticket_closed"}, "closed", None),
        ({"error": "ticket_merged", "successor": 18, "merged_at": "2026-11-20T12:00:00Z"}, "merged", "18"),
        ({"error": "ticket_merged", "successor": 18}, "merged", None),
    ],
)
async def test_ticket_that_takes_nothing_more_is_told_by_the_body(
    status: int, body: object, reason: str, successor: str | None
) -> None:
    with pytest.raises(TicketUnwritable) as raised:
        await add(httpx.Response(status, json=body))
    found = raised.value.successor
    assert raised.value.reason == reason
    assert (found and found.ticket_id) == successor


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"comment_id": 31, "status": "waiting", "more": [1]}),
        httpx.Response(201, json={"comment_id": "31", "status": "waiting"}),
    ],
)
async def test_answer_names_comment_and_status(answer: httpx.Response) -> None:
    written = await add(answer)
    assert (written.comment_id, written.status) == ("17/31", TicketStatus.WAITING)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(204),
        httpx.Response(200, text="Accepted"),
        httpx.Response(200, html="ok"),
        httpx.Response(200, json=[1]),
        httpx.Response(200, json={"status": "success", "id": "0190"}),
    ],
)
async def test_answer_that_names_nothing_is_as_good(answer: httpx.Response) -> None:
    written = await add(answer)
    assert (written.comment_id, written.status) == (None, None)


# What it tells


def told(body: object, *, token: str = TOKEN) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {token}"}
    return DEFINITION.read_ring(headers=headers, body=raw, secrets=[TOKEN, "another-token-0123456789"], now=NOW)


def test_every_curl_line_of_the_readme_is_understood() -> None:
    [block] = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    bodies = re.findall(r"-d '(.*?)'$", block, re.DOTALL | re.MULTILINE)
    assert len(bodies) == block.count("curl ") == 7
    changes = {json.loads(body)["type"]: told(body.encode()) for body in bodies}
    assert changes.keys() == {"reply", "note", "solve", "close", "merge", "look"}
    [note] = changes["note"].comments
    assert (note.public, note.author, note.text, note.id) == (False, AuthorKind.STAFF, "/wa status", "17/203")
    [reply] = changes["reply"].comments
    assert (reply.public, [file.name for file in reply.files]) == (True, ["invoice.pdf"])
    assert (changes["solve"].status, changes["close"].status) == (TicketStatus.SOLVED, TicketStatus.CLOSED)
    assert changes["merge"].successor.ticket_id == "18"
    assert not changes["look"].is_whole


def test_any_of_several_tokens_speaks_for_the_system_and_no_other_does() -> None:
    ring = {"type": "solve", "ticket_id": 17}
    assert told(ring, token="another-token-0123456789").ticket_id == "17"
    for token in ("wrong", "", f"{TOKEN}x"):
        with pytest.raises(UnsignedRing):
            told(ring, token=token)
    with pytest.raises(UnsignedRing):
        DEFINITION.read_ring(headers={"authorization": f"Basic {TOKEN}"}, body=b"{}", secrets=[TOKEN], now=NOW)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "the body"),
        ([], "the body"),
        ({"type": "reply", "id": "1", "text": "canary"}, "ticket_id"),
        ({"type": "reply", "ticket_id": "17", "text": "canary"}, "id is missing"),
        ({"type": "reply", "ticket_id": "17", "id": "1", "text": " "}, "text"),
        ({"type": "canary", "ticket_id": "17"}, "type"),
        ({"ticket_id": "with a space"}, "ticket_id"),
        ({"type": "reply", "ticket_id": "17", "id": 1, "text": "canary", "created_at": "yesterday"}, "created_at"),
        (
            {"type": "reply", "ticket_id": "17", "id": 1, "attachments": [{"url": "file:///canary"}]},
            "attachments.0.url",
        ),
        ({"type": "merge", "ticket_id": "17"}, "into is missing"),
    ],
)
def test_what_is_wrong_is_said_in_a_word_without_what_stood_there(body: object, named: str) -> None:
    with pytest.raises(UnreadableRing) as raised:
        told(body)
    assert named in raised.value.reason
    assert "canary" not in raised.value.reason


@given(
    st.dictionaries(
        st.sampled_from(["type", "ticket_id", "id", "text", "html", "created_at", "event_id", "attachments", "into"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["reply", "note", "17"]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_whatever_is_told_is_understood_or_refused(body: dict[str, object]) -> None:
    try:
        change = told(body)
    except UnreadableRing:
        return
    assert re.fullmatch(r"[\x21-\x7e]{1,128}", change.ticket_id)
    assert all(comment.created_at.tzinfo is not None for comment in change.comments)


async def test_file_comes_from_its_address_without_credentials_and_from_no_place_beside_us() -> None:
    asked: list[httpx.Request] = []

    def give(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=b"%PDF")

    async with client_of(give) as client:
        connector = desk_of(client, HttpSettings.from_environment(ENVIRONMENT), budget=CountingBudget())
        for url, is_given in (
            ("https://crm.example.com/files/9f2c/invoice.pdf", True),
            ("http://127.0.0.1:9/files/1", True),  # the system's own host
            ("http://127.0.0.1:10/files/1", False),
            ("https://169.254.169.254/latest/meta-data", False),
            ("http://crm.example.com/files/1", False),
        ):
            ref = FileRef(TicketId("17"), CommentId("17/202"), NOW, url)
            if is_given:
                async with connector.open_file(ref) as pieces:
                    assert b"".join([piece async for piece in pieces]) == b"%PDF"
            else:
                with pytest.raises(Permanent):
                    async with connector.open_file(ref):
                        pass
    assert len(asked) == 2
    assert all("authorization" not in request.headers and "webhook-id" not in request.headers for request in asked)


async def test_receiver_of_the_readme_does_everything_once() -> None:
    [source] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    world: dict[str, Any] = {}
    exec(source.replace('"whsec_…"', repr(SECRET)), world)  # noqa: S102 - our own README

    def take(request: httpx.Request) -> httpx.Response:
        status, answer = world["receive"](dict(request.headers), request.content)
        return httpx.Response(status, json=answer)

    async with client_of(take) as client:
        settings = HttpSettings.from_environment(ENVIRONMENT | {"HTTP_DESK_ASKS": "off"})
        connector = desk_of(client, settings, budget=CountingBudget())
        await connector.check()
        desk = Desk()
        desk.connector = connector
        ticket_id = await desk.open()
        assert ticket_id == await desk.open(repeat=True) == "1"
        for repeat in (False, True):
            await desk.add(ticket_id, CommentDraft("<p>more</p>", "more", True, None), key="01K-2", repeat=repeat)
        assert [comment["text"] for comment in world["tickets"]["1"]] == ["oi", "more"]
        with pytest.raises(TicketUnwritable):
            await desk.add(TicketId("99"), CommentDraft("<p>more</p>", "more", True, None), key="01K-3")
        await desk.http.aclose()
        stranger = desk_of(
            client, settings.model_copy(update={"secrets": settings.secrets[:0]}), budget=CountingBudget()
        )
        with pytest.raises(NeedsOperator):
            await stranger.check()


# Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_DESK_URL", ""),
        ("HTTP_DESK_URL", "http://hooks.example.com/x"),
        ("HTTP_DESK_URL", "https://"),
        ("HTTP_DESK_URL", "https://hooks.example.com:99999/x"),
        ("HTTP_DESK_URL", "https://user:canary@hooks.example.com/x"),
        ("HTTP_DESK_SECRET", ""),
        ("HTTP_DESK_SECRET", "canary"),
        ("HTTP_DESK_SECRET", "whsec_Y2FuYXJ5"),
        ("HTTP_DESK_SECRET", f"{SECRET},canary"),
        ("HTTP_DESK_TOKEN", ""),
        ("HTTP_DESK_TOKEN", "canary"),
        ("HTTP_DESK_ASKS", "canary"),
        ("HTTP_DESK_CALLS_PER_MINUTE", "0"),
        ("HTTP_DESK_CALLS_PER_MINUTE", "canary"),
    ],
)
def test_setting_that_cannot_be_used_is_named_and_never_shown(name: str, value: str) -> None:
    with pytest.raises(InvalidConfiguration) as raised:
        DEFINITION.check(ENVIRONMENT | {name: value})
    assert str(raised.value).startswith(name)
    assert "canary" not in str(raised.value)


async def test_events_draw_on_the_limit_that_was_set_and_a_429_closes_it(desk: Desk) -> None:
    connector = desk.connect(HTTP_DESK_CALLS_PER_MINUTE="7")
    await connector.check()
    assert desk.budget.left["account"] == 6
    desk.account.faults.update({"rate_limited": 1, "only": "/ping"})
    with pytest.raises(RateLimited):
        await connector.check()
    assert desk.budget.closed == {"account": 1.0}
