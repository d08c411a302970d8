"""Who may do what through the API, the console and the command line? Three roles, each of which may all that the one
before it may."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    READ_ONLY = "read-only"
    """Sees what happens: states, times, reasons, ids. Never a text, a name or a number."""
    AGENT = "agent"
    """Sees content too, and decides about dead letters and alarms."""
    ADMIN = "admin"
    """Everything: tokens, the audit, exports, erasure, set-up."""


_RANK = {Role.READ_ONLY: 0, Role.AGENT: 1, Role.ADMIN: 2}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever holds a valid token, or types a command. `name` is what the audit shows."""

    token_id: str
    name: str
    role: Role

    def may(self, needed: Role) -> bool:
        return _RANK[self.role] >= _RANK[needed]
