"""How is a row made unless it is there? One statement, on either database, that says whether *this* call made it."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Executable, Table
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert


def insert_once(
    connection: Connection, table: Table, values: Mapping[str, Any], *, unique: Sequence[Column[Any]]
) -> bool:
    """True when the row was made, False when one with the same `unique` columns was there.

    Told by what the statement returns: the driver's row count is not kept for an insert, and reads -1, which is true.
    """
    statement = _statement(connection.dialect.name, table, tuple(unique))
    return connection.execute(statement, dict(values)).one_or_none() is not None


@functools.cache
def _statement(dialect: str, table: Table, unique: tuple[Column[Any], ...]) -> Executable:
    make = sqlite_insert if dialect == "sqlite" else postgresql_insert
    return make(table).on_conflict_do_nothing(index_elements=list(unique)).returning(*table.primary_key)
