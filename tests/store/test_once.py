"""What must have its effects once: does the second time say that it was second, on both databases?"""

from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from bridge.store import channels, contacts, conversations
from bridge.store.crypto import Vault
from bridge.store.database import Database
from tests.store.world import NOW, channel_id, conversation


async def test_comment_is_new_once(database: Database, vault: Vault) -> None:
    """Else a reply would be sent again whenever its ticket is read."""

    def ticket(connection: Connection) -> tuple[str, str]:
        current = conversation(connection, vault)
        made = conversations.add_ticket(connection, current, remote_id="7", status="open", read_since_at=NOW, now=NOW)
        conversations.save(connection, current)
        return current.channel_id, made

    channel, ticket_id = await database.write(ticket)
    add = partial(
        conversations.add_comment, channel_id=channel, ticket_id=ticket_id, remote_id="1", role="reply", now=NOW
    )
    assert [await database.write(add) for _ in range(3)] == [True, False, False]
    assert await database.read(partial(conversations.knows_comment, channel_id=channel, remote_id="1"))


async def test_gate_is_closed_and_alarmed_once(database: Database) -> None:
    channel = await database.write(channel_id)
    close = partial(
        channels.close_gate,
        channel_id=channel,
        scope="whatsapp",
        code="190",
        action="renew the token",
        by_status=False,
        real_now=NOW,
    )
    assert [await database.write(close) for _ in range(3)] == [True, False, False]


async def test_feed_is_asked_by_one_at_a_time(database: Database, other: Database) -> None:
    channel = await database.write(channel_id)
    claim = partial(channels.claim_feed, channel_id=channel, every=timedelta(minutes=2), real_now=NOW)
    assert [(await chosen.write(claim))[0] for chosen in (database, other)] == [True, False]


async def test_probe_of_a_closed_gate_is_one_at_a_time(database: Database) -> None:
    channel = await database.write(channel_id)
    await database.write(
        partial(
            channels.close_gate,
            channel_id=channel,
            scope="whatsapp",
            code="190",
            action="renew the token",
            by_status=False,
            real_now=NOW,
        )
    )
    later = NOW + channels.PROBE_EVERY
    probe = partial(channels.claim_probe, channel_id=channel, scope="whatsapp")
    assert not await database.write(partial(probe, real_now=NOW))
    assert [await database.write(partial(probe, real_now=later)) for _ in range(2)] == [True, False]


async def test_id_of_somebody_else_is_not_learnt_and_says_that_the_two_are_one(
    database: Database, vault: Vault
) -> None:
    one = await database.write(lambda connection: conversation(connection, vault))
    two = await database.write(lambda connection: conversation(connection, vault, wa_id="5491155550000"))

    def learn(connection: Connection, contact_id: str) -> bool:
        return contacts.learn(connection, vault, contact_id, bsuid="PT.1", now=NOW).merging

    assert not await database.write(partial(learn, contact_id=one.contact_id))
    assert await database.write(partial(learn, contact_id=two.contact_id))
