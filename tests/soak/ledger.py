"""Does it add up? What went in at the phone and at the desk, against what the other side holds. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from tests.soak.texts import markers_in

TOLD_WITHIN_SECONDS = 61.0
"""60 s, and the second to which helpdesks cut their times."""
NOT_CONFIRMED = "reply not confirmed:"
TOLD = (NOT_CONFIRMED, "not delivered:", "not sent:", "held, not sent:", "reply dropped,", "refused this reply:")
"""Words of the private notes that say what became of a reply that is not at the phone."""
FAILED = ("reply not delivered:", "reply not sent:", "reply dropped,")
"""Those that say that it never will be there."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A customer's message. `known_before`: the same customer's messages that were answered 200 before it was sent."""

    customer: int
    marker: str
    timestamp: int
    known_before: frozenset[str]


@dataclass(frozen=True, slots=True)
class Written:
    """An agent's comment, in the order of the ticket; `public` False: a private note."""

    customer: int
    ticket_id: int
    marker: str
    public: bool


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as the helpdesk shows it. `at_seconds`: real time. `ours`: the bridge wrote it."""

    id: int
    text: str
    public: bool
    by_requester: bool
    ours: bool
    at_seconds: float


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as the helpdesk shows it. `customer` None: of nobody we know. `open`: neither solved nor closed."""

    id: int
    customer: int | None
    open: bool
    comments: tuple[Comment, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What both far sides hold in the end."""

    tickets: Sequence[Ticket]
    phones: Mapping[int, Sequence[str]]
    """By customer, the texts from the business, in the phone's order."""
    users: Mapping[int, int]
    """By customer, how many helpdesk users there are."""
    calls: Mapping[str, Sequence[float]]
    """By marker of a reply, when (real time) the Cloud API was asked to send it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be."""

    kind: str
    what: str


@dataclass(slots=True)
class Balance:
    """The sums, and what does not add up."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def find(self, kind: str, what: str) -> None:
        self.findings.append(Finding(kind, what))

    @property
    def by_kind(self) -> Counter[str]:
        return Counter(finding.kind for finding in self.findings)


KINDS = (
    "message lost",
    "message doubled",
    "message out of order",
    "message misplaced",
    "message changed",
    "reply lost",
    "reply doubled",
    "reply out of order",
    "reply told late",
    "reply told wrong",
    "private note leaked",
    "stranger's text at the phone",
    "tickets of one customer",
    "users of one customer",
)


def balance(sent: Sequence[Sent], written: Sequence[Written], seen: Seen) -> Balance:
    """Go through everything once."""
    account = Balance()
    _messages(account, sent, seen)
    _replies(account, written, seen)
    _tickets(account, sent, seen)
    return account


def missing(sent: Sequence[Sent], written: Sequence[Written], seen: Seen) -> int:
    """How much is still to come."""
    kinds = balance(sent, written, seen).by_kind
    return kinds["message lost"] + kinds["reply lost"]


def _messages(account: Balance, sent: Sequence[Sent], seen: Seen) -> None:
    by_marker = {message.marker: message for message in sent}
    shown: dict[int, list[tuple[str, bool]]] = defaultdict(list)
    for ticket, comment in _in_order(seen.tickets):
        if not (comment.public and comment.by_requester):
            continue
        found = markers_in(comment.text)
        if not found:
            account.find("message changed", f"comment {comment.id} of ticket {ticket.id} holds no message")
        for marker, has_time in found:
            message = by_marker.get(marker)
            if message is None or message.customer != ticket.customer:
                account.find("message misplaced", f"{marker} on ticket {ticket.id}")
            else:
                shown[message.customer].append((marker, has_time))
    times = Counter(marker for lines in shown.values() for marker, _ in lines)
    account.counts["messages sent"] = len(sent)
    account.counts["messages on tickets"] = len(times)
    for message in sent:
        if times[message.marker] == 0:
            account.find("message lost", message.marker)
        elif times[message.marker] > 1:
            account.find("message doubled", f"{message.marker} stands {times[message.marker]} times")
    for lines in shown.values():
        _message_order(account, lines, by_marker)


def _message_order(account: Balance, lines: Iterable[tuple[str, bool]], by_marker: Mapping[str, Sent]) -> None:
    """Older after newer is right only where the older came after the newer was being written: it carries its time."""
    has_time: dict[str, bool] = {}
    for marker, timed in lines:
        has_time.setdefault(marker, timed)
    late = set()
    for before, after in combinations((by_marker[marker] for marker in has_time), 2):
        if after.timestamp >= before.timestamp:
            continue
        if after.marker in before.known_before:
            account.find("message out of order", f"{after.marker} after {before.marker}, and known before it was sent")
        elif not has_time[after.marker]:
            account.find("message out of order", f"{after.marker} after {before.marker}, without its time")
        else:
            late.add(after.marker)
    account.counts["messages late, with their time"] += len(late)


def _replies(account: Balance, written: Sequence[Written], seen: Seen) -> None:
    by_marker = {reply.marker: reply for reply in written}
    notes = _notes(seen.tickets)
    places: dict[str, list[int]] = defaultdict(list)
    for customer, texts in seen.phones.items():
        for place, text in enumerate(texts):
            markers = [marker for marker, _ in markers_in(text)]
            for marker in markers:
                reply = by_marker.get(marker)
                if reply is None or reply.customer != customer:
                    account.find("stranger's text at the phone", f"{marker} at the phone of {customer}")
                elif not reply.public:
                    account.find("private note leaked", marker)
                else:
                    places[marker].append(place)
            if not markers:
                account.find("stranger's text at the phone", f"text {place} at the phone of {customer} is no reply")
    public = [reply for reply in written if reply.public]
    account.counts["replies written"] = len(public)
    account.counts["private notes written"] = len(written) - len(public)
    for reply in public:
        _reply(account, reply, len(places[reply.marker]), notes.get(reply.marker, []), seen)
    of_ticket: dict[int, list[Written]] = defaultdict(list)
    for reply in public:
        of_ticket[reply.ticket_id].append(reply)
    for replies in of_ticket.values():
        for earlier, later in combinations(replies, 2):
            if not places[earlier.marker] or not places[later.marker]:
                continue
            unconfirmed = any(NOT_CONFIRMED in note.text for note in notes.get(earlier.marker, []))
            if places[earlier.marker][0] > places[later.marker][0] and not unconfirmed:
                account.find("reply out of order", f"{earlier.marker} after {later.marker}")


def _reply(account: Balance, reply: Written, times: int, notes: Sequence[Comment], seen: Seen) -> None:
    told = [note for note in notes if any(words in note.text for words in TOLD)]
    unconfirmed = [note for note in notes if NOT_CONFIRMED in note.text]
    if times > 1:
        account.find("reply doubled", f"{reply.marker} is at the phone {times} times")
    elif times == 1:
        account.counts["replies at the phone"] += 1
        account.counts["replies at the phone, told as not confirmed"] += bool(unconfirmed)
        if any(words in note.text for note in notes for words in FAILED):
            account.find("reply told wrong", f"{reply.marker} is at the phone, and told as failed")
    elif told:
        words = next(words for words in TOLD if words in told[-1].text)
        account.counts[f"replies not at the phone, told: {words.rstrip(':,')}"] += 1
    else:
        account.find("reply lost", f"{reply.marker} is not at the phone, and nobody was told")
    if unconfirmed:
        told_at = unconfirmed[0].at_seconds
        asked_at = max((at for at in seen.calls.get(reply.marker, ()) if at <= told_at + 1), default=told_at)
        if told_at - asked_at > TOLD_WITHIN_SECONDS:
            account.find("reply told late", f"{reply.marker}: not confirmed, told after {told_at - asked_at:.0f} s")


def _notes(tickets: Iterable[Ticket]) -> dict[str, list[Comment]]:
    """By marker of a reply, the private notes of the bridge that quote it."""
    found: dict[str, list[Comment]] = defaultdict(list)
    for _, comment in _in_order(tickets):
        if comment.ours and not comment.public:
            for marker, _ in markers_in(comment.text):
                found[marker].append(comment)
    return found


def _tickets(account: Balance, sent: Sequence[Sent], seen: Seen) -> None:
    account.counts["tickets"] = len(seen.tickets)
    open_tickets = Counter(ticket.customer for ticket in seen.tickets if ticket.open)
    for customer in sorted({message.customer for message in sent}):
        if open_tickets[customer] != 1:
            account.find("tickets of one customer", f"customer {customer} has {open_tickets[customer]} open tickets")
        if seen.users.get(customer, 0) != 1:
            account.find("users of one customer", f"customer {customer} has {seen.users.get(customer, 0)} users")


def _in_order(tickets: Iterable[Ticket]) -> list[tuple[Ticket, Comment]]:
    """Every comment in the order in which the helpdesk took it."""
    return sorted(((ticket, comment) for ticket in tickets for comment in ticket.comments), key=lambda pair: pair[1].id)
