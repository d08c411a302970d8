"""What the tests of the store put in place."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert

from bridge.domain.model import Bsuid, Sender, WaId
from bridge.store import channels, contacts, conversations
from bridge.store.conversations import Conversation
from bridge.store.crypto import Vault
from bridge.store.tables import SHARDS, shard

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PHONE_NUMBER_ID = "990011223344556"


def seed(connection: Connection) -> str:
    """Shards and a channel, whose id is returned."""
    connection.execute(
        insert(shard), [{"id": number, "fence": 0, "holder": None, "expires_at": NOW} for number in range(SHARDS)]
    )
    return channel_id(connection)


def channel_id(connection: Connection) -> str:
    made = channels.ensure_channel(
        connection, helpdesk="zendesk", phone_number_id=PHONE_NUMBER_ID, waba_id="104857600000001", now=NOW
    )
    return made.id


def sender(bsuid: str | None = None, wa_id: str | None = None, name: str | None = None) -> Sender:
    return Sender(Bsuid(bsuid) if bsuid else None, WaId(wa_id) if wa_id else None, name)


def conversation(connection: Connection, vault: Vault, *, wa_id: str = "351910000111", shard: int = 3) -> Conversation:
    owner = contacts.find_or_create(connection, vault, sender(wa_id=wa_id), shard=shard, now=NOW)
    return conversations.load_or_create(
        connection, contact_id=owner.id, channel_id=channel_id(connection), shard=owner.shard, now=NOW
    )
