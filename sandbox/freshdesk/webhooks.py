"""How does Freshdesk call a webhook: unsigned, out of the account's own quota, again after minutes? Fact sheet 6a."""

from collections.abc import Awaitable, Callable

import httpx
from httpx_aiohttp import AiohttpTransport

from sandbox.freshdesk.account import Account
from sandbox.freshdesk.wire import Record
from sandbox.rings import RingSender

RETRY_SECONDS = (300.0, 1_800.0, 3_600.0)
POSTPONE_SECONDS, MOST_POSTPONEMENTS = 3_600.0, 24
OVERTAKEN_SECONDS = 1.0


class Sender(RingSender[Account]):
    """Makes the webhook calls of one account's rules."""

    def __init__(
        self,
        account: Account,
        *,
        sleep: Callable[[float], Awaitable[None]],
        transport: Callable[[], httpx.AsyncBaseTransport] = AiohttpTransport,
    ) -> None:
        super().__init__("freshdesk", account, sleep=sleep, transport=transport)
        self._count = 0

    async def _deliver(self, target: Record, body: bytes, invocation: Record, cause: str) -> None:
        faults = self._account.faults
        self._count += 1
        overtaken = faults.is_on("reorder_rings") and self._count % 2 == 1
        if (delay := faults.number("delay_rings_seconds") + (OVERTAKEN_SECONDS if overtaken else 0.0)) > 0:
            await self._sleep(delay)
        for wait_seconds in (*RETRY_SECONDS, None):
            if not await self._within_the_limit(invocation):
                break
            if await self._attempt(target, body, invocation):
                invocation["status"] = "success"
                break
            invocation["status"] = "failed" if wait_seconds is None else "retrying"
            if wait_seconds is not None:
                await self._sleep(wait_seconds * faults.number("ring_retry_scale"))
        self._record(target, invocation, cause)

    async def _within_the_limit(self, invocation: Record) -> bool:
        """Wait, an hour at a time, until the account has a call left; False when it is dropped after a day."""
        for _ in range(MOST_POSTPONEMENTS):
            if not self._account.faults.is_on("rings_count") or self._account.limits.ring():
                return True
            invocation["status"] = "postponed"
            await self._sleep(POSTPONE_SECONDS * self._account.faults.number("ring_retry_scale"))
        invocation["status"] = "dropped"
        return False

    async def _attempt(self, rule: Record, body: bytes, invocation: Record) -> bool:
        assert self._client is not None, "start() comes first"
        webhook = rule["webhook"]
        headers = {"Content-Type": "application/json", "User-Agent": "Freshdesk", **webhook["custom_headers"]}
        auth = webhook["auth_header"]
        status: int | None = None
        async with self._places:
            try:
                response = await self._client.request(
                    webhook["request_type"],
                    webhook["url"],
                    content=body,
                    headers=headers,
                    auth=(auth["username"], auth["password"]) if auth else None,
                    timeout=self._account.faults.number("ring_timeout_seconds"),
                )
                status = response.status_code
            except httpx.TransportError:
                status = None
        invocation["attempts"].append({"at": self._account.now_iso(), "status_code": status})
        invocation["status_code"] = status
        return status is not None and 200 <= status < 300
