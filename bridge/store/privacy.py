"""What is kept of one person, all of it; and how is it forgotten?

Rows belong to a contact by the columns that lead there (`contact_id`, `conversation_id`, `message_id`, `effect_id`, and
every foreign key), whatever tables come later. What a far side told us is found by the person's ids in its content. Of
the inbox a skeleton stays, without content: it is what makes a repetition known.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Row, Table, and_, delete, exists, false, select, update

from bridge.domain.inbox_item import InboxKind
from bridge.store.crypto import CannotDecrypt, UnknownKey, Vault
from bridge.store.inbox import BODY
from bridge.store.rotation import SEALED
from bridge.store.tables import (
    EffectState,
    InboxState,
    alarm,
    contact,
    conversation,
    directory_entry,
    effect,
    inbox,
    media,
    message,
    metadata,
    shard,
    stored_file,
)

OWNERS = {"contact_id": contact, "conversation_id": conversation, "message_id": message, "effect_id": effect}
IMPERSONAL = frozenset({"channel", "keyring", "setting", "admin_token", "inbox", "stored_file", "directory_entry"})
"""What leads to these leads to nobody. `inbox`, `stored_file` and `directory_entry` are searched in their own way."""
AT_ONCE = 400
PAGE = 1_000
ERASED = "erased"
_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_SEALED = {table.name: columns for table, columns in SEALED}


class StillBusy(Exception):
    """A call for this person is under way at this moment, so it cannot be forgotten yet. Try again in a minute."""


@dataclass(slots=True)
class Kept:
    """Everything of one contact. `rows`: by table; `file_ids`: stored files, also those named in a message."""

    contact_id: str
    rows: dict[Table, dict[Any, Row[Any]]] = field(default_factory=dict, repr=False)
    file_ids: frozenset[str] = frozenset()

    def ids(self, table: Table) -> list[Any]:
        return list(self.rows.get(table, {}))


def leads(table: Table) -> list[tuple[Any, Table]]:
    """The columns of a table that lead to a person, each with the table it leads to."""
    found = [(column, OWNERS[column.name]) for column in table.c if column.name in OWNERS]
    for key in table.foreign_keys:
        parent = key.column.table
        if parent.name not in IMPERSONAL and (key.parent, parent) not in found:
            found.append((key.parent, parent))
    return [(column, parent) for column, parent in found if parent is not table]


def gather(connection: Connection, vault: Vault, contact_id: str) -> Kept:
    """All rows of a contact. The inbox is not among them: `find_told` looks through that."""
    kept = Kept(contact_id, {contact: _rows(connection, contact, contact.c.id == contact_id)})
    while True:
        before = sum(len(rows) for rows in kept.rows.values())
        for table in metadata.sorted_tables:
            for column, parent in leads(table):
                for ids in _chunks(kept.ids(parent)):
                    found = _rows(connection, table, column.in_(ids))
                    kept.rows.setdefault(table, {}).update(found)
        if sum(len(rows) for rows in kept.rows.values()) == before:
            break
    requesters = {row.requester_id for row in kept.rows.get(conversation, {}).values() if row.requester_id is not None}
    mine = directory_entry.c.remote_id.in_(requesters)
    kept.rows[directory_entry] = _rows(connection, directory_entry, mine) if requesters else {}
    named = {row.file_id for row in kept.rows.get(media, {}).values() if row.file_id is not None}
    for table in (message, effect):
        for row in kept.rows.get(table, {}).values():
            for text in opened(table, row, vault).values():
                named.update(_ULID.findall(str(text)))
    kept.file_ids = frozenset(
        file_id
        for ids in _chunks(sorted(named))
        for file_id in connection.execute(select(stored_file.c.id).where(stored_file.c.id.in_(ids))).scalars()
    )
    return kept


def _rows(connection: Connection, table: Table, condition: ColumnElement[bool]) -> dict[Any, Row[Any]]:
    (key,) = table.primary_key.columns
    return {row._mapping[key.name]: row for row in connection.execute(select(table).where(condition))}


def _chunks(ids: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


def opened(table: Table, row: Row[Any], vault: Vault) -> dict[str, object]:
    """A row for people: what is sealed is opened, hashes are left out. What does not open is None."""
    shown: dict[str, object] = {}
    for name, value in row._mapping.items():
        if name in _SEALED.get(table.name, ()):
            shown[str(name)] = _text(vault, value, f"{table.name}.{name}", row.id)
        elif not isinstance(value, bytes):
            shown[str(name)] = value
    return shown


def _text(vault: Vault, sealed: bytes | None, place: str, row_id: str) -> str | None:
    if sealed is None:
        return None
    try:
        return vault.unseal(sealed, place, row_id).decode("utf-8", "replace")
    except (CannotDecrypt, UnknownKey):
        return None


def needles(kept: Kept, vault: Vault) -> Callable[[str, bytes], bool]:
    """Is this row of the inbox (kind, content) about the person?"""
    identities = next((rows for table, rows in kept.rows.items() if table.name == "contact_identity"), {})
    table = metadata.tables["contact_identity"]
    ids = {str(opened(table, row, vault).get("value") or "") for row in identities.values()}
    wamids = {str(opened(message, row, vault).get("wamid") or "") for row in kept.rows.get(message, {}).values()}
    words = [
        *(rf"(?<!\d){re.escape(one)}(?!\d)" if one.isdigit() else re.escape(one) for one in ids if len(one) > 5),
        *(re.escape(one) for one in wamids if one),
    ]
    pattern = re.compile("|".join(words).encode()) if words else None
    escaped = re.compile("|".join(words).replace("/", r"\\?/").encode()) if words else None
    tickets = {
        str(row.remote_id) for owned, rows in kept.rows.items() if owned.name == "ticket" for row in rows.values()
    }

    def fits(kind: str, content: bytes) -> bool:
        if kind == InboxKind.RING:
            try:
                return str(orjson.loads(content).get("ticket_id")) in tickets
            except (ValueError, AttributeError):
                return False
        return any(one is not None and one.search(content) is not None for one in (pattern, escaped))

    return fits


def find_told(
    connection: Connection, vault: Vault, fits: Callable[[str, bytes], bool], *, after: str = ""
) -> tuple[list[tuple[Row[Any], str]], str | None]:
    """One page of the inbox: the rows that are about the person, with their content, and where to go on; None at the
    end. A row that opens under no key is nobody's."""
    rows = connection.execute(select(inbox).where(inbox.c.id > after).order_by(inbox.c.id).limit(PAGE)).all()
    found = []
    for row in rows:
        try:
            content = vault.unseal(row.body, BODY, row.id)
        except (CannotDecrypt, UnknownKey):
            continue
        if fits(row.kind, content):
            found.append((row, content.decode("utf-8", "replace")))
    return found, (rows[-1].id if len(rows) == PAGE else None)


def erase(connection: Connection, vault: Vault, kept: Kept, *, told: Sequence[str], now: datetime) -> dict[str, int]:
    """Forget a person, in one transaction. Returns how many rows of which table. Raises `StillBusy`.

    Whoever works on this person's shard loses its lease, so that nothing of what it has in hand is begun any more. The
    bytes of `kept.file_ids` cannot be read from here on; deleting them is the caller's.
    """
    shards = {row.shard for row in kept.rows[contact].values()}
    connection.execute(
        update(shard).where(shard.c.id.in_(shards)).values(fence=shard.c.fence + 1, holder=None, expires_at=now)
    )
    under_way = (EffectState.PERFORMING.value, EffectState.UNKNOWN.value)
    for ids in _chunks(kept.ids(effect)):
        busy = exists().where(and_(effect.c.id.in_(ids), effect.c.state.in_(under_way)))
        if connection.execute(select(busy)).scalar_one():
            raise StillBusy
    counts: dict[str, int] = {}
    if kept.file_ids:
        removed = connection.execute(delete(stored_file).where(stored_file.c.id.in_(kept.file_ids))).rowcount
        counts["stored_file"] = removed
    subjects = [kept.contact_id, *kept.ids(conversation)]
    connection.execute(delete(alarm).where(alarm.c.subject.in_(subjects)))
    for table in reversed([one for one in metadata.sorted_tables if kept.ids(one)]):
        (key,) = table.primary_key.columns
        for ids in _chunks(kept.ids(table)):
            counts[table.name] = (
                counts.get(table.name, 0) + connection.execute(delete(table).where(key.in_(ids))).rowcount
            )
    blank_told(connection, vault, told)
    counts["inbox"] = len(told)
    return {name: count for name, count in counts.items() if count}


def blank_told(connection: Connection, vault: Vault, told: Sequence[str]) -> None:
    """Only the skeleton of these rows stays."""
    for row_id in told:
        connection.execute(
            update(inbox)
            .where(inbox.c.id == row_id)
            .values(body=vault.seal(b"{}", BODY, row_id), state=InboxState.DONE.value, reason=ERASED, match_index=None)
        )


def purge_content(connection: Connection, vault: Vault, *, before: str, after: str, limit: int) -> tuple[int, str]:
    """Empty messages older than the id `before`, from `after` on, and forget what was done about them.

    Effects that have ended go with their steps; those that wait for something or for a person stay, with what they are
    about. Returns how many messages were emptied, and how far it came.
    """
    ended = [
        state.value for state in (EffectState.DONE, EffectState.DROPPED, EffectState.FAILED, EffectState.UNCONFIRMED)
    ]
    steps = metadata.tables["step"]
    over = connection.execute(
        select(effect.c.id, effect.c.message_id)
        .where(effect.c.id < before, effect.c.state.in_(ended))
        .order_by(effect.c.id)
        .limit(limit)
    ).all()
    over_ids = [row.id for row in over]
    about = {row.message_id for row in over if row.message_id is not None}
    if over_ids:
        about |= set(
            connection.execute(
                select(steps.c.message_id).where(steps.c.effect_id.in_(over_ids), steps.c.message_id.is_not(None))
            ).scalars()
        )
        connection.execute(delete(steps).where(steps.c.effect_id.in_(over_ids)))
        connection.execute(delete(effect).where(effect.c.id.in_(over_ids)))
    next_ids = list(
        connection.execute(
            select(message.c.id).where(message.c.id > after, message.c.id < before).order_by(message.c.id).limit(limit)
        ).scalars()
    )
    wanted = sorted(about.union(next_ids))
    still = set(
        connection.execute(
            select(effect.c.message_id).where(effect.c.message_id.in_(wanted) if wanted else false())
        ).scalars()
    )
    emptied = [row_id for row_id in wanted if row_id not in still and row_id < before]
    for row_id in emptied:
        connection.execute(
            update(message)
            .where(message.c.id == row_id)
            .values(text=vault.seal_text("", "message.text", row_id), content=None, wamid=None)
        )
    if emptied:
        connection.execute(delete(media).where(media.c.message_id.in_(emptied)))
    return len(emptied), (next_ids[-1] if next_ids else after)


def prune_comments(connection: Connection, *, before: datetime, limit: int) -> int:
    """Forget comments that are too old to be read again: the ticket was read to a day after them, and they are not its
    newest."""
    comment, ticket = metadata.tables["comment"], metadata.tables["ticket"]
    later = comment.alias("later")
    old = (
        select(comment.c.id)
        .join(ticket, ticket.c.id == comment.c.ticket_id)
        .where(
            comment.c.created_at < before,
            ticket.c.read_since_at > before,
            exists().where(and_(later.c.ticket_id == comment.c.ticket_id, later.c.id > comment.c.id)),
        )
        .limit(limit)
    )
    return connection.execute(delete(comment).where(comment.c.id.in_(old))).rowcount


def shown(kept: Kept, vault: Vault) -> Mapping[str, list[dict[str, object]]]:
    """Every row of the person, opened, by table."""
    return {
        str(table.name): [opened(table, row, vault) for row in rows.values()]
        for table, rows in kept.rows.items()
        if rows
    }
