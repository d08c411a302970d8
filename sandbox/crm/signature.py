"""Is an event the bridge's, and of now? Standard Webhooks, written from its specification."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping

TOLERANCE_SECONDS = 300
_ID = re.compile(r"[A-Za-z0-9_:-]{1,255}")


def trouble_with(headers: Mapping[str, str], body: bytes, *, secret: str, real_seconds: float) -> str | None:
    """What is wrong, in words; None when everything is right."""
    event_id = headers.get("webhook-id", "")
    stamp = headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not _ID.fullmatch(event_id):
        return "webhook-id is missing or malformed"
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return "webhook-timestamp is missing or malformed"
    if abs(real_seconds - int(stamp)) > TOLERANCE_SECONDS:
        return "webhook-timestamp is too old or too new"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = hmac.new(key, f"{event_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    for part in given.split(" "):
        version, _, signature = part.partition(",")
        if version == "v1" and hmac.compare_digest(signature.encode(), base64.b64encode(wanted)):
            return None
    return "webhook-signature does not match"
