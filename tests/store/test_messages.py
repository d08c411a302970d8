"""What is kept of a message, and how statuses reach it, many at a time."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, select

from bridge.domain.model import MessageStatus
from bridge.store import messages
from bridge.store.crypto import Vault
from bridge.store.database import Database
from bridge.store.messages import UNDELIVERED_AFTER, StatusChange
from bridge.store.tables import message
from tests.store.world import NOW, SECOND, channel_id, conversation

DAY_LATER = NOW + UNDELIVERED_AFTER


async def add(database: Database, vault: Vault, text: str = "hello") -> str:
    def unit(connection: Connection) -> str:
        current = conversation(connection, vault)
        message_id = messages.add_outbound(
            connection, vault, channel_id=current.channel_id, conversation_id=current.id, text=text, now=NOW
        )
        messages.start_sending(connection, message_id, now=NOW)
        return message_id

    return await database.write(unit)


async def accept(database: Database, vault: Vault, message_id: str, wamid: str) -> None:
    await database.write(lambda connection: messages.accept(connection, vault, message_id, wamid=wamid, now=NOW))


async def report(database: Database, vault: Vault, *changes: StatusChange) -> None:
    await database.write(lambda connection: messages.save_statuses(connection, vault, changes))


async def overdue(database: Database, *, now: datetime = DAY_LATER) -> list[str]:
    found = await database.read(lambda connection: messages.overdue(connection, shard=3, now=now, limit=9))
    return [message_id for message_id, _, _ in found]


async def status(database: Database, message_id: str) -> str:
    return await database.read(
        lambda connection: str(connection.execute(select(message.c.status).where(message.c.id == message_id)).scalar())
    )


async def test_message_of_a_customer_is_kept_once(database: Database, vault: Vault) -> None:
    def unit(connection: Connection) -> str | None:
        current = conversation(connection, vault)
        return messages.add_inbound(
            connection,
            vault,
            channel_id=current.channel_id,
            conversation_id=current.id,
            wamid="wamid.IN1",
            kind="text",
            text="hello",
            sent_at=NOW,
            now=NOW,
        )

    first = await database.write(unit)
    assert first is not None
    assert await database.write(unit) is None
    assert await database.read(lambda connection: messages.load_text(connection, vault, first)) == "hello"


async def test_statuses_find_our_messages_by_key_and_by_wamid(database: Database, vault: Vault) -> None:
    by_key, by_wamid = await add(database, vault, "a"), await add(database, vault, "b")
    await accept(database, vault, by_wamid, "wamid.B")
    index = messages.wamid_index(vault, "wamid.B")
    found, ids = await database.write(
        lambda connection: messages.find_outbound(
            connection,
            message_ids=[by_key, "nobody"],
            wamid_indexes=[index, b"nobody"],
            channel_id=channel_id(connection),
        )
    )
    assert {known.id: (known.has_wamid, known.shard) for known in found.values()} == {
        by_key: (False, 3),
        by_wamid: (True, 3),
    }
    assert ids == {index: by_wamid}


async def test_many_statuses_are_saved_together_each_with_its_own(database: Database, vault: Vault) -> None:
    ids = [await add(database, vault, f"text {number}") for number in range(6)]
    chosen = [MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.FAILED] * 2
    await report(
        database, vault, *(StatusChange(one, status, NOW + SECOND) for one, status in zip(ids, chosen, strict=True))
    )
    assert [await status(database, one) for one in ids] == [one.value for one in chosen]


async def test_status_that_told_the_wamid_first_is_found_by_it_later(database: Database, vault: Vault) -> None:
    message_id = await add(database, vault)
    await report(database, vault, StatusChange(message_id, MessageStatus.SENT, NOW, wamid="wamid.X"))
    found, _ = await database.write(
        lambda connection: messages.find_outbound(
            connection,
            message_ids=[],
            wamid_indexes=[messages.wamid_index(vault, "wamid.X")],
            channel_id=channel_id(connection),
        )
    )
    assert list(found) == [message_id]


@pytest.mark.parametrize("ahead", [MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.FAILED])
async def test_answer_that_comes_after_a_status_takes_nothing_back(
    database: Database, vault: Vault, ahead: MessageStatus
) -> None:
    message_id = await add(database, vault)
    await report(database, vault, StatusChange(message_id, ahead, NOW, wamid="wamid.X"))
    await accept(database, vault, message_id, "wamid.X")
    assert await status(database, message_id) == ahead.value


async def test_accepted_message_is_overdue_after_a_day_and_told_once(database: Database, vault: Vault) -> None:
    message_id = await add(database, vault)
    await accept(database, vault, message_id, "wamid.X")
    assert await overdue(database, now=DAY_LATER - SECOND) == []
    assert await overdue(database) == [message_id]
    await database.write(lambda connection: messages.clear_deadline(connection, message_id))
    assert await overdue(database, now=DAY_LATER + timedelta(days=9)) == []


@pytest.mark.parametrize(
    ("reported", "still_overdue"),
    [
        (MessageStatus.SENT, True),
        (MessageStatus.FAILED, False),
        (MessageStatus.DELIVERED, False),
        (MessageStatus.READ, False),
    ],
)
async def test_message_is_overdue_unless_it_arrived_or_failed(
    database: Database, vault: Vault, reported: MessageStatus, still_overdue: bool
) -> None:
    message_id = await add(database, vault)
    await accept(database, vault, message_id, "wamid.X")
    await report(database, vault, StatusChange(message_id, reported, NOW))
    assert await overdue(database) == ([message_id] if still_overdue else [])


async def test_message_whose_status_came_before_the_answer_is_overdue_as_well(database: Database, vault: Vault) -> None:
    message_id = await add(database, vault)
    await report(database, vault, StatusChange(message_id, MessageStatus.SENT, NOW, wamid="wamid.X"))
    await accept(database, vault, message_id, "wamid.X")
    assert await overdue(database) == [message_id]


async def test_message_that_only_a_status_confirmed_is_overdue_as_well(database: Database, vault: Vault) -> None:
    message_id = await add(database, vault)
    await report(database, vault, StatusChange(message_id, MessageStatus.SENT, NOW, wamid="wamid.X"))
    assert await overdue(database) == [message_id]
