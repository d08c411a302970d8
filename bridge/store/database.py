"""How does this process reach the database? One writer thread that commits what waits together, and readers beside it.

A unit of work is a plain function of a connection. Units that wait at the same moment share one transaction; where one
fails, all are run again, each behind a savepoint of its own, so it takes nobody with it. On SQLite every write
transaction of every process also takes one fair lock, or small writers starve the big ones (docs/architecture.md, "One
writer at a time").
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

T = TypeVar("T")
Unit = Callable[[Connection], T]

MAX_GROUP = 256
READERS = 4
HOLD_SECONDS = 0.005
"""After this no further unit begins in a transaction: whoever waits for the lock waits that long and one unit."""
BUSY_TIMEOUT_MILLISECONDS = 5_000


class StoreUnavailable(Exception):
    """The database could not take or give it. What was to be written may be tried again: every unit is repeatable."""


@dataclass(slots=True)
class _Waiting(Generic[T]):
    unit: Unit[T]
    future: Future[T]


class FairFileLock:
    """A lock between processes that a busy holder cannot take again before whoever waits already.

    Two locks in a row: who wants the second must hold the first, and gives the first up once it has the second.
    """

    def __init__(self, path: Path) -> None:
        self._queue = os.open(path.with_suffix(".queue"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._turn = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        fcntl.flock(self._queue, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._queue, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._queue)
        os.close(self._turn)


def lock_path_of(url: str) -> Path:
    """The file beside a SQLite database that its writers take turns on."""
    file = Path(make_url(url).database or "")
    return file.with_name(file.name + ".lock")


def make_engine(url: str, *, writes: bool) -> Engine:
    """An engine with the settings that our promises need: durable commits, and timeouts everywhere."""
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=1 if writes else READERS,
            max_overflow=0,
            connect_args={"timeout": BUSY_TIMEOUT_MILLISECONDS / 1000, "check_same_thread": False},
        )

        @event.listens_for(engine, "connect")
        def _configure(connection: Any, _record: object) -> None:
            connection.isolation_level = None  # the driver must not open transactions of its own
            for pragma in (
                "journal_mode=WAL",
                "synchronous=FULL",
                "foreign_keys=ON",
                f"busy_timeout={BUSY_TIMEOUT_MILLISECONDS}",
                "temp_store=MEMORY",
            ):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine
    return create_engine(
        url,
        pool_size=1 if writes else READERS,
        max_overflow=0,
        pool_pre_ping=not writes,
        connect_args={
            "connect_timeout": 5,
            "options": "-c lock_timeout=3000 -c statement_timeout=30000 -c idle_in_transaction_session_timeout=30000",
        },
    )


class Database:
    """The process's way to the database. Make it after a fork; `async with` ends its threads.

    `write` and `read` raise `StoreUnavailable` when the database cannot be reached or refuses to answer, and whatever
    the unit itself raises.
    """

    def __init__(self, url: str) -> None:
        self._writer = make_engine(url, writes=True)
        self._reader = make_engine(url, writes=False)
        self.is_sqlite = self._writer.dialect.name == "sqlite"
        if self.is_sqlite:
            self._lock: FairFileLock | None = FairFileLock(lock_path_of(url))
        else:
            self._lock = None
        self._queue: queue.SimpleQueue[_Waiting[Any] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._write_loop, name="database-writer", daemon=True)
        self._thread.start()
        self._readers = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="database-reader")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """End the writer after what waits is written."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        while not self._queue.empty():
            late = self._queue.get_nowait()
            if late is not None:
                late.future.set_exception(StoreUnavailable("closed"))
        self._readers.shutdown()
        self._writer.dispose()
        self._reader.dispose()
        if self._lock is not None:
            self._lock.close()

    async def write(self, unit: Unit[T]) -> T:
        """Run `unit` in a write transaction and return its value once that is committed."""
        return await asyncio.wrap_future(self._submit(unit))

    def write_now(self, unit: Unit[T]) -> T:
        """`write` for callers without an event loop (commands, start-up)."""
        return self._submit(unit).result()

    async def read(self, unit: Unit[T]) -> T:
        """Run `unit` on a reader connection, in one snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, unit)

    def read_now(self, unit: Unit[T]) -> T:
        """`read` for callers without an event loop."""
        try:
            with self._reader.connect() as connection, connection.begin():
                return unit(connection)
        except (OperationalError, InterfaceError) as exc:
            raise StoreUnavailable(type(exc.orig).__name__) from None

    def _submit(self, unit: Unit[T]) -> Future[T]:
        if self._closed:
            raise StoreUnavailable("closed")
        future: Future[T] = Future()
        self._queue.put(_Waiting(unit, future))
        return future

    def _write_loop(self) -> None:
        connection: Connection | None = None
        group: list[_Waiting[Any]] = []
        ending = False
        while group or not ending:
            while not ending and len(group) < MAX_GROUP:
                try:
                    waiting = self._queue.get(block=not group)
                except queue.Empty:
                    break
                if waiting is None:
                    ending = True
                elif waiting.future.set_running_or_notify_cancel():
                    group.append(waiting)
            if group:
                connection, answered = self._commit(connection, group)
                group = group[answered:]
        if connection is not None:
            connection.close()

    def _commit(self, connection: Connection | None, group: list[_Waiting[Any]]) -> tuple[Connection | None, int]:
        """Run the first of a group, or all, in one transaction, and answer them.

        Returns the connection to use next (None when it is no good any more), and how many were answered.
        """
        outcomes: list[tuple[bool, Any]] = []
        lost: str | None = None
        try:
            with self._lock.held() if self._lock is not None else contextlib.nullcontext():
                if connection is None or connection.closed:
                    connection = self._writer.connect()
                outcomes = _run_together(connection, group) or _run_apart(connection, group)
        except SQLAlchemyError as exc:
            lost = type(getattr(exc, "orig", None) or exc).__name__
        except OSError as exc:
            lost = type(exc).__name__
        if lost is None:
            for waiting, (done, value) in zip(group, outcomes, strict=False):
                if done:
                    waiting.future.set_result(value)
                else:
                    waiting.future.set_exception(value)
            return connection, len(outcomes)
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                connection.invalidate()
            with contextlib.suppress(SQLAlchemyError):
                connection.close()
        for waiting in group:
            waiting.future.set_exception(StoreUnavailable(lost))
        return None, len(group)


class TransactionGone(SQLAlchemyError):
    """The database rolled back by itself: nothing of the group is written."""


def _require_transaction(connection: Connection) -> None:
    """SQLite ends a transaction by itself on a full disk or an I/O error, and takes what follows, COMMIT too, in
    silence."""
    driver = connection.connection.dbapi_connection
    if isinstance(driver, sqlite3.Connection) and not driver.in_transaction:
        raise TransactionGone


def _run_together(connection: Connection, group: list[_Waiting[Any]]) -> list[tuple[bool, Any]]:
    """What of the group fits into `HOLD_SECONDS`, in one transaction without savepoints, which cost as much as the
    statements. Empty: one unit failed, and nothing is written."""
    with connection.begin() as transaction:
        try:
            outcomes = [(True, waiting.unit(connection)) for waiting in _while_there_is_time(group)]
        except Exception:
            if connection.invalidated:
                raise
            transaction.rollback()
            return []
        _require_transaction(connection)
    return outcomes


def _run_apart(connection: Connection, group: list[_Waiting[Any]]) -> list[tuple[bool, Any]]:
    with connection.begin():
        outcomes = [_run(connection, waiting.unit) for waiting in _while_there_is_time(group)]
        _require_transaction(connection)
    return outcomes


def _while_there_is_time(group: list[_Waiting[Any]]) -> Iterator[_Waiting[Any]]:
    until = time.monotonic() + HOLD_SECONDS
    for waiting in group:
        yield waiting
        if time.monotonic() > until:
            return


def _run(connection: Connection, unit: Unit[Any]) -> tuple[bool, Any]:
    try:
        with connection.begin_nested():
            return True, unit(connection)
    except DBAPIError as exc:
        if exc.connection_invalidated or connection.invalidated:
            raise
        _require_transaction(connection)
        if isinstance(exc, OperationalError):
            return False, StoreUnavailable(type(exc.orig).__name__)
        return False, exc
    except Exception as exc:  # noqa: BLE001 - the unit's own failure, handed to whoever asked for it
        return False, exc
