"""Do the migrations make the schema that the code expects, on both databases, whoever runs them?"""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from bridge.store import migration
from bridge.store.database import Database, StoreUnavailable, make_engine
from bridge.store.migration import SchemaNotCurrent
from bridge.store.tables import metadata


def test_migrated_schema_is_the_one_of_the_tables(migrated_url: str) -> None:
    engine = make_engine(migrated_url, writes=False)

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, metadata))

    with engine.connect() as connection:
        assert differences(connection) == []
    engine.dispose()


def test_every_unique_key_that_dedupe_relies_on_is_there(migrated_url: str) -> None:
    engine = make_engine(migrated_url, writes=False)
    with engine.connect() as connection:
        found = inspect(connection)
        unique = {
            (table, tuple(constraint["column_names"]))
            for table in found.get_table_names()
            for constraint in found.get_unique_constraints(table)
        }
    engine.dispose()
    assert unique >= {
        ("inbox", ("event_key",)),
        ("contact_identity", ("kind", "value_index")),
        ("conversation", ("contact_id", "channel_id")),
        ("comment", ("channel_id", "remote_id")),
        ("ticket", ("channel_id", "remote_id")),
        ("message", ("channel_id", "wamid_index")),
    }


def test_upgrade_may_be_repeated(migrated_url: str) -> None:
    migration.upgrade(migrated_url)
    database = Database(migrated_url)
    migration.require_current(database)
    assert database.read_now(migration.revision) == migration.newest()
    database.close()


def test_several_processes_may_upgrade_at_once(database_url: str) -> None:
    failures: list[Exception] = []

    def upgrade() -> None:
        try:
            migration.upgrade(database_url)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the test fails on it
            failures.append(exc)

    threads = [threading.Thread(target=upgrade) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    database = Database(database_url)
    migration.require_current(database)
    database.close()


def test_database_without_a_schema_is_refused(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(SchemaNotCurrent):
        migration.require_current(database)
    database.close()


def test_database_of_a_newer_version_is_refused(migrated_url: str) -> None:
    database = Database(migrated_url)
    database.write_now(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(SchemaNotCurrent):
        migration.require_current(database)
    database.close()


def test_postgresql_that_is_away_is_said_so_without_its_address() -> None:
    with pytest.raises(StoreUnavailable) as failure:
        migration.upgrade("postgresql+psycopg://user:secret-word@/db?host=/nonexistent")
    assert "secret-word" not in str(failure.value)
    database = Database("postgresql+psycopg://user:secret-word@/db?host=/nonexistent")
    with pytest.raises(StoreUnavailable):
        migration.require_current(database)
    database.close()
