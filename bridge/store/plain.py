"""Which index must PostgreSQL not take? A column in plain sight may tempt its planner while its statistics are old."""

from typing import Any

from sqlalchemy import String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class Plain(FunctionElement[str]):
    """A text column as a value that no index of PostgreSQL is on; on SQLite the column itself.

    Where the statistics say that there is one effect that waits, any index looks alike, and the wrong one costs a scan
    of all that wait for each of them.
    """

    inherit_cache = True
    type = String()


@compiles(Plain)
def _as_it_is(element: Plain, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(Plain, "postgresql")
def _as_a_value(element: Plain, compiler: SQLCompiler, **options: Any) -> str:
    return f"({compiler.process(element.clauses, **options)} || '')"
