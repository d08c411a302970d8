"""The one place where settings become things. Everybody else is given what they need."""

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from redis.asyncio import Redis
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bridge.domain.decide import ClosedWindowPolicy, Reengagement, Rules
from bridge.domain.model import PhoneNumberId
from bridge.runtime.bell import Bell
from bridge.runtime.clock import Clock
from bridge.runtime.conversions import Conversions
from bridge.runtime.key_watch import KeyWatch
from bridge.runtime.languages import Languages
from bridge.runtime.limiter import Buckets, HelpdeskBudget
from bridge.runtime.metrics import WorkerMetrics
from bridge.runtime.send_limits import SendLimits
from bridge.runtime.services import Services
from bridge.runtime.settings import Settings
from bridge.store import access, channels, keyring, messages, migration
from bridge.store.channels import Channel
from bridge.store.crypto import MasterKeys, UnknownKey, Vault
from bridge.store.database import Database
from bridge.store.files import FileFolder
from bridge.store.tables import SHARDS, shard
from bridge.whatsapp.client import CALL_TIMEOUT_SECONDS, CloudApi
from bridge.whatsapp.template_api import TemplateApi
from connectors import registry
from connectors.client import remote_client
from connectors.interface import HelpdeskConnector

FIELD_IDS = "field_ids"
WEBHOOK_SECRET = "webhook_secret"  # noqa: S105 - the name of a setting, not a secret
UPKEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Store:
    """The database, opened, with what is sealed in it."""

    database: Database
    vault: Vault
    clock: Clock


def master_keys(settings: Settings) -> MasterKeys:
    return MasterKeys(settings.encryption_keys())


def migrate(settings: Settings) -> None:
    """Bring the schema up to date, and make what every start needs: index key, shards, the admin token's hash.

    Safe to repeat, and for several processes at once. Raises `StoreUnavailable`; `UnknownKey` when the database holds
    values under a key that is not configured.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    migration.upgrade(settings.database_url.get_secret_value())
    keys = master_keys(settings)
    clock = Clock(settings.clock_file)
    token = settings.admin_token().get_secret_value()
    database = Database(settings.database_url.get_secret_value())
    try:
        database.write_now(lambda connection: _seed(connection, keys, token=token, now=clock.real_now()))
    finally:
        database.close()


def _seed(connection: Connection, keys: MasterKeys, *, token: str, now: datetime) -> None:
    make = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    _require_every_key(connection, keys)
    keyring.make_index_key(connection, keys)
    keyring.open_vault(connection, keys)
    if connection.execute(select(func.count()).select_from(shard)).scalar_one() < SHARDS:
        connection.execute(
            make(shard).on_conflict_do_nothing(),
            [{"id": number, "fence": 0, "holder": None, "expires_at": now} for number in range(SHARDS)],
        )
    access.set_configured_token(connection, token, real_now=now)


@contextlib.contextmanager
def open_store(settings: Settings, *, every_key: bool = True, seals: bool = True) -> Iterator[Store]:
    """The database of a migrated installation.

    `every_key` False: go on although values are there that we cannot open, as long as we can look things up. `seals`
    False: nothing will be written that is sealed, so a key that is new here need not be known anywhere else yet.
    Raises `StoreUnavailable`, `CannotDecrypt`, `SchemaNotCurrent` and `UnknownKey`.
    """
    database = Database(settings.database_url.get_secret_value())
    keys = master_keys(settings)
    try:
        migration.require_current(database)
        if every_key:
            database.read_now(lambda connection: _require_every_key(connection, keys))
        vault = database.read_now(lambda connection: keyring.open_vault(connection, keys))
        if seals and keys.names[0] not in database.read_now(keyring.on_record):
            database.write_now(lambda connection: keyring.put_on_record(connection, keys.names[0]))
        yield Store(database, vault, Clock(settings.clock_file))
    finally:
        database.close()


def _require_every_key(connection: Connection, keys: MasterKeys) -> None:
    unknown = sorted(keyring.on_record(connection).difference(keys.names))
    if unknown:
        raise UnknownKey(unknown[0])


def open_files(settings: Settings) -> FileFolder:
    """Where files lie that wait for somebody."""
    return FileFolder(settings.files_dir)


def open_redis(settings: Settings) -> Redis:
    return Redis.from_url(
        settings.redis_url.get_secret_value(), socket_timeout=2, socket_connect_timeout=2, health_check_interval=30
    )


def first_channel(settings: Settings, store: Store) -> Channel:
    """The channel that the environment describes."""
    account = settings.account()
    return store.database.write_now(
        lambda connection: channels.ensure_channel(
            connection,
            helpdesk=settings.helpdesk,
            phone_number_id=account.phone_number_id,
            waba_id=account.business_account_id,
            now=store.clock.business_now(),
        )
    )


def kept_settings(store: Store, channel: Channel) -> dict[str, str]:
    """What `doctor --fix` made or found at the far sides."""
    return store.database.read_now(lambda connection: load_kept(connection, store.vault, channel))


def load_kept(connection: Connection, vault: Vault, channel: Channel) -> dict[str, str]:
    return channels.load_settings(connection, vault, channel_id=channel.id)


def load_field_ids(connection: Connection, vault: Vault, channel: Channel) -> dict[str, int]:
    """The connector's ticket fields, by its own names; empty until `doctor --fix` made them."""
    return field_ids_of(load_kept(connection, vault, channel))


def field_ids_of(kept: dict[str, str]) -> dict[str, int]:
    return {name: int(number) for name, number in orjson.loads(kept.get(FIELD_IDS, "{}")).items()}


@contextlib.asynccontextmanager
async def open_cloud_api(settings: Settings) -> AsyncIterator[CloudApi]:
    account = settings.account()
    # Unconfirmed: downloads may be refused to clients that name none (fact sheet WhatsApp 2.5).
    agent = {"User-Agent": "deskbridge"}
    async with remote_client(account.api_url, timeout_seconds=CALL_TIMEOUT_SECONDS, headers=agent) as client:
        yield CloudApi(
            client,
            phone_number_id=PhoneNumberId(account.phone_number_id),
            waba_id=account.business_account_id,
            token=account.access_token.get_secret_value(),
            api_version=account.api_version,
        )


@contextlib.asynccontextmanager
async def open_template_api(settings: Settings) -> AsyncIterator[TemplateApi]:
    account = settings.account()
    async with remote_client(account.api_url, timeout_seconds=CALL_TIMEOUT_SECONDS) as client:
        yield TemplateApi(
            client,
            waba_id=account.business_account_id,
            token=account.access_token.get_secret_value(),
            api_version=account.api_version,
        )


@contextlib.asynccontextmanager
async def open_connector(
    settings: Settings, *, budget: HelpdeskBudget, metrics: WorkerMetrics, field_ids: dict[str, int]
) -> AsyncIterator[HelpdeskConnector]:
    """Raises `InvalidConfiguration`. `field_ids` may be filled later."""
    async with registry.find(settings.helpdesk).connect(
        settings.helpdesk_variables,
        budget=budget,
        field_ids=field_ids,
        on_warning=lambda cause: metrics.count("deskbridge_helpdesk_warnings_total", cause),
    ) as connector:
        yield connector


def open_send_limits(store: Store, channel: Channel, redis: Redis) -> SendLimits:
    async def people_since(since: datetime) -> list[tuple[str, datetime]]:
        return await store.database.read(lambda connection: messages.people_counted(connection, since=since))

    return SendLimits(redis, scope=channel.phone_number_id, clock=store.clock, people_since=people_since)


class Upkeep:
    """What a worker sees to every second or so while it works. Raises `StoreUnavailable`, `UnknownKey` included."""

    def __init__(
        self, store: Store, channel: Channel, redis: Redis, metrics: WorkerMetrics, field_ids: dict[str, int]
    ) -> None:
        self._store = store
        self._key_watch = KeyWatch(store.database, store.vault.keys, store.clock, seals_anyway=False)
        self._channel = channel
        self._redis = redis
        self._metrics = metrics
        self._field_ids = field_ids
        self._done_at = float("-inf")

    async def __call__(self) -> None:
        now = time.monotonic()
        if now - self._done_at < UPKEEP_SECONDS:
            return
        await self._metrics.flush(self._redis)
        await self._key_watch.look()
        self._done_at = now
        self._field_ids |= await self._store.database.read(
            lambda connection: load_field_ids(connection, self._store.vault, self._channel)
        )


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a worker process keeps for its life, in one event loop."""

    services: Services
    redis: Redis


@contextlib.asynccontextmanager
async def open_workshop(settings: Settings, store: Store) -> AsyncIterator[Workshop]:
    """Everything that effects need. Make it in the loop that uses it."""
    channel = first_channel(settings, store)
    field_ids = field_ids_of(kept_settings(store, channel))
    redis = open_redis(settings)
    metrics = WorkerMetrics()
    budget = HelpdeskBudget(
        Buckets(redis, scope=f"helpdesk:{channel.id}"), metrics, share=settings.helpdesk_share_percent / 100
    )
    bell = Bell(redis, redis_url=settings.redis_url.get_secret_value())
    try:
        async with (
            open_cloud_api(settings) as cloud_api,
            open_template_api(settings) as template_api,
            open_connector(settings, budget=budget, metrics=metrics, field_ids=field_ids) as connector,
        ):
            yield Workshop(
                services=Services(
                    database=store.database,
                    vault=store.vault,
                    clock=store.clock,
                    channel=channel,
                    connector=connector,
                    cloud_api=cloud_api,
                    send_limits=open_send_limits(store, channel, redis),
                    template_api=template_api,
                    budget=budget,
                    bell=bell,
                    rules=Rules(
                        ClosedWindowPolicy(settings.window_closed),
                        timedelta(hours=settings.hold_hours),
                        timedelta(minutes=settings.window_warning_minutes),
                        None if settings.reengage_template is None else Reengagement(*settings.reengage_template),
                        reactions_reopen=settings.reactions == "reopen",
                        name_line=settings.agent_name,
                        read_receipts=settings.read_receipts,
                    ),
                    languages=Languages(settings.language),
                    dead_letter_after=timedelta(hours=settings.dead_letter_hours),
                    keep_for=timedelta(days=settings.keep_days),
                    reconcile_every=timedelta(seconds=settings.reconcile_seconds),
                    metrics=metrics,
                    files=open_files(settings),
                    conversions=Conversions(),
                    public_url=settings.public_url,
                    links_for=timedelta(days=settings.file_link_days),
                    upkeep=Upkeep(store, channel, redis, metrics, field_ids),
                ),
                redis=redis,
            )
    finally:
        bell.close()
        await redis.aclose()
