"""Which helpdesk users have a number? Remembered here as keyed hashes, since helpdesks grant few searches."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from bridge.store.crypto import Vault
from bridge.store.ids import new_id
from bridge.store.insert_once import insert_once
from bridge.store.tables import EPOCH, conversation, directory, directory_entry

_INDEX = "directory"


def claim(connection: Connection, *, channel_id: str, every: timedelta, real_now: datetime) -> tuple[bool, str | None]:
    """Is it our turn to ask who changed? One caller per interval; (whether, cursor)."""
    first = {"channel_id": channel_id, "claimed_at": EPOCH}
    insert_once(connection, directory, first, unique=(directory.c.channel_id,))
    claimed = connection.execute(
        update(directory)
        .where(directory.c.channel_id == channel_id, directory.c.claimed_at <= real_now - every)
        .values(claimed_at=real_now)
    ).rowcount
    cursor = select(directory.c.cursor).where(directory.c.channel_id == channel_id)
    return bool(claimed), connection.execute(cursor).scalar_one()


def is_complete(connection: Connection, channel_id: str) -> bool:
    """Was everybody listed at least once?"""
    complete_at = select(directory.c.complete_at).where(directory.c.channel_id == channel_id)
    return connection.execute(complete_at).scalar_one_or_none() is not None


def save_page(
    connection: Connection,
    vault: Vault,
    *,
    channel_id: str,
    numbers: Mapping[str, Sequence[str]],
    cursor: str,
    end: bool,
    real_now: datetime,
) -> None:
    """`numbers`: for each user of the page every number in digits; none for who is gone, or no customer."""
    mine = directory_entry.c.channel_id == channel_id
    connection.execute(delete(directory_entry).where(mine, directory_entry.c.remote_id.in_(list(numbers))))
    rows = [
        {"id": new_id(), "channel_id": channel_id, "remote_id": remote_id, "number_index": vault.index(_INDEX, number)}
        for remote_id, theirs in numbers.items()
        for number in dict.fromkeys(theirs)
    ]
    if rows:
        connection.execute(insert(directory_entry), rows)
    values = {"cursor": cursor, **({"complete_at": real_now} if end else {})}
    connection.execute(update(directory).where(directory.c.channel_id == channel_id).values(**values))


def find(connection: Connection, vault: Vault, *, channel_id: str, numbers: Sequence[str]) -> list[str]:
    """The users who have one of these numbers."""
    if not numbers:
        return []
    indexes = [vault.index(_INDEX, number) for number in numbers]
    rows = connection.execute(
        select(directory_entry.c.remote_id)
        .where(directory_entry.c.channel_id == channel_id, directory_entry.c.number_index.in_(indexes))
        .distinct()
        .order_by(directory_entry.c.remote_id)
    )
    return list(rows.scalars())


def bound_elsewhere(
    connection: Connection, *, channel_id: str, contact_id: str, remote_ids: Sequence[str]
) -> frozenset[str]:
    """Which of these users another contact writes as already."""
    rows = connection.execute(
        select(conversation.c.requester_id).where(
            conversation.c.channel_id == channel_id,
            conversation.c.contact_id != contact_id,
            conversation.c.merged_into.is_(None),
            conversation.c.requester_id.in_(list(remote_ids)),
        )
    )
    return frozenset(rows.scalars())
