"""Who may fetch a stored file without signing in? Whoever has its link, until it expires.

`/files/{token}`: the file's id, the end in Unix seconds, and a keyed hash over both. It says nothing of the file,
cannot be guessed or lengthened, and ends with the file's row at the latest.
"""

import base64
import hmac
import re
from datetime import UTC, datetime

from bridge.store.crypto import Vault

PATH = "/files/"

_TOKEN = re.compile(r"([0-9A-Z]{26})-([0-9]{1,12})-([A-Za-z0-9_-]{43})\Z")
_KIND = "file link"


def make_token(vault: Vault, file_id: str, *, expires_at: datetime) -> str:
    """What comes after `PATH`. `expires_at` is business time, and loses its fraction of a second."""
    seconds = str(int(expires_at.timestamp()))
    return f"{file_id}-{seconds}-{_signature(vault, file_id, seconds)}"


def make_link(vault: Vault, file_id: str, *, public_url: str, expires_at: datetime) -> str:
    return f"{public_url.rstrip('/')}{PATH}{make_token(vault, file_id, expires_at=expires_at)}"


def read_token(vault: Vault, token: str, *, now: datetime) -> str | None:
    """The file's id, for a token of ours that has not expired."""
    parts = _TOKEN.match(token)
    if parts is None or not hmac.compare_digest(parts[3], _signature(vault, parts[1], parts[2])):
        return None
    return parts[1] if datetime.fromtimestamp(int(parts[2]), UTC) > now else None


def _signature(vault: Vault, file_id: str, seconds: str) -> str:
    return base64.urlsafe_b64encode(vault.index(_KIND, f"{file_id}:{seconds}")).decode().rstrip("=")
