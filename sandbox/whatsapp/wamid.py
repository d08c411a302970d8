"""What a message id looks like: base64 that holds the other side's number in clear digits, as in reality."""

import base64
import secrets

INBOUND = b"\x15\x02\x00\x12\x18"
OUTBOUND = b"\x15\x02\x00\x11\x18"


def new_wamid(digits: str, *, outbound: bool) -> str:
    """A fresh id for a message to or from the customer with these digits (or this BSUID)."""
    who = digits.encode()[:255]
    token = secrets.token_hex(9 if outbound else 10).upper().encode()
    kind = OUTBOUND if outbound else INBOUND
    raw = b"\x1c\x18" + bytes([len(who)]) + who + kind + bytes([len(token)]) + token + b"\x00"
    return "wamid." + base64.b64encode(raw).decode()
