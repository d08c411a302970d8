"""`/wa contact`: who is the customer, and an agent's word on which helpdesk user that is."""

import re

from sqlalchemy import Connection

from bridge.domain import identity_notes
from bridge.domain.speech import Note
from bridge.runtime import contact_merges, desk_changes
from bridge.runtime.contact_merges import ADOPTED, MADE
from bridge.runtime.services import Moment, Services
from bridge.store import contacts
from bridge.store.conversations import Conversation
from bridge.store.tables import EffectKind
from connectors.interface import MergesRequesters

_USER_ID = re.compile(r"#?([A-Za-z0-9_-]{1,64})")


def answer(connection: Connection, services: Services, current: Conversation, words: str, moment: Moment) -> Note:
    """Do what the agent says behind the command, and say what follows."""
    if not words:
        address = contacts.load_address(connection, services.vault, current.contact_id)
        return identity_notes.who_it_is(
            number=address.number,
            hides_number=address.number is None,
            former=address.former_numbers[:3],
            user=current.requester_id,
            is_ours=current.requester_origin == MADE,
        )
    named = _USER_ID.fullmatch(words)
    if named is None:
        return identity_notes.no_user_id()
    user = named[1]
    if user == current.requester_id:
        return identity_notes.is_that_user(user)
    if current.requester_id is None:
        current.requester_id, current.requester_origin = user, ADOPTED
        return identity_notes.is_that_user(user)
    if current.requester_origin == MADE and isinstance(services.connector, MergesRequesters):
        what = {"loser": current.requester_id, "into": user, "adopts": True}
        desk_changes.add(
            connection,
            services,
            current,
            EffectKind.MERGE_REQUESTERS,
            what,
            moment=moment,
            ticket_id=current.ticket_id,
        )
        return identity_notes.becomes_that_user(current.requester_id, user)
    former, current.requester_id, current.requester_origin = current.requester_id, user, contact_merges.ADOPTED
    return identity_notes.is_that_user_from_now_on(former, user)
