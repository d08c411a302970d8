"""Is this Meta's? Pure: bytes, header and secrets in, a `VerifiedBody` or `InvalidSignature` out."""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})\Z")
_CHALLENGE_CHARACTERS = 1024
_QUERY_FIELDS = 32


class InvalidSignature(Exception):
    """Missing, malformed or wrong. Nothing of what came may be believed or kept."""


class InvalidHandshake(Exception):
    """Not Meta's verification request, or not with our token."""


@dataclass(frozen=True, slots=True)
class VerifiedBody:
    """The bytes of a request exactly as they came, known to be from whom they say."""

    raw: bytes = field(repr=False)


def verify_meta(raw: bytes, header: str | None, secrets: Sequence[str]) -> VerifiedBody:
    """Check `X-Hub-Signature-256` over the raw bytes; any of `secrets` may match (rotation, several apps).

    An empty secret never matches: anyone can sign with it. Raises `InvalidSignature`. Fact sheet WhatsApp 1.2.
    """
    match = _SIGNATURE.match(header or "")
    if match is None:
        raise InvalidSignature
    given = match.group(1)
    for secret in secrets:
        wanted = hmac.digest(secret.encode(), raw, "sha256").hex()
        if secret and hmac.compare_digest(wanted, given):
            return VerifiedBody(raw)
    raise InvalidSignature


def verify_handshake(query: bytes, *, verify_token: str) -> str:
    """The challenge to echo as it is, from a raw query string. Raises `InvalidHandshake`.

    Fact sheet WhatsApp 1.1: the challenge is any short text, never a number to be parsed.
    """
    try:
        parameters = parse_qs(query.decode("latin-1"), errors="replace", max_num_fields=_QUERY_FIELDS)
    except ValueError:
        raise InvalidHandshake from None
    token = parameters.get("hub.verify_token", [""])[0]
    challenge = parameters.get("hub.challenge", [""])[0]
    same = hmac.compare_digest(token.encode(), verify_token.encode())
    subscribing = parameters.get("hub.mode", [""])[0] == "subscribe"
    if not (same and verify_token and subscribing and 0 < len(challenge) <= _CHALLENGE_CHARACTERS):
        raise InvalidHandshake
    return challenge
