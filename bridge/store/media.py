"""Files of WhatsApp's messages: which are to be fetched, which wait for the helpdesk, and what became of each."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from bridge.domain.model import MediaRef
from bridge.store.crypto import Vault
from bridge.store.ids import new_id
from bridge.store.tables import MediaState, conversation, media, message

SOURCE = "media.source"
RETRIED_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Media:
    """One file of a message. `gone_at`: when WhatsApp forgets it (business time); `wait_until_at` is real time."""

    id: str
    message_id: str
    kind: str
    source: MediaRef = field(repr=False)
    state: MediaState
    attempts: int
    wait_until_at: datetime
    gone_at: datetime
    file_id: str | None
    reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DueMedia:
    """A file that may be fetched now."""

    id: str
    conversation_id: str
    shard: int


def add(
    connection: Connection,
    vault: Vault,
    *,
    message_id: str,
    refs: Sequence[MediaRef],
    now: datetime,
    wait_until_at: datetime,
    gone_at: datetime,
) -> None:
    """The files of a message, to be fetched at once."""
    for position, ref in enumerate(refs):
        row_id = new_id()
        connection.execute(
            insert(media).values(
                id=row_id,
                message_id=message_id,
                position=position,
                kind=ref.kind,
                source=vault.seal(json.dumps(asdict(ref)).encode(), SOURCE, row_id),
                state=MediaState.WAITING.value,
                due_at=now,
                wait_until_at=wait_until_at,
                gone_at=gone_at,
                attempts=0,
                created_at=now,
            )
        )


def _media(row: Any, vault: Vault) -> Media:
    return Media(
        id=row.id,
        message_id=row.message_id,
        kind=row.kind,
        source=MediaRef(**json.loads(vault.unseal(row.source, SOURCE, row.id))),
        state=MediaState(row.state),
        attempts=row.attempts,
        wait_until_at=row.wait_until_at,
        gone_at=row.gone_at,
        file_id=row.file_id,
        reason=row.reason,
        created_at=row.created_at,
    )


_DUE = (
    select(media.c.id, message.c.conversation_id, conversation.c.shard)
    .join(message, message.c.id == media.c.message_id)
    .join(conversation, conversation.c.id == message.c.conversation_id)
    .where(
        media.c.state == MediaState.WAITING.value,
        media.c.due_at <= bindparam("now"),
        conversation.c.shard.in_(bindparam("shards", expanding=True)),
    )
    .order_by(media.c.due_at, media.c.id)
    .limit(bindparam("limit"))
)


def load_due(connection: Connection, *, shards: Sequence[int], now: datetime, limit: int) -> list[DueMedia]:
    """Files that may be fetched now, those that wait longest first."""
    rows = connection.execute(_DUE, {"shards": shards, "now": now, "limit": limit})
    return [DueMedia(row.id, row.conversation_id, row.shard) for row in rows]


def load(connection: Connection, vault: Vault, media_id: str) -> Media | None:
    row = connection.execute(select(media).where(media.c.id == media_id)).one_or_none()
    return None if row is None else _media(row, vault)


def load_of_messages(connection: Connection, vault: Vault, message_ids: Iterable[str]) -> Mapping[str, Sequence[Media]]:
    """The files of these messages, in their order; messages without any are left out."""
    rows = connection.execute(_OF_MESSAGES, {"ids": list(message_ids)})
    found: dict[str, list[Media]] = {}
    for row in rows:
        found.setdefault(row.message_id, []).append(_media(row, vault))
    return found


_OF_MESSAGES = (
    select(media).where(media.c.message_id.in_(bindparam("ids", expanding=True))).order_by(media.c.position, media.c.id)
)
_CHANGE = update(media).where(media.c.id == bindparam("row"))


def set_state(connection: Connection, media_ids: Iterable[str], state: MediaState, **values: object) -> None:
    """`values`: further columns (`file_id`, `due_at`, `attempts`, `reason` …)."""
    for media_id in media_ids:
        connection.execute(_CHANGE, {"row": media_id, "state": state.value, **values})


def move(connection: Connection, media_id: str, *, message_id: str) -> None:
    """The file belongs to another message from here on: the one that brings it later."""
    connection.execute(_CHANGE, {"row": media_id, "message_id": message_id})


_LOST = (
    select(media.c.id, media.c.gone_at)
    .join(message, message.c.id == media.c.message_id)
    .where(
        message.c.conversation_id == bindparam("conversation_id"),
        media.c.state == MediaState.LOST.value,
        media.c.reason.is_distinct_from("empty"),
    )
)


def count_lost(connection: Connection, conversation_id: str) -> int:
    """Files of a conversation that WhatsApp did not give out, and that nobody fetches any more."""
    return len(connection.execute(_LOST, {"conversation_id": conversation_id}).all())


def retry_lost(connection: Connection, conversation_id: str, *, now: datetime) -> None:
    """All of those are fetched again, for an hour at least: WhatsApp may keep them longer than it says."""
    for row in connection.execute(_LOST, {"conversation_id": conversation_id}).all():
        gone_at = max(row.gone_at, now + RETRIED_FOR)
        set_state(connection, [row.id], MediaState.WAITING, due_at=now, attempts=0, reason=None, gone_at=gone_at)
