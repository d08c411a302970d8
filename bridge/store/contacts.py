"""Who is behind an id? Identities are rows that point at a contact; BSUID first, wa_id second, both optional."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update

from bridge.domain.model import Bsuid, Sender, WaId
from bridge.store.crypto import Vault
from bridge.store.ids import new_id
from bridge.store.insert_once import insert_once
from bridge.store.tables import contact, contact_identity

NAME = "contact.name"
VALUE = "contact_identity.value"
BSUID_KIND = "bsuid"
WA_ID_KIND = "wa_id"


class ContactRaced(Exception):
    """Somebody else has just made this contact: look again."""


@dataclass(frozen=True, slots=True)
class ContactRef:
    """`conflict`: the message's wa_id belongs to another contact than its BSUID."""

    id: str
    shard: int
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """How a contact is written to: the ids seen last."""

    bsuid: Bsuid | None = field(repr=False)
    wa_id: WaId | None = field(repr=False)
    name: str | None = field(repr=False)


def find_or_create(connection: Connection, vault: Vault, sender: Sender, *, shard: int, now: datetime) -> ContactRef:
    """The contact of a sender, with every id of this message known from now on.

    Raises `ContactRaced` when another transaction made the same one at this moment: try again.
    """
    wanted = {kind: value for kind, value in ((BSUID_KIND, sender.bsuid), (WA_ID_KIND, sender.wa_id)) if value}
    indexes = {kind: vault.index(kind, value) for kind, value in wanted.items()}
    rows: Sequence[Any] = connection.execute(
        _OF_WHOEVER_HAS, {BSUID_KIND: indexes.get(BSUID_KIND), WA_ID_KIND: indexes.get(WA_ID_KIND)}
    ).all()
    known = {row.kind: row for row in rows if row.value_index == indexes.get(row.kind)}
    owners = {row.contact_id for row in known.values()}
    if not known:
        owner_id, owner_shard = _create(connection, vault, sender, shard=shard, now=now), shard
    else:
        owner = known.get(BSUID_KIND) or known[WA_ID_KIND]
        owner_id, owner_shard = owner.contact_id, owner.shard
        if sender.name and (owner.name is None or vault.unseal_text(owner.name, NAME, owner_id) != sender.name):
            connection.execute(
                update(contact)
                .where(contact.c.id == owner_id)
                .values(name=vault.seal_text(sender.name, NAME, owner_id))
            )
    for kind, value in wanted.items():
        if kind not in known:
            if not _add_identity(connection, vault, owner_id, kind=kind, value=value, now=now):
                raise ContactRaced
        elif known[kind].contact_id == owner_id and _is_overtaken(known[kind], rows):
            connection.execute(
                update(contact_identity).where(contact_identity.c.id == known[kind].id).values(last_seen_at=now)
            )
    return ContactRef(owner_id, owner_shard, conflict=len(owners) > 1)


_seen = contact_identity.alias("seen")
_OF_WHOEVER_HAS = (
    select(
        contact_identity.c.id,
        contact_identity.c.kind,
        contact_identity.c.value_index,
        contact_identity.c.contact_id,
        contact_identity.c.last_seen_at,
        contact.c.shard,
        contact.c.name,
    )
    .join(contact, contact.c.id == contact_identity.c.contact_id)
    .where(
        contact_identity.c.contact_id.in_(
            select(_seen.c.contact_id).where(
                or_(
                    *(
                        and_(_seen.c.kind == kind, _seen.c.value_index == bindparam(kind))
                        for kind in (BSUID_KIND, WA_ID_KIND)
                    )
                )
            )
        )
    )
)
"""Every id of the contacts that have one of these two."""


def _is_overtaken(row: Any, rows: Sequence[Any]) -> bool:
    """Was another id of that kind seen later? Who is written to depends on the order alone."""
    return any(
        other.kind == row.kind
        and other.contact_id == row.contact_id
        and (other.last_seen_at, other.id) > (row.last_seen_at, row.id)
        for other in rows
    )


def _create(connection: Connection, vault: Vault, sender: Sender, *, shard: int, now: datetime) -> str:
    contact_id = new_id()
    connection.execute(
        insert(contact).values(
            id=contact_id,
            shard=shard,
            name=None if sender.name is None else vault.seal_text(sender.name, NAME, contact_id),
            created_at=now,
        )
    )
    return contact_id


def _add_identity(
    connection: Connection, vault: Vault, contact_id: str, *, kind: str, value: str, now: datetime
) -> bool:
    row_id = new_id()
    return insert_once(
        connection,
        contact_identity,
        {
            "id": row_id,
            "contact_id": contact_id,
            "kind": kind,
            "value_index": vault.index(kind, value),
            "value": vault.seal_text(value, VALUE, row_id),
            "last_seen_at": now,
        },
        unique=(contact_identity.c.kind, contact_identity.c.value_index),
    )


def find(connection: Connection, vault: Vault, *, kind: str, value: str) -> ContactRef | None:
    row = connection.execute(_OWNER, {"of_kind": kind, "index": vault.index(kind, value)}).one_or_none()
    return None if row is None else ContactRef(row.id, row.shard)


def find_by_ids(connection: Connection, vault: Vault, *, number: str | None, bsuid: str | None) -> list[str]:
    """The contacts with this number (its digits are compared) or this BSUID."""
    digits = "".join(character for character in number or "" if character.isascii() and character.isdigit())
    wanted = ((WA_ID_KIND, digits.removeprefix("00")), (BSUID_KIND, bsuid or ""))
    found = [find(connection, vault, kind=kind, value=value) for kind, value in wanted if value]
    return list(dict.fromkeys(owner.id for owner in found if owner is not None))


_OWNER = (
    select(contact.c.id, contact.c.shard)
    .join(contact_identity, contact_identity.c.contact_id == contact.c.id)
    .where(contact_identity.c.kind == bindparam("of_kind"), contact_identity.c.value_index == bindparam("index"))
)


def load_address(connection: Connection, vault: Vault, contact_id: str) -> Address:
    name: bytes | None = None
    latest: dict[str, str] = {}
    for row in connection.execute(_ADDRESS, {"id": contact_id}):
        name = row.name
        if row.kind is not None:
            latest[row.kind] = vault.unseal_text(row.value, VALUE, row.id)
    return Address(
        bsuid=Bsuid(latest[BSUID_KIND]) if BSUID_KIND in latest else None,
        wa_id=WaId(latest[WA_ID_KIND]) if WA_ID_KIND in latest else None,
        name=None if name is None else vault.unseal_text(name, NAME, contact_id),
    )


_ADDRESS = (
    select(contact.c.name, contact_identity.c.id, contact_identity.c.kind, contact_identity.c.value)
    .outerjoin_from(contact, contact_identity, contact_identity.c.contact_id == contact.c.id)
    .where(contact.c.id == bindparam("id"))
    .order_by(contact_identity.c.last_seen_at, contact_identity.c.id)
)


def learn(
    connection: Connection, vault: Vault, contact_id: str, *, bsuid: str | None, wa_id: str | None, now: datetime
) -> bool:
    """Ids that came back for somebody we wrote to. False when one of them belongs to somebody else already."""
    clean = True
    for kind, value in ((BSUID_KIND, bsuid), (WA_ID_KIND, wa_id)):
        if not value:
            continue
        owner = find(connection, vault, kind=kind, value=value)
        if owner is None:
            clean &= _add_identity(connection, vault, contact_id, kind=kind, value=value, now=now)
        elif owner.id != contact_id:
            clean = False
    return clean
