"""What an administrator does when a customer asks: hand out all that is kept of them, or forget it everywhere."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection

from bridge.domain.roles import Caller
from bridge.runtime import wiring
from bridge.runtime.operations import whoever_types
from bridge.runtime.operator_error import OperatorError
from bridge.runtime.settings import Settings
from bridge.runtime.wiring import Store
from bridge.store import access, contacts, files, listing, privacy
from bridge.store.privacy import Kept, StillBusy
from connectors.errors import Permanent, RemoteFailure
from connectors.interface import ErasesPeople, RequesterId

COMMAND_LINE = "command line"


class PrivacyRefused(OperatorError):
    """It cannot be done; the text says why, and what to do."""


class NoSuchContact(PrivacyRefused):
    """Nobody is known by that."""

    def __init__(self) -> None:
        super().__init__("nobody is known by that: give an id of ours, a number, or a BSUID")


@dataclass(frozen=True, slots=True)
class Erased:
    """`rows`: how many, by table. `helpdesk_users`, `contact_book`: how many far sides were told to forget."""

    contact_id: str
    rows: dict[str, int]
    files: int
    helpdesk_users: int = 0
    contact_book: int = 0


def find_contact(connection: Connection, store: Store, who: str) -> str:
    """By an id of ours, a number in any spelling of digits, or a BSUID. Raises `PrivacyRefused`."""
    if listing.find_contact(connection, store.vault, who, reveal=False) is not None:
        return who
    found = contacts.find_by_ids(connection, store.vault, number=who, bsuid=who)
    if not found:
        raise NoSuchContact
    if len(found) > 1:
        raise PrivacyRefused(f"several contacts are known by that: use an id of ours, {' or '.join(found)}")
    return found[0]


def export(store: Store, contact_id: str, caller: Caller, *, origin: str) -> tuple[dict[str, Any], Kept]:
    """Everything of one person, opened, and on record that it was handed out. Raises `NoSuchContact`."""
    kept = store.database.read_now(partial(_gather, vault=store.vault, contact_id=contact_id))
    told = list(_look_through(store, kept))
    known = store.database.read_now(partial(files.load, vault=store.vault, file_ids=sorted(kept.file_ids)))
    whole = {
        "contact_id": contact_id,
        **privacy.shown(kept, store.vault),
        "told": [
            {"id": row.id, "source": row.source, "kind": row.kind, "received_at": row.received_at, "content": content}
            for row, content in told
        ],
        "stored_file": [
            {"id": file.id, "name": file.name, "mime_type": file.mime_type, "size_bytes": file.size_bytes}
            for file in known.values()
        ],
    }
    _record(store, caller, "contact.export", contact_id, f"{sum(map(len, kept.rows.values()))} rows", origin)
    return whole, kept


def _gather(connection: Connection, *, vault: Any, contact_id: str) -> Kept:
    if listing.find_contact(connection, vault, contact_id, reveal=False) is None:
        raise NoSuchContact
    return privacy.gather(connection, vault, contact_id)


def _look_through(store: Store, kept: Kept) -> list[tuple[Any, str]]:
    """The rows of the inbox that are about the person, page by page."""
    fits = privacy.needles(kept, store.vault)
    found: list[tuple[Any, str]] = []
    after: str | None = ""
    while after is not None:
        page, after = store.database.read_now(partial(privacy.find_told, vault=store.vault, fits=fits, after=after))
        found += page
    return found


def erase(store: Store, settings: Settings, contact_id: str, caller: Caller, *, origin: str) -> Erased:
    """Forget one person here: rows, files, dead letters. Raises `PrivacyRefused`."""
    kept = store.database.read_now(partial(_gather, vault=store.vault, contact_id=contact_id))
    told = [row.id for row, _ in _look_through(store, kept)]
    now = store.clock.real_now()

    def unit(connection: Connection) -> tuple[dict[str, int], Kept]:
        fresh = _gather(connection, vault=store.vault, contact_id=contact_id)
        counts = privacy.erase(connection, store.vault, fresh, told=told, now=now)
        access.record(
            connection,
            caller,
            origin=origin,
            action="contact.erase",
            subject=contact_id,
            detail=f"{sum(counts.values())} rows",
            real_now=now,
        )
        return counts, fresh

    try:
        counts, gone = store.database.write_now(unit)
    except StillBusy:
        raise PrivacyRefused("a call for this customer is under way: try again in a minute") from None
    wiring.open_files(settings).remove(sorted(gone.file_ids))
    # What came in while we looked is theirs as well.
    late = [row.id for row, _ in _look_through(store, kept) if row.reason != privacy.ERASED]
    if late:
        store.database.write_now(lambda connection: privacy.blank_told(connection, store.vault, late))
    return Erased(contact_id, counts, len(gone.file_ids))


async def erase_remotely(
    store: Store, settings: Settings, contact_id: str, *, helpdesk: bool, contact_book: bool
) -> tuple[int, int]:
    """Have the far sides forget the person, before we do. Safe to repeat. Raises `PrivacyRefused`."""
    kept = store.database.read_now(partial(_gather, vault=store.vault, contact_id=contact_id))
    requesters = {
        row.requester_id
        for table, rows in kept.rows.items()
        if table.name == "conversation"
        for row in rows.values()
        if row.requester_id is not None
    }
    bsuids = {
        str(shown["value"])
        for shown in privacy.shown(kept, store.vault).get("contact_identity", [])
        if shown["kind"] == contacts.BSUID_KIND
    }
    users = books = 0
    async with wiring.open_workshop(settings, store) as workshop:
        connector = workshop.services.connector
        try:
            if helpdesk and requesters:
                if not isinstance(connector, ErasesPeople):
                    raise PrivacyRefused("this helpdesk's connector cannot erase users: do it there, by hand")
                for requester in sorted(requesters):
                    await connector.erase_requester(RequesterId(requester))
                    users += 1
            if contact_book:
                for bsuid in sorted(bsuids):
                    await workshop.services.cloud_api.forget_contact(bsuid)
                    books += 1
        except Permanent as failure:
            raise PrivacyRefused(
                f"a far side refuses to erase them (code {failure.code}): close their open tickets there and try "
                "again, or leave that option out. Nothing was erased here"
            ) from None
        except RemoteFailure as failure:
            raise PrivacyRefused(
                f"a far side could not be asked ({type(failure).__name__}): try again, nothing was erased here"
            ) from None
    return users, books


def _record(store: Store, caller: Caller, action: str, subject: str, detail: str, origin: str) -> None:
    now = store.clock.real_now()
    store.database.write_now(
        lambda connection: access.record(
            connection, caller, origin=origin, action=action, subject=subject, detail=detail, real_now=now
        )
    )


def export_by_command(settings: Settings, who: str, folder: Path) -> int:
    """Write `export.json` and the person's files into `folder`, which must not be there yet. Returns how many files."""
    if folder.exists():
        raise PrivacyRefused(f"{folder} is there already: name a folder that is not")
    with wiring.open_store(settings, seals=False) as store:
        contact_id = store.database.read_now(partial(find_contact, store=store, who=who))
        whole, kept = export(store, contact_id, whoever_types(), origin=COMMAND_LINE)
        folder.mkdir(mode=0o700, parents=True)
        (folder / "export.json").write_bytes(orjson.dumps(whole, option=orjson.OPT_INDENT_2))
        return asyncio.run(_write_files(store, settings, sorted(kept.file_ids), folder))


async def _write_files(store: Store, settings: Settings, file_ids: Sequence[str], folder: Path) -> int:
    known = store.database.read_now(partial(files.load, vault=store.vault, file_ids=file_ids))
    stored = wiring.open_files(settings)
    count = 0
    for file in known.values():
        if not stored.has(file.id):
            continue
        content = b"".join([piece async for piece in stored.read(file)])
        await asyncio.to_thread((folder / file.id).write_bytes, content)
        count += 1
    return count


def erase_by_command(settings: Settings, who: str, *, helpdesk: bool, contact_book: bool) -> Erased:
    """Raises `PrivacyRefused` and `StoreUnavailable`."""
    with wiring.open_store(settings) as store:
        contact_id = store.database.read_now(partial(find_contact, store=store, who=who))
        users = books = 0
        if helpdesk or contact_book:
            users, books = asyncio.run(
                erase_remotely(store, settings, contact_id, helpdesk=helpdesk, contact_book=contact_book)
            )
        done = erase(store, settings, contact_id, whoever_types(), origin=COMMAND_LINE)
        return Erased(done.contact_id, done.rows, done.files, users, books)
