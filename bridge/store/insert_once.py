"""How is a row made unless it is there? One statement, on either database, that says whether *this* call made it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert


def insert_once(
    connection: Connection, table: Table, values: Mapping[str, Any], *, unique: Sequence[Column[Any]]
) -> bool:
    """True when the row was made, False when one with the same `unique` columns was there.

    Told by what the statement returns: the driver's row count is not kept for an insert, and reads -1, which is true.
    """
    make = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    statement = make(table).values(**values).on_conflict_do_nothing(index_elements=list(unique))
    return connection.execute(statement.returning(*table.primary_key)).one_or_none() is not None
