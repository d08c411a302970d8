"""What do people look through? Contacts, conversations, messages and alarms in pages, newest first.

A page goes on `before` the id of its last row: ids are ULIDs, and a row that becomes visible late is only ever missing
from a page that was already shown. Content is opened where it is asked for (`reveal`), else it is None.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, select

from bridge.domain.customer_service_window import CustomerServiceWindow
from bridge.store.contacts import NAME, VALUE
from bridge.store.crypto import CannotDecrypt, Vault
from bridge.store.messages import TEXT
from bridge.store.tables import (
    OPEN_STATES,
    alarm,
    channel,
    contact,
    contact_identity,
    conversation,
    effect,
    feed,
    gate,
    message,
    ticket,
)


@dataclass(frozen=True, slots=True)
class Identity:
    kind: str
    value: str | None = field(repr=False)
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class ContactView:
    id: str
    created_at: datetime
    name: str | None = field(repr=False)
    identities: tuple[Identity, ...]


@dataclass(frozen=True, slots=True)
class TicketView:
    id: str
    remote_id: str
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ConversationView:
    """`waiting`: how many effects stand in its lanes, by state."""

    id: str
    contact_id: str
    channel_id: str
    contact_name: str | None = field(repr=False)
    ticket_id: str | None
    """The helpdesk's id of the current ticket."""
    window: CustomerServiceWindow
    created_at: datetime
    waiting: dict[str, int]


@dataclass(frozen=True, slots=True)
class MessageView:
    id: str
    conversation_id: str
    channel_id: str
    direction: str
    kind: str
    status: str
    status_at: datetime
    occurred_at: datetime
    error_code: int | None
    text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class AlarmView:
    id: str
    kind: str
    subject: str
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class GateView:
    channel_id: str
    scope: str
    code: str
    action: str
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class ChannelView:
    id: str
    helpdesk: str
    phone_number_id: str
    waba_id: str
    created_at: datetime
    conversations: int
    feed_polled_at: datetime | None
    gates: tuple[GateView, ...]
    effects: dict[str, int]
    """Open effects of its conversations, by state."""


def _page(wanted: Select[Any], table: Any, *, before: str | None, limit: int) -> Select[Any]:
    if before is not None:
        wanted = wanted.where(table.c.id < before)
    return wanted.order_by(table.c.id.desc()).limit(limit)


def _opened(vault: Vault, sealed: bytes | None, place: str, row_id: str, *, reveal: bool) -> str | None:
    if not reveal or sealed is None:
        return None
    try:
        return vault.unseal_text(sealed, place, row_id)
    except CannotDecrypt:
        return None


def contacts(
    connection: Connection, vault: Vault, *, before: str | None = None, limit: int, reveal: bool
) -> list[ContactView]:
    return _contacts(connection, vault, _page(select(contact), contact, before=before, limit=limit), reveal=reveal)


def find_contact(connection: Connection, vault: Vault, contact_id: str, *, reveal: bool) -> ContactView | None:
    found = _contacts(connection, vault, select(contact).where(contact.c.id == contact_id), reveal=reveal)
    return found[0] if found else None


def _contacts(connection: Connection, vault: Vault, wanted: Select[Any], *, reveal: bool) -> list[ContactView]:
    rows = connection.execute(wanted).all()
    known: dict[str, list[Identity]] = {row.id: [] for row in rows}
    for one in connection.execute(
        select(contact_identity)
        .where(contact_identity.c.contact_id.in_(known))
        .order_by(contact_identity.c.last_seen_at.desc(), contact_identity.c.id)
    ):
        value = _opened(vault, one.value, VALUE, one.id, reveal=reveal)
        known[one.contact_id].append(Identity(one.kind, value, one.last_seen_at))
    return [
        ContactView(row.id, row.created_at, _opened(vault, row.name, NAME, row.id, reveal=reveal), tuple(known[row.id]))
        for row in rows
    ]


_CONVERSATIONS = (
    select(conversation, contact.c.name, ticket.c.remote_id)
    .join(contact, contact.c.id == conversation.c.contact_id)
    .outerjoin(ticket, ticket.c.id == conversation.c.ticket_id)
)


def conversations(
    connection: Connection,
    vault: Vault,
    *,
    contact_id: str | None = None,
    remote_ticket_id: str | None = None,
    before: str | None = None,
    limit: int,
    reveal: bool,
) -> list[ConversationView]:
    """`remote_ticket_id`: those that have, or had, this ticket of the helpdesk."""
    wanted = _CONVERSATIONS
    if contact_id is not None:
        wanted = wanted.where(conversation.c.contact_id == contact_id)
    if remote_ticket_id is not None:
        mine = select(ticket.c.conversation_id).where(ticket.c.remote_id == remote_ticket_id).scalar_subquery()
        wanted = wanted.where(conversation.c.id.in_(mine))
    return _conversations(connection, vault, _page(wanted, conversation, before=before, limit=limit), reveal=reveal)


def find_conversation(
    connection: Connection, vault: Vault, conversation_id: str, *, reveal: bool
) -> ConversationView | None:
    wanted = _CONVERSATIONS.where(conversation.c.id == conversation_id)
    found = _conversations(connection, vault, wanted, reveal=reveal)
    return found[0] if found else None


def _conversations(
    connection: Connection, vault: Vault, wanted: Select[Any], *, reveal: bool
) -> list[ConversationView]:
    rows = connection.execute(wanted).all()
    waiting: dict[str, dict[str, int]] = {row.id: {} for row in rows}
    for conversation_id, state, count in connection.execute(
        select(effect.c.conversation_id, effect.c.state, func.count())
        .where(
            effect.c.conversation_id.in_(waiting),
            effect.c.state.in_([*(state.value for state in OPEN_STATES), "unconfirmed", "failed", "dead"]),
        )
        .group_by(effect.c.conversation_id, effect.c.state)
    ):
        waiting[conversation_id][state] = count
    return [_conversation(row, vault, waiting[row.id], reveal=reveal) for row in rows]


def _conversation(row: Row[Any], vault: Vault, waiting: dict[str, int], *, reveal: bool) -> ConversationView:
    return ConversationView(
        id=row.id,
        contact_id=row.contact_id,
        channel_id=row.channel_id,
        contact_name=_opened(vault, row.name, NAME, row.contact_id, reveal=reveal),
        ticket_id=row.remote_id,
        window=CustomerServiceWindow(row.last_inbound_at, row.window_refused_at),
        created_at=row.created_at,
        waiting=waiting,
    )


def tickets(connection: Connection, conversation_id: str) -> list[TicketView]:
    rows = connection.execute(
        select(ticket).where(ticket.c.conversation_id == conversation_id).order_by(ticket.c.id.desc())
    )
    return [TicketView(row.id, row.remote_id, row.status, row.created_at) for row in rows]


def messages(
    connection: Connection,
    vault: Vault,
    *,
    conversation_id: str | None = None,
    direction: str | None = None,
    status: str | None = None,
    before: str | None = None,
    limit: int,
    reveal: bool,
) -> list[MessageView]:
    wanted = select(message)
    for column, value in (
        (message.c.conversation_id, conversation_id),
        (message.c.direction, direction),
        (message.c.status, status),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    rows = connection.execute(_page(wanted, message, before=before, limit=limit))
    return [_message(row, vault, reveal=reveal) for row in rows]


def find_message(connection: Connection, vault: Vault, message_id: str, *, reveal: bool) -> MessageView | None:
    row = connection.execute(select(message).where(message.c.id == message_id)).one_or_none()
    return None if row is None else _message(row, vault, reveal=reveal)


def _message(row: Row[Any], vault: Vault, *, reveal: bool) -> MessageView:
    return MessageView(
        id=row.id,
        conversation_id=row.conversation_id,
        channel_id=row.channel_id,
        direction=row.direction,
        kind=row.kind,
        status=row.status,
        status_at=row.status_at,
        occurred_at=row.occurred_at,
        error_code=row.error_code,
        text=_opened(vault, row.text, TEXT, row.id, reveal=reveal),
    )


def alarms(connection: Connection, *, before: str | None = None, limit: int) -> list[AlarmView]:
    rows = connection.execute(_page(select(alarm), alarm, before=before, limit=limit))
    return [AlarmView(**row._mapping) for row in rows]


def clear_alarm(connection: Connection, alarm_id: str) -> bool:
    """Somebody has seen to it. It comes back with the next occurrence. False when there is none of that id."""
    return bool(connection.execute(delete(alarm).where(alarm.c.id == alarm_id)).rowcount)


def channels(connection: Connection, *, before: str | None = None, limit: int) -> list[ChannelView]:
    return [_channel(connection, row) for row in connection.execute(_channels_page(before, limit)).all()]


def find_channel(connection: Connection, channel_id: str) -> ChannelView | None:
    row = connection.execute(select(channel).where(channel.c.id == channel_id)).one_or_none()
    return None if row is None else _channel(connection, row)


def _channels_page(before: str | None, limit: int) -> Select[Any]:
    return _page(select(channel), channel, before=before, limit=limit)


def _channel(connection: Connection, row: Row[Any]) -> ChannelView:
    mine = conversation.c.channel_id == row.id
    closed = connection.execute(select(gate).where(gate.c.channel_id == row.id).order_by(gate.c.scope))
    effects = connection.execute(
        select(effect.c.state, func.count())
        .join(conversation, conversation.c.id == effect.c.conversation_id)
        .where(mine, effect.c.state.in_([*(state.value for state in OPEN_STATES), "unconfirmed", "dead"]))
        .group_by(effect.c.state)
    )
    return ChannelView(
        id=row.id,
        helpdesk=row.helpdesk,
        phone_number_id=row.phone_number_id,
        waba_id=row.waba_id,
        created_at=row.created_at,
        conversations=connection.execute(select(func.count()).select_from(conversation).where(mine)).scalar_one(),
        feed_polled_at=connection.execute(
            select(feed.c.polled_at).where(feed.c.channel_id == row.id)
        ).scalar_one_or_none(),
        gates=tuple(GateView(one.channel_id, one.scope, one.code, one.action, one.closed_at) for one in closed),
        effects={row[0]: row[1] for row in effects},
    )
