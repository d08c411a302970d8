"""The web process: the edge with everything it needs, until a signal ends it.

At SIGHUP a second edge is opened with what is written now and takes every request from then on; the first one ends what
it has in hand and is closed. The socket and its connections stay, so nobody is refused.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping
from datetime import datetime
from typing import Any

import structlog
import uvloop
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.api.app import build_face
from bridge.api.context import ApiContext
from bridge.console.app import add_console
from bridge.domain.roles import Caller
from bridge.runtime import checkup, exposition, told, wiring
from bridge.runtime.bell import Bell
from bridge.runtime.clock import Clock
from bridge.runtime.configuration import Configuration, require_usable
from bridge.runtime.file_pages import FilePages
from bridge.runtime.key_watch import KeyWatch
from bridge.runtime.settings import Settings
from bridge.runtime.terminal import Terminal
from bridge.runtime.wiring import Store
from bridge.store import access, keyring, migration
from bridge.store.channels import Channel
from bridge.store.crypto import UnknownKey
from bridge.store.database import StoreUnavailable
from bridge.store.inbox import Inbox
from connectors import errors as ring_errors
from connectors import registry
from connectors.interface import FindingLevel
from webhooks.app import EdgeServices, Readiness, build_app, build_server
from webhooks.group_commit import GroupCommit
from webhooks.metrics import EdgeMetrics
from webhooks.rings import Ring, UnreadableRing
from webhooks.signatures import InvalidSignature

REFRESH_SECONDS = 1.0

log = structlog.get_logger()


class HelpdeskRings:
    """`webhooks.rings.RingReader` for the configured helpdesk. `secrets` may change while it is used."""

    def __init__(self, name: str, secrets: list[str], *, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._read = registry.find(name).read_ring
        self.secrets = secrets

    @property
    def name(self) -> str:
        return self._name

    def read(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Ring:
        """Raises `InvalidSignature` (always, while no secret is known) and `UnreadableRing`."""
        try:
            change = self._read(headers=headers, body=body, secrets=self.secrets, now=now)
        except ring_errors.UnsignedRing:
            if self._clock.was_moved():  # since `now` was read: the signature may be of today
                return self.read(headers=headers, body=body, now=self._clock.business_now())
            raise InvalidSignature from None
        except ring_errors.UnreadableRing as unreadable:
            raise UnreadableRing(unreadable.reason) from None
        return Ring(change.ticket_id, change.comment_id, told.packed(change) if change.is_whole else None)


def run(configuration: Configuration) -> None:
    """Serve until SIGTERM or SIGINT. Raises `StoreUnavailable` and `SettingsError` at the start."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(configuration))


async def _serve(configuration: Configuration) -> None:
    front = Front(configuration)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, front.hang_up)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    settings = configuration.settings
    await front.open()
    try:
        await build_server(front, host=settings.host, port=settings.port).serve()
    finally:
        await front.close()


class _Edge:
    """The app of one configuration, and what it holds open."""

    def __init__(self, services: EdgeServices, resources: contextlib.AsyncExitStack) -> None:
        self._services = services
        self._app = build_app(services)
        self._resources = resources
        self._in_hand = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":  # lasts as long as the process
            return await self._app(scope, receive, send)
        self._in_hand += 1
        self._idle.clear()
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_hand -= 1
            if not self._in_hand:
                self._idle.set()

    async def close(self, *, successor: "_Edge | None" = None) -> None:
        """Once nothing is in hand. The successor rings for what was kept here: our own bell may be cut off."""
        await self._idle.wait()
        if successor is not None:
            with contextlib.suppress(RedisError, OSError):
                await successor._services.ring()
        await self._resources.aclose()


class Front:
    """The ASGI app of the process: hands each request to the edge of the newest configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._terminal = Terminal()
        self._prometheus = CollectorRegistry()
        self._metrics = EdgeMetrics(self._prometheus)
        self._edge: _Edge | None = None
        self._turn = asyncio.Lock()
        self._turns: set[asyncio.Task[None]] = set()
        self._closings: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._edge is not None
        await self._edge.answer(scope, receive, send)

    async def open(self) -> None:
        """Raises `StoreUnavailable`, `SettingsError` and `SchemaNotCurrent`."""
        async with self._turn:
            self._edge = await self._open_edge(self._configuration.settings)

    async def close(self) -> None:
        """End everything. No request is in hand any more."""
        for turn in self._turns:
            turn.cancel()
        await asyncio.gather(*self._turns, return_exceptions=True)
        await asyncio.gather(*self._closings)
        assert self._edge is not None
        await self._edge.close()

    def hang_up(self) -> None:
        """SIGHUP came: go by what is written now, once that is open."""
        if self._terminal.has_gone():
            signal.raise_signal(signal.SIGTERM)
        else:
            _keep(self._turns, self._turn_over())

    async def _turn_over(self) -> None:
        async with self._turn:
            if not await asyncio.to_thread(self._configuration.refresh, check=require_usable):
                return
            fresh = await self._open_as_soon_as_possible()
            former, self._edge = self._edge, fresh
            log.info("configuration.read")
        assert former is not None
        _keep(self._closings, former.close(successor=fresh))

    async def _open_as_soon_as_possible(self) -> _Edge:
        while True:
            try:
                return await self._open_edge(self._configuration.settings)
            except StoreUnavailable:
                log.warning("store.unavailable")
                await asyncio.sleep(REFRESH_SECONDS)

    async def _open_edge(self, settings: Settings) -> _Edge:
        async with contextlib.AsyncExitStack() as stack:
            services = await stack.enter_async_context(_open_services(settings, self._prometheus, self._metrics))
            return _Edge(services, stack.pop_all())
        raise AssertionError("the stack takes no exception in")


def _keep(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


@contextlib.asynccontextmanager
async def _open_store(settings: Settings) -> AsyncIterator[Store]:
    """Opened and closed in a thread: others are served meanwhile."""
    opened = wiring.open_store(settings, every_key=False)
    store = await asyncio.to_thread(opened.__enter__)
    try:
        yield store
    finally:
        await asyncio.to_thread(opened.__exit__, None, None, None)


@contextlib.asynccontextmanager
async def _open_services(
    settings: Settings, prometheus: CollectorRegistry, metrics: EdgeMetrics
) -> AsyncIterator[EdgeServices]:
    account = settings.account()
    own_secrets = registry.find(settings.helpdesk).webhook_secrets(settings.helpdesk_variables)
    async with _open_store(settings) as store:
        rings = HelpdeskRings(settings.helpdesk, list(own_secrets), clock=store.clock)
        channel = await asyncio.to_thread(wiring.first_channel, settings, store)
        redis = wiring.open_redis(settings)
        bell = Bell(redis, redis_url=settings.redis_url.get_secret_value())
        refresher = asyncio.create_task(_refresh(store, channel, rings, own_secrets=own_secrets))
        try:
            yield EdgeServices(
                app_secrets=[secret.get_secret_value() for secret in account.app_secrets],
                verify_token=account.verify_token.get_secret_value(),
                now=store.clock.business_now,
                group_commit=GroupCommit(Inbox(store.database, store.vault, now=store.clock.business_now)),
                ring=bell.ring,
                ring_readers={rings.name: rings},
                check_readiness=lambda: check_readiness(store, redis),
                identify=lambda token: identify(store, token),
                render_metrics=lambda: exposition.render(prometheus, store, redis, data_dir=settings.data_dir),
                metrics=metrics,
                face=_build_face(
                    ApiContext(
                        settings=settings,
                        store=store,
                        ring=bell.ring,
                        check_readiness=lambda: check_readiness(store, redis),
                        redis=redis,
                    )
                ),
                files=FilePages(store.database, store.vault, wiring.open_files(settings), now=store.clock.business_now),
            )
        finally:
            refresher.cancel()
            await asyncio.gather(refresher, return_exceptions=True)
            bell.close()
            await redis.aclose()


async def _refresh(store: Store, channel: Channel, rings: HelpdeskRings, *, own_secrets: tuple[str, ...]) -> None:
    """A webhook that `doctor --fix` makes brings its own secret: know it within a second. Keep an eye on the keys."""
    watch = KeyWatch(store.database, store.vault.keys, store.clock, seals_anyway=True)
    while True:
        try:
            await watch.look()
            kept = await store.database.read(lambda connection: wiring.load_kept(connection, store.vault, channel))
            made = kept.get(wiring.WEBHOOK_SECRET)
            rings.secrets = [*own_secrets, *([made] if made else [])]
        except UnknownKey:
            pass  # the watch said so, and the secrets stay what they were
        except StoreUnavailable:
            log.warning("store.unavailable")
        await asyncio.sleep(REFRESH_SECONDS)


def _build_face(context: ApiContext) -> ASGIApp:
    face = build_face(context)
    add_console(face)
    return face


async def identify(store: Store, token: str) -> Caller | None:
    """Who holds this token, None when it is not valid. Raises `StoreUnavailable`."""
    now = store.clock.real_now()
    caller, is_stale = await store.database.read(lambda connection: access.identify(connection, token, real_now=now))
    if caller is not None and is_stale:
        token_id = caller.token_id
        await store.database.write(lambda connection: access.note_use(connection, token_id, real_now=now))
    return caller


async def check_readiness(store: Store, redis: Redis) -> Readiness:
    """Can events be kept, and does everything else work? Raises `StoreUnavailable`."""
    database = store.database
    if await database.read(migration.revision) != migration.newest():
        return Readiness(unavailable=["the database's schema is not current"])
    try:
        await redis.ping()
    except (RedisError, OSError):
        return Readiness(degraded=["Redis does not answer: events are kept, replies wait"])
    unknown = sorted((await database.read(keyring.on_record)).difference(store.vault.keys.names))
    gates = await database.read(exposition.closed_scopes)
    red: list[str] = []
    with contextlib.suppress(UnknownKey):  # said above
        _, findings = await database.read(lambda connection: checkup.kept_findings(connection, store.vault))
        red = [f"{one.check}: {one.message}" for one in findings if one.level is FindingLevel.RED]
    return Readiness(
        degraded=[
            *(f"the encryption key {name} is not configured here: add it, and send SIGHUP" for name in unknown),
            *(f"{scope} waits for an administrator (code {code})" for scope, code in gates),
        ],
        doctor=red,
    )
