"""How does everything come under the newest master key while others write? Row by row, in small transactions.

A value is read and sealed anew outside a transaction, and swapped in only where it is still what was read, so what was
written meanwhile stands. Killed at any instant, what is done is done, and the next run goes on with the rest. Hashes
(`…_index`, `event_key`) stay what they are: the index key does not change.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, LargeBinary, Select, Table, func, select, update

from bridge.store.crypto import CannotDecrypt, MasterKeys, UnknownKey, key_name, key_of
from bridge.store.database import Database
from bridge.store.tables import (
    consent,
    contact,
    contact_identity,
    effect,
    inbox,
    media,
    message,
    setting,
    stored_file,
    template_version,
)

SEALED: tuple[tuple[Table, tuple[str, ...]], ...] = (
    (inbox, ("body",)),
    (contact, ("name",)),
    (contact_identity, ("value",)),
    (consent, ("detail",)),
    (message, ("text", "content", "wamid")),
    (media, ("source",)),
    (stored_file, ("key", "name")),
    (effect, ("payload", "frozen")),
    (setting, ("value",)),
    (template_version, ("content",)),
)
"""Every column that a `Vault` seals."""
ROWS_LOOKED_AT = 1_000
ROWS_AT_ONCE = 100
"""In one write transaction: others take their turn in between."""


@dataclass(frozen=True, slots=True)
class Stale:
    """A value as it was read, under another key than the newest."""

    table: Table
    column: str
    row_id: str
    sealed: bytes = field(repr=False)

    @property
    def kind(self) -> str:
        return f"{self.table.name}.{self.column}"


@dataclass(slots=True)
class Pass:
    """One look at every sealed value. `found` and `left`: how many are under which key, before and after it.

    `rewritten` and `damaged` count by `table.column`; a damaged value opens under no key, and stays as it is.
    `passed_over`: values that somebody else held or changed at that moment.
    """

    found: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    rewritten: Counter[str] = field(default_factory=Counter)
    damaged: Counter[str] = field(default_factory=Counter)
    passed_over: int = 0


def rewrite(database: Database, keys: MasterKeys) -> Pass:
    """Seal everything anew that is not under the newest of `keys`. Raises `StoreUnavailable`.

    What others change at this moment is left to the next pass, and so is a row that becomes visible behind us.
    """
    seen = Pass()
    newest = keys.names[0]
    for table, columns in SEALED:
        for page in _pages(database, table, columns):
            under = Counter(key_name(key) for _, key_ids in page for key in key_ids)
            seen.found.update(under)
            seen.left.update(under)
            wanted = [row_id for row_id, key_ids in page if any(key != keys.newest_id for key in key_ids)]
            for start in range(0, len(wanted), ROWS_AT_ONCE):
                row_ids = wanted[start : start + ROWS_AT_ONCE]
                stale = database.read_now(partial(find_stale, keys=keys, table=table, columns=columns, row_ids=row_ids))
                fresh, damaged = _resealed(stale, keys)
                swapped = database.write_now(partial(swap, table=table, fresh=fresh)) if fresh else []
                seen.passed_over += len(fresh) - len(swapped)
                seen.rewritten.update(value.kind for value in swapped)
                seen.damaged.update(value.kind for value in damaged)
                seen.left.subtract(key_of(value.sealed) for value in swapped)
                seen.left[newest] += len(swapped)
    return seen


def _pages(
    database: Database, table: Table, columns: Sequence[str]
) -> Iterator[Sequence[tuple[str, tuple[bytes, ...]]]]:
    """(row id, key ids of its values) of the whole table, in bounded statements."""
    key_ids = [func.substr(table.c[column], 2, 4, type_=LargeBinary) for column in columns]
    every = select(table.c.id, *key_ids).order_by(table.c.id).limit(ROWS_LOOKED_AT)
    after = ""
    while rows := database.read_now(partial(_rows, every.where(table.c.id > after))):
        yield [(row[0], tuple(key for key in row[1:] if key is not None)) for row in rows]
        after = rows[-1][0]


def _rows(wanted: Select[Any], connection: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(wanted)]


def find_stale(
    connection: Connection, *, keys: MasterKeys, table: Table, columns: Sequence[str], row_ids: Sequence[str]
) -> list[Stale]:
    """The values of these rows that are not under the newest key, as they are now."""
    rows = connection.execute(
        select(table.c.id, *(table.c[column] for column in columns)).where(table.c.id.in_(row_ids))
    )
    return [
        Stale(table, column, row_id, sealed)
        for row_id, *values in rows
        for column, sealed in zip(columns, values, strict=True)
        if sealed is not None and sealed[1:5] != keys.newest_id
    ]


def _resealed(stale: Sequence[Stale], keys: MasterKeys) -> tuple[list[tuple[Stale, bytes]], list[Stale]]:
    """What can be swapped in, and what its own key does not open."""
    fresh, damaged = [], []
    for value in stale:
        try:
            fresh.append((value, keys.reseal(value.sealed, place=f"{value.kind}:{value.row_id}")))
        except CannotDecrypt:
            damaged.append(value)
        except UnknownKey:
            continue
    return fresh, damaged


def swap(connection: Connection, *, table: Table, fresh: Sequence[tuple[Stale, bytes]]) -> list[Stale]:
    """Put new seals in the place of those that were read, where they still stand. Returns which did.

    Rows that somebody holds are left alone: we wait for nobody while we hold rows ourselves, so no circle can close.
    """
    row_ids = {value.row_id for value, _ in fresh}
    free = connection.execute(
        select(table.c.id).where(table.c.id.in_(row_ids)).with_for_update(key_share=True, skip_locked=True)
    )
    mine = set(free.scalars())
    return [
        value
        for value, sealed in fresh
        if value.row_id in mine
        and connection.execute(
            update(table)
            .where(table.c.id == value.row_id, table.c[value.column] == value.sealed)
            .values({value.column: sealed})
        ).rowcount
    ]
