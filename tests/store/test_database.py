"""One writer that commits what waits together: nobody's failure is anybody else's, and nothing half-done stays."""

import asyncio
import contextlib
import multiprocessing
import statistics
import threading
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, insert, select, text
from sqlalchemy.exc import IntegrityError

from bridge.store.database import Database, FairFileLock, StoreUnavailable, lock_path_of
from bridge.store.tables import worker
from tests import services
from tests.store.world import NOW


class Held:
    """Keeps the writer busy until it is let go: what comes meanwhile waits together."""

    def __init__(self, database: Database) -> None:
        self._go = threading.Event()
        self._busy = threading.Event()
        self._database = database

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._database.write(self._wait))
        await asyncio.to_thread(self._busy.wait)

    async def __aexit__(self, *_: object) -> None:
        self._go.set()
        await self._task

    def _wait(self, _connection: Connection) -> None:
        self._busy.set()
        self._go.wait()


def add(connection: Connection, name: str) -> str:
    connection.execute(insert(worker).values(id=name, seen_at=NOW))
    return name


async def names(database: Database) -> list[str]:
    query = select(worker.c.id).order_by(worker.c.id)
    return await database.read(lambda connection: list(connection.execute(query).scalars()))


def waiting(database: Database, *chosen: str) -> "list[asyncio.Task[str]]":
    return [asyncio.create_task(database.write(partial(add, name=name))) for name in chosen]


@contextlib.contextmanager
def counted_commits() -> Iterator[list[None]]:
    commits: list[None] = []

    def count(_connection: Connection) -> None:
        commits.append(None)

    event.listen(Engine, "commit", count)
    try:
        yield commits
    finally:
        event.remove(Engine, "commit", count)


async def test_value_comes_back_once_others_can_read_what_was_written(database: Database, other: Database) -> None:
    assert await database.write(lambda connection: add(connection, "a")) == "a"
    assert await names(other) == ["a"]


@pytest.mark.parametrize(("hold_seconds", "transactions"), [(60.0, 2), (0.0, 7)])
async def test_what_waits_together_is_one_transaction_while_nobody_waits_too_long(
    database: Database, monkeypatch: pytest.MonkeyPatch, hold_seconds: float, transactions: int
) -> None:
    monkeypatch.setattr("bridge.store.database.HOLD_SECONDS", hold_seconds)
    with counted_commits() as commits:
        async with Held(database):
            tasks = waiting(database, *"abcdef")
            await asyncio.sleep(0)
            assert commits == []
        assert await asyncio.gather(*tasks) == list("abcdef")
    assert len(commits) == transactions


async def test_failing_unit_takes_nobody_with_it_and_leaves_nothing(database: Database) -> None:
    def fail(connection: Connection) -> None:
        add(connection, "half done")
        raise ValueError("mine")

    def collide(connection: Connection) -> None:
        add(connection, "half done too")
        add(connection, "a")

    def nonsense(connection: Connection) -> None:
        add(connection, "half done as well")
        connection.execute(text("SELECT * FROM nowhere"))

    async with Held(database):
        first = waiting(database, "a")
        failing = [asyncio.create_task(database.write(unit)) for unit in (fail, collide, nonsense)]
        last = waiting(database, "b")
        await asyncio.sleep(0)
    failures = await asyncio.gather(*failing, return_exceptions=True)
    assert await asyncio.gather(*first, *last) == ["a", "b"]
    assert [type(failure) for failure in failures[:2]] == [ValueError, IntegrityError]
    assert isinstance(failures[2], Exception)
    assert await names(database) == ["a", "b"]


async def test_unit_sees_what_those_before_it_in_the_group_wrote(database: Database) -> None:
    async with Held(database):
        waiting(database, "a")
        seen = asyncio.create_task(
            database.write(lambda connection: list(connection.execute(select(worker.c.id)).scalars()))
        )
        await asyncio.sleep(0)
    assert await seen == ["a"]


async def test_whoever_hangs_up_is_left_out_and_the_others_go_on(database: Database) -> None:
    async with Held(database):
        gone, stays = waiting(database, "gone", "stays")
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
    assert await stays == "stays"
    assert gone.cancelled()
    assert await names(database) == ["stays"]


async def test_hanging_up_while_it_is_written_breaks_nothing(database: Database) -> None:
    busy, go = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        add(connection, "slow")
        busy.set()
        go.wait()

    gone = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(busy.wait)
    gone.cancel()
    await asyncio.wait([gone])
    [after] = waiting(database, "after")
    await asyncio.sleep(0)
    go.set()
    assert await after == "after"
    assert await names(database) == ["after", "slow"]


async def test_readers_go_on_while_somebody_writes(database: Database) -> None:
    await database.write(lambda connection: add(connection, "a"))
    async with Held(database):
        assert await names(database) == ["a"]


async def test_close_writes_what_waits_and_then_refuses(migrated_url: str, database: Database) -> None:
    own = Database(migrated_url)
    async with Held(own):
        tasks = waiting(own, "a", "b")
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(own.close))
    assert await asyncio.gather(*tasks) == ["a", "b"]
    await closing
    with pytest.raises(StoreUnavailable):
        await own.write(lambda connection: add(connection, "late"))
    assert await names(database) == ["a", "b"]


async def test_two_processes_write_side_by_side(database: Database, other: Database) -> None:
    tasks = [
        *waiting(database, *(f"a{number:02}" for number in range(40))),
        *waiting(other, *(f"b{number:02}" for number in range(40))),
    ]
    await asyncio.gather(*tasks)
    assert len(await names(database)) == 80


async def test_sqlite_commits_are_durable(sqlite_url: str) -> None:
    async with Database(sqlite_url) as database:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):

            def read(connection: Connection, pragma: str = pragma) -> object:
                return connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()

            assert await database.write(read) == value


async def test_postgresql_waits_for_nothing_for_ever(postgresql_url: str) -> None:
    async with Database(postgresql_url) as database:
        for setting, value in (("lock_timeout", "3s"), ("statement_timeout", "30s")):

            def read(connection: Connection, setting: str = setting) -> object:
                return connection.exec_driver_sql(f"SHOW {setting}").scalar()

            assert await database.write(read) == value
            assert await database.read(read) == value


async def test_postgresql_that_went_away_is_unavailable_for_everybody_who_waits(
    postgresql_server: Path, postgresql_url: str
) -> None:
    async with Database(postgresql_url) as database:
        await database.write(lambda connection: connection.execute(text("SELECT 1")).scalar())
        await asyncio.to_thread(services.drop_database, postgresql_server, postgresql_url.split("@/")[1].split("?")[0])
        failures = await asyncio.gather(
            *(database.write(lambda connection: add(connection, "a")) for _ in range(3)),
            *(names(database) for _ in range(2)),
            return_exceptions=True,
        )
    assert [type(failure) for failure in failures] == [StoreUnavailable] * 5
    assert all("postgres" not in str(failure) for failure in failures)


async def test_postgresql_that_came_back_is_used_again(postgresql_url: str) -> None:
    def end_everybody(connection: Connection) -> None:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()")
        )

    def one(connection: Connection) -> int:
        return int(connection.execute(text("SELECT 1")).scalar_one())

    async with Database(postgresql_url) as database:
        assert await database.write(one) == 1
        with pytest.raises(StoreUnavailable):
            await database.write(end_everybody)
        assert await database.write(one) == 1
        assert await database.read(one) == 1
        with pytest.raises(StoreUnavailable):
            await database.read(end_everybody)
        assert await database.read(one) == 1


async def test_lost_connection_fails_the_whole_group_and_writes_none_of_it(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.database.HOLD_SECONDS", 60.0)  # they are one group, however slow the machine
    async with Database(postgresql_url) as database:
        await database.write(lambda connection: connection.execute(text("CREATE TABLE t (name text)")))

        def write(connection: Connection) -> None:
            connection.execute(text("INSERT INTO t VALUES ('a')"))

        def die(connection: Connection) -> None:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        async with Held(database):
            tasks = [asyncio.create_task(database.write(unit)) for unit in (write, die, write)]
            await asyncio.sleep(0)
        failures = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(failure) for failure in failures] == [StoreUnavailable] * 3
        assert await database.read(lambda connection: connection.execute(text("SELECT count(*) FROM t")).scalar()) == 0


# Turns between processes


def take_turns(path: str, turns: str, ready: Event, stop: Event) -> None:
    """A writer that wants the lock again the moment it gave it up."""
    lock = FairFileLock(Path(path))
    ended = False
    with Path(turns).open("ab", buffering=0) as file:
        while not ended:
            with lock.held():
                until = time.perf_counter() + 0.002  # as long as a commit
                while time.perf_counter() < until:
                    ended = stop.is_set()
                file.write(b".")
                ready.set()
    lock.close()


def test_busy_writer_cannot_starve_another(tmp_path: Path) -> None:
    path, turns = tmp_path / "db.lock", tmp_path / "turns"
    context = multiprocessing.get_context("forkserver")
    ready, stop = context.Event(), context.Event()
    busy = context.Process(target=take_turns, args=(str(path), str(turns), ready, stop))
    busy.start()
    let_by = []
    try:
        assert ready.wait(30)
        lock = FairFileLock(path)
        for _ in range(40):
            asked = turns.stat().st_size
            with lock.held():
                let_by.append(turns.stat().st_size - asked)
        lock.close()
    finally:
        stop.set()
        busy.join(30)
    # The turn that was under way, and at most one that asked before us.
    assert statistics.median(let_by) <= 2


def count_up(path: str, counter: str, times: int) -> None:
    lock = FairFileLock(Path(path))
    for _ in range(times):
        with lock.held():
            file = Path(counter)
            file.write_text(str(int(file.read_text()) + 1))
    lock.close()


def test_lock_lets_one_process_in_at_a_time(tmp_path: Path) -> None:
    path, counter = tmp_path / "db.lock", tmp_path / "counter"
    counter.write_text("0")
    context = multiprocessing.get_context("forkserver")
    processes = [context.Process(target=count_up, args=(str(path), str(counter), 300)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert counter.read_text() == "900"


def test_lock_file_stands_beside_the_database() -> None:
    assert lock_path_of("sqlite:////data/x/deskbridge.sqlite3") == Path("/data/x/deskbridge.sqlite3.lock")
