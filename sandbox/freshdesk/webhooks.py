"""How does Freshdesk call a webhook: unsigned, out of the account's own quota, again after minutes? Fact sheet 6a."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
from httpx_aiohttp import AiohttpTransport
from ulid import ULID

from sandbox.freshdesk.account import Account
from sandbox.freshdesk.wire import Record

RETRY_SECONDS = (300.0, 1_800.0, 3_600.0)
POSTPONE_SECONDS, MOST_POSTPONEMENTS = 3_600.0, 24
OVERTAKEN_SECONDS = 1.0
MOST_AT_ONCE = 100


class Sender:
    """Makes the webhook calls. `sleep` waits real seconds; `transport` is where the calls go."""

    def __init__(
        self,
        account: Account,
        *,
        sleep: Callable[[float], Awaitable[None]],
        transport: Callable[[], httpx.AsyncBaseTransport] = AiohttpTransport,
    ) -> None:
        self._account = account
        self._sleep = sleep
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._count = 0

    async def start(self) -> None:
        """Open the client."""
        self._client = httpx.AsyncClient(transport=self._transport(), trust_env=False)

    async def stop(self) -> None:
        """Break off what is under way and close the client."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def drain(self) -> None:
        """Wait until every call that is under way has ended."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def ring(self, rule: Record, body: bytes, *, cause: str) -> None:
        """Call a rule's webhook soon; must be called inside the event loop. Lost, doubled or delayed by switches."""
        invocation: Record = {
            "id": str(ULID()),
            "webhook_id": rule["id"],
            "status": "queued",
            "status_code": None,
            "created_at": self._account.now_iso(),
            "payload": body.decode(),
            "attempts": [],
        }
        self._account.store.invocations.append(invocation)
        if self._account.faults.take("lose_rings"):
            invocation["status"] = "lost"
            self._record(rule, invocation, cause)
            return
        for _ in range(2 if self._account.faults.is_on("double_rings") else 1):
            self._count += 1
            task = asyncio.get_running_loop().create_task(self._deliver(rule, body, invocation, cause, self._count))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, rule: Record, body: bytes, invocation: Record, cause: str, number: int) -> None:
        faults = self._account.faults
        overtaken = faults.is_on("reorder_rings") and number % 2 == 1
        if (delay := faults.number("delay_rings_seconds") + (OVERTAKEN_SECONDS if overtaken else 0.0)) > 0:
            await self._sleep(delay)
        for wait_seconds in (*RETRY_SECONDS, None):
            if not await self._within_the_limit(invocation):
                break
            if await self._attempt(rule, body, invocation):
                invocation["status"] = "success"
                break
            invocation["status"] = "failed" if wait_seconds is None else "retrying"
            if wait_seconds is not None:
                await self._sleep(wait_seconds * faults.number("ring_retry_scale"))
        self._record(rule, invocation, cause)

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

    def _record(self, rule: Record, invocation: Record, cause: str) -> None:
        self._account.journal.record(
            source="freshdesk",
            target="deskbridge",
            summary=f"webhook: {invocation['status']}",
            detail={
                "webhook_id": rule["id"],
                "invocation_id": invocation["id"],
                "status_code": invocation["status_code"],
                "attempts": len(invocation["attempts"]),
            },
            cause=cause,
        )
