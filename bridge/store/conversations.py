"""Conversations, their tickets, and the comments seen on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, select, update

from bridge.domain.customer_service_window import CustomerServiceWindow
from bridge.domain.free_entry_point import FreeEntryPoint
from bridge.store.ids import new_id
from bridge.store.insert_once import insert_once
from bridge.store.tables import EPOCH, comment, conversation, ticket
from connectors.interface import TicketStatus

READ_OVERLAP = timedelta(minutes=2)
"""Comments are read again this far back: a helpdesk may show one later than its time says."""


class ConversationChanged(Exception):
    """Somebody else saved the conversation since it was loaded: load it again."""


@dataclass(slots=True)
class Conversation:
    """A conversation within one transaction: change it, then `save` it."""

    id: str
    contact_id: str
    channel_id: str
    shard: int
    version: int
    next_seq: int
    requester_id: str | None
    ticket_id: str | None
    window: CustomerServiceWindow
    posted_until_at: datetime | None
    unanswered_since_at: datetime | None
    look_at: datetime | None
    free_entry: FreeEntryPoint
    ask_id: str | None
    origin: str | None = None
    requester_origin: str | None = None

    def take_seq(self) -> int:
        seq = self.next_seq
        self.next_seq += 1
        return seq


@dataclass(frozen=True, slots=True)
class Ticket:
    id: str
    remote_id: str
    conversation_id: str
    status: str
    read_since_at: datetime
    next_post_at: datetime
    marks: str | None
    language: str | None


# Statements of the hot path are built once: building one costs more than running it.
_BY_ID = select(conversation).where(conversation.c.id == bindparam("id")).with_for_update()
_VIEW = select(conversation).where(conversation.c.id == bindparam("id"))
_OF_CONTACT = (
    select(conversation)
    .where(
        conversation.c.contact_id == bindparam("contact_id"),
        conversation.c.channel_id == bindparam("channel_id"),
    )
    .with_for_update()
)
_SAVE = update(conversation).where(
    conversation.c.id == bindparam("row"), conversation.c.version == bindparam("known_version")
)


def load(connection: Connection, conversation_id: str) -> Conversation:
    """The conversation, with its row locked until the transaction ends; of one that was merged, the one that has
    everything now."""
    return _conversation(_follow(connection, _BY_ID, conversation_id))


def view(connection: Connection, conversation_id: str) -> Conversation:
    """The conversation as it is at this moment, for who will not save it."""
    return _conversation(_follow(connection, _VIEW, conversation_id))


def _follow(connection: Connection, by_id: Select[Any], conversation_id: str) -> Row[Any]:
    row = connection.execute(by_id, {"id": conversation_id}).one()
    while row.merged_into is not None:
        row = connection.execute(by_id, {"id": row.merged_into}).one()
    return row


def find(connection: Connection, *, contact_id: str, channel_id: str) -> Conversation | None:
    """The contact's conversation on a channel, locked like by `load`."""
    row = connection.execute(_OF_CONTACT, {"contact_id": contact_id, "channel_id": channel_id}).one_or_none()
    return None if row is None else load(connection, row.id)


def load_or_create(
    connection: Connection, *, contact_id: str, channel_id: str, shard: int, now: datetime
) -> Conversation:
    mine = {"contact_id": contact_id, "channel_id": channel_id}
    row = connection.execute(_OF_CONTACT, mine).one_or_none()
    if row is None:
        connection.execute(
            insert(conversation).values(
                id=new_id(),
                contact_id=contact_id,
                channel_id=channel_id,
                shard=shard,
                version=0,
                next_seq=1,
                created_at=now,
            )
        )
        row = connection.execute(_OF_CONTACT, mine).one()
    return _conversation(row)


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(
        id=row.id,
        contact_id=row.contact_id,
        channel_id=row.channel_id,
        shard=row.shard,
        version=row.version,
        next_seq=row.next_seq,
        requester_id=row.requester_id,
        ticket_id=row.ticket_id,
        window=CustomerServiceWindow(row.last_inbound_at, row.window_refused_at),
        posted_until_at=row.posted_until_at,
        unanswered_since_at=row.unanswered_since_at,
        look_at=row.look_at,
        free_entry=FreeEntryPoint(row.referred_at, row.free_entry_until_at),
        ask_id=row.ask_id,
        origin=row.origin,
        requester_origin=row.requester_origin,
    )


def save(connection: Connection, current: Conversation) -> None:
    """Compare and swap. Raises `ConversationChanged`."""
    saved = connection.execute(
        _SAVE,
        {
            "row": current.id,
            "known_version": current.version,
            "version": current.version + 1,
            "next_seq": current.next_seq,
            "requester_id": current.requester_id,
            "requester_origin": current.requester_origin,
            "ticket_id": current.ticket_id,
            "last_inbound_at": current.window.last_inbound_at,
            "window_refused_at": current.window.refused_at,
            "posted_until_at": current.posted_until_at,
            "unanswered_since_at": current.unanswered_since_at,
            "look_at": current.look_at,
            "referred_at": current.free_entry.referred_at,
            "free_entry_until_at": current.free_entry.until,
            "ask_id": current.ask_id,
            "origin": current.origin,
        },
    )
    if saved.rowcount != 1:
        raise ConversationChanged
    current.version += 1


def find_to_look_at(
    connection: Connection, *, shards: Sequence[int], now: datetime, limit: int
) -> list[tuple[str, int]]:
    """(id, shard) of conversations whose window is to be looked at, the longest overdue first. One look at the index
    for each shard, however many wait."""
    rows = [
        row
        for shard in shards
        for row in connection.execute(_TO_LOOK_AT, {"of_shard": shard, "now": now, "limit": limit})
    ]
    return [(row.id, row.shard) for row in sorted(rows, key=lambda row: row.look_at)[:limit]]


_TO_LOOK_AT = (
    select(conversation.c.id, conversation.c.shard, conversation.c.look_at)
    .where(conversation.c.shard == bindparam("of_shard"), conversation.c.look_at <= bindparam("now"))
    .order_by(conversation.c.look_at)
    .limit(bindparam("limit"))
)


def shard_of_conversation(connection: Connection, conversation_id: str) -> int:
    return int(
        connection.execute(select(conversation.c.shard).where(conversation.c.id == conversation_id)).scalar_one()
    )


_TICKET = select(ticket).where(ticket.c.id == bindparam("id"))
_TICKET_OF_REMOTE = select(ticket).where(
    ticket.c.channel_id == bindparam("channel_id"), ticket.c.remote_id == bindparam("remote_id")
)
_CHANGE_TICKET = update(ticket).where(ticket.c.id == bindparam("row"))


def find_ticket(connection: Connection, *, channel_id: str, remote_id: str) -> Ticket | None:
    row = connection.execute(_TICKET_OF_REMOTE, {"channel_id": channel_id, "remote_id": remote_id}).one_or_none()
    return None if row is None else _ticket(row)


def load_ticket(connection: Connection, ticket_id: str) -> Ticket:
    return _ticket(connection.execute(_TICKET, {"id": ticket_id}).one())


def _ticket(row: Any) -> Ticket:
    return Ticket(
        row.id,
        row.remote_id,
        row.conversation_id,
        row.status,
        row.read_since_at,
        row.next_post_at,
        row.marks,
        row.language,
    )


def add_ticket(
    connection: Connection,
    current: Conversation,
    *,
    remote_id: str,
    status: str,
    read_since_at: datetime,
    now: datetime,
) -> str:
    """Map a ticket to the conversation and make it the current one. Returns our id of it."""
    known = find_ticket(connection, channel_id=current.channel_id, remote_id=remote_id)
    ticket_id = known.id if known else new_id()
    if known is None:
        connection.execute(
            insert(ticket).values(
                id=ticket_id,
                channel_id=current.channel_id,
                conversation_id=current.id,
                remote_id=remote_id,
                status=status,
                read_since_at=read_since_at,
                next_post_at=EPOCH,
                created_at=now,
            )
        )
    current.ticket_id = ticket_id
    return ticket_id


def find_closed_ticket(connection: Connection, conversation_id: str) -> str | None:
    """The helpdesk's id of the conversation's last ticket, when that is closed for good and so can be followed."""
    return _last_ticket_if(connection, conversation_id, TicketStatus.CLOSED)


def find_gone_ticket(connection: Connection, conversation_id: str) -> str | None:
    """The helpdesk's id of the conversation's last ticket, when that was deleted."""
    return _last_ticket_if(connection, conversation_id, TicketStatus.GONE)


def _last_ticket_if(connection: Connection, conversation_id: str, status: TicketStatus) -> str | None:
    row = connection.execute(
        select(ticket.c.remote_id, ticket.c.status)
        .where(ticket.c.conversation_id == conversation_id)
        .order_by(ticket.c.id.desc())
        .limit(1)
    ).one_or_none()
    return row.remote_id if row is not None and row.status == status else None


def set_ticket_status(connection: Connection, ticket_id: str, status: str) -> None:
    connection.execute(_CHANGE_TICKET, {"row": ticket_id, "status": status})


def set_marks(connection: Connection, ticket_id: str, marks: str | None) -> None:
    """What the ticket is told of window and delivery; None: that is not known any more."""
    connection.execute(_CHANGE_TICKET, {"row": ticket_id, "marks": marks})


def set_language(connection: Connection, ticket_id: str, locale: str) -> None:
    """Who reads our notes there, as far as we know: whoever of the staff wrote last."""
    connection.execute(_CHANGE_TICKET, {"row": ticket_id, "language": locale[:35]})


def load_language(connection: Connection, ticket_id: str) -> str | None:
    return load_ticket(connection, ticket_id).language


def set_unread(connection: Connection, ticket_id: str, since: datetime | None) -> None:
    """`since`: we wrote, and what stood there before is not known to us for certain. None: it was read."""
    connection.execute(_CHANGE_TICKET, {"row": ticket_id, "unread_since": since})


def find_unread(connection: Connection, *, channel_id: str, before: datetime, limit: int) -> list[tuple[str, str]]:
    """(our id, the helpdesk's) of tickets that were not read since we last wrote, before then."""
    longest_first = (
        select(ticket.c.id, ticket.c.remote_id)
        .where(ticket.c.channel_id == channel_id, ticket.c.unread_since <= before)
        .order_by(ticket.c.unread_since)
        .limit(limit)
    )
    return [(row.id, row.remote_id) for row in connection.execute(longest_first)]


def set_next_post(connection: Connection, ticket_id: str, *, next_post_at: datetime) -> None:
    """`next_post_at` is real time."""
    connection.execute(_CHANGE_TICKET, {"row": ticket_id, "next_post_at": next_post_at})


def advance_reading(connection: Connection, known: Ticket, *, newest_at: datetime) -> None:
    since = newest_at - READ_OVERLAP
    if since > known.read_since_at:
        connection.execute(_CHANGE_TICKET, {"row": known.id, "read_since_at": since})


def add_comment(
    connection: Connection, *, channel_id: str, ticket_id: str, remote_id: str, role: str, now: datetime
) -> bool:
    """Remember a comment; False when it is known. A comment that turns out to be ours stays ours."""
    return insert_once(
        connection,
        comment,
        {
            "id": new_id(),
            "channel_id": channel_id,
            "ticket_id": ticket_id,
            "remote_id": remote_id,
            "role": role,
            "created_at": now,
        },
        unique=(comment.c.channel_id, comment.c.remote_id),
    )


def newest_comments(connection: Connection, ticket_id: str) -> tuple[datetime, datetime]:
    """When the newest comment that we know was written, and the newest that is not ours. `EPOCH` where there is none.

    By the helpdesk's clock, where that told the time of ours.
    """
    of_ticket = select(func.max(comment.c.created_at)).where(comment.c.ticket_id == ticket_id)
    newest = connection.execute(of_ticket).scalar_one()
    not_ours = connection.execute(of_ticket.where(comment.c.role != "ours")).scalar_one()
    return newest or EPOCH, not_ours or EPOCH


def last_own_comment(connection: Connection, ticket_id: str) -> str | None:
    """Our id of the newest comment that we wrote there."""
    mine = (comment.c.ticket_id == ticket_id) & (comment.c.role == "ours")
    newest: str | None = connection.execute(select(func.max(comment.c.id)).where(mine)).scalar_one()
    return newest


def knows_comment(connection: Connection, *, channel_id: str, remote_id: str) -> bool:
    known = connection.execute(_COMMENT, {"channel_id": channel_id, "remote_id": remote_id})
    return known.one_or_none() is not None


_COMMENT = select(comment.c.id).where(
    comment.c.channel_id == bindparam("channel_id"), comment.c.remote_id == bindparam("remote_id")
)
