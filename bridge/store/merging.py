"""Two contacts are one person: everything of one becomes the other's, in one transaction.

Both shards are held while it happens, and nothing of either is on its way to a far side: so whoever looked at one of
the two a moment ago finds at its next commit what became of it, and loses nothing.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from bridge.domain.customer_service_window import CustomerServiceWindow
from bridge.domain.free_entry_point import FreeEntryPoint
from bridge.domain.identity import Side, survivor
from bridge.store import contacts, conversations
from bridge.store.conversations import Conversation
from bridge.store.crypto import Vault
from bridge.store.tables import (
    EffectState,
    alarm,
    consent,
    conversation,
    effect,
    message,
    shard,
    ticket,
)

_CLOSED = ("closed", "gone")
_SETTLED = (*_CLOSED, "solved")
_ON_ITS_WAY = (EffectState.PERFORMING.value, EffectState.UNKNOWN.value)
_WAITING = (EffectState.READY.value, EffectState.HELD.value)


@dataclass(frozen=True, slots=True)
class MergedConversation:
    """A conversation that took in another one of the same channel.

    `requester_id`, `requester_origin`, `open_tickets`: what the other had, as far as it is not the survivor's too.
    """

    survivor: Conversation
    requester_id: str | None
    requester_origin: str | None
    open_tickets: tuple[str, ...]


def merge(connection: Connection, vault: Vault, one_id: str, other_id: str) -> list[MergedConversation] | None:
    """Merge two contacts; None when that cannot be now. The caller saves the surviving conversations."""
    one_id, other_id = contacts.survivor_of(connection, one_id), contacts.survivor_of(connection, other_id)
    if one_id == other_id:
        return []
    shards = {one_id: contacts.shard_of(connection, one_id), other_id: contacts.shard_of(connection, other_id)}
    if not _hold(connection, sorted(set(shards.values()))) or _is_busy(connection, (one_id, other_id)):
        return None
    rows = _conversations_of(connection, (one_id, other_id))
    kept, gone = survivor(_side(connection, one_id, rows), _side(connection, other_id, rows))
    merged = []
    for row in rows:
        if row.contact_id != gone.contact_id:
            continue
        twin = next((r for r in rows if r.contact_id == kept.contact_id and r.channel_id == row.channel_id), None)
        if twin is None:
            _hand_over(connection, row, contact_id=kept.contact_id, shard_id=shards[kept.contact_id])
        else:
            merged.append(_take_in(connection, conversations.load(connection, twin.id), row))
    contacts.give_name(connection, vault, from_id=gone.contact_id, to_id=kept.contact_id)
    connection.execute(
        update(consent).where(consent.c.contact_id == gone.contact_id).values(contact_id=kept.contact_id)
    )
    contacts.move_identities(connection, from_id=gone.contact_id, to_id=kept.contact_id)
    connection.execute(
        alarm.delete().where(
            alarm.c.kind == "identity_conflict", alarm.c.subject.in_((kept.contact_id, gone.contact_id))
        )
    )
    return merged


def _hold(connection: Connection, shards: Sequence[int]) -> bool:
    """Both shards, in ascending order, or neither: who waits for nobody is in no circle of waiting."""
    rows = connection.execute(
        select(shard.c.id).where(shard.c.id.in_(shards)).order_by(shard.c.id).with_for_update(skip_locked=True)
    )
    return len(rows.all()) == len(shards)


def _is_busy(connection: Connection, contact_ids: Sequence[str]) -> bool:
    """A call is under way, or its outcome is not known: its answer must find things where they were."""
    return (
        connection.execute(
            select(effect.c.id)
            .join(conversation, conversation.c.id == effect.c.conversation_id)
            .where(conversation.c.contact_id.in_(contact_ids), effect.c.state.in_(_ON_ITS_WAY))
            .limit(1)
        ).one_or_none()
        is not None
    )


def _conversations_of(connection: Connection, contact_ids: Sequence[str]) -> Sequence[Row[Any]]:
    return connection.execute(
        select(conversation)
        .where(conversation.c.contact_id.in_(contact_ids), conversation.c.merged_into.is_(None))
        .order_by(conversation.c.id)
        .with_for_update()
    ).all()


def _side(connection: Connection, contact_id: str, rows: Sequence[Row[Any]]) -> Side:
    mine = [row for row in rows if row.contact_id == contact_id]
    current = [row.ticket_id for row in mine if row.ticket_id is not None]
    is_open = select(ticket.c.id).where(ticket.c.id.in_(current), ticket.c.status.not_in(_CLOSED)).limit(1)
    return Side(
        contact_id,
        has_open_ticket=bool(current) and connection.execute(is_open).one_or_none() is not None,
        is_adopted=any(row.requester_origin == "adopted" for row in mine),
        has_conversation=bool(mine),
    )


def _hand_over(connection: Connection, row: Row[Any], *, contact_id: str, shard_id: int) -> None:
    """A conversation that the survivor does not have becomes theirs as it is."""
    connection.execute(
        update(conversation)
        .where(conversation.c.id == row.id)
        .values(contact_id=contact_id, shard=shard_id, version=conversation.c.version + 1)
    )
    connection.execute(update(effect).where(effect.c.conversation_id == row.id).values(shard=shard_id))


def _take_in(connection: Connection, current: Conversation, other: Row[Any]) -> MergedConversation:
    _move_effects(connection, current, other.id)
    for table in (message, ticket):
        connection.execute(update(table).where(table.c.conversation_id == other.id).values(conversation_id=current.id))
    requester_id, requester_origin = other.requester_id, other.requester_origin
    if current.requester_id is None:
        current.requester_id, current.requester_origin = requester_id, requester_origin
    if current.requester_id == requester_id:
        requester_id = requester_origin = None
    tickets = select(ticket.c.id, ticket.c.status).where(ticket.c.conversation_id == current.id)
    statuses = {row.id: row.status for row in connection.execute(tickets)}
    current.ticket_id = min(
        (ticket_id for ticket_id in (current.ticket_id, other.ticket_id) if ticket_id is not None),
        key=lambda ticket_id: (statuses[ticket_id] in _CLOSED, statuses[ticket_id] in _SETTLED),
        default=None,
    )
    current.window = current.window.joined(CustomerServiceWindow(other.last_inbound_at, other.window_refused_at))
    posted = [at for at in (current.posted_until_at, other.posted_until_at) if at is not None]
    current.posted_until_at = max(posted, default=None)
    current.origin = current.origin or other.origin
    current.unanswered_since_at = _earlier(current.unanswered_since_at, other.unanswered_since_at)
    current.ask_id = current.ask_id or other.ask_id
    current.look_at = _earlier(current.look_at, other.look_at)
    current.free_entry = current.free_entry.joined(FreeEntryPoint(other.referred_at, other.free_entry_until_at))
    connection.execute(
        update(conversation)
        .where(conversation.c.id == other.id)
        .values(
            merged_into=current.id,
            version=conversation.c.version + 1,
            requester_id=None,
            ticket_id=None,
            look_at=None,
        )
    )
    left = [one for one, status in statuses.items() if one != current.ticket_id and status not in _SETTLED]
    return MergedConversation(current, requester_id, requester_origin, tuple(sorted(left)))


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)


def _move_effects(connection: Connection, current: Conversation, other_id: str) -> None:
    """What waits in both goes in the order in which it was resolved; within each conversation nothing overtakes."""
    waiting = connection.execute(
        select(effect.c.id, effect.c.conversation_id, effect.c.created_at, effect.c.seq)
        .where(effect.c.conversation_id.in_((current.id, other_id)), effect.c.state.in_(_WAITING))
        .order_by(effect.c.seq)
    ).all()
    mine = [row for row in waiting if row.conversation_id == current.id]
    theirs = [row for row in waiting if row.conversation_id == other_id]
    connection.execute(
        update(effect)
        .where(effect.c.conversation_id == other_id)
        .values(conversation_id=current.id, shard=current.shard)
    )
    if not theirs:
        return
    # Behind everything that was ever numbered in either.
    highest = connection.execute(
        select(func.max(effect.c.seq)).where(effect.c.conversation_id == current.id)
    ).scalar_one()
    current.next_seq = max(current.next_seq, (highest or 0) + 1)
    for row in heapq.merge(mine, theirs, key=lambda row: row.created_at):
        connection.execute(update(effect).where(effect.c.id == row.id).values(seq=current.take_seq()))
