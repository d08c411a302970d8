"""What waits to be sent to one customer, in order. Each reply leaves at most once; its key tells what became of it.

The Cloud API has no idempotency key. So a send is on record before the call, and a call whose answer was lost is
settled by the status webhook that carries our key, or told to the agent as not confirmed. It is never repeated blindly.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection

from bridge.domain import notes, template_notes
from bridge.domain.decide import ClosedWindowPolicy, DeliveryRefused, FailureMeaning, decide
from bridge.domain.meta_limits import Limit, SendKind
from bridge.domain.model import Wamid
from bridge.domain.retry import backoff, pair_limit_pause
from bridge.domain.speech import Note
from bridge.runtime import consent, file_sends, gates, limit_news, template_send
from bridge.runtime.apply import MIDDLE, Subject, add_note, apply, hold_what_waits
from bridge.runtime.file_contents import has_other_form, payload_of, uploaded_of
from bridge.runtime.file_sends import Preparation
from bridge.runtime.send_limits import Forbidden, Held, Permit
from bridge.runtime.services import WHATSAPP_SCOPE, Again, Moment, Services
from bridge.store import channels, contacts, conversations, inbox, messages, outbox, templates
from bridge.store.contacts import Address
from bridge.store.conversations import Conversation
from bridge.store.ids import message_key
from bridge.store.leases import Lease
from bridge.store.messages import Outbound
from bridge.store.outbox import EffectRecord
from bridge.store.tables import EffectKind, EffectState, Lane
from bridge.whatsapp import payloads
from bridge.whatsapp.client import Accepted
from bridge.whatsapp.failures import LimitScope, WindowClosedByMeta, explain
from bridge.whatsapp.payloads import Payload
from connectors.errors import (
    NeedsOperator,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    RemoteFailure,
    RetryLater,
)

UNCONFIRMED_AFTER = timedelta(seconds=34)
"""From the start of the call; the note is on the ticket within 60 s of it, so the helpdesk is asked by 45 s."""

PRESSED = {LimitScope.PAIR: Limit.PAIR, LimitScope.THROUGHPUT: Limit.NUMBER, LimitScope.ACCOUNT: Limit.ACCOUNT}


@dataclass(frozen=True, slots=True)
class Send:
    """A message that may leave now, as far as rules and order go."""

    effect: EffectRecord
    contact_id: str
    address: Address
    key: str
    text: str = field(repr=False)
    """What the agent is told of it."""
    payload: Payload = field(repr=False)
    quote: Wamid | None = field(repr=False)
    kind: SendKind = SendKind.REPLY
    outside: bool = False
    """Whether the customer service window is closed, so that the person counts towards the messaging limit."""
    template: str | None = None
    is_referred: bool = False
    """The customer came by an advertisement, and this may be the answer that opens a free entry point."""


Step = Send | Preparation | Again | None


async def run_step(services: Services, lease: Lease, conversation_id: str) -> bool:
    """Do what stands first in the lane. False when nothing (more) can be done now."""
    moment = Moment.take(services.clock)
    step: Step = await services.database.read(
        lambda connection: _find_clear(connection, services, conversation_id, moment)
    )
    if step is None:
        step = await services.commit(lease, lambda connection: _look(connection, services, conversation_id, moment))
    if isinstance(step, Preparation):
        return await file_sends.prepare(services, lease, step)
    if not isinstance(step, Send):
        return step is not None
    permit = await services.send_limits.take(
        step.contact_id,
        step.kind,
        outside=step.outside,
        template=step.template,
        urgency=step.effect.urgency,
    )
    if isinstance(permit, Forbidden):
        return await _refuse(services, lease, step, Permanent(str(permit.code)))
    if isinstance(permit, Held):
        await _wait(services, lease, step, permit)
        return False
    if not await _start(services, lease, step, counts=permit.counted):
        await services.send_limits.give_back(permit)
        return True
    if not await services.send_limits.hold(permit):
        await _take_back(services, lease, step)
        return True
    try:
        outcome: Accepted | RemoteFailure = await services.cloud_api.send(
            step.payload, to_wa_id=step.address.wa_id, to_bsuid=step.address.bsuid, key=step.key, quote=step.quote
        )
    except RemoteFailure as failure:
        outcome = failure
    await services.send_limits.answered(permit)
    return await _record(services, lease, step, permit, outcome)


def _find_clear(
    connection: Connection, services: Services, conversation_id: str, moment: Moment
) -> Send | Preparation | None:
    """The head, where nothing stands in its way: the usual case, which needs no transaction of its own. `_start` looks
    again whether it still is the head."""
    unknown = outbox.load_unknown_send(connection, services.vault, conversation_id, real_now=moment.real)
    head = outbox.load_head(connection, services.vault, conversation_id=conversation_id, lane=Lane.WHATSAPP)
    if unknown is not None or head is None or not _is_due(head, moment) or _is_too_old(services, head, moment):
        return None
    current = conversations.view(connection, conversation_id)
    gate = channels.load_gate(connection, channel_id=services.channel.id, scope=WHATSAPP_SCOPE)
    if gate is not None or (needs_window(head) and not current.window.is_open(moment.business)):
        return None
    send = _send(connection, services, current, head, moment)
    is_stopped = not needs_window(head) and _why_not(connection, services, current, head) is not None
    return None if is_stopped else send


def needs_window(effect: EffectRecord) -> bool:
    return effect.kind is not EffectKind.SEND_TEMPLATE


def _why_not(connection: Connection, services: Services, current: Conversation, head: EffectRecord) -> Note | None:
    """Why a template that waits must not go any more."""
    assert head.message_id is not None
    outbound = messages.load_outbound(connection, services.vault, head.message_id)
    return template_send.why_not_now(connection, services, current, outbound)


def _is_due(head: EffectRecord, moment: Moment) -> bool:
    return head.state is EffectState.READY and head.due_at <= moment.business and head.not_before_at <= moment.real


def _is_too_old(services: Services, head: EffectRecord, moment: Moment) -> bool:
    return moment.business - head.created_at > services.dead_letter_after


def _send(
    connection: Connection, services: Services, current: Conversation, head: EffectRecord, moment: Moment
) -> Send | Preparation:
    assert head.message_id is not None
    outbound = messages.load_outbound(connection, services.vault, head.message_id)
    content = outbound.content or {}
    payload = _payload(head.kind, outbound, moment)
    if payload is None:
        return Preparation(head, head.message_id, outbound.text, content)
    quote = content.get("quote")
    return Send(
        effect=head,
        contact_id=current.contact_id,
        address=contacts.load_address(connection, services.vault, current.contact_id),
        key=message_key(shard=current.shard, message_id=head.message_id),
        text=outbound.text,
        payload=payload,
        quote=Wamid(quote) if quote else None,
        kind=SendKind.REPLY if needs_window(head) else template_send.send_kind(outbound),
        outside=not current.window.is_open(moment.business),
        template=None if needs_window(head) else str((outbound.content or {}).get("template_id")),
        is_referred=current.free_entry.referred_at is not None,
    )


def _payload(kind: EffectKind, outbound: Outbound, moment: Moment) -> Payload | None:
    """None: a file that is not ready yet."""
    match kind:
        case EffectKind.SEND_TEXT:
            return payloads.text(outbound.text)
        case EffectKind.SEND_MEDIA:
            content = outbound.content or {}
            uploaded = uploaded_of(content, now=moment.business)
            return None if uploaded is None else payload_of(content, uploaded)
        case EffectKind.ASK_NUMBER:
            return payloads.request_contact_info(outbound.text)
        case EffectKind.SEND_TEMPLATE:
            assert outbound.content is not None
            return payloads.template(outbound.content["template"])
        case _:
            raise AssertionError(f"{kind} does not go to WhatsApp")


def _look(connection: Connection, services: Services, conversation_id: str, moment: Moment) -> Step:
    unknown = outbox.load_unknown_send(connection, services.vault, conversation_id, real_now=moment.real)
    if unknown is not None:
        return _give_up_waiting(connection, services, unknown, moment)
    head = outbox.load_head(connection, services.vault, conversation_id=conversation_id, lane=Lane.WHATSAPP)
    if head is None or not _is_due(head, moment):
        return None
    assert head.message_id is not None
    text = messages.load_text(connection, services.vault, head.message_id)
    current = conversations.load(connection, conversation_id)
    if _is_too_old(services, head, moment):
        outbox.set_state(connection, [head.id], EffectState.DEAD, code=head.code or "too old")
        channels.raise_alarm(connection, kind="dead_letter", subject=head.kind.value, now=moment.real)
        hours = int(services.dead_letter_after.total_seconds() // 3600)
        return _tell(connection, services, current, head, notes.gave_up(text, hours=hours), moment)
    if needs_window(head) and not current.window.is_open(moment.business):
        return _stop_at_closed_window(connection, services, current, head, text, moment)
    if not needs_window(head) and (why_not := _why_not(connection, services, current, head)) is not None:
        outbox.set_state(connection, [head.id], EffectState.FAILED, code="template not allowed")
        return _tell(connection, services, current, head, why_not, moment)
    gate = gates.find_closed(connection, services, WHATSAPP_SCOPE, moment)
    if gate is not None:
        _wait_at_gate(connection, services, current, head, gate, moment)
        return None
    return _send(connection, services, current, head, moment)


def _tell(
    connection: Connection, services: Services, current: Conversation, head: EffectRecord, note: Note, moment: Moment
) -> Again:
    add_note(connection, services, current, note, ticket_id=head.ticket_id, moment=moment)
    conversations.save(connection, current)
    return Again()


def _give_up_waiting(connection: Connection, services: Services, head: EffectRecord, moment: Moment) -> Step:
    """No verdict came: the agent is told, and later replies go on."""
    started_at = head.started_at or moment.real
    if moment.real < started_at + UNCONFIRMED_AFTER:
        outbox.retry(
            connection,
            [head.id],
            state=EffectState.UNKNOWN,
            not_before_at=started_at + UNCONFIRMED_AFTER,
            code=head.code or "",
        )
        return None
    assert head.message_id is not None
    outbox.set_state(connection, [head.id], EffectState.UNCONFIRMED, code=head.code)
    services.metrics.count("deskbridge_effects_total", f"{head.kind.value}:unconfirmed")
    current = conversations.load(connection, head.conversation_id)
    text = messages.load_text(connection, services.vault, head.message_id)
    return _tell(connection, services, current, head, notes.not_confirmed(text), moment)


def _stop_at_closed_window(
    connection: Connection,
    services: Services,
    current: Conversation,
    head: EffectRecord,
    text: str,
    moment: Moment,
) -> Again:
    """The window closed while replies waited: nothing of this conversation leaves."""
    if services.rules.closed_window is ClosedWindowPolicy.REJECT:
        outbox.set_state(connection, [head.id], EffectState.FAILED, code="window closed")
        note = notes.rejected(text, window=current.window, now=moment.business)
        return _tell(connection, services, current, head, note, moment)
    hold_what_waits(connection, services, current, moment=moment)
    conversations.save(connection, current)
    return Again()


def _wait_at_gate(
    connection: Connection,
    services: Services,
    current: Conversation,
    head: EffectRecord,
    gate: channels.Gate,
    moment: Moment,
) -> None:
    outbox.retry(
        connection,
        [head.id],
        state=EffectState.READY,
        not_before_at=gates.next_try_at(gate, moment),
        code=gate.code,
    )
    _tell_of_gate(connection, services, current, gate, moment)


def _tell_of_gate(
    connection: Connection, services: Services, current: Conversation, gate: channels.Gate, moment: Moment
) -> None:
    """Each ticket whose reply waits gets one note for each time that the gate is closed."""
    reason = f"gate {gate.closed_at.isoformat()}"
    for waiting in outbox.load_waiting_sends(connection, services.vault, current.id):
        if outbox.was_told(connection, current.id, ticket_id=waiting.ticket_id, reason=reason):
            continue
        assert waiting.message_id is not None
        outbox.mark_told(connection, waiting.id, reason)
        text = messages.load_text(connection, services.vault, waiting.message_id)
        note = notes.waiting_for_operator(text, action=gate.action)
        add_note(connection, services, current, note, ticket_id=waiting.ticket_id, moment=moment)
    conversations.save(connection, current)


async def _wait(services: Services, lease: Lease, step: Send, held: Held) -> None:
    """What holds everybody up is waited for in memory, and found again in order; what holds this one up is written
    down, so that nobody looks at it before its time."""
    services.metrics.count("deskbridge_sends_held_back_total", held.reason)
    if held.is_shared:
        return
    moment = Moment.take(services.clock)
    code = f"{outbox.WAITS_FOR_LIMIT}{held.reason}"

    def unit(connection: Connection) -> None:
        effect = outbox.load(connection, services.vault, step.effect.id)
        if effect.state is not EffectState.READY:
            return  # held or dropped meanwhile
        wait = timedelta(seconds=held.seconds)
        if held.waits_for_place:
            outbox.park(connection, effect.id, code=code)
            if effect.ticket_id is not None and effect.told is None and step.kind is not SendKind.MARKETING:
                outbox.mark_told(connection, effect.id, code)
                current = conversations.load(connection, effect.conversation_id)
                note = notes.waits_for_limit(step.text, limit=held.reason)
                add_note(connection, services, current, note, ticket_id=effect.ticket_id, moment=moment)
                conversations.save(connection, current)
        elif held.limit is Limit.PAIR:
            outbox.retry(connection, [effect.id], state=EffectState.READY, not_before_at=moment.real + wait, code=code)
        else:
            outbox.retry(connection, [effect.id], state=EffectState.READY, due_at=moment.business + wait, code=code)

    await services.commit(lease, unit)


async def _refuse(services: Services, lease: Lease, step: Send, failure: Permanent) -> bool:
    """It could never leave: the agent is told, and Meta is not asked."""
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> bool:
        effect = outbox.load(connection, services.vault, step.effect.id)
        if effect.state is not EffectState.READY:
            return True
        return _record_failure(connection, services, step, effect, failure, moment)

    return await services.commit(lease, unit)


async def _take_back(services: Services, lease: Lease, step: Send) -> None:
    """What was decided does not hold any more, and nothing has left: decide again."""

    def unit(connection: Connection) -> None:
        effect = outbox.load(connection, services.vault, step.effect.id)
        if effect.state is EffectState.PERFORMING:
            outbox.set_state(connection, [effect.id], EffectState.READY, code=effect.code)
            if effect.message_id is not None:
                messages.was_not_sent(connection, effect.message_id)

    await services.commit_outcome(lease, unit)


async def _start(services: Services, lease: Lease, step: Send, *, counts: bool) -> bool:
    """Put the call on record. False when the effect is no longer what was looked at."""
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> bool:
        head = outbox.load_head(
            connection, services.vault, conversation_id=step.effect.conversation_id, lane=Lane.WHATSAPP
        )
        if head is None or head.id != step.effect.id or head.state is not EffectState.READY:
            return False
        if head.message_id is None or head.message_id != step.effect.message_id:
            return False
        outbox.mark_performing(connection, [head.id], real_now=moment.real)
        messages.start_sending(connection, head.message_id, now=moment.business, counts=counts)
        return True

    return await services.commit(lease, unit)


async def _record(
    services: Services, lease: Lease, step: Send, permit: Permit, outcome: Accepted | RemoteFailure
) -> bool:
    if isinstance(outcome, RateLimited):
        await services.send_limits.press(
            PRESSED[LimitScope(outcome.limit)],
            contact_id=step.contact_id,
            seconds=_limited_for(step.effect, outcome),
        )
    elif isinstance(outcome, Accepted) and outcome.is_held and step.template is not None:
        # Meta looks at the template's quality first: what else goes out by it would be held, and lost with it.
        await services.send_limits.press(Limit.TEMPLATE, template=step.template)
    elif isinstance(outcome, Permanent):
        await limit_news.heed_code(services, outcome.code, contact_id=step.contact_id, template=step.template)
    took_nothing = not isinstance(outcome, Accepted | OutcomeUnknown)
    if took_nothing:
        await services.send_limits.give_back(permit)
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> bool:
        # A status may have settled it while the answer was on its way.
        effect = outbox.load(connection, services.vault, step.effect.id)
        if isinstance(outcome, Accepted):
            return _record_accepted(connection, services, step, effect, outcome, moment)
        if effect.state is not EffectState.PERFORMING:
            return True
        if took_nothing and permit.counted and effect.message_id is not None:
            messages.was_not_sent(connection, effect.message_id)
        return _record_failure(connection, services, step, effect, outcome, moment)

    again = await services.commit_outcome(lease, unit)
    label = "done" if isinstance(outcome, Accepted) else type(outcome).__name__
    if isinstance(outcome, Accepted):
        waited = moment.business - step.effect.created_at
        services.metrics.observe("deskbridge_send_seconds", waited.total_seconds())
    services.metrics.count("deskbridge_effects_total", f"{step.effect.kind.value}:{label}")
    return again


def _record_accepted(
    connection: Connection,
    services: Services,
    step: Send,
    effect: EffectRecord,
    accepted: Accepted,
    moment: Moment,
) -> bool:
    assert step.effect.message_id is not None
    index = messages.wamid_index(services.vault, accepted.wamid)
    messages.accept(connection, services.vault, step.effect.message_id, wamid=accepted.wamid, now=moment.business)
    is_this_attempt = effect.message_id == step.effect.message_id
    if is_this_attempt and effect.state in (EffectState.PERFORMING, EffectState.UNKNOWN):
        outbox.set_state(connection, [effect.id], EffectState.DONE)
    gates.reopen_gate(connection, services, WHATSAPP_SCOPE, started_at=effect.started_at or moment.real)
    contacts.learn(
        connection, services.vault, step.contact_id, bsuid=accepted.bsuid, wa_id=accepted.wa_id, now=moment.business
    )
    inbox.unpark(connection, match_index=index)
    if step.is_referred or accepted.is_held:
        current = conversations.load(connection, effect.conversation_id)
        if step.is_referred:
            current.free_entry = current.free_entry.after_answer(moment.business)
        if accepted.is_held:
            held = templates.load(connection, services.vault, step.template) if step.template else None
            note = template_notes.held_for_quality(name=held.name if held is not None else "")
            add_note(connection, services, current, note, ticket_id=effect.ticket_id, moment=moment)
        conversations.save(connection, current)
    return True


def _limited_for(effect: EffectRecord, failure: RateLimited) -> float:
    if failure.limit == LimitScope.PAIR:
        return max(failure.after_seconds, pair_limit_pause(effect.failures + 1).total_seconds())
    return failure.after_seconds


def _record_failure(
    connection: Connection,
    services: Services,
    step: Send,
    effect: EffectRecord,
    failure: RemoteFailure,
    moment: Moment,
) -> bool:
    match failure:
        case RateLimited():
            outbox.count_failure(connection, [effect.id])
            outbox.retry(
                connection,
                [effect.id],
                state=EffectState.READY,
                not_before_at=moment.real + timedelta(seconds=_limited_for(step.effect, failure)),
                code=f"rate limited: {failure.limit}",
            )
            return False
        case RetryLater(after_seconds=None):
            outbox.count_failure(connection, [effect.id])
            outbox.retry(
                connection,
                [effect.id],
                state=EffectState.READY,
                due_at=moment.business + backoff(effect.failures + 1, jitter=MIDDLE),
                code=failure.code,
            )
            return False
        case RetryLater(after_seconds=float() | int() as seconds):
            outbox.retry(
                connection,
                [effect.id],
                state=EffectState.READY,
                not_before_at=moment.real + timedelta(seconds=seconds),
                code=failure.code,
            )
            return False
        case OutcomeUnknown():
            outbox.retry(
                connection,
                [effect.id],
                state=EffectState.UNKNOWN,
                not_before_at=(effect.started_at or moment.real) + UNCONFIRMED_AFTER,
                code=failure.code,
            )
            services.metrics.count("deskbridge_unknown_outcomes_total", effect.kind.value)
            return False
        case NeedsOperator():
            gates.close_gate(connection, services, WHATSAPP_SCOPE, failure, moment, by_status=False)
            outbox.retry(connection, [effect.id], state=EffectState.READY, not_before_at=moment.real, code=failure.code)
            return True
        case Permanent():
            sent_id = effect.message_id
            assert sent_id is not None
            current = conversations.load(connection, effect.conversation_id)
            code = int(failure.code) if failure.code.isdigit() else None
            outbound = messages.load_outbound(connection, services.vault, sent_id)
            template_send.heed_refusal(connection, outbound, code, moment=moment)
            consent.take_refusal(connection, services, current.contact_id, code=code, moment=moment)
            meaning = FailureMeaning.PERMANENT
            if isinstance(failure, WindowClosedByMeta):
                meaning = FailureMeaning.WINDOW_CLOSED
            elif has_other_form(connection, services, sent_id, code=code):
                meaning = FailureMeaning.FILE_REFUSED
            decision = decide(
                current.window,
                DeliveryRefused(
                    text=step.text,
                    sent_at=messages.load_times(connection, [sent_id])[sent_id],
                    refusals=effect.refusals,
                    meaning=meaning,
                    failure=explain(code),
                ),
                now=moment.business,
                rules=services.rules,
            )
            apply(
                connection,
                services,
                current,
                decision,
                subject=Subject(ticket_id=effect.ticket_id, send=effect),
                moment=moment,
            )
            conversations.save(connection, current)
            return True
        case _:
            raise failure
