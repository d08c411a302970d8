"""Everything comes under the newest key while others write, and stays what it was."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import Connection, LargeBinary, Table, select, update

from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.store import contacts, inbox, keyring, rotation, tables
from bridge.store.crypto import CannotDecrypt, MasterKeys, UnknownKey, Vault, key_id, key_name
from bridge.store.database import Database
from bridge.store.rotation import Stale, find_stale, rewrite, swap
from tests.store.test_secrecy import NUMBER, WAMID, fill
from tests.store.world import NOW, sender

OLD, NEW = b"o" * 32, b"n" * 32
OLD_NAME, NEW_NAME = (key_name(key_id(key)) for key in (OLD, NEW))
BOTH = MasterKeys([NEW, OLD])
NOT_SEALED = {
    "directory_entry.number_index",
    "past_identity.value_index",
    "inbox.event_key",
    "inbox.match_index",
    "contact_identity.value_index",
    "message.wamid_index",
} | {
    "message.about_index",
    "admin_token.token_hash",
    "keyring.wrapped",
}
"""Hashes, and the index key, which `keyring.rewrap` sees to."""
EVERY_VALUE = Counter(
    {
        "inbox.body": 2,
        "contact.name": 1,
        "contact_identity.value": 2,
        "consent.detail": 1,
        "message.text": 2,
        "message.content": 2,
        "message.wamid": 2,
        "media.source": 1,
        "stored_file.key": 1,
        "stored_file.name": 1,
        "effect.payload": 1,
        "effect.frozen": 1,
        "setting.value": 1,
        "template_version.content": 1,
    }
)


def open_with(database: Database, *keys: bytes) -> Vault:
    return database.read_now(partial(keyring.open_vault, keys=MasterKeys(keys)))


@pytest.fixture
async def filled(database: Database) -> Database:
    """A database with something in every sealed column, under the old key."""
    await database.write(lambda connection: keyring.make_index_key(connection, MasterKeys([OLD])))
    await database.write(lambda connection: fill(connection, open_with(database, OLD)))
    return database


def read_everything(connection: Connection, vault: Vault) -> list[bytes]:
    """Every sealed value, opened."""
    return [
        vault.unseal(sealed, f"{table.name}.{column}", row_id)
        for table, columns in rotation.SEALED
        for column in columns
        for row_id, sealed in connection.execute(select(table.c.id, table.c[column]).order_by(table.c.id))
        if sealed is not None
    ]


def test_every_column_of_bytes_is_rotated_or_no_sealed_one() -> None:
    of_bytes = {
        f"{table.name}.{column.name}"
        for table in tables.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    rotated = {f"{table.name}.{column}" for table, columns in rotation.SEALED for column in columns}
    assert rotated == of_bytes - NOT_SEALED
    assert rotated == set(EVERY_VALUE), "the tests fill every one of them"


async def test_everything_opens_with_the_new_key_alone_afterwards(filled: Database) -> None:
    before = filled.read_now(lambda connection: read_everything(connection, open_with(filled, OLD)))
    seen = rewrite(filled, BOTH)
    filled.write_now(partial(keyring.rewrap, keys=BOTH))
    assert filled.read_now(lambda connection: read_everything(connection, open_with(filled, NEW))) == before
    assert seen.rewritten == EVERY_VALUE
    assert seen.found == {OLD_NAME: EVERY_VALUE.total()}
    assert +seen.left == {NEW_NAME: EVERY_VALUE.total()}
    assert (seen.passed_over, +seen.damaged) == (0, Counter())
    with pytest.raises(UnknownKey):
        open_with(filled, OLD)


async def test_second_run_finds_nothing_to_do(filled: Database) -> None:
    rewrite(filled, BOTH)
    assert filled.write_now(partial(keyring.rewrap, keys=BOTH))
    again = rewrite(filled, BOTH)
    assert not again.rewritten
    assert again.found == {NEW_NAME: EVERY_VALUE.total()}
    assert not filled.write_now(partial(keyring.rewrap, keys=BOTH))


async def test_what_was_told_before_is_still_a_duplicate_and_the_customer_the_same(filled: Database) -> None:
    def meet(vault: Vault) -> Callable[[Connection], tuple[int, str]]:
        told = InboxItem(InboxKind.MESSAGE, "c", f"c:{WAMID}", NUMBER, b"{}", 0)

        def unit(connection: Connection) -> tuple[int, str]:
            fresh = inbox.insert_rows(connection, inbox.rows_of([told], vault=vault, received_at=NOW))
            known = contacts.find_or_create(connection, vault, sender(wa_id=NUMBER), shard=9, now=NOW)
            return fresh, known.id

        return unit

    before = filled.write_now(meet(open_with(filled, OLD)))
    rewrite(filled, BOTH)
    filled.write_now(partial(keyring.rewrap, keys=BOTH))
    assert filled.write_now(meet(open_with(filled, NEW))) == before
    assert before[0] == 0


def all_of(database: Database, table: Table, columns: tuple[str, ...]) -> list[Stale]:
    def unit(connection: Connection) -> list[Stale]:
        row_ids = list(connection.execute(select(table.c.id)).scalars())
        return find_stale(connection, keys=BOTH, table=table, columns=columns, row_ids=row_ids)

    return database.read_now(unit)


def resealed(stale: list[Stale]) -> list[tuple[Stale, bytes]]:
    return [(value, BOTH.reseal(value.sealed, place=f"{value.kind}:{value.row_id}")) for value in stale]


async def test_value_written_meanwhile_is_not_overwritten_with_old_content(filled: Database, other: Database) -> None:
    stale = all_of(filled, tables.contact, ("name",))
    vault = open_with(filled, OLD)
    [named] = stale
    newer = vault.seal_text("Inês Prado", "contact.name", named.row_id)
    other.write_now(lambda connection: connection.execute(update(tables.contact).values(name=newer)))

    assert filled.write_now(partial(swap, table=tables.contact, fresh=resealed(stale))) == []
    rewrite(filled, BOTH)
    sealed = filled.read_now(lambda connection: connection.execute(select(tables.contact.c.name)).scalar_one())
    assert Vault(MasterKeys([NEW]), index_key=OLD).unseal_text(sealed, "contact.name", named.row_id) == "Inês Prado"


async def test_value_taken_away_meanwhile_does_not_come_back(filled: Database, other: Database) -> None:
    """A batch that is thawed loses its frozen request."""
    stale = all_of(filled, tables.effect, ("payload", "frozen"))
    other.write_now(lambda connection: connection.execute(update(tables.effect).values(frozen=None)))
    done = filled.write_now(partial(swap, table=tables.effect, fresh=resealed(stale)))
    assert [value.kind for value in done] == ["effect.payload"]
    assert filled.read_now(lambda connection: connection.execute(select(tables.effect.c.frozen)).scalar_one()) is None


async def test_row_that_somebody_holds_is_left_to_the_next_pass(filled: Database, other: Database) -> None:
    """Waiting for it while other rows are held could close a circle. On SQLite there is one writer at a time anyway."""
    if filled.is_sqlite:
        assert rewrite(filled, BOTH).passed_over == 0
        return
    seen: list[rotation.Pass] = []

    def hold_and_rotate(connection: Connection) -> None:
        connection.execute(select(tables.contact.c.id).with_for_update())
        seen.append(rewrite(filled, BOTH))

    other.write_now(hold_and_rotate)
    [during] = seen
    assert (during.passed_over, during.rewritten["contact.name"]) == (1, 0)
    assert during.left[OLD_NAME] == 1
    assert rewrite(filled, BOTH).rewritten == {"contact.name": 1}


async def test_damaged_value_is_told_and_stays_as_it_is(filled: Database) -> None:
    def damage(connection: Connection) -> bytes:
        sealed: bytes = connection.execute(select(tables.setting.c.value)).scalar_one()
        altered = sealed[:-1] + bytes([sealed[-1] ^ 1])
        connection.execute(update(tables.setting).values(value=altered))
        return altered

    altered = filled.write_now(damage)
    seen = rewrite(filled, BOTH)
    assert +seen.damaged == {"setting.value": 1}
    assert seen.left[OLD_NAME] == 1
    assert (
        filled.read_now(lambda connection: connection.execute(select(tables.setting.c.value)).scalar_one()) == altered
    )
    with pytest.raises(CannotDecrypt):
        filled.read_now(lambda connection: read_everything(connection, open_with(filled, NEW, OLD)))


async def test_value_under_a_key_that_we_do_not_have_is_counted_and_left(filled: Database) -> None:
    stranger = Vault(MasterKeys([b"x" * 32]), index_key=OLD)
    rows = inbox.rows_of([InboxItem(InboxKind.MESSAGE, "c", "e", "s", b"{}", 0)], vault=stranger, received_at=NOW)
    filled.write_now(lambda connection: inbox.insert_rows(connection, rows))
    seen = rewrite(filled, BOTH)
    assert +seen.left == {NEW_NAME: EVERY_VALUE.total(), key_name(key_id(b"x" * 32)): 1}


async def test_many_pages_are_all_seen(filled: Database) -> None:
    vault = open_with(filled, OLD)
    count = rotation.ROWS_LOOKED_AT + rotation.ROWS_AT_ONCE + 7
    items = [InboxItem(InboxKind.STATUS, "c", f"c:{number}", "s", b"%d" % number, number) for number in range(count)]
    filled.write_now(
        lambda connection: inbox.insert_rows(connection, inbox.rows_of(items, vault=vault, received_at=NOW))
    )
    assert rewrite(filled, BOTH).rewritten["inbox.body"] == count + EVERY_VALUE["inbox.body"]
    entries = filled.read_now(
        lambda connection: inbox.load_due(
            connection,
            Vault(MasterKeys([NEW]), index_key=OLD),
            shards=range(32),
            now=NOW,
            real_now=NOW,
            limit=count * 2,
        )
    )
    assert {entry.body for entry in entries if entry.kind is InboxKind.STATUS} == {item.body for item in items}


async def test_event_under_an_unknown_key_is_no_dead_letter(filled: Database) -> None:
    """It waits like everything while the database is away: the rows stay new, and nothing is counted against them."""
    rewrite(filled, BOTH)
    filled.write_now(lambda connection: keyring.put_on_record(connection, NEW_NAME))
    blind = Vault(MasterKeys([OLD]), index_key=OLD)
    with pytest.raises(UnknownKey):
        filled.read_now(
            lambda connection: inbox.load_due(connection, blind, shards=range(32), now=NOW, real_now=NOW, limit=9)
        )


async def test_event_under_a_key_that_nobody_ever_used_is_damaged_and_stops_nobody(filled: Database) -> None:
    rewrite(filled, BOTH)
    blind = Vault(MasterKeys([OLD]), index_key=OLD)
    entries = filled.read_now(
        lambda connection: inbox.load_due(connection, blind, shards=range(32), now=NOW, real_now=NOW, limit=9)
    )
    assert entries
    assert [entry.body for entry in entries] == [None] * len(entries)


async def test_key_is_on_record_until_it_is_struck_off(filled: Database) -> None:
    assert filled.read_now(keyring.on_record) == {OLD_NAME}
    for _ in range(2):
        filled.write_now(lambda connection: keyring.put_on_record(connection, NEW_NAME))
    assert filled.read_now(keyring.on_record) == {OLD_NAME, NEW_NAME}
    filled.write_now(partial(keyring.strike_off, names=[OLD_NAME]))
    assert filled.read_now(keyring.on_record) == {NEW_NAME}
    assert open_with(filled, OLD).keys.names == (OLD_NAME,)
