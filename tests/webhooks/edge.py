"""An edge with an inbox in memory that can be held back or broken, and helpers that speak Meta's envelope."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from prometheus_client import CollectorRegistry, generate_latest
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.domain.inbox_item import InboxItem
from bridge.store.database import StoreUnavailable
from webhooks.app import CALLER, EdgeServices, Readiness, build_app
from webhooks.asgi import respond
from webhooks.group_commit import MAX_WAITING_ROWS, GroupCommit
from webhooks.metrics import EdgeMetrics
from webhooks.rings import Ring, UnreadableRing
from webhooks.signatures import InvalidSignature

APP_SECRET = "shh-app-secret"
OLD_APP_SECRET = "shh-old-app-secret"
VERIFY_TOKEN = "our-secret-string"
ADMIN_TOKEN = "admin-token-of-the-test"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WABA = "104857600000001"
NUMBER_ID = "990011223344556"


class MemoryInbox:
    """An `InboxStore` that keeps what is new by `event_key`, as the table does."""

    def __init__(self) -> None:
        self.rows: list[InboxItem] = []
        self._known: set[str] = set()
        self.batches: list[list[InboxItem]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.called = asyncio.Event()
        self.failure: Exception | None = None
        self.failures: list[Exception] = []

    async def insert(self, items: Sequence[InboxItem]) -> int:
        self.batches.append(list(items))
        self.called.set()
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        if self.failures:
            raise self.failures.pop(0)
        before = len(self.rows)
        for item in items:
            if item.event_key is None or item.event_key not in self._known:
                self.rows.append(item)
                self._known.add(item.event_key or "")
        return len(self.rows) - before


class SharedSecretReader:
    """A helpdesk that sends its secret in a header and the ticket as a plain JSON object."""

    name = "plaindesk"

    def read(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Ring:
        if headers.get("x-secret") != "ring-secret" or headers.get("x-sent-at", NOW.isoformat()) != now.isoformat():
            raise InvalidSignature
        try:
            payload = json.loads(body)
            return Ring(ticket_id=payload["ticket_id"], comment_id=payload.get("comment_id"))
        except (ValueError, KeyError, TypeError):
            raise UnreadableRing from None


class HeldBell:
    """Counts its rings, and can be held back or broken."""

    def __init__(self) -> None:
        self.rung_count = 0
        self.rung = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None

    async def ring(self) -> None:
        self.rung_count += 1
        self.rung.set()
        await self.open.wait()
        if self.failure is not None:
            raise self.failure

    async def heard(self) -> None:
        """Returns once it rang; fails where it never does."""
        async with asyncio.timeout(10):
            await self.rung.wait()

    async def stays_silent(self) -> bool:
        """Whether nothing has rung it once everything had its turn."""
        for _ in range(20):
            await asyncio.sleep(0)
        return self.rung_count == 0


@dataclass
class Edge:
    """The app, what it is wired to, and a client that calls it in process."""

    store: MemoryInbox
    app: ASGIApp
    client: httpx.AsyncClient
    registry: CollectorRegistry
    bell: HeldBell
    readiness: list[Readiness | Exception]
    token_failures: list[Exception] = field(default_factory=list)

    async def post(
        self, body: bytes, *, secret: str = APP_SECRET, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """POST to Meta's path, signed with `secret`."""
        return await self.client.post(
            "/webhooks/whatsapp", content=body, headers=headers or signed(body, secret=secret)
        )

    def counted(self, endpoint: str, outcome: str) -> float:
        labels = {"endpoint": endpoint, "outcome": outcome}
        return self.registry.get_sample_value("deskbridge_webhook_requests_total", labels) or 0.0


def make_edge(*, queue_rows: int = MAX_WAITING_ROWS) -> Edge:
    """A wired edge; the caller closes `client`."""
    registry = CollectorRegistry()
    inbox = MemoryInbox()
    bell = HeldBell()

    async def check_readiness() -> Readiness:
        answer = edge.readiness[-1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def identify(token: str) -> object | None:
        if edge.token_failures:
            raise edge.token_failures.pop()
        return "the admin" if token == ADMIN_TOKEN else None

    async def face(scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send, 200, f"{scope['path']} for {scope.get(CALLER)}".encode())

    async def render_metrics() -> bytes:
        return generate_latest(registry)

    app = build_app(
        EdgeServices(
            app_secrets=[APP_SECRET, OLD_APP_SECRET],
            verify_token=VERIFY_TOKEN,
            now=lambda: NOW,
            group_commit=GroupCommit(inbox, max_waiting_rows=queue_rows),
            ring=bell.ring,
            ring_readers={SharedSecretReader.name: SharedSecretReader()},
            check_readiness=check_readiness,
            identify=identify,
            render_metrics=render_metrics,
            metrics=EdgeMetrics(registry),
            face=face,
        )
    )
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge")
    edge = Edge(inbox, app, client, registry, bell, [Readiness()])
    return edge


def unreachable() -> StoreUnavailable:
    return StoreUnavailable("OperationalError")


def signed(body: bytes, *, secret: str = APP_SECRET) -> dict[str, str]:
    """Meta's signature header for a body."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def message(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "from": "351910000111",
        "from_user_id": "PT.30991122334455667788",
        "id": f"wamid.IN{number}",
        "timestamp": "1793527200",
        "type": "text",
        "text": {"body": "Olá, a encomenda não chegou 😀"},
    } | changes


def status(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"wamid.OUT{number}",
        "status": "delivered",
        "timestamp": "1793527260",
        "recipient_id": "351910000111",
        "recipient_user_id": "PT.30991122334455667788",
    } | changes


def contact(**changes: Any) -> dict[str, Any]:
    return {
        "profile": {"name": "Ines Duarte"},
        "wa_id": "351910000111",
        "user_id": "PT.30991122334455667788",
    } | changes


def messages_change(*, number_id: str = NUMBER_ID, **arrays: Any) -> dict[str, Any]:
    return {
        "field": "messages",
        "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "441632960123", "phone_number_id": number_id},
            **arrays,
        },
    }


def entry(*changes: Any, waba: str = WABA, **more: Any) -> dict[str, Any]:
    return {"id": waba, "changes": list(changes), **more}


def envelope(*entries: Any) -> bytes:
    """As Meta writes it: ASCII, with everything else escaped."""
    return json.dumps({"object": "whatsapp_business_account", "entry": list(entries)}).encode()
