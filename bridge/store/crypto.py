"""What does a stranger read in our files? Nothing: AES-256-GCM bound to its place, and keyed hashes for looking up.

A sealed value is `version (1) | key id (4) | nonce (12) | ciphertext + tag`. Its place (table, column, row) is
authenticated, so a value moved elsewhere does not open. The blind-index key is random and wrapped by the newest master
key: rotation wraps it anew and every hash stays what it was.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bridge.store.database import StoreUnavailable

VERSION = b"\x01"
NONCE_BYTES = 12
KEY_BYTES = 32
INDEX_PLACE = "keyring.wrapped:blind_index"


class CannotDecrypt(Exception):
    """The value was altered or moved: its own key does not open it."""


class UnknownKey(StoreUnavailable):
    """The value is sealed under a master key that this process does not have (yet). It opens once it does: nothing is
    lost, and what needs it is tried again later."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the database holds values under the encryption key {key}, which is not configured here: "
            "add that key to DESKBRIDGE_ENCRYPTION_KEYS (or to the file encryption-keys in the data dir)"
        )
        self.key = key


def key_id(key: bytes) -> bytes:
    """Four bytes that name a key and tell nothing of it."""
    return hashlib.sha256(b"deskbridge key id" + key).digest()[:4]


def key_name(identifier: bytes) -> str:
    """How people read a key's id. Never a long number, which a log line would not show."""
    text = identifier.hex()
    return f"{text[:4]}_{text[4:]}"


def key_of(sealed: bytes) -> str:
    """The name of the key that a value is sealed under."""
    return key_name(sealed[1:5])


class MasterKeys:
    """The configured keys, newest first: the first one seals, any of them opens."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError("encryption keys are 32 bytes each, and there is at least one")
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self.newest_id = key_id(keys[0])
        self._newest = self._ciphers[self.newest_id]
        self.names = tuple(key_name(identifier) for identifier in self._ciphers)
        """Newest first."""

    def seal(self, plain: bytes, *, place: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return VERSION + self.newest_id + nonce + self._newest.encrypt(nonce, plain, place.encode())

    def unseal(self, sealed: bytes, *, place: str) -> bytes:
        """Raises `CannotDecrypt` and `UnknownKey`."""
        if sealed[:1] != VERSION or len(sealed) < 5:
            raise CannotDecrypt("a value was altered")
        cipher = self._ciphers.get(sealed[1:5])
        if cipher is None:
            raise UnknownKey(key_of(sealed))
        try:
            return cipher.decrypt(sealed[5 : 5 + NONCE_BYTES], sealed[5 + NONCE_BYTES :], place.encode())
        except (InvalidTag, ValueError):
            raise CannotDecrypt("a value was altered or moved") from None

    def reseal(self, sealed: bytes, *, place: str) -> bytes:
        """The same content under the newest key. Raises `CannotDecrypt` and `UnknownKey`."""
        return self.seal(self.unseal(sealed, place=place), place=place)


class Vault:
    """Seals values for their place and hashes values for look-up."""

    def __init__(self, keys: MasterKeys, *, index_key: bytes) -> None:
        self.keys = keys
        self._index_key = index_key

    @classmethod
    def unwrap(cls, keys: MasterKeys, wrapped_index_key: bytes) -> "Vault":
        return cls(keys, index_key=keys.unseal(wrapped_index_key, place=INDEX_PLACE))

    def seal(self, plain: bytes, place: str, row_id: str) -> bytes:
        """`place` is `table.column`."""
        return self.keys.seal(plain, place=f"{place}:{row_id}")

    def unseal(self, sealed: bytes, place: str, row_id: str) -> bytes:
        return self.keys.unseal(sealed, place=f"{place}:{row_id}")

    def seal_text(self, plain: str, place: str, row_id: str) -> bytes:
        return self.seal(plain.encode("utf-8", "surrogatepass"), place, row_id)

    def unseal_text(self, sealed: bytes, place: str, row_id: str) -> str:
        return self.unseal(sealed, place, row_id).decode("utf-8", "surrogatepass")

    def index(self, kind: str, value: str) -> bytes:
        """A keyed hash: equal values of a kind have equal hashes, and nobody without the key can tell which."""
        text = f"{kind}\x00{value}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._index_key, text, "sha256")


def new_wrapped_index_key(keys: MasterKeys) -> bytes:
    return keys.seal(os.urandom(KEY_BYTES), place=INDEX_PLACE)


def rewrap_index_key(keys: MasterKeys, wrapped: bytes) -> bytes:
    """The same blind-index key under the newest master key."""
    return keys.reseal(wrapped, place=INDEX_PLACE)
