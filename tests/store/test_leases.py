"""Who holds a shard holds it alone; whoever lost it commits nothing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, insert

from bridge.store import leases, migration
from bridge.store.database import Database
from bridge.store.leases import LEASE, WORKER_SEEN, Lease, LeaseLost
from bridge.store.tables import SHARDS, worker
from tests.store.world import NOW, SECOND, seed

EVERY = range(SHARDS)


@pytest.fixture
async def postgresql_pair(postgresql_url: str) -> AsyncIterator[tuple[Database, Database]]:
    migration.upgrade(postgresql_url)
    async with Database(postgresql_url) as database, Database(postgresql_url) as other:
        await database.write(seed)
        yield database, other


async def claim(database: Database, holder: str, *wanted: int, after: timedelta = timedelta(0)) -> list[Lease]:
    return await database.write(
        lambda connection: leases.claim(connection, holder=holder, wanted=wanted, at_most=SHARDS, real_now=NOW + after)
    )


async def fenced(database: Database, lease: Lease, name: str) -> None:
    def unit(connection: Connection) -> None:
        leases.check(connection, lease)
        connection.execute(insert(worker).values(id=name, seen_at=NOW))

    await database.write(unit)


async def test_held_shard_is_not_given_to_another(database: Database, other: Database) -> None:
    assert [lease.shard for lease in await claim(database, "one", 1, 2)] == [1, 2]
    assert [lease.shard for lease in await claim(other, "two", 1, 2, 3)] == [3]


async def test_expired_shard_goes_to_the_next_and_the_old_holder_commits_nothing(
    database: Database, other: Database
) -> None:
    [old] = await claim(database, "one", 5)
    assert await claim(other, "two", 5, after=LEASE - SECOND) == []
    [new] = await claim(other, "two", 5, after=LEASE)
    assert new.fence > old.fence
    with pytest.raises(LeaseLost):
        await fenced(database, old, "late")
    await fenced(other, new, "now")
    rows = await database.read(lambda connection: connection.execute(worker.select()).all())
    assert [row.id for row in rows] == ["now"]


async def test_released_shard_is_free_at_once_and_its_old_lease_is_worth_nothing(database: Database) -> None:
    [old] = await claim(database, "one", 5)
    await database.write(partial(leases.release, leases=[old], real_now=NOW))
    [new] = await claim(database, "one", 5)
    with pytest.raises(LeaseLost):
        await fenced(database, old, "late")
    await fenced(database, new, "now")


async def test_release_by_an_old_holder_frees_nothing(database: Database) -> None:
    [old] = await claim(database, "one", 5)
    await claim(database, "two", 5, after=LEASE)
    await database.write(partial(leases.release, leases=[old], real_now=NOW + LEASE))
    assert await claim(database, "three", 5, after=LEASE + SECOND) == []


async def test_renewed_lease_lasts_and_only_what_is_ours_is_renewed(database: Database) -> None:
    kept, lost = await claim(database, "one", 1, 2)
    await database.write(partial(leases.renew, leases=[kept], real_now=NOW + 10 * SECOND))
    [taken] = await claim(database, "two", 1, 2, after=LEASE)
    assert taken.shard == 2
    assert await database.write(partial(leases.renew, leases=[kept, lost], real_now=NOW + LEASE)) == [kept]
    await fenced(database, kept, "still")


async def test_two_claimers_at_once_never_share_a_shard(database: Database, other: Database) -> None:
    claims = await asyncio.gather(
        *(claim(chosen, f"{number}", *EVERY) for number, chosen in enumerate([database, other] * 4))
    )
    held = [lease.shard for found in claims for lease in found]
    assert sorted(held) == list(EVERY)


async def test_two_claimers_that_start_at_opposite_ends_get_every_shard(database: Database, other: Database) -> None:
    one, two = await asyncio.gather(claim(database, "one", *EVERY), claim(other, "two", *reversed(EVERY)))
    assert sorted(lease.shard for lease in one + two) == list(EVERY)


async def test_lease_is_not_taken_while_a_commit_of_its_holder_is_under_way(
    database: Database, other: Database
) -> None:
    """The fence is checked under a lock that lasts until the commit."""
    [old] = await claim(database, "one", 5)

    def commit_while_another_claims(connection: Connection) -> "asyncio.Future[list[Lease]]":
        leases.check(connection, old)
        claiming = asyncio.run_coroutine_threadsafe(claim(other, "two", 5, after=LEASE), loop)
        connection.execute(insert(worker).values(id="in time", seen_at=NOW))
        assert not claiming.done()
        return asyncio.wrap_future(claiming, loop=loop)

    loop = asyncio.get_running_loop()
    claiming = await database.write(commit_while_another_claims)
    [new] = await claiming or await claim(other, "two", 5, after=LEASE)
    assert new.fence == old.fence + 1


async def test_deadlock_of_workers_that_take_over_from_each_other(postgresql_pair: tuple[Database, Database]) -> None:
    """A transaction has units of many shards in it, in any order: whoever claims or renews waits for no row."""
    database, other = postgresql_pair
    [held] = await claim(database, "one", 3)
    loop = asyncio.get_running_loop()

    def commit_while_another_takes_over(connection: Connection) -> None:
        leases.check(connection, held)
        claiming = asyncio.run_coroutine_threadsafe(claim(other, "two", 3, 9, after=LEASE), loop)
        assert [lease.shard for lease in claiming.result(10)] == [9]
        renewing = other.write(partial(leases.renew, leases=[held], real_now=NOW + LEASE))
        assert asyncio.run_coroutine_threadsafe(renewing, loop).result(10) == [held]

    await database.write(commit_while_another_takes_over)


async def test_each_living_worker_gets_its_share(database: Database) -> None:
    async def share(holder: str, after: timedelta = timedelta(0)) -> int:
        return await database.write(lambda connection: leases.share_of(connection, holder=holder, real_now=NOW + after))

    assert await share("one") == SHARDS
    assert await share("two") == SHARDS / 2
    assert await share("three") == 11
    await database.write(partial(leases.leave, holder="two"))
    assert await share("three") == SHARDS / 2
    assert await share("three", WORKER_SEEN + SECOND) == SHARDS
