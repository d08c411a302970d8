"""What does this account hold? Records in wire shape, with the indexes that keep every look-up cheap."""

import bisect
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Any

from sandbox.zendesk.wire import Record

FIRST_ID = 24_800_000_000_000
ACCOUNT_ID = 22_129_848
BRAND_ID = 360_001
GROUP_ID = 360_077
FORM_ID = 360_009
KEPT_INVOCATIONS = 5_000


class Store:
    """All records of one account. Whoever changes an indexed value does it through the methods here."""

    def __init__(self) -> None:
        self.setup: Record = {}
        self.tokens: dict[str, Record] = {}
        self.fields: dict[int, Record] = {}
        self.forms: dict[int, Record] = {}
        self.categories: dict[str, Record] = {}
        self.triggers: dict[int, Record] = {}
        self.webhooks: dict[str, Record] = {}
        self.secrets: dict[str, str] = {}
        self._last_id = FIRST_ID
        self._last_ticket_id = 0
        self.forget_work()

    def forget_work(self) -> None:
        """Drop users, tickets and everything that came of them; keep tokens, fields, forms, triggers and webhooks."""
        self.users: dict[int, Record] = {}
        self.identities: dict[int, list[Record]] = {}
        self.tickets: dict[int, Record] = {}
        self.comments: dict[int, list[Record]] = {}
        self.audits: dict[int, list[Record]] = {}
        self.attachments: dict[int, Record] = {}
        self.attachment_ids: dict[str, int] = {}
        self.uploads: dict[str, Record] = {}
        self.jobs: dict[str, Record] = {}
        self.idempotency: dict[str, Record] = {}
        self.invocations: deque[Record] = deque(maxlen=KEPT_INVOCATIONS)
        self.events: list[tuple[int, float, Record]] = []
        self.changes: list[tuple[int, float, int]] = []
        self.latest_change: dict[int, int] = {}
        self._user_by_external_id: dict[str, int] = {}
        self._user_by_email: dict[str, int] = {}
        self._users_by_phone: dict[str, set[int]] = defaultdict(set)
        self._tickets_by_external_id: dict[str, list[int]] = defaultdict(list)
        self._tickets_by_requester: dict[int, dict[int, None]] = defaultdict(dict)

    def next_id(self) -> int:
        """A new id; ids of users, comments, audits and the rest grow with time."""
        self._last_id += 1
        return self._last_id

    # Users

    def add_user(self, user: Record) -> None:
        self.users[user["id"]] = user
        self.identities.setdefault(user["id"], [])
        self._index_user(user)

    def change_user(self, user: Record, **values: Any) -> None:
        """Set `values` on the user and on the indexes."""
        self._unindex_user(user)
        user.update(values)
        self._index_user(user)

    def user_with_external_id(self, external_id: str) -> Record | None:
        """Exact, ignoring case (fact sheet Zendesk 3.1)."""
        return self._user(self._user_by_external_id.get(external_id.lower()))

    def user_with_email(self, email: str) -> Record | None:
        return self._user(self._user_by_email.get(email.lower()))

    def users_with_phone(self, phone: str) -> list[Record]:
        """Every active user with exactly this text as phone."""
        return [self.users[user_id] for user_id in sorted(self._users_by_phone.get(phone, ()))]

    def _user(self, user_id: int | None) -> Record | None:
        return None if user_id is None else self.users.get(user_id)

    def _index_user(self, user: Record) -> None:
        if not user["active"]:
            return
        if user["external_id"]:
            self._user_by_external_id[user["external_id"].lower()] = user["id"]
        if user["email"]:
            self._user_by_email[user["email"].lower()] = user["id"]
        if user["phone"]:
            self._users_by_phone[user["phone"]].add(user["id"])

    def _unindex_user(self, user: Record) -> None:
        if user["external_id"]:
            self._user_by_external_id.pop(user["external_id"].lower(), None)
        if user["email"]:
            self._user_by_email.pop(user["email"].lower(), None)
        if user["phone"]:
            self._users_by_phone[user["phone"]].discard(user["id"])

    # Tickets

    def next_ticket_id(self) -> int:
        self._last_ticket_id += 1
        return self._last_ticket_id

    def add_ticket(self, ticket: Record) -> None:
        self.tickets[ticket["id"]] = ticket
        self.comments[ticket["id"]] = []
        self.audits[ticket["id"]] = []
        self._index_ticket(ticket)

    def change_ticket(self, ticket: Record, values: Record) -> None:
        """Set `values` on the ticket and on the indexes."""
        if "external_id" in values and ticket["external_id"]:
            self._tickets_by_external_id[ticket["external_id"]].remove(ticket["id"])
        if "requester_id" in values:
            self._tickets_by_requester[ticket["requester_id"]].pop(ticket["id"], None)
        ticket.update(values)
        if "external_id" in values and ticket["external_id"]:
            self._tickets_by_external_id[ticket["external_id"]].append(ticket["id"])
        if "requester_id" in values:
            self._tickets_by_requester[ticket["requester_id"]][ticket["id"]] = None

    def ticket(self, ticket_id: int) -> Record | None:
        """The ticket, unless it was deleted."""
        ticket = self.tickets.get(ticket_id)
        return None if ticket is None or ticket["status"] == "deleted" else ticket

    def tickets_with_external_id(self, external_id: str) -> list[Record]:
        return self._alive(self._tickets_by_external_id.get(external_id, ()))

    def tickets_of_requester(self, user_id: int) -> list[Record]:
        return self._alive(self._tickets_by_requester.get(user_id, ()))

    def live_tickets(self) -> Iterator[Record]:
        return (ticket for ticket in self.tickets.values() if ticket["status"] != "deleted")

    def _alive(self, ticket_ids: Iterable[int]) -> list[Record]:
        return [ticket for ticket_id in ticket_ids if (ticket := self.ticket(ticket_id)) is not None]

    def _index_ticket(self, ticket: Record) -> None:
        if ticket["external_id"]:
            self._tickets_by_external_id[ticket["external_id"]].append(ticket["id"])
        self._tickets_by_requester[ticket["requester_id"]][ticket["id"]] = None

    # What the incremental exports read

    def note_event(self, event: Record, *, at: int, real_at: float) -> None:
        """Keep one ticket event, in the order of its time even when the clock was turned back."""
        bisect.insort(self.events, (at, real_at, event), key=lambda entry: entry[0])

    def note_change(self, ticket_id: int, *, at: int, real_at: float) -> None:
        """Move a ticket to the end of the ticket export; its earlier place becomes void."""
        last = self.changes[-1][0] if self.changes else 0
        self.latest_change[ticket_id] = len(self.changes)
        self.changes.append((max(at, last), real_at, ticket_id))

    # State file

    def dump(self) -> dict[str, Any]:
        """Everything, JSON-able; the records themselves, not copies."""
        return {
            "last_id": self._last_id,
            "last_ticket_id": self._last_ticket_id,
            "setup": self.setup,
            "tokens": self.tokens,
            "secrets": self.secrets,
            "webhooks": list(self.webhooks.values()),
            **{name: list(getattr(self, name).values()) for name in _BY_ID},
            "identities": [[user_id, kept] for user_id, kept in self.identities.items()],
            "comments": [[ticket_id, kept] for ticket_id, kept in self.comments.items()],
            "audits": [[ticket_id, kept] for ticket_id, kept in self.audits.items()],
            "uploads": self.uploads,
            "jobs": self.jobs,
            "idempotency": {key: kept for key, kept in self.idempotency.items() if not kept["in_flight"]},
            "invocations": list(self.invocations),
            "events": self.events,
            "changes": self.changes,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `dump` told."""
        self.forget_work()
        self._last_id = state["last_id"]
        self._last_ticket_id = state["last_ticket_id"]
        self.setup = state["setup"]
        self.tokens = state["tokens"]
        self.secrets = state["secrets"]
        self.webhooks = {webhook["id"]: webhook for webhook in state["webhooks"]}
        for name in _BY_ID:
            setattr(self, name, {record["id"]: record for record in state[name]})
        self.identities = dict(state["identities"])
        self.comments = dict(state["comments"])
        self.audits = dict(state["audits"])
        self.uploads = state["uploads"]
        self.jobs = state["jobs"]
        self.idempotency = state["idempotency"]
        self.invocations.extend(state["invocations"])
        self.events = [(at, real_at, event) for at, real_at, event in state["events"]]
        self.changes = [(at, real_at, ticket_id) for at, real_at, ticket_id in state["changes"]]
        self.latest_change = {ticket_id: place for place, (_, _, ticket_id) in enumerate(self.changes)}
        self.attachment_ids = {kept["token"]: kept["id"] for kept in self.attachments.values()}
        for user in self.users.values():
            self._index_user(user)
        for ticket in self.tickets.values():
            self._index_ticket(ticket)


_BY_ID = ("users", "tickets", "attachments", "fields", "forms", "categories", "triggers")
