"""Do the connector and an independent reading of Zendesk's rules agree? In one process, over ASGI."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from connectors.errors import NeedsOperator, OutcomeUnknown, Permanent, RemoteFailure, TicketUnwritable
from connectors.interface import (
    AuthorKind,
    CommentDraft,
    EffectKey,
    FileRef,
    FindingLevel,
    Marks,
    RequesterDraft,
    RequesterId,
    TicketDraft,
    TicketId,
    TicketStatus,
    WindowMark,
)
from connectors.zendesk.connector import Zendesk
from connectors.zendesk.settings import ZendeskSettings
from connectors.zendesk.webhook import parse_ring, verify
from sandbox.clock import SandboxClock
from sandbox.journal import Journal
from sandbox.zendesk import Zendesk as Account
from tests.connectors.budget import CountingBudget

SANDBOX = "http://127.0.0.1:9"
URL = f"{SANDBOX}/zendesk"
CLIENT = {"oauth_client_id": "bridge", "oauth_client_secret": "s3cret"}
ENVIRONMENT = {"ZENDESK_URL": URL, "ZENDESK_OAUTH_CLIENT_ID": "bridge", "ZENDESK_OAUTH_CLIENT_SECRET": "s3cret"}
HOOK = f"{SANDBOX}/webhooks/zendesk"
ANA = RequesterDraft(bsuid="BR.30991122334455667788", wa_id="5511912345678", name="Ana")


class Desk:
    """The account seen from both sides: through our connector, and as its agents see it."""

    def __init__(self) -> None:
        self.clock = SandboxClock()
        self.rings: asyncio.Queue[httpx.Request] = asyncio.Queue()
        self.account = Account(
            clock=self.clock,
            journal=Journal(clock=self.clock),
            notify=lambda _: None,
            base_url=SANDBOX,
            transport=lambda: httpx.MockTransport(self.hear),
        )
        self.account.setup(CLIENT)
        self.account.faults.update({"export_delay_seconds": 0.0, "index_delay_seconds": 0.0})
        routes = [
            Mount("/zendesk", routes=self.account.routes()),
            Mount("/sandbox/api/zendesk", routes=self.account.control_routes()),
        ]
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(Starlette(routes=routes), raise_app_exceptions=False), base_url=URL
        )
        self.budget = CountingBudget()
        self.warnings: list[str] = []
        self.connector = self.connect({})

    def hear(self, request: httpx.Request) -> httpx.Response:
        self.rings.put_nowait(request)
        return httpx.Response(200)

    def connect(self, field_ids: dict[str, int]) -> Zendesk:
        return Zendesk(
            self.http,
            ZendeskSettings.from_environment(ENVIRONMENT),
            budget=self.budget,
            field_ids=field_ids,
            on_warning=self.warnings.append,
            tokens={},
        )

    async def agent(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.http.request(method, f"{SANDBOX}/sandbox/api/zendesk{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def admin(self, method: str, path: str, body: object = None) -> Any:
        """A call to the vendor API by somebody else."""
        asked = {"grant_type": "client_credentials", "client_id": "bridge", "client_secret": "s3cret"}
        token = (await self.http.post("/oauth/tokens", json=asked)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self.http.request(method, f"/api/v2{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def open(self, *, key: str = "k1", follows: TicketId | None = None) -> tuple[RequesterId, TicketId]:
        requester = await self.connector.find_or_create_requester(ANA)
        draft = TicketDraft(
            "WhatsApp: Ana", requester.id, comment(author=requester.id), conversation_key="c1", follows=follows
        )
        prepared = self.connector.prepare_ticket(draft, key=EffectKey(key))
        opened = await self.connector.open_ticket(prepared, key=EffectKey(key), repeat=False)
        return requester.id, opened.ticket_id

    async def add(self, ticket_id: TicketId, draft: CommentDraft, *, key: str, repeat: bool = False) -> Any:
        prepared = self.connector.prepare_comment(draft, key=EffectKey(key))
        return await self.connector.add_comment(ticket_id, prepared, key=EffectKey(key), repeat=repeat)

    def long_ago(self) -> datetime:
        return datetime.fromtimestamp(0, UTC)


def comment(
    *,
    author: RequesterId | None,
    html: str = "<p>oi</p>",
    public: bool = True,
    reopen: bool = False,
    window: WindowMark | None = None,
    undelivered: bool | None = None,
) -> CommentDraft:
    return CommentDraft(html, "oi", public, author, reopen=reopen, window=window, undelivered=undelivered)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    await made.account.start()
    yield made
    await made.http.aclose()
    await made.account.stop()


async def test_credentials_are_checked(desk: Desk) -> None:
    await desk.connector.check()
    desk.account.faults.update({"token_revoked": True})
    with pytest.raises(NeedsOperator):
        await desk.connector.check()


async def test_expired_token_is_renewed_unseen(desk: Desk) -> None:
    await desk.connector.check()
    desk.account.faults.update({"expire_tokens": True})
    await desk.connector.check()


async def test_one_customer_is_one_requester(desk: Desk) -> None:
    first = await desk.connector.find_or_create_requester(ANA)
    again = await desk.connector.find_or_create_requester(ANA)
    other = await desk.connector.find_or_create_requester(RequesterDraft(bsuid=None, wa_id="4917012345678", name=None))
    assert first == again
    assert other.id != first.id
    assert desk.warnings == []


async def test_user_with_the_number_is_adopted_and_two_are_not(desk: Desk) -> None:
    before = await desk.agent("POST", "/users", {"name": "Ana Souza", "phone": "+5511912345678"})
    found = await desk.connector.find_or_create_requester(ANA)
    assert (found.id, found.adopted) == (str(before["id"]), True)
    await desk.agent("POST", "/users", {"name": "Ana's office", "phone": "+5511912345678"})
    second = await desk.connector.find_or_create_requester(ANA)
    assert (second.adopted, second.candidates) == (False, 2)
    assert await desk.connector.find_or_create_requester(ANA) != found


async def test_ticket_opens_once_however_its_answer_is_lost(desk: Desk) -> None:
    requester = await desk.connector.find_or_create_requester(ANA)
    draft = TicketDraft("WhatsApp: Ana", requester.id, comment(author=requester.id), conversation_key="c1")
    prepared = desk.connector.prepare_ticket(draft, key=EffectKey("k1"))
    desk.account.faults.update({"drop_answer": 1})
    with pytest.raises(OutcomeUnknown):
        await desk.connector.open_ticket(prepared, key=EffectKey("k1"), repeat=False)
    found = await desk.connector.open_ticket(prepared, key=EffectKey("k1"), repeat=True)
    same = await desk.connector.open_ticket(prepared, key=EffectKey("k1"), repeat=False)
    assert found.ticket_id == same.ticket_id
    assert found.comment_id == same.comment_id is not None
    assert len(await desk.connector.comments_since(found.ticket_id, desk.long_ago())) == 1
    assert desk.warnings == []


@pytest.mark.parametrize("visible", [True, False])
async def test_comment_is_added_once_however_its_answer_is_lost(desk: Desk, visible: bool) -> None:
    desk.account.faults.update({"comment_metadata_visible": visible})
    requester, ticket_id = await desk.open()
    desk.account.faults.update({"drop_answer": 1})
    with pytest.raises(OutcomeUnknown):
        await desk.add(ticket_id, comment(author=requester), key="k2")
    again = await desk.add(ticket_id, comment(author=requester), key="k2", repeat=True)
    read = await desk.connector.comments_since(ticket_id, desk.long_ago())
    assert [c.id for c in read][1:] == [again.comment_id]


async def test_comment_that_never_arrived_is_written_by_the_repeat(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    written = await desk.add(ticket_id, comment(author=requester), key="k2", repeat=True)
    read = await desk.connector.comments_since(ticket_id, desk.long_ago())
    assert [c.id for c in read][1:] == [written.comment_id]
    assert desk.warnings == []


@pytest.mark.parametrize("status", ["pending", "hold", "solved"])
@pytest.mark.parametrize("by_itself", [True, False])
async def test_customer_wakes_the_ticket(desk: Desk, status: str, by_itself: bool) -> None:
    desk.account.faults.update({"auto_reopen_by_author": by_itself})
    requester, ticket_id = await desk.open()
    await desk.agent("POST", f"/tickets/{ticket_id}", {"status": status})
    assert (await desk.add(ticket_id, comment(author=requester), key="k2")).status is not TicketStatus.NEW
    written = await desk.add(ticket_id, comment(author=requester, reopen=True), key="k3")
    assert written.status is TicketStatus.OPEN


async def test_closed_ticket_is_followed_and_deleted_is_gone(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    await desk.agent("POST", f"/tickets/{ticket_id}/close")
    with pytest.raises(TicketUnwritable) as closed:
        await desk.add(ticket_id, comment(author=requester), key="k2")
    assert closed.value.reason == "closed"
    _, next_id = await desk.open(key="k3", follows=ticket_id)
    assert next_id != ticket_id
    await desk.agent("DELETE", f"/tickets/{next_id}")
    with pytest.raises(TicketUnwritable) as gone:
        await desk.add(next_id, comment(author=requester), key="k4")
    assert gone.value.reason == "gone"


@pytest.mark.parametrize("has_rel", [True, False])
async def test_merged_ticket_names_its_successor(desk: Desk, has_rel: bool) -> None:
    desk.account.faults.update({"merge_source_has_rel": has_rel})
    requester, ticket_id = await desk.open()
    _, target_id = await desk.open(key="k2")
    await desk.agent("POST", f"/tickets/{ticket_id}/merge", {"into": int(target_id)})
    with pytest.raises(TicketUnwritable) as merged:
        await desk.add(ticket_id, comment(author=requester), key="k3")
    assert merged.value.successor is not None
    assert (merged.value.reason, merged.value.successor.ticket_id) == ("merged", target_id)
    read = await desk.connector.comments_since(target_id, desk.long_ago())
    assert {c.author for c in read} == {AuthorKind.CUSTOMER, AuthorKind.SYSTEM}


async def test_authors_and_keys_are_told_apart(desk: Desk) -> None:
    _, ticket_id = await desk.open()
    note = await desk.add(ticket_id, comment(author=None, public=False, html="{{ticket.id}} {{{x"), key="k2")
    agents = [agent for agent in await desk.agent("GET", "/agents") if not agent["is_api_user"]]
    for agent in agents:
        submitted = {"agent": agent["id"], "html": "<p>Olá</p>", "public": agent["kind"] != "light agent"}
        await desk.agent("POST", f"/tickets/{ticket_id}/comments", submitted)
    read = await desk.connector.comments_since(ticket_id, desk.long_ago())
    assert [c.key for c in read[:2]] == ["k1", "k2"]
    assert read[0].author is AuthorKind.CUSTOMER
    assert (read[1].id, read[1].public) == (note.comment_id, False)
    assert "{" in read[1].html
    assert ticket_id not in read[1].html
    kinds = {agent["kind"]: c.author for agent, c in zip(agents, read[2:], strict=True)}
    assert kinds == {"admin": AuthorKind.STAFF, "agent": AuthorKind.STAFF, "light agent": AuthorKind.SYSTEM}


async def test_feed_tells_every_comment_once_or_more(desk: Desk) -> None:
    desk.clock.set(-3600)
    _, ticket_id = await desk.open()
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"html": "<p>/wa status</p>", "public": False})
    start = desk.clock.now()
    desk.clock.set(0)
    cursor, seen = None, []
    while True:
        read = await desk.connector.changes_since(cursor, start=start - timedelta(minutes=5))
        seen += list(read.changes)
        cursor = read.cursor
        if read.end:
            break
    ids = [c.id for c in await desk.connector.comments_since(ticket_id, desk.long_ago())]
    assert [change.comment_id for change in seen] == ids
    assert [change.key for change in seen] == ["k1", None]
    again = await desk.connector.changes_since(cursor, start=start)
    assert {change.comment_id for change in again.changes} <= set(ids)


async def test_every_refusal_is_a_failure_of_ours(desk: Desk) -> None:
    _, ticket_id = await desk.open()
    for fault in ({"down": True}, {"down": False, "rate_limited": 1}, {"server_error_next": 1}, {"conflict_next": 1}):
        desk.account.faults.update(fault)
        with pytest.raises(RemoteFailure):
            await desk.add(ticket_id, comment(author=None, public=False), key="k2")


async def test_set_up_is_made_once_and_found_whole(desk: Desk) -> None:
    before = await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=[])
    assert {f.check for f in before if f.level is FindingLevel.RED} == {"webhook", "trigger", "fields"}
    assert all(f.fixable and f.mend for f in before if f.level is FindingLevel.RED)
    secrets = await desk.connector.install(webhook_url=HOOK)
    assert await desk.connector.install(webhook_url=HOOK) == secrets
    after = await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=[secrets["webhook_secret"]])
    assert [f.check for f in after if f.level is FindingLevel.RED] == []
    stranger = await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=["other"])
    assert [f.check for f in stranger if f.level is FindingLevel.RED] == ["webhook"]
    assert len(await desk.agent("GET", "/webhooks")) == 1
    assert desk.warnings == []


async def test_marks_ride_on_comments_as_tags(desk: Desk) -> None:
    await desk.connector.install(webhook_url=HOOK)
    ids: dict[str, int] = {}
    desk.connector = desk.connect(ids)
    ids |= await desk.connector.fetch_field_ids()
    assert ids.keys() == {"window", "undelivered", "window_until"}
    requester, ticket_id = await desk.open()
    await desk.add(ticket_id, comment(author=requester, window=WindowMark.OPEN, undelivered=True), key="k2")
    assert {"whatsapp", "wa_window_open", "wa_undelivered"} <= set(
        (await desk.agent("GET", f"/tickets/{ticket_id}"))["tags"]
    )
    await desk.add(ticket_id, comment(author=requester, window=WindowMark.CLOSED, undelivered=False), key="k3")
    tags = set((await desk.agent("GET", f"/tickets/{ticket_id}"))["tags"])
    assert "wa_window_closed" in tags
    assert not tags & {"wa_window_open", "wa_undelivered"}
    until = datetime(2026, 11, 22, 9, 14, 30, tzinfo=UTC)
    comments = len(await desk.connector.comments_since(ticket_id, until.replace(year=2020)))
    await desk.connector.set_marks(ticket_id, Marks(WindowMark.CLOSING, True, until))
    after = await desk.agent("GET", f"/tickets/{ticket_id}")
    assert {"wa_window_closing", "wa_undelivered"} <= set(after["tags"])
    assert "2026-11-22 09:14 UTC" in {field["value"] for field in after["custom_fields"]}
    assert len(await desk.connector.comments_since(ticket_id, until.replace(year=2020))) == comments
    assert desk.warnings == []


@pytest.mark.parametrize("public", [True, False])
async def test_agent_rings_for_the_ticket_and_we_do_not(desk: Desk, public: bool) -> None:
    secret = (await desk.connector.install(webhook_url=HOOK))["webhook_secret"]
    _, ticket_id = await desk.open()
    await desk.add(ticket_id, comment(author=None, public=False), key="k2")
    await desk.agent("POST", f"/tickets/{ticket_id}", {"status": "pending"})
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"html": "<p>Olá</p>", "public": public})
    async with asyncio.timeout(10):
        rung = await desk.rings.get()
    body = verify(await rung.aread(), rung.headers, secrets=["older", secret], now=desk.clock.now())
    ring = parse_ring(body)
    assert ring is not None
    assert (ring.ticket_id, ring.comment_id) == (ticket_id, None)
    assert desk.rings.empty()


async def test_mail_that_tells_the_customer_twice_is_named(desk: Desk) -> None:
    findings = {f.check: f for f in await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=[])}
    assert findings["credentials"].level is FindingLevel.OK
    assert findings["e-mail triggers"].level is FindingLevel.WARNING
    assert "Notify requester and CCs of comment update" in findings["e-mail triggers"].message
    for trigger in await desk.agent("GET", "/triggers"):
        conditions = trigger["conditions"]
        conditions["all"].append({"field": "current_tags", "operator": "not_includes", "value": "vip whatsapp"})
        await desk.admin("PUT", f"/triggers/{trigger['id']}", {"trigger": {"conditions": conditions}})
    findings = {f.check: f for f in await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=[])}
    assert findings["e-mail triggers"].level is FindingLevel.OK


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("/webhooks/{webhook}", {"webhook": {"status": "inactive"}}, "webhook"),
    ("/triggers/{trigger}", {"trigger": {"active": False}}, "trigger"),
    (
        "/triggers/{trigger}",
        {"trigger": {"conditions": {"all": [{"field": "comment_is_public", "operator": "is", "value": "true"}]}}},
        "trigger",
    ),
    (
        "/triggers/{trigger}",
        {"trigger": {"actions": [{"field": "notification_webhook", "value": ["{webhook}", '{"id": 1}']}]}},
        "trigger",
    ),
    (
        "/ticket_fields/{window}",
        {"ticket_field": {"custom_field_options": [{"name": "Open", "value": "wa_window_open"}]}},
        "fields",
    ),
    ("/ticket_forms/{form}", {"ticket_form": {"ticket_field_ids": []}}, "fields"),
]


@pytest.mark.parametrize(("path", "change", "check"), BROKEN)
async def test_what_an_admin_broke_is_found_and_mended(
    desk: Desk, path: str, change: dict[str, Any], check: str
) -> None:
    secret = (await desk.connector.install(webhook_url=HOOK))["webhook_secret"]
    webhook_id = (await desk.agent("GET", "/webhooks"))[0]["id"]
    ids = {
        "webhook": webhook_id,
        "trigger": (await desk.agent("GET", "/triggers"))[-1]["id"],
        "window": (await desk.connector.fetch_field_ids())["window"],
        "form": (await desk.admin("GET", "/ticket_forms"))["ticket_forms"][0]["id"],
    }
    method = "PATCH" if check == "webhook" else "PUT"
    content = json.loads(json.dumps(change).replace("{webhook}", webhook_id))
    await desk.admin(method, path.format(**ids), content)
    broken = await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=[secret])
    assert [(f.check, f.fixable) for f in broken if f.level is FindingLevel.RED] == [(check, True)]
    made = len(await desk.agent("GET", "/triggers"))
    assert await desk.connector.install(webhook_url=HOOK) == {"webhook_secret": secret}
    mended = await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=[secret])
    assert [f.check for f in mended if f.level is FindingLevel.RED] == []
    assert len(await desk.agent("GET", "/triggers")) == made
    assert desk.warnings == []


@pytest.mark.parametrize("is_private", [False, True])
async def test_agents_file_is_given_out_also_where_attachments_are_private(desk: Desk, is_private: bool) -> None:
    desk.account.faults.update({"private_attachments": is_private})
    ref = await attached(desk)
    async with desk.connector.open_file(ref) as pieces:
        assert b"".join([piece async for piece in pieces]) == b"%PDF-1.7 offer"


async def test_file_with_malware_is_not_given_out_whenever_that_is_found(desk: Desk) -> None:
    desk.account.faults.update({"scan_result": "malware_found"})
    infected = await attached(desk)
    desk.account.faults.update({"scan_result": "not_scanned"})
    unscanned = await attached(desk, key="k2")
    with pytest.raises(Permanent) as raised:
        async with desk.connector.open_file(infected):
            pass
    assert raised.value.code == "malware_found"
    async with desk.connector.open_file(unscanned) as pieces:
        kept = [await anext(pieces)]
        desk.account._account.store.attachments[int(unscanned.file_id)]["malware_scan_result"] = "malware_found"
        with pytest.raises(Permanent):
            kept += [piece async for piece in pieces]


async def test_file_that_is_gone_is_gone_for_good(desk: Desk) -> None:
    with pytest.raises(Permanent):
        async with desk.connector.open_file(replace(await attached(desk), file_id="999999")):
            pass


async def attached(desk: Desk, *, key: str = "k1") -> FileRef:
    """A file on an agent's comment, as the connector reads it."""
    _, ticket_id = await desk.open(key=key)
    file = {"filename": "offer.pdf", "content_type": "application/pdf", "data": b64encode(b"%PDF-1.7 offer").decode()}
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"text": "Here", "attachments": [file]})
    *_, read = await desk.connector.comments_since(ticket_id, datetime(2000, 1, 1, tzinfo=UTC))
    [found] = read.files
    assert (found.name, found.mime_type, found.size_bytes) == ("offer.pdf", "application/pdf", 14)
    return FileRef(ticket_id, read.id, read.created_at, found.id)
