"""How does Zendesk call a webhook: signed, retried by rules, broken off when too much fails? Fact sheet 5.1-5.3."""

import base64
import hashlib
import hmac
import secrets
from collections import deque
from collections.abc import Awaitable, Callable

import httpx
from httpx_aiohttp import AiohttpTransport

from sandbox.rings import RingSender
from sandbox.zendesk.account import Account
from sandbox.zendesk.store import ACCOUNT_ID
from sandbox.zendesk.wire import Record, iso

CONDITIONAL = "conditional_ticket_events"
EVENT_PREFIX = "zen:event-type:"
TEST_SECRET = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="  # noqa: S105  # Zendesk publishes it
TIMEOUT_SECONDS = 10.0
CONFLICT_RETRIES, TIMEOUT_RETRIES, BUSY_RETRIES = 3, 5, 5
LONGEST_RETRY_AFTER_SECONDS = 60
RETRY_SECONDS = 1.0
BREAKER_WINDOW_SECONDS, BREAKER_LEAST_CALLS, BREAKER_SHARE, BREAKER_ERRORS = 300.0, 100, 0.7, 1_000


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """base64(HMAC-SHA256(secret, timestamp + body)), the secret as its literal text."""
    return base64.b64encode(hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).digest()).decode()


class Sender(RingSender[Account]):
    """Makes the webhook calls of one account."""

    timeout_seconds = TIMEOUT_SECONDS

    def __init__(
        self,
        account: Account,
        *,
        sleep: Callable[[float], Awaitable[None]],
        transport: Callable[[], httpx.AsyncBaseTransport] = AiohttpTransport,
    ) -> None:
        super().__init__("zendesk", account, sleep=sleep, transport=transport)
        self._outcomes: dict[str, deque[tuple[float, bool]]] = {}
        self._broken_until: dict[str, float] = {}

    async def call_once(self, webhook: Record, body: bytes, *, secret: str, invocation_id: str) -> httpx.Response:
        """One signed call, no retry. Raises httpx.TransportError."""
        return await self._call(webhook, body, secret, invocation_id, iso(self._account.clock.now()))

    async def _deliver(self, target: Record, body: bytes, invocation: Record, cause: str) -> None:
        if (delay := self._account.faults.number("delay_rings_seconds")) > 0:
            await self._sleep(delay)
        if self._broken_until.get(target["id"], 0.0) > self._account.real_seconds():
            invocation["status"] = "circuit broken"
            self._record(target, invocation, cause)
            return
        async with self._places:
            await self._attempts(target, body, invocation)
        self._watch(target["id"], failed=invocation["status"] != "success")
        self._record(target, invocation, cause)

    async def _attempts(self, webhook: Record, body: bytes, invocation: Record) -> None:
        secret = self._account.store.secrets[webhook["id"]]
        stamp = iso(self._account.clock.now())
        retries = {"conflict": CONFLICT_RETRIES, "timeout": TIMEOUT_RETRIES, "busy": BUSY_RETRIES}
        while True:
            if invocation["attempts"] and self._account.faults.is_on("restamp_retries"):
                stamp = iso(self._account.clock.now())
            wait_seconds = RETRY_SECONDS
            status: int | None = None
            try:
                response = await self._call(webhook, body, secret, invocation["id"], stamp)
                status = response.status_code
                kind, wait_seconds = _kind_of(response)
            except httpx.TimeoutException as error:
                kind = "timeout" if not isinstance(error.__cause__, ConnectionError) else "failed"
            except httpx.TransportError:
                kind = "failed"
            invocation["attempts"].append({"at": self._account.now_iso(), "status_code": status, "outcome": kind})
            invocation["status_code"] = status
            if retries.get(kind, 0) == 0:
                invocation["status"] = "success" if kind == "success" else "timeout" if kind == "timeout" else "failed"
                return
            retries[kind] -= 1
            await self._sleep(wait_seconds)

    async def _call(self, webhook: Record, body: bytes, secret: str, invocation_id: str, stamp: str) -> httpx.Response:
        assert self._client is not None, "start() comes first"
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Zendesk Webhook",
            "X-Zendesk-Account-Id": str(ACCOUNT_ID),
            "X-Zendesk-Webhook-Id": webhook["id"],
            "X-Zendesk-Webhook-Invocation-Id": invocation_id,
            "X-Zendesk-Webhook-Signature": signature(secret, stamp, body),
            "X-Zendesk-Webhook-Signature-Timestamp": stamp,
            **webhook.get("custom_headers", {}),
            **_authentication(webhook.get("authentication")),
        }
        follow = self._account.faults.is_on("follow_redirects")
        return await self._client.request(
            webhook["http_method"], webhook["endpoint"], content=body, headers=headers, follow_redirects=follow
        )

    def _watch(self, webhook_id: str, *, failed: bool) -> None:
        """The circuit breaker: with most of the last five minutes failed, pause; what rings meanwhile is lost."""
        pause = self._account.faults.number("circuit_breaker_seconds")
        now = self._account.real_seconds()
        outcomes = self._outcomes.setdefault(webhook_id, deque(maxlen=2 * BREAKER_ERRORS))
        outcomes.append((now, failed))
        while outcomes[0][0] < now - BREAKER_WINDOW_SECONDS:
            outcomes.popleft()
        if not failed or pause <= 0 or len(outcomes) < BREAKER_LEAST_CALLS:
            return
        errors = sum(1 for _, wrong in outcomes if wrong)
        if errors / len(outcomes) >= BREAKER_SHARE or errors > BREAKER_ERRORS:
            self._broken_until[webhook_id] = now + pause
            outcomes.clear()


def new_secret() -> str:
    """A signing secret as Zendesk makes them."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _kind_of(response: httpx.Response) -> tuple[str, float]:
    """(what an answer means, seconds until the retry)."""
    if response.is_success:
        return "success", 0.0
    if response.status_code == 409:
        return "conflict", RETRY_SECONDS
    after = response.headers.get("retry-after", "")
    if response.status_code in {429, 503} and after.isdigit() and int(after) < LONGEST_RETRY_AFTER_SECONDS:
        return "busy", float(after)
    return "failed", 0.0


def _authentication(given: Record | None) -> dict[str, str]:
    if not given:
        return {}
    data = given.get("data") or {}
    match given.get("type"):
        case "basic_auth":
            both = f"{data.get('username', '')}:{data.get('password', '')}"
            return {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}
        case "bearer_token":
            return {"Authorization": f"Bearer {data.get('token', '')}"}
        case "api_key":
            return {str(data.get("name")): str(data.get("value"))}
        case _:
            return {}
