"""How does a customer's wish about marketing come into the ledger? By a word, WhatsApp's own switch, or a refusal."""

from sqlalchemy import Connection

from bridge.domain import notes
from bridge.domain.consent import ConsentAction, ConsentEntry, ConsentSource, parse_keyword, spoken
from bridge.domain.model import InboundMessage, MarketingPreference
from bridge.runtime.apply import add_note
from bridge.runtime.services import Moment, Services
from bridge.store import consents, contacts
from bridge.store.conversations import Conversation
from templates_registry.sending_rules import Consent

OPTED_OUT = 131050
"""Meta's code for a marketing message to somebody who stopped them (fact sheet WhatsApp 6.3)."""
SPOKEN = ("text", "button", "interactive")
_FOLLOWS = {ConsentAction.OPT_IN: Consent.GIVEN, ConsentAction.OPT_OUT: Consent.WITHDRAWN}


def take_words(
    connection: Connection, services: Services, current: Conversation, message: InboundMessage, *, moment: Moment
) -> None:
    """A customer's whole message (or tapped button) that is nothing but a word like STOP is put on record, and the
    agent told."""
    action = parse_keyword(message.text) if message.kind in SPOKEN else None
    if action is None:
        return
    word = spoken(message.text)
    entry = ConsentEntry(action, ConsentSource.KEYWORD, min(message.sent_at, moment.business), detail=word)
    consents.add(connection, services.vault, current.contact_id, entry, now=moment.business)
    if consents.of_contact(connection, current.contact_id) is not _FOLLOWS[action]:
        return  # an older word, overtaken by a newer one
    note = notes.opted_out(word) if action is ConsentAction.OPT_OUT else notes.opted_in(word)
    add_note(connection, services, current, note, ticket_id=current.ticket_id, moment=moment)


def take_preference(
    connection: Connection, services: Services, preference: MarketingPreference, *, shard: int, moment: Moment
) -> None:
    """WhatsApp's own switch; whoever used it before ever writing to us is a contact from then on. Raises
    `ContactRaced`."""
    owner = contacts.find_or_create(connection, services.vault, preference.sender, shard=shard, now=moment.business)
    action = ConsentAction.OPT_IN if preference.wants_marketing else ConsentAction.OPT_OUT
    entry = ConsentEntry(action, ConsentSource.META, min(preference.at, moment.business), detail=preference.word)
    consents.add(connection, services.vault, owner.id, entry, now=moment.business)


def take_refusal(
    connection: Connection, services: Services, contact_id: str, *, code: int | None, moment: Moment
) -> None:
    """Meta says with 131050 that the customer wants no marketing: it closes our side as well."""
    if code != OPTED_OUT or consents.of_contact(connection, contact_id) is Consent.WITHDRAWN:
        return
    entry = ConsentEntry(ConsentAction.OPT_OUT, ConsentSource.REFUSED, moment.business)
    consents.add(connection, services.vault, contact_id, entry, now=moment.business)
