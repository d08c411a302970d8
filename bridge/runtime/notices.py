"""WhatsApp itself says something of a customer that changes none of their ids: it is told in a private note where a
ticket is open, and opens neither a ticket nor a window (fact sheet WhatsApp 1.6.2)."""

from sqlalchemy import Connection

from bridge.domain import notes
from bridge.domain.model import SystemNotice
from bridge.domain.speech import Note
from bridge.runtime.apply import add_note
from bridge.runtime.services import Moment, Services
from bridge.store import contacts, conversations, inbox
from bridge.store.contacts import BSUID_KIND, WA_ID_KIND, ContactRef
from bridge.store.inbox import InboxEntry
from bridge.store.leases import Lease
from connectors.interface import TicketStatus


async def take(services: Services, lease: Lease, entry: InboxEntry, notice: SystemNotice) -> bool:
    """True: effects were made, or the event went to the shard of its contact."""
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> bool:
        owner = _owner(connection, services, notice)
        if owner is None:
            inbox.finish(connection, [entry.id], reason=f"system notice: {notice.kind}, of nobody we know")
            return False
        if owner.shard != lease.shard:
            inbox.rehome(connection, [entry.id], shard=owner.shard)
            return True
        inbox.finish(connection, [entry.id], reason=f"system notice: {notice.kind}")
        current = conversations.find(connection, contact_id=owner.id, channel_id=services.channel.id)
        if current is None or current.ticket_id is None:
            return False
        ticket = conversations.load_ticket(connection, current.ticket_id)
        if ticket.status in (TicketStatus.CLOSED, TicketStatus.GONE):
            return False
        add_note(connection, services, current, _told(notice), ticket_id=ticket.id, moment=moment)
        conversations.save(connection, current)
        return True

    made = await services.commit(lease, unit)
    services.metrics.count("deskbridge_system_notices_total", notice.kind)
    return made


def _owner(connection: Connection, services: Services, notice: SystemNotice) -> ContactRef | None:
    """Who they were, else who they are now."""
    wanted = (
        (BSUID_KIND, notice.previous_bsuid),
        (BSUID_KIND, notice.sender.bsuid),
        (WA_ID_KIND, notice.sender.wa_id),
        (BSUID_KIND, notice.new_bsuid),
        (WA_ID_KIND, notice.new_wa_id),
    )
    found = (contacts.find(connection, services.vault, kind=kind, value=value) for kind, value in wanted if value)
    return next((owner for owner in found if owner is not None), None)


def _told(notice: SystemNotice) -> Note:
    match notice.kind:
        case "customer_identity_changed":
            return notes.identity_key_changed()
        case _:
            return notes.system_notice(notice.kind)
