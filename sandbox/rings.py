"""How does a simulated helpdesk call webhooks: one after the other, each on record, lost and doubled as it is told?

How a call is signed, retried and given up is each helpdesk's own.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

import httpx
from httpx_aiohttp import AiohttpTransport
from ulid import ULID

from sandbox.faults import Faults
from sandbox.journal import Journal

MOST_AT_ONCE = 100
Record = dict[str, Any]


class KeepsInvocations(Protocol):
    @property
    def invocations(self) -> deque[Record]: ...


class RingingAccount(Protocol):
    """What a simulated helpdesk's account has for its webhooks."""

    @property
    def faults(self) -> Faults: ...

    @property
    def journal(self) -> Journal: ...

    @property
    def store(self) -> KeepsInvocations: ...

    def now_iso(self) -> str: ...


AccountT = TypeVar("AccountT", bound=RingingAccount)


class RingSender(ABC, Generic[AccountT]):
    """Makes the webhook calls. `sleep` waits real seconds; `transport` is where the calls go."""

    timeout_seconds = 5.0
    """Of a call that does not bring its own."""

    def __init__(
        self,
        helpdesk: str,
        account: AccountT,
        *,
        sleep: Callable[[float], Awaitable[None]],
        transport: Callable[[], httpx.AsyncBaseTransport] = AiohttpTransport,
    ) -> None:
        self._helpdesk = helpdesk
        self._account = account
        self._sleep = sleep
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    async def start(self) -> None:
        """Open the client."""
        self._client = httpx.AsyncClient(transport=self._transport(), timeout=self.timeout_seconds, trust_env=False)

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

    def ring(self, target: Record, body: bytes, *, cause: str) -> None:
        """Call a webhook soon; must be called inside the event loop. Lost, doubled or delayed as the switches say."""
        invocation: Record = {
            "id": str(ULID()),
            "webhook_id": target["id"],
            "status": "queued",
            "status_code": None,
            "created_at": self._account.now_iso(),
            "payload": body.decode(),
            "attempts": [],
        }
        self._account.store.invocations.append(invocation)
        if self._account.faults.take("lose_rings"):
            invocation["status"] = "lost"
            self._record(target, invocation, cause)
            return
        for _ in range(2 if self._account.faults.is_on("double_rings") else 1):
            task = asyncio.get_running_loop().create_task(self._deliver(target, body, invocation, cause))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @abstractmethod
    async def _deliver(self, target: Record, body: bytes, invocation: Record, cause: str) -> None:
        """Try until it is taken or given up, and `_record` what became of it."""

    def _record(self, target: Record, invocation: Record, cause: str) -> None:
        self._account.journal.record(
            source=self._helpdesk,
            target="deskbridge",
            summary=f"webhook: {invocation['status']}",
            detail={
                "webhook_id": target["id"],
                "invocation_id": invocation["id"],
                "status_code": invocation["status_code"],
                "attempts": len(invocation["attempts"]),
            },
            cause=cause,
        )
