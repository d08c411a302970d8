"""The web process: the edge with everything it needs, until a signal ends it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime

import structlog
import uvloop
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bridge.runtime import exposition, wiring
from bridge.runtime.bell import Bell
from bridge.runtime.settings import Settings
from bridge.runtime.wiring import Store
from bridge.store import migration
from bridge.store.channels import Channel
from bridge.store.database import Database, StoreUnavailable
from bridge.store.inbox import Inbox
from connectors import errors as ring_errors
from connectors import registry
from webhooks.app import EdgeServices, Readiness, build_app, build_server
from webhooks.group_commit import GroupCommit
from webhooks.metrics import EdgeMetrics
from webhooks.rings import Ring, UnreadableRing
from webhooks.signatures import InvalidSignature

REFRESH_SECONDS = 1.0

log = structlog.get_logger()


class HelpdeskRings:
    """`webhooks.rings.RingReader` for the configured helpdesk. `secrets` may change while it is used."""

    def __init__(self, name: str, secrets: list[str]) -> None:
        self._name = name
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
            raise InvalidSignature from None
        except ring_errors.UnreadableRing:
            raise UnreadableRing from None
        return Ring(change.ticket_id, change.comment_id)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises `StoreUnavailable` and `SettingsError` at the start."""
    with wiring.open_store(settings) as store, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, store))


async def _serve(settings: Settings, store: Store) -> None:
    channel = wiring.first_channel(settings, store)
    async with _open_edge(settings, store, channel) as services:
        await build_server(build_app(services), host=settings.host, port=settings.port).serve()


@contextlib.asynccontextmanager
async def _open_edge(settings: Settings, store: Store, channel: Channel) -> AsyncIterator[EdgeServices]:
    account = settings.account()
    redis = wiring.open_redis(settings)
    bell = Bell(redis, redis_url=settings.redis_url.get_secret_value())
    own_secrets = registry.find(settings.helpdesk).webhook_secrets(settings.helpdesk_variables)
    rings = HelpdeskRings(settings.helpdesk, list(own_secrets))
    prometheus = CollectorRegistry()
    inbox = Inbox(store.database, store.vault, now=store.clock.business_now)
    refresher = asyncio.create_task(_refresh(store, channel, rings, own_secrets=own_secrets))
    try:
        yield EdgeServices(
            app_secrets=[secret.get_secret_value() for secret in account.app_secrets],
            verify_token=account.verify_token.get_secret_value(),
            now=store.clock.business_now,
            group_commit=GroupCommit(inbox),
            ring=bell.ring,
            ring_readers={rings.name: rings},
            check_readiness=lambda: check_readiness(store.database, redis),
            verify_admin_token=lambda token: store.database.read(
                lambda connection: wiring.is_admin_token(connection, token)
            ),
            render_metrics=lambda: exposition.render(prometheus, store, redis),
            metrics=EdgeMetrics(prometheus),
        )
    finally:
        refresher.cancel()
        bell.close()
        await redis.aclose()


async def _refresh(store: Store, channel: Channel, rings: HelpdeskRings, *, own_secrets: tuple[str, ...]) -> None:
    """A webhook that `doctor --fix` makes brings its own secret: know it within a second."""
    while True:
        try:
            kept = await store.database.read(lambda connection: wiring.load_kept(connection, store.vault, channel))
            made = kept.get(wiring.WEBHOOK_SECRET)
            rings.secrets = [*own_secrets, *([made] if made else [])]
        except StoreUnavailable:
            log.warning("store.unavailable")
        await asyncio.sleep(REFRESH_SECONDS)


async def check_readiness(database: Database, redis: Redis) -> Readiness:
    """Can events be kept, and does everything else work? Raises `StoreUnavailable`."""
    if await database.read(migration.revision) != migration.newest():
        return Readiness(unavailable=["the database's schema is not current"])
    try:
        await redis.ping()
    except (RedisError, OSError):
        return Readiness(degraded=["Redis does not answer: events are kept, replies wait"])
    gates = await database.read(exposition.closed_scopes)
    return Readiness(degraded=[f"{scope} waits for an administrator (code {code})" for scope, code in gates])
