"""Who is behind an id? Identities are rows that point at a contact, each with its evidence and its times.

The rules are `bridge.domain.identity`'s; here their facts are found and their findings written.
"""

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, insert, or_, select, update

from bridge.domain.identity import (
    NUMBERS,
    Claim,
    Evidence,
    Finding,
    Held,
    IdChange,
    IdKind,
    Match,
    Past,
    Recipient,
    follow_change,
    identify,
    match_of,
    recipient_of,
    spellings,
)
from bridge.domain.model import Bsuid, Sender, WaId
from bridge.store.crypto import Vault
from bridge.store.ids import new_id
from bridge.store.insert_once import insert_once
from bridge.store.tables import consent, contact, contact_identity, contact_merge, past_identity

NAME = "contact.name"
VALUE = "contact_identity.value"
BSUID_KIND = IdKind.BSUID.value
WA_ID_KIND = IdKind.WA_ID.value
SEEN_TO_THE = timedelta(minutes=1)
"""How exactly it is kept when an id was seen last: a write for every message would be one too many."""


class ContactRaced(Exception):
    """Somebody else has just made this contact: look again."""


@dataclass(frozen=True, slots=True)
class ContactRef:
    """`merging`: other contacts turned out to be the same person, and are merged as soon as nothing is in the way.

    `reveals_number`: a contact who was known without a number has one now.
    """

    id: str
    shard: int
    merging: bool = False
    reveals_number: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """How a contact is known, by the ids that are theirs now: of each kind the one seen last.

    `former_numbers`: what WhatsApp said that is theirs no more, newest first.
    """

    bsuid: Bsuid | None = field(repr=False)
    wa_id: WaId | None = field(repr=False)
    name: str | None = field(repr=False)
    parent_bsuid: Bsuid | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    former_numbers: tuple[str, ...] = field(default=(), repr=False)

    @property
    def recipient(self) -> Recipient:
        """Raises `ValueError` where no id is known that a message could go to."""
        return recipient_of(wa_id=self.wa_id, bsuid=self.bsuid or self.parent_bsuid)

    @property
    def number(self) -> str | None:
        """Their number in digits, as well as we know it."""
        return self.wa_id or self.phone


def find_or_create(
    connection: Connection,
    vault: Vault,
    sender: Sender,
    *,
    shard: int,
    now: datetime,
    at: datetime | None = None,
    evidence: Evidence = Evidence.MESSAGE,
) -> ContactRef:
    """The contact of a sender, with every id of this message known from now on. `at`: WhatsApp's time, else `now`.

    Raises `ContactRaced` when another transaction made the same one at this moment: try again.
    """
    wanted = _wanted(bsuid=sender.bsuid, wa_id=sender.wa_id, parent_bsuid=sender.parent_bsuid)
    claim = Claim(at or now, bsuid=sender.bsuid, parent_bsuid=sender.parent_bsuid, wa_id=sender.wa_id)
    rows = _rows_of(connection, vault, wanted)
    # Who had a number before matters to events without a BSUID alone.
    past = _past_of(connection, vault, sender.wa_id) if sender.bsuid is None else []
    finding = identify(claim, rows.held, past)
    owner_id, owner_shard = _owner(connection, vault, finding, rows, sender.name, shard=shard, now=now)
    learned = _keep(connection, vault, owner_id, wanted, rows, claim.at, evidence=evidence, finding=finding)
    merging = want_merges(connection, owner_id, finding.merge, evidence=evidence, now=now)
    revealed = finding.contact_id is not None and learned and not rows.has_number(owner_id)
    return ContactRef(owner_id, owner_shard, merging=merging, reveals_number=revealed)


def change_ids(
    connection: Connection, vault: Vault, change: IdChange, *, name: str | None = None, shard: int, now: datetime
) -> ContactRef:
    """WhatsApp says that somebody's ids changed. Whoever is not known yet becomes known by both.

    Raises `ContactRaced` like `find_or_create`.
    """
    before = _wanted(bsuid=change.previous_bsuid, wa_id=change.old_wa_id, parent_bsuid=change.previous_parent_bsuid)
    after = _wanted(bsuid=change.bsuid, wa_id=change.wa_id, parent_bsuid=change.parent_bsuid)
    old, new = _rows_of(connection, vault, before), _rows_of(connection, vault, after)
    finding = follow_change(change, old.held, new.held, _past_of(connection, vault, change.old_wa_id))
    owner_id, owner_shard = _owner(connection, vault, finding, old, name, shard=shard, now=now)
    evidence = Evidence.NUMBER_CHANGE
    everybody = (owner_id, *finding.merge)
    _keep(connection, vault, owner_id, after, new, change.at, evidence=evidence, finding=finding)
    _retire(connection, vault, everybody, change, before)
    for kind, value in before.items():
        # What nobody has yet is an alias from now on; a number that somebody has is theirs.
        if value not in (change.wa_id, change.bsuid, change.parent_bsuid) and not old.has(kind, Match.EXACT):
            _add_identity(
                connection,
                vault,
                owner_id,
                kind=kind,
                value=value,
                since=change.at,
                evidence=evidence,
                retired_at=change.at,
            )
    merging = want_merges(connection, owner_id, finding.merge, evidence=evidence, now=now)
    return ContactRef(owner_id, owner_shard, merging=merging)


def learn(
    connection: Connection,
    vault: Vault,
    contact_id: str,
    *,
    bsuid: str | None = None,
    wa_id: str | None = None,
    phone: str | None = None,
    now: datetime,
    at: datetime | None = None,
    evidence: Evidence = Evidence.ANSWER,
) -> ContactRef:
    """Ids that turned out to be this contact's: the answer to a message of ours, or what the customer told.

    Whoever has one of them already is the same person, unless WhatsApp knows them by another BSUID.
    """
    claim = Claim(at or now, bsuid=bsuid, wa_id=wa_id or phone)
    wanted = _wanted(bsuid=bsuid, wa_id=wa_id, phone=phone)
    rows = _rows_of(connection, vault, wanted)
    others = {one.contact_id for one in rows.held if one.match in (Match.EXACT, Match.SAME)} - {contact_id}
    before = _live_kinds(connection, contact_id)
    merge = tuple(
        sorted(
            other
            for other in others
            if rows.is_owner(other, IdKind.BSUID)
            or (
                rows.holds_live_number(other)
                and not (BSUID_KIND in before and BSUID_KIND in _live_kinds(connection, other))
            )
        )
    )
    finding = Finding(contact_id, merge, takes_number=False)
    try:
        learned = _keep(connection, vault, contact_id, wanted, rows, claim.at, evidence=evidence, finding=finding)
    except ContactRaced:
        # Somebody else added one of them at this moment: now it is there to be found.
        return learn(
            connection, vault, contact_id, bsuid=bsuid, wa_id=wa_id, phone=phone, now=now, at=at, evidence=evidence
        )
    merging = want_merges(connection, contact_id, merge, evidence=evidence, now=now)
    revealed = learned and before.isdisjoint(kind.value for kind in NUMBERS)
    return ContactRef(contact_id, shard_of(connection, contact_id), merging=merging, reveals_number=revealed)


# What is known


def _wanted(
    *,
    bsuid: str | None = None,
    wa_id: str | None = None,
    parent_bsuid: str | None = None,
    phone: str | None = None,
) -> dict[IdKind, str]:
    named = {
        IdKind.BSUID: bsuid,
        IdKind.WA_ID: wa_id,
        IdKind.PARENT_BSUID: parent_bsuid,
        IdKind.PHONE: phone,
    }
    return {kind: value for kind, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class _Rows:
    """Every id of every contact that one of the wanted ids leads to."""

    rows: Sequence[Any]
    held: tuple[Held, ...]

    def has(self, kind: IdKind, match: Match) -> bool:
        return any(one.kind is kind and one.match is match for one in self.held)

    def is_owner(self, contact_id: str, kind: IdKind) -> bool:
        return any(o.contact_id == contact_id and o.kind is kind and o.match is Match.EXACT for o in self.held)

    def holds_live_number(self, contact_id: str) -> bool:
        return any(
            o.contact_id == contact_id and o.kind in NUMBERS and o.match in (Match.EXACT, Match.SAME) and o.is_live
            for o in self.held
        )

    def has_number(self, contact_id: str) -> bool:
        return any(one.contact_id == contact_id and one.kind in NUMBERS and one.is_live for one in self.held)

    def exact(self, kind: IdKind) -> Any | None:
        pairs = zip(self.rows, self.held, strict=True)
        return next((row for row, one in pairs if one.kind is kind and one.match is Match.EXACT), None)


def _rows_of(connection: Connection, vault: Vault, wanted: Mapping[IdKind, str]) -> _Rows:
    """The exact ids first: they are all that most events need. Other spellings are looked for where one is unknown."""
    ids = {(kind.value, vault.index(kind, value)): Match.EXACT for kind, value in wanted.items()}
    rows = _whoever_has(connection, ids)
    found = {(row.kind, row.value_index) for row in rows}
    if any((kind.value, vault.index(kind, wanted[kind])) not in found for kind in NUMBERS if kind in wanted):
        ids |= _spelt(vault, wanted)
        rows = _whoever_has(connection, ids)
    held = tuple(
        Held(
            row.contact_id,
            IdKind(row.kind),
            ids.get((row.kind, row.value_index)),
            row.since_at or row.last_seen_at,
            row.last_seen_at,
            row.retired_at,
        )
        for row in rows
    )
    return _Rows(rows, held)


def _spelt(vault: Vault, wanted: Mapping[IdKind, str]) -> dict[tuple[str, bytes], Match]:
    """A number in every spelling, as a `wa_id` and as what somebody told."""
    found: dict[tuple[str, bytes], Match] = {}
    for number in {wanted[kind] for kind in NUMBERS if kind in wanted}:
        other = spellings(number)
        for match, values in ((Match.SAME, (number, *other.same)), (Match.POSSIBLE, other.possible)):
            for value in values:
                for kind in NUMBERS:
                    if wanted.get(kind) != value:
                        found[kind.value, vault.index(kind, value)] = match
    return found


@functools.cache
def _of_whoever_has(count: int) -> Select[Any]:
    """Every id of the contacts that have one of so many. Built once: building it costs more than running it."""
    seen = contact_identity.alias("seen")
    one_of_them = or_(
        *(
            and_(seen.c.kind == bindparam(f"kind{place}"), seen.c.value_index == bindparam(f"index{place}"))
            for place in range(count)
        )
    )
    return (
        select(
            contact_identity.c.id,
            contact_identity.c.kind,
            contact_identity.c.value_index,
            contact_identity.c.contact_id,
            contact_identity.c.since_at,
            contact_identity.c.last_seen_at,
            contact_identity.c.retired_at,
            contact.c.shard,
            contact.c.name,
        )
        .join(contact, contact.c.id == contact_identity.c.contact_id)
        .where(contact_identity.c.contact_id.in_(select(seen.c.contact_id).where(one_of_them)))
    )


def _whoever_has(connection: Connection, ids: Collection[tuple[str, bytes]]) -> Sequence[Any]:
    if not ids:
        return []
    values: dict[str, Any] = {}
    for place, (kind, index) in enumerate(ids):
        values |= {f"kind{place}": kind, f"index{place}": index}
    return connection.execute(_of_whoever_has(len(ids)), values).all()


def _past_of(connection: Connection, vault: Vault, wa_id: str | None) -> list[Past]:
    if not wa_id:
        return []
    rows = connection.execute(_PAST, {"of_kind": WA_ID_KIND, "index": vault.index(IdKind.WA_ID, wa_id)})
    return [Past(row.contact_id, row.since_at, row.until_at) for row in rows]


_PAST = select(past_identity.c.contact_id, past_identity.c.since_at, past_identity.c.until_at).where(
    past_identity.c.kind == bindparam("of_kind"), past_identity.c.value_index == bindparam("index")
)


def _live_kinds(connection: Connection, contact_id: str) -> set[str]:
    rows = connection.execute(
        select(contact_identity.c.kind).where(contact_identity.c.contact_id == contact_id, _is_live()).distinct()
    )
    return set(rows.scalars())


def _is_live() -> Any:
    return or_(contact_identity.c.retired_at.is_(None), contact_identity.c.last_seen_at > contact_identity.c.retired_at)


# What is kept


def _create(connection: Connection, vault: Vault, name: str | None, *, shard: int, now: datetime) -> str:
    contact_id = new_id()
    connection.execute(
        insert(contact).values(
            id=contact_id,
            shard=shard,
            name=None if name is None else vault.seal_text(name, NAME, contact_id),
            created_at=now,
        )
    )
    return contact_id


def _owner(
    connection: Connection,
    vault: Vault,
    finding: Finding,
    rows: _Rows,
    name: str | None,
    *,
    shard: int,
    now: datetime,
) -> tuple[str, int]:
    """The contact that was found, or a new one; its name is from now on what the newest message says."""
    contact_id = finding.contact_id
    if contact_id is None:
        return _create(connection, vault, name, shard=shard, now=now), shard
    row = next((row for row in rows.rows if row.contact_id == contact_id), None)
    if row is None:
        row = connection.execute(_CONTACT, {"id": contact_id}).one()
    if name and (row.name is None or vault.unseal_text(row.name, NAME, contact_id) != name):
        connection.execute(
            update(contact).where(contact.c.id == contact_id).values(name=vault.seal_text(name, NAME, contact_id))
        )
    return contact_id, row.shard


_CONTACT = select(contact.c.shard, contact.c.name).where(contact.c.id == bindparam("id"))


def _keep(
    connection: Connection,
    vault: Vault,
    owner_id: str,
    wanted: Mapping[IdKind, str],
    rows: _Rows,
    at: datetime,
    *,
    evidence: Evidence,
    finding: Finding,
) -> bool:
    """Every wanted id is the owner's from now on, as far as it is free; those that are theirs were seen again. True
    when a number was news."""
    learned = False
    retired_at = _retired_with(rows, owner_id, at)
    for kind, value in wanted.items():
        row = rows.exact(kind)
        if row is None:
            added = _add_identity(
                connection, vault, owner_id, kind=kind, value=value, since=at, evidence=evidence, retired_at=retired_at
            )
            if not added:
                raise ContactRaced
            learned |= kind in NUMBERS
        elif row.contact_id == owner_id:
            _see_again(connection, row, rows.rows, at)
        elif row.contact_id in finding.merge:
            continue  # it comes along
        elif kind in NUMBERS and finding.takes_number:
            _take(connection, row, owner_id, at, evidence=evidence)
            learned = True
        elif kind in NUMBERS and at < (row.since_at or row.last_seen_at):
            _add_past(connection, owner_id, row, since=at, until=row.since_at or row.last_seen_at)
    return learned


def _retired_with(rows: _Rows, owner_id: str, at: datetime) -> datetime | None:
    """An event under an id of before a change comes late: what else it bears is of before as well."""
    retired = [
        row.retired_at
        for kind in IdKind
        if (row := rows.exact(kind)) is not None and row.contact_id == owner_id and row.retired_at is not None
    ]
    return next((retired_at for retired_at in retired if at <= retired_at), None)


def _see_again(connection: Connection, row: Any, rows: Sequence[Any], at: datetime) -> None:
    """Written only where it makes a difference: whom a message goes to depends on the order, and what WhatsApp says of
    an id that was seen later is void."""
    values: dict[str, datetime] = {}
    is_overtaken = any(
        other.kind == row.kind
        and other.contact_id == row.contact_id
        and (other.last_seen_at, other.id) > (row.last_seen_at, row.id)
        for other in rows
    )
    is_stale = at - row.last_seen_at >= SEEN_TO_THE
    if at > row.last_seen_at and (is_overtaken or is_stale or row.retired_at is not None):
        values["last_seen_at"] = at
    if row.since_at is not None and at < row.since_at:
        values["since_at"] = at
    if values:
        connection.execute(update(contact_identity).where(contact_identity.c.id == row.id).values(**values))


def _take(connection: Connection, row: Any, owner_id: str, at: datetime, *, evidence: Evidence) -> None:
    """The number is somebody else's now; whoever had it is still found by events of that time."""
    _add_past(connection, row.contact_id, row, since=row.since_at or row.last_seen_at, until=at)
    connection.execute(
        update(contact_identity)
        .where(contact_identity.c.id == row.id)
        .values(contact_id=owner_id, evidence=evidence.value, since_at=at, last_seen_at=at, retired_at=None)
    )


def _add_past(connection: Connection, contact_id: str, row: Any, *, since: datetime, until: datetime) -> None:
    mine = (
        (past_identity.c.contact_id == contact_id)
        & (past_identity.c.kind == row.kind)
        & (past_identity.c.value_index == row.value_index)
    )
    known = connection.execute(select(past_identity).where(mine, past_identity.c.until_at >= since)).first()
    if known is None:
        connection.execute(
            insert(past_identity).values(
                id=new_id(),
                contact_id=contact_id,
                kind=row.kind,
                value_index=row.value_index,
                since_at=since,
                until_at=until,
            )
        )
        return
    connection.execute(
        update(past_identity)
        .where(past_identity.c.id == known.id)
        .values(since_at=min(since, known.since_at), until_at=max(until, known.until_at))
    )


def _add_identity(
    connection: Connection,
    vault: Vault,
    contact_id: str,
    *,
    kind: IdKind,
    value: str,
    since: datetime,
    evidence: Evidence,
    retired_at: datetime | None = None,
) -> bool:
    row_id = new_id()
    return insert_once(
        connection,
        contact_identity,
        {
            "id": row_id,
            "contact_id": contact_id,
            "kind": kind.value,
            "value_index": vault.index(kind, value),
            "value": vault.seal_text(value, VALUE, row_id),
            "evidence": evidence.value,
            "since_at": since,
            "last_seen_at": since,
            "retired_at": retired_at,
        },
        unique=(contact_identity.c.kind, contact_identity.c.value_index),
    )


def _retire(
    connection: Connection,
    vault: Vault,
    contact_ids: Sequence[str],
    change: IdChange,
    before: Mapping[IdKind, str],
) -> None:
    """What the change leaves behind: the ids of before, and every number that is not the new one. Those seen later
    stay alive by their times."""
    rows = connection.execute(select(contact_identity).where(contact_identity.c.contact_id.in_(contact_ids))).all()
    now_theirs = {change.bsuid, change.parent_bsuid, change.wa_id}
    for row in rows:
        kind, value = IdKind(row.kind), vault.unseal_text(row.value, VALUE, row.id)
        if kind in NUMBERS:
            is_new = change.wa_id is not None and match_of(value, change.wa_id) in (Match.EXACT, Match.SAME)
            is_left = not is_new and (kind is IdKind.WA_ID or before.get(IdKind.WA_ID) == value)
        else:
            is_left = before.get(kind) == value and value not in now_theirs
        if is_left and row.last_seen_at <= change.at and (row.retired_at is None or row.retired_at < change.at):
            connection.execute(
                update(contact_identity).where(contact_identity.c.id == row.id).values(retired_at=change.at)
            )


# Contacts that are one


def want_merges(
    connection: Connection, contact_id: str, others: Iterable[str], *, evidence: Evidence, now: datetime
) -> bool:
    """Keep that these are the same person. True when that was not known."""
    wanted = False
    for other in others:
        one_id, other_id = sorted((contact_id, other))
        wanted |= insert_once(
            connection,
            contact_merge,
            {
                "id": new_id(),
                "one_id": one_id,
                "other_id": other_id,
                "evidence": evidence.value,
                "found_at": now,
                "done_at": None,
            },
            unique=(contact_merge.c.one_id, contact_merge.c.other_id),
        )
    return wanted


@dataclass(frozen=True, slots=True)
class WantedMerge:
    id: str
    one_id: str
    other_id: str
    evidence: str


def load_wanted_merges(connection: Connection, *, shard: int, limit: int) -> list[WantedMerge]:
    """Pairs to be merged whose first contact lives on this shard, in the order in which they were found."""
    rows = connection.execute(
        select(contact_merge)
        .join(contact, contact.c.id == contact_merge.c.one_id)
        .where(contact_merge.c.done_at.is_(None), contact.c.shard == shard)
        .order_by(contact_merge.c.id)
        .limit(limit)
    )
    return [WantedMerge(row.id, row.one_id, row.other_id, row.evidence) for row in rows]


def finish_merge(connection: Connection, merge_id: str, *, now: datetime) -> None:
    connection.execute(update(contact_merge).where(contact_merge.c.id == merge_id).values(done_at=now))


def survivor_of(connection: Connection, contact_id: str) -> str:
    """The contact that has everything of this one now: itself, as long as it was not merged."""
    while True:
        merged_into = connection.execute(_MERGED_INTO, {"id": contact_id}).scalar_one()
        if merged_into is None:
            return contact_id
        contact_id = merged_into


_MERGED_INTO = select(contact.c.merged_into).where(contact.c.id == bindparam("id"))


OF_CONTACT = (contact_identity, past_identity, consent)
"""What belongs to a contact itself; conversations are merged by `bridge.store.merging`."""


def move_identities(connection: Connection, *, from_id: str, to_id: str) -> None:
    """Everything by which one contact is known is the other's, and what they said of marketing holds for both."""
    for table in OF_CONTACT:
        connection.execute(update(table).where(table.c.contact_id == from_id).values(contact_id=to_id))
    # Only where it led stays of it: whoever forgets the other one forgets everything.
    connection.execute(update(contact).where(contact.c.id == from_id).values(merged_into=to_id, name=None))


def give_name(connection: Connection, vault: Vault, *, from_id: str, to_id: str) -> None:
    """A contact without a name takes the other's."""
    names = {
        row.id: row.name
        for row in connection.execute(select(contact.c.id, contact.c.name).where(contact.c.id.in_((from_id, to_id))))
    }
    if names[to_id] is None and names[from_id] is not None:
        name = vault.unseal_text(names[from_id], NAME, from_id)
        connection.execute(update(contact).where(contact.c.id == to_id).values(name=vault.seal_text(name, NAME, to_id)))


def shard_of(connection: Connection, contact_id: str) -> int:
    return int(connection.execute(select(contact.c.shard).where(contact.c.id == contact_id)).scalar_one())


# Looking up


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
    former: dict[str, None] = {}
    for row in connection.execute(_ADDRESS, {"id": contact_id}):
        name = row.name
        if row.kind is None:
            continue
        value = vault.unseal_text(row.value, VALUE, row.id)
        if row.retired_at is None or row.last_seen_at > row.retired_at:
            latest[row.kind] = value
        elif row.kind in NUMBERS:
            former[value] = None
    return Address(
        bsuid=Bsuid(latest[BSUID_KIND]) if BSUID_KIND in latest else None,
        wa_id=WaId(latest[WA_ID_KIND]) if WA_ID_KIND in latest else None,
        name=None if name is None else vault.unseal_text(name, NAME, contact_id),
        parent_bsuid=Bsuid(latest[IdKind.PARENT_BSUID]) if IdKind.PARENT_BSUID in latest else None,
        phone=latest.get(IdKind.PHONE),
        former_numbers=tuple(reversed(former)),
    )


_ADDRESS = (
    select(
        contact.c.name,
        contact_identity.c.id,
        contact_identity.c.kind,
        contact_identity.c.value,
        contact_identity.c.last_seen_at,
        contact_identity.c.retired_at,
    )
    .outerjoin_from(contact, contact_identity, contact_identity.c.contact_id == contact.c.id)
    .where(contact.c.id == bindparam("id"))
    .order_by(contact_identity.c.last_seen_at, contact_identity.c.id)
)
