"""Did our automation rule in Freshdesk send this, and which ticket rang? Pure.

Freshdesk signs nothing: a secret of our own in a header is all there is (fact sheet Freshdesk 6a). So a ring only says
that something changed, and what changed is read from the API: a forged, repeated or late one does no harm.
"""

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from connectors.errors import UnsignedRing
from connectors.interface import Change, TicketId

SECRET_HEADER = "X-Deskbridge-Secret"  # noqa: S105 - the name of a header, not a secret

_ID = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class VerifiedBody:
    """Bytes that came with the secret. Made by `verify` alone; the parser takes nothing else."""

    raw: bytes = field(repr=False)


def verify(raw: bytes, headers: Mapping[str, str], *, secrets: Sequence[str]) -> VerifiedBody:
    """Any of `secrets` may match; with none, nothing is theirs. Raises `UnsignedRing`: `unsigned`, `mismatch`."""
    given = next((value for name, value in headers.items() if name.lower() == SECRET_HEADER.lower()), "")
    if not given:
        raise UnsignedRing("unsigned")
    matched = False
    for secret in secrets:
        matched |= hmac.compare_digest(secret.encode(), given.encode())
    if not matched:
        raise UnsignedRing("mismatch")
    return VerifiedBody(raw)


def parse_ring(body: VerifiedBody) -> Change | None:
    """Which ticket: at the top, or in the wrapper of a *Simple* body. None when none is named, as in a test call."""
    try:
        payload = json.loads(body.raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(payload, dict):
        return None
    wrapped = payload.get("freshdesk_webhook")
    for holder in (payload, wrapped if isinstance(wrapped, dict) else {}):
        ticket_id = _id(holder.get("ticket_id"))
        if ticket_id is not None:
            return Change(TicketId(ticket_id))
    return None


def _id(value: object) -> str | None:
    """A number or a text, as the rule's author put the placeholder in quotes or not."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = value.strip() if isinstance(value, str) else str(value) if value < 10**20 else ""
    return text if _ID.fullmatch(text) else None
