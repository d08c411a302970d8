"""Is the schema current, and how does it become so? Alembic, the same steps on SQLite and PostgreSQL."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from bridge.store import triggers
from bridge.store.database import Database, FairFileLock, StoreUnavailable, lock_path_of, make_engine

FOLDER = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 7_315_202_611


class SchemaNotCurrent(Exception):
    """The database's schema is of another version of deskbridge; the text says which way."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config


def config_for(connection: Connection) -> Config:
    """Alembic's, for commands on this connection."""
    config = _config()
    config.attributes["connection"] = connection
    return config


def known() -> frozenset[str]:
    """Every revision that this code can bring up to date."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


@functools.cache
def newest() -> str:
    """The revision that this code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def upgrade(url: str) -> None:
    """Bring the schema to the newest revision; one process at a time. Raises `StoreUnavailable`."""
    engine = make_engine(url, writes=True)
    try:
        with _alone(engine, url), engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                # A migration may take its time, and waits for another one as long as that takes.
                connection.execute(text("SET LOCAL lock_timeout = 0"))
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
            command.upgrade(config_for(connection), "head")
            triggers.see_to(connection)
    except (OperationalError, OSError) as exc:
        raise StoreUnavailable(type(getattr(exc, "orig", None) or exc).__name__) from None
    finally:
        engine.dispose()


@contextlib.contextmanager
def _alone(engine: Engine, url: str) -> Iterator[None]:
    if engine.dialect.name != "sqlite":
        yield
        return
    lock = FairFileLock(lock_path_of(url))
    try:
        with lock.held():
            yield
    finally:
        lock.close()


def revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def require_current(database: Database) -> None:
    """Raises `SchemaNotCurrent`, `StoreUnavailable`."""
    try:
        found = database.read_now(revision)
    except DBAPIError as exc:
        raise StoreUnavailable(type(exc.orig).__name__) from None
    if found != newest():
        raise SchemaNotCurrent("the database's schema is not current: run `deskbridge migrate`")
