"""Does the urgent leave first, in the order of its conversation, and is what is parked out of the way?"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from bridge.domain.meta_limits import Urgency
from bridge.store import conversations, limits, messages, outbox
from bridge.store.conversations import Conversation
from bridge.store.crypto import Vault
from bridge.store.database import Database
from bridge.store.tables import SHARDS, EffectKind, EffectState, Lane
from tests.store.world import NOW, SECOND, conversation

DAY = timedelta(days=1)


class Queue:
    def __init__(self, database: Database, vault: Vault) -> None:
        self.database = database
        self.vault = vault

    def run(self, unit: Callable[[Connection], object]) -> object:
        return self.database.write_now(unit)

    def talk(self, wa_id: str) -> Conversation:
        return self.database.write_now(lambda connection: conversation(connection, self.vault, wa_id=wa_id))

    def add(self, current: Conversation, urgency: Urgency) -> str:
        def unit(connection: Connection) -> str:
            loaded = conversations.load(connection, current.id)
            message_id = messages.add_outbound(
                connection,
                self.vault,
                channel_id=loaded.channel_id,
                conversation_id=loaded.id,
                text="Hello",
                now=NOW,
            )
            added = outbox.add(
                connection,
                self.vault,
                conversation_id=loaded.id,
                shard=loaded.shard,
                lane=Lane.WHATSAPP,
                seq=loaded.take_seq(),
                kind=EffectKind.SEND_TEXT,
                now=NOW,
                message_id=message_id,
                urgency=urgency,
            )
            conversations.save(connection, loaded)
            return added

        return self.database.write_now(unit)

    def due(self, urgency: Urgency) -> list[str]:
        return [
            lane.conversation_id
            for lane in self.database.read_now(
                lambda connection: outbox.due_lanes(
                    connection,
                    shards=range(SHARDS),
                    lane=Lane.WHATSAPP,
                    now=NOW,
                    real_now=NOW,
                    limit=10,
                    urgency=urgency,
                )
            )
        ]


@pytest.fixture
def queue(database: Database, vault: Vault) -> Queue:
    return Queue(database, vault)


def test_lanes_are_found_by_the_urgency_of_their_heads(queue: Queue) -> None:
    one, two = queue.talk("351910000001"), queue.talk("351910000002")
    queue.add(one, Urgency.MARKETING)
    queue.add(two, Urgency.REPLY)
    assert queue.due(Urgency.MARKETING) == [one.id]
    assert queue.due(Urgency.TRANSACTION) == []
    assert queue.due(Urgency.REPLY) == [two.id]


def test_what_stands_before_a_reply_becomes_as_urgent_as_it_is(queue: Queue) -> None:
    one = queue.talk("351910000001")
    queue.add(one, Urgency.MARKETING)
    queue.add(one, Urgency.MARKETING)
    queue.add(one, Urgency.REPLY)
    assert queue.due(Urgency.REPLY) == [one.id]
    assert queue.due(Urgency.MARKETING) == []


def test_parked_is_found_by_nobody_until_it_is_called_or_its_customer_writes(queue: Queue) -> None:
    one, two, three = (queue.talk(f"35191000000{number}") for number in range(3))
    first, second, third = (queue.add(current, Urgency.MARKETING) for current in (one, two, three))
    for effect_id in (first, second, third):
        queue.run(lambda connection, row=effect_id: outbox.park(connection, row, code="waits for limit: tier"))
    assert queue.due(Urgency.MARKETING) == []
    assert queue.database.read_now(limits.parked_sends) == 3
    assert queue.database.read_now(limits.waiting_sends)[Urgency.MARKETING] == 3
    assert queue.run(lambda connection: outbox.unpark(connection, limit=1, now=NOW)) == 1
    assert queue.due(Urgency.MARKETING) == [one.id]
    queue.run(lambda connection: outbox.release_held(connection, three.id, now=NOW))
    assert set(queue.due(Urgency.MARKETING)) == {one.id, three.id}
    early = NOW - SECOND
    assert queue.run(lambda connection: outbox.unpark(connection, limit=9, now=NOW, created_before=early)) == 0
    assert queue.run(lambda connection: outbox.unpark(connection, limit=9, now=NOW, created_before=NOW)) == 1


def test_who_counts_towards_the_limit_is_read_back_from_what_was_sent(queue: Queue) -> None:
    one, two = queue.talk("351910000001"), queue.talk("351910000002")
    sent = [queue.add(current, Urgency.MARKETING) for current in (one, one, two)]

    def send(connection: Connection) -> None:
        for effect_id, at in zip(sent, (NOW - 2 * DAY, NOW - SECOND, NOW), strict=True):
            message_id = outbox.load(connection, queue.vault, effect_id).message_id
            assert message_id is not None
            messages.start_sending(connection, message_id, now=at, counts=True)
        refused = outbox.load(connection, queue.vault, sent[2]).message_id
        assert refused is not None
        messages.was_not_sent(connection, refused)

    queue.run(send)
    found = queue.database.read_now(lambda connection: messages.people_counted(connection, since=NOW - DAY))
    assert found == [(one.contact_id, NOW - SECOND)]


def test_late_reply_is_found_once_and_marketing_never(queue: Queue) -> None:
    one, two = queue.talk("351910000001"), queue.talk("351910000002")
    late = queue.add(one, Urgency.REPLY)
    queue.add(two, Urgency.MARKETING)

    def look(connection: Connection) -> list[str]:
        found = outbox.load_late_replies(connection, queue.vault, shard=one.shard, since=NOW, limit=9)
        return [record.id for record in found]

    assert queue.database.read_now(look) == [late]
    queue.run(lambda connection: outbox.mark_told(connection, late, "waits for long"))
    assert queue.database.read_now(look) == []
    assert queue.database.read_now(lambda c: outbox.load(c, queue.vault, late)).state is EffectState.READY
