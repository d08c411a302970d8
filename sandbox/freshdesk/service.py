"""How is the simulated Freshdesk put together?"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from httpx_aiohttp import AiohttpTransport
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.clock import SandboxClock
from sandbox.faults import Faults
from sandbox.freshdesk import admin, contacts, conversations, fields, files, rules, tickets, views
from sandbox.freshdesk.account import Account
from sandbox.freshdesk.calls import CallLog
from sandbox.freshdesk.control import Control
from sandbox.freshdesk.faults import SWITCHES
from sandbox.freshdesk.gate import Gate
from sandbox.freshdesk.limits import PLANS, SMALLEST, Limits
from sandbox.freshdesk.rules import RuleRunner
from sandbox.freshdesk.search import Search
from sandbox.freshdesk.store import Store
from sandbox.freshdesk.webhooks import Sender
from sandbox.freshdesk.wire import Record
from sandbox.journal import Journal

SETUP_TEXTS = ("api_key", "plan", "webhook_url", "webhook_secret")
SETUP_KEYS = frozenset({*SETUP_TEXTS, "custom_fields"})


class Freshdesk:
    """One Freshdesk account: the vendor API, and the control routes that play its agents.

    `base_url` is the sandbox's own address; the account is at `base_url`/freshdesk. The other arguments are for tests:
    `real_seconds` is what limits and delays count by, `sleep` waits such seconds, `transport` is where webhooks go.
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
        self.faults = Faults("freshdesk.", SWITCHES)
        real = real_seconds or (lambda: clock.timestamp() - clock.offset_seconds)
        self._account = Account(
            clock=clock,
            journal=journal,
            notify=notify,
            url=f"{base_url.rstrip('/')}/freshdesk",
            real_seconds=real,
            faults=self.faults,
            limits=Limits(real_seconds=real, faults=self.faults),
            store=Store(),
        )
        self._account.store.storage_secret = secrets.token_hex(16)
        self._log = CallLog()
        self._sender = Sender(self._account, sleep=sleep, transport=transport)
        self._search = Search(self._account)
        RuleRunner(self._account, self._sender)
        endpoints = [
            *admin.ENDPOINTS,
            *contacts.ENDPOINTS,
            *conversations.ENDPOINTS,
            *fields.ENDPOINTS,
            *files.ENDPOINTS,
            *rules.ENDPOINTS,
            *tickets.ENDPOINTS,
            *views.ENDPOINTS,
            *self._search.endpoints(),
        ]
        self._gate = Gate(self._account, endpoints, log=self._log, sleep=sleep)
        self._control = Control(self._account, log=self._log)
        self._account.after_person.append(self._search.note_contact)
        admin.furnish(self._account)

    def routes(self) -> list[Route]:
        """The vendor API and its storage, to be mounted under `/freshdesk`."""
        every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return [
            Route("/api/v2/{path:path}", self._gate.api, methods=every),
            Route("/storage/{id:int}/{name:path}", self._download, methods=["GET"]),
            Route("/inline/attachment", self._download_inline, methods=["GET"]),
        ]

    def control_routes(self) -> list[Route]:
        """The agents' hands, to be mounted under `/sandbox/api/freshdesk`."""
        return self._control.routes()

    def setup(self, wish: Record) -> None:
        """Set the API key, the plan, custom fields, and the rule that rings the bridge (`webhook_url` with
        `webhook_secret`); the same again changes nothing. Raises ValueError for nonsense."""
        if unknown := sorted(set(wish) - SETUP_KEYS):
            raise ValueError(f"freshdesk has no setting {unknown[0]}")
        for name in SETUP_TEXTS:
            if wish.get(name) is not None and not isinstance(wish[name], str):
                raise ValueError(f"freshdesk.{name} is a text")
        if wish.get("plan") is not None and wish["plan"] not in PLANS:
            raise ValueError(f"freshdesk.plan is one of {', '.join(PLANS)}")
        wanted_fields = wish.get("custom_fields") or []
        if not isinstance(wanted_fields, list) or not all(isinstance(field, dict) for field in wanted_fields):
            raise ValueError("freshdesk.custom_fields is a list of objects")
        for field in wanted_fields:
            fields.make_field(self._account, field)
        kept = self._account.store.setup
        before = {name: kept.get(name) for name in SETUP_TEXTS}
        kept.update({name: wish[name] for name in SETUP_TEXTS if wish.get(name) is not None})
        if kept.get("plan", SMALLEST) != self._account.limits.plan_name:
            self._account.limits.plan_name = kept["plan"]
            self._account.limits.forget()
        changed = any(kept.get(name) != before[name] for name in ("webhook_url", "webhook_secret"))
        if changed and kept.get("webhook_url") and kept.get("webhook_secret"):
            rules.make_recipe_rule(
                self._account,
                url=kept["webhook_url"],
                secret=kept["webhook_secret"],
                own_agent_id=kept["api_agent_id"],
            )

    def summary(self) -> Record:
        """What there is, in numbers, and what was set up (no secrets); `is_open` with an API key."""
        store = self._account.store
        return {
            "is_open": bool(store.setup.get("api_key")),
            "plan": self._account.limits.plan_name,
            "api_agent_id": store.setup["api_agent_id"],
            "webhook_url": store.setup.get("webhook_url"),
            "tickets": len(store.tickets),
            "contacts": sum(1 for _ in store.contacts()),
            "rules": len(store.rules),
            "custom_fields": sorted(store.fields),
        }

    def reset(self) -> None:
        """Drop tickets, contacts, calls, limits and faults; keep the set-up, the custom fields and the rules."""
        self._account.store.forget_work()
        self._account.limits.forget()
        self._log.clear()
        self.faults.reset()
        admin.furnish(self._account)
        self._search.rebuild()

    def dump(self) -> dict[str, Any]:
        """All state, JSON-able."""
        return {"store": self._account.store.dump(), "faults": self.faults.dump()}

    def load(self, state: dict[str, Any]) -> None:
        """Become what `dump` told."""
        self._account.store.load(state["store"])
        self.faults.load(state["faults"])
        self._account.limits.plan_name = self._account.store.setup.get("plan", SMALLEST)
        self._search.rebuild()

    async def start(self) -> None:
        """Be ready to call webhooks."""
        await self._sender.start()

    async def stop(self) -> None:
        """Break off the webhook calls under way."""
        await self._sender.stop()

    async def drain(self) -> None:
        """Wait until every webhook call under way has ended."""
        await self._sender.drain()

    async def _download(self, request: Request) -> Response:
        return await files.download(self._account, request)

    async def _download_inline(self, request: Request) -> Response:
        return await files.download_inline(self._account, request)
