"""The reading half of the tickets API: one ticket, lists, archived ones. Fact sheet Freshdesk 2."""

from datetime import timedelta
from typing import Any

from sandbox.freshdesk import files, paging, people
from sandbox.freshdesk.account import Account
from sandbox.freshdesk.calls import Call, Endpoint
from sandbox.freshdesk.store import shown
from sandbox.freshdesk.wire import Answer, Record, invalid_value, iso, moment_of, not_found

TICKET_INCLUDES = ("conversations", "requester", "company", "stats")
LIST_INCLUDES = ("requester", "stats", "description", "company")
ORDERS = ("created_at", "due_by", "updated_at", "status")
FILTERS = ("new_and_my_open", "watching", "spam", "deleted")
DEFAULT_DAYS = 30
OLDEST_INCLUDED = 10
NOT_IN_LISTS = frozenset({"description", "description_text", "structured_description", "ticket_cc_emails"})


def ticket_shown(account: Account, ticket: Record) -> Record:
    """A whole ticket; `deleted` is only there when it is."""
    more: Record = {"attachments": files.attachments_shown(account, ticket)}
    if ticket["_deleted"]:
        more["deleted"] = True
    return {**shown(ticket), **more}


def conversation_shown(account: Account, conversation: Record) -> Record:
    """A conversation as lists show it."""
    return {**shown(conversation), "attachments": files.attachments_shown(account, conversation)}


def show(account: Account, call: Call) -> Answer:
    """`GET /tickets/{id}`; `include=conversations` gives the ten oldest. Deleted and spam ones are still shown."""
    call.known_query("include")
    ticket = account.store.tickets.get(call.path[0])
    if ticket is None or (ticket["_archived"] and not account.faults.is_on("archived_readable")):
        raise not_found()
    answer = ticket_shown(account, ticket)
    includes = call.includes(*TICKET_INCLUDES)
    if "conversations" in includes:
        oldest = account.store.conversations[ticket["id"]][:OLDEST_INCLUDED]
        answer["conversations"] = [conversation_shown(account, one) for one in oldest]
    return Answer({**answer, **_embedded(account, ticket, includes)})


def index(account: Account, call: Call) -> Answer:
    """`GET /tickets`: those created in the last 30 days, or those updated since a time; no deleted or spam ones."""
    call.known_query(
        "filter", "requester_id", "email", "unique_external_id", "company_id", "updated_since", "order_by",
        "order_type", "include",
    )  # fmt: skip
    includes = call.includes(*LIST_INCLUDES)
    order = _choice(call, "order_by", ORDERS, "created_at")
    descending = _choice(call, "order_type", ("asc", "desc"), "desc") == "desc"
    found = _filtered(account, call)
    if order == "updated_at" and call.query.get("updated_since") is not None:
        found = found[::-1] if descending else found
    else:
        found = sorted(found, key=lambda ticket: (ticket[order], ticket["id"]), reverse=descending)

    def row(ticket: Record) -> Record:
        entry = shown(ticket, without=NOT_IN_LISTS)
        if "description" in includes:
            entry |= {name: ticket[name] for name in ("description", "description_text")}
        return {**entry, **_embedded(account, ticket, includes)}

    return paging.page(account, call, found, path="tickets", show=row)


def conversations(account: Account, call: Call) -> Answer:
    """`GET /tickets/{id}/conversations`: oldest first, without the description."""
    call.known_query()
    ticket = account.store.tickets.get(call.path[0])
    if ticket is None or ticket["_archived"]:
        raise not_found()
    return _conversations(account, call, ticket, path=f"tickets/{ticket['id']}/conversations")


def archived(account: Account, call: Call) -> Answer:
    """`GET /tickets/archived/{id}`."""
    return Answer(ticket_shown(account, _archived(account, call)))


def archived_conversations(account: Account, call: Call) -> Answer:
    """`GET /tickets/archived/{id}/conversations`."""
    ticket = _archived(account, call)
    return _conversations(account, call, ticket, path=f"tickets/archived/{ticket['id']}/conversations")


def _conversations(account: Account, call: Call, ticket: Record, *, path: str) -> Answer:
    kept = account.store.conversations[ticket["id"]]
    return paging.page(account, call, kept, path=path, show=lambda one: conversation_shown(account, one))


def _archived(account: Account, call: Call) -> Record:
    ticket = account.store.tickets.get(call.path[0])
    if ticket is None or not ticket["_archived"]:
        raise not_found()
    return ticket


def _filtered(account: Account, call: Call) -> list[Record]:
    """In order of the last change where `updated_since` is given, else of creation."""
    wanted = _choice(call, "filter", FILTERS, "")
    since = call.query.get("updated_since")
    if since is not None:
        moment = moment_of(since)
        if moment is None:
            raise invalid_value("updated_since", "It should be in the 'combined date and time ISO8601' format")
        first = moment if account.faults.is_on("updated_since_inclusive") else moment + timedelta(seconds=1)
        found = account.store.tickets_updated_from(iso(first))
    else:
        found = account.store.tickets_created_from(iso(account.clock.now() - timedelta(days=DEFAULT_DAYS)))
    requester = _requester_wanted(account, call)
    latest = account.real_seconds() - account.faults.number("export_delay_seconds")
    return [
        ticket
        for ticket in found
        if not ticket["_archived"]
        and ticket["_deleted"] == (wanted == "deleted")
        and ticket["spam"] == (wanted == "spam")
        and wanted != "watching"
        and (requester is None or ticket["requester_id"] in requester)
        and ticket["_changed_real_at"] <= latest
    ]


def _requester_wanted(account: Account, call: Call) -> set[int] | None:
    if call.query.get("company_id") is not None:
        return set()
    if (requester_id := call.query.get("requester_id")) is not None:
        if not requester_id.isdigit():
            raise invalid_value("requester_id", "It should be a Positive Integer")
        return {int(requester_id)}
    for name in ("email", "unique_external_id"):
        if (value := call.query.get(name)) is not None:
            return {person["id"] for person in account.store.people_with(name, value)}
    return None


def _embedded(account: Account, ticket: Record, includes: list[str]) -> Record:
    more: dict[str, Any] = {}
    if "requester" in includes:
        person = account.store.people.get(ticket["requester_id"])
        more["requester"] = people.brief(person) if person is not None else None
    if "stats" in includes:
        more["stats"] = ticket["_stats"]
    if "company" in includes:
        more["company"] = {}
    return more


def _choice(call: Call, name: str, known: tuple[str, ...], default: str) -> str:
    given = call.query.get(name)
    if given is not None and given not in known:
        raise invalid_value(name, f"It should be one of these values: '{','.join(known)}'")
    return default if given is None else given


ENDPOINTS = [
    Endpoint("GET", "tickets", index, sub_limit="ticket_list", include_cost=2),
    Endpoint("GET", "tickets/{id}", show),
    Endpoint("GET", "tickets/{id}/conversations", conversations),
    Endpoint("GET", "tickets/archived/{id}", archived),
    Endpoint("GET", "tickets/archived/{id}/conversations", archived_conversations),
]
