"""A helpdesk and a Cloud API that outlive the workers which call them, and the worker process that does."""

import asyncio
import os
import pickle
import signal
import socketserver
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson
from redis.asyncio import Redis
from sqlalchemy import Connection, Engine, event

from bridge.domain.decide import ClosedWindowPolicy, Rules
from bridge.domain.model import PhoneNumberId
from bridge.runtime.bell import Bell
from bridge.runtime.clock import Clock
from bridge.runtime.conversions import Conversions
from bridge.runtime.drain import Drain
from bridge.runtime.languages import Languages
from bridge.runtime.limiter import Buckets, HelpdeskBudget
from bridge.runtime.metrics import WorkerMetrics
from bridge.runtime.send_limits import SendLimits
from bridge.runtime.services import Services
from bridge.store import channels
from bridge.store.crypto import MasterKeys, Vault
from bridge.store.database import Database
from bridge.store.files import FileFolder
from bridge.whatsapp.client import CloudApi
from bridge.whatsapp.template_api import TemplateApi
from connectors.errors import OutcomeUnknown, RemoteFailure
from connectors.interface import (
    Comment,
    CommentDraft,
    CommentWritten,
    EffectKey,
    HelpdeskConnector,
    RequesterDraft,
    RequesterRef,
    TicketDraft,
    TicketId,
    TicketWritten,
)
from tests.runtime.memory_helpdesk import LIMITS, MemoryHelpdesk

T = TypeVar("T")
PHONE_NUMBER_ID = "990011223344556"
HELPDESK = "memory"
SIZE = struct.Struct("!I")


@dataclass(frozen=True)
class Sent:
    """A message that Meta took."""

    wamid: str
    to: str
    text: str
    key: str


class FarSide:
    """Both far sides, in the process of the test.

    `meddle` is called before and after each call and may kill the caller; True: the call goes no further.
    """

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "far.sock"
        self.helpdesk = MemoryHelpdesk()
        self.sent: list[Sent] = []
        self.meddle: Callable[[str, str], bool] = lambda _phase, _verb: False
        self._lock = threading.Lock()
        far_side = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                far_side._answer(self.rfile.read, self.wfile.write)

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        self._server = Server(str(self.socket), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, read: Callable[[int], bytes], write: Callable[[bytes], Any]) -> None:
        size = read(SIZE.size)
        if len(size) < SIZE.size:
            return  # it died before it said anything
        verb, arguments, named = pickle.loads(read(SIZE.unpack(size)[0]))  # noqa: S301 - our own child's
        if self.meddle("before", verb):
            return
        with self._lock:
            try:
                outcome = self._send(*arguments) if verb == "send" else self._ask(verb, arguments, named)
            except RemoteFailure as failure:
                outcome = failure
        if self.meddle("after", verb):
            return
        raw = pickle.dumps(outcome)
        try:
            write(SIZE.pack(len(raw)) + raw)
        except OSError:
            return  # it died waiting

    def _ask(self, verb: str, arguments: Sequence[Any], named: dict[str, Any]) -> Any:
        return asyncio.run(getattr(self.helpdesk, verb)(*arguments, **named))

    def _send(self, body: bytes) -> bytes:
        request = orjson.loads(body)
        to = request["to"].removeprefix("+")
        wamid = f"wamid.OUT{len(self.sent)}"
        self.sent.append(Sent(wamid, to, request["text"]["body"], request["biz_opaque_callback_data"]))
        return orjson.dumps({"contacts": [{"input": to, "wa_id": to}], "messages": [{"id": wamid}]})


async def ask(socket: str, verb: str, *arguments: Any, **named: Any) -> Any:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        raw = pickle.dumps((verb, arguments, named))
        writer.write(SIZE.pack(len(raw)) + raw)
        await writer.drain()
        size = SIZE.unpack(await reader.readexactly(SIZE.size))[0]
        outcome = pickle.loads(await reader.readexactly(size))  # noqa: S301 - our own test's
    except (OSError, asyncio.IncompleteReadError):
        raise OutcomeUnknown("cut") from None
    finally:
        writer.close()
    if isinstance(outcome, RemoteFailure):
        raise outcome
    return outcome


class RemoteHelpdesk:
    """The helpdesk as a worker process reaches it."""

    limits = LIMITS

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._pure = MemoryHelpdesk()

    async def check(self) -> None:
        """Nothing to prove."""

    async def find_or_create_requester(self, draft: RequesterDraft) -> RequesterRef:
        found: RequesterRef = await ask(self._socket, "find_or_create_requester", draft)
        return found

    def prepare_ticket(self, draft: TicketDraft, *, key: EffectKey) -> bytes:
        return self._pure.prepare_ticket(draft, key=key)

    def prepare_comment(self, draft: CommentDraft, *, key: EffectKey) -> bytes:
        return self._pure.prepare_comment(draft, key=key)

    async def open_ticket(self, prepared: bytes, *, key: EffectKey, repeat: bool) -> TicketWritten:
        written: TicketWritten = await ask(self._socket, "open_ticket", prepared, key=key, repeat=repeat)
        return written

    async def add_comment(
        self, ticket_id: TicketId, prepared: bytes, *, key: EffectKey, repeat: bool
    ) -> CommentWritten:
        written: CommentWritten = await ask(self._socket, "add_comment", ticket_id, prepared, key=key, repeat=repeat)
        return written

    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        comments: Sequence[Comment] = await ask(self._socket, "comments_since", ticket_id, since)
        return comments


class RemoteMeta(httpx.AsyncBaseTransport):
    """The wire to the Cloud API."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            # A fast number, and an account without templates.
            return httpx.Response(200, json={"throughput": {"level": "HIGH"}, "data": []})
        try:
            answer = await ask(self._socket, "send", await request.aread())
        except OutcomeUnknown:
            raise httpx.ReadError("cut") from None
        return httpx.Response(200, content=answer)


@dataclass(frozen=True)
class Job:
    """What a worker process is given. It dies by SIGKILL at its `dies_at`th begin or commit of a transaction."""

    database_url: str
    redis_url: str
    socket: str
    dies_at: int | None = None
    moment: str = "commit"


async def nobody(_since: datetime) -> list[tuple[str, datetime]]:
    return []


def vault() -> Vault:
    return Vault(MasterKeys([b"k" * 32]), index_key=b"i" * 32)


def ensure_channel(connection: Connection) -> channels.Channel:
    return channels.ensure_channel(
        connection, helpdesk=HELPDESK, phone_number_id=PHONE_NUMBER_ID, waba_id="1", now=Clock().real_now()
    )


def work(job: Job) -> None:
    """The worker process. Ends on SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    asyncio.run(_work(job, stop))


def make_services(
    database: Database,
    channel: channels.Channel,
    connector: HelpdeskConnector,
    *,
    client: httpx.AsyncClient,
    redis: Redis,
    bell: Bell,
    metrics: WorkerMetrics,
    files: Path,
) -> Services:
    """What a worker's steps are given; Meta is whoever `client` reaches."""
    return Services(
        database=database,
        vault=vault(),
        clock=Clock(),
        channel=channel,
        connector=connector,
        cloud_api=CloudApi(client, phone_number_id=PhoneNumberId(PHONE_NUMBER_ID), waba_id="1", token="t"),
        send_limits=SendLimits(redis, scope="wa", clock=Clock(), people_since=nobody),
        template_api=TemplateApi(client, waba_id="1", token="t"),
        budget=HelpdeskBudget(Buckets(redis, scope="hd"), metrics),
        bell=bell,
        rules=Rules(ClosedWindowPolicy.HOLD, timedelta(hours=72)),
        languages=Languages("en"),
        dead_letter_after=timedelta(hours=72),
        reconcile_every=timedelta(minutes=2),
        keep_for=timedelta(days=90),
        metrics=metrics,
        files=FileFolder(files),
        public_url="http://bridge",
        conversions=Conversions(),
        links_for=timedelta(days=30),
        upkeep=lambda: metrics.flush(redis),
    )


async def _work(job: Job, stop: threading.Event) -> None:
    database = Database(job.database_url)
    channel = await database.write(ensure_channel)
    if job.dies_at is not None:
        _die_at(job.dies_at, job.moment)
    metrics = WorkerMetrics()
    async with (
        Redis.from_url(job.redis_url) as redis,
        httpx.AsyncClient(transport=RemoteMeta(job.socket), base_url="http://meta", timeout=20) as client,
    ):
        bell = Bell(redis, redis_url=job.redis_url)
        services = make_services(
            database,
            channel,
            RemoteHelpdesk(job.socket),
            client=client,
            redis=redis,
            bell=bell,
            metrics=metrics,
            files=Path(job.socket).parent / "files",
        )
        while not stop.is_set():
            await Drain(services, holder=f"worker:{os.getpid()}", stop=stop).run()
            await asyncio.sleep(0.02)
        bell.close()
    database.close()


def _die_at(count: int, moment: str) -> None:
    left = [count]

    def die(_connection: Connection) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, moment, die)
