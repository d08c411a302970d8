"""What Meta told: from inbox rows to state and effects. Messages one conversation at a time, statuses all at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

import orjson
from sqlalchemy import Connection

from bridge.domain import notes
from bridge.domain.context import Quoted, whole_text
from bridge.domain.decide import CustomerWrote, DeliveryRefused, FailureMeaning, decide
from bridge.domain.inbox_item import InboxKind
from bridge.domain.message_status import advance, left_meta
from bridge.domain.model import (
    InboundMessage,
    MarketingPreference,
    MessageStatus,
    StatusUpdate,
    SystemNotice,
    Unrecognised,
)
from bridge.domain.text import split_message
from bridge.runtime import (
    consent,
    files_from_whatsapp,
    identity_changes,
    limit_news,
    limits_watch,
    template_send,
    template_sync,
)
from bridge.runtime.apply import Subject, add_note, apply
from bridge.runtime.file_contents import has_other_form
from bridge.runtime.gates import close_gate, reopen_gate
from bridge.runtime.identity_changes import Elsewhere
from bridge.runtime.services import WHATSAPP_SCOPE, Moment, Services
from bridge.store import channels, contacts, conversations, inbox, messages, outbox, templates
from bridge.store.contacts import ContactRef
from bridge.store.conversations import Conversation
from bridge.store.ids import message_id_of
from bridge.store.inbox import InboxEntry
from bridge.store.leases import Lease
from bridge.store.messages import Message, StatusChange
from bridge.store.outbox import SendState
from bridge.store.tables import EffectKind, EffectState, Lane
from bridge.whatsapp import number
from bridge.whatsapp.failures import FailureKind, explain, failure_of, kind_of
from bridge.whatsapp.history import PastThread, translate_thread
from bridge.whatsapp.translate import (
    PREFERENCES_FIELD,
    translate_call,
    translate_echo,
    translate_message,
    translate_preferences,
    translate_status,
)
from connectors.errors import NeedsOperator
from connectors.interface import TicketStatus
from templates_registry.events import TemplateEvent

STATUSES_AT_ONCE = 100
UNKNOWN_NUMBER = "unknown phone_number_id"
PART_UNITS = 9_000
"""A text beyond what WhatsApp sends is shown in parts, each of which fits a comment however it is escaped."""
RACES = 3


class Translation(Protocol):
    """One item of Meta in our words."""

    def __call__(
        self, item: Mapping[str, object], *, received_at: datetime
    ) -> InboundMessage | SystemNotice | StatusUpdate | Unrecognised: ...


@dataclass(frozen=True, slots=True)
class Letter:
    """A message of a customer with the row it came in."""

    entry: InboxEntry
    message: InboundMessage

    @property
    def order(self) -> tuple[datetime, datetime, int]:
        return self.message.sent_at, self.entry.received_at, self.entry.position


@dataclass(frozen=True, slots=True)
class Report:
    """A status with the row it came in."""

    entry: InboxEntry
    update: StatusUpdate


@dataclass(frozen=True, slots=True)
class Wishes:
    """What customers told WhatsApp of marketing, with the row it came in."""

    entry: InboxEntry
    preferences: tuple[MarketingPreference, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """A change of a customer's ids with the row it came in."""

    entry: InboxEntry
    notice: SystemNotice


@dataclass(slots=True)
class Sorted:
    """Inbox rows by what they are. `aside` maps a row's id to why nothing follows from it."""

    letters: dict[str, list[Letter]]
    reports: list[Report]
    wishes: list[Wishes]
    notices: list[Notice]
    aside: dict[str, str]
    buried: dict[str, str]
    limit_news: list[tuple[str, object]] = field(default_factory=list)
    """Webhook field and value of what was told of our limits."""
    histories: list[tuple[InboxEntry, PastThread]] = field(default_factory=list)
    news: list[tuple[InboxEntry, SystemNotice]] = field(default_factory=list)
    """Notices that change no id: told, and no more."""
    templates: list[tuple[InboxEntry, str, TemplateEvent]] = field(default_factory=list)


_TRANSLATIONS: Mapping[InboxKind, Translation] = {
    InboxKind.MESSAGE: translate_message,
    InboxKind.CALL: translate_call,
    InboxKind.ECHO: translate_echo,
}


def sort_entries(entries: Sequence[InboxEntry], *, phone_number_id: str) -> Sorted:
    """Translate rows from WhatsApp; those of one sender stand together. Never raises for what a row holds."""
    found = Sorted({}, [], [], [], {}, {})
    for entry in entries:
        if entry.kind is InboxKind.CHANGE:
            if (told := template_sync.read_change(entry.body)) is not None:
                found.templates.append((entry, *told))
                continue
            _sort_change(found, entry, phone_number_id=phone_number_id)
            if entry.body is not None and (news := _limit_news(entry.body)) is not None:
                found.limit_news.append(news)
            continue
        if entry.channel != phone_number_id:
            found.buried[entry.id] = UNKNOWN_NUMBER
            continue
        if entry.body is None:
            found.buried[entry.id] = "cannot be decrypted"
            continue
        item = _item(entry.body)
        if entry.kind is InboxKind.HISTORY:
            thread = translate_thread(item, received_at=entry.received_at)
            if isinstance(thread, PastThread):
                found.histories.append((entry, thread))
            else:
                found.aside[entry.id] = f"{inbox.NOT_UNDERSTOOD}: {thread.kind}, {thread.reason}"
            continue
        translated = _TRANSLATIONS.get(entry.kind, translate_status)(item, received_at=entry.received_at)
        match translated:
            case InboundMessage():
                sender = translated.sender.bsuid or translated.sender.wa_id or ""
                found.letters.setdefault(sender, []).append(Letter(entry, translated))
            case StatusUpdate():
                found.reports.append(Report(entry, translated))
            case SystemNotice(changes_ids=True):
                found.notices.append(Notice(entry, translated))
            case SystemNotice():
                found.news.append((entry, translated))
            case Unrecognised():
                found.aside[entry.id] = f"{inbox.NOT_UNDERSTOOD}: {translated.kind}, {translated.reason}"
    return found


def _sort_change(found: Sorted, entry: InboxEntry, *, phone_number_id: str) -> None:
    """What is no message and no status: most of it is only kept."""
    item = _item(entry.body) if entry.body is not None else {}
    if item.get("field") != PREFERENCES_FIELD or entry.channel != phone_number_id:
        found.aside[entry.id] = "kept"
        return
    told = translate_preferences(item, received_at=entry.received_at)
    preferences = tuple(one for one in told if isinstance(one, MarketingPreference))
    if preferences:
        found.wishes.append(Wishes(entry, preferences))
    else:
        found.aside[entry.id] = f"not understood: {PREFERENCES_FIELD}"


def _limit_news(body: bytes) -> tuple[str, object] | None:
    item = _item(body)
    told = item.get("field")
    return (told, item.get("value")) if told in number.FIELDS else None


def _item(body: bytes) -> Mapping[str, Any]:
    item = orjson.loads(body)
    return item if isinstance(item, dict) else {}


async def set_aside(services: Services, lease: Lease, found: Sorted) -> None:
    """Finish what nothing follows from; bury what belongs to a channel that is not ours."""
    if not found.aside and not found.buried:
        return
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> None:
        for entry_id, reason in found.aside.items():
            inbox.finish(connection, [entry_id], reason=reason[:200])
        for told, value in found.limit_news:
            limits_watch.heed_change(connection, services, told, value, moment)
        for entry_id, reason in found.buried.items():
            inbox.bury(connection, [entry_id], reason=reason)
        for reason in set(found.buried.values()):
            channels.raise_alarm(connection, kind="dead_letter", subject=reason, now=moment.real)

    await services.commit(lease, unit)
    for reason in found.aside.values():
        services.metrics.count("deskbridge_events_set_aside_total", reason.partition(":")[0])
    for reason in found.buried.values():
        services.metrics.count("deskbridge_events_dead_total", reason)


async def take_letters(services: Services, lease: Lease, letters: Sequence[Letter]) -> bool:
    """One sender's messages, in WhatsApp's order: contact, conversation, window, effects. True: effects were made.

    Messages of a contact that lives on another shard are moved there instead.
    """
    moment = Moment.take(services.clock)
    ordered = sorted(letters, key=lambda letter: letter.order)
    ids = [letter.entry.id for letter in ordered]

    def unit(connection: Connection) -> bool:
        owner = _owner_of(connection, services, lease, ordered, moment)
        if owner.shard != lease.shard:
            raise Elsewhere(owner.shard)
        current = conversations.load_or_create(
            connection,
            contact_id=owner.id,
            channel_id=services.channel.id,
            shard=owner.shard,
            now=moment.business,
        )
        for letter in ordered:
            if letter.message.is_echo:
                _take_echo(connection, services, current, letter.message, moment)
            else:
                is_again = letter.entry.reason == inbox.AGAIN
                _take_letter(connection, services, current, letter.message, moment, is_again=is_again)
        told = [letter.message for letter in ordered if letter.message.told_number]
        if told or owner.reveals_number:
            identity_changes.take_numbers(connection, services, current, told, moment)
        conversations.save(connection, current)
        inbox.finish(connection, ids)
        for letter in ordered:
            if not letter.message.is_understood:
                inbox.finish(connection, [letter.entry.id], reason=f"{inbox.NOT_UNDERSTOOD}: {letter.message.kind}")
        return True

    made = await _commit_at_home(services, lease, ids, unit)
    services.send_limits.arrived(len(ordered))
    services.metrics.count("deskbridge_messages_received_total", amount=len(ordered))
    for letter in ordered:
        if not letter.message.is_understood:
            services.metrics.count("deskbridge_events_set_aside_total", inbox.NOT_UNDERSTOOD)
    return made


async def take_wishes(services: Services, lease: Lease, wishes: Wishes) -> bool:
    """What customers told WhatsApp of marketing goes into the ledger. No effect follows: who asks, sees it."""
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> bool:
        for preference in wishes.preferences:
            consent.take_preference(connection, services, preference, shard=lease.shard, moment=moment)
        inbox.finish(connection, [wishes.entry.id])
        return False

    return await _commit_despite_races(services, lease, unit)


def _owner_of(
    connection: Connection, services: Services, lease: Lease, ordered: Sequence[Letter], moment: Moment
) -> ContactRef:
    """Whoever wrote the newest of them; what the others bear beside is learnt as well."""
    newest_of = {letter.message.sender: letter.message for letter in ordered}
    owner: ContactRef | None = None
    for message in sorted(newest_of.values(), key=lambda message: message.sent_at):
        met = contacts.find_or_create(
            connection,
            services.vault,
            message.sender,
            shard=lease.shard,
            now=moment.business,
            at=min(message.sent_at, moment.business),
        )
        reveals = met.reveals_number or (owner is not None and owner.id == met.id and owner.reveals_number)
        owner = replace(met, reveals_number=reveals)
    assert owner is not None
    return owner


async def take_notices(services: Services, lease: Lease, notices: Sequence[Notice]) -> bool:
    """Changes of ids, in WhatsApp's order. True: effects were made."""
    made = False
    for told in sorted(notices, key=lambda told: (told.notice.sent_at, told.entry.received_at, told.entry.position)):
        moment = Moment.take(services.clock)

        def unit(connection: Connection, told: Notice = told, moment: Moment = moment) -> bool:
            changed = identity_changes.follow(connection, services, told.notice, shard=lease.shard, moment=moment)
            if changed.current is not None:
                conversations.save(connection, changed.current)
            inbox.finish(connection, [told.entry.id], reason=f"system notice: {told.notice.kind}"[:200])
            return changed.current is not None

        made |= await _commit_at_home(services, lease, [told.entry.id], unit)
        services.metrics.count("deskbridge_id_changes_total", told.notice.kind)
    return made


async def _commit_at_home(
    services: Services, lease: Lease, entry_ids: Sequence[str], unit: Callable[[Connection], bool]
) -> bool:
    """Commit where the contact lives; events of another shard's contact are moved there instead."""
    try:
        return await _commit_despite_races(services, lease, unit)
    except Elsewhere as elsewhere:
        shard = elsewhere.shard
    await services.commit(lease, lambda connection: inbox.rehome(connection, entry_ids, shard=shard))
    return True


async def _commit_despite_races(services: Services, lease: Lease, unit: Callable[[Connection], bool]) -> bool:
    """The same person may be met on two shards at once; whoever comes second finds the contact made."""
    for _ in range(RACES):
        try:
            return await services.commit(lease, unit)
        except contacts.ContactRaced:
            continue
    return await services.commit(lease, unit)


def _take_letter(
    connection: Connection,
    services: Services,
    current: Conversation,
    message: InboundMessage,
    moment: Moment,
    *,
    is_again: bool,
) -> None:
    """`is_again`: an earlier version showed that it came, and had no words for what it says."""
    wamid: str | None = message.wamid
    text = _whole_text(connection, services, current, message)
    if is_again and messages.find_said(connection, services.vault, channel_id=current.channel_id, wamid=message.wamid):
        if not message.is_understood:
            return
        wamid, text = None, f"[What could not be shown, sent {notes.at(message.sent_at)}]\n{text}"
    if message.origin is not None and current.origin is None:
        current.origin = message.origin
    event = CustomerWrote(message.sent_at, message.opens_window)
    if message.kind == "reaction":
        event = replace(event, reaction=text, has_ticket=_has_ticket(connection, services, current))
    is_first = True
    for part in split_message(text, limit=PART_UNITS) or [text]:
        message_id = messages.add_inbound(
            connection,
            services.vault,
            channel_id=current.channel_id,
            conversation_id=current.id,
            wamid=wamid,
            kind=message.kind,
            text=part,
            sent_at=message.sent_at,
            now=moment.business,
            about=None if wamid is None else message.about,
            says=None if wamid is None else message.says,
        )
        if message_id is None:
            return  # known already
        if is_first and message.media:
            files_from_whatsapp.keep_refs(connection, services, message_id, message.media, moment)
        is_first = False
        decision = decide(current.window, event, now=moment.business, rules=services.rules)
        apply(connection, services, current, decision, subject=Subject(message_id=message_id), moment=moment)
        wamid = None  # the first part stands for the message
    if message.is_referred:
        current.free_entry = current.free_entry.after_referral(message.sent_at)
    consent.take_words(connection, services, current, message, moment=moment)


def _take_echo(
    connection: Connection, services: Services, current: Conversation, message: InboundMessage, moment: Moment
) -> None:
    """What the owner wrote in the app: a public comment of ours, or a note where it only changes another message."""
    text = _whole_text(connection, services, current, message)
    message_id = messages.add_inbound(
        connection,
        services.vault,
        channel_id=current.channel_id,
        conversation_id=current.id,
        wamid=message.wamid,
        kind=message.kind,
        text=text,
        sent_at=message.sent_at,
        now=moment.business,
        about=message.about,
        says=message.says,
        direction="out",
        status=MessageStatus.SENT.value,
    )
    if message_id is None:
        return  # known already: what we sent through the Cloud API is told as well
    if message.about is not None:
        if _has_ticket(connection, services, current):
            add_note(connection, services, current, text, ticket_id=None, moment=moment)
        return
    files_from_whatsapp.keep_refs(connection, services, message_id, message.media, moment)
    outbox.add(
        connection,
        services.vault,
        conversation_id=current.id,
        shard=current.shard,
        lane=Lane.HELPDESK,
        seq=current.take_seq(),
        kind=EffectKind.ADD_ECHO,
        now=moment.business,
        message_id=message_id,
    )
    current.unanswered_since_at = None


def _whole_text(connection: Connection, services: Services, current: Conversation, message: InboundMessage) -> str:
    """What the agent reads, with what the message speaks of. Only this conversation's own messages are quoted: the id
    comes from the customer's phone."""
    named = message.about or message.quoted
    if named is None:
        return message.text
    vault = services.vault
    said = messages.find_said(connection, vault, channel_id=current.channel_id, wamid=named)
    about, last_reaction = None, None
    if said is not None and said.conversation_id == current.id:
        edited = messages.find_about(connection, vault, conversation_id=current.id, wamid=named, kind="edit")
        about = Quoted(is_ours=said.direction == "out", text=said.text if edited is None else edited)
    if message.kind == "reaction":
        last_reaction = messages.find_about(connection, vault, conversation_id=current.id, wamid=named, kind="reaction")
    return whole_text(message, about=about, last_reaction=last_reaction)


def _has_ticket(connection: Connection, services: Services, current: Conversation) -> bool:
    """Is there one that somebody may read, or will there be?"""
    if current.ticket_id is not None:
        ticket = conversations.load_ticket(connection, current.ticket_id)
        if ticket.status not in (TicketStatus.CLOSED, TicketStatus.GONE):
            return True
    return outbox.load_first_post(connection, services.vault, current.id) is not None


async def take_reports(services: Services, lease: Lease, reports: Sequence[Report]) -> bool:
    """Statuses, many at a time, as a one-way lattice. True: effects were made."""
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> bool:
        return _apply_reports(connection, services, lease, reports, moment)

    made = await services.commit(lease, unit)
    for report in reports:
        services.metrics.count("deskbridge_statuses_received_total", report.update.status.value)
    await limit_news.heed_statuses(
        services,
        [
            (message_id, report.update.error_code)
            for report in reports
            if report.update.error_code is not None
            and (message_id := message_id_of(report.update.key) if report.update.key else None)
        ],
    )
    return made


def _apply_reports(
    connection: Connection, services: Services, lease: Lease, reports: Sequence[Report], moment: Moment
) -> bool:
    vault = services.vault
    named = {
        report.entry.id: message_id_of(report.update.key) if report.update.key is not None else None
        for report in reports
    }
    indexes = {report.entry.id: messages.wamid_index(vault, report.update.wamid) for report in reports}
    found, by_wamid = messages.find_outbound(
        connection,
        message_ids=[name for name in named.values() if name],
        wamid_indexes=[index for entry_id, index in indexes.items() if not named[entry_id]],
        channel_id=services.channel.id,
    )
    parked: list[tuple[str, bytes]] = []
    elsewhere: dict[int, list[str]] = {}
    done: list[str] = []
    latest: dict[str, MessageStatus] = {}
    changes: dict[str, StatusChange] = {}
    for report in reports:
        message = found.get(named[report.entry.id] or by_wamid.get(indexes[report.entry.id], ""))
        if message is None:
            parked.append((report.entry.id, indexes[report.entry.id]))
        elif message.shard != lease.shard:
            elsewhere.setdefault(message.shard, []).append(report.entry.id)
        else:
            done.append(report.entry.id)
            if message.kind == template_send.KIND and report.update.price_category is not None:
                templates.save_price(
                    connection,
                    message_id=message.id,
                    category=report.update.price_category,
                    kind=report.update.price_type,
                )
            status = advance(latest.get(message.id, message.status), report.update.status)
            if status is not latest.get(message.id, message.status):
                latest[message.id] = status
                changes[message.id] = StatusChange(
                    message.id,
                    status,
                    report.update.at,
                    report.update.error_code,
                    None if message.has_wamid else report.update.wamid,
                )
    messages.save_statuses(connection, vault, list(changes.values()))
    for report in reports:
        message = found.get(named[report.entry.id] or by_wamid.get(indexes[report.entry.id], ""))
        if report.update.free_entry_until is not None and message is not None and message.shard == lease.shard:
            current = conversations.load(connection, message.conversation_id)
            current.free_entry = current.free_entry.as_meta_says(report.update.free_entry_until)
            conversations.save(connection, current)
    details = {
        message_id: report.update.error_details
        for report in reports
        if (message_id := named[report.entry.id] or by_wamid.get(indexes[report.entry.id])) in changes
        and report.update.status is MessageStatus.FAILED
    }
    made = _settle(
        connection, services, [(found[change.message_id], change) for change in changes.values()], details, moment
    )
    if parked:
        inbox.park(connection, parked, now=moment.business)
    for shard, ids in elsewhere.items():
        inbox.rehome(connection, ids, shard=shard)
    if done:
        inbox.finish(connection, done)
    return made or bool(elsewhere)


def _settle(
    connection: Connection,
    services: Services,
    changed: Sequence[tuple[Message, StatusChange]],
    details: Mapping[str, str | None],
    moment: Moment,
) -> bool:
    """What follows from new statuses for the effects that sent the messages."""
    sends = outbox.find_sends(connection, [message.id for message, _ in changed])
    made = _open_gate(connection, services, [sends[m.id] for m, c in changed if m.id in sends and left_meta(c.status)])
    for message, change in changed:
        send = sends.get(message.id)
        if send is None:
            continue  # a later attempt speaks for the reply now
        if left_meta(change.status):
            made |= _confirm(connection, services, message, send, moment)
        elif change.status is MessageStatus.FAILED and send.state in GIVEN_TO_META:
            _refuse(connection, services, message, send, change, details.get(message.id), moment)
            made = True
    return made


def _open_gate(connection: Connection, services: Services, confirmed: Sequence[SendState]) -> bool:
    """Meta sends again what we gave it after the gate was closed."""
    started = [send.started_at for send in confirmed if send.started_at is not None]
    if not started:
        return False
    return reopen_gate(connection, services, WHATSAPP_SCOPE, started_at=max(started), by_status=True)


def _confirm(connection: Connection, services: Services, message: Message, send: SendState, moment: Moment) -> bool:
    match send.state:
        case EffectState.UNKNOWN | EffectState.PERFORMING:
            outbox.set_state(connection, [send.effect_id], EffectState.DONE)
            return True
        case EffectState.UNCONFIRMED | EffectState.FAILED:
            outbox.set_state(connection, [send.effect_id], EffectState.DONE)
            current = conversations.load(connection, message.conversation_id)
            add_note(
                connection,
                services,
                current,
                notes.confirmed_late(messages.load_text(connection, services.vault, message.id)),
                ticket_id=send.ticket_id,
                moment=moment,
            )
            conversations.save(connection, current)
            return True
        case _:
            return False


GIVEN_TO_META = frozenset({EffectState.DONE, EffectState.UNKNOWN, EffectState.PERFORMING, EffectState.UNCONFIRMED})
_MEANINGS = {
    FailureKind.WINDOW_CLOSED: FailureMeaning.WINDOW_CLOSED,
    FailureKind.NEEDS_OPERATOR: FailureMeaning.NEEDS_OPERATOR,
    FailureKind.RETRY_LATER: FailureMeaning.TRY_AGAIN,
    FailureKind.RATE_LIMITED: FailureMeaning.TRY_AGAIN,
    FailureKind.PERMANENT: FailureMeaning.PERMANENT,
    FailureKind.OUTCOME_UNKNOWN: FailureMeaning.PERMANENT,
}


def _refuse(
    connection: Connection,
    services: Services,
    message: Message,
    state: SendState,
    change: StatusChange,
    details: str | None,
    moment: Moment,
) -> None:
    """Meta took the message and did not deliver it."""
    send = outbox.load(connection, services.vault, state.effect_id)
    meaning = _MEANINGS[kind_of(change.error_code, http_status=None)]
    if has_other_form(connection, services, message.id, code=change.error_code):
        meaning = FailureMeaning.FILE_REFUSED
    if meaning is FailureMeaning.NEEDS_OPERATOR:
        failure = NeedsOperator(str(change.error_code), action=failure_of(change.error_code, http_status=None).admin)
        close_gate(connection, services, WHATSAPP_SCOPE, failure, moment, by_status=True)
    current = conversations.load(connection, send.conversation_id)
    outbound = messages.load_outbound(connection, services.vault, message.id)
    template_send.heed_refusal(connection, outbound, change.error_code, moment=moment)
    consent.take_refusal(connection, services, current.contact_id, code=change.error_code, moment=moment)
    decision = decide(
        current.window,
        DeliveryRefused(
            text=messages.load_text(connection, services.vault, message.id),
            sent_at=message.occurred_at,
            refusals=send.refusals,
            meaning=meaning,
            failure=explain(change.error_code, details),
        ),
        now=moment.business,
        rules=services.rules,
    )
    apply(connection, services, current, decision, subject=Subject(ticket_id=send.ticket_id, send=send), moment=moment)
    conversations.save(connection, current)
