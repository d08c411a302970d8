"""A helpdesk rang: what did agents write on that ticket since we last looked? Replies and commands become effects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Connection

from bridge.domain import identity_notes, notes
from bridge.domain.commands import Command, parse_command, text_after, words_after
from bridge.domain.decide import AgentCommanded, AgentReplied, Decision, ReadReceipts, decide
from bridge.domain.outgoing import MARKUP_LIMIT, OutgoingFile, name_of, read_words, without_quote
from bridge.domain.speech import Note
from bridge.domain.text import html_to_whatsapp
from bridge.runtime import contact_command, merges, receipts, template_send
from bridge.runtime.apply import Subject, add_note, apply
from bridge.runtime.gates import close_gate, find_closed, next_try_at, reopen_gate
from bridge.runtime.merges import ticket_index
from bridge.runtime.services import HELPDESK_SCOPE, WHATSAPP_SCOPE, Moment, Services
from bridge.runtime.told import Told, unpacked
from bridge.store import channels, consents, contacts, conversations, inbox, media, messages, outbox
from bridge.store.conversations import Conversation, Ticket
from bridge.store.inbox import InboxEntry
from bridge.store.leases import Lease
from bridge.store.tables import EPOCH, EffectState, Lane
from connectors.errors import NeedsOperator, Permanent, RateLimited, RemoteFailure, RetryLater, TicketUnwritable
from connectors.interface import (
    AuthorKind,
    Comment,
    GivesFiles,
    HelpdeskConnector,
    KnowsMerges,
    ReopensAfterwards,
    Successor,
    TicketId,
    TicketStatus,
)

LAST_DELIVERIES = 5
OWN_WRITE_PAUSE = timedelta(seconds=1)
"""While a public comment of our own is on its way, nothing of its ticket is taken for a reply."""
UNKNOWN_AGENT = "agent"
"""Stands for whoever ordered a template, where the helpdesk does not say who wrote."""
SHORTEST_PAUSE_SECONDS = 3.0
LONGEST_PAUSE_SECONDS = 60.0
OPEN = (TicketStatus.NEW, TicketStatus.OPEN)
WAITING = (EffectState.READY, EffectState.PERFORMING, EffectState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Ring:
    """All rings of one ticket that wait together."""

    ticket_id: str
    entries: tuple[InboxEntry, ...]
    comment_ids: frozenset[str]
    """Empty when a ring named no comment: then the ticket is read in any case."""
    told: tuple[Told, ...] = ()
    """What rings brought along themselves, in order of arrival."""
    must_read: bool = True
    """Whether any of them brought nothing along."""


def group_rings(entries: Sequence[InboxEntry]) -> list[Ring]:
    """Rings by ticket. A ring that names no comment makes the others of its ticket read as well."""
    grouped: dict[str, list[tuple[InboxEntry, dict[str, Any]]]] = {}
    for entry in entries:
        body = orjson.loads(entry.body or b"{}")
        grouped.setdefault(str(body.get("ticket_id")), []).append((entry, body))
    return [_ring_of(ticket_id, rung) for ticket_id, rung in grouped.items()]


def _ring_of(ticket_id: str, rung: Sequence[tuple[InboxEntry, dict[str, Any]]]) -> Ring:
    named = [body.get("comment_id") for _, body in rung]
    brought = [body["told"] for _, body in rung if body.get("told") is not None]
    return Ring(
        ticket_id,
        tuple(entry for entry, _ in rung),
        frozenset() if None in named else frozenset(str(comment_id) for comment_id in named),
        tuple(unpacked(one) for one in brought),
        must_read=len(brought) < len(rung),
    )


async def take_rings(services: Services, lease: Lease, rings: Sequence[Ring]) -> list[tuple[Ring, Ticket]]:
    """Claim rings, so that a later one is a row of its own, and drop those that ask for nothing: of tickets that are
    not ours, and of comments that are known. Returns what must be read. One transaction, no call."""

    def unit(connection: Connection) -> list[tuple[Ring, Ticket]]:
        wanted = []
        for ring in rings:
            ids = [entry.id for entry in ring.entries]
            inbox.take_rings(connection, ids)
            ticket = conversations.find_ticket(connection, channel_id=services.channel.id, remote_id=ring.ticket_id)
            if ticket is None:
                index = ticket_index(services, ring.ticket_id)
                inbox.park(
                    connection,
                    [(entry_id, index) for entry_id in ids],
                    now=services.clock.business_now(),
                    is_content=bool(ring.told),
                )
                continue
            if ring.comment_ids and all(
                conversations.knows_comment(connection, channel_id=services.channel.id, remote_id=comment_id)
                for comment_id in ring.comment_ids
            ):
                inbox.finish(connection, ids, reason="known comment")
                continue
            shard = conversations.shard_of_conversation(connection, ticket.conversation_id)
            if shard != lease.shard:
                inbox.rehome(connection, ids, shard=shard)
                continue
            wanted.append((ring, ticket))
        return wanted

    return await services.commit(lease, unit)


async def answer_ring(services: Services, lease: Lease, ring: Ring, ticket: Ticket) -> timedelta | None:
    """Read the ticket and let what is new there have its effects. A pause when that could not be done now.

    A ticket that is not there any more has nothing to tell.
    """
    moment = Moment.take(services.clock)
    if not ring.must_read:
        await services.commit_outcome(lease, lambda connection: _take_told(connection, services, ring, ticket))
        return None
    channel_id = services.channel.id
    gate, own_comment, must_wait = await services.database.read(
        lambda connection: (
            channels.load_gate(connection, channel_id=channel_id, scope=HELPDESK_SCOPE),
            conversations.last_own_comment(connection, ticket.id),
            outbox.is_public_write_under_way(connection, ticket.conversation_id),
        )
    )
    if must_wait:
        return OWN_WRITE_PAUSE
    if gate is not None:
        gate = await services.commit(
            lease, lambda connection: find_closed(connection, services, HELPDESK_SCOPE, moment)
        )
    if gate is not None:
        return next_try_at(gate, moment) - moment.real
    try:
        reading = await _read(services, ticket)
    except TicketUnwritable:
        await services.commit_outcome(
            lease, lambda connection: _close_book(connection, services, ring, ticket, started_at=moment.real)
        )
        return None
    except RemoteFailure as failure:
        record = partial(_record_failure, services=services, failure=failure, moment=moment)
        await services.commit_outcome(lease, record)
        return _pause(failure)
    is_taken = await services.commit_outcome(
        lease,
        lambda connection: _take_reading(
            connection, services, ring, ticket, reading, own_comment=own_comment, started_at=moment.real
        ),
    )
    services.metrics.count("deskbridge_tickets_read_total")
    return None if is_taken else OWN_WRITE_PAUSE


@dataclass(frozen=True, slots=True)
class Reading:
    """What stands on a ticket since it was last looked at. `successor`: it was merged into that one.

    `status`: as far as a helpdesk that does not tell it with a comment lets us know; None: nothing new.
    """

    comments: Sequence[Comment]
    successor: Successor | None
    status: TicketStatus | None


async def _read(services: Services, ticket: Ticket) -> Reading:
    connector = services.connector
    comments = await connector.comments_since(TicketId(ticket.remote_id), ticket.read_since_at)
    successor = None
    if isinstance(connector, KnowsMerges) and any(comment.is_merge for comment in comments):
        successor = await connector.find_successor(TicketId(ticket.remote_id))
    # What was merged is closed for us, whatever its status says there.
    is_ours = successor is None and ticket.status != TicketStatus.CLOSED
    status = await _read_status(connector, ticket, comments) if is_ours else None
    return Reading(comments, successor, status)


async def _read_status(
    connector: HelpdeskConnector, ticket: Ticket, comments: Sequence[Comment]
) -> TicketStatus | None:
    """Where a comment does not open a ticket: one that was put aside just before the customer's last word is opened.
    Where staff had the last word it may be waiting, so that the customer's next message opens it."""
    if not isinstance(connector, ReopensAfterwards):
        return None
    last = max(
        (comment for comment in comments if comment.public),
        key=lambda comment: (comment.created_at, _number(comment.id)),
        default=None,
    )
    if last is not None and last.author is not AuthorKind.CUSTOMER:
        return TicketStatus.WAITING
    return await connector.reopen_if_put_aside(
        TicketId(ticket.remote_id), before=EPOCH if last is None else last.created_at
    )


def _take_reading(
    connection: Connection,
    services: Services,
    ring: Ring,
    ticket: Ticket,
    reading: Reading,
    *,
    own_comment: str | None,
    started_at: datetime,
) -> bool:
    """False: a public comment of our own may stand among these, so that they are read once more when it is known."""
    moment = Moment.take(services.clock)
    reopen_gate(connection, services, HELPDESK_SCOPE, started_at=started_at)
    current = conversations.load(connection, ticket.conversation_id)
    if outbox.is_public_write_under_way(connection, current.id):
        return False
    if reading.status is not None:
        conversations.set_ticket_status(connection, ticket.id, reading.status)
        if reading.status not in OPEN and conversations.last_own_comment(connection, ticket.id) != own_comment:
            # The customer wrote while we read.
            merges.ring(connection, services, ticket_id=ticket.remote_id, moment=moment)
    for comment in sorted(reading.comments, key=lambda comment: (comment.created_at, _number(comment.id))):
        _take_comment(connection, services, current, ticket, comment, moment)
    if reading.comments:
        newest = max(comment.created_at for comment in reading.comments)
        conversations.advance_reading(connection, ticket, newest_at=newest)
    if conversations.last_own_comment(connection, ticket.id) == own_comment:
        conversations.set_unread(connection, ticket.id, None)
    if reading.successor is not None:
        is_moved = current.ticket_id == ticket.id
        merges.follow(connection, services, current, ticket, reading.successor, moment)
        if is_moved:
            _tell_what_came_after(connection, services, current, ticket, reading, moment)
    _take_what_was_told(connection, services, current, ring, ticket, moment)
    conversations.save(connection, current)
    inbox.finish(connection, [entry.id for entry in ring.entries])
    return True


def _take_told(connection: Connection, services: Services, ring: Ring, ticket: Ticket) -> None:
    """Rings that brought everything along: nothing is asked."""
    current = conversations.load(connection, ticket.conversation_id)
    _take_what_was_told(connection, services, current, ring, ticket, Moment.take(services.clock))
    conversations.save(connection, current)
    inbox.finish(connection, [entry.id for entry in ring.entries])


def _take_what_was_told(
    connection: Connection, services: Services, current: Conversation, ring: Ring, ticket: Ticket, moment: Moment
) -> None:
    """In order of arrival, whatever time each claims: who tells has no other order to go by."""
    for told in ring.told:
        for comment in told.comments:
            _take_comment(connection, services, current, ticket, comment, moment)
        if told.successor is not None or told.status is TicketStatus.CLOSED:
            merges.follow(connection, services, current, ticket, told.successor, moment)
        elif told.status is not None:
            conversations.set_ticket_status(connection, ticket.id, told.status)


def _tell_what_came_after(
    connection: Connection,
    services: Services,
    current: Conversation,
    ticket: Ticket,
    reading: Reading,
    moment: Moment,
) -> None:
    """Where a merged ticket still takes comments, what the customer wrote meanwhile stands where nobody looks."""
    assert reading.successor is not None
    for comment in reading.comments:
        is_customers = comment.author is AuthorKind.CUSTOMER and comment.key is not None
        if is_customers and comment.created_at >= reading.successor.merged_at:
            text = notes.came_to_merged_ticket(comment.text, number=ticket.remote_id)
            add_note(connection, services, current, text, ticket_id=None, moment=moment)


def _record_failure(connection: Connection, services: Services, failure: RemoteFailure, moment: Moment) -> None:
    if isinstance(failure, NeedsOperator):
        close_gate(connection, services, HELPDESK_SCOPE, failure, moment, by_status=False)
    elif isinstance(failure, Permanent):
        channels.raise_alarm(connection, kind="ticket_unreadable", subject=failure.code[:64], now=moment.real)


def _pause(failure: RemoteFailure) -> timedelta:
    """Before the ticket is read again: what the far side asks for, else a few seconds."""
    if isinstance(failure, Permanent):
        return timedelta(seconds=LONGEST_PAUSE_SECONDS)
    wish = failure.after_seconds if isinstance(failure, RateLimited | RetryLater) else None
    return timedelta(seconds=SHORTEST_PAUSE_SECONDS if wish is None else wish)


def _close_book(
    connection: Connection, services: Services, ring: Ring, ticket: Ticket, *, started_at: datetime
) -> None:
    reopen_gate(connection, services, HELPDESK_SCOPE, started_at=started_at)
    conversations.set_ticket_status(connection, ticket.id, TicketStatus.GONE)
    conversations.set_unread(connection, ticket.id, None)
    inbox.finish(connection, [entry.id for entry in ring.entries], reason="the ticket is gone")


def _number(comment_id: str) -> tuple[int, str]:
    """Ids grow with time: the tie-break of one second. Some begin with their ticket's."""
    number = comment_id.rpartition("/")[2]
    return (int(number), "") if number.isascii() and number.isdigit() else (0, comment_id)


def _take_comment(
    connection: Connection,
    services: Services,
    current: Conversation,
    ticket: Ticket,
    comment: Comment,
    moment: Moment,
) -> None:
    command, words = None, ""
    if comment.key is not None:
        role = "ours"
    elif comment.author is not AuthorKind.STAFF:
        role = "other"
    elif comment.public:
        role = "reply"
    else:
        note = html_to_whatsapp(comment.html[:MARKUP_LIMIT]) or comment.text
        command, words = parse_command(note), words_after(note)
        role = "command" if command else "other"
    # A comment is remembered in the transaction of what follows from it, so it has its effects exactly once.
    if not conversations.add_comment(
        connection,
        channel_id=services.channel.id,
        ticket_id=ticket.id,
        remote_id=comment.id,
        role=role,
        now=comment.created_at,
    ):
        return
    if comment.author is AuthorKind.STAFF and comment.author_locale and comment.key is None:
        conversations.set_language(connection, ticket.id, comment.author_locale)
    if role == "reply":
        event: AgentReplied | AgentCommanded = _replied(connection, services, current, ticket, comment)
        services.metrics.count("deskbridge_replies_received_total")
    elif command is Command.TEMPLATE:
        rest = text_after(html_to_whatsapp(comment.html) or comment.text, command)
        sent_by = comment.author_id or UNKNOWN_AGENT
        template_send.answer_command(
            connection, services, current, rest, sent_by=sent_by, ticket_id=ticket.id, moment=moment
        )
        return
    elif command is not None:
        event = _commanded(connection, services, current, ticket, command, moment, words=words)
    else:
        return
    decision: Decision = decide(current.window, event, now=moment.business, rules=services.rules)
    apply(connection, services, current, decision, subject=Subject(ticket_id=ticket.id), moment=moment)
    if role == "reply":
        receipts.add(connection, services, current, ReadReceipts.ANSWERED, moment=moment)


def _replied(
    connection: Connection, services: Services, current: Conversation, ticket: Ticket, comment: Comment
) -> AgentReplied:
    words = read_words(comment.html, comment.text, pictures=[file.src for file in comment.files if file.src])
    text, quote = words.text, None
    if words.quote is not None:
        quote = messages.find_quoted(connection, services.vault, conversation_id=current.id, quote=words.quote)
        text = without_quote(text) if quote is not None else text
    # A picture that stands in what was cut off, a signature's logo, is nobody's file.
    wanted = [file for file in comment.files if file.src is None or file.src in words.pictures]
    is_given = isinstance(services.connector, GivesFiles)
    files = [
        OutgoingFile(
            ticket_id=ticket.remote_id,
            comment_id=comment.id,
            commented_at=comment.created_at,
            file_id=file.id,
            name=file.name,
            mime_type=file.mime_type,
            size_bytes=file.size_bytes,
        )
        for file in wanted
        if is_given
    ]
    return AgentReplied(
        text,
        tuple(files),
        unavailable_count=len(wanted) - len(files),
        quote=quote,
        name=name_of(comment.author_name, services.rules.name_line),
        is_cut=words.is_cut,
    )


def _limits(connection: Connection, services: Services, current: Conversation, moment: Moment) -> tuple[Note, ...]:
    """What stands in the way of the next reply, for `/wa status`."""
    gate = channels.load_gate(connection, channel_id=services.channel.id, scope=WHATSAPP_SCOPE)
    if gate is not None:
        return (notes.limits_stopped(code=gate.code, action=gate.action),)
    head = outbox.load_head(connection, services.vault, conversation_id=current.id, lane=Lane.WHATSAPP)
    if head is not None and head.state is EffectState.READY and head.not_before_at > moment.real:
        seconds = int((head.not_before_at - moment.real).total_seconds()) + 1
        return (notes.limits_wait(seconds=seconds, reason=head.code or ""),)
    return (notes.limits_none(),)


def _commanded(
    connection: Connection,
    services: Services,
    current: Conversation,
    ticket: Ticket,
    command: Command,
    moment: Moment,
    *,
    words: str,
) -> AgentCommanded:
    counts = outbox.counts(connection, current.id)
    held = outbox.count_held(connection, conversation_id=current.id, ticket_id=ticket.id)
    report = notes.status_report(
        window=current.window,
        now=moment.business,
        deliveries=outbox.load_last_sends(connection, services.vault, current.id, limit=LAST_DELIVERIES),
        held_count=counts.get(EffectState.HELD, 0),
        waiting=sum(counts.get(state, 0) for state in WAITING),
        limits=_limits(connection, services, current, moment),
        marketing=notes.marketing_line(consents.of_contact(connection, current.contact_id)),
        free_entry_until=current.free_entry.until if current.free_entry.is_open(moment.business) else None,
    )
    resendable = outbox.load_resendable(connection, services.vault, conversation_id=current.id, ticket_id=ticket.id)
    lost = media.count_lost(connection, current.id)
    number = contacts.load_address(connection, services.vault, current.contact_id).number
    who = identity_notes.no_user_id()
    if command is Command.CONTACT:
        who = contact_command.answer(connection, services, current, words, moment)
    return AgentCommanded(command, held, len(resendable), report, words, lost, number, who)
