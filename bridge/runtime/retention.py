"""What is forgotten by itself? Contents after `DESKBRIDGE_KEEP_DAYS`; the skeletons of messages stay.

Little by little, in transactions of a few rows, by whoever asks the helpdesk for changes at that moment.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update
from ulid import ULID

from bridge.store import privacy
from bridge.store.crypto import Vault
from bridge.store.insert_once import insert_once
from bridge.store.tables import progress

AT_ONCE = 200
PURGED = "purged messages"


def run(connection: Connection, vault: Vault, *, keep_for: timedelta, real_now: datetime) -> int:
    """Purge a few. Returns how many messages were emptied. Ids are made by real time, so that counts."""
    oldest = real_now - keep_for
    insert_once(connection, progress, {"name": PURGED, "reached": ""}, unique=(progress.c.name,))
    reached = connection.execute(select(progress.c.reached).where(progress.c.name == PURGED)).scalar_one()
    count, now_reached = privacy.purge_content(
        connection, vault, before=str(ULID.from_datetime(oldest)), after=reached, limit=AT_ONCE
    )
    if now_reached != reached:
        connection.execute(update(progress).where(progress.c.name == PURGED).values(reached=now_reached))
    privacy.prune_comments(connection, before=oldest, limit=AT_ONCE)
    return count
