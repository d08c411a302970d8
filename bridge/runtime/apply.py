"""How does a decision become rows? Inside the transaction of the event that it follows from."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from sqlalchemy import Connection

from bridge.domain import identity_notes, notes
from bridge.domain.consent import ConsentEntry, ConsentSource
from bridge.domain.decide import (
    AddNote,
    AskNumber,
    Decision,
    DropHeld,
    Effect,
    GiveUp,
    HoldAgain,
    PostMessage,
    RecordConsent,
    ReleaseHeld,
    Resend,
    RetryMedia,
    SendFile,
    SendText,
    TryAgain,
    TryOtherForm,
    WaitForOperator,
)
from bridge.domain.meta_limits import Urgency
from bridge.domain.retry import backoff
from bridge.domain.speech import Note
from bridge.domain.window_timer import first_look_at
from bridge.runtime import file_contents
from bridge.runtime.services import Moment, Services
from bridge.store import consents, conversations, media, messages, outbox, templates
from bridge.store.conversations import Conversation
from bridge.store.messages import Outbound
from bridge.store.outbox import EffectRecord
from bridge.store.tables import EffectKind, EffectState, Lane

MIDDLE = 0.5
"""Jitter for a pause that nobody shares."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event was about: the customer's message, the agent's ticket, the send that was refused."""

    message_id: str | None = None
    ticket_id: str | None = None
    send: EffectRecord | None = None


def apply(
    connection: Connection,
    services: Services,
    current: Conversation,
    decision: Decision,
    *,
    subject: Subject,
    moment: Moment,
) -> None:
    """Write the effects of a decision and change `current`; the caller saves it."""
    if decision.window.last_inbound_at != current.window.last_inbound_at:
        _customer_waits(connection, services, current, decision)
    current.window = decision.window
    held_until = moment.business + services.rules.hold_for
    for effect in decision.effects:
        match effect:
            case PostMessage():
                outbox.add(
                    connection,
                    services.vault,
                    conversation_id=current.id,
                    shard=current.shard,
                    lane=Lane.HELPDESK,
                    seq=current.take_seq(),
                    kind=EffectKind.POST_MESSAGE,
                    now=moment.business,
                    message_id=subject.message_id,
                )
            case SendFile():
                add_send(
                    connection,
                    services,
                    current,
                    file_contents.outbound_of(effect),
                    kind=EffectKind.SEND_MEDIA,
                    ticket_id=subject.ticket_id,
                    held_until=held_until if effect.held else None,
                    moment=moment,
                )
            case TryOtherForm():
                assert subject.send is not None
                renew(connection, services, current, subject.send, moment=moment)
                file_contents.choose_next_form(connection, services, subject.send.id)
                outbox.retry(
                    connection,
                    [subject.send.id],
                    state=EffectState.READY,
                    due_at=moment.business,
                    code=subject.send.code or "refused",
                )
            case SendText(text=text, held=held):
                add_send(
                    connection,
                    services,
                    current,
                    Outbound("text", text, {"quote": effect.quote} if effect.quote else None),
                    kind=EffectKind.SEND_TEXT,
                    ticket_id=subject.ticket_id,
                    held_until=held_until if held else None,
                    moment=moment,
                )
            case AddNote(text=text):
                add_note(connection, services, current, text, ticket_id=subject.ticket_id, moment=moment)
            case ReleaseHeld():
                if outbox.release_held(connection, current.id, now=moment.business):
                    outbox.put_last(connection, current.id, EffectKind.SEND_TEMPLATE, seq=current.take_seq())
            case DropHeld():
                assert subject.ticket_id is not None
                outbox.drop_held(connection, conversation_id=current.id, ticket_id=subject.ticket_id)
                if not outbox.counts(connection, current.id).get(EffectState.HELD):
                    _need_no_ask(connection, current)
            case Resend(held=held):
                assert subject.ticket_id is not None
                if held:
                    hold_what_waits(connection, services, current, moment=moment)
                resendable = outbox.load_resendable(
                    connection, services.vault, conversation_id=current.id, ticket_id=subject.ticket_id
                )
                for record in resendable:
                    outbox.resend(
                        connection,
                        record.id,
                        message_id=copy_message(connection, services, current, record, moment=moment),
                        now=moment.business,
                        held_until=held_until if held and record.kind is not EffectKind.SEND_TEMPLATE else None,
                    )
            case AskNumber():
                add_send(
                    connection,
                    services,
                    current,
                    Outbound("request_contact_info", _asked(connection, services, subject), None),
                    kind=EffectKind.ASK_NUMBER,
                    ticket_id=subject.ticket_id,
                    held_until=None,
                    moment=moment,
                )
            case RetryMedia():
                media.retry_lost(connection, current.id, now=moment.business)
            case HoldAgain():
                assert subject.send is not None
                renew(connection, services, current, subject.send, moment=moment)
                outbox.hold(connection, subject.send.id, until=held_until)
                hold_what_waits(connection, services, current, moment=moment)
            case TryAgain():
                assert subject.send is not None
                renew(connection, services, current, subject.send, moment=moment)
                outbox.count_refusal(connection, subject.send.id)
                outbox.retry(
                    connection,
                    [subject.send.id],
                    state=EffectState.READY,
                    due_at=moment.business + backoff(subject.send.refusals + 1, jitter=MIDDLE),
                    code=subject.send.code or "refused",
                )
            case WaitForOperator():
                assert subject.send is not None
                renew(connection, services, current, subject.send, moment=moment)
                # The gate paces it: a pause of its own would outlast the mend.
                outbox.retry(
                    connection,
                    [subject.send.id],
                    state=EffectState.READY,
                    due_at=moment.business,
                    code=subject.send.code or "refused",
                )
            case GiveUp():
                assert subject.send is not None
                outbox.set_state(connection, [subject.send.id], EffectState.FAILED, code=subject.send.code)
            case RecordConsent(action=action, detail=detail):
                entry = ConsentEntry(action, ConsentSource.AGENT, moment.business, detail=detail)
                consents.add(connection, services.vault, current.contact_id, entry, now=moment.business)
            case _:
                assert_never(effect)
    if any(_is_held(effect) for effect in decision.effects):
        ask_to_come_back(connection, services, current, ticket_id=subject.ticket_id, moment=moment)


def _is_held(effect: Effect) -> bool:
    return isinstance(effect, HoldAgain) or (isinstance(effect, SendText | SendFile | Resend) and effect.held)


def _customer_waits(connection: Connection, services: Services, current: Conversation, decision: Decision) -> None:
    _need_no_ask(connection, current)
    if current.unanswered_since_at is None:
        current.unanswered_since_at = decision.window.last_inbound_at
    if current.look_at is None:
        current.look_at = first_look_at(decision.window, warn_before=services.rules.warn_before)


def _asked(connection: Connection, services: Services, subject: Subject) -> str:
    """In the language of whoever asks: it is what they would write."""
    language = conversations.load_language(connection, subject.ticket_id) if subject.ticket_id else None
    return identity_notes.ask_for_number().told(services.languages.speech(language))


def add_send(
    connection: Connection,
    services: Services,
    current: Conversation,
    outbound: Outbound,
    *,
    kind: EffectKind,
    ticket_id: str | None,
    held_until: datetime | None,
    moment: Moment,
    urgency: Urgency = Urgency.REPLY,
) -> str:
    """A message for the customer, last in the lane; `held_until` set: once the window opens. The effect's id."""
    current.unanswered_since_at = None
    return outbox.add(
        connection,
        services.vault,
        conversation_id=current.id,
        shard=current.shard,
        lane=Lane.WHATSAPP,
        seq=current.take_seq(),
        kind=kind,
        now=moment.business,
        message_id=_add_message(connection, services, current, outbound, moment=moment),
        ticket_id=ticket_id,
        held_until=held_until,
        urgency=urgency,
    )


def _add_message(
    connection: Connection, services: Services, current: Conversation, outbound: Outbound, *, moment: Moment
) -> str:
    return messages.add_outbound(
        connection,
        services.vault,
        channel_id=current.channel_id,
        conversation_id=current.id,
        text=outbound.text,
        now=moment.business,
        kind=outbound.kind,
        content=outbound.content,
    )


def _need_no_ask(connection: Connection, current: Conversation) -> None:
    """The customer wrote, or nothing is held any more: an ask that has not left stays here."""
    if current.ask_id is not None:
        outbox.drop_ready(connection, current.ask_id, code="not needed any more")
        current.ask_id = None


def ask_to_come_back(
    connection: Connection, services: Services, current: Conversation, *, ticket_id: str | None, moment: Moment
) -> None:
    """Something is held now: where that is the policy, the customer is asked to open the window."""
    if services.rules.reengage is not None:
        from bridge.runtime import late_replies  # it sends by what is here

        late_replies.ask(connection, services, current, ticket_id=ticket_id, moment=moment)


def add_note(
    connection: Connection,
    services: Services,
    current: Conversation,
    text: Note | str,
    *,
    ticket_id: str | None,
    moment: Moment,
) -> str:
    """A private note on `ticket_id`, or on the conversation's ticket, in the language of whoever answered there last.
    Returns the effect's id."""
    outbox.stop_waiting_for_company(connection, current.id)
    reader = ticket_id or current.ticket_id
    language = conversations.load_language(connection, reader) if reader else None
    return outbox.add(
        connection,
        services.vault,
        conversation_id=current.id,
        shard=current.shard,
        lane=Lane.HELPDESK,
        seq=current.take_seq(),
        kind=EffectKind.ADD_NOTE,
        now=moment.business,
        payload=text.told(services.languages.speech(language)) if isinstance(text, Note) else text,
        ticket_id=reader,
    )


def hold_what_waits(connection: Connection, services: Services, current: Conversation, *, moment: Moment) -> None:
    """The window is closed for every reply that waits to be sent: all are held, and each ticket is told of its own."""
    until = moment.business + services.rules.hold_for
    texts: dict[str | None, list[str]] = {}
    for record in outbox.hold_lane(connection, services.vault, current.id, until=until):
        assert record.message_id is not None
        text = messages.load_text(connection, services.vault, record.message_id)
        texts.setdefault(record.ticket_id, []).append(text)
    for ticket_id, held in texts.items():
        note = notes.held(held, window=current.window, now=moment.business, hold_for=services.rules.hold_for)
        add_note(connection, services, current, note, ticket_id=ticket_id, moment=moment)
        ask_to_come_back(connection, services, current, ticket_id=ticket_id, moment=moment)


def copy_message(
    connection: Connection, services: Services, current: Conversation, record: EffectRecord, *, moment: Moment
) -> str:
    """A new attempt at the message that `record` sent."""
    assert record.message_id is not None
    outbound = messages.load_outbound(connection, services.vault, record.message_id)
    message_id = _add_message(connection, services, current, outbound, moment=moment)
    if record.kind is EffectKind.SEND_TEMPLATE:
        templates.copy_send(connection, former_id=record.message_id, message_id=message_id, now=moment.business)
    return message_id


def renew(
    connection: Connection, services: Services, current: Conversation, record: EffectRecord, *, moment: Moment
) -> None:
    """The next attempt gets a key of its own: Meta's last word on this one is known."""
    outbox.renew_message(
        connection, record.id, message_id=copy_message(connection, services, current, record, moment=moment)
    )
