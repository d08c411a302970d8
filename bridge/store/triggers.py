"""What does the database itself see to? Every step of an effect is put on record, and the audit cannot be changed.

Triggers, not statements of ours: no way through the code, of today or of tomorrow, forgets them, and a step is written
in the transaction that makes it. They are looked after whenever the schema is brought up to date, since SQLite drops
those of a table that a migration makes anew. Their time is the database's own, so it is real time.
"""

from sqlalchemy import Connection, text

_CHANGED = (
    "OLD.state IS DISTINCT FROM NEW.state "
    "OR (OLD.code IS DISTINCT FROM NEW.code AND NEW.state IN ('ready', 'unknown') AND NEW.code IS NOT NULL)"
)
_SQLITE_NOW = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
_POSTGRESQL_NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
_REFUSAL = "the audit is only ever added to"


def _note(now: str) -> str:
    """`now`: the database's words for the time in microseconds."""
    values = "NEW.id, NEW.message_id, NEW.batch_id, NEW.state, NEW.code, NEW.attempts, NEW.due_at, NEW.not_before_at"
    columns = "effect_id, message_id, batch_id, state, code, attempt, due_at, not_before_at, at"
    return f"INSERT INTO step ({columns}) VALUES ({values}, {now})"  # noqa: S608 - no input in it


_SQLITE = {
    "effect_steps": (
        f"CREATE TRIGGER effect_steps AFTER UPDATE OF state ON effect WHEN {_CHANGED} BEGIN {_note(_SQLITE_NOW)}; END"
    ),
    "effect_begins": (
        f"CREATE TRIGGER effect_begins AFTER INSERT ON effect WHEN NEW.state <> 'ready' BEGIN {_note(_SQLITE_NOW)}; END"
    ),
    **{
        f"audit_refuses_{verb.lower()}": (
            f"CREATE TRIGGER audit_refuses_{verb.lower()} BEFORE {verb} ON audit "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        )
        for verb in ("UPDATE", "DELETE")
    },
}
_POSTGRESQL_FUNCTIONS = (
    "CREATE OR REPLACE FUNCTION note_step() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    f"{_note(_POSTGRESQL_NOW)}; RETURN NULL; END $$",
    "CREATE OR REPLACE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$ "
    f"BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$",
)
_POSTGRESQL = {
    "effect_steps": (
        f"CREATE TRIGGER effect_steps AFTER UPDATE OF state ON effect FOR EACH ROW WHEN ({_CHANGED}) "
        "EXECUTE FUNCTION note_step()"
    ),
    "effect_begins": (
        "CREATE TRIGGER effect_begins AFTER INSERT ON effect FOR EACH ROW WHEN (NEW.state <> 'ready') "
        "EXECUTE FUNCTION note_step()"
    ),
    "audit_refuses_change": (
        "CREATE TRIGGER audit_refuses_change BEFORE UPDATE OR DELETE ON audit "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit()"
    ),
    "audit_refuses_truncate": (
        "CREATE TRIGGER audit_refuses_truncate BEFORE TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit()"
    ),
}


def see_to(connection: Connection) -> None:
    """Make what is missing. Safe to repeat; takes no lock where everything is there."""
    missing = expected(connection) - present(connection)
    if not missing:
        return
    wanted = _SQLITE
    if connection.dialect.name != "sqlite":
        wanted = _POSTGRESQL
        for function in _POSTGRESQL_FUNCTIONS:
            connection.execute(text(function))
    for name in sorted(missing):
        connection.execute(text(wanted[name]))


def expected(connection: Connection) -> frozenset[str]:
    return frozenset(_SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL)


def present(connection: Connection) -> frozenset[str]:
    """The names of the triggers that are there."""
    names = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if connection.dialect.name == "sqlite"
        else "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
        "WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace"
    )
    return frozenset(connection.execute(text(names)).scalars()) & expected(connection)
