"""What follows from what happened? The only place where policy meets an event. Pure: no clock, no I/O, no settings."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from bridge.domain import identity_notes, notes
from bridge.domain.commands import Command, parse_command
from bridge.domain.consent import ConsentAction
from bridge.domain.customer_service_window import CustomerServiceWindow
from bridge.domain.model import DeliveryFailure
from bridge.domain.outgoing import NameLine, OutgoingFile, described, is_caption, parts_of
from bridge.domain.speech import Note
from bridge.domain.window_timer import WARN_BEFORE

RESENDS_AFTER_REFUSAL = 2


class ClosedWindowPolicy(StrEnum):
    """What becomes of an agent's free-form reply once the window is closed."""

    HOLD = "hold"
    TEMPLATE = "template"
    """Held, and the customer is asked by a template to come back."""
    REJECT = "reject"


class ReadReceipts(StrEnum):
    """When customers see that their messages were read."""

    NEVER = "never"
    TAKEN = "taken"
    """When they stand on the ticket."""
    ANSWERED = "answered"
    """When an agent answers."""


class FailureMeaning(StrEnum):
    """What a `failed` status asks of us."""

    WINDOW_CLOSED = "window_closed"
    FILE_REFUSED = "file_refused"
    """The file has another form that may be tried."""
    TRY_AGAIN = "try_again"
    NEEDS_OPERATOR = "needs_operator"
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class Reengagement:
    """Name and language of a template."""

    name: str
    language: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy of a channel."""

    closed_window: ClosedWindowPolicy
    hold_for: timedelta
    warn_before: timedelta = WARN_BEFORE
    """How long before a window closes on an unanswered customer the agent is warned."""
    reengage: Reengagement | None = None
    """The template that asks a customer to come back; set with `ClosedWindowPolicy.TEMPLATE`."""
    reactions_reopen: bool = False
    """A reaction is a message like any other, which opens a ticket that was put aside. Else it is told in a note."""
    name_line: NameLine = NameLine.OFF
    read_receipts: ReadReceipts = ReadReceipts.NEVER


@dataclass(frozen=True, slots=True)
class PostMessage:
    """Show the customer's message on the ticket."""


@dataclass(frozen=True, slots=True)
class SendText:
    """Send one WhatsApp message, now or (`held`) once the window opens; `quote` is the wamid that it answers."""

    text: str = field(repr=False)
    held: bool
    quote: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SendFile:
    """Send a file of the agent's, with `caption` beneath it; otherwise like `SendText`."""

    file: OutgoingFile
    caption: str = field(repr=False)
    held: bool
    quote: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AddNote:
    """Tell the agent in a private note on the ticket that the event belongs to."""

    text: Note | str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReleaseHeld:
    """Everything held for the window may go, in its order and before newer replies."""


@dataclass(frozen=True, slots=True)
class DropHeld:
    """Nothing held for the ticket may go any more."""


@dataclass(frozen=True, slots=True)
class Resend:
    """Every unconfirmed or failed reply of the ticket goes again, in order; `held` when the window is closed."""

    held: bool


@dataclass(frozen=True, slots=True)
class RetryMedia:
    """Every file that WhatsApp did not give out is asked for again."""


@dataclass(frozen=True, slots=True)
class AskNumber:
    """Ask the customer for their number, by WhatsApp's own button."""


@dataclass(frozen=True, slots=True)
class HoldAgain:
    """The refused reply waits for the window and is sent anew then."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The refused reply, certainly not delivered, is sent anew after a pause."""


@dataclass(frozen=True, slots=True)
class TryOtherForm:
    """The file that was refused, certainly not delivered, is sent anew in another form."""


@dataclass(frozen=True, slots=True)
class WaitForOperator:
    """The refused reply is sent anew once a person has acted; until then nothing of the channel is."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The refused reply failed for good (`/wa resend` may send it again)."""


@dataclass(frozen=True, slots=True)
class RecordConsent:
    """The agent's word on what the customer said of marketing."""

    action: ConsentAction
    detail: str = field(repr=False)


Effect = (
    PostMessage
    | SendText
    | SendFile
    | AddNote
    | ReleaseHeld
    | DropHeld
    | Resend
    | RetryMedia
    | AskNumber
    | HoldAgain
    | TryAgain
    | TryOtherForm
    | WaitForOperator
    | GiveUp
    | RecordConsent
)


@dataclass(frozen=True, slots=True)
class Decision:
    window: CustomerServiceWindow
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class CustomerWrote:
    """A message of the customer. `reaction`: what is told of one that only reacts to another; `has_ticket`: there is
    somebody to tell it to."""

    sent_at: datetime
    opens_window: bool
    reaction: str | None = field(default=None, repr=False)
    has_ticket: bool = True


@dataclass(frozen=True, slots=True)
class AgentReplied:
    """A public comment by a member of staff, as WhatsApp text."""

    text: str = field(repr=False)
    files: Sequence[OutgoingFile] = ()
    unavailable_count: int = 0
    """Files that the helpdesk shows and does not give out."""
    quote: str | None = field(default=None, repr=False)
    """The wamid that the reply answers; `text` is without what it quotes."""
    name: str = field(default="", repr=False)
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class AgentCommanded:
    """A `/wa` note. The numbers are what the ticket holds at this moment."""

    command: Command
    held_count: int
    resendable_count: int
    status_report: Note | str = field(repr=False)
    words: str = field(default="", repr=False)
    """What the agent added to the command."""
    lost_file_count: int = 0
    number: str | None = field(default=None, repr=False)
    """The customer's, in digits, where it is known."""
    contact_report: Note | str = field(default_factory=identity_notes.no_user_id, repr=False)


@dataclass(frozen=True, slots=True)
class DeliveryRefused:
    """Meta said `failed` of something that we sent at `sent_at`; `refusals` earlier attempts ended so as well."""

    text: str = field(repr=False)
    sent_at: datetime
    refusals: int
    meaning: FailureMeaning
    failure: DeliveryFailure


Event = CustomerWrote | AgentReplied | AgentCommanded | DeliveryRefused


def decide(window: CustomerServiceWindow, event: Event, *, now: datetime, rules: Rules) -> Decision:
    """The conversation's window after `event`, and what is to be done. `now` is business time."""
    match event:
        case CustomerWrote():
            return _customer_wrote(window, event, now=now, rules=rules)
        case AgentReplied():
            return Decision(window, _agent_replied(window, event, now=now, rules=rules))
        case AgentCommanded():
            return Decision(window, _agent_commanded(window, event, now=now))
        case DeliveryRefused():
            return _delivery_refused(window, event, now=now, rules=rules)
        case _:
            assert_never(event)


def _customer_wrote(window: CustomerServiceWindow, event: CustomerWrote, *, now: datetime, rules: Rules) -> Decision:
    if event.opens_window:
        window = window.after_inbound(event.sent_at, now=now)
    if event.reaction is not None and not rules.reactions_reopen:
        return Decision(window, (AddNote(event.reaction),) if event.has_ticket else ())
    if event.opens_window and window.is_open(now):
        return Decision(window, (PostMessage(), ReleaseHeld()))
    return Decision(window, (PostMessage(),))


def _agent_replied(
    window: CustomerServiceWindow, event: AgentReplied, *, now: datetime, rules: Rules
) -> tuple[Effect, ...]:
    if parse_command(event.text) is not None:
        return (AddNote(notes.command_was_public(event.text)),)
    parts, count = parts_of(event.text, name=event.name)
    asides = _asides(event, sent=len(parts), count=count)
    if not parts and not event.files:
        return asides
    if not window.is_open(now) and rules.closed_window is ClosedWindowPolicy.REJECT:
        shown = event.text or described("", event.files[0])
        return (AddNote(notes.rejected(shown, window=window, now=now)), *asides)
    sends = _sends(event, parts, held=not window.is_open(now))
    if window.is_open(now):
        return (*sends, *asides)
    shown = event.text or ", ".join(described("", file) for file in event.files)
    return (*sends, AddNote(notes.held([shown], window=window, now=now, hold_for=rules.hold_for)), *asides)


def _sends(event: AgentReplied, parts: Sequence[str], *, held: bool) -> list[SendText | SendFile]:
    """One message after the other: the text, then the files; a short text rides on a single file."""
    if is_caption(parts, event.files):
        return [SendFile(event.files[0], parts[0], held, event.quote)]
    sends: list[SendText | SendFile] = [SendText(part, held) for part in parts]
    sends += [SendFile(file, "", held) for file in event.files]
    return [replace(sends[0], quote=event.quote), *sends[1:]]


def _asides(event: AgentReplied, *, sent: int, count: int) -> tuple[AddNote, ...]:
    """What of the reply does not go out."""
    told = []
    if sent < count or event.is_cut:
        told.append(AddNote(notes.reply_too_long(sent=sent, count=count)))
    if event.unavailable_count:
        is_all = sent == 0 and not event.files
        told.append(AddNote((notes.nothing_to_send if is_all else notes.files_not_sent)(event.unavailable_count)))
    return tuple(told)


def _agent_commanded(window: CustomerServiceWindow, event: AgentCommanded, *, now: datetime) -> tuple[Effect, ...]:
    match event.command:
        case Command.STATUS:
            return (AddNote(event.status_report),)
        case Command.HOLD_CANCEL:
            return (DropHeld(), AddNote(notes.hold_cancelled(event.held_count)))
        case Command.RESEND:
            if event.resendable_count == 0:
                return (AddNote(notes.resending(0)),)
            if window.is_open(now):
                return (Resend(held=False), AddNote(notes.resending(event.resendable_count)))
            return (Resend(held=True), AddNote(notes.resend_waits(event.resendable_count)))
        case Command.OPT_OUT:
            return (RecordConsent(ConsentAction.OPT_OUT, event.words), AddNote(notes.opt_out_recorded()))
        case Command.OPT_IN if not event.words:
            return (AddNote(notes.opt_in_needs_words()),)
        case Command.OPT_IN:
            return (RecordConsent(ConsentAction.OPT_IN, event.words), AddNote(notes.opt_in_recorded()))
        case Command.ASK_NUMBER if event.number is not None:
            return (AddNote(identity_notes.number_known(event.number)),)
        case Command.ASK_NUMBER if not window.is_open(now):
            return (AddNote(identity_notes.number_not_asked()),)
        case Command.ASK_NUMBER:
            return (AskNumber(), AddNote(identity_notes.number_asked()))
        case Command.CONTACT:
            return (AddNote(event.contact_report),)
        case Command.RETRY_MEDIA:
            told = AddNote(notes.retrying_files(event.lost_file_count))
            return (RetryMedia(), told) if event.lost_file_count else (told,)
        case Command.HELP | Command.TEMPLATE:
            # A template is answered by `template_send`, which knows what there is.
            return (AddNote(notes.command_list()),)
        case _:
            assert_never(event.command)


def _delivery_refused(
    window: CustomerServiceWindow, event: DeliveryRefused, *, now: datetime, rules: Rules
) -> Decision:
    match event.meaning:
        case FailureMeaning.WINDOW_CLOSED:
            holds = rules.closed_window is not ClosedWindowPolicy.REJECT
            refused = window.after_refusal(event.sent_at)
            if holds and refused.is_open(now):
                return Decision(refused, (TryAgain(),))  # the customer wrote meanwhile
            told = notes.refused_by_meta(
                event.text, window=window, sent_at=event.sent_at, policy_holds=holds, hold_for=rules.hold_for
            )
            return Decision(refused, (HoldAgain() if holds else GiveUp(), AddNote(told)))
        case FailureMeaning.FILE_REFUSED:
            return Decision(window, (TryOtherForm(),))
        case FailureMeaning.TRY_AGAIN if event.refusals < RESENDS_AFTER_REFUSAL:
            return Decision(window, (TryAgain(),))
        case FailureMeaning.NEEDS_OPERATOR:
            return Decision(window, (WaitForOperator(),))
        case FailureMeaning.PERMANENT | FailureMeaning.TRY_AGAIN:
            return Decision(window, (GiveUp(), AddNote(notes.failed(event.text, event.failure))))
        case _:
            assert_never(event.meaning)
