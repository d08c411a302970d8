"""Did Zendesk send this, and which ticket rang? Pure.

A ring only says that something changed: what changed is read from the API, so nothing else of the body is looked at.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connectors.errors import UnsignedRing
from connectors.interface import Change, CommentId, TicketId

SIGNATURE_HEADER = "x-zendesk-webhook-signature"
TIMESTAMP_HEADER = "x-zendesk-webhook-signature-timestamp"
MAX_SKEW = timedelta(minutes=15)
"""Contract; wide because whether a repeated call is stamped anew is unconfirmed (fact sheet Zendesk 5.2)."""

_FRACTION = re.compile(r"\.(\d{6})\d+")
_ID = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class VerifiedBody:
    """Bytes that Zendesk signed. Made by `verify` alone; the parser takes nothing else."""

    raw: bytes = field(repr=False)


def verify(raw: bytes, headers: Mapping[str, str], *, secrets: Sequence[str], now: datetime) -> VerifiedBody:
    """base64(HMAC-SHA256(secret, timestamp + raw body)), secret as its literal bytes (fact sheet Zendesk 5.2).

    Any of `secrets` may match; with none, nothing is theirs. Raises `UnsignedRing`: `unsigned`, `stale`, `mismatch`.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    signature, timestamp = lowered.get(SIGNATURE_HEADER, ""), lowered.get(TIMESTAMP_HEADER, "")
    if not signature or not timestamp:
        raise UnsignedRing("unsigned")
    signed_at = _signed_at(timestamp)
    if signed_at is None or abs(now - signed_at) > MAX_SKEW:
        raise UnsignedRing("stale")
    try:
        given = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise UnsignedRing("mismatch") from None
    matched = False
    for secret in secrets:
        expected = hmac.new(secret.encode(), timestamp.encode() + raw, hashlib.sha256).digest()
        matched |= hmac.compare_digest(expected, given)
    if not matched:
        raise UnsignedRing("mismatch")
    return VerifiedBody(raw)


def parse_ring(body: VerifiedBody) -> Change | None:
    """Which ticket, and for an event subscription which comment. None when no ticket is named, as in a test call."""
    try:
        payload = json.loads(body.raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(payload, dict):
        return None
    named = (payload.get("ticket_id"), _under(payload, "ticket", "id"), _under(payload, "detail", "id"))
    ticket_id = next((found for value in named if (found := _id(value)) is not None), None)
    if ticket_id is None:
        return None
    comment_id = _id(_under(payload, "event", "comment", "id"))
    return Change(TicketId(ticket_id), CommentId(comment_id) if comment_id else None)


def _signed_at(timestamp: str) -> datetime | None:
    try:
        signed_at = datetime.fromisoformat(_FRACTION.sub(r".\1", timestamp))
    except ValueError:
        return None
    return signed_at if signed_at.tzinfo is not None else None


def _under(payload: object, *path: str) -> object:
    for name in path:
        if not isinstance(payload, dict):
            return None
        payload = payload.get(name)
    return payload


def _id(value: object) -> str | None:
    """Numbers in trigger bodies, strings in events (fact sheet Zendesk 10, 32)."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value) if isinstance(value, str) or value < 10**20 else ""
    return text if _ID.fullmatch(text) else None
