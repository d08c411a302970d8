"""What falls due by itself: held replies nobody came for, messages that stay undelivered, statuses of other apps,
contacts that turned out to be one."""

from functools import partial

from sqlalchemy import Connection

from bridge.domain import notes
from bridge.domain.model import MessageStatus
from bridge.runtime import contact_merges
from bridge.runtime.apply import add_note
from bridge.runtime.services import WHATSAPP_SCOPE, Moment, Services
from bridge.store import channels, conversations, inbox, leases, messages, outbox
from bridge.store.leases import Lease
from bridge.store.outbox import WAITS_FOR_LIMIT
from bridge.store.tables import EffectState, Lane

AT_ONCE = 200
LATE = "waits for long"


async def run(services: Services, lease: Lease) -> bool:
    """Look after a shard. True when effects were made."""
    moment = Moment.take(services.clock)
    return await services.commit(lease, partial(_run, services=services, lease=lease, moment=moment))


def _run(connection: Connection, services: Services, lease: Lease, moment: Moment) -> bool:
    expired = outbox.load_expired_holds(
        connection, services.vault, shard=lease.shard, now=moment.business, limit=AT_ONCE
    )
    for record in expired:
        assert record.message_id is not None
        text = messages.load_text(connection, services.vault, record.message_id)
        outbox.set_state(connection, [record.id], EffectState.DROPPED, code="hold expired")
        current = conversations.load(connection, record.conversation_id)
        note = notes.hold_expired(text, hold_for=services.rules.hold_for)
        add_note(connection, services, current, note, ticket_id=record.ticket_id, moment=moment)
        conversations.save(connection, current)
    overdue = messages.overdue(connection, shard=lease.shard, now=moment.business, limit=AT_ONCE)
    sends = outbox.find_sends(connection, [message_id for message_id, _, _ in overdue])
    for message_id, conversation_id, status in overdue:
        messages.clear_deadline(connection, message_id)
        if status not in (MessageStatus.ACCEPTED, MessageStatus.SENT):
            continue  # never confirmed: the agent knows
        current = conversations.load(connection, conversation_id)
        text = messages.load_text(connection, services.vault, message_id)
        ticket_id = sends[message_id].ticket_id if message_id in sends else None
        add_note(connection, services, current, notes.not_delivered_yet(text), ticket_id=ticket_id, moment=moment)
        conversations.save(connection, current)
    late = _tell_of_late_replies(connection, services, lease, moment)
    merged = contact_merges.settle(connection, services, lease, moment)
    inbox.unpark_known(connection, shard=lease.shard, now=moment.business)
    if inbox.bury_unclaimed(connection, shard=lease.shard, now=moment.business):
        channels.raise_alarm(connection, kind="dead_letter", subject=inbox.UNKNOWN_TICKET, now=moment.real)
    inbox.expire_parked(connection, shard=lease.shard, now=moment.business)
    return bool(expired or overdue or merged or late)


def _tell_of_late_replies(connection: Connection, services: Services, lease: Lease, moment: Moment) -> bool:
    """An agent never wonders why a reply is not out yet. What waits for an operator is told by its own note."""
    gate = channels.load_gate(connection, channel_id=services.channel.id, scope=WHATSAPP_SCOPE)
    late = outbox.load_late_replies(
        connection, services.vault, shard=lease.shard, since=moment.business - leases.LATE, limit=AT_ONCE
    )
    for record in late:
        outbox.mark_told(connection, record.id, LATE)
        if gate is not None or record.message_id is None or record.ticket_id is None:
            continue
        head = outbox.load_head(connection, services.vault, conversation_id=record.conversation_id, lane=Lane.WHATSAPP)
        code = "" if head is None else head.code or ""
        text = messages.load_text(connection, services.vault, record.message_id)
        current = conversations.load(connection, record.conversation_id)
        note = notes.waits_for_limit(text, limit=code.removeprefix(WAITS_FOR_LIMIT))
        add_note(connection, services, current, note, ticket_id=record.ticket_id, moment=moment)
        conversations.save(connection, current)
    return bool(late)
