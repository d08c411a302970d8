"""Where do the encryption keys and the admin token come from? From the settings, else made once in the data dir."""

import base64
import binascii
import os
import secrets
from collections.abc import Callable
from pathlib import Path

KEY_BYTES = 32
KEYS_FILE = "encryption-keys"
TOKEN_FILE = "admin-token"  # noqa: S105 - a file's name
TOKEN_CHARACTERS_AT_LEAST = 20


class InvalidKeys(ValueError):
    """The list is not one of base64 keys of 32 bytes; the text says which one, never what is in it."""


def parse_encryption_keys(text: str) -> tuple[bytes, ...]:
    """A comma list of base64 keys of 32 bytes, newest first. Raises `InvalidKeys`."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise InvalidKeys("there is no key in it")
    keys = tuple(_parse_key(part, number) for number, part in enumerate(parts, start=1))
    if len(set(keys)) < len(keys):
        raise InvalidKeys("one key stands in it twice")
    return keys


def encryption_keys(data_dir: Path) -> tuple[bytes, ...]:
    """The keys kept in `data_dir`, made when there are none. Raises `InvalidKeys` and `OSError`."""
    text = _kept(data_dir / KEYS_FILE, lambda: base64.b64encode(os.urandom(KEY_BYTES)).decode())
    return parse_encryption_keys(text)


def admin_token(data_dir: Path) -> str:
    """The token kept in `data_dir`, made when there is none. Raises `OSError`."""
    return _kept(data_dir / TOKEN_FILE, lambda: secrets.token_urlsafe(32))


def write_once(path: Path, text: str) -> bool:
    """Keep `text` at `path`, mode 0600, whole or not at all. False: somebody else was first, and theirs stands."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link fails where the name is taken, and never shows half a file.
            os.link(draft, path)
        except FileExistsError:
            return False
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def _kept(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        write_once(path, make())
    return path.read_text("utf-8").strip()


def _parse_key(text: str, number: int) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidKeys(f"key {number} is not base64") from None
    if len(key) != KEY_BYTES:
        raise InvalidKeys(f"key {number} has {len(key)} bytes instead of {KEY_BYTES}")
    return key
