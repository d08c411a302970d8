"""How does the CRM tell what its agents did: with the token, again after a while until it is taken?"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

import httpx
from httpx_aiohttp import AiohttpTransport

from sandbox.crm.account import Account
from sandbox.crm.store import Record
from sandbox.rings import RingSender

RETRY_SECONDS = (1.0, 5.0, 30.0, 120.0, 600.0)
GIVEN_UP = frozenset({400, 413})
"""It will never be taken as it is."""


class Sender(RingSender):
    """Makes the calls of the bridge's API."""

    def __init__(
        self,
        account: Account,
        *,
        sleep: Callable[[float], Awaitable[None]],
        transport: Callable[[], httpx.AsyncBaseTransport] = AiohttpTransport,
    ) -> None:
        super().__init__(
            "http",
            faults=account.faults,
            journal=account.journal,
            invocations=account.store.invocations,
            now_iso=account.now_iso,
            sleep=sleep,
            transport=transport,
        )
        self._account = account
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def _deliver(self, target: Record, body: bytes, invocation: Record, cause: str) -> None:
        """One after the other for each ticket: what was written there is told in its order."""
        async with self._turns[target["ticket_id"]]:
            await self._tell(target, body, invocation, cause)

    async def _tell(self, target: Record, body: bytes, invocation: Record, cause: str) -> None:
        faults = self._account.faults
        if (delay := faults.number("delay_rings_seconds")) > 0:
            await self._sleep(delay)
        for wait_seconds in (*RETRY_SECONDS, None):
            status = await self._attempt(target, body)
            invocation["attempts"].append({"at": self._account.now_iso(), "status_code": status})
            invocation["status_code"] = status
            if status is not None and 200 <= status < 300:
                invocation["status"] = "success"
                break
            is_over = wait_seconds is None or status in GIVEN_UP
            invocation["status"] = "failed" if is_over else "retrying"
            if is_over or wait_seconds is None:
                break
            await self._sleep(wait_seconds * faults.number("ring_retry_scale"))
        self._record(target, invocation, cause)

    async def _attempt(self, target: Record, body: bytes) -> int | None:
        assert self._client is not None, "start() comes first"
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {target['token']}"}
        async with self._places:
            try:
                response = await self._client.post(
                    target["url"],
                    content=body,
                    headers=headers,
                    timeout=self._account.faults.number("ring_timeout_seconds"),
                )
            except httpx.TransportError:
                return None
        return response.status_code
