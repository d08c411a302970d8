"""Contacts that turned out to be one person are merged here, and their helpdesk users and tickets after them.

The order loses nothing: first everything of ours, in one transaction, so that from then on both tickets are of one
conversation; then, one after the other in its lane, the helpdesk's users and tickets.
"""

from sqlalchemy import Connection

from bridge.domain import identity_notes
from bridge.domain.identity import Evidence
from bridge.runtime import desk_changes, identity_changes
from bridge.runtime.apply import add_note
from bridge.runtime.services import Moment, Services
from bridge.store import contacts, conversations, merging, outbox
from bridge.store.conversations import Conversation
from bridge.store.leases import Lease
from bridge.store.merging import MergedConversation
from bridge.store.tables import EffectKind
from connectors.interface import MergesRequesters, MergesTickets

AT_ONCE = 20
ADOPTED, MADE = "adopted", "made"


def settle(connection: Connection, services: Services, lease: Lease, moment: Moment) -> bool:
    """Merge what is to be merged on this shard, as far as nothing of it is on its way. True when effects were made."""
    made = False
    for wanted in contacts.load_wanted_merges(connection, shard=lease.shard, limit=AT_ONCE):
        merged = merging.merge(connection, services.vault, wanted.one_id, wanted.other_id)
        if merged is None:
            continue  # the next look, a moment later
        contacts.finish_merge(connection, wanted.id, now=moment.business)
        services.metrics.count("deskbridge_contacts_merged_total", wanted.evidence)
        for one in merged:
            _follow_up(connection, services, one, wanted.evidence, moment)
            conversations.save(connection, one.survivor)
            made = True
    return made


def _follow_up(
    connection: Connection, services: Services, merged: MergedConversation, evidence: str, moment: Moment
) -> None:
    current = merged.survivor
    if current.window.is_open(moment.business):
        outbox.release_held(connection, current.id, now=moment.business)
    if merged.requester_id is not None:
        join_requesters(connection, services, current, merged.requester_id, merged.requester_origin, moment)
    identity_changes.tell_requester(connection, services, current, moment)
    target = conversations.load_ticket(connection, current.ticket_id) if current.ticket_id else None
    if target is None:
        return
    sources = [conversations.load_ticket(connection, ticket_id) for ticket_id in merged.open_tickets]
    if isinstance(services.connector, MergesTickets):
        for source in sources:
            what = {"ticket": source.remote_id, "into": target.remote_id}
            desk_changes.add(
                connection, services, current, EffectKind.MERGE_TICKETS, what, moment=moment, ticket_id=target.id
            )
    note = identity_notes.same_person(why=Evidence(evidence), other_tickets=[source.remote_id for source in sources])
    add_note(connection, services, current, note, ticket_id=target.id, moment=moment)


def join_requesters(
    connection: Connection,
    services: Services,
    current: Conversation,
    other_id: str,
    other_origin: str | None,
    moment: Moment,
) -> None:
    """The conversation's requester and `other_id` are one customer: one that we made goes into the other. Of two that
    were there before us, or of whom that is not known, a person decides."""
    own_id, own_origin = current.requester_id, current.requester_origin
    assert own_id is not None
    if other_origin != MADE and own_origin == MADE:
        # Whoever was there before us stays.
        current.requester_id, current.requester_origin = other_id, other_origin
        other_id, other_origin = own_id, own_origin
    if other_origin == MADE and isinstance(services.connector, MergesRequesters):
        what = {"loser": other_id, "into": current.requester_id}
        desk_changes.add(
            connection,
            services,
            current,
            EffectKind.MERGE_REQUESTERS,
            what,
            moment=moment,
            ticket_id=current.ticket_id,
        )
        return
    note = identity_notes.users_are_one(str(current.requester_id), other_id)
    add_note(connection, services, current, note, ticket_id=current.ticket_id, moment=moment)
