"""One simulated helpdesk in this process: its control API, a receiver of its webhooks, a real time to be turned."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

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
from sandbox.zendesk import Zendesk

Desk = TypeVar("Desk", Zendesk, Freshdesk)


class DeskWorld(Generic[Desk]):
    """What tests of both helpdesks hold. `real_seconds` moves only by hand or when the sandbox sleeps."""

    def __init__(self, name: str, simulator: type[Desk]) -> None:
        self.name = name
        self.real_seconds = 1_800_000_000.0
        self.clock = SandboxClock()
        self.topics: list[str] = []
        self.rings: list[httpx.Request] = []
        self.ring_answer: Callable[[httpx.Request], httpx.Response] = lambda _request: httpx.Response(200)
        self.slept: list[float] = []
        self.asleep = asyncio.Event()
        self.wake: asyncio.Event | None = None
        self.journal = Journal(clock=self.clock)
        self.desk = simulator(
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
                Mount(f"/{name}", routes=self.desk.routes()),
                Mount(f"/sandbox/api/{name}", routes=self.desk.control_routes()),
            ],
            exception_handlers={HTTPException: sorry},
        )

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await inner({**scope, "extensions": {CUT: _cut}}, receive, send)

        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://sandbox.test", timeout=httpx.Timeout(None)
        )

    async def __aenter__(self) -> Self:
        await self.desk.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.desk.stop()
        await self.http.aclose()

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
        """A call of the vendor's API."""
        content = {} if body is None else {"json": body}
        return await self.http.request(method, f"/{self.name}/api/v2/{path}", **content, **more)

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET that must succeed."""
        answer = await self.api("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of a control call that must succeed."""
        answer = await self.http.request(method, f"/sandbox/api/{self.name}/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def faults(self, **values: Any) -> None:
        self.desk.faults.update({f"{self.name}.{name}": value for name, value in values.items()})

    def ring_bodies(self) -> list[Any]:
        return [json.loads(ring.content) for ring in self.rings]


def _cut() -> None:
    raise ConnectionResetError("the sandbox cut the connection")
