"""One simulated Freshdesk in this process: its API, its agents, a receiver of its webhooks, a real time to turn."""

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
from sandbox.freshdesk import Freshdesk
from sandbox.journal import Journal
from sandbox.server import CUT

API_KEY = "fd-key-0123456789"
RING_URL = "http://bridge.test/webhooks/freshdesk"
SECRET = "ring-secret-0123456789"
Record = dict[str, Any]


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
    freshdesk: Freshdesk = field(init=False)
    http: httpx.AsyncClient = field(init=False)

    def build(self) -> None:
        self.journal = Journal(clock=self.clock)
        self.freshdesk = Freshdesk(
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
                Mount("/freshdesk", routes=self.freshdesk.routes()),
                Mount("/sandbox/api/freshdesk", routes=self.freshdesk.control_routes()),
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
        """A call with the API key."""
        content = {} if body is None else {"json": body}
        return await self.http.request(method, f"/freshdesk/api/v2/{path}", auth=(API_KEY, "X"), **content, **more)

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET that must succeed."""
        answer = await self.api("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def made(self, path: str, body: Any) -> Record:
        """The JSON of a POST that must create something."""
        answer = await self.api("POST", path, body)
        assert answer.status_code == 201, answer.text
        made: Record = answer.json()
        return made

    async def refusal(self, method: str, path: str, body: Any = None, **more: Any) -> list[tuple[str, str]]:
        """The (field, code) pairs of a call that must be refused with 400 or 409."""
        answer = await self.api(method, path, body, **more)
        assert answer.status_code in {400, 409}, answer.text
        assert answer.json()["description"] == "Validation failed"
        return [(error["field"], error["code"]) for error in answer.json()["errors"]]

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of a control call that must succeed."""
        answer = await self.http.request(method, f"/sandbox/api/freshdesk/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def contact(self, name: str = "Ana Lima", **values: Any) -> Record:
        reached = values or {"unique_external_id": "wa:351912345678", "mobile": "+351912345678"}
        return await self.made("contacts", {"name": name, **reached})

    async def ticket(self, requester: Record | None = None, **values: Any) -> Record:
        """A ticket as the bridge opens one."""
        who = requester or await self.contact()
        wanted = {"requester_id": who["id"], "subject": "WhatsApp: Ana", "description": "<div>Oi</div>", "source": 7}
        return await self.made("tickets", {**wanted, **values})

    async def note(self, ticket: Record, body: str = "<div>Oi</div>", **values: Any) -> Record:
        """A customer's message as the bridge writes it, unless `values` say otherwise."""
        usual = {"private": False, "incoming": True, "user_id": ticket["requester_id"]}
        return await self.made(f"tickets/{ticket['id']}/notes", {"body": body, **usual, **values})

    async def conversations(self, ticket: Record, **query: Any) -> list[Record]:
        found: list[Record] = await self.get(f"tickets/{ticket['id']}/conversations", **query)
        return found

    async def says(self, ticket: Record, text: str = "Olá", **wish: Any) -> Record:
        """An agent's (or, with a contact's id as `agent`, a customer's) comment; waits for its rings."""
        made: Record = await self.control("POST", f"tickets/{ticket['id']}/comments", {"text": text, **wish})
        await self.freshdesk.drain()
        comment: Record = made["comment"]
        return comment

    async def look(self, ticket: Record) -> Record:
        """The ticket as agents see it."""
        found: Record = await self.control("GET", f"tickets/{ticket['id']}")
        return found

    async def warnings(self) -> list[str]:
        return [call["warning"] for call in (await self.control("GET", "calls"))["warnings"]]

    async def agent_id(self, name: str = "Bia") -> int:
        return next(int(one["id"]) for one in await self.control("GET", "agents") if one["name"] == name)

    def faults(self, **values: Any) -> None:
        self.freshdesk.faults.update({f"freshdesk.{name}": value for name, value in values.items()})

    def ring_bodies(self) -> list[Any]:
        return [json.loads(ring.content) for ring in self.rings]

    def ring_me(self) -> None:
        """The rule that the bridge asks an admin for."""
        self.freshdesk.setup({"webhook_url": RING_URL, "webhook_secret": SECRET})


def _cut() -> None:
    raise ConnectionResetError("the sandbox cut the connection")


@asynccontextmanager
async def freshdesk_world(*, plan: str = "unlimited") -> AsyncIterator[World]:
    """A fresh account with the API key set up."""
    world = World(real_seconds=1_800_000_000.0)
    world.build()
    world.freshdesk.setup({"api_key": API_KEY, "plan": plan})
    await world.freshdesk.start()
    try:
        yield world
    finally:
        await world.freshdesk.stop()
        await world.http.aclose()
