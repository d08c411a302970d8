"""What does `/search` find? What was so some minutes ago, ten pages of thirty (fact sheet Freshdesk 2 and 4)."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.freshdesk import people
from sandbox.freshdesk.account import Account, Update
from sandbox.freshdesk.calls import Call, Endpoint
from sandbox.freshdesk.store import shown
from sandbox.freshdesk.views import NOT_IN_LISTS
from sandbox.freshdesk.wire import Answer, Record, RefusalError, invalid_value

LONGEST_QUERY = 512
PER_PAGE, LAST_PAGE = 30, 10
TICKET_FIELDS = {
    "agent_id": "responder_id",
    "group_id": "group_id",
    "priority": "priority",
    "status": "status",
    "tag": "tags",
    "type": "type",
    "due_by": "due_by",
    "fr_due_by": "fr_due_by",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
CONTACT_FIELDS = {
    **{name: name for name in ("active", "email", "mobile", "phone", "twitter_id", "language", "time_zone")},
    **{name: name for name in ("company_id", "created_at", "updated_at")},
    "tag": "tags",
}
_TOKEN = re.compile(r"\s*(?:([()])|(AND|OR)\b|(\w+):([<>]?)\s*('(?:[^'\\]|\\.)*'|[\w.-]+))")
Matcher = Callable[[Record], bool]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A record as it was, from a real time on."""

    ready_at: float
    values: Record


class SearchIndex:
    """What the index shows of tickets and contacts; each change is seen `delay_seconds` of real time later."""

    def __init__(self, *, real_seconds: Callable[[], float], delay_seconds: Callable[[], float]) -> None:
        self._real_seconds = real_seconds
        self._delay_seconds = delay_seconds
        self._entries: dict[int, deque[_Seen]] = {}

    def note(self, record_id: int, values: Record) -> None:
        """Keep what a record looks like now."""
        kept = self._entries.setdefault(record_id, deque())
        self._forget_older(kept)
        kept.append(_Seen(self._real_seconds() + self._delay_seconds(), values))

    def look(self) -> Iterator[tuple[int, Record]]:
        """Every (id, values) that is in the index now."""
        now = self._real_seconds()
        for record_id, kept in self._entries.items():
            self._forget_older(kept)
            if kept and kept[0].ready_at <= now:
                yield record_id, kept[0].values

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def _forget_older(self, kept: deque[_Seen]) -> None:
        while len(kept) > 1 and kept[1].ready_at <= self._real_seconds():
            kept.popleft()


class Search:
    """The two search endpoints of an account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        faults = account.faults
        delay = {"real_seconds": account.real_seconds, "delay_seconds": lambda: faults.number("index_delay_seconds")}
        self._tickets = SearchIndex(**delay)
        self._contacts = SearchIndex(**delay)
        account.after_update.append(self._note_ticket)

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("GET", "search/tickets", self._find_tickets),
            Endpoint("GET", "search/contacts", self._find_contacts),
        ]

    def note_contact(self, contact: Record) -> None:
        """A contact was made or changed."""
        self._contacts.note(contact["id"], {name: contact[name] for name in CONTACT_FIELDS.values()})

    def rebuild(self) -> None:
        """Begin anew from the account's records."""
        self._tickets.clear()
        self._contacts.clear()
        for ticket in self._account.store.tickets.values():
            self._tickets.note(ticket["id"], _searchable(ticket))
        for contact in self._account.store.contacts():
            self.note_contact(contact)

    def _note_ticket(self, update: Update) -> None:
        self._tickets.note(update.ticket["id"], _searchable(update.ticket))

    def _find_tickets(self, account: Account, call: Call) -> Answer:
        known = TICKET_FIELDS | {name: name for name in account.store.fields}
        matches = _matcher(call, known)
        found = [
            ticket
            for ticket_id, values in self._tickets.look()
            if matches(values)
            and (ticket := account.store.tickets.get(ticket_id)) is not None
            and not (ticket["_deleted"] or ticket["spam"] or ticket["_archived"])
        ]
        return _page(call, [shown(ticket, without=NOT_IN_LISTS) for ticket in found])

    def _find_contacts(self, account: Account, call: Call) -> Answer:
        matches = _matcher(call, CONTACT_FIELDS)
        found = [
            contact
            for contact_id, values in self._contacts.look()
            if matches(values)
            and (contact := account.store.contact(contact_id)) is not None
            and not contact["_deleted"]
        ]
        return _page(call, [people.person_shown(contact) for contact in found])


def _searchable(ticket: Record) -> Record:
    return {**{name: ticket[name] for name in TICKET_FIELDS.values()}, **ticket["custom_fields"]}


def _page(call: Call, found: list[Record]) -> Answer:
    number = call.count("page", default=1, most=LAST_PAGE)
    return Answer({"total": len(found), "results": found[(number - 1) * PER_PAGE : number * PER_PAGE]})


def _matcher(call: Call, known: dict[str, str]) -> Matcher:
    """What the query asks for. Raises the 400 of a query that is unquoted, too long or not of the language."""
    if set(call.query) - {"query", "page"}:
        call.known_query("query")
        raise invalid_value("per_page", "Unexpected/invalid field in request")
    query = call.query.get("query", "")
    if len(query) < 3 or query[0] != '"' or query[-1] != '"' or len(query) > LONGEST_QUERY + 2:
        raise invalid_value("query", 'Given query is invalid. It should be within "" and have at most 512 characters')
    tokens = _tokens(query[1:-1])
    matcher = _either(tokens, known)
    if tokens:
        raise _nonsense()
    return matcher


def _tokens(query: str) -> deque[re.Match[str]]:
    tokens: deque[re.Match[str]] = deque()
    place = 0
    while place < len(query.rstrip()):
        token = _TOKEN.match(query, place)
        if token is None:
            raise _nonsense()
        tokens.append(token)
        place = token.end()
    return tokens


def _either(tokens: deque[re.Match[str]], known: dict[str, str]) -> Matcher:
    sides = [_both(tokens, known)]
    while tokens and tokens[0][2] == "OR":
        tokens.popleft()
        sides.append(_both(tokens, known))
    return lambda values: any(side(values) for side in sides)


def _both(tokens: deque[re.Match[str]], known: dict[str, str]) -> Matcher:
    sides = [_one(tokens, known)]
    while tokens and tokens[0][2] == "AND":
        tokens.popleft()
        sides.append(_one(tokens, known))
    return lambda values: all(side(values) for side in sides)


def _one(tokens: deque[re.Match[str]], known: dict[str, str]) -> Matcher:
    if not tokens:
        raise _nonsense()
    token = tokens.popleft()
    if token[1] == "(":
        inner = _either(tokens, known)
        if not tokens or tokens.popleft()[1] != ")":
            raise _nonsense()
        return inner
    if token[3] is None:
        raise _nonsense()
    if token[3] not in known:
        raise invalid_value(token[3], "Unexpected/invalid field in request")
    name, operator, wanted = known[token[3]], token[4], _literal(token[5])
    return lambda values: _fits(values.get(name), operator, wanted)


def _literal(text: str) -> Any:
    if text[0] == "'":
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if text in {"null", "true", "false"}:
        return {"null": None, "true": True, "false": False}[text]
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    raise _nonsense()


def _fits(value: Any, operator: str, wanted: Any) -> bool:
    if isinstance(value, list):
        return (wanted is None and not value) or any(_fits(one, operator, wanted) for one in value)
    if isinstance(value, str) and isinstance(wanted, str):
        # Dates compare by day.
        value = value[:10] if re.fullmatch(r"\d{4}-\d{2}-\d{2}T.*", value) else value.lower()
        wanted = wanted.lower()
    if not operator or value is None or type(value) is not type(wanted):
        return not operator and bool(value == wanted)
    return bool(value >= wanted if operator == ">" else value <= wanted)


def _nonsense() -> RefusalError:
    return invalid_value("query", "Given query is invalid. It should be of the documented format")
