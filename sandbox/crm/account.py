"""What does every part of the CRM share: its records, its clocks, and what happens when somebody does something?"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.clock import SandboxClock
from sandbox.crm.store import AGENTS, LIGHT_AGENTS, Record, Store
from sandbox.faults import Faults
from sandbox.journal import Journal

_LINE_END = re.compile(r"(?i)<br\s*/?>|</(?:p|div|li|blockquote|pre)>")
_TAG = re.compile(r"<[^>]*>")
Told = Callable[[Record, Record], None]


def html_of(text: str) -> str:
    """What a person typed, as HTML."""
    return "".join(f"<p>{html.escape(line, quote=False) or '&nbsp;'}</p>" for line in text.split("\n"))


def lines_of(markup: str) -> str:
    return html.unescape(_TAG.sub("", _LINE_END.sub("\n", markup))).replace("\u00a0", " ").strip()


@dataclass
class Account:
    """One CRM. `tell` is given a ticket and what an agent did there, in the words of the bridge's API."""

    clock: SandboxClock
    journal: Journal
    notify: Callable[[str], None]
    url: str
    real_seconds: Callable[[], float]
    faults: Faults
    store: Store
    tell: Told = field(default=lambda _ticket, _told: None)

    def furnish(self) -> None:
        """The agents, where they are not there yet."""
        known = {one["name"] for one in self.store.people.values() if one["role"] != "end-user"}
        for name in AGENTS:
            if name not in known:
                person = self.make_person(name=name, phone=None)
                person["role"] = "light agent" if name in LIGHT_AGENTS else "agent"

    def now_iso(self) -> str:
        return self.clock.now().isoformat(timespec="milliseconds")

    def time_of(self, text: object) -> datetime | None:
        """An aware time, or None."""
        try:
            found = datetime.fromisoformat(text) if isinstance(text, str) else None
        except ValueError:
            return None
        return found if found is not None and found.tzinfo is not None else None

    # People

    def make_person(self, *, name: str, phone: str | None) -> Record:
        person: Record = {
            "id": self.store.next_id(),
            "name": name,
            "email": None,
            "phone": phone,
            "role": "end-user",
            "active": True,
            "created_at": self.now_iso(),
            "_real_at": self.real_seconds(),
            "_known_as": None,
            "_bsuid": None,
            "_wa_id": None,
        }
        self.store.people[person["id"]] = person
        return person

    def api_user(self) -> Record:
        return next(one for one in self.store.people.values() if one["name"] == AGENTS[0] and one["role"] == "agent")

    def agents(self) -> list[Record]:
        return [one for one in self.store.people.values() if one["role"] != "end-user"]

    def _customers(self) -> list[Record]:
        return [one for one in self.store.people.values() if one["role"] == "end-user" and one["active"]]

    def find_person(self, known_as: str, *, bsuid: str | None, wa_id: str | None) -> Record | None:
        """A customer whom the bridge spoke of before: by its name for them, else the BSUID, else the number."""
        for key, value in (("_known_as", known_as), ("_bsuid", bsuid), ("_wa_id", wa_id)):
            found = next((one for one in self._customers() if value is not None and one[key] == value), None)
            if found is not None:
                return found
        return None

    def find_by_number(self, wa_id: str) -> Record | None:
        """The only one with this number, however it is typed, once that is known."""
        ripe = self.real_seconds() - self.faults.number("index_delay_seconds")
        found = [
            one
            for one in self._customers()
            if one["_real_at"] <= ripe and re.sub(r"\D", "", one["phone"] or "").removeprefix("00") == wa_id
        ]
        return found[0] if len(found) == 1 else None

    def person_called(self, name: str) -> Record | None:
        """By our id, or by the bridge's name where we never told ours."""
        known = self.store.people.get(int(name)) if name.isdigit() else None
        if known is None:
            known = next((one for one in self._customers() if one["_known_as"] == name), None)
        return known if known is not None and known["active"] else None

    # Tickets

    def open_ticket(self, *, requester: Record, subject: str, known_as: str | None, follows: str | None) -> Record:
        now = self.now_iso()
        ticket: Record = {
            "id": self.store.next_ticket_id(),
            "subject": subject,
            "status": "open",
            "tags": [] if known_as is None else ["whatsapp"],
            "requester_id": requester["id"],
            "assignee_id": None,
            "follows": follows,
            "created_at": now,
            "updated_at": now,
            "comments": [],
            "_known_as": known_as,
            "_named": self.faults.text("answers") == "ids",
            "_merged_into": None,
            "_merged_at": None,
        }
        self.store.tickets[ticket["id"]] = ticket
        return ticket

    def ticket_called(self, name: str) -> Record | None:
        """By our id, or by the bridge's name."""
        if name.isdigit():
            return self.store.tickets.get(int(name))
        return next((one for one in self.store.tickets.values() if one["_known_as"] == name), None)

    def name_of(self, ticket: Record) -> str:
        """What the bridge calls it: our id, unless it was never told that."""
        return str(ticket["id"]) if ticket["_named"] or not ticket["_known_as"] else str(ticket["_known_as"])

    def add_comment(
        self,
        ticket: Record,
        *,
        author: Record,
        public: bool,
        text: str,
        html: str,
        event_id: str | None,
        channel: str,
        attachments: tuple[Record, ...] = (),
    ) -> Record:
        comment: Record = {
            "id": self.store.next_id(),
            "author_id": author["id"],
            "public": public,
            "text": text,
            "html": html,
            "event_id": event_id,
            "created_at": self.now_iso(),
            "attachments": list(attachments),
            "_channel": channel,
            "_seq": self.store.next_seq(),
            "_real_at": self.real_seconds(),
        }
        ticket["comments"].append(comment)
        self.touch(ticket)
        return comment

    def touch(self, ticket: Record) -> None:
        ticket["updated_at"] = self.now_iso()
        self.notify(f"ticket:{ticket['id']}")

    def told_comment(self, comment: Record) -> Record:
        """A comment as whoever asks is told."""
        author = self.store.people[comment["author_id"]]
        kinds = {"end-user": "customer", "agent": "staff", "light agent": "system"}
        return {
            "id": str(comment["id"]),
            "created_at": comment["created_at"],
            "public": comment["public"],
            "author": kinds[author["role"]],
            "author_name": author["name"],
            "text": comment["text"],
            "html": comment["html"],
            "attachments": [{"name": one["file_name"], "url": one["content_url"]} for one in comment["attachments"]],
            **({"event_id": comment["event_id"]} if comment["event_id"] else {}),
        }
