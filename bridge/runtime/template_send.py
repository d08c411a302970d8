"""How does a template go to a customer? One way in for commands, late replies and the API: `order`.

It chooses the language, fills the values, asks whether this template may go to this person now, and puts the send, its
preview for the agent and the line of the usage audit into the caller's transaction. Right before the call `look_again`
asks once more, since what was allowed may have changed while it waited.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from bridge.domain import template_notes
from bridge.domain.meta_limits import SendKind, urgency_of
from bridge.domain.speech import Note
from bridge.domain.template_command import parse_template_command
from bridge.domain.template_notes import Asked, Offer
from bridge.runtime.apply import add_note, add_send
from bridge.runtime.services import Moment, Services
from bridge.store import consents, contacts, conversations, outbox, templates
from bridge.store.contacts import Address
from bridge.store.conversations import Conversation
from bridge.store.messages import Outbound
from bridge.store.tables import EffectKind, EffectState, Lane
from bridge.store.templates import Stored
from templates_registry.contact_language import guess_language
from templates_registry.filling import CannotFill, Filled, fill
from templates_registry.languages import normalise
from templates_registry.model import Category
from templates_registry.render import render, to_text
from templates_registry.sending_rules import (
    Recipient,
    Refusal,
    choose,
    nearest_usable,
    refusal_for,
)
from templates_registry.slots import find_slots
from templates_registry.wire_send import write_template

KIND = "template"
BY_BRIDGE = "bridge"
REFETCH_CODES = frozenset((132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132018))
"""Refusals that say that what we know of the template is not what Meta has."""
SEND_KINDS = {
    Category.UTILITY: SendKind.UTILITY,
    Category.MARKETING: SendKind.MARKETING,
    Category.AUTHENTICATION: SendKind.AUTHENTICATION,
}


@dataclass(frozen=True, slots=True)
class Wish:
    """`language` None: the reader's, as far as it is known. `sent_by`: the helpdesk's id of the agent, or `bridge`."""

    name: str
    language: str | None = None
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    sent_by: str = BY_BRIDGE


@dataclass(frozen=True, slots=True)
class Ordered:
    """It stands in the lane. `shown`: what the customer will see."""

    effect_id: str
    template: Stored
    shown: str = field(repr=False)
    flattened: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotOrdered:
    """Nothing stands anywhere; `note` says why, and what could be done."""

    note: Note
    refusal: Refusal | None = None


def recipient_of(connection: Connection, services: Services, current: Conversation) -> tuple[Recipient, Address]:
    address = contacts.load_address(connection, services.vault, current.contact_id)
    return Recipient(address.wa_id, consents.of_contact(connection, current.contact_id)), address


def order(
    connection: Connection,
    services: Services,
    current: Conversation,
    wish: Wish,
    *,
    ticket_id: str | None,
    moment: Moment,
) -> Ordered | NotOrdered:
    """Send this template to this conversation. Before replies that are held, whatever the window says. The caller saves
    `current`, and tells the agent."""
    recipient, address = recipient_of(connection, services, current)
    reader = guess_language(wa_id=address.wa_id, bsuid=address.bsuid)
    found = templates.find_named(connection, services.vault, waba_id=services.channel.waba_id, name=wish.name)
    if not found:
        return _unknown(connection, services, wish, recipient, reader)
    chosen = _choose(connection, services, found, wish, recipient, reader)
    if isinstance(chosen, NotOrdered):
        return chosen
    values = _mapped(connection, services, current, chosen, address, ticket_id) | dict(wish.values)
    try:
        filled = fill(chosen.content, chosen.parameter_format, chosen.category, values)
    except CannotFill as reasons:
        asked = Asked(chosen.name, chosen.language, tuple(wish.values.items()))
        text = to_text(render(chosen.content, chosen.parameter_format, values))
        note = template_notes.cannot_fill(asked=asked, missing=reasons.missing, problems=reasons.problems, text=text)
        return NotOrdered(note)
    effect_id = _put_in_lane(connection, services, current, chosen, filled, ticket_id=ticket_id, moment=moment)
    message_id = outbox.load(connection, services.vault, effect_id).message_id
    assert message_id is not None
    templates.record_send(connection, chosen, message_id=message_id, sent_by=wish.sent_by, now=moment.business)
    return Ordered(effect_id, chosen, to_text(filled.shown), filled.flattened)


def _unknown(
    connection: Connection, services: Services, wish: Wish, recipient: Recipient, reader: str | None
) -> NotOrdered:
    every = templates.list_all(connection, services.vault, waba_id=services.channel.waba_id)
    offers = _offers(every, wish.name, recipient, reader)
    if not wish.name:
        return NotOrdered(template_notes.which(offers=offers))
    names = sorted({one.name for one in every})
    similar = next(iter(difflib.get_close_matches(wish.name, names, n=1, cutoff=0.6)), None)
    return NotOrdered(template_notes.unknown(name=wish.name[:60], similar=similar, offers=offers))


def _choose(
    connection: Connection,
    services: Services,
    found: Sequence[Stored],
    wish: Wish,
    recipient: Recipient,
    reader: str | None,
) -> Stored | NotOrdered:
    by_language = {one.language: one for one in found}
    if wish.language is not None:
        asked = by_language.get(normalise(wish.language))
        if asked is None:
            note = template_notes.no_language(
                name=wish.name, language=wish.language[:20], available=sorted(by_language)
            )
            return NotOrdered(note)
    else:
        best = choose([one.state for one in found], wanted=reader, recipient=recipient)
        if best is not None:
            return by_language[best.language]
        asked = found[0]
    refusal = refusal_for(asked.state, recipient)
    if refusal is None:
        return asked
    every = templates.list_all(connection, services.vault, waba_id=services.channel.waba_id)
    note = template_notes.refused(
        name=asked.name,
        language=asked.language,
        refusal=refusal,
        detail=asked.rejection_words or asked.rejected_reason or "",
        offers=_offers(every, asked.name, recipient, reader),
    )
    return NotOrdered(note, refusal)


def _offers(every: Sequence[Stored], name: str, recipient: Recipient, reader: str | None) -> tuple[Offer, ...]:
    by_key = {(one.name, one.language): one for one in every}
    usable = nearest_usable(name, [one.state for one in every], wanted=reader, recipient=recipient)
    return tuple(_offer(by_key[state.name, state.language]) for state in usable)


def _offer(stored: Stored) -> Offer:
    slots = find_slots(stored.content, stored.parameter_format, stored.category)
    return Offer(stored.name, stored.language, tuple(slot.key for slot in slots if slot.is_required))


FIELDS = ("name", "first_name", "last_name", "phone", "ticket", "ticket_id", "ticket_number")
"""Fields of contact and ticket that a variable of the same name is filled from, or one that a mapping names."""


def _mapped(
    connection: Connection,
    services: Services,
    current: Conversation,
    stored: Stored,
    address: Address,
    ticket_id: str | None,
) -> dict[str, str]:
    """Values from ticket and contact: by the mapping of the template, and by names that say what they mean. What the
    agent gives goes over them."""
    known = _known_fields(connection, address, ticket_id or current.ticket_id)
    mapping = templates.load_mapping(connection, services.vault, channel_id=services.channel.id, name=stored.name)
    slots = {slot.key for slot in find_slots(stored.content, stored.parameter_format, stored.category)}
    return {key: known[source] for key in slots if (source := mapping.get(key, key)) in known}


def _known_fields(connection: Connection, address: Address, ticket_id: str | None) -> dict[str, str]:
    known: dict[str, str] = {}
    name = (address.name or "").strip()
    if name:
        first, _, last = name.partition(" ")
        known |= {"name": name, "first_name": first} | ({"last_name": last.strip()} if last.strip() else {})
    if address.wa_id:
        known["phone"] = f"+{address.wa_id}"
    if ticket_id is not None:
        number = conversations.load_ticket(connection, ticket_id).remote_id
        known |= dict.fromkeys(("ticket", "ticket_id", "ticket_number"), number)
    return known


def _put_in_lane(
    connection: Connection,
    services: Services,
    current: Conversation,
    stored: Stored,
    filled: Filled,
    *,
    ticket_id: str | None,
    moment: Moment,
) -> str:
    content = {
        "template": write_template(stored.name, stored.language, filled.components),
        "template_id": stored.id,
        "version": stored.version,
        "category": stored.category.value,
    }
    effect_id = add_send(
        connection,
        services,
        current,
        Outbound(KIND, to_text(filled.shown), content),
        kind=EffectKind.SEND_TEMPLATE,
        ticket_id=ticket_id,
        held_until=None,
        moment=moment,
        urgency=urgency_of(SEND_KINDS[stored.category]),
    )
    outbox.put_before_held(connection, effect_id, conversation_id=current.id)
    return effect_id


# Commands of agents


def answer_command(
    connection: Connection,
    services: Services,
    current: Conversation,
    rest: str,
    *,
    sent_by: str,
    ticket_id: str,
    moment: Moment,
) -> None:
    """`rest`: whatever stands behind `/wa template`. The answer is a private note: what the customer sees, or why
    not."""
    command = parse_template_command(rest)
    if command.open_quote or command.unread:
        unreadable = template_notes.unreadable(unread=command.unread, open_quote=command.open_quote)
        add_note(connection, services, current, unreadable, ticket_id=ticket_id, moment=moment)
        return
    wish = Wish(command.name, command.language, command.values, sent_by)
    ordered = order(connection, services, current, wish, ticket_id=ticket_id, moment=moment)
    answer = ordered.note if isinstance(ordered, NotOrdered) else note_of(ordered)
    add_note(connection, services, current, answer, ticket_id=ticket_id, moment=moment)


def note_of(ordered: Ordered) -> Note:
    """What the customer sees, for the ticket."""
    return template_notes.sent(
        name=ordered.template.name,
        language=ordered.template.language,
        shown=ordered.shown,
        flattened=ordered.flattened,
    )


# Right before the call, and after it


def why_not_now(connection: Connection, services: Services, current: Conversation, outbound: Outbound) -> Note | None:
    """Whether what waits may still go: the template may have been paused, changed or filed anew, and the customer may
    have said no."""
    content = outbound.content or {}
    stored = templates.load(connection, services.vault, str(content.get("template_id")))
    if stored is None:
        return template_notes.changed_meanwhile(name=str(content.get("template", {}).get("name", "")))
    recipient, address = recipient_of(connection, services, current)
    refusal = refusal_for(stored.state, recipient)
    if refusal is not None:
        every = templates.list_all(connection, services.vault, waba_id=services.channel.waba_id)
        reader = guess_language(wa_id=address.wa_id, bsuid=address.bsuid)
        return template_notes.refused(
            name=stored.name,
            language=stored.language,
            refusal=refusal,
            detail=stored.rejection_words or stored.rejected_reason or "",
            offers=_offers(every, stored.name, recipient, reader),
        )
    if stored.version != content.get("version"):
        return template_notes.changed_meanwhile(name=stored.name)
    return None


def heed_refusal(connection: Connection, outbound: Outbound, code: int | None, *, moment: Moment) -> None:
    """Meta refused a template that we thought could go: what it is now is asked at once."""
    template_id = (outbound.content or {}).get("template_id")
    if template_id is None or code not in REFETCH_CODES:
        return
    templates.change(connection, str(template_id), is_stale=True)
    templates.note_event(connection, str(template_id), kind="refused", word=str(code), at=moment.business)


def send_kind(outbound: Outbound) -> SendKind:
    """What it is to Meta's limits."""
    category = (outbound.content or {}).get("category")
    return SEND_KINDS.get(Category(category), SendKind.MARKETING) if category else SendKind.MARKETING


def is_waiting(connection: Connection, conversation_id: str) -> bool:
    """Does a template wait to be sent, or has it no verdict yet?"""
    states = (EffectState.READY, EffectState.PERFORMING, EffectState.UNKNOWN)
    return outbox.has_kind(
        connection, conversation_id, lane=Lane.WHATSAPP, kind=EffectKind.SEND_TEMPLATE, states=states
    )
