"""What does each event ask for, and is it well-formed? Everything unknown, missing or of a wrong type is refused."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.crm.account import Account
from sandbox.crm.store import Record

MOST_BYTES = 100_000
_BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]{1,128}")
_WA_ID = re.compile(r"[1-9][0-9]{5,14}")
_WINDOWS = {"wa_window_open", "wa_window_closing", "wa_window_closed"}
_TEXT, _MAYBE, _FLAG, _OBJECT = (str,), (str, type(None)), (bool,), (dict,)
Shape = dict[str, tuple[type, ...]]
_TICKET: Shape = {
    "id": _TEXT,
    "subject": _TEXT,
    "requester_id": _TEXT,
    "follows": _MAYBE,
    "tags": (list,),
    "window": _MAYBE,
    "window_until": _MAYBE,
    "undelivered": (bool, type(None)),
}
_MARKS: Shape = {name: _TICKET[name] for name in ("window", "window_until", "undelivered")}
_COMMENT: Shape = {
    "id": _TEXT,
    "public": _FLAG,
    "author": _TEXT,
    "requester_id": _MAYBE,
    "text": _TEXT,
    "html": _TEXT,
}


class RefusedError(Exception):
    """An event is answered with this. `warning`: the bridge made a mistake."""

    def __init__(self, status: int, error: str, *, warning: str | None = None, **more: Any) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error, **more}
        self.warning = warning


def malformed(what: str) -> RefusedError:
    return RefusedError(422, "malformed", warning=what, detail=what)


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of event. `path`: how it is called in the list of calls."""

    method: str
    path: Callable[[Record], str]
    shape: Shape
    handle: Callable[[Account, Record, str], Record]


def check(value: Record, shape: Shape, where: str) -> None:
    """Raises `RefusedError` unless exactly these members are there, of these types."""
    if unknown := sorted(value.keys() - shape.keys()):
        raise malformed(f"{where} has an unknown member {unknown[0]}")
    for name, types in shape.items():
        if name not in value:
            raise malformed(f"{where}.{name} is missing")
        if type(value[name]) not in types:
            raise malformed(f"{where}.{name} is of a wrong type")


def _requester_seen(account: Account, data: Record, _event_id: str) -> Record:
    person = data["requester"]
    check(person, {"id": _TEXT, "bsuid": _MAYBE, "wa_id": _MAYBE, "name": _MAYBE}, "data.requester")
    bsuid, wa_id = person["bsuid"], person["wa_id"]
    if bsuid is None and wa_id is None:
        raise malformed("a requester without bsuid and wa_id")
    if (bsuid is not None and not _BSUID.fullmatch(bsuid)) or (wa_id is not None and not _WA_ID.fullmatch(wa_id)):
        raise malformed("bsuid or wa_id is none")
    known, adopted = account.find_person(person["id"], bsuid=bsuid, wa_id=wa_id), False
    if known is None and wa_id is not None:
        known = account.find_by_number(wa_id)
        adopted = known is not None
    if known is None:
        known = account.make_person(name=person["name"] or "WhatsApp", phone=f"+{wa_id}" if wa_id else None)
    known["_known_as"] = person["id"]
    known["_bsuid"] = bsuid or known["_bsuid"]
    known["_wa_id"] = wa_id or known["_wa_id"]
    account.notify("users")
    return {"requester_id": str(known["id"]), "adopted": adopted}


def _requester_changed(account: Account, data: Record, _event_id: str) -> Record:
    person = data["requester"]
    check(person, {"id": _TEXT, "bsuid": _MAYBE, "wa_id": _MAYBE, "former_numbers": (list,)}, "data.requester")
    known = account.person_called(person["id"])
    if known is None:
        raise RefusedError(422, "requester_gone")
    if person["wa_id"] is not None:
        if not _WA_ID.fullmatch(person["wa_id"]):
            raise malformed("wa_id is none")
        known |= {"_wa_id": person["wa_id"], "phone": f"+{person['wa_id']}"}
    known["_bsuid"] = person["bsuid"] or known["_bsuid"]
    account.notify("users")
    return {"requester_id": str(known["id"])}


def _ticket_opened(account: Account, data: Record, event_id: str) -> Record:
    ticket, comment = data["ticket"], data["comment"]
    check(ticket, _TICKET, "data.ticket")
    _check_comment(comment, event_id)
    requester = account.person_called(ticket["requester_id"])
    if requester is None:
        raise RefusedError(422, "requester_gone")
    if not ticket["subject"].strip() or len(ticket["subject"]) > 200:
        raise malformed("a subject of 1 to 200 characters")
    if ticket["follows"] is not None and account.ticket_called(ticket["follows"]) is None:
        raise malformed("follows a ticket that was never here")
    made = account.open_ticket(
        requester=requester, subject=ticket["subject"], known_as=ticket["id"], follows=ticket["follows"]
    )
    if any(not isinstance(tag, str) or not tag or tag != tag.lower() or " " in tag for tag in ticket["tags"]):
        raise malformed("tags are texts in lower case without blanks")
    made["tags"] += ticket["tags"]
    _mark(account, made, ticket)
    entry = _write(account, made, comment, event_id)
    return {"ticket_id": str(made["id"]), "comment_id": str(entry["id"]), "status": "open"}


def _comment_added(account: Account, data: Record, event_id: str) -> Record:
    check(data["ticket"], _MARKS, "data.ticket")
    _check_comment(data["comment"], event_id)
    ticket = _there(account, data)
    if ticket["_merged_into"] is not None:
        successor = account.name_of(account.store.tickets[ticket["_merged_into"]])
        raise RefusedError(409, "ticket_merged", successor=successor, merged_at=ticket["_merged_at"])
    if ticket["status"] == "closed":
        raise RefusedError(409, "ticket_closed")
    entry = _write(account, ticket, data["comment"], event_id)
    if data["reopen"]:
        ticket["status"] = "open"
    _mark(account, ticket, data["ticket"])
    account.touch(ticket)
    return {"comment_id": str(entry["id"]), "status": _told_status(ticket)}


def _ticket_marked(account: Account, data: Record, _event_id: str) -> Record:
    check(data["ticket"], _MARKS, "data.ticket")
    ticket = _there(account, data)
    _mark(account, ticket, data["ticket"])
    account.touch(ticket)
    return {"status": _told_status(ticket)}


def _ticket_wanted(account: Account, data: Record, _event_id: str) -> Record:
    _check_asked(account)
    return {"status": _told_status(_there(account, data))}


def _there(account: Account, data: Record) -> Record:
    ticket = account.ticket_called(data["ticket_id"])
    if ticket is None or ticket["status"] == "deleted":
        raise RefusedError(404, "ticket_gone")
    return ticket


def _told_status(ticket: Record) -> str:
    return {"pending": "waiting", "hold": "waiting"}.get(ticket["status"], str(ticket["status"]))


def _comments_wanted(account: Account, data: Record, _event_id: str) -> Record:
    _check_asked(account)
    ticket = _there(account, data)
    since = account.time_of(data["since"])
    if since is None:
        raise malformed("data.since is no time")
    found = [one for one in ticket["comments"] if (account.time_of(one["created_at"]) or since) >= since]
    return {"comments": [account.told_comment(one) for one in found]}


def _changes_wanted(account: Account, data: Record, _event_id: str) -> Record:
    """A hundred at a time; those of before the start where it is the first time."""
    _check_asked(account)
    if account.time_of(data["since"]) is None or not str(data["cursor"] or "0").isdigit():
        raise malformed("data.since or data.cursor")
    after, ripe = int(data["cursor"] or 0), account.real_seconds() - account.faults.number("export_delay_seconds")
    news = sorted(
        (
            (one["_seq"], ticket, one)
            for ticket in account.store.tickets.values()
            for one in ticket["comments"]
            if one["_seq"] > after and one["_real_at"] <= ripe
        ),
        key=lambda found: found[0],
    )
    page = news[:100]
    changes = [
        {
            "ticket_id": account.name_of(ticket),
            "comment_id": str(one["id"]),
            **({"event_id": one["event_id"]} if one["event_id"] else {}),
        }
        for _, ticket, one in page
    ]
    return {"changes": changes, "cursor": str(page[-1][0] if page else after), "end": len(news) <= len(page)}


def _ping(_account: Account, _data: Record, _event_id: str) -> Record:
    return {"pong": True}


def _check_asked(account: Account) -> None:
    if not account.faults.is_on("answers_questions"):
        raise RefusedError(422, "not_a_question_that_i_answer")


def _check_comment(comment: Record, event_id: str) -> None:
    check(comment, _COMMENT, "data.comment")
    if comment["id"] != event_id:
        raise malformed("data.comment.id is not webhook-id")
    if comment["author"] not in {"customer", "deskbridge"}:
        raise malformed("data.comment.author")
    if (comment["author"] == "customer") != (comment["requester_id"] is not None):
        raise malformed("a customer's comment names the requester, and no other does")
    if not comment["text"].strip() or not comment["html"].strip() or len(comment["html"].encode()) > MOST_BYTES:
        raise malformed("text or html is empty, or too long")


def _write(account: Account, ticket: Record, comment: Record, event_id: str) -> Record:
    author = account.api_user()
    if comment["requester_id"] is not None:
        found = account.person_called(comment["requester_id"])
        if found is None:
            raise RefusedError(422, "requester_gone")
        author = found
    return account.add_comment(
        ticket,
        author=author,
        public=comment["public"],
        text=comment["text"],
        html=comment["html"],
        event_id=event_id,
        channel="api",
    )


def _mark(account: Account, ticket: Record, marks: Record) -> None:
    if marks["window_until"] is not None and account.time_of(marks["window_until"]) is None:
        raise malformed("window_until is no time")
    if marks["window"] is not None and marks["window"] not in _WINDOWS:
        raise malformed("window is none of ours")
    kept = [tag for tag in ticket["tags"] if not tag.startswith("wa_")]
    window = [marks["window"]] if marks["window"] else []
    ticket["tags"] = [*kept, *window, *(["wa_undelivered"] if marks["undelivered"] else [])]


def _comments_path(data: Record) -> str:
    return f"/tickets/{data.get('ticket_id')}/comments"


KINDS: dict[str, Kind] = {
    "ping": Kind("ASK", lambda _: "/ping", {}, _ping),
    "requester.seen": Kind("POST", lambda _: "/requesters", {"requester": _OBJECT}, _requester_seen),
    "requester.changed": Kind("POST", lambda _: "/requesters/changes", {"requester": _OBJECT}, _requester_changed),
    "ticket.opened": Kind("POST", lambda _: "/tickets", {"ticket": _OBJECT, "comment": _OBJECT}, _ticket_opened),
    "comment.added": Kind(
        "POST",
        _comments_path,
        {"ticket_id": _TEXT, "reopen": _FLAG, "ticket": _OBJECT, "comment": _OBJECT},
        _comment_added,
    ),
    "ticket.marked": Kind(
        "POST",
        lambda data: f"/tickets/{data.get('ticket_id')}/marks",
        {"ticket_id": _TEXT, "ticket": _OBJECT},
        _ticket_marked,
    ),
    "ticket.wanted": Kind(
        "ASK", lambda data: f"/tickets/{data.get('ticket_id')}", {"ticket_id": _TEXT}, _ticket_wanted
    ),
    "comments.wanted": Kind("ASK", _comments_path, {"ticket_id": _TEXT, "since": _TEXT}, _comments_wanted),
    "changes.wanted": Kind("ASK", lambda _: "/changes", {"cursor": _MAYBE, "since": _TEXT}, _changes_wanted),
}
"""By `type`. ASK: a question, which changes nothing."""
