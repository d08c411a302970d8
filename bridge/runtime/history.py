"""The history of a number that lives in the WhatsApp Business app too, on request: kept webhooks become one note a
customer, on the ticket that is open or on a new one. Nothing of it opens a window, and nothing is told twice."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Connection

from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.domain.notes import at
from bridge.domain.text import split_message
from bridge.runtime import wiring
from bridge.runtime.apply import add_note
from bridge.runtime.services import Moment, Services
from bridge.runtime.settings import Settings
from bridge.runtime.wiring import Store
from bridge.store import contacts, conversations, inbox, messages
from bridge.store.inbox import InboxEntry
from bridge.store.leases import Lease
from bridge.whatsapp.history import FIELD, PastThread, threads_of

NOTE_UNITS = 9_000
ROWS_AT_ONCE = 200
MESSAGES_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Imported:
    """What a request found that was not imported before."""

    threads: int
    events: int


def request(settings: Settings) -> Imported:
    """Put every thread of the kept history webhooks into the inbox, once each. Raises `StoreUnavailable`."""
    from bridge.runtime.operations import ring  # of the command line alone

    with wiring.open_store(settings) as store:
        items = list(_items(store))
        rows = inbox.rows_of(items, vault=store.vault, received_at=store.clock.business_now())
        added = store.database.write_now(lambda connection: inbox.insert_rows(connection, rows))
    asyncio.run(ring(settings))
    return Imported(len({item.shard_key for item in items}) if added else 0, added)


def _items(store: Store) -> Iterator[InboxItem]:
    """A piece of a thread each, by its messages' ids: chunks that repeat make the same pieces."""
    threads: dict[tuple[str, str], dict[str, Any]] = {}
    metadata: dict[str, Any] = {}
    for entry, item in _kept(store):
        metadata[entry.channel] = item.get("metadata")
        for thread_id, said in threads_of(item):
            known = threads.setdefault((entry.channel, thread_id), {})
            known.update({str(message.get("id")): message for message in said})
    for (channel, thread_id), by_id in threads.items():
        ordered = sorted(by_id.values(), key=lambda message: str(message.get("timestamp")))
        for start in range(0, len(ordered), MESSAGES_AT_ONCE):
            piece = ordered[start : start + MESSAGES_AT_ONCE]
            ids = orjson.dumps([message.get("id") for message in piece])
            body = {"metadata": metadata[channel], "thread": {"id": thread_id, "messages": piece}}
            yield InboxItem(
                kind=InboxKind.HISTORY,
                channel=channel,
                event_key=f"history:{channel}:{thread_id}:{hashlib.sha256(ids).hexdigest()}",
                shard_key=thread_id,
                body=orjson.dumps(body),
                position=start,
            )


def _kept(store: Store) -> Iterator[tuple[InboxEntry, dict[str, Any]]]:
    after = ""
    while entries := store.database.read_now(
        partial(inbox.load_changes, vault=store.vault, after=after, limit=ROWS_AT_ONCE)
    ):
        for entry in entries:
            item = orjson.loads(entry.body) if entry.body is not None else None
            if isinstance(item, dict) and item.get("field") == FIELD:
                yield entry, item
        after = entries[-1].id


async def take(services: Services, lease: Lease, entry: InboxEntry, thread: PastThread) -> bool:
    """True: effects were made, or the event went to the shard of its contact."""
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> bool:
        owner = contacts.find_or_create(
            connection, services.vault, thread.customer, shard=lease.shard, now=moment.business
        )
        if owner.shard != lease.shard:
            inbox.rehome(connection, [entry.id], shard=owner.shard)
            return True
        current = conversations.load_or_create(
            connection, contact_id=owner.id, channel_id=services.channel.id, shard=owner.shard, now=moment.business
        )
        lines = []
        for past in thread.messages:
            message_id = messages.add_inbound(
                connection,
                services.vault,
                channel_id=current.channel_id,
                conversation_id=current.id,
                wamid=past.wamid,
                kind="history",
                text=past.text,
                sent_at=past.sent_at,
                now=moment.business,
                direction="out" if past.is_ours else "in",
                status="sent" if past.is_ours else "received",
            )
            if message_id is not None:
                lines.append(f"{at(past.sent_at)} {'We' if past.is_ours else 'The customer'}: {past.text}")
        for part in split_message("\n".join(lines), limit=NOTE_UNITS):
            text = f"[From the history of the WhatsApp Business app]\n{part}"
            add_note(connection, services, current, text, ticket_id=None, moment=moment)
        conversations.save(connection, current)
        inbox.finish(connection, [entry.id])
        return bool(lines)

    return await services.commit(lease, unit)
