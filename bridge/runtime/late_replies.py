"""What asks a customer to come back, so that replies held for a closed window can follow? One template, once.

The administrator names it (`DESKBRIDGE_WINDOW_CLOSED=template`). It goes when a reply is held and none of its kind is
out; whatever the customer does then opens the window, and the replies follow. Nobody who wants no marketing is asked,
nor anybody who has written meanwhile.
"""

from sqlalchemy import Connection

from bridge.domain import notes
from bridge.runtime import template_send
from bridge.runtime.apply import add_note
from bridge.runtime.services import Moment, Services
from bridge.runtime.template_send import NotOrdered, Wish
from bridge.store import consents, outbox
from bridge.store.conversations import Conversation
from bridge.store.tables import EffectState
from templates_registry.sending_rules import Consent

ENDED = (EffectState.FAILED, EffectState.DROPPED, EffectState.DEAD)


def ask(
    connection: Connection, services: Services, current: Conversation, *, ticket_id: str | None, moment: Moment
) -> None:
    """Ask the customer to come back, if that is the policy and nobody has asked yet. The agent is told what went, or
    why nothing did."""
    wanted = services.rules.reengage
    if wanted is None or current.window.is_open(moment.business) or _is_asked(connection, services, current, moment):
        return
    if template_send.is_waiting(connection, current.id):
        return  # an agent's own template is on its way, and asks as well
    if consents.of_contact(connection, current.contact_id) is Consent.WITHDRAWN:
        add_note(connection, services, current, notes.not_asked_back(), ticket_id=ticket_id, moment=moment)
        return
    ordered = template_send.order(
        connection,
        services,
        current,
        Wish(wanted.name, wanted.language),
        ticket_id=ticket_id,
        moment=moment,
    )
    if isinstance(ordered, NotOrdered):
        add_note(connection, services, current, ordered.note, ticket_id=ticket_id, moment=moment)
        return
    current.ask_id = ordered.effect_id
    note = notes.asked_back(name=ordered.template.name, shown=ordered.shown)
    add_note(connection, services, current, note, ticket_id=ticket_id, moment=moment)


def _is_asked(connection: Connection, services: Services, current: Conversation, moment: Moment) -> bool:
    """Is an ask on its way or with the customer? One that failed, or that nobody answered for as long as replies are
    held, does not count."""
    if current.ask_id is None:
        return False
    asked = outbox.load(connection, services.vault, current.ask_id)
    return asked.state not in ENDED and moment.business - asked.created_at <= services.rules.hold_for
