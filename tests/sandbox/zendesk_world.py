"""One simulated Zendesk in this process: its API, its agents, a receiver of its webhooks, a real time to be turned."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from sandbox.answers import sorry
from sandbox.clock import SandboxClock
from sandbox.journal import Journal
from sandbox.server import CUT
from sandbox.zendesk import Zendesk

RING_URL = "http://bridge.test/webhooks/zendesk"
CLIENT = {"oauth_client_id": "wa_bridge", "oauth_client_secret": "s3cret"}
GRANT = {"grant_type": "client_credentials", "client_id": "wa_bridge", "client_secret": "s3cret"}


@dataclass
class World:
    """Everything a test holds. `real_seconds` moves only by hand or when the sandbox sleeps."""

    real_seconds: float
    clock: SandboxClock = field(default_factory=SandboxClock)
    topics: list[str] = field(default_factory=list)
    rings: list[httpx.Request] = field(default_factory=list)
    ring_answer: Callable[[httpx.Request], httpx.Response] = lambda _request: httpx.Response(200)
    slept: list[float] = field(default_factory=list)
    asleep: asyncio.Event = field(default_factory=asyncio.Event)
    wake: asyncio.Event | None = None
    zendesk: Zendesk = field(init=False)
    http: httpx.AsyncClient = field(init=False)

    def build(self) -> None:
        self.journal = Journal(clock=self.clock)
        self.zendesk = Zendesk(
            clock=self.clock,
            journal=self.journal,
            notify=self.topics.append,
            base_url="http://sandbox.test",
            real_seconds=lambda: self.real_seconds,
            sleep=self._sleep,
            transport=lambda: httpx.MockTransport(self._ring),
        )
        inner = Starlette(
            routes=[
                Mount("/zendesk", routes=self.zendesk.routes()),
                Mount("/sandbox/api/zendesk", routes=self.zendesk.control_routes()),
            ],
            exception_handlers={HTTPException: sorry},
        )

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await inner({**scope, "extensions": {CUT: _cut}}, receive, send)

        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://sandbox.test", timeout=httpx.Timeout(None)
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.asleep.set()
        if self.wake is not None:
            await self.wake.wait()
        self.real_seconds += seconds

    def _ring(self, request: httpx.Request) -> httpx.Response:
        self.rings.append(request)
        return self.ring_answer(request)

    async def api(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return await self.http.request(method, f"/zendesk/api/v2/{path}", json=body, **more)

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET that must succeed."""
        answer = await self.api("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of a control call that must succeed."""
        answer = await self.http.request(method, f"/sandbox/api/zendesk/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def sign_in(self, **more: Any) -> httpx.Response:
        answer = await self.http.post("/zendesk/oauth/tokens", json={**GRANT, **more})
        if answer.status_code == 200:
            self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer

    async def user(self, name: str = "Ana Souza", **values: Any) -> dict[str, Any]:
        answer = await self.api("POST", "users", {"user": {"name": name, **values}})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()["user"]
        return made

    async def ticket(self, requester: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
        """A ticket as the bridge opens one: by, and for, the requester."""
        who = requester or await self.user()
        comment = {"body": "Oi", "public": True, "author_id": who["id"]}
        wanted = {"requester_id": who["id"], "submitter_id": who["id"], "subject": "WhatsApp: Ana", "comment": comment}
        answer = await self.api("POST", "tickets", {"ticket": {**wanted, **values}})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()["ticket"]
        return made

    async def update(self, ticket: dict[str, Any], **values: Any) -> httpx.Response:
        return await self.api("PUT", f"tickets/{ticket['id']}", {"ticket": values})

    async def comments(self, ticket: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get(f"tickets/{ticket['id']}/comments"))["comments"]
        return found

    async def warnings(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.control("GET", "calls"))["warnings"]
        return found

    def faults(self, **values: Any) -> None:
        self.zendesk.faults.update({f"zendesk.{name}": value for name, value in values.items()})

    def ring_bodies(self) -> list[Any]:
        return [json.loads(ring.content) for ring in self.rings]

    async def webhook(self, *subscriptions: str) -> dict[str, Any]:
        wanted = {
            "name": "WA bridge",
            "endpoint": RING_URL,
            "http_method": "POST",
            "request_format": "json",
            "status": "active",
            "subscriptions": list(subscriptions) or ["conditional_ticket_events"],
        }
        answer = await self.api("POST", "webhooks", {"webhook": wanted})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()["webhook"]
        return made

    async def trigger(self, *conditions: tuple[str, str, str], body: str = '{"ticket_id": "{{ticket.id}}"}') -> Any:
        """A webhook and the trigger that calls it, as the bridge's doctor makes them."""
        webhook = await self.webhook()
        category = await self.api("POST", "trigger_categories", {"trigger_category": {"name": "deskbridge"}})
        chosen = conditions or (
            ("comment_is_public", "is", "not_relevant"),
            ("current_via_id", "is_not", "5"),
        )
        wanted = {
            "title": "deskbridge",
            "category_id": category.json()["trigger_category"]["id"],
            "conditions": {"all": [{"field": name, "operator": how, "value": value} for name, how, value in chosen]},
            "actions": [{"field": "notification_webhook", "value": [webhook["id"], body]}],
        }
        answer = await self.api("POST", "triggers", {"trigger": wanted})
        assert answer.status_code == 201, answer.text
        return webhook


def _cut() -> None:
    raise ConnectionResetError("the sandbox cut the connection")


@asynccontextmanager
async def zendesk_world(*, plan: str = "team", signed_in: bool = True) -> AsyncIterator[World]:
    """A fresh account with the OAuth client set up."""
    world = World(real_seconds=1_800_000_000.0)
    world.build()
    world.zendesk.setup({**CLIENT, "plan": plan})
    await world.zendesk.start()
    if signed_in:
        assert (await world.sign_in()).status_code == 200
    try:
        yield world
    finally:
        await world.zendesk.stop()
        await world.http.aclose()
