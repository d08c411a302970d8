"""WhatsApp said that a customer's number or id changed: history, window and ticket move along, by staying.

The contact is known by the new ids from then on; the old ones stay as aliases, so that late webhooks still find it. The
helpdesk's user is told the new number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bridge.domain.identity import Evidence, IdChange
from bridge.domain.model import InboundMessage, SystemNotice
from bridge.runtime import desk_changes
from bridge.runtime.services import Moment, Services
from bridge.store import contacts, conversations
from bridge.store.contacts import ContactRef
from bridge.store.conversations import Conversation
from bridge.store.tables import EffectKind
from connectors.interface import UpdatesRequesters


class Elsewhere(Exception):
    """The contact lives on another shard: nothing of this is written, and the event waits there."""

    def __init__(self, shard: int) -> None:
        super().__init__(str(shard))
        self.shard = shard


@dataclass(frozen=True, slots=True)
class Changed:
    """`current` None: the customer has not been written with yet."""

    owner: ContactRef
    current: Conversation | None


def change_of(notice: SystemNotice) -> IdChange:
    """Before August 2026 the notice names the old number alone (fact sheet WhatsApp 1.6.2)."""
    sender = notice.sender
    return IdChange(
        at=notice.sent_at,
        previous_bsuid=notice.previous_bsuid or (sender.bsuid if sender.bsuid != notice.new_bsuid else None),
        previous_parent_bsuid=notice.previous_parent_bsuid,
        old_wa_id=sender.wa_id if sender.wa_id != notice.new_wa_id else None,
        bsuid=notice.new_bsuid,
        parent_bsuid=notice.new_parent_bsuid,
        wa_id=notice.new_wa_id,
    )


def follow(connection: Connection, services: Services, notice: SystemNotice, *, shard: int, moment: Moment) -> Changed:
    """Follow the notice. The caller saves `current`. Raises `Elsewhere` and `contacts.ContactRaced`."""
    owner = contacts.change_ids(
        connection, services.vault, change_of(notice), name=notice.sender.name, shard=shard, now=moment.business
    )
    if owner.shard != shard:
        raise Elsewhere(owner.shard)
    current = conversations.find(connection, contact_id=owner.id, channel_id=services.channel.id)
    if current is not None and not owner.merging:  # else it is told once they are one
        tell_requester(connection, services, current, moment)
    return Changed(owner, current)


def take_numbers(
    connection: Connection, services: Services, current: Conversation, told: Sequence[InboundMessage], moment: Moment
) -> None:
    """A customer without a number has one now: by a message, or because they gave it when asked."""
    for message in told:
        contacts.learn(
            connection,
            services.vault,
            current.contact_id,
            phone=message.told_number,
            now=moment.business,
            at=min(message.sent_at, moment.business),
            evidence=Evidence.TOLD,
        )
    tell_requester(connection, services, current, moment)


def tell_requester(connection: Connection, services: Services, current: Conversation, moment: Moment) -> None:
    """The helpdesk's user is known by what the customer is known by now, where the helpdesk can be told."""
    if current.requester_id is None or not isinstance(services.connector, UpdatesRequesters):
        return
    address = contacts.load_address(connection, services.vault, current.contact_id)
    what = {
        "requester": current.requester_id,
        "bsuid": address.bsuid,
        "wa_id": address.number,
        "former_numbers": address.former_numbers,
        "is_ours": current.requester_origin == "made",
    }
    desk_changes.add(
        connection,
        services,
        current,
        EffectKind.UPDATE_REQUESTER,
        what,
        moment=moment,
        ticket_id=current.ticket_id,
    )
