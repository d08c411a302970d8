"""A simulated Freshdesk account seen from both sides: through our connector, and as its agents see it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from connectors.freshdesk import conversations, people
from connectors.freshdesk.connector import Freshdesk
from connectors.freshdesk.settings import FreshdeskSettings
from connectors.interface import (
    CommentDraft,
    CommentWritten,
    EffectKey,
    RequesterDraft,
    RequesterId,
    TicketDraft,
    TicketId,
    WindowMark,
)
from sandbox.clock import SandboxClock
from sandbox.freshdesk import Freshdesk as Account
from sandbox.journal import Journal
from tests.connectors.budget import CountingBudget

SANDBOX = "http://127.0.0.1:9"
URL = f"{SANDBOX}/freshdesk"
SECRET = "a-word-of-our-own-0123456789"
HOOK = f"{SANDBOX}/webhooks/freshdesk"
SETUP = {"api_key": "k3y", "webhook_url": HOOK, "webhook_secret": SECRET, "plan": "unlimited"}
ENVIRONMENT = {"FRESHDESK_URL": URL, "FRESHDESK_API_KEY": "k3y", "FRESHDESK_WEBHOOK_SECRET": SECRET}
WA_ID = "5511912345678"
ANA = RequesterDraft(bsuid="BR.30991122334455667788", wa_id=WA_ID, name="Ana")


class Desk:
    """`sleep` of the simulator is instant, so what comes late comes when `asyncio` lets it."""

    def __init__(self, **setup: Any) -> None:
        conversations._LAST_PAGES.clear()
        people._STAFF.clear()
        self.clock = SandboxClock()
        self.rings: asyncio.Queue[httpx.Request] = asyncio.Queue()
        self.account = Account(
            clock=self.clock,
            journal=Journal(clock=self.clock),
            notify=lambda _: None,
            base_url=SANDBOX,
            transport=lambda: httpx.MockTransport(self.hear),
        )
        self.account.setup({**SETUP, **setup})
        self.account.faults.update({"index_delay_seconds": 0.0})
        routes = [
            Mount("/freshdesk", routes=self.account.routes()),
            Mount("/sandbox/api/freshdesk", routes=self.account.control_routes()),
        ]
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(Starlette(routes=routes), raise_app_exceptions=False), base_url=URL
        )
        self.budget = CountingBudget()
        self.warnings: list[str] = []
        self.connector = self.connect()

    def hear(self, request: httpx.Request) -> httpx.Response:
        self.rings.put_nowait(request)
        return httpx.Response(200)

    def connect(self, **environment: str) -> Freshdesk:
        settings = FreshdeskSettings.from_environment(ENVIRONMENT | environment)
        return Freshdesk(self.http, settings, budget=self.budget, on_warning=self.warnings.append)

    async def agent(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.http.request(method, f"{SANDBOX}/sandbox/api/freshdesk{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def calls(self, since: int = 0) -> list[str]:
        told = await self.agent("GET", f"/calls?since={since}")
        return [f"{call['endpoint'].split()[0]} {call['path']}" for call in told["calls"]]

    async def mark(self) -> int:
        return int((await self.agent("GET", f"/calls?since={10**9}"))["mark"])

    async def open(self, *, key: str = "k1", draft: RequesterDraft = ANA) -> tuple[RequesterId, TicketId]:
        requester = await self.connector.find_or_create_requester(draft)
        prepared = self.prepared(requester.id, key=key)
        opened = await self.connector.open_ticket(prepared, key=EffectKey(key), repeat=False)
        return requester.id, opened.ticket_id

    def prepared(self, requester: RequesterId, *, key: str) -> bytes:
        draft = TicketDraft("WhatsApp: Ana", requester, comment(author=requester), conversation_key="c1")
        return self.connector.prepare_ticket(draft, key=EffectKey(key))

    async def add(self, ticket_id: TicketId, draft: CommentDraft, *, key: str, repeat: bool = False) -> CommentWritten:
        prepared = self.connector.prepare_comment(draft, key=EffectKey(key))
        return await self.connector.add_comment(ticket_id, prepared, key=EffectKey(key), repeat=repeat)

    async def entries(self, ticket_id: TicketId) -> list[dict[str, Any]]:
        """Its conversations as the vendor's API lists them, first page."""
        answer = await self.http.get(
            f"/api/v2/tickets/{ticket_id}/conversations", params={"per_page": 100}, auth=("k3y", "X")
        )
        found: list[dict[str, Any]] = answer.raise_for_status().json()
        return found

    def long_ago(self) -> datetime:
        return datetime.fromtimestamp(0, UTC)


def comment(
    *,
    author: RequesterId | None,
    html: str = "<p>oi</p>",
    public: bool = True,
    reopen: bool = False,
    was_open: bool = False,
    window: WindowMark | None = None,
    undelivered: bool | None = None,
    marks_changed: bool = False,
) -> CommentDraft:
    return CommentDraft(
        html,
        "oi",
        public,
        author,
        reopen=reopen,
        was_open=was_open,
        window=window,
        undelivered=undelivered,
        marks_changed=marks_changed,
    )
