"""What falls due by itself: held replies nobody came for, messages that stay undelivered, statuses of other apps,
contacts that turned out to be one."""

from functools import partial

from sqlalchemy import Connection

from bridge.domain import notes
from bridge.domain.model import MessageStatus
from bridge.runtime import contact_merges
from bridge.runtime.apply import add_note
from bridge.runtime.services import Moment, Services
from bridge.store import channels, conversations, inbox, messages, outbox
from bridge.store.leases import Lease
from bridge.store.tables import EffectState

AT_ONCE = 200


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
    merged = contact_merges.settle(connection, services, lease, moment)
    inbox.unpark_known(connection, shard=lease.shard, now=moment.business)
    if inbox.bury_unclaimed(connection, shard=lease.shard, now=moment.business):
        channels.raise_alarm(connection, kind="dead_letter", subject=inbox.UNKNOWN_TICKET, now=moment.real)
    inbox.expire_parked(connection, shard=lease.shard, now=moment.business)
    return bool(expired or overdue or merged)
