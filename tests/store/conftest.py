"""A migrated database of each kind, and a vault."""

from collections.abc import AsyncIterator

import pytest

from bridge.store import migration
from bridge.store.crypto import MasterKeys, Vault
from bridge.store.database import Database
from tests.store.world import seed


@pytest.fixture
def vault() -> Vault:
    return Vault(MasterKeys([b"k" * 32]), index_key=b"i" * 32)


@pytest.fixture
def migrated_url(database_url: str) -> str:
    migration.upgrade(database_url)
    return database_url


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """The schema, the shards, and a channel."""
    async with Database(migrated_url) as opened:
        await opened.write(seed)
        yield opened


@pytest.fixture
async def other(migrated_url: str, database: Database) -> AsyncIterator[Database]:
    """The same database as another process reaches it."""
    async with Database(migrated_url) as opened:
        yield opened
