"""What falls due at windows by themselves: the agent of an unanswered customer is warned, and tickets say `closed`.

One conversation after the other, at most one in each process, and only while the helpdesk's budget is ample: messages
go first. What cannot be told now is tried a little later, until it is no longer true; a mark may be skipped altogether,
since the next comment carries it.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from bridge.domain import notes, window_timer
from bridge.domain.window_timer import Look, Turn
from bridge.runtime import ticket_marks
from bridge.runtime.apply import add_note
from bridge.runtime.services import HELPDESK_SCOPE, Moment, Services
from bridge.store import channels, conversations
from bridge.store.conversations import Conversation, Ticket
from bridge.store.leases import Lease
from connectors.errors import Permanent, RemoteFailure, TicketUnwritable
from connectors.interface import Marks, MarksTickets, TicketId, TicketStatus

AT_ONCE = 100
LATER = timedelta(seconds=30)
PAUSE_SECONDS = 30.0
"""How long everything waits that could not be told now."""
ACCOUNT_BUCKET = "account"
DONE_WITH = (TicketStatus.SOLVED, TicketStatus.CLOSED, TicketStatus.GONE)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wish:
    """Something to tell on a ticket, if it still is as it was when last seen."""

    conversation_id: str
    version: int
    turn: Turn
    ticket: Ticket
    marks: Marks


@dataclass(frozen=True, slots=True)
class Told:
    """How the helpdesk says the ticket stands, where it can say it, and whether it took the marks."""

    status: TicketStatus | None
    is_marked: bool


async def look(services: Services, leases: Sequence[Lease], *, stop: threading.Event) -> bool:
    """Look at what is overdue on these shards. False when that has to wait: the helpdesk does not answer, or its budget
    is for messages now. Raises `LeaseLost` and `StoreUnavailable`."""
    by_shard = {lease.shard: lease for lease in leases}
    now = services.clock.business_now()
    due = await services.database.read(
        lambda connection: conversations.find_to_look_at(connection, shards=list(by_shard), now=now, limit=AT_ONCE)
    )
    for conversation_id, shard in due:
        if stop.is_set():
            return True
        if not await _may_call(services):
            return False
        wish = await _turn(services, by_shard[shard], conversation_id)
        if wish is not None and not await _tell(services, by_shard[shard], wish):
            return False
    return True


async def _may_call(services: Services) -> bool:
    gate = await services.database.read(
        lambda connection: channels.load_gate(connection, channel_id=services.channel.id, scope=HELPDESK_SCOPE)
    )
    return gate is None and services.budget.is_ample(ACCOUNT_BUCKET)


async def _turn(services: Services, lease: Lease, conversation_id: str) -> Wish | None:
    """Settle what needs no helpdesk, and say what is to be told there."""
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> Wish | None:
        current = conversations.load(connection, conversation_id)
        if current.look_at is None or current.look_at > moment.business:
            return None
        found = _look_at(services, current, moment)
        current.look_at = found.next_at
        ticket = conversations.load_ticket(connection, current.ticket_id) if current.ticket_id else None
        wish = None
        if found.turn is not Turn.NOTHING and ticket is not None and ticket.status not in DONE_WITH:
            marks = ticket_marks.marks_of(connection, services, current, moment)
            wish = Wish(current.id, current.version + 1, found.turn, ticket, marks)
            current.look_at = moment.business + LATER  # until it is told
        conversations.save(connection, current)
        return wish

    return await services.commit(lease, unit)


def _look_at(services: Services, current: Conversation, moment: Moment) -> Look:
    return window_timer.look(
        current.window,
        is_unanswered=current.unanswered_since_at is not None,
        now=moment.business,
        warn_before=services.rules.warn_before,
    )


async def _tell(services: Services, lease: Lease, wish: Wish) -> bool:
    """Ask how the ticket stands first: an agent may have solved it, of which nothing rings. False when that failed."""
    connector = services.connector
    ticket_id = TicketId(wish.ticket.remote_id)
    told = Told(None, is_marked=False)
    if isinstance(connector, MarksTickets):
        try:
            status = await connector.fetch_status(ticket_id)
            told = Told(status, is_marked=False)
            is_news = ticket_marks.in_words(wish.marks) != wish.ticket.marks
            if wish.turn is Turn.CLOSED and status not in DONE_WITH and is_news:
                await connector.set_marks(ticket_id, wish.marks)
                told = Told(status, is_marked=True)
        except (TicketUnwritable, Permanent):
            pass  # nothing more than a mark: whoever writes a comment finds out what is the matter
        except RemoteFailure as failure:
            log.info("window.postponed", exc_type=type(failure).__name__)
            return False
    moment = Moment.take(services.clock)
    turn = await services.commit_outcome(lease, lambda connection: _record(connection, services, wish, told, moment))
    services.metrics.count("deskbridge_window_turns_total", turn)
    return True


def _record(connection: Connection, services: Services, wish: Wish, told: Told, moment: Moment) -> str:
    """What was told, or why nothing was, for the metrics."""
    current = conversations.load(connection, wish.conversation_id)
    is_done_with = told.status is not None and told.status in DONE_WITH
    if told.status is not None and is_done_with:
        conversations.set_ticket_status(connection, wish.ticket.id, told.status)
    if current.version != wish.version:
        # Something happened meanwhile: it is looked at once more, and the next comment says the marks anew.
        if told.is_marked:
            conversations.set_marks(connection, wish.ticket.id, None)
        return "overtaken"
    current.look_at = None if is_done_with else _look_at(services, current, moment).next_at
    if told.is_marked:
        conversations.set_marks(connection, wish.ticket.id, ticket_marks.in_words(wish.marks))
    if wish.turn is Turn.WARN and not is_done_with:
        assert current.window.closes_at is not None
        note = notes.window_closes_soon(closes_at=current.window.closes_at, now=moment.business)
        add_note(connection, services, current, note, ticket_id=wish.ticket.id, moment=moment)
    conversations.save(connection, current)
    return "solved" if is_done_with else wish.turn.value
