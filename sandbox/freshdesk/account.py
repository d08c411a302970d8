"""What does every part of the simulated account share: its records, its clocks, its rules of the day?"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import SandboxClock
from sandbox.faults import Faults
from sandbox.freshdesk.limits import Limits
from sandbox.freshdesk.store import Store
from sandbox.freshdesk.wire import Record, iso
from sandbox.journal import Journal

OPEN, PENDING, RESOLVED, CLOSED = 2, 3, 4, 5
STATUSES: dict[int, tuple[str, str]] = {
    OPEN: ("Open", "Being Processed"),
    PENDING: ("Pending", "Awaiting your Reply"),
    RESOLVED: ("Resolved", "This ticket has been Resolved"),
    CLOSED: ("Closed", "This ticket has been Closed"),
    6: ("Waiting on Customer", "Awaiting your Reply"),
    7: ("Waiting on Third Party", "Being Processed"),
}
"""Labels for agents and for customers."""
PHONE_SOURCE, OUTBOUND_SOURCE, WHATSAPP_SOURCE = 3, 10, 13
MESSAGING_SOURCES = frozenset({WHATSAPP_SOURCE, 15, 21})
"""Freshdesk's own channels: WhatsApp, web chat, mobile SDK (fact sheet Freshdesk 2)."""
REPLY, NOTE, FEEDBACK, FORWARD = 0, 2, 6, 8
"""Sources of conversations."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change, and through what: `api`, `web`, `mail` or `rule`. `user` is an agent or a contact."""

    user: Record
    channel: str

    @property
    def is_agent(self) -> bool:
        return self.user["_agent"] is not None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that automation rules can wait for: `field_name` with a value, or from one value to another."""

    field_name: str
    value: Any = None
    before: Any = None

    @property
    def told(self) -> str:
        """As `{{triggered_event}}` spells it: like JSON, but not JSON (fact sheet Freshdesk 6a)."""
        if self.before is not None:
            return f"{{{self.field_name}:{{from:{self.before},to:{self.value}}}}}"
        return f"{{{self.field_name}:{self.value}}}"


@dataclass(frozen=True, slots=True)
class Update:
    """One committed change of a ticket: what automation rules look at."""

    ticket: Record
    actor: Actor
    events: tuple[Event, ...]


@dataclass
class Account:
    """One Freshdesk account. `url` is the base of its addresses, up to and without `/api/v2`."""

    clock: SandboxClock
    journal: Journal
    notify: Callable[[str], None]
    url: str
    real_seconds: Callable[[], float]
    faults: Faults
    limits: Limits
    store: Store
    after_update: list[Callable[[Update], None]] = field(default_factory=list)
    after_person: list[Callable[[Record], None]] = field(default_factory=list)

    def now_iso(self) -> str:
        """The sandbox's time in whole seconds."""
        return iso(self.clock.now())

    def api_url(self, path: str) -> str:
        return f"{self.url}/api/v2/{path}"

    def setting(self, name: str) -> Any:
        """A value of the set-up; None when it was not given."""
        return self.store.setup.get(name)

    def announce(self, ticket_id: int) -> None:
        """Wake the live pages that show this ticket."""
        self.notify(f"ticket:{ticket_id}")

    def tell_person(self, person: Record) -> None:
        """Somebody was made or changed."""
        for tell in self.after_person:
            tell(person)
        self.notify("users")

    def mail(self, user: Record, *, subject: str, ticket_id: int) -> None:
        """Note down a mail that Freshdesk sends by itself; nobody without an address gets one."""
        if user.get("email"):
            letter = {"to": user["email"], "subject": subject, "ticket_id": ticket_id, "at": self.now_iso()}
            self.store.mails.append(letter)
            self.journal.record(source="freshdesk", target="customer", summary="mail", detail={"ticket_id": ticket_id})
