"""How webhooks reach the product: signed, concurrent, repeated until answered 200 (fact sheet WhatsApp 1.2, 1.3)."""

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from sandbox.clock import SandboxClock
from sandbox.journal import Journal
from sandbox.whatsapp.faults import WhatsAppFaults
from sandbox.whatsapp.people import Account
from sandbox.whatsapp.subscriptions import Subscriptions

CONCURRENCY = 48
BATCH_UPDATES = 1000
LONGEST_WAIT_SECONDS = 60.0
GIVEN_UP_AFTER_SECONDS = 7 * 86400.0
REORDER_SECONDS = 0.4
KEEP_ALIVE_SECONDS = 3.0
"""Below the 5 s after which uvicorn closes an idle connection, so that a webhook does not run into the close."""


@dataclass(slots=True)
class Update:
    """One change to tell. `inbound` is the wamid that gets its tick once the webhook is answered."""

    account: Account
    field: str
    value: dict[str, Any]
    inbound: str = ""
    cause: str = ""
    at: int | None = None
    """The `time` of its entry, which account-level fields have."""


@dataclass(slots=True)
class Delivery:
    """One webhook on its way to one app. `first_at`: sandbox time, Unix seconds; `secret`: the app's at that time."""

    app_id: str
    waba_id: str
    phone_number_id: str
    body: str
    first_at: float
    secret: str
    inbound: list[str] = field(default_factory=list)
    updates: int = 1
    attempts: int = 0
    repeats: int = 0
    what: str = ""


@dataclass(slots=True)
class Counts:
    """What the sender did since it started."""

    posts: int = 0
    answered: int = 0
    refused: int = 0
    given_up: int = 0
    undeliverable: int = 0


def written(payload: dict[str, Any]) -> str:
    """The body as Meta writes it: unicode and slashes escaped."""
    return json.dumps(payload, separators=(",", ":")).replace("/", "\\/")


def signature(body: bytes, secret: str) -> str:
    """The value of X-Hub-Signature-256 over exactly these bytes."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def merged(updates: list[Update]) -> dict[str, Any]:
    """One payload for many updates: an entry per account, neighbours of the same number and kind in one change."""
    entries: dict[tuple[str, int | None], dict[str, Any]] = {}
    for update in updates:
        waba_id = update.account.waba_id
        timed = {} if update.at is None else {"time": update.at}
        entry = entries.setdefault((waba_id, update.at), {"id": waba_id, **timed, "changes": []})
        last = entry["changes"][-1] if entry["changes"] else None
        if (
            last is not None
            and last["field"] == update.field == "messages"
            and last["value"].keys() == update.value.keys()
            and last["value"]["metadata"] == update.value["metadata"]
        ):
            together = dict(last["value"])
            for key in update.value.keys() & {"contacts", "messages", "statuses"}:
                together[key] = together[key] + update.value[key]
            last["value"] = together
        else:
            entry["changes"].append({"value": update.value, "field": update.field})
    return {"object": "whatsapp_business_account", "entry": list(entries.values())}


class WebhookSender:
    """Delivers updates to every subscribed app; remembers what is not delivered yet."""

    def __init__(
        self,
        *,
        accounts: dict[str, Account],
        subscriptions: Subscriptions,
        faults: WhatsAppFaults,
        clock: SandboxClock,
        journal: Journal,
        answered: Callable[[list[str]], None],
    ) -> None:
        self._accounts = accounts
        self._subscriptions = subscriptions
        self._faults = faults
        self._clock = clock
        self._journal = journal
        self._answered = answered
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self._waiting: dict[int, tuple[asyncio.TimerHandle, Delivery]] = {}
        self._running: dict[int, Delivery] = {}
        self._batches: dict[tuple[str, str], list[Update]] = {}
        self._flushes: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._last_batches: dict[tuple[str, str], list[Update]] = {}
        self._restored: list[Delivery] = []
        self._workers: list[asyncio.Task[None]] = []
        self.counts = Counts()
        self.session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the connections and take up what an earlier run left."""
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
        )
        self._workers = [asyncio.create_task(self._work()) for _ in range(CONCURRENCY)]
        for delivery in self._restored:
            self._queue.put_nowait(delivery)
        self._restored.clear()

    async def stop(self) -> None:
        """Stop sending; `pending` still tells what was not delivered."""
        for key in list(self._batches):
            self._flush(key)
        left = self.pending()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self.clear()
        self._restored = left
        if self.session is not None:
            await self.session.close()

    async def first_attempts(self) -> None:
        """Wait until everything that was told so far was tried once (at most 10 s)."""
        for _ in range(1000):
            if self._queue.empty() and not self._running:
                return
            await asyncio.sleep(0.01)

    def tell(self, updates: list[Update]) -> int:
        """Send these updates to whoever is subscribed; how many updates nobody is subscribed to."""
        lost = 0
        for update in updates:
            apps = self._subscriptions.apps_for(update.account.waba_id, update.field)
            if not apps:
                lost += 1
            for app_id in apps:
                self._tell_app(app_id, update)
        self.counts.undeliverable += lost
        return lost

    def _tell_app(self, app_id: str, update: Update) -> None:
        milliseconds = self._faults.number("batch_milliseconds")
        if milliseconds == 0:
            self._enqueue(self._delivery(app_id, [update]))
            return
        number = update.account
        key = (app_id, self._subscriptions.url_for(app_id, number.waba_id, number.override_callback_uri) or "")
        batch = self._batches.setdefault(key, [])
        batch.append(update)
        if len(batch) == 1:
            self._flushes[key] = asyncio.get_running_loop().call_later(milliseconds / 1000, self._flush, key)
        elif len(batch) >= BATCH_UPDATES:
            self._flush(key)

    def _flush(self, key: tuple[str, str]) -> None:
        updates = self._batches.pop(key, [])
        if key in self._flushes:
            self._flushes.pop(key).cancel()
        if updates:
            repeated = self._repeated(key, updates)
            together = [*repeated, *updates]
            if self._faults.on("batch_shuffle"):
                random.shuffle(together)
            self._enqueue(self._delivery(key[0], together))

    def _repeated(self, key: tuple[str, str], updates: list[Update]) -> list[Update]:
        """What this batch tells once more of the one before."""
        count = int(self._faults.number("batch_overlap"))
        before = self._last_batches.pop(key, [])
        if count > 0:
            self._last_batches[key] = updates[-count:]
        return before[-count:] if count > 0 else []

    def _delivery(self, app_id: str, updates: list[Update]) -> Delivery:
        account = updates[0].account
        return Delivery(
            app_id=app_id,
            waba_id=account.waba_id,
            phone_number_id=account.phone_number_id,
            body=written(merged(updates)),
            first_at=self._clock.timestamp(),
            secret=account.app_secret,
            inbound=[update.inbound for update in updates if update.inbound],
            updates=len(updates),
            repeats=int(self._faults.number("redeliver")),
            what=", ".join(sorted({update.cause for update in updates})),
        )

    def _enqueue(self, delivery: Delivery) -> None:
        if self._faults.on("reorder"):
            self._later(delivery, random.random() * REORDER_SECONDS)
        else:
            self._queue.put_nowait(delivery)

    def _later(self, delivery: Delivery, seconds: float) -> None:
        handle = asyncio.get_running_loop().call_later(seconds, self._due, delivery)
        self._waiting[id(delivery)] = (handle, delivery)

    def _due(self, delivery: Delivery) -> None:
        self._waiting.pop(id(delivery), None)
        self._queue.put_nowait(delivery)

    def retry_now(self) -> int:
        """Try everything that waits for its next attempt at once; how many those were."""
        waiting = [delivery for _, delivery in self._waiting.values()]
        for handle, _ in self._waiting.values():
            handle.cancel()
        self._waiting.clear()
        for delivery in waiting:
            delivery.attempts = min(delivery.attempts, 1)
            self._queue.put_nowait(delivery)
        return len(waiting)

    def clear(self) -> None:
        """Forget everything that is not delivered yet."""
        for handle, _ in self._waiting.values():
            handle.cancel()
        for handle in self._flushes.values():
            handle.cancel()
        self._waiting.clear()
        self._flushes.clear()
        self._batches.clear()
        self._last_batches.clear()
        while not self._queue.empty():
            self._queue.get_nowait()

    @property
    def unfinished(self) -> int:
        """How many webhooks are queued, on their way or waiting for another attempt."""
        batched = sum(map(len, self._batches.values()))
        return self._queue.qsize() + len(self._running) + len(self._waiting) + batched

    def pending(self) -> list[Delivery]:
        """Every webhook that is not answered yet."""
        queued = list(self._queue._queue)  # type: ignore[attr-defined]  # asyncio offers no other look inside
        waiting = [delivery for _, delivery in self._waiting.values()]
        return [*self._restored, *self._running.values(), *waiting, *queued]

    def restore(self, deliveries: list[Delivery]) -> None:
        """Take over what `pending` of an earlier run told; sent at `start`."""
        self._restored = deliveries

    async def _work(self) -> None:
        while True:
            delivery = await self._queue.get()
            self._running[id(delivery)] = delivery
            try:
                await self._attempt(delivery)
            finally:
                self._running.pop(id(delivery), None)

    async def _attempt(self, delivery: Delivery) -> None:
        account = self._accounts.get(delivery.phone_number_id)
        override = account.override_callback_uri if account is not None else ""
        url = self._subscriptions.url_for(delivery.app_id, delivery.waba_id, override)
        status = 0
        if url is not None and account is not None:
            keep = self._faults.on("retries_keep_signature")
            secret = delivery.secret if keep else account.app_secret
            status = await self.post(url, delivery.body.encode(), secret, what=delivery.what)
        delivery.attempts += 1
        if status == 200:
            self.counts.answered += 1
            self._answered(delivery.inbound)
            if delivery.repeats > 0:
                delivery.repeats -= 1
                self._queue.put_nowait(delivery)
            return
        self.counts.refused += 1
        if self._clock.timestamp() - delivery.first_at > GIVEN_UP_AFTER_SECONDS:
            self.counts.given_up += 1
            return
        wait = 0.0 if delivery.attempts == 1 else min(2.0 ** (delivery.attempts - 2), LONGEST_WAIT_SECONDS)
        self._later(delivery, wait)

    async def post(self, url: str, body: bytes, secret: str, *, what: str) -> int:
        """POST these bytes, signed; the HTTP status, or 0 when none came in time. `what` is for the journal."""
        assert self.session is not None
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            "X-Hub-Signature-256": signature(body, secret),
        }
        timeout = aiohttp.ClientTimeout(total=self._faults.number("webhook_timeout_seconds"))
        started = time.monotonic()
        self.counts.posts += 1
        status = 0
        failure = ""
        try:
            async with self.session.post(
                url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            failure = type(error).__name__
        self._journal.record(
            source="whatsapp",
            target="product",
            summary=f"webhook ({what}): {status or failure}",
            detail={"body": body.decode(), "milliseconds": round((time.monotonic() - started) * 1000)},
        )
        return status
