"""Which keys is anything sealed under? The index key, wrapped, and a record of every master key in use.

A master key is on record before the first value is sealed under it, and until nothing is left under it. So one look
tells a process whether it may meet values that it cannot open.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, select, update

from bridge.store.crypto import MasterKeys, Vault, key_of, new_wrapped_index_key, rewrap_index_key
from bridge.store.insert_once import insert_once
from bridge.store.tables import keyring

INDEX_KEY = "blind_index"
_RECORD = "master:"


def make_index_key(connection: Connection, keys: MasterKeys) -> None:
    """The blind-index key, unless there is one."""
    if _find_index_key(connection) is None:
        put_on_record(connection, keys.names[0])
        wrapped = new_wrapped_index_key(keys)
        insert_once(connection, keyring, {"name": INDEX_KEY, "wrapped": wrapped}, unique=(keyring.c.name,))


def open_vault(connection: Connection, keys: MasterKeys) -> Vault:
    """Raises `UnknownKey` when the index key is wrapped by a key that is not among `keys`."""
    wrapped = _find_index_key(connection)
    assert wrapped is not None, "the database was not migrated"
    return Vault.unwrap(keys, wrapped)


def rewrap(connection: Connection, keys: MasterKeys) -> bool:
    """Wrap the index key by the newest master key; it stays what it is. False: it was already."""
    wrapped = _find_index_key(connection)
    if wrapped is None or key_of(wrapped) == keys.names[0]:
        return False
    connection.execute(
        update(keyring)
        .where(keyring.c.name == INDEX_KEY, keyring.c.wrapped == wrapped)
        .values(wrapped=rewrap_index_key(keys, wrapped))
    )
    return True


def wrapped_by(connection: Connection) -> str:
    """The name of the master key that the index key needs."""
    wrapped = _find_index_key(connection)
    assert wrapped is not None, "the database was not migrated"
    return key_of(wrapped)


def _find_index_key(connection: Connection) -> bytes | None:
    return connection.execute(select(keyring.c.wrapped).where(keyring.c.name == INDEX_KEY)).scalar_one_or_none()


def put_on_record(connection: Connection, key: str) -> None:
    """From here on values may be sealed under this key. Safe to repeat."""
    insert_once(connection, keyring, {"name": _RECORD + key, "wrapped": b""}, unique=(keyring.c.name,))


def on_record(connection: Connection) -> frozenset[str]:
    """The names of the master keys that values may be sealed under."""
    names = connection.execute(select(keyring.c.name).where(keyring.c.name.startswith(_RECORD, autoescape=True)))
    return frozenset(name.removeprefix(_RECORD) for name in names.scalars())


def strike_off(connection: Connection, names: Iterable[str]) -> None:
    """Nothing is left under these keys. A process that still seals under one puts it back within a second."""
    connection.execute(delete(keyring).where(keyring.c.name.in_([_RECORD + name for name in names])))
