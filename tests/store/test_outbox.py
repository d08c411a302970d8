"""Lanes: one effect after the other, whatever becomes of each, and a place that is kept."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, insert

from bridge.store import conversations, messages, outbox
from bridge.store.conversations import Conversation
from bridge.store.crypto import Vault
from bridge.store.database import Database
from bridge.store.outbox import EffectRecord
from bridge.store.tables import EffectKind, EffectState, Lane, ticket
from tests.store.world import NOW, SECOND, conversation

SHARD = 3
TICKET = "01TICKET"


class Replies:
    """Replies of one conversation, each as an effect of the WhatsApp lane."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self.database = database
        self.vault = vault
        self.conversation_id = ""
        self.ids: dict[str, str] = {}

    async def add(
        self, *texts: str, held: bool = False, lane: Lane = Lane.WHATSAPP, wa_id: str = "351910000111"
    ) -> None:
        def unit(connection: Connection) -> None:
            current = conversation(connection, self.vault, wa_id=wa_id, shard=SHARD)
            self.conversation_id = current.id
            for text in texts:
                self.ids[text] = self._add(connection, current, text, held=held, lane=lane)
            conversations.save(connection, current)

        await self.database.write(unit)

    def _add(self, connection: Connection, current: Conversation, text: str, *, held: bool, lane: Lane) -> str:
        return outbox.add(
            connection,
            self.vault,
            conversation_id=current.id,
            shard=current.shard,
            lane=lane,
            seq=current.take_seq(),
            kind=EffectKind.SEND_TEXT,
            now=NOW,
            message_id=messages.add_outbound(
                connection,
                self.vault,
                channel_id=current.channel_id,
                conversation_id=current.id,
                text=text,
                now=NOW,
            ),
            payload=text,
            ticket_id=TICKET,
            held_until=NOW + timedelta(hours=72) if held else None,
        )

    def drop_held(self, connection: Connection, ticket_id: str = TICKET) -> int:
        return outbox.drop_held(connection, conversation_id=self.conversation_id, ticket_id=ticket_id)

    async def set(self, state: EffectState, *texts: str) -> None:
        ids = [self.ids[text] for text in texts]
        await self.database.write(lambda connection: outbox.set_state(connection, ids, state))

    async def head(self) -> str | None:
        def unit(connection: Connection) -> EffectRecord | None:
            return outbox.load_head(connection, self.vault, conversation_id=self.conversation_id, lane=Lane.WHATSAPP)

        found = await self.database.read(unit)
        return None if found is None else found.payload

    async def load(self, text: str) -> EffectRecord:
        return await self.database.read(lambda connection: outbox.load(connection, self.vault, self.ids[text]))

    async def is_due(self, *, now: datetime = NOW, real_now: datetime = NOW) -> bool:
        lanes = await self.database.read(
            lambda connection: outbox.due_lanes(
                connection, shards=[SHARD], lane=Lane.WHATSAPP, now=now, real_now=real_now, limit=9
            )
        )
        assert len(lanes) <= 1
        return bool(lanes)


@pytest.fixture
def replies(database: Database, vault: Vault) -> Replies:
    return Replies(database, vault)


async def test_first_that_still_stands_is_the_head(replies: Replies) -> None:
    await replies.add("a", "b", "c")
    assert await replies.head() == "a"
    for ended in (EffectState.DONE, EffectState.UNCONFIRMED):
        await replies.set(ended, "a")
        assert await replies.head() == "b"
    await replies.set(EffectState.FAILED, "b")
    await replies.set(EffectState.DROPPED, "c")
    assert await replies.head() is None


@pytest.mark.parametrize("state", [EffectState.PERFORMING, EffectState.HELD])
async def test_lane_waits_behind_what_is_performed_or_held(replies: Replies, state: EffectState) -> None:
    await replies.add("a", "b")
    assert await replies.is_due()
    await replies.set(state, "a")
    assert await replies.head() == "a"
    assert not await replies.is_due()


async def test_lane_waits_while_its_head_must(replies: Replies) -> None:
    await replies.add("a", "b")

    async def retry(**when: datetime) -> None:
        await replies.database.write(
            lambda connection: outbox.retry(
                connection,
                [replies.ids["a"]],
                state=EffectState.READY,
                code="later",
                due_at=when.get("due_at"),
                not_before_at=when.get("not_before_at"),
            )
        )

    await retry(due_at=NOW + SECOND)
    assert not await replies.is_due()
    assert await replies.is_due(now=NOW + SECOND)
    await retry(due_at=NOW, not_before_at=NOW + SECOND)
    assert not await replies.is_due(now=NOW + timedelta(days=9))
    assert await replies.is_due(real_now=NOW + SECOND)


async def test_lanes_of_one_conversation_do_not_wait_for_each_other(replies: Replies) -> None:
    await replies.add("note", lane=Lane.HELPDESK)
    await replies.add("a")
    await replies.set(EffectState.PERFORMING, "note")
    assert await replies.head() == "a"
    assert await replies.is_due()


async def test_lane_of_another_shard_is_not_shown(replies: Replies) -> None:
    await replies.add("a")
    lanes = await replies.database.read(
        lambda connection: outbox.due_lanes(
            connection, shards=[SHARD + 1], lane=Lane.WHATSAPP, now=NOW, real_now=NOW, limit=9
        )
    )
    assert lanes == []


async def test_held_replies_go_in_their_order_and_before_newer_ones(replies: Replies) -> None:
    await replies.add("a", "b", held=True)
    await replies.add("c")
    assert not await replies.is_due()
    released = await replies.database.write(
        lambda connection: outbox.release_held(connection, replies.conversation_id, now=NOW)
    )
    assert released == 2
    order = []
    while (text := await replies.head()) is not None:
        order.append(text)
        await replies.set(EffectState.DONE, text)
    assert order == ["a", "b", "c"]


async def test_dropped_holds_let_newer_replies_go(replies: Replies) -> None:
    await replies.add("a", held=True)
    await replies.add("b")
    assert await replies.database.write(replies.drop_held) == 1
    assert await replies.head() == "b"


async def test_hold_of_another_ticket_is_not_dropped(replies: Replies) -> None:
    await replies.add("a", held=True)
    dropped = await replies.database.write(lambda connection: replies.drop_held(connection, "another"))
    assert dropped == 0
    assert await replies.head() == "a"


async def test_hold_runs_out_at_its_time(replies: Replies) -> None:
    await replies.add("a", held=True)

    async def expired(after: timedelta) -> list[str]:
        found = await replies.database.read(
            lambda connection: outbox.load_expired_holds(
                connection, replies.vault, shard=SHARD, now=NOW + after, limit=9
            )
        )
        return [record.payload for record in found]

    assert await expired(timedelta(hours=72) - SECOND) == []
    assert await expired(timedelta(hours=72)) == ["a"]


async def test_resent_replies_take_their_old_place(replies: Replies) -> None:
    await replies.add("a", "b", "c", "d")
    await replies.set(EffectState.UNCONFIRMED, "a")
    await replies.set(EffectState.DONE, "b")
    await replies.set(EffectState.FAILED, "c")

    def resend(connection: Connection) -> list[str]:
        found = outbox.load_resendable(
            connection, replies.vault, conversation_id=replies.conversation_id, ticket_id=TICKET
        )
        for record in found:
            outbox.resend(connection, record.id, message_id=record.message_id or "", now=NOW, held_until=None)
        return [record.payload for record in found]

    assert await replies.database.write(resend) == ["a", "c"]
    order = []
    while (text := await replies.head()) is not None:
        order.append(text)
        await replies.set(EffectState.DONE, text)
    assert order == ["a", "c", "d"]


async def test_replies_of_another_ticket_are_not_resent(replies: Replies) -> None:
    await replies.add("a")
    await replies.set(EffectState.FAILED, "a")
    found = await replies.database.read(
        lambda connection: outbox.load_resendable(
            connection, replies.vault, conversation_id=replies.conversation_id, ticket_id="another"
        )
    )
    assert found == []


async def test_send_without_a_verdict_is_settled_behind_one_that_is_held(replies: Replies) -> None:
    await replies.add("first", held=True)
    await replies.add("second")
    assert not await replies.is_due()
    await replies.set(EffectState.UNKNOWN, "second")
    assert await replies.is_due()


@pytest.mark.parametrize(("status", "resendable"), [("closed", ["first"]), ("gone", ["first"]), ("open", [])])
async def test_replies_of_a_ticket_that_ended_are_sent_again_from_the_one_that_continues_it(
    replies: Replies, status: str, resendable: list[str]
) -> None:
    await replies.add("first")
    await replies.set(EffectState.UNCONFIRMED, "first")

    def unit(connection: Connection) -> list[str]:
        current = conversations.load(connection, replies.conversation_id)
        connection.execute(
            insert(ticket).values(
                id=TICKET,
                channel_id=current.channel_id,
                conversation_id=current.id,
                remote_id="1",
                status=status,
                read_since_at=NOW,
                next_post_at=NOW,
                created_at=NOW,
            )
        )
        found = outbox.load_resendable(connection, replies.vault, conversation_id=current.id, ticket_id="01ITSFOLLOWUP")
        return [record.payload for record in found]

    assert await replies.database.write(unit) == resendable


async def test_looking_up_one_lane_leaves_a_call_of_the_other_alone(replies: Replies) -> None:
    await replies.add("a send")
    await replies.add("a note", lane=Lane.HELPDESK)
    await replies.set(EffectState.PERFORMING, "a send", "a note")
    await replies.database.write(
        lambda connection: outbox.adopt_left_behind(
            connection,
            shard=SHARD,
            helpdesk_timeout=timedelta(0),
            of_lane=(replies.conversation_id, Lane.HELPDESK),
        )
    )
    assert (await replies.load("a send")).state is EffectState.PERFORMING
    assert (await replies.load("a note")).state is EffectState.UNKNOWN


@pytest.mark.parametrize(("lane", "pause"), [(Lane.WHATSAPP, 0), (Lane.HELPDESK, 60)])
async def test_what_a_dead_worker_was_doing_is_looked_up_once_its_call_must_have_ended(
    replies: Replies, lane: Lane, pause: int
) -> None:
    await replies.add("a", "b", lane=lane)
    await replies.database.write(
        lambda connection: outbox.mark_performing(connection, [replies.ids["a"]], real_now=NOW)
    )
    assert (await replies.load("a")).attempts == 1

    def adopt(connection: Connection) -> int:
        return outbox.adopt_left_behind(connection, shard=SHARD, helpdesk_timeout=timedelta(seconds=60))

    assert await replies.database.write(adopt) == 1
    adopted = await replies.load("a")
    assert adopted.state is EffectState.UNKNOWN
    assert adopted.not_before_at == NOW + pause * SECOND
    assert (await replies.load("b")).state is EffectState.READY
    assert await replies.database.write(adopt) == 0


async def test_frozen_request_comes_back_byte_for_byte_and_a_thawed_one_is_gone(replies: Replies) -> None:
    await replies.add("a", "b", "c", lane=Lane.HELPDESK)
    request = bytes(range(256))
    ids = [replies.ids["a"], replies.ids["b"]]
    await replies.database.write(
        lambda connection: outbox.freeze(connection, replies.vault, ids, request=request, real_now=NOW)
    )

    async def batch() -> tuple[list[str], bytes | None]:
        records, frozen = await replies.database.read(
            lambda connection: outbox.load_batch(connection, replies.vault, ids[0])
        )
        return [record.payload for record in records], frozen

    assert await batch() == (["a", "b"], request)
    await replies.database.write(lambda connection: outbox.thaw(connection, ids))
    assert await batch() == ([], None)
