"""How do many small requests become few transactions? What waits at the same moment is committed together."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from bridge.domain.inbox_item import InboxItem

MAX_BATCH_ROWS = 2_000
MAX_WAITING_ROWS = 20_000


class InboxStore(Protocol):
    """Where items are kept."""

    async def insert(self, items: Sequence[InboxItem]) -> int:
        """Commit all of `items` or none; those already known are skipped. Returns how many were new.

        Raises `bridge.store.database.StoreUnavailable`.
        """


class QueueFull(Exception):
    """More waits to be committed than we are willing to hold. Nothing of this request is kept."""


class GroupCommit:
    """Keeps items in the order of arrival, one transaction at a time, each as large as what waits.

    The items of one request are never spread over two transactions. Positions are counted through a transaction, so
    that they order its rows by arrival.
    """

    def __init__(
        self, store: InboxStore, *, max_batch_rows: int = MAX_BATCH_ROWS, max_waiting_rows: int = MAX_WAITING_ROWS
    ) -> None:
        self._store = store
        self._max_batch_rows = max_batch_rows
        self._max_waiting_rows = max_waiting_rows
        self._waiting: deque[tuple[Sequence[InboxItem], asyncio.Future[None]]] = deque()
        self._waiting_rows = 0
        self._committing: asyncio.Task[None] | None = None

    async def keep(self, items: Sequence[InboxItem]) -> None:
        """Returns once `items` are committed. Raises `QueueFull`, or whatever the store raised for their batch.

        Whoever stops waiting does not take the items back: they may be committed all the same.
        """
        if not items:
            return
        # A request larger than the queue itself passes when nobody else waits, or it could never be kept.
        if self._waiting_rows and self._waiting_rows + len(items) > self._max_waiting_rows:
            raise QueueFull
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, kept))
        self._waiting_rows += len(items)
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_what_waits())
        await kept

    async def _commit_what_waits(self) -> None:
        while self._waiting:
            rows, waiters = self._take_batch()
            # Gathered, so that a failure of whatever kind reaches those who wait and the next batch goes on.
            [outcome] = await asyncio.gather(self._store.insert(rows), return_exceptions=True)
            for kept in waiters:
                if kept.done():
                    continue
                if isinstance(outcome, BaseException):
                    kept.set_exception(outcome)
                else:
                    kept.set_result(None)

    def _take_batch(self) -> tuple[list[InboxItem], list[asyncio.Future[None]]]:
        rows: list[InboxItem] = []
        waiters: list[asyncio.Future[None]] = []
        while self._waiting and (not rows or len(rows) + len(self._waiting[0][0]) <= self._max_batch_rows):
            items, kept = self._waiting.popleft()
            # The rows of a batch share one time of arrival, so their positions tell which request came first.
            before = len(rows)
            rows.extend([_later(item, by=before) for item in items] if before else items)
            waiters.append(kept)
        self._waiting_rows -= len(rows)
        return rows, waiters


def _later(item: InboxItem, *, by: int) -> InboxItem:
    """Spelt out: `dataclasses.replace` costs three times as much, for every event."""
    return InboxItem(
        item.kind, item.channel, item.event_key, item.shard_key, item.body, item.position + by, item.source
    )
