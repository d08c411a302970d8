"""What waits at the same moment is one transaction, in the order of arrival."""

import asyncio

import pytest

from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.store.database import StoreUnavailable
from tests.webhooks.edge import MemoryInbox, unreachable
from webhooks.group_commit import GroupCommit, QueueFull


def rows(name: str, count: int = 1) -> list[InboxItem]:
    return [
        InboxItem(
            kind=InboxKind.MESSAGE, channel="", event_key=f"{name}{number}", shard_key="", body=b"{}", position=number
        )
        for number in range(count)
    ]


def keys(batch: list[InboxItem]) -> list[str | None]:
    return [item.event_key for item in batch]


async def held(store: MemoryInbox, group_commit: GroupCommit) -> "asyncio.Task[None]":
    """A first request whose commit is under way and does not end before `store.open` is set."""
    store.open.clear()
    first = asyncio.create_task(group_commit.keep(rows("first")))
    await store.called.wait()
    return first


async def waiting(group_commit: GroupCommit, *requests: list[InboxItem]) -> "list[asyncio.Task[None]]":
    """Requests that have got as far as they can."""
    tasks = [asyncio.create_task(group_commit.keep(items)) for items in requests]
    await asyncio.sleep(0)
    return tasks


async def test_requests_of_one_instant_share_one_transaction() -> None:
    store = MemoryInbox()
    group_commit = GroupCommit(store)
    await asyncio.gather(*(group_commit.keep(rows(name)) for name in "abc"))
    assert [keys(batch) for batch in store.batches] == [["a0", "b0", "c0"]]


async def test_what_comes_during_a_commit_is_the_next_transaction() -> None:
    store = MemoryInbox()
    group_commit = GroupCommit(store)
    first = await held(store, group_commit)
    later = await waiting(group_commit, rows("a"), rows("b"))
    store.open.set()
    await asyncio.gather(first, *later)
    assert [keys(batch) for batch in store.batches] == [["first0"], ["a0", "b0"]]


async def test_positions_count_through_a_transaction_so_that_order_of_arrival_holds() -> None:
    store = MemoryInbox()
    group_commit = GroupCommit(store)
    await asyncio.gather(group_commit.keep(rows("a", 3)), group_commit.keep(rows("b", 2)))
    [batch] = store.batches
    assert [(item.event_key, item.position) for item in batch] == [
        ("a0", 0),
        ("a1", 1),
        ("a2", 2),
        ("b0", 3),
        ("b1", 4),
    ]


async def test_a_transaction_ends_before_it_grows_too_large_and_never_splits_a_request() -> None:
    store = MemoryInbox()
    group_commit = GroupCommit(store, max_batch_rows=4)
    await asyncio.gather(*(group_commit.keep(rows(name, count)) for name, count in [("a", 3), ("b", 2), ("c", 9)]))
    assert [len(batch) for batch in store.batches] == [3, 2, 9]


async def test_nobody_is_told_kept_before_the_commit_ended() -> None:
    store = MemoryInbox()
    group_commit = GroupCommit(store)
    first = await held(store, group_commit)
    [later] = await waiting(group_commit, rows("a"))
    assert not first.done()
    assert not later.done()
    store.open.set()
    await asyncio.gather(first, later)
    assert len(store.rows) == 2


@pytest.mark.parametrize("failure", [unreachable(), ValueError("a defect of the store")])
async def test_every_waiter_of_a_failed_transaction_gets_the_failure_and_the_next_one_succeeds(
    failure: Exception,
) -> None:
    store = MemoryInbox()
    group_commit = GroupCommit(store)
    store.failure = failure
    outcomes = await asyncio.gather(*(group_commit.keep(rows(name)) for name in "abc"), return_exceptions=True)
    assert outcomes == [failure] * 3
    store.failure = None
    await group_commit.keep(rows("d"))
    assert keys(store.rows) == ["d0"]


async def test_failure_of_one_transaction_spares_those_who_wait_behind_it() -> None:
    store = MemoryInbox()
    group_commit = GroupCommit(store)
    store.failures = [unreachable()]
    first = await held(store, group_commit)
    later = await waiting(group_commit, rows("a"))
    store.open.set()
    with pytest.raises(StoreUnavailable):
        await first
    await asyncio.gather(*later)
    assert keys(store.rows) == ["a0"]


async def test_more_than_the_queue_holds_is_refused_and_what_waited_is_kept() -> None:
    store = MemoryInbox()
    group_commit = GroupCommit(store, max_waiting_rows=5)
    first = await held(store, group_commit)
    later = await waiting(group_commit, rows("a", 3))
    with pytest.raises(QueueFull):
        await group_commit.keep(rows("b", 3))
    later += await waiting(group_commit, rows("c", 2))
    store.open.set()
    await asyncio.gather(first, *later)
    assert keys(store.rows) == ["first0", "a0", "a1", "a2", "c0", "c1"]
    await group_commit.keep(rows("b", 3))
    assert len(store.rows) == 9


async def test_request_larger_than_the_queue_is_kept_when_nobody_waits() -> None:
    store = MemoryInbox()
    await GroupCommit(store, max_waiting_rows=5, max_batch_rows=2).keep(rows("a", 9))
    assert len(store.rows) == 9


async def test_whoever_hangs_up_takes_nobody_with_it() -> None:
    store = MemoryInbox()
    group_commit = GroupCommit(store)
    first = await held(store, group_commit)
    gone, stays = await waiting(group_commit, rows("a"), rows("b"))
    gone.cancel()
    first.cancel()
    await asyncio.wait([gone, first])
    store.open.set()
    await stays
    assert keys(store.rows) == ["first0", "a0", "b0"]


async def test_nothing_to_keep_asks_nobody() -> None:
    store = MemoryInbox()
    await GroupCommit(store).keep([])
    assert store.batches == []
