"""Our own row ids: ULIDs, so they sort by time and name nobody."""

import hashlib

from ulid import ULID

from bridge.store.tables import SHARDS

MESSAGE_KEY_PREFIX = "db1:"


def new_id() -> str:
    return str(ULID())


def shard_of(text: str) -> int:
    """The shard that a text falls on. A key of our own (`db1:<shard>:<id>`) names its shard."""
    if text.startswith(MESSAGE_KEY_PREFIX):
        named = text[len(MESSAGE_KEY_PREFIX) :].partition(":")[0]
        if named.isascii() and named.isdigit() and int(named) < SHARDS:
            return int(named)
    return hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=2).digest()[0] % SHARDS


def message_key(*, shard: int, message_id: str) -> str:
    """What an outbound message carries as `biz_opaque_callback_data`."""
    return f"{MESSAGE_KEY_PREFIX}{shard}:{message_id}"


def message_id_of(key: str) -> str | None:
    """The message that a key names, or None when it is not one of ours."""
    prefix, _, rest = key.partition(":")
    _, _, message_id = rest.partition(":")
    return message_id if prefix == "db1" and len(message_id) == 26 and message_id.isalnum() else None
