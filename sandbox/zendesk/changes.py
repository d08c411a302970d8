"""What does one update of a ticket do? The only place that writes tickets, comments and audits, for API and UI."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.zendesk import attachments, fields, placeholders, texts
from sandbox.zendesk.account import MAIL, MERGE, RULE, WEB_FORM, WEB_SERVICE, Account, Actor, Update
from sandbox.zendesk.calls import Call
from sandbox.zendesk.store import BRAND_ID, FORM_ID, GROUP_ID
from sandbox.zendesk.wire import Record, record_invalid, truth

MOST_COMMENTS = 5_000
CUSTOM_STATUS_IDS = {"new": 360_002, "open": 360_003, "pending": 360_004, "hold": 360_005, "solved": 360_006}
VIA_NAMES = {WEB_FORM: "Web form", MAIL: "Mail", WEB_SERVICE: "Web service", RULE: "Rule", MERGE: "Merge"}
PLAIN_FIELDS = (
    "subject",
    "status",
    "priority",
    "type",
    "external_id",
    "requester_id",
    "assignee_id",
    "group_id",
    "brand_id",
    "ticket_form_id",
    "organization_id",
    "problem_id",
    "due_at",
    "recipient",
)


@dataclass(frozen=True, slots=True)
class NewComment:
    """A comment before it is written. `public` None means: as the ticket began."""

    author: Record
    body: str = ""
    html_body: str = ""
    public: bool | None = None
    uploads: tuple[str, ...] = ()
    files: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What an update wants: plain fields by name, tags that replace all, custom fields by id, a comment."""

    plain: Record = field(default_factory=dict)
    tags: list[str] | None = None
    custom: dict[int, Any] = field(default_factory=dict)
    comment: NewComment | None = None
    metadata: Record = field(default_factory=dict)
    events: tuple[tuple[str, Record], ...] = ()
    audit_via: Record | None = None


def new_comment(account: Account, wanted: object, *, default_author: Record, call: Call) -> NewComment:
    """The comment of an API call. Raises a 422 for one without text (even with files) or by an unknown author."""
    if not isinstance(wanted, dict):
        wanted = {"body": wanted}
    wanted = call.permitted(wanted, COMMENT_KEYS, path="ticket.comment")
    author = default_author
    if wanted.get("author_id") is not None:
        found = account.store.users.get(_number(wanted["author_id"]))
        if found is None or not found["active"]:
            raise record_invalid("author", "Author: is invalid", "InvalidValue")
        author = found
    body, html_body = _text(wanted.get("body", wanted.get("value"))), _text(wanted.get("html_body"))
    if body and html_body:
        body, html_body = ("", html_body) if account.faults.is_on("html_body_wins") else (body, "")
    return checked(
        account,
        NewComment(
            author=author,
            body=body,
            html_body=html_body,
            public=truth(wanted["public"]) if wanted.get("public") is not None else None,
            uploads=tuple(attachments.check_tokens(account, wanted.get("uploads"))),
        ),
    )


COMMENT_KEYS = frozenset({"body", "value", "html_body", "public", "author_id", "uploads"})


def checked(account: Account, comment: NewComment) -> NewComment:
    """The comment as it may be written: a light agent's is private. Raises a 422 for one without text."""
    text, html = texts.from_html(comment.html_body) if comment.html_body else texts.from_body(comment.body)
    if not text and not texts.inline_images(html):
        raise record_invalid("comment", "Comment: cannot be blank", "BlankValue")
    if comment.author["only_private_comments"] and comment.public is not False:
        if account.faults.is_on("light_agent_public_is_refused") and comment.public:
            raise record_invalid("comment", "Comment: may not be public", "InvalidValue")
        return NewComment(comment.author, comment.body, comment.html_body, False, comment.uploads, comment.files)
    return comment


def open_ticket(
    account: Account,
    *,
    requester: Record,
    submitter: Record,
    wanted: Change,
    actor: Actor,
    source: Record | None = None,
) -> tuple[Record, Record]:
    """Write a new ticket and its first audit; `source` is the closed ticket that it follows."""
    assert wanted.comment is not None
    now, ticket_id = account.now_iso(), account.store.next_ticket_id()
    via = actor.via
    if source is not None:
        via["source"] = {
            "from": {"ticket_id": source["id"], "subject": source["subject"]},
            "to": {},
            "rel": "follow_up",
        }
    ticket: Record = {
        "id": ticket_id,
        "url": account.api_url(f"tickets/{ticket_id}.json"),
        "external_id": None,
        "via": via,
        "created_at": now,
        "updated_at": now,
        "generated_timestamp": int(account.clock.now().timestamp()),
        "type": None,
        "subject": None,
        "raw_subject": None,
        "description": None,
        "priority": None,
        "status": "new",
        "recipient": None,
        "requester_id": requester["id"],
        "submitter_id": submitter["id"],
        "assignee_id": None,
        "organization_id": None,
        "group_id": GROUP_ID,
        "collaborator_ids": [],
        "follower_ids": [],
        "email_cc_ids": [],
        "forum_topic_id": None,
        "problem_id": None,
        "has_incidents": False,
        "is_public": wanted.comment.public is not False,
        "due_at": None,
        "tags": [],
        "custom_fields": _empty_fields(account),
        "satisfaction_rating": {"score": "unoffered"},
        "sharing_agreement_ids": [],
        "custom_status_id": CUSTOM_STATUS_IDS["new"],
        "followup_ids": [],
        "ticket_form_id": FORM_ID,
        "brand_id": BRAND_ID,
        "allow_channelback": False,
        "allow_attachments": True,
        "from_messaging_channel": False,
    }
    ticket["fields"] = ticket["custom_fields"]
    plain = dict(wanted.plain)
    if plain.get("assignee_id") and plain.get("status", "new") == "new":
        plain["status"] = "open"
    values = {name: plain[name] for name in PLAIN_FIELDS if name in plain}
    tags, custom = fields.settle(account, ticket, tags=wanted.tags or [], values=wanted.custom)
    account.store.add_ticket(ticket)
    account.store.change_ticket(ticket, {**values, "tags": tags, **_custom_status(values)})
    _set_fields(ticket, custom)
    audit, comment = _audit(account, ticket, wanted, actor)
    assert comment is not None
    ticket["description"] = comment["plain_body"]
    ticket["subject"] = ticket["raw_subject"] = ticket["subject"] or comment["plain_body"][:80]
    shown = [(name, ticket[name]) for name in PLAIN_FIELDS if ticket[name] is not None]
    shown += [("tags", tags)] if tags else []
    shown += [(str(field_id), value) for field_id, value in custom.items() if value is not None]
    for name, value in shown:
        event = {"id": account.store.next_id(), "type": "Create", "field_name": name, "value": _told(value)}
        audit["events"].append(event)
    if source is not None:
        account.store.change_ticket(source, {"followup_ids": [*source["followup_ids"], ticket_id]})
    _finish(account, ticket, audit, comment, actor, is_creation=True, changed={}, events=wanted.events)
    return ticket, audit


def change_ticket(account: Account, ticket: Record, wanted: Change, actor: Actor) -> Record | None:
    """Write one update; None when it changes nothing. Raises the 422 of a closed or full ticket (fact sheet 2.10)."""
    check_open(ticket)
    if wanted.comment is not None and len(account.store.comments[ticket["id"]]) >= MOST_COMMENTS:
        raise record_invalid("base", "Ticket: has reached the limit of 5000 comments", "TooManyComments")
    plain = dict(wanted.plain)
    _follow_rules(account, ticket, plain, wanted.comment, actor)
    tags, custom = fields.settle(account, ticket, tags=wanted.tags, values=wanted.custom)
    changed = {
        name: (ticket[name], plain[name]) for name in PLAIN_FIELDS if name in plain and plain[name] != ticket[name]
    }
    if tags != ticket["tags"]:
        changed["tags"] = (ticket["tags"], tags)
    before = {entry["id"]: entry["value"] for entry in ticket["custom_fields"]}
    for field_id, value in custom.items():
        if value != before.get(field_id):
            changed[f"custom_fields_{field_id}"] = (before.get(field_id), value)
    if not changed and wanted.comment is None and not wanted.events:
        return None
    values = {name: current for name, (_, current) in changed.items() if not name.startswith("custom_fields_")}
    if "subject" in values:
        values["raw_subject"] = values["subject"]
    account.store.change_ticket(ticket, {**values, **_custom_status(values)})
    _set_fields(ticket, custom)
    ticket["updated_at"] = account.now_iso()
    audit, comment = _audit(account, ticket, wanted, actor)
    for name, (previous, current) in changed.items():
        audit["events"].append(
            {
                "id": account.store.next_id(),
                "type": "Change",
                "field_name": name.removeprefix("custom_fields_"),
                "value": _told(current),
                "previous_value": _told(previous),
            }
        )
    _finish(account, ticket, audit, comment, actor, is_creation=False, changed=changed, events=wanted.events)
    return audit


def delete_ticket(account: Account, ticket: Record, actor: Actor) -> None:
    """Soft deletion: gone from everything but the ticket export."""
    previous = ticket["status"]
    account.store.change_ticket(ticket, {"status": "deleted", "updated_at": account.now_iso()})
    _note_change(account, ticket)
    update = Update(ticket, False, actor, None, {}, (("soft_deleted", {"previous": previous.upper()}),))
    for tell in account.after_update:
        tell(update)
    account.announce(ticket["id"])


def close_ticket(account: Account, ticket: Record) -> None:
    """What the closing automation does days after solving: final."""
    system = Actor(user=SYSTEM, via_id=RULE)
    if ticket["status"] != "closed":
        change_ticket(account, ticket, Change(plain={"status": "closed"}), system)


def check_open(ticket: Record) -> None:
    """Raises the 422 of a closed ticket."""
    if ticket["status"] == "closed":
        raise record_invalid("status", "Status: closed prevents ticket update")


SYSTEM: Record = {"id": -1, "name": "System", "email": None, "role": "system", "external_id": None, "phone": None}


def _follow_rules(account: Account, ticket: Record, plain: Record, comment: NewComment | None, actor: Actor) -> None:
    """What Zendesk adds to an update by itself, and what it refuses."""
    status = plain.get("status")
    if status == "new" and ticket["status"] != "new":
        raise record_invalid("status", "Status: cannot be set to new", "InvalidValue")
    by_end_user = comment is not None and comment.author["role"] == "end-user"
    reopens = actor.via_id != WEB_SERVICE or account.faults.is_on("auto_reopen_by_author")
    if status is None and by_end_user and reopens and ticket["status"] in {"pending", "hold", "solved"}:
        plain["status"] = "open"
    if plain.get("assignee_id") and ticket["status"] == "new" and status is None:
        plain["status"] = "open"
    assignee_id = plain.get("assignee_id", ticket["assignee_id"])
    if status == "solved" and assignee_id is None:
        if actor.via_id == WEB_SERVICE and account.faults.is_on("solve_needs_assignee"):
            raise record_invalid("base", "Assignee: is required when solving a ticket", "BlankValue")
        if actor.user["role"] in {"agent", "admin"}:
            plain["assignee_id"] = actor.user["id"]


def _audit(account: Account, ticket: Record, wanted: Change, actor: Actor) -> tuple[Record, Record | None]:
    audit: Record = {
        "id": account.store.next_id(),
        "ticket_id": ticket["id"],
        "created_at": ticket["updated_at"],
        "author_id": actor.user["id"],
        "metadata": {
            "system": {
                "client": actor.client,
                "ip_address": "203.0.113.7",
                "location": "",
                "latitude": 0.0,
                "longitude": 0.0,
            },
            "custom": wanted.metadata,
        },
        "events": [],
        "via": wanted.audit_via or actor.via,
    }
    if wanted.comment is None:
        return audit, None
    comment = _comment(account, ticket, wanted.comment, audit, actor)
    account.store.comments[ticket["id"]].append(comment)
    told = ("id", "type", "author_id", "body", "html_body", "plain_body", "public", "attachments", "audit_id")
    audit["events"].append({name: comment[name] for name in told})
    return audit, comment


def _comment(account: Account, ticket: Record, new: NewComment, audit: Record, actor: Actor) -> Record:
    body, html_body = new.body, new.html_body
    if new.author["role"] in {"agent", "admin"} and "{{" in body + html_body:
        named = placeholders.values(account, ticket, actor=actor)
        body, html_body = texts.interpolated(body, named), texts.interpolated(html_body, named)
    plain, wrapped = texts.from_html(html_body) if html_body else texts.from_body(body)
    files = [*attachments.consume(account, list(new.uploads)), *new.files]
    metadata = dict(audit["metadata"])
    if new.author["id"] != actor.user["id"]:
        metadata = {**metadata, "flags": [11], "flags_options": {"11": {"message": {"user": actor.user["name"]}}}}
    public = new.public if new.public is not None else ticket["is_public"]
    if public:
        ticket["is_public"] = True
    return {
        "id": account.store.next_id(),
        "type": "Comment",
        "author_id": new.author["id"],
        "body": plain,
        "html_body": wrapped,
        "plain_body": plain.replace("  ", "&nbsp; "),
        "public": public,
        "attachments": [attachments.shown(one) for one in files],
        "audit_id": audit["id"],
        "via": actor.via,
        "created_at": audit["created_at"],
        "metadata": metadata,
    }


def _finish(
    account: Account,
    ticket: Record,
    audit: Record,
    comment: Record | None,
    actor: Actor,
    *,
    is_creation: bool,
    changed: dict[str, tuple[Any, Any]],
    events: tuple[tuple[str, Record], ...],
) -> None:
    account.store.audits[ticket["id"]].append(audit)
    at = _note_change(account, ticket)
    children: list[Record] = []
    for event in audit["events"]:
        if event["type"] == "Comment":
            children.append(
                {**event, "event_type": "Comment", "comment_present": True, "comment_public": event["public"]}
            )
        else:
            child = {"id": event["id"], "event_type": event["type"], event["field_name"]: event["value"]}
            children.append(child if is_creation else {**child, "previous_value": event["previous_value"]})
    account.store.note_event(
        {
            "id": audit["id"],
            "ticket_id": ticket["id"],
            "timestamp": at,
            "created_at": audit["created_at"],
            "updater_id": actor.user["id"],
            "via": VIA_NAMES[actor.via_id],
            "system": audit["metadata"]["system"],
            "metadata": audit["metadata"]["custom"],
            "event_type": "Audit",
            "child_events": children,
        },
        at=at,
        real_at=account.real_seconds(),
    )
    if actor.via_id != WEB_SERVICE:
        account.journal.record(
            source=actor.user["name"],
            target="zendesk",
            summary=f"ticket {ticket['id']}: {'comment' if comment else 'change'}",
            detail={"ticket_id": ticket["id"], "changed": sorted(changed), "public": comment and comment["public"]},
        )
    update = Update(ticket, is_creation, actor, comment, changed, events)
    for tell in account.after_update:
        tell(update)
    account.announce(ticket["id"])


def _note_change(account: Account, ticket: Record) -> int:
    at = int(account.clock.now().timestamp())
    ticket["generated_timestamp"] = at
    account.store.note_change(ticket["id"], at=at, real_at=account.real_seconds())
    return at


def _empty_fields(account: Account) -> list[Record]:
    return [
        {"id": known["id"], "value": False if known["type"] == "checkbox" else None}
        for known in account.store.fields.values()
        if known["type"] not in fields.SYSTEM_TYPES and known["active"]
    ]


def _set_fields(ticket: Record, values: dict[int, Any]) -> None:
    ticket["custom_fields"] = ticket["fields"] = [{"id": key, "value": value} for key, value in values.items()]


def _custom_status(values: Record) -> Record:
    status = values.get("status")
    return {"custom_status_id": CUSTOM_STATUS_IDS[status]} if status in CUSTOM_STATUS_IDS else {}


def _told(value: Any) -> Any:
    """Values in audits are strings, also for ids; lists stay lists (fact sheet Zendesk 2.9)."""
    return (
        value
        if value is None or isinstance(value, list | str)
        else str(value).lower()
        if value in (True, False)
        else str(value)
    )


def _text(value: object) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _number(value: object) -> int:
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdigit()) else 0
