"""A simulated CRM seen from both sides: through our connector, and as its agents see it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from connectors.http.connector import HttpDesk, desk_of
from connectors.http.settings import HttpSettings
from connectors.interface import CommentDraft, CommentWritten, EffectKey, RequesterDraft, TicketDraft, TicketId
from sandbox.clock import SandboxClock
from sandbox.crm import Crm
from sandbox.journal import Journal
from tests.connectors.budget import CountingBudget

SANDBOX = "http://127.0.0.1:9"
URL = f"{SANDBOX}/http/events"
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OLD_SECRET = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
TOKEN = "a-token-of-our-own-0123456789"
HOOK = f"{SANDBOX}/webhooks/http"
ENVIRONMENT = {"HTTP_DESK_URL": URL, "HTTP_DESK_SECRET": SECRET, "HTTP_DESK_TOKEN": TOKEN, "HTTP_DESK_ASKS": "on"}
WA_ID = "5511912345678"
ANA = RequesterDraft(bsuid="BR.30991122334455667788", wa_id=WA_ID, name="Ana")


class Desk:
    """`sleep` of the simulator is instant, so what comes late comes when `asyncio` lets it."""

    def __init__(self) -> None:
        self.clock = SandboxClock()
        self.told: asyncio.Queue[httpx.Request] = asyncio.Queue()
        self.account = Crm(
            clock=self.clock,
            journal=Journal(clock=self.clock),
            notify=lambda _: None,
            base_url=SANDBOX,
            sleep=self._sleep,
            transport=lambda: httpx.MockTransport(lambda request: self.hear(request)),
        )
        self.account.setup({"secret": SECRET, "token": TOKEN, "api_url": HOOK})
        routes = [
            Mount("/http", routes=self.account.routes()),
            Mount("/sandbox/api/http", routes=self.account.control_routes()),
        ]
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(Starlette(routes=routes), raise_app_exceptions=False), base_url=URL
        )
        self.budget = CountingBudget()
        self.connector = self.connect()

    async def _sleep(self, _seconds: float) -> None:
        await asyncio.sleep(0)

    def hear(self, request: httpx.Request) -> httpx.Response:
        self.told.put_nowait(request)
        return httpx.Response(200)

    def connect(self, **environment: str) -> HttpDesk:
        return desk_of(self.http, HttpSettings.from_environment(ENVIRONMENT | environment), budget=self.budget)

    async def agent(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.http.request(method, f"{SANDBOX}/sandbox/api/http{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def calls(self) -> list[str]:
        return [call["endpoint"] for call in (await self.agent("GET", "/calls"))["calls"]]

    async def warnings(self) -> list[str]:
        return [call["warning"] for call in (await self.agent("GET", "/calls"))["warnings"]]

    async def open(self, *, key: str = "01K-1", repeat: bool = False) -> TicketId:
        requester = await self.connector.find_or_create_requester(ANA)
        comment = CommentDraft("<p>oi</p>", "oi", True, requester.id)
        draft = TicketDraft("WhatsApp: Ana", requester.id, comment, conversation_key="c1")
        prepared = self.connector.prepare_ticket(draft, key=EffectKey(key))
        return (await self.connector.open_ticket(prepared, key=EffectKey(key), repeat=repeat)).ticket_id

    async def add(self, ticket_id: TicketId, draft: CommentDraft, *, key: str, repeat: bool = False) -> CommentWritten:
        prepared = self.connector.prepare_comment(draft, key=EffectKey(key))
        return await self.connector.add_comment(ticket_id, prepared, key=EffectKey(key), repeat=repeat)

    def long_ago(self) -> datetime:
        return datetime.fromtimestamp(0, UTC)
