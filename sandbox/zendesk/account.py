"""What does every part of the simulated account share: its records, its clocks, its rules of the day?"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import SandboxClock
from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.zendesk.limits import Limits
from sandbox.zendesk.search import SearchIndex
from sandbox.zendesk.store import Store
from sandbox.zendesk.wire import Record, iso

WEB_FORM, MAIL, WEB_SERVICE, RULE, MERGE = 0, 4, 5, 8, 19
"""Numeric `via` ids, as triggers know them (fact sheet Zendesk 2.2)."""
CHANNELS = {WEB_FORM: "web", MAIL: "email", WEB_SERVICE: "api", RULE: "rule", MERGE: "merge"}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes an update, and through what."""

    user: Record
    via_id: int
    client: str = ""

    @property
    def via(self) -> Record:
        """The `via` object of what this actor writes."""
        return {"channel": CHANNELS[self.via_id], "source": {"from": {}, "to": {}, "rel": None}}


@dataclass(frozen=True, slots=True)
class Update:
    """One committed update of a ticket: what triggers and event webhooks look at.

    `changed` maps a field name to (previous, current); `events` are (type, body) of further events that it raises.
    """

    ticket: Record
    is_creation: bool
    actor: Actor
    comment: Record | None
    changed: dict[str, tuple[Any, Any]]
    events: tuple[tuple[str, Record], ...] = ()


@dataclass
class Account:
    """One Zendesk account. `url` is the base of its addresses, up to and without `/api/v2`."""

    clock: SandboxClock
    journal: Journal
    notify: Callable[[str], None]
    url: str
    real_seconds: Callable[[], float]
    faults: Faults
    limits: Limits
    store: Store
    index: SearchIndex
    after_update: list[Callable[[Update], None]] = field(default_factory=list)

    def now_iso(self) -> str:
        """The sandbox's time, second precision."""
        return iso(self.clock.now())

    def api_url(self, path: str) -> str:
        return f"{self.url}/api/v2/{path}"

    def setting(self, name: str) -> Any:
        """A value of the set-up; None when it was not given."""
        return self.store.setup.get(name)

    def announce(self, ticket_id: int) -> None:
        """Wake the live pages that show this ticket."""
        self.notify(f"ticket:{ticket_id}")
