"""Does a database of any age keep its data when it is brought up to date, saved, moved and put back?"""

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Boolean, Connection, Integer, LargeBinary, func, select, text

from bridge.runtime import backup
from bridge.runtime.settings import Settings, load_settings
from bridge.store import archive, keyring, migration, triggers
from bridge.store.crypto import MasterKeys
from bridge.store.database import make_engine
from bridge.store.migration import FOLDER
from bridge.store.tables import audit, effect, message, shard, step, ticket
from tests.api.world import NOW, TEXT, World, open_world

REVISIONS = [
    script.revision for script in ScriptDirectory(str(FOLDER)).walk_revisions() if script.down_revision is not None
]


def _fill(connection: Connection) -> None:
    """A row in every table, as far as its columns say what fits."""
    made: dict[str, dict[str, Any]] = {}
    for table in archive.tables_of(connection):
        row: dict[str, Any] = {}
        for column in table.columns:
            parents = [key.column for key in column.foreign_keys]
            if parents:
                row[column.name] = made[parents[0].table.name][parents[0].name]
            elif isinstance(column.type, Boolean):
                row[column.name] = True
            elif isinstance(column.type, Integer | BigInteger):
                row[column.name] = 7
            elif isinstance(column.type, LargeBinary):
                row[column.name] = f"{table.name}.{column.name}".encode()
            else:
                row[column.name] = f"{column.name}-1"
        connection.execute(table.insert().values(row))
        made[table.name] = row


@pytest.mark.parametrize("revision", REVISIONS)
def test_data_of_every_earlier_schema_survives_the_upgrade(database_url: str, revision: str) -> None:
    engine = make_engine(database_url, writes=True)
    with engine.begin() as connection:
        script = ScriptDirectory.from_config(migration.config_for(connection)).get_revision(revision)
        assert script is not None
        command.upgrade(migration.config_for(connection), str(script.down_revision))
        _fill(connection)
        before = archive.counts(connection)
    assert before["inbox"] == before["conversation"] == 1
    engine.dispose()
    migration.upgrade(database_url)
    engine = make_engine(database_url, writes=True)
    with engine.begin() as connection:
        after = archive.counts(connection)
        assert {name: after[name] for name in before} == before
        assert triggers.present(connection) == triggers.expected(connection)
    engine.dispose()


def _settings(url: str, folder: Path, *, key: str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=") -> Settings:
    return load_settings(
        {
            "DESKBRIDGE_DATA_DIR": str(folder),
            "DESKBRIDGE_DATABASE_URL": url,
            "DESKBRIDGE_ENCRYPTION_KEYS": key,
            "DESKBRIDGE_ADMIN_TOKEN": "another-configured-token-0123",
            "DESKBRIDGE_SANDBOX": "off",
        },
        accounts=False,
    )


def _rows(url: str) -> dict[str, list[str]]:
    """Every row of every table, as text; admin tokens apart, which each start writes anew."""
    engine = make_engine(url, writes=False)
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for name, values in archive.take(connection):
            if name not in ("admin_token", "shard"):
                shown = [int(value) if isinstance(value, bool) else value for value in values]
                found.setdefault(name, []).append(str(shown))
    engine.dispose()
    return {name: sorted(rows) for name, rows in found.items()}


@pytest.mark.parametrize("kinds", ["sqlite postgresql", "postgresql sqlite", "sqlite sqlite"])
async def test_installation_moves_whole_to_another_database(
    kinds: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source_kind, target_kind = kinds.split()
    source: str = request.getfixturevalue(f"{source_kind}_url")
    target = (
        f"sqlite:///{tmp_path / 'target.sqlite3'}"
        if target_kind == "sqlite"
        else str(request.getfixturevalue("postgresql_url"))
    )
    saved = tmp_path / "backup.tar"
    async with open_world(source, tmp_path) as world:
        world.settings.files_dir.mkdir(parents=True, exist_ok=True)
        (world.settings.files_dir / "01ARZ3NDEKTSV4RRFFQ69G5FAV").write_bytes(b"sealed already")
        done = backup.save(world.settings, saved)
    assert done.files == 1
    assert done.rows["message"] == 2
    assert saved.stat().st_mode & 0o077 == 0
    assert TEXT.encode() not in saved.read_bytes()
    settings = _settings(target, tmp_path / "elsewhere")
    assert backup.restore(settings, saved, as_read=False).rows == done.rows
    assert _rows(target) == _rows(source)
    assert (settings.files_dir / "01ARZ3NDEKTSV4RRFFQ69G5FAV").read_bytes() == b"sealed already"
    engine = make_engine(target, writes=True)
    with engine.begin() as connection:
        vault = keyring.open_vault(connection, MasterKeys(settings.encryption_keys()))
        texts = {vault.unseal_text(row.text, "message.text", row.id) for row in connection.execute(select(message))}
        assert TEXT in texts
        # What the database itself sees to goes on, and numbers go on where they were.
        before = connection.execute(select(func.count()).select_from(step)).scalar_one()
        connection.execute(effect.update().values(state="dropped"))
        assert connection.execute(select(func.count()).select_from(step)).scalar_one() > before
    with pytest.raises(Exception, match="only ever added to"), engine.begin() as connection:
        connection.execute(audit.delete())
    engine.dispose()


async def test_restored_tickets_may_count_as_read(sqlite_url: str, tmp_path: Path) -> None:
    saved = tmp_path / "backup.tar"
    async with open_world(sqlite_url, tmp_path) as world:
        backup.save(world.settings, saved)
    target = f"sqlite:///{tmp_path / 'target.sqlite3'}"
    backup.restore(_settings(target, tmp_path / "elsewhere"), saved, as_read=True)
    engine = make_engine(target, writes=False)
    with engine.connect() as connection:
        assert connection.execute(select(ticket.c.read_since_at)).scalar_one() > NOW
        assert connection.execute(select(func.count()).where(shard.c.holder.is_not(None))).scalar_one() == 0
    engine.dispose()


@pytest.fixture
async def saved_world(small: World, tmp_path: Path) -> Path:
    backup.save(small.settings, tmp_path / "backup.tar")
    return tmp_path / "backup.tar"


@pytest.fixture
async def small(sqlite_url: str, tmp_path: Path) -> Any:
    async with open_world(sqlite_url, tmp_path) as opened:
        yield opened


async def test_nothing_is_restored_over_what_is_there(small: World, saved_world: Path) -> None:
    before = _rows(small.settings.database_url.get_secret_value())
    with pytest.raises(backup.BackupRefused, match="not empty"):
        backup.restore(small.settings, saved_world, as_read=False)
    assert _rows(small.settings.database_url.get_secret_value()) == before
    with pytest.raises(backup.BackupRefused, match="there already"):
        backup.save(small.settings, saved_world)


@pytest.mark.parametrize("damage", ["cut", "changed", "no tar", "other key"])
def test_backup_that_cannot_be_used_changes_nothing(saved_world: Path, tmp_path: Path, damage: str) -> None:
    content = saved_world.read_bytes()
    spoilt = tmp_path / "spoilt.tar"
    where = content.index(b'["message"')
    spoilt.write_bytes(
        {
            "cut": content[: where + 5],
            "changed": content[:where] + b'["massage"' + content[where + 10 :],
            "no tar": b"nonsense",
            "other key": content,
        }[damage]
    )
    target = f"sqlite:///{tmp_path / 'target.sqlite3'}"
    key = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=" if damage == "other key" else None
    settings = _settings(target, tmp_path / "elsewhere", **({"key": key} if key else {}))
    with pytest.raises(backup.BackupRefused, match="encryption key" if key else "damaged|no backup"):
        backup.restore(settings, spoilt, as_read=False)
    engine = make_engine(target, writes=False)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one() == 0
    engine.dispose()
