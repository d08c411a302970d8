"""What does this account hold? Records in wire shape, with the indexes that keep every look-up cheap.

Keys that begin with `_` are ours and never shown.
"""

import bisect
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Any

from sandbox.freshdesk.wire import Record

FIRST_ID = 70_050_000_000
KEPT_INVOCATIONS = 5_000
KEPT_MAILS = 1_000
UNIQUE_TEXTS = ("email", "twitter_id", "unique_external_id", "mobile", "phone")
"""What contacts and agents are found by, each value exactly as written but for the e-mail's case."""


class Store:
    """All records of one account. Whoever changes an indexed value does it through the methods here."""

    def __init__(self) -> None:
        self.setup: Record = {}
        self.fields: dict[str, Record] = {}
        self.rules: dict[int, Record] = {}
        self.storage_secret = ""
        self._last_id = FIRST_ID
        self._last_ticket_id = 0
        self.forget_work()

    def forget_work(self) -> None:
        """Drop people, tickets and everything that came of them; keep the set-up, the fields and the rules."""
        self.people: dict[int, Record] = {}
        self.tickets: dict[int, Record] = {}
        self.conversations: dict[int, list[Record]] = {}
        self.ticket_of_conversation: dict[int, int] = {}
        self.attachments: dict[int, Record] = {}
        self.jobs: dict[str, Record] = {}
        self.invocations: deque[Record] = deque(maxlen=KEPT_INVOCATIONS)
        self.mails: deque[Record] = deque(maxlen=KEPT_MAILS)
        self._people_by: dict[str, dict[str, dict[int, None]]] = {name: {} for name in UNIQUE_TEXTS}
        self._tickets_by_requester: dict[int, dict[int, None]] = defaultdict(dict)
        self._by_update: list[tuple[str, int]] = []
        self._by_creation: list[tuple[str, int]] = []

    def next_id(self) -> int:
        """A new id; ids of people, conversations, attachments and the rest grow with time."""
        self._last_id += 1
        return self._last_id

    # People: contacts, and agents, who have an `_agent`

    def add_person(self, person: Record) -> None:
        self.people[person["id"]] = person
        self._index_person(person)

    def change_person(self, person: Record, values: Record) -> None:
        """Set `values` on the person and on the indexes."""
        self._unindex_person(person)
        person.update(values)
        self._index_person(person)

    def remove_person(self, person: Record) -> None:
        """Forget a person for good."""
        self._unindex_person(person)
        del self.people[person["id"]]

    def people_with(self, name: str, value: str) -> list[Record]:
        """Everybody, deleted ones too, whose `name` (one of UNIQUE_TEXTS) is exactly this, oldest first."""
        ids = self._people_by[name].get(_indexed(name, value), ())
        return [self.people[person_id] for person_id in sorted(ids)]

    def contacts(self) -> Iterator[Record]:
        """Everybody who is not an agent, deleted ones too."""
        return (person for person in self.people.values() if person["_agent"] is None)

    def contact(self, person_id: object) -> Record | None:
        """The contact; None for an agent."""
        person = self.people.get(person_id) if isinstance(person_id, int) else None
        return person if person is not None and person["_agent"] is None else None

    def agents(self) -> list[Record]:
        """Everybody who is an agent."""
        return [person for person in self.people.values() if person["_agent"] is not None]

    def agent(self, person_id: object) -> Record | None:
        person = self.people.get(person_id) if isinstance(person_id, int) else None
        return person if person is not None and person["_agent"] is not None else None

    def _index_person(self, person: Record) -> None:
        for name in UNIQUE_TEXTS:
            if person[name]:
                self._people_by[name].setdefault(_indexed(name, person[name]), {})[person["id"]] = None

    def _unindex_person(self, person: Record) -> None:
        for name in UNIQUE_TEXTS:
            if person[name]:
                key = _indexed(name, person[name])
                kept = self._people_by[name].get(key, {})
                kept.pop(person["id"], None)
                if not kept:
                    self._people_by[name].pop(key, None)

    # Tickets

    def next_ticket_id(self) -> int:
        self._last_ticket_id += 1
        return self._last_ticket_id

    def add_ticket(self, ticket: Record) -> None:
        self.tickets[ticket["id"]] = ticket
        self.conversations[ticket["id"]] = []
        self._index_ticket(ticket)

    def touch_ticket(self, ticket: Record, values: Record) -> None:
        """Set `values` on the ticket and on the indexes."""
        if "updated_at" in values and values["updated_at"] != ticket["updated_at"]:
            place = bisect.bisect_left(self._by_update, (ticket["updated_at"], ticket["id"]))
            del self._by_update[place]
            bisect.insort(self._by_update, (values["updated_at"], ticket["id"]))
        if "requester_id" in values:
            self._tickets_by_requester[ticket["requester_id"]].pop(ticket["id"], None)
            self._tickets_by_requester[values["requester_id"]][ticket["id"]] = None
        ticket.update(values)

    def remove_ticket(self, ticket: Record) -> None:
        """Forget a ticket for good."""
        del self._by_update[bisect.bisect_left(self._by_update, (ticket["updated_at"], ticket["id"]))]
        del self._by_creation[bisect.bisect_left(self._by_creation, (ticket["created_at"], ticket["id"]))]
        self._tickets_by_requester[ticket["requester_id"]].pop(ticket["id"], None)
        for conversation in self.conversations.pop(ticket["id"]):
            del self.ticket_of_conversation[conversation["id"]]
        del self.tickets[ticket["id"]]

    def tickets_of_requester(self, person_id: int) -> list[Record]:
        return self._found(self._tickets_by_requester.get(person_id, ()))

    def tickets_updated_from(self, moment: str) -> list[Record]:
        """Tickets whose `updated_at` is `moment` or later, oldest change first."""
        place = bisect.bisect_left(self._by_update, (moment, 0))
        return self._found(ticket_id for _, ticket_id in self._by_update[place:])

    def tickets_created_from(self, moment: str) -> list[Record]:
        """Tickets whose `created_at` is `moment` or later, oldest first."""
        place = bisect.bisect_left(self._by_creation, (moment, 0))
        return self._found(ticket_id for _, ticket_id in self._by_creation[place:])

    def add_conversation(self, conversation: Record) -> None:
        """Append to its ticket's list; ids grow, so the list stays in order."""
        self.conversations[conversation["ticket_id"]].append(conversation)
        self.ticket_of_conversation[conversation["id"]] = conversation["ticket_id"]

    def move_conversations(self, source_id: int, target_id: int) -> None:
        """All conversations of one ticket go into another, in order of their ids."""
        moved = self.conversations[source_id]
        self.conversations[source_id] = []
        for conversation in moved:
            conversation["ticket_id"] = target_id
            self.ticket_of_conversation[conversation["id"]] = target_id
        both = self.conversations[target_id] + moved
        self.conversations[target_id] = sorted(both, key=lambda conversation: conversation["id"])

    def conversation(self, conversation_id: int) -> Record | None:
        """The conversation, unless it was deleted."""
        ticket_id = self.ticket_of_conversation.get(conversation_id)
        kept = self.conversations[ticket_id] if ticket_id is not None else []
        return next((one for one in reversed(kept) if one["id"] == conversation_id), None)

    def remove_conversation(self, conversation: Record) -> None:
        del self.ticket_of_conversation[conversation["id"]]
        self.conversations[conversation["ticket_id"]].remove(conversation)

    def _found(self, ticket_ids: Iterable[int]) -> list[Record]:
        return [self.tickets[ticket_id] for ticket_id in ticket_ids]

    def _index_ticket(self, ticket: Record) -> None:
        bisect.insort(self._by_update, (ticket["updated_at"], ticket["id"]))
        bisect.insort(self._by_creation, (ticket["created_at"], ticket["id"]))
        self._tickets_by_requester[ticket["requester_id"]][ticket["id"]] = None

    # State file

    def dump(self) -> dict[str, Any]:
        """Everything, JSON-able; the records themselves, not copies."""
        return {
            "last_id": self._last_id,
            "last_ticket_id": self._last_ticket_id,
            "setup": self.setup,
            "storage_secret": self.storage_secret,
            "fields": self.fields,
            "rules": list(self.rules.values()),
            "people": list(self.people.values()),
            "tickets": list(self.tickets.values()),
            "conversations": [[ticket_id, kept] for ticket_id, kept in self.conversations.items()],
            "attachments": list(self.attachments.values()),
            "jobs": self.jobs,
            "invocations": list(self.invocations),
            "mails": list(self.mails),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `dump` told."""
        self.forget_work()
        self._last_id = state["last_id"]
        self._last_ticket_id = state["last_ticket_id"]
        self.setup = state["setup"]
        self.storage_secret = state["storage_secret"]
        self.fields = state["fields"]
        self.rules = {rule["id"]: rule for rule in state["rules"]}
        self.attachments = {kept["id"]: kept for kept in state["attachments"]}
        self.jobs = state["jobs"]
        self.invocations.extend(state["invocations"])
        self.mails.extend(state["mails"])
        for person in state["people"]:
            self.add_person(person)
        for ticket in state["tickets"]:
            self.tickets[ticket["id"]] = ticket
            self._index_ticket(ticket)
        for ticket_id, kept in state["conversations"]:
            self.conversations[ticket_id] = kept
            self.ticket_of_conversation.update((one["id"], ticket_id) for one in kept)


def _indexed(name: str, value: str) -> str:
    return value.lower() if name == "email" else value


def shown(record: Record, *, without: frozenset[str] = frozenset()) -> Record:
    """A record as answers show it."""
    return {name: value for name, value in record.items() if not name.startswith("_") and name not in without}
