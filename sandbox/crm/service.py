"""How is the simulated CRM put together?"""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import orjson
from httpx_aiohttp import AiohttpTransport
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.clock import SandboxClock
from sandbox.crm.account import Account
from sandbox.crm.control import Control
from sandbox.crm.faults import SWITCHES
from sandbox.crm.gate import Gate
from sandbox.crm.sender import Sender
from sandbox.crm.store import Record, Store
from sandbox.faults import Faults
from sandbox.freshdesk.calls import CallLog
from sandbox.journal import Journal

SETUP_KEYS = frozenset({"secret", "token", "api_url"})


class Crm:
    """One CRM: the address that takes events, and the control routes that play its agents.

    `base_url` is the sandbox's own address; events go to `base_url`/http/events. The other arguments are for tests:
    `real_seconds` is what signatures and delays count by, `sleep` waits such seconds, `transport` is where calls go.
    """

    def __init__(
        self,
        *,
        clock: SandboxClock,
        journal: Journal,
        notify: Callable[[str], None],
        base_url: str,
        real_seconds: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: Callable[[], httpx.AsyncBaseTransport] = AiohttpTransport,
    ) -> None:
        self.faults = Faults("http.", SWITCHES)
        self._account = Account(
            clock=clock,
            journal=journal,
            notify=notify,
            url=f"{base_url.rstrip('/')}/http",
            real_seconds=real_seconds or (lambda: clock.timestamp() - clock.offset_seconds),
            faults=self.faults,
            store=Store(),
        )
        self._log = CallLog()
        self._sender = Sender(self._account, sleep=sleep, transport=transport)
        self._account.tell = self._tell
        self._gate = Gate(self._account, log=self._log, sleep=sleep)
        self._control = Control(self._account, log=self._log)
        self._account.furnish()

    def routes(self) -> list[Route]:
        """To be mounted under `/http`."""
        return [
            Route("/events", self._gate.take, methods=["POST"]),
            Route("/files/{id:int}", self._download, methods=["GET"]),
        ]

    def control_routes(self) -> list[Route]:
        """The agents' hands, to be mounted under `/sandbox/api/http`."""
        return self._control.routes()

    def setup(self, wish: Record) -> None:
        """Set the secret that events are signed with, and where and with which token agents' doings are told
        (`api_url`, `token`). Raises ValueError for nonsense."""
        if unknown := sorted(set(wish) - SETUP_KEYS):
            raise ValueError(f"http has no setting {unknown[0]}")
        if any(value is not None and not isinstance(value, str) for value in wish.values()):
            raise ValueError("every setting of http is a text")
        self._account.store.setup.update({name: value for name, value in wish.items() if value is not None})

    def summary(self) -> Record:
        """What there is, in numbers, and what was set up (no secrets); `is_open` with a secret."""
        store = self._account.store
        return {
            "is_open": bool(store.setup.get("secret")),
            "api_url": store.setup.get("api_url"),
            "tickets": len(store.tickets),
            "customers": sum(one["role"] == "end-user" for one in store.people.values()),
        }

    def reset(self) -> None:
        """Drop tickets, customers, calls, limits and faults; keep the set-up."""
        self._account.store.forget_work()
        self._gate.forget()
        self._log.clear()
        self.faults.reset()

    def dump(self) -> dict[str, Any]:
        """All state, JSON-able."""
        return {"store": self._account.store.dump(), "faults": self.faults.dump()}

    def load(self, state: dict[str, Any]) -> None:
        """Become what `dump` told."""
        self._account.store.load(state["store"])
        self.faults.load(state["faults"])

    async def start(self) -> None:
        """Be ready to tell."""
        await self._sender.start()

    async def stop(self) -> None:
        """Break off what is being told."""
        await self._sender.stop()

    async def drain(self) -> None:
        """Wait until everything was told."""
        await self._sender.drain()

    def _tell(self, ticket: Record, told: Record) -> None:
        """Only what is about a ticket that the bridge opened, or that one of its tickets went into."""
        setup = self._account.store.setup
        merged_into = {one["_merged_into"] for one in self._account.store.tickets.values()}
        if not setup.get("api_url") or (ticket["_known_as"] is None and ticket["id"] not in merged_into):
            return
        target = {"id": 1, "url": setup["api_url"], "token": setup.get("token", ""), "ticket_id": ticket["id"]}
        self._sender.ring(target, orjson.dumps(told), cause=f"{told['type']} on ticket {ticket['id']}")

    async def _download(self, request: Request) -> Response:
        for ticket in self._account.store.tickets.values():
            for comment in ticket["comments"]:
                for one in comment["attachments"]:
                    if one["id"] == request.path_params["id"]:
                        return Response(base64.b64decode(one["data"]), 200, media_type=one["content_type"])
        return Response(status_code=404)
