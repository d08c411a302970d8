"""The ledger of consent from the command line: exported whole, and added to for a contact that is known."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from bridge.domain.consent import ConsentAction, ConsentEntry, ConsentSource
from bridge.runtime import wiring
from bridge.runtime.operations import OperationFailed, whoever_types
from bridge.runtime.settings import Settings
from bridge.runtime.wiring import Store
from bridge.store import access, consents, contacts
from bridge.store.consents import LedgerLine

COLUMNS = ("id", "contact_id", "wa_id", "bsuid", "action", "source", "at", "recorded_at", "detail")
ORIGIN = "command line"


def export(settings: Settings, write: Callable[[LedgerLine], None]) -> int:
    """Hand every line to `write`, newest first. Returns how many there were."""
    with wiring.open_store(settings, seals=False) as store:
        store.database.write_now(lambda connection: _record(connection, store, "consent.export", "the ledger"))

        def unit(connection: Connection) -> int:
            count = 0
            for line in consents.export(connection, store.vault):
                write(line)
                count += 1
            return count

        return store.database.read_now(unit)


def record(settings: Settings, *, who: str, action: ConsentAction, detail: str, at: datetime | None = None) -> str:
    """Put on record what the contact with this number or BSUID said. Returns the contact's id. Raises
    `OperationFailed` where not exactly one contact is meant, or `at` is in the future."""
    with wiring.open_store(settings) as store:
        now = store.clock.business_now()
        if at is not None and at > now:
            raise OperationFailed("that time is in the future")
        entry = ConsentEntry(action, ConsentSource.ADMINISTRATOR, at or now, detail=detail)

        def unit(connection: Connection) -> str:
            found = contacts.find_by_ids(connection, store.vault, number=who, bsuid=who)
            if len(found) != 1:
                raise OperationFailed(
                    "no contact has that number or BSUID: only people who wrote before can be recorded"
                    if not found
                    else "several contacts have that number"
                )
            line_id = consents.add(connection, store.vault, found[0], entry, now=now)
            _record(connection, store, f"consent.{action.value}", found[0], line_id)
            return found[0]

        return store.database.write_now(unit)


def _record(connection: Connection, store: Store, action: str, subject: str, detail: str = "") -> None:
    access.record(
        connection,
        whoever_types(),
        origin=ORIGIN,
        action=action,
        subject=subject,
        detail=detail,
        real_now=store.clock.real_now(),
    )
