"""The ledger of what customers said of marketing: lines are added, and never changed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from bridge.domain.consent import ConsentAction, ConsentEntry, ConsentSource, consent_after
from bridge.store.contacts import BSUID_KIND, VALUE, WA_ID_KIND
from bridge.store.crypto import Vault
from bridge.store.ids import new_id
from bridge.store.tables import consent, contact_identity
from templates_registry.sending_rules import Consent

DETAIL = "consent.detail"
EXPORTED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A line as it is exported. `recorded_at`: when we learnt it."""

    id: str
    contact_id: str
    wa_id: str | None = field(repr=False)
    bsuid: str | None = field(repr=False)
    action: str
    source: str
    at: datetime
    recorded_at: datetime
    detail: str | None = field(repr=False)


def add(connection: Connection, vault: Vault, contact_id: str, entry: ConsentEntry, *, now: datetime) -> str:
    """`now`: business time. Returns the line's id."""
    row_id = new_id()
    connection.execute(
        insert(consent).values(
            id=row_id,
            contact_id=contact_id,
            action=entry.action.value,
            source=entry.source.value,
            at=entry.at,
            recorded_at=now,
            detail=vault.seal_text(entry.detail, DETAIL, row_id),
        )
    )
    return row_id


def load(connection: Connection, contact_id: str) -> list[ConsentEntry]:
    """Everything the contact said, oldest first, without the details."""
    return [
        ConsentEntry(ConsentAction(row.action), ConsentSource(row.source), row.at)
        for row in connection.execute(_OF_CONTACT, {"of_contact": contact_id})
    ]


def of_contact(connection: Connection, contact_id: str) -> Consent:
    """What counts now: ask it before every template, in the transaction that sends it."""
    return consent_after(load(connection, contact_id))


_OF_CONTACT = (
    select(consent.c.action, consent.c.source, consent.c.at)
    .where(consent.c.contact_id == bindparam("of_contact"))
    .order_by(consent.c.at, consent.c.id)
)


def lines(
    connection: Connection,
    vault: Vault,
    *,
    reveal: bool,
    before: str | None = None,
    contact_id: str | None = None,
    limit: int,
) -> list[LedgerLine]:
    """The ledger, newest first. `reveal` False: nobody's ids and no details."""
    wanted = select(consent).order_by(consent.c.id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(consent.c.id < before)
    if contact_id is not None:
        wanted = wanted.where(consent.c.contact_id == contact_id)
    rows = connection.execute(wanted).all()
    ids = _ids_of(connection, vault, {row.contact_id for row in rows}) if reveal else {}
    return [
        LedgerLine(
            id=row.id,
            contact_id=row.contact_id,
            wa_id=ids.get(row.contact_id, {}).get(WA_ID_KIND),
            bsuid=ids.get(row.contact_id, {}).get(BSUID_KIND),
            action=row.action,
            source=row.source,
            at=row.at,
            recorded_at=row.recorded_at,
            detail=vault.unseal_text(row.detail, DETAIL, row.id) if reveal else None,
        )
        for row in rows
    ]


def export(connection: Connection, vault: Vault) -> Iterator[LedgerLine]:
    """The whole ledger, newest first, a part at a time."""
    before: str | None = None
    while found := lines(connection, vault, reveal=True, before=before, limit=EXPORTED_AT_ONCE):
        yield from found
        before = found[-1].id


def _ids_of(connection: Connection, vault: Vault, contact_ids: set[str]) -> dict[str, dict[str, str]]:
    """By contact, the id of each kind that was seen last."""
    found: dict[str, dict[str, str]] = {}
    rows: Any = connection.execute(
        select(contact_identity)
        .where(contact_identity.c.contact_id.in_(contact_ids))
        .order_by(contact_identity.c.last_seen_at, contact_identity.c.id)
    )
    for row in rows:
        found.setdefault(row.contact_id, {})[row.kind] = vault.unseal_text(row.value, VALUE, row.id)
    return found
