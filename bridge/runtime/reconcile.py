"""What did the helpdesk's webhooks fail to tell? Its change feed is asked now and then; what is new becomes a ring."""

from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from bridge.runtime import merges, retention
from bridge.runtime.merges import ring_item
from bridge.runtime.services import HELPDESK_SCOPE, Moment, Services
from bridge.store import channels, conversations, inbox
from bridge.store.conversations import Ticket
from connectors.errors import NeedsOperator, Permanent, RemoteFailure
from connectors.interface import Change, ChangePage, FeedsChanges, TicketStatus

KEPT_FOR = timedelta(days=14)
"""How long a finished event is remembered, twice as long as Meta may repeat it (fact sheet WhatsApp 1.3)."""
PRUNE_AT_ONCE = 5_000
START_MARGIN = timedelta(minutes=2)
"""A feed may refuse to start in its own last minute."""
FAILED_PAUSE = timedelta(seconds=10)
QUIET = timedelta(minutes=10)
READ_AT_ONCE = 50
OPEN = (TicketStatus.NEW, TicketStatus.OPEN)

log = structlog.get_logger()


async def is_due(services: Services) -> bool:
    """Is the interval over? A look, no claim."""
    real_now = services.clock.real_now()
    return isinstance(services.connector, FeedsChanges) and await services.database.read(
        lambda connection: channels.is_feed_due(
            connection, channel_id=services.channel.id, every=services.reconcile_every, real_now=real_now
        )
    )


async def run_if_due(services: Services) -> None:
    """Ask when the interval is over, in one process at a time. What fails is asked again within seconds."""
    connector = services.connector
    if not isinstance(connector, FeedsChanges):
        return
    moment = Moment.take(services.clock)
    claimed, cursor = await services.database.write(lambda connection: _claim(connection, services, moment))
    if not claimed:
        return
    try:
        await _read_feed(services, connector, cursor)
    except RemoteFailure as failure:
        log.warning("feed.failed", exc_type=type(failure).__name__)
        record = partial(_record_failure, services=services, failure=failure, moment=moment)
        await services.database.write(record)


def _claim(connection: Connection, services: Services, moment: Moment) -> tuple[bool, str | None]:
    claimed, cursor = channels.claim_feed(
        connection, channel_id=services.channel.id, every=services.reconcile_every, real_now=moment.real
    )
    if not claimed:
        return False, None
    inbox.prune(connection, before=moment.business - KEPT_FOR, limit=PRUNE_AT_ONCE)
    retention.run(connection, services.vault, keep_for=services.keep_for, real_now=moment.real)
    if channels.load_gate(connection, channel_id=services.channel.id, scope=HELPDESK_SCOPE) is not None:
        _ask_soon(connection, services, moment)  # the probe is for somebody's message
        return False, None
    return True, cursor


def _ask_soon(connection: Connection, services: Services, moment: Moment) -> None:
    claimed_at = moment.real - services.reconcile_every + FAILED_PAUSE
    channels.postpone_feed(connection, channel_id=services.channel.id, claimed_at=claimed_at)


def _record_failure(connection: Connection, services: Services, failure: RemoteFailure, moment: Moment) -> None:
    """What the feed alone is refused is told, and closes nothing: messages and rings go on without it."""
    if isinstance(failure, NeedsOperator | Permanent):
        channels.raise_alarm(connection, kind="feed_refused", subject=failure.code[:64], now=moment.real)
    else:
        _ask_soon(connection, services, moment)


async def run_now(services: Services) -> int:
    """Ask at once, whenever the last time was. Returns how many tickets must be looked at."""
    connector = services.connector
    if not isinstance(connector, FeedsChanges):
        return 0
    _, cursor = await services.database.write(
        lambda connection: channels.claim_feed(
            connection,
            channel_id=services.channel.id,
            every=timedelta(0),
            real_now=services.clock.real_now(),
        )
    )
    return await _read_feed(services, connector, cursor)


async def _read_feed(services: Services, connector: FeedsChanges, cursor: str | None) -> int:
    start = min(services.channel.created_at, services.clock.business_now() - START_MARGIN)
    rung = 0
    while True:
        page = await connector.changes_since(cursor, start=start)

        rung += await _keep_news(services, page)
        cursor = page.cursor
        if page.end:
            break
    services.metrics.count("deskbridge_rings_repaired_total", amount=rung)
    await _read_the_quiet(services)
    return rung


async def _read_the_quiet(services: Services) -> None:
    """A feed that names tickets alone shows our write, and not what an agent wrote just before it: tickets that were
    not read since are read once they are quiet, so that a lost ring costs minutes and never a reply."""
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> None:
        before = moment.business - QUIET
        for ticket_id, remote_id in conversations.find_unread(
            connection, channel_id=services.channel.id, before=before, limit=READ_AT_ONCE
        ):
            merges.ring(connection, services, ticket_id=remote_id, moment=moment)
            # Not again before as long: the reading itself takes it off.
            conversations.set_unread(connection, ticket_id, moment.business)

    await services.database.write(unit)


async def _keep_news(services: Services, page: ChangePage) -> int:
    """What the page tells and we do not know becomes rings, in one transaction with the page's cursor."""
    news = await services.database.read(
        lambda connection: [change for change in page.changes if _is_news(connection, services, change)]
    )
    moment = Moment.take(services.clock)
    rows = inbox.rows_of(
        [ring_item(services, ticket_id=change.ticket_id, comment_id=change.comment_id) for change in news],
        vault=services.vault,
        received_at=moment.business,
    )

    def unit(connection: Connection) -> int:
        channels.save_feed(connection, channel_id=services.channel.id, cursor=page.cursor, real_now=moment.real)
        return inbox.insert_rows(connection, rows)

    return await services.database.write(unit)


def _is_news(connection: Connection, services: Services, change: Change) -> bool:
    if change.key is not None:
        return False  # our own write
    if change.comment_id is not None and conversations.knows_comment(
        connection, channel_id=services.channel.id, remote_id=change.comment_id
    ):
        return False
    ticket = conversations.find_ticket(connection, channel_id=services.channel.id, remote_id=change.ticket_id)
    return ticket is not None and not _is_explained(connection, ticket, change)


def _is_explained(connection: Connection, ticket: Ticket, change: Change) -> bool:
    """Whether a change that names no comment is what we know already: our own last write, mostly.

    What an agent wrote before it, and whose ring was lost, is found once the ticket is quiet.
    """
    if change.changed_at is None:
        return False
    newest_at, not_ours_at = conversations.newest_comments(connection, ticket.id)
    is_put_aside = change.status is not None and change.status not in OPEN and ticket.status in OPEN
    is_answered = change.staff_wrote_at is not None and change.staff_wrote_at > not_ours_at
    return change.changed_at <= newest_at and not is_put_aside and not is_answered
