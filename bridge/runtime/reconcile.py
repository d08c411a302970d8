"""What did the helpdesk's webhooks fail to tell? Its change feed is asked now and then; what is new becomes a ring."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection

from bridge.runtime.merges import ring_item
from bridge.runtime.services import Services
from bridge.store import channels, conversations, inbox
from connectors.interface import Change, FeedsChanges

KEPT_FOR = timedelta(days=14)
"""How long a finished event is remembered, twice as long as Meta may repeat it (fact sheet WhatsApp 1.3)."""
PRUNE_AT_ONCE = 5_000
START_MARGIN = timedelta(minutes=2)
"""An export may refuse to start in its own last minute (fact sheet Zendesk 6)."""


async def run_if_due(services: Services) -> int:
    """Ask when the interval is over, in one process at a time. Returns how many tickets must be looked at.

    Raises any `RemoteFailure` of the asking; what was found until then is kept.
    """
    connector = services.connector
    if not isinstance(connector, FeedsChanges):
        return 0
    real_now = services.clock.real_now()
    due = await services.database.read(
        lambda connection: channels.is_feed_due(
            connection, channel_id=services.channel.id, every=services.reconcile_every, real_now=real_now
        )
    )
    if not due:
        return 0
    claimed, cursor = await services.database.write(
        lambda connection: channels.claim_feed(
            connection, channel_id=services.channel.id, every=services.reconcile_every, real_now=real_now
        )
    )
    if not claimed:
        return 0
    await services.database.write(
        lambda connection: inbox.prune(connection, before=services.clock.business_now() - KEPT_FOR, limit=PRUNE_AT_ONCE)
    )
    return await _read_feed(services, connector, cursor)


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

        def unit(connection: Connection, changes: Sequence[Change] = page.changes, cursor: str = page.cursor) -> int:
            items = [
                ring_item(services, ticket_id=change.ticket_id, comment_id=change.comment_id)
                for change in changes
                if _is_news(connection, services, change)
            ]
            rows = inbox.rows_of(items, vault=services.vault, received_at=services.clock.business_now())
            channels.save_feed(
                connection, channel_id=services.channel.id, cursor=cursor, real_now=services.clock.real_now()
            )
            return inbox.insert_rows(connection, rows)

        rung += await services.database.write(unit)
        cursor = page.cursor
        if page.end:
            break
    services.metrics.count("deskbridge_rings_repaired_total", amount=rung)
    return rung


def _is_news(connection: Connection, services: Services, change: Change) -> bool:
    if change.key is not None:
        return False  # our own write
    if change.comment_id is not None and conversations.knows_comment(
        connection, channel_id=services.channel.id, remote_id=change.comment_id
    ):
        return False
    return conversations.find_ticket(connection, channel_id=services.channel.id, remote_id=change.ticket_id) is not None
