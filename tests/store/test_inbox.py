"""What was told is kept once, whoever tells it and however often; a ring is news as soon as the last one was taken."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.store import inbox as rows
from bridge.store.crypto import Vault
from bridge.store.database import Database
from bridge.store.ids import message_id_of, message_key, new_id, shard_of
from bridge.store.inbox import MAX_ATTEMPTS, Inbox, InboxEntry
from bridge.store.tables import SHARDS, inbox
from tests.store.world import NOW, SECOND

ALL_SHARDS = range(SHARDS)


def item(key: str | None, *, kind: InboxKind = InboxKind.MESSAGE, position: int = 0, person: str = "p") -> InboxItem:
    return InboxItem(
        kind=kind, channel="c", event_key=key, shard_key=person, body=f"body of {key}".encode(), position=position
    )


@pytest.fixture
def store(database: Database, vault: Vault) -> Inbox:
    return Inbox(database, vault, now=lambda: NOW)


async def due(
    database: Database, vault: Vault, *, after: timedelta = timedelta(0), turned: timedelta = timedelta(0)
) -> list[InboxEntry]:
    """`after` by both clocks; `turned`: how far business time was turned beside."""
    now = NOW + after
    return await database.read(
        lambda connection: rows.load_due(
            connection, vault, shards=ALL_SHARDS, now=now + turned, real_now=now, limit=100
        )
    )


async def bodies(database: Database, vault: Vault, *, after: timedelta = timedelta(0)) -> list[str]:
    return [(entry.body or b"does not open").decode() for entry in await due(database, vault, after=after)]


async def test_event_is_kept_once_however_often_it_is_told(store: Inbox, database: Database, vault: Vault) -> None:
    assert await store.insert([item("a"), item("b", position=1)]) == 2
    assert await store.insert([item("a"), item("c", position=1)]) == 1
    assert await store.insert([item("a")]) == 0
    assert await store.insert([]) == 0
    assert sorted(await bodies(database, vault)) == ["body of a", "body of b", "body of c"]


async def test_repeats_within_one_body_are_one(store: Inbox, database: Database, vault: Vault) -> None:
    assert await store.insert([item("a"), item("b", position=1), item("a", position=2)]) == 2
    assert await bodies(database, vault) == ["body of a", "body of b"]


async def test_events_without_a_key_are_all_kept(store: Inbox, database: Database, vault: Vault) -> None:
    assert await store.insert([item(None), item(None, position=1)]) == 2
    assert len(await due(database, vault)) == 2


async def test_two_processes_told_the_same_keep_it_once(
    store: Inbox, database: Database, other: Database, vault: Vault
) -> None:
    elsewhere = Inbox(other, vault, now=lambda: NOW)
    added = await asyncio.gather(
        *(
            chosen.insert([item(f"e{number}") for number in range(start, start + 20)])
            for start in range(0, 100, 10)
            for chosen in (store, elsewhere)
        )
    )
    assert sum(added) == 110
    assert len({entry.body for entry in await due(database, vault)}) == 100  # the limit of one look


async def test_two_processes_told_the_same_in_opposite_order_both_keep_it(
    store: Inbox, database: Database, other: Database, vault: Vault
) -> None:
    elsewhere = Inbox(other, vault, now=lambda: NOW)
    keys = [f"e{number}" for number in range(1500)]
    added = await asyncio.gather(
        *(chosen.insert([item(key) for key in order]) for order, chosen in ((keys, store), (keys[::-1], elsewhere)))
    )
    assert sum(added) == 1500


async def test_oldest_stands_first_and_what_came_together_in_its_order(database: Database, vault: Vault) -> None:
    for late, told in ((1, ["d", "c"]), (0, ["b", "a"])):
        store = Inbox(database, vault, now=lambda late=late: NOW + late * SECOND)  # type: ignore[misc]
        await store.insert([item(key, position=position) for position, key in reversed(list(enumerate(told)))])
    assert await bodies(database, vault) == ["body of b", "body of a", "body of d", "body of c"]


async def test_refused_body_is_kept_and_never_due(store: Inbox, database: Database, vault: Vault) -> None:
    assert await store.insert([item("refused:1", kind=InboxKind.REFUSED)]) == 1
    assert await due(database, vault) == []


async def test_ring_coalesces_only_with_one_that_nobody_has_taken(
    store: Inbox, database: Database, vault: Vault
) -> None:
    ring = item("ring:7", kind=InboxKind.RING)
    assert [await store.insert([ring]) for _ in range(3)] == [1, 0, 0]
    [taken] = await due(database, vault)
    await database.write(lambda connection: rows.take_rings(connection, [taken.id]))
    assert [await store.insert([ring]) for _ in range(2)] == [1, 0]
    assert len(await due(database, vault)) == 2


async def test_finished_event_stays_known(store: Inbox, database: Database, vault: Vault) -> None:
    await store.insert([item("a")])
    [entry] = await due(database, vault)
    await database.write(lambda connection: rows.finish(connection, [entry.id]))
    assert await store.insert([item("a")]) == 0
    assert await due(database, vault) == []


async def test_postponed_event_comes_back_and_dies_after_its_attempts(
    store: Inbox, database: Database, vault: Vault
) -> None:
    await store.insert([item("a"), item("ring", kind=InboxKind.RING, position=1)])
    ids = [entry.id for entry in await due(database, vault)]
    for attempt in range(1, MAX_ATTEMPTS + 1):
        await database.write(
            lambda connection: rows.postpone(connection, ids, due_at=NOW + SECOND, reason="RetryLater")
        )
        assert await due(database, vault) == []
        found = await due(database, vault, after=SECOND)
        assert [entry.attempts for entry in found] == [attempt] * len(found)
        assert len(found) == (2 if attempt < MAX_ATTEMPTS else 1)
    [last] = await due(database, vault, after=SECOND)
    assert last.kind is InboxKind.RING


@pytest.mark.parametrize("turned", [timedelta(0), timedelta(hours=-5), timedelta(hours=5)])
async def test_ring_waits_as_long_however_the_clock_is_turned(
    store: Inbox, database: Database, vault: Vault, turned: timedelta
) -> None:
    await store.insert([item("ring", kind=InboxKind.RING)])
    [ring] = await due(database, vault)
    await database.write(lambda connection: rows.wait(connection, [ring.id], not_before_at=NOW + SECOND))
    assert await due(database, vault, turned=turned) == []
    assert len(await due(database, vault, after=SECOND, turned=turned)) == 1


async def test_status_of_an_unknown_message_waits_for_it_a_day(store: Inbox, database: Database, vault: Vault) -> None:
    await store.insert([item("a"), item("b", position=1)])
    one, two = await due(database, vault)
    index = vault.index("wamid", "wamid.X")
    await database.write(
        lambda connection: rows.park(connection, [(one.id, index), (two.id, vault.index("wamid", "Y"))], now=NOW)
    )
    assert await due(database, vault, after=timedelta(days=2)) == []
    await database.write(lambda connection: rows.unpark(connection, match_index=index))
    assert await bodies(database, vault) == ["body of a"]

    def expire(hours: int) -> int:
        return sum(
            database.write_now(
                lambda connection, shard=shard: rows.expire_parked(  # type: ignore[misc]
                    connection, shard=shard, now=NOW + timedelta(hours=hours)
                )
            )
            for shard in ALL_SHARDS
        )

    assert await asyncio.to_thread(expire, 23) == 0
    assert await asyncio.to_thread(expire, 24) == 1


async def test_event_moved_to_another_shard_waits_there(store: Inbox, database: Database, vault: Vault) -> None:
    await store.insert([item("a")])
    [entry] = await due(database, vault)
    there = (entry.shard + 1) % SHARDS
    await database.write(lambda connection: rows.rehome(connection, [entry.id], shard=there))
    assert [moved.shard for moved in await due(database, vault)] == [there]


async def test_row_that_does_not_open_is_shown_without_a_body_beside_its_neighbours(
    store: Inbox, database: Database, vault: Vault
) -> None:
    await store.insert([item("a"), item("b", position=1)])
    await database.write(
        lambda connection: connection.execute(update(inbox).where(inbox.c.position == 0).values(id=new_id()))
    )
    assert await bodies(database, vault) == ["does not open", "body of b"]


async def test_key_of_an_event_is_kept_as_a_hash(store: Inbox, database: Database, vault: Vault) -> None:
    await store.insert([item("wamid.HBgMMzUxOTEwMDAwMTEx")])
    kept = await database.read(lambda connection: connection.execute(select(inbox.c.event_key)).scalar_one())
    assert kept == vault.index("event", "wamid.HBgMMzUxOTEwMDAwMTEx")


@pytest.mark.parametrize("shard", [0, 7, SHARDS - 1])
def test_key_of_our_own_message_names_its_shard_and_message(shard: int) -> None:
    message_id = new_id()
    key = message_key(shard=shard, message_id=message_id)
    assert shard_of(key) == shard
    assert message_id_of(key) == message_id


@pytest.mark.parametrize("text", ["", "db1:", "db1:99:x", "db1:-1:x", "db1:²:x", "db1::", "351910000111", "\ud800"])
def test_any_other_text_falls_on_some_shard_always_the_same(text: str) -> None:
    assert shard_of(text) == shard_of(text)
    assert 0 <= shard_of(text) < SHARDS
    assert message_id_of(text) is None


async def test_what_was_not_understood_is_kept_and_may_be_taken_in_again(
    store: Inbox, database: Database, vault: Vault
) -> None:
    await store.insert([item("a"), item("b", position=1), item("c", kind=InboxKind.CHANGE, position=2)])
    first, second, change = (entry.id for entry in await due(database, vault))
    await database.write(lambda connection: rows.finish(connection, [first], reason=f"{rows.NOT_UNDERSTOOD}: hologram"))
    await database.write(lambda connection: rows.finish(connection, [second]))
    await database.write(lambda connection: rows.finish(connection, [change], reason=f"{rows.NOT_UNDERSTOOD}: x"))
    later = NOW + timedelta(days=400)
    assert await database.write(lambda connection: rows.prune(connection, before=later, limit=10)) == 1
    assert await database.write(lambda connection: rows.take_again(connection, limit=10)) == 1
    (again,) = await due(database, vault)
    assert (again.id, again.reason) == (first, rows.AGAIN)
    assert await database.write(lambda connection: rows.take_again(connection, limit=10)) == 0
