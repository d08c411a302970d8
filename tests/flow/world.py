"""How do tests play the people? A customer with a phone, agents at their desk, and the switches of the world."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from tests.flow.desks import spelt
from tests.flow.installation import Installation, failures_in
from tests.flow.waiting import PATIENCE_SECONDS, eventually

HOUR_SECONDS = 3600.0
DAY_SECONDS = 24 * HOUR_SECONDS
SHORTEST_WATCHED = 8
"""Texts shorter than this occur in logs by themselves."""
Record = dict[str, Any]


class World:
    """One test's view of an installation and of the sandbox around it."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.desk = installation.desk
        self.http = httpx.Client(base_url=f"{installation.sandbox_url}/sandbox/api", timeout=30)
        self.private: set[str] = set()
        """What must not be in a log."""
        self.may_be_refused = False
        """Set by a test in which Meta says no on purpose, by its own rules."""
        self._customers: list[Customer] = []
        self._refused = len(self.refusals())
        self._calls = self.calls_mark()
        self._logs = installation.log_sizes()

    # --- the far sides

    def get(self, path: str, **params: Any) -> Any:
        return self.http.get(self._spelt(path), params=params).raise_for_status().json()

    def post(self, path: str, body: object) -> Any:
        answer = self.http.post(self._spelt(path), json=spelt(body, self.desk))
        assert answer.is_success, f"POST {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def _spelt(self, path: str) -> str:
        return path.replace("/helpdesk/", f"/{self.desk.name}/", 1)

    def words(self, hint: str) -> str:
        """A text that occurs nowhere else."""
        text = f"{hint} {secrets.token_hex(5)}"
        self.private.add(text)
        return text

    def customer(self, name: str = "Ana", **wish: Any) -> "Customer":
        made = self.post("/customers", {"name": f"{name} {secrets.token_hex(4)}", **wish})
        customer = Customer(self, made["id"], made["name"], made["wa_id"], made["user_id"])
        self._customers.append(customer)
        self.private |= {customer.name, customer.wa_id}
        return customer

    def write_together(self, letters: Sequence[tuple["Customer", str]], **extra: Any) -> list[str]:
        """Many messages in one call, so in one instant."""
        body = [{"customer": customer.id, "text": text, **extra} for customer, text in letters]
        return [row["wamid"] for row in self.post("/customers/messages", body)]

    def faults(self, switches: Mapping[str, object] | None = None, **short: object) -> None:
        """Turn switches: `{"helpdesk.down": True}`, or `helpdesk_down=True`."""
        spelt = {name.replace("_", ".", 1): value for name, value in short.items()}
        self.post("/faults", {**(switches or {}), **spelt})

    def fault(self, name: str) -> Any:
        return self.get("/faults")[name.replace("helpdesk.", f"{self.desk.name}.", 1)]["value"]

    def mend(self) -> None:
        """Every switch as it was when the installation started."""
        switches = {key: None for key, switch in self.get("/faults").items() if switch["value"] != switch["default"]}
        self.post("/faults", {**switches, **self.desk.baseline})

    def advance(self, *, hours: float = 0.0, seconds: float = 0.0) -> datetime:
        """Turn business time forward and wait until every process read it; the new time."""
        moved = self.post("/clock", {"advance_seconds": hours * HOUR_SECONDS + seconds})
        # Processes read the clock file once a second, and nothing outside shows when one did.
        time.sleep(1.1)
        return datetime.fromisoformat(moved["now"])

    def now(self) -> datetime:
        return datetime.fromisoformat(self.get("/clock")["now"])

    def refusals(self) -> list[Record]:
        found: list[Record] = self.get("/whatsapp/refused")
        return found

    # --- the helpdesk

    def calls_mark(self) -> int:
        return int(self.get("/helpdesk/calls", since=10**9)["mark"])

    def calls_since(self, mark: int, *, refused: bool = True, about: Sequence["Ticket"] | None = None) -> list[str]:
        """The calls of the helpdesk's API, without the poll of its change feed, without tokens and who is an agent.

        `refused` False: nor those that were answered with an error. `about`: nor those on other tickets than these,
        which late rings of earlier tests may cause.
        """
        calls = self.get("/helpdesk/calls", since=mark)["calls"]
        mine = None if about is None else {str(ticket.id) for ticket in about}
        return [
            name
            for call in calls
            if not self.desk.is_quiet(name := f"{call['endpoint'].split()[0]} {call['path']}")
            and (refused or (call["status"] or 200) < 400)
            and (mine is None or not call["path"].startswith("/tickets/") or call["path"].split("/")[2] in mine)
        ]

    def tickets(self, customer: "Customer") -> list["Ticket"]:
        """All of one customer's tickets, oldest first."""
        mine = [row["id"] for row in self.get("/helpdesk/tickets") if row["requester_name"] == customer.name]
        return [Ticket(self, ticket_id) for ticket_id in sorted(mine)]

    def ticket(self, ticket_id: int) -> "Ticket":
        return Ticket(self, ticket_id)

    def users(self, customer: "Customer") -> list[Record]:
        return [user for user in self.get("/helpdesk/users", role="end-user") if user["name"] == customer.name]

    # --- the end of a test

    def settle(self, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until nothing is on its way in any direction."""
        eventually(self._unsettled, {}, patience_seconds=patience_seconds)

    def _unsettled(self) -> dict[str, float]:
        found = {
            " ".join([name, *sorted(dict(labels).values())]): value
            for (name, labels), value in self.installation.metrics().items()
            if value and _is_work(name, dict(labels))
        }
        if unfinished := self.get("/whatsapp/deliveries")["unfinished"]:
            found["webhooks of Meta"] = unfinished
        return found

    def close(self) -> None:
        self.http.close()

    def history(self) -> str:
        """What a person wants to see of a test that failed."""
        calls = "\n".join(self.calls_since(self._calls))
        refused = self.refusals()[self._refused :]
        log = self.installation.logged_since(self._logs)
        return f"calls to the helpdesk:\n{calls}\nrefused: {refused}\nlogs:\n{log}"

    def check(self) -> None:
        """What holds after every story."""
        log = self.installation.logged_since(self._logs)
        refused = [one for one in self.refusals()[self._refused :] if not one["injected"]]
        assert self.may_be_refused or not refused, f"Meta had to say no: {refused}"
        warnings = self.get("/helpdesk/calls", since=self._calls)["warnings"]
        assert not warnings, f"the helpdesk took a request with a reservation: {warnings}"
        wamids = {message["wamid"] for customer in self._customers for message in customer.thread()}
        watched = {text for text in self.private | wamids if len(text) >= SHORTEST_WATCHED}
        leaked = [text for text in watched if text in log]
        assert not leaked, f"in a log: {leaked}"
        assert not failures_in(log, of_rq=not self.installation.redis_disturbed)


def _is_work(name: str, labels: Mapping[str, str]) -> bool:
    if name == "deskbridge_inbox_rows":
        return labels["state"] == "new"
    return name == "deskbridge_effect_rows" and labels["state"] in {"ready", "performing", "unknown"}


@dataclass
class Customer:
    """A person with a phone."""

    world: World = field(repr=False)
    id: str
    name: str
    wa_id: str
    user_id: str

    def writes(self, text: str | None = None, **wish: Any) -> str:
        """Sends `text`, or `message=`; `timestamp=` in Unix seconds of the sandbox. Returns the wamid."""
        if text is not None:
            self.world.private.add(text)
            wish["text"] = text
        wamid: str = self.world.post(f"/customers/{self.id}/messages", wish)["wamid"]
        return wamid

    def writes_one_after_the_other(self, texts: Sequence[str]) -> None:
        """A second apart by WhatsApp's timestamps, the last one now; webhooks overtake each other as they like."""
        now = int(self.world.now().timestamp())
        for before, text in zip(range(len(texts) - 1, -1, -1), texts, strict=True):
            self.writes(text, timestamp=now - before)

    def change(self, **switches: Any) -> None:
        self.world.post(f"/customers/{self.id}", switches)

    def reads(self) -> None:
        self.world.post(f"/customers/{self.id}/read", {})

    def thread(self) -> list[Record]:
        found: list[Record] = self.world.get(f"/customers/{self.id}/messages")
        return found

    def received(self) -> list[str]:
        """The texts that came from the business, in the phone's order."""
        return [message["text"] for message in self.thread() if message["direction"] == "out"]

    def ticks(self) -> list[str]:
        """How far each message from the business came."""
        return [message["status"] for message in self.thread() if message["direction"] == "out"]

    def gets(self, *texts: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Waits until the phone shows exactly these messages from the business, in this order."""
        eventually(self.received, list(texts), patience_seconds=patience_seconds)

    def ticket(self, *, patience_seconds: float = PATIENCE_SECONDS) -> "Ticket":
        """Waits for this customer's newest ticket."""
        return eventually(lambda: self.world.tickets(self), bool, patience_seconds=patience_seconds)[-1]

    def has_ticket(self, text: str = "hello", *, seconds_ago: int = 0) -> "Ticket":
        """Writes a first message (by WhatsApp's timestamp `seconds_ago`) and waits for the ticket with it."""
        said = self.world.words(text)
        self.writes(said, timestamp=int(self.world.now().timestamp()) - seconds_ago)
        ticket = self.ticket()
        ticket.shows(said)
        return ticket


@dataclass
class Ticket:
    """A ticket as the agents see it."""

    world: World = field(repr=False)
    id: int

    def look(self) -> Record:
        found: Record = self.world.get(f"/helpdesk/tickets/{self.id}")
        return found

    @property
    def status(self) -> str:
        return str(self.look()["status"])

    def comments(self) -> list[Record]:
        found: list[Record] = self.look()["comments"]
        return found

    def from_customer(self) -> list[str]:
        """Public comments by the requester."""
        seen = self.look()
        return [
            comment["plain_body"]
            for comment in seen["comments"]
            if comment["public"] and self.world.desk.is_from(seen["requester_id"], comment)
        ]

    def notes(self) -> list[str]:
        """Private notes by the bridge."""
        return [
            comment["plain_body"]
            for comment in self.comments()
            if not comment["public"] and self.world.desk.is_ours(comment)
        ]

    def shows(self, *texts: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Waits until what the customer wrote stands here, each text once and in this order."""
        eventually(self.from_customer, lambda shown: in_order(shown, texts), patience_seconds=patience_seconds)

    def note(self, *parts: str, patience_seconds: float = PATIENCE_SECONDS) -> str:
        """Waits for a note of the bridge that contains all of `parts`; the note."""

        def matching() -> list[str]:
            return [note for note in self.notes() if all(part in note for part in parts)]

        try:
            return eventually(matching, bool, patience_seconds=patience_seconds)[-1]
        except AssertionError as error:
            raise AssertionError(f"no note with {parts} among {self.notes()}") from error

    def replies(self, text: str | None = None, **wish: Any) -> Record:
        """A public comment by an agent (Bia unless `agent` names another)."""
        return self._comment(text, {"public": True, **wish})

    def whispers(self, text: str | None = None, **wish: Any) -> Record:
        """A private note by an agent."""
        return self._comment(text, {"public": False, **wish})

    def _comment(self, text: str | None, wish: Record) -> Record:
        if text is not None:
            self.world.private.add(text)
            wish["text"] = text
        made: Record = self.world.post(f"/helpdesk/tickets/{self.id}/comments", wish)["comment"]
        return made

    def commands(self, command: str) -> str:
        """A `/wa` note; waits for the answer."""
        before = len(self.notes())
        self.whispers(command)
        return eventually(self.notes, lambda notes: len(notes) > before)[-1]

    def change(self, **wish: Any) -> None:
        self.world.post(f"/helpdesk/tickets/{self.id}", wish)

    def close(self) -> None:
        self.world.post(f"/helpdesk/tickets/{self.id}/close", {})

    def delete(self) -> None:
        self.world.http.delete(f"/{self.world.desk.name}/tickets/{self.id}").raise_for_status()

    def merge_into(self, other: "Ticket") -> None:
        self.world.post(f"/helpdesk/tickets/{self.id}/merge", {"into": other.id})


def in_order(shown: Sequence[str], texts: Sequence[str]) -> bool:
    """Whether each of `texts` stands in `shown` exactly once, one after the other."""
    whole = "\n".join(shown)
    places = [whole.find(text) for text in texts]
    return all(whole.count(text) == 1 for text in texts) and places == sorted(places)
