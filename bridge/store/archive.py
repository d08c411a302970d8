"""How does a whole database become rows that either kind takes back, and is it the same afterwards?

Rows are taken as the database holds them, in one snapshot: what is sealed stays sealed. They go back into an empty
database with the schema that they were taken from, which is brought up to date afterwards.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import BigInteger, Boolean, Connection, Engine, Integer, MetaData, Table, func, inspect, select, text

from bridge.store.database import make_engine
from bridge.store.migration import revision

VERSION_TABLE = "alembic_version"
LEFT_OUT = frozenset({VERSION_TABLE, "worker"})
"""Who lives is of no use to another installation."""
PAGE = 500


class NotEmpty(Exception):
    """The database holds tables already: nothing is restored over them."""


def snapshot_engine(url: str) -> Engine:
    """For reading all of it as it was at one moment."""
    engine = make_engine(url, writes=False)
    return engine if engine.dialect.name == "sqlite" else engine.execution_options(isolation_level="REPEATABLE READ")


def tables_of(connection: Connection) -> list[Table]:
    """As the database has them, parents before children."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name not in LEFT_OUT]


def take(connection: Connection) -> Iterator[tuple[str, list[Any]]]:
    """(table, values in the order of its columns) of every row."""
    for table in tables_of(connection):
        for row in connection.execution_options(yield_per=PAGE).execute(select(table)):
            yield str(table.name), [_plain(value) for value in row]


def _plain(value: Any) -> Any:
    return {"b": base64.b64encode(bytes(value)).decode()} if isinstance(value, bytes | memoryview) else value


def columns_of(connection: Connection) -> dict[str, list[str]]:
    return {str(table.name): [str(column.name) for column in table.columns] for table in tables_of(connection)}


def revision_of(connection: Connection) -> str | None:
    return revision(connection)


def require_empty(connection: Connection) -> None:
    """Raises `NotEmpty`."""
    if inspect(connection).get_table_names():
        raise NotEmpty


def put(connection: Connection, columns: Mapping[str, list[str]], rows: Iterable[tuple[str, list[Any]]]) -> None:
    """Insert rows that come table by table. Every column must be there."""
    tables = {table.name: table for table in tables_of(connection)}
    waiting: list[dict[str, Any]] = []
    current: Table | None = None
    for name, values in rows:
        table = tables[name]
        if current is not None and (table is not current or len(waiting) >= PAGE):
            connection.execute(current.insert(), waiting)
            waiting = []
        current = table
        waiting.append(
            {column: _fitting(table, column, value) for column, value in zip(columns[name], values, strict=True)}
        )
    if current is not None and waiting:
        connection.execute(current.insert(), waiting)
    for table in tables.values():
        _go_on_numbering(connection, table)


def _fitting(table: Table, column: str, value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["b"], validate=True)
    kind = table.c[column].type
    if isinstance(kind, Boolean) and isinstance(value, int):
        return bool(value)
    return value


def _go_on_numbering(connection: Connection, table: Table) -> None:
    """PostgreSQL counts by itself only from where its own sequence is."""
    keys = list(table.primary_key.columns)
    if connection.dialect.name == "sqlite" or len(keys) != 1 or not isinstance(keys[0].type, Integer | BigInteger):
        return
    sequence = connection.execute(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": keys[0].name}
    ).scalar_one()
    highest = connection.execute(select(func.max(keys[0]))).scalar_one()
    if sequence is not None and highest is not None:
        connection.execute(
            text("SELECT setval(CAST(:sequence AS regclass), :value)"), {"sequence": sequence, "value": highest}
        )


def counts(connection: Connection) -> Counter[str]:
    """How many rows each table holds; those without are left out."""
    found: Counter[str] = Counter()
    for table in tables_of(connection):
        found[str(table.name)] = connection.execute(select(func.count()).select_from(table)).scalar_one()
    return +found
