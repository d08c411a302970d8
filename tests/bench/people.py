"""Who writes, and what was sent to them? Ids by number, so that every process of a run can say them."""

import base64
from dataclasses import dataclass

APP_SECRET = "b7d1f3a95c2e48608f1a7c3e5d9b2046"
VERIFY_TOKEN = "bench-verify-token"
PHONE_NUMBER_ID = "900000000000001"
WABA_ID = "800000000000001"
RING_SECRET = "bench-ring-secret-0123456789"
STAFF_ID = 360_000_001
_FIRST_TICKET = 10_000_000
_FIRST_REQUESTER = 500_000_000


@dataclass(frozen=True, slots=True)
class Population:
    """`customers` are known; `sent` messages of ours went to them in turn. Unknown customers have higher numbers."""

    customers: int
    sent: int


def wa_id(number: int) -> str:
    return f"4915{number:09d}"


def bsuid(number: int) -> str:
    return f"DE.{number:020d}"


def ticket_id(number: int) -> int:
    """The helpdesk's id of a known customer's ticket."""
    return _FIRST_TICKET + number


def requester_id(number: int) -> int:
    """The helpdesk's id of a customer."""
    return _FIRST_REQUESTER + number


def sent_message_id(number: int) -> str:
    """Our own id of a message that was sent: as long as a ULID."""
    return f"01JBENCH{number:018d}"


def sent_wamid(number: int, *, customer: int) -> str:
    return wamid(customer, f"S{number:012d}")


def wamid(customer: int, tail: str) -> str:
    """As long as Meta's, with the number in it (fact sheet WhatsApp 1.6)."""
    return (
        "wamid."
        + base64.b64encode(f"\x1c\x18\x0c{wa_id(customer)}\x15\x02\x00\x12\x18\x16{tail:>22}".encode()).decode()
    )


def mark(number: int) -> str:
    """A word that tells a message or a reply from every other."""
    return f"mk{number:08d}"
