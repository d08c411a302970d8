"""An agent merged our ticket into another one: the conversation goes on there, from the moment of the merge."""

import orjson
from sqlalchemy import Connection

from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.runtime.services import Moment, Services
from bridge.store import conversations, inbox
from bridge.store.conversations import Conversation, Ticket
from connectors.interface import Successor, TicketStatus


def follow(
    connection: Connection,
    services: Services,
    current: Conversation,
    ticket: Ticket,
    successor: Successor | None,
    moment: Moment,
) -> None:
    """`ticket` is closed. Where it is the conversation's own, the successor takes its place and is read at once.

    A successor that belongs to another customer is never written on, whoever merged them: then a new ticket follows.
    """
    conversations.set_ticket_status(connection, ticket.id, TicketStatus.CLOSED)
    if current.ticket_id != ticket.id:
        return
    current.ticket_id = None
    if successor is None:
        return
    taken = conversations.find_ticket(connection, channel_id=services.channel.id, remote_id=successor.ticket_id)
    if taken is not None and taken.conversation_id != current.id:
        return
    conversations.add_ticket(
        connection,
        current,
        remote_id=successor.ticket_id,
        status=TicketStatus.OPEN,
        read_since_at=successor.merged_at,
        now=moment.business,
    )
    inbox.unpark(connection, match_index=ticket_index(services, successor.ticket_id))
    ring(connection, services, ticket_id=successor.ticket_id, moment=moment)


def ring_item(services: Services, *, ticket_id: str, comment_id: str | None) -> InboxItem:
    """The row that the helpdesk's webhook would have made, so that the two coalesce."""
    helpdesk = services.channel.helpdesk
    return InboxItem(
        kind=InboxKind.RING,
        channel=helpdesk,
        event_key=f"ring:{helpdesk}:{ticket_id}:{comment_id or ''}",
        shard_key=f"ticket:{ticket_id}",
        body=orjson.dumps({"ticket_id": ticket_id, "comment_id": comment_id}),
        position=0,
        source=helpdesk,
    )


def ticket_index(services: Services, ticket_id: str) -> bytes:
    """What a parked ring of this ticket is found by."""
    return services.vault.index("ticket", f"{services.channel.id}:{ticket_id}")


def ring(connection: Connection, services: Services, *, ticket_id: str, moment: Moment) -> None:
    """Read this ticket, as if its helpdesk had rung."""
    item = ring_item(services, ticket_id=ticket_id, comment_id=None)
    inbox.insert_rows(connection, inbox.rows_of([item], vault=services.vault, received_at=moment.business))
