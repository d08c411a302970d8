"""What does the CRM keep? People, tickets with their comments, and which events it has worked on."""

from collections import deque
from typing import Any

Record = dict[str, Any]
KEPT_INVOCATIONS = 5_000
KEPT_EVENTS = 200_000
AGENTS = ("deskbridge", "Bia", "Otto", "Lena")
"""The bridge's own name on the desk, two agents, and a light agent who may only write internal notes."""
LIGHT_AGENTS = frozenset({"Lena"})


class Store:
    """Records that begin with `_` in a name are not shown."""

    def __init__(self) -> None:
        self.setup: Record = {}
        self.people: dict[int, Record] = {}
        self.tickets: dict[int, Record] = {}
        self.events: dict[str, Record] = {}
        self.invocations: deque[Record] = deque(maxlen=KEPT_INVOCATIONS)
        self._last_id = 100
        self._last_ticket_id = 0
        self._seq = 0

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def next_ticket_id(self) -> int:
        self._last_ticket_id += 1
        return self._last_ticket_id

    def next_seq(self) -> int:
        """Grows with everything that happens: the cursor of whoever asks what changed."""
        self._seq += 1
        return self._seq

    @property
    def seq(self) -> int:
        return self._seq

    def remember(self, event_id: str, answered: Record) -> None:
        self.events[event_id] = answered
        while len(self.events) > KEPT_EVENTS:
            self.events.pop(next(iter(self.events)))

    def forget_work(self) -> None:
        """Tickets, customers, events; the agents and the set-up stay."""
        self.people = {number: one for number, one in self.people.items() if one["role"] != "end-user"}
        self.tickets.clear()
        self.events.clear()
        self.invocations.clear()

    def dump(self) -> Record:
        return {
            "setup": self.setup,
            "people": list(self.people.values()),
            "tickets": list(self.tickets.values()),
            "events": self.events,
            "invocations": list(self.invocations),
            "last_id": self._last_id,
            "last_ticket_id": self._last_ticket_id,
            "seq": self._seq,
        }

    def load(self, state: Record) -> None:
        self.setup = state["setup"]
        self.people = {one["id"]: one for one in state["people"]}
        self.tickets = {one["id"]: one for one in state["tickets"]}
        self.events = state["events"]
        self.invocations.extend(state["invocations"])
        self._last_id = state["last_id"]
        self._last_ticket_id = state["last_ticket_id"]
        self._seq = state["seq"]
