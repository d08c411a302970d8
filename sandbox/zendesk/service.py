"""How is the simulated Zendesk put together?"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from httpx_aiohttp import AiohttpTransport
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.clock import SandboxClock
from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.zendesk import admin, attachments, incremental, oauth, people, ticket_reads, tickets, triggers, users
from sandbox.zendesk.account import Account
from sandbox.zendesk.calls import CallLog
from sandbox.zendesk.control import Control
from sandbox.zendesk.events import EventRunner
from sandbox.zendesk.faults import SWITCHES
from sandbox.zendesk.gate import Gate
from sandbox.zendesk.limits import PLANS, Limits
from sandbox.zendesk.search import SearchIndex
from sandbox.zendesk.store import Store
from sandbox.zendesk.triggers import TriggerRunner
from sandbox.zendesk.webhook_api import WebhookApi
from sandbox.zendesk.webhooks import Sender
from sandbox.zendesk.wire import Record

SETUP_KEYS = frozenset({"oauth_client_id", "oauth_client_secret", "signing_secret", "plan", "api_email", "api_token"})
STAFF = (
    ("api_user_id", {"name": "deskbridge", "email": "deskbridge@acme.example", "role": "admin"}),
    ("bia", {"name": "Bia", "email": "bia@acme.example", "role": "admin"}),
    ("otto", {"name": "Otto", "email": "otto@acme.example", "role": "agent"}),
    ("lena", {"name": "Lena", "email": "lena@acme.example", "role": "agent", "role_type": people.LIGHT_AGENT}),
)


class Zendesk:
    """One Zendesk Support account: the vendor API, and the control routes that play its agents.

    `base_url` is the sandbox's own address; the account is at `base_url`/zendesk. The other arguments are for tests:
    `real_seconds` is what limits, token life and delays count by, `sleep` waits such seconds, `transport` is where
    webhooks go.
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
        self.faults = Faults("zendesk.", SWITCHES)
        real = real_seconds or (lambda: clock.timestamp() - clock.offset_seconds)
        faults = self.faults
        self._account = Account(
            clock=clock,
            journal=journal,
            notify=notify,
            url=f"{base_url.rstrip('/')}/zendesk",
            real_seconds=real,
            faults=faults,
            limits=Limits(
                real_seconds=real,
                with_retry_after=lambda: faults.is_on("with_retry_after"),
                json_body=lambda: faults.is_on("rate_limited_json"),
            ),
            store=Store(),
            index=SearchIndex(real_seconds=real, delay_seconds=lambda: faults.number("index_delay_seconds")),
        )
        self._log = CallLog()
        self._sender = Sender(self._account, sleep=sleep, transport=transport)
        TriggerRunner(self._account, self._sender)
        EventRunner(self._account, self._sender)
        endpoints = [
            *tickets.ENDPOINTS,
            *ticket_reads.ENDPOINTS,
            *users.ENDPOINTS,
            *attachments.ENDPOINTS,
            *incremental.ENDPOINTS,
            *triggers.ENDPOINTS,
            *admin.ENDPOINTS,
            *WebhookApi(self._sender).endpoints(),
        ]
        self._gate = Gate(self._account, endpoints, log=self._log, sleep=sleep)
        self._control = Control(self._account, log=self._log)
        self.faults.on_change = self._switched
        self._furnish()

    def routes(self) -> list[Route]:
        """The vendor API, to be mounted under `/zendesk`."""
        every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return [
            Route("/api/v2/{path:path}", self._gate.api, methods=every),
            Route("/oauth/tokens", self._gate.tokens, methods=["POST"]),
            Route("/attachments/token/{token}/", self._download, methods=["GET"]),
        ]

    def control_routes(self) -> list[Route]:
        """The agents' hands, to be mounted under `/sandbox/api/zendesk`."""
        return self._control.routes()

    def setup(self, wish: Record) -> None:
        """Set credentials, plan and signing secret; the same again changes nothing. Raises ValueError for nonsense."""
        if unknown := sorted(set(wish) - SETUP_KEYS):
            raise ValueError(f"zendesk has no setting {unknown[0]}")
        for name, value in wish.items():
            if value is not None and not isinstance(value, str):
                raise ValueError(f"zendesk.{name} is a text")
        plan = wish.get("plan")
        if plan is not None and plan not in PLANS:
            raise ValueError(f"zendesk.plan is one of {', '.join(PLANS)}")
        kept = self._account.store.setup
        kept.update({name: value for name, value in wish.items() if value is not None})
        if plan is not None and plan != self._account.limits.plan_name:
            self._account.limits.plan_name = plan
            self._account.limits.forget()
        if wish.get("signing_secret"):
            secrets = self._account.store.secrets
            secrets.update(dict.fromkeys(secrets, str(wish["signing_secret"])))
        self._api_token_user()

    def summary(self) -> Record:
        """What there is, in numbers, and what was set up (no secrets)."""
        store = self._account.store
        return {
            "oauth_client_id": store.setup.get("oauth_client_id"),
            "plan": self._account.limits.plan_name,
            "api_user_id": store.setup["api_user_id"],
            "tickets": len(store.tickets),
            "users": len(store.users),
            "webhooks": len(store.webhooks),
            "triggers": len(store.triggers),
        }

    def reset(self) -> None:
        """Drop tickets, customers, calls, limits and faults; keep the set-up, and the webhooks, triggers, fields and
        tokens that were made."""
        self._account.store.forget_work()
        self._account.limits.forget()
        self._account.index.clear()
        self._log.clear()
        self.faults.reset()
        self._furnish()

    def dump(self) -> dict[str, Any]:
        """All state, JSON-able."""
        return {"store": self._account.store.dump(), "faults": self.faults.dump()}

    def load(self, state: dict[str, Any]) -> None:
        """Become what `dump` told."""
        self._account.store.load(state["store"])
        self.faults.load(state["faults"])
        self._account.limits.plan_name = self._account.store.setup.get("plan", "team")
        self._account.index.rebuild(list(self._account.store.users.values()))

    async def start(self) -> None:
        """Be ready to call webhooks."""
        await self._sender.start()

    async def stop(self) -> None:
        """Break off the webhook calls under way."""
        await self._sender.stop()

    async def drain(self) -> None:
        """Wait until every webhook call under way has ended."""
        await self._sender.drain()

    def _furnish(self) -> None:
        """The staff and the furniture of the account, where they are missing; staff keep their ids over a reset."""
        admin.furnish(self._account)
        for key, values in STAFF:
            known = self._account.store.setup.get(key)
            if known is None or known not in self._account.store.users:
                user = people.make_user(self._account, values, user_id=known)
                self._account.store.setup[key] = user["id"]
        self._api_token_user()
        self._account.index.rebuild(list(self._account.store.users.values()))

    def _api_token_user(self) -> None:
        """The old way in acts as the user with that e-mail: one of the staff, or an admin made for it."""
        email = self._account.setting("api_email")
        if email and self._account.store.user_with_email(email) is None:
            known = self._account.setting("api_token_user_id")
            values = {"name": "API token", "email": email, "role": "admin"}
            user = people.make_user(self._account, values, user_id=known)
            self._account.store.setup["api_token_user_id"] = user["id"]

    def _switched(self, name: str, value: Any) -> None:
        if name == "expire_tokens" and value:
            oauth.expire_all(self._account)
            self.faults.update({"zendesk.expire_tokens": False})

    async def _download(self, request: Request) -> Response:
        return await attachments.download(self._account, request)
