"""WhatsApp messages in both directions, and the statuses of ours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from bridge.domain.message_status import RANK, advance
from bridge.domain.model import MessageStatus
from bridge.store.crypto import Vault
from bridge.store.ids import new_id
from bridge.store.insert_once import insert_once
from bridge.store.tables import conversation, message

TEXT = "message.text"
WAMID = "message.wamid"
UNDELIVERED_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Message:
    id: str
    conversation_id: str
    shard: int
    status: MessageStatus
    status_at: datetime
    occurred_at: datetime
    text: str = field(repr=False)
    has_wamid: bool = False


def wamid_index(vault: Vault, wamid: str) -> bytes:
    return vault.index("wamid", wamid)


def add_inbound(
    connection: Connection,
    vault: Vault,
    *,
    channel_id: str,
    conversation_id: str,
    wamid: str | None,
    kind: str,
    text: str,
    sent_at: datetime,
    now: datetime,
) -> str | None:
    """Keep what a customer sent. None when this wamid is known already; a part of a message has none of its own."""
    row_id = new_id()
    added = insert_once(
        connection,
        message,
        {
            "id": row_id,
            "channel_id": channel_id,
            "conversation_id": conversation_id,
            "direction": "in",
            "kind": kind,
            "wamid_index": None if wamid is None else wamid_index(vault, wamid),
            "wamid": None if wamid is None else vault.seal_text(wamid, WAMID, row_id),
            "text": vault.seal_text(text, TEXT, row_id),
            "status": "received",
            "status_at": now,
            "occurred_at": sent_at,
            "created_at": now,
        },
        unique=(message.c.channel_id, message.c.wamid_index),
    )
    return row_id if added else None


def add_outbound(
    connection: Connection, vault: Vault, *, channel_id: str, conversation_id: str, text: str, now: datetime
) -> str:
    """An attempt to send; it has no wamid yet."""
    row_id = new_id()
    connection.execute(
        insert(message).values(
            id=row_id,
            channel_id=channel_id,
            conversation_id=conversation_id,
            direction="out",
            kind="text",
            text=vault.seal_text(text, TEXT, row_id),
            status=MessageStatus.QUEUED.value,
            status_at=now,
            occurred_at=now,
            created_at=now,
        )
    )
    return row_id


def load_text(connection: Connection, vault: Vault, message_id: str) -> str:
    sealed = connection.execute(select(message.c.text).where(message.c.id == message_id)).scalar_one()
    return vault.unseal_text(sealed, TEXT, message_id)


def load_texts(connection: Connection, vault: Vault, message_ids: Sequence[str]) -> dict[str, tuple[str, datetime]]:
    """Text and WhatsApp's time, by message id."""
    return {
        row.id: (vault.unseal_text(row.text, TEXT, row.id), row.occurred_at)
        for row in connection.execute(
            select(message.c.id, message.c.text, message.c.occurred_at).where(message.c.id.in_(message_ids))
        )
    }


def start_sending(connection: Connection, message_id: str, *, now: datetime) -> None:
    """From here on the agent is told in 24 hours, unless it is delivered or fails first."""
    connection.execute(
        update(message).where(message.c.id == message_id).values(occurred_at=now, deadline_at=now + UNDELIVERED_AFTER)
    )


def accept(connection: Connection, vault: Vault, message_id: str, *, wamid: str, now: datetime) -> None:
    """Meta took it and named it."""
    current = connection.execute(select(message.c.status).where(message.c.id == message_id)).scalar_one()
    status = advance(MessageStatus(current), MessageStatus.ACCEPTED)
    values: dict[str, Any] = {
        "wamid": vault.seal_text(wamid, WAMID, message_id),
        "wamid_index": wamid_index(vault, wamid),
        "status": status.value,
    }
    if status is MessageStatus.ACCEPTED:
        values["status_at"] = now
    connection.execute(update(message).where(message.c.id == message_id).values(**values))


def find_outbound(
    connection: Connection, vault: Vault, *, message_ids: Sequence[str], wamid_indexes: Sequence[bytes], channel_id: str
) -> tuple[dict[str, Message], dict[bytes, str]]:
    """Our messages by id, and their ids by wamid hash: two statements for any number of statuses."""
    columns = (
        message.c.id,
        message.c.conversation_id,
        conversation.c.shard,
        message.c.status,
        message.c.status_at,
        message.c.occurred_at,
        message.c.text,
        message.c.wamid_index,
    )
    joined = select(*columns).join(conversation, conversation.c.id == message.c.conversation_id)
    ours = (message.c.direction == "out") & (message.c.channel_id == channel_id)
    found: dict[str, Message] = {}
    by_wamid: dict[bytes, str] = {}
    for condition, values in ((message.c.id, message_ids), (message.c.wamid_index, wamid_indexes)):
        if not values:
            continue
        for row in connection.execute(joined.where(ours, condition.in_(values))):
            found[row.id] = Message(
                id=row.id,
                conversation_id=row.conversation_id,
                shard=row.shard,
                status=MessageStatus(row.status),
                status_at=row.status_at,
                occurred_at=row.occurred_at,
                text=vault.unseal_text(row.text, TEXT, row.id),
                has_wamid=row.wamid_index is not None,
            )
            if row.wamid_index is not None:
                by_wamid[row.wamid_index] = row.id
    return found, by_wamid


@dataclass(frozen=True, slots=True)
class StatusChange:
    """`wamid` is set where the status was the first to tell it."""

    message_id: str
    status: MessageStatus
    at: datetime
    error_code: int | None = None
    wamid: str | None = field(default=None, repr=False)


def save_statuses(connection: Connection, vault: Vault, changes: Iterable[StatusChange]) -> None:
    """Write changes that `message_status.advance` allowed. The deadline ends where the message left Meta for the
    phone, and where it failed."""
    rows = [
        {
            "row": change.message_id,
            "new_status": change.status.value,
            "at": change.at,
            "code": change.error_code,
            "over": RANK[change.status] >= RANK[MessageStatus.FAILED],
        }
        for change in changes
    ]
    for over in (True, False):
        chosen = [{key: row[key] for key in ("row", "new_status", "at", "code")} for row in rows if row["over"] is over]
        if chosen:
            values: dict[str, Any] = {
                "status": bindparam("new_status"),
                "status_at": bindparam("at"),
                "error_code": bindparam("code"),
            }
            if over:
                values["deadline_at"] = None
            connection.execute(update(message).where(message.c.id == bindparam("row")).values(**values), chosen)
    for change in changes:
        if change.wamid is not None:
            connection.execute(
                update(message)
                .where(message.c.id == change.message_id, message.c.wamid_index.is_(None))
                .values(
                    wamid=vault.seal_text(change.wamid, WAMID, change.message_id),
                    wamid_index=wamid_index(vault, change.wamid),
                )
            )


def overdue(connection: Connection, *, shard: int, now: datetime, limit: int) -> list[tuple[str, str, MessageStatus]]:
    """Messages not delivered within 24 h: (message id, conversation id, status)."""
    rows = connection.execute(
        select(message.c.id, message.c.conversation_id, message.c.status)
        .join(conversation, conversation.c.id == message.c.conversation_id)
        .where(message.c.deadline_at <= now, conversation.c.shard == shard)
        .limit(limit)
    )
    return [(row.id, row.conversation_id, MessageStatus(row.status)) for row in rows]


def clear_deadline(connection: Connection, message_id: str) -> None:
    connection.execute(update(message).where(message.c.id == message_id).values(deadline_at=None))
