"""WhatsApp messages in both directions, and the statuses of ours."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, func, insert, select, update

from bridge.domain.message_status import RANK, advance
from bridge.domain.model import MessageStatus
from bridge.domain.quoted import is_quote_of
from bridge.store.crypto import Vault
from bridge.store.ids import new_id
from bridge.store.insert_once import insert_once
from bridge.store.tables import conversation, message

TEXT = "message.text"
CONTENT = "message.content"
WAMID = "message.wamid"
UNDELIVERED_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Message:
    id: str
    conversation_id: str
    shard: int
    status: MessageStatus
    occurred_at: datetime
    has_wamid: bool
    kind: str


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
    about: str | None = None,
    says: str | None = None,
    direction: str = "in",
    status: str = "received",
) -> str | None:
    """Keep what a customer sent. None when this wamid is known already; a part of a message has none of its own.

    `about`: the wamid that it reacts to, edits or revokes, and `says` what it says of that, where that is not its text:
    the emoji of a reaction, the new words of an edit.
    """
    row_id = new_id()
    added = insert_once(
        connection,
        message,
        {
            "id": row_id,
            "channel_id": channel_id,
            "conversation_id": conversation_id,
            "direction": direction,
            "kind": kind,
            "wamid_index": None if wamid is None else wamid_index(vault, wamid),
            "wamid": None if wamid is None else vault.seal_text(wamid, WAMID, row_id),
            "text": vault.seal_text(text, TEXT, row_id),
            "about_index": None if about is None else wamid_index(vault, about),
            "content": None if says is None else vault.seal(orjson.dumps({"says": says}), CONTENT, row_id),
            "status": status,
            "status_at": now,
            "occurred_at": sent_at,
            "created_at": now,
        },
        unique=(message.c.channel_id, message.c.wamid_index),
    )
    return row_id if added else None


@dataclass(frozen=True, slots=True)
class Outbound:
    """What an attempt sends. `text` is what agents are told of it; `content` (JSON) says the rest, where there is
    more than a text."""

    kind: str
    text: str = field(repr=False)
    content: Mapping[str, Any] | None = field(repr=False)


def add_outbound(
    connection: Connection,
    vault: Vault,
    *,
    channel_id: str,
    conversation_id: str,
    text: str,
    now: datetime,
    kind: str = "text",
    content: Mapping[str, Any] | None = None,
) -> str:
    """An attempt to send; it has no wamid yet."""
    row_id = new_id()
    connection.execute(
        insert(message).values(
            id=row_id,
            channel_id=channel_id,
            conversation_id=conversation_id,
            direction="out",
            kind=kind,
            text=vault.seal_text(text, TEXT, row_id),
            content=None if content is None else vault.seal(orjson.dumps(content), CONTENT, row_id),
            status=MessageStatus.QUEUED.value,
            status_at=now,
            occurred_at=now,
            created_at=now,
        )
    )
    return row_id


_TEXT = select(message.c.text).where(message.c.id == bindparam("id"))
_CHANGE = update(message).where(message.c.id == bindparam("row"))


def load_text(connection: Connection, vault: Vault, message_id: str) -> str:
    sealed = connection.execute(_TEXT, {"id": message_id}).scalar_one()
    return vault.unseal_text(sealed, TEXT, message_id)


_OUTBOUND_CONTENT = select(message.c.kind, message.c.text, message.c.content).where(message.c.id == bindparam("id"))


def load_outbound(connection: Connection, vault: Vault, message_id: str) -> Outbound:
    row = connection.execute(_OUTBOUND_CONTENT, {"id": message_id}).one()
    return Outbound(
        row.kind,
        vault.unseal_text(row.text, TEXT, message_id),
        None if row.content is None else orjson.loads(vault.unseal(row.content, CONTENT, message_id)),
    )


def save_content(connection: Connection, vault: Vault, message_id: str, content: Mapping[str, Any]) -> None:
    """What is sent, once more is known of it (a file's id at Meta)."""
    connection.execute(_CHANGE, {"row": message_id, "content": vault.seal(orjson.dumps(content), CONTENT, message_id)})


def conversation_of(connection: Connection, message_id: str) -> str:
    found = select(message.c.conversation_id).where(message.c.id == message_id)
    return str(connection.execute(found).scalar_one())


@dataclass(frozen=True, slots=True)
class Said:
    """A message as later ones speak of it. `text` is what it says now, as far as we were told."""

    id: str
    direction: str
    kind: str
    text: str = field(repr=False)
    conversation_id: str


_SAID = select(message).where(
    message.c.channel_id == bindparam("channel_id"), message.c.wamid_index == bindparam("index")
)
_ABOUT = (
    select(message)
    .where(message.c.about_index == bindparam("index"), message.c.conversation_id == bindparam("conversation_id"))
    .order_by(message.c.occurred_at.desc(), message.c.id.desc())
)


def find_said(connection: Connection, vault: Vault, *, channel_id: str, wamid: str) -> Said | None:
    """The message with this wamid, in either direction."""
    row = connection.execute(_SAID, {"channel_id": channel_id, "index": wamid_index(vault, wamid)}).one_or_none()
    if row is None:
        return None
    says = _says(row, vault) if row.direction == "in" else None
    text = vault.unseal_text(row.text, TEXT, row.id) if says is None else says
    return Said(row.id, row.direction, row.kind, text, row.conversation_id)


def _says(row: Any, vault: Vault) -> str | None:
    if row.content is None:
        return None
    says = orjson.loads(vault.unseal(row.content, CONTENT, row.id)).get("says")
    return None if says is None else str(says)


def find_about(connection: Connection, vault: Vault, *, conversation_id: str, wamid: str, kind: str) -> str | None:
    """What the newest message of this kind says of that wamid: its last reaction, its last edit."""
    values = {"index": wamid_index(vault, wamid), "conversation_id": conversation_id}
    for row in connection.execute(_ABOUT.where(message.c.kind == kind).limit(1), values):
        return _says(row, vault)
    return None


_NEWEST_INBOUND = (
    select(message.c.id)
    .where(
        message.c.conversation_id == bindparam("conversation_id"),
        message.c.direction == "in",
        message.c.wamid.is_not(None),
        message.c.created_at >= bindparam("since"),
    )
    .order_by(message.c.created_at.desc(), message.c.occurred_at.desc(), message.c.id.desc())
    .limit(1)
)


def newest_inbound(connection: Connection, conversation_id: str, *, since: datetime) -> str | None:
    """The customer's last message with an id of its own."""
    found = connection.execute(_NEWEST_INBOUND, {"conversation_id": conversation_id, "since": since})
    return found.scalar_one_or_none()


def load_wamid(connection: Connection, vault: Vault, message_id: str) -> str | None:
    sealed = connection.execute(select(message.c.wamid).where(message.c.id == message_id)).scalar_one_or_none()
    return None if sealed is None else vault.unseal_text(sealed, WAMID, message_id)


QUOTABLE = 100
"""Newest messages among which a quoted one is looked for."""
_QUOTABLE = (
    select(message.c.id, message.c.text, message.c.wamid)
    .where(message.c.conversation_id == bindparam("conversation_id"), message.c.wamid.is_not(None))
    .order_by(message.c.created_at.desc(), message.c.id.desc())
    .limit(QUOTABLE)
)


def find_quoted(connection: Connection, vault: Vault, *, conversation_id: str, quote: str) -> str | None:
    """The wamid of the newest message, in either direction, that this text quotes."""
    for row in connection.execute(_QUOTABLE, {"conversation_id": conversation_id}):
        if is_quote_of(quote, vault.unseal_text(row.text, TEXT, row.id)):
            return vault.unseal_text(row.wamid, WAMID, row.id)
    return None


def load_times(connection: Connection, message_ids: Sequence[str]) -> dict[str, datetime]:
    """WhatsApp's time (of ours: when the sending started), by message id."""
    rows = connection.execute(select(message.c.id, message.c.occurred_at).where(message.c.id.in_(message_ids)))
    return {row.id: row.occurred_at for row in rows}


def start_sending(connection: Connection, message_id: str, *, now: datetime, counts: bool = False) -> None:
    """From here on the agent is told in 24 hours, unless it is delivered or fails first. `counts`: the person counts
    towards the messaging limit because of it."""
    deadline_at = now + UNDELIVERED_AFTER
    connection.execute(
        _CHANGE,
        {"row": message_id, "occurred_at": now, "deadline_at": deadline_at, "tier_at": now if counts else None},
    )


def was_not_sent(connection: Connection, message_id: str) -> None:
    """Nothing reached Meta, or Meta took nothing: nobody counts because of it, and no time runs."""
    connection.execute(_CHANGE, {"row": message_id, "deadline_at": None, "tier_at": None})


def contacts_of(connection: Connection, message_ids: Sequence[str]) -> dict[str, str]:
    """Whom messages are to, by message id."""
    rows = connection.execute(
        select(message.c.id, conversation.c.contact_id)
        .join(conversation, conversation.c.id == message.c.conversation_id)
        .where(message.c.id.in_(message_ids))
    )
    return {row.id: row.contact_id for row in rows}


def people_counted(connection: Connection, *, since: datetime) -> list[tuple[str, datetime]]:
    """Contacts that count towards the messaging limit, with the time of the last message for which they do."""
    rows = connection.execute(
        select(conversation.c.contact_id, func.max(message.c.tier_at))
        .join(conversation, conversation.c.id == message.c.conversation_id)
        .where(message.c.tier_at > since)
        .group_by(conversation.c.contact_id)
    )
    return [(contact_id, at) for contact_id, at in rows]


def accept(connection: Connection, vault: Vault, message_id: str, *, wamid: str, now: datetime) -> None:
    """Meta took it and named it."""
    current = connection.execute(_STATUS, {"id": message_id}).scalar_one()
    status = advance(MessageStatus(current), MessageStatus.ACCEPTED)
    values: dict[str, Any] = {
        "row": message_id,
        "wamid": vault.seal_text(wamid, WAMID, message_id),
        "wamid_index": wamid_index(vault, wamid),
        "status": status.value,
    }
    if status is MessageStatus.ACCEPTED:
        values["status_at"] = now
    connection.execute(_CHANGE, values)


_STATUS = select(message.c.status).where(message.c.id == bindparam("id"))
_OUTBOUND = select(
    message.c.id,
    message.c.conversation_id,
    conversation.c.shard,
    message.c.status,
    message.c.occurred_at,
    message.c.wamid_index,
    message.c.direction,
    message.c.channel_id,
    message.c.kind,
).join(conversation, conversation.c.id == message.c.conversation_id)
# The channel is no condition of the first: an index on it would be taken for the better one.
_OUTBOUND_BY_ID = _OUTBOUND.where(message.c.id.in_(bindparam("values", expanding=True)))
_OUTBOUND_BY_WAMID = _OUTBOUND.where(
    message.c.channel_id == bindparam("channel_id"), message.c.wamid_index.in_(bindparam("values", expanding=True))
)


def find_outbound(
    connection: Connection, *, message_ids: Sequence[str], wamid_indexes: Sequence[bytes], channel_id: str
) -> tuple[dict[str, Message], dict[bytes, str]]:
    """Our messages by id, and their ids by wamid hash: two statements for any number of statuses."""
    found: dict[str, Message] = {}
    by_wamid: dict[bytes, str] = {}
    for statement, values in ((_OUTBOUND_BY_ID, message_ids), (_OUTBOUND_BY_WAMID, wamid_indexes)):
        if not values:
            continue
        for row in connection.execute(statement, {"channel_id": channel_id, "values": values}):
            if row.direction != "out" or row.channel_id != channel_id:
                continue
            found[row.id] = Message(
                id=row.id,
                conversation_id=row.conversation_id,
                shard=row.shard,
                status=MessageStatus(row.status),
                occurred_at=row.occurred_at,
                has_wamid=row.wamid_index is not None,
                kind=row.kind,
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


_END = _CHANGE.values(deadline_at=None)


def save_statuses(connection: Connection, vault: Vault, changes: Collection[StatusChange]) -> None:
    """Write changes that `message_status.advance` allowed. The deadline ends where the message left Meta for the
    phone, and where it failed."""
    for over in (True, False):
        chosen = [
            {
                "row": change.message_id,
                "status": change.status.value,
                "status_at": change.at,
                "error_code": change.error_code,
            }
            for change in changes
            if (RANK[change.status] >= RANK[MessageStatus.FAILED]) is over
        ]
        if chosen:
            connection.execute(_END if over else _CHANGE, chosen)
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
