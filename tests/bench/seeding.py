"""Who is known before a measurement begins? Rows as the product would have left them, written in bulk.

Through the front door it would take minutes: that pace is what the bench measures.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from bridge.domain.meta_limits import Urgency
from bridge.runtime import wiring
from bridge.runtime.settings import load_settings
from bridge.runtime.wiring import Store
from bridge.store import contacts, messages, outbox
from bridge.store.ids import new_id, shard_of
from bridge.store.tables import (
    EPOCH,
    EffectKind,
    EffectState,
    Lane,
    contact,
    contact_identity,
    conversation,
    effect,
    message,
    ticket,
)
from tests.bench import people
from tests.bench.people import Population

AT_ONCE = 2_000
Row = dict[str, Any]


def seed(environ: Mapping[str, str], population: Population) -> None:
    """Known customers with an open ticket and an open window, and what was sent to them. The schema must be there."""
    settings = load_settings(environ)
    with wiring.open_store(settings) as store:
        channel_id = wiring.first_channel(settings, store).id
        now = store.clock.real_now() - timedelta(minutes=5)
        conversations = [new_id() for _ in range(population.customers)]
        for start in range(0, population.customers, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, population.customers))
            _write(store, _Customers(store, channel_id, conversations, population, now), numbers)
        for start in range(0, population.sent, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, population.sent))
            _write(store, _Sent(store, channel_id, conversations, now), numbers)


def seed_waiting(environ: Mapping[str, str], count: int, *, urgency: Urgency, first: int, customers: range) -> None:
    """So many messages that wait to leave, one for each of these customers in turn, marked by numbers from `first`."""
    settings = load_settings(environ)
    with wiring.open_store(settings) as store:
        channel_id = wiring.first_channel(settings, store).id
        conversations = store.database.read_now(
            lambda connection: [
                (row.id, row.shard)
                for row in connection.execute(
                    select(conversation.c.id, conversation.c.shard).order_by(conversation.c.id)
                )
            ]
        )[customers.start : customers.stop]
        for start in range(0, count, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, count))
            _write(store, _Waiting(store, channel_id, conversations, urgency, first), numbers)


class _Waiting:
    def __init__(
        self, store: Store, channel_id: str, conversations: list[tuple[str, int]], urgency: Urgency, first: int
    ) -> None:
        self._vault = store.vault
        self._channel_id = channel_id
        self._conversations = conversations
        self._urgency = urgency
        self._first = first
        self._now = store.clock.real_now()

    def __call__(self, numbers: range) -> dict[Table, list[Row]]:
        rows: dict[Table, list[Row]] = {message: [], effect: []}
        for number in numbers:
            turn, customer = divmod(number, len(self._conversations))
            conversation_id, shard = self._conversations[customer]
            message_id, effect_id = new_id(), new_id()
            said = f"Bom dia {people.mark(self._first + number)}"
            rows[message].append(
                {
                    "id": message_id,
                    "channel_id": self._channel_id,
                    "conversation_id": conversation_id,
                    "direction": "out",
                    "kind": "text",
                    "text": self._vault.seal_text(said, messages.TEXT, message_id),
                    "status": "queued",
                    "status_at": self._now,
                    "occurred_at": self._now,
                    "created_at": self._now,
                }
            )
            rows[effect].append(
                {
                    "id": effect_id,
                    "conversation_id": conversation_id,
                    "shard": shard,
                    "lane": Lane.WHATSAPP.value,
                    "urgency": self._urgency.value,
                    "seq": 1_000 + self._first % 1_000 + turn,
                    "kind": EffectKind.SEND_TEXT.value,
                    "state": EffectState.READY.value,
                    "payload": self._vault.seal_text("", outbox.PAYLOAD, effect_id),
                    "message_id": message_id,
                    "attempts": 0,
                    "failures": 0,
                    "refusals": 0,
                    "created_at": self._now,
                    "due_at": self._now,
                    "not_before_at": EPOCH,
                }
            )
        return rows


def _write(store: Store, rows_of: Callable[[range], dict[Table, list[Row]]], numbers: range) -> None:
    rows = rows_of(numbers)

    def unit(connection: Connection) -> None:
        for table, of_table in rows.items():
            connection.execute(insert(table), of_table)

    store.database.write_now(unit)


class _Customers:
    def __init__(
        self, store: Store, channel_id: str, conversations: list[str], population: Population, now: datetime
    ) -> None:
        self._vault = store.vault
        self._channel_id = channel_id
        self._conversations = conversations
        self._sent_each = population.sent // population.customers + 1
        self._now = now

    def __call__(self, numbers: range) -> dict[Table, list[Row]]:
        rows: dict[Table, list[Row]] = {
            contact: [],
            contact_identity: [],
            conversation: [],
            ticket: [],
        }
        for number in numbers:
            contact_id, ticket_id = new_id(), new_id()
            shard = shard_of(people.bsuid(number))
            rows[contact].append(
                {
                    "id": contact_id,
                    "shard": shard,
                    "name": self._vault.seal_text(f"Inês Duarte {number}", contacts.NAME, contact_id),
                    "created_at": self._now,
                }
            )
            for kind, value in (
                (contacts.BSUID_KIND, people.bsuid(number)),
                (contacts.WA_ID_KIND, people.wa_id(number)),
            ):
                row_id = new_id()
                rows[contact_identity].append(
                    {
                        "id": row_id,
                        "contact_id": contact_id,
                        "kind": kind,
                        "value_index": self._vault.index(kind, value),
                        "value": self._vault.seal_text(value, contacts.VALUE, row_id),
                        "last_seen_at": self._now,
                    }
                )
            rows[conversation].append(
                {
                    "id": self._conversations[number],
                    "contact_id": contact_id,
                    "channel_id": self._channel_id,
                    "shard": shard,
                    "version": 1,
                    "next_seq": self._sent_each + 1,
                    "requester_id": str(people.requester_id(number)),
                    "ticket_id": ticket_id,
                    "last_inbound_at": self._now,
                    "posted_until_at": self._now,
                    "created_at": self._now,
                }
            )
            rows[ticket].append(
                {
                    "id": ticket_id,
                    "channel_id": self._channel_id,
                    "conversation_id": self._conversations[number],
                    "remote_id": str(people.ticket_id(number)),
                    "status": "open",
                    "read_since_at": self._now,
                    "next_post_at": EPOCH,
                    "created_at": self._now,
                }
            )
        return rows


class _Sent:
    def __init__(self, store: Store, channel_id: str, conversations: list[str], now: datetime) -> None:
        self._vault = store.vault
        self._channel_id = channel_id
        self._conversations = conversations
        self._now = now

    def __call__(self, numbers: range) -> dict[Table, list[Row]]:
        rows: dict[Table, list[Row]] = {message: [], effect: []}
        for number in numbers:
            turn, customer = divmod(number, len(self._conversations))
            message_id, effect_id = people.sent_message_id(number), new_id()
            wamid = people.sent_wamid(number, customer=customer)
            rows[message].append(
                {
                    "id": message_id,
                    "channel_id": self._channel_id,
                    "conversation_id": self._conversations[customer],
                    "direction": "out",
                    "kind": "text",
                    "wamid_index": messages.wamid_index(self._vault, wamid),
                    "wamid": self._vault.seal_text(wamid, messages.WAMID, message_id),
                    "text": self._vault.seal_text(
                        f"Bom dia, a encomenda {number} chega amanhã.", messages.TEXT, message_id
                    ),
                    "status": "accepted",
                    "status_at": self._now,
                    "occurred_at": self._now,
                    "deadline_at": self._now + messages.UNDELIVERED_AFTER,
                    "created_at": self._now,
                }
            )
            rows[effect].append(
                {
                    "id": effect_id,
                    "conversation_id": self._conversations[customer],
                    "shard": shard_of(people.bsuid(customer)),
                    "lane": Lane.WHATSAPP.value,
                    "seq": turn + 1,
                    "kind": EffectKind.SEND_TEXT.value,
                    "state": EffectState.DONE.value,
                    "payload": self._vault.seal_text("", outbox.PAYLOAD, effect_id),
                    "message_id": message_id,
                    "attempts": 1,
                    "failures": 0,
                    "refusals": 0,
                    "created_at": self._now,
                    "due_at": self._now,
                    "not_before_at": EPOCH,
                    "started_at": self._now,
                }
            )
        return rows
