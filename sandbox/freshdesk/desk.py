"""What do agents see on their desk? Tickets and people in the control API's words, which are those of Zendesk's."""

from sandbox.freshdesk import files, people, texts
from sandbox.freshdesk.account import (
    CLOSED,
    FEEDBACK,
    FORWARD,
    NOTE,
    OPEN,
    OUTBOUND_SOURCE,
    PENDING,
    REPLY,
    RESOLVED,
    STATUSES,
    Account,
)
from sandbox.freshdesk.wire import Record

STATUS_NUMBERS = {"open": OPEN, "pending": PENDING, "solved": RESOLVED, "closed": CLOSED, "waiting": 6, "hold": 7}
PRIORITY_NUMBERS = {"low": 1, "normal": 2, "high": 3, "urgent": 4}
KINDS = {REPLY: "reply", NOTE: "note", FEEDBACK: "survey", FORWARD: "forward"}
CHANNELS = {"api": "api", "web": "web", "mail": "email", "rule": "rule"}
DESCRIPTION_ID = 0
"""A ticket's description is no conversation; it is shown as the first comment, under this id."""


def status(ticket: Record) -> str:
    """The status in one word; `deleted` and `spam` are told as one, too."""
    if ticket["_deleted"]:
        return "deleted"
    if ticket["spam"]:
        return "spam"
    return next(word for word, number in STATUS_NUMBERS.items() if number == ticket["status"])


def brief(account: Account, ticket: Record) -> Record:
    """A line of the queue."""
    requester = account.store.people.get(ticket["requester_id"])
    kept = account.store.conversations[ticket["id"]]
    latest = kept[-1]["body"] if kept else ticket["description"]
    return {
        "id": ticket["id"],
        "subject": ticket["subject"],
        "status": status(ticket),
        "tags": ticket["tags"],
        "external_id": None,
        "requester_id": ticket["requester_id"],
        "assignee_id": ticket["responder_id"],
        "created_at": ticket["created_at"],
        "updated_at": ticket["updated_at"],
        "requester_name": requester["name"] if requester else None,
        "comment_count": len(kept) + 1,
        "latest": texts.lines_of(latest)[:120],
    }


def full(account: Account, ticket: Record) -> Record:
    """A ticket with its requester, its custom fields by title and every comment, the description first."""
    store = account.store
    requester, assignee = store.people.get(ticket["requester_id"]), store.people.get(ticket["responder_id"] or 0)
    labels = {name: field["label"] for name, field in store.fields.items()}
    return {
        **brief(account, ticket),
        "status_id": ticket["status"],
        "status_label": STATUSES[ticket["status"]][0],
        "priority": ticket["priority"],
        "type": ticket["type"],
        "source": ticket["source"],
        "group_id": ticket["group_id"],
        "spam": ticket["spam"],
        "deleted": ticket["_deleted"],
        "archived": ticket["_archived"],
        "stats": ticket["_stats"],
        "custom_fields": ticket["custom_fields"],
        "requester": user(requester) if requester else None,
        "assignee": user(assignee) if assignee else None,
        "fields_by_title": {labels[name]: value for name, value in ticket["custom_fields"].items() if name in labels},
        "comments": [
            _description(account, ticket),
            *(_comment(account, one) for one in store.conversations[ticket["id"]]),
        ],
    }


def user(person: Record) -> Record:
    """A contact or an agent."""
    return {
        "id": person["id"],
        "name": person["name"],
        "email": person["email"],
        "phone": person["phone"],
        "mobile": person["mobile"],
        "external_id": person["unique_external_id"],
        "unique_external_id": person["unique_external_id"],
        "role": role(person),
        "tags": person["tags"],
        "active": not (person["_deleted"] or person["_blocked"]),
        "created_at": person["created_at"],
        "updated_at": person["updated_at"],
    }


def role(person: Record) -> str:
    """`end-user`, `admin`, `agent`, or `light agent` for a collaborator, who may only write private notes."""
    if person["_agent"] is None:
        return "end-user"
    if people.is_collaborator(person):
        return "light agent"
    return "admin" if people.is_admin(person) else "agent"


def _description(account: Account, ticket: Record) -> Record:
    author_id = ticket["_creator_id"] if ticket["source"] == OUTBOUND_SOURCE else ticket["requester_id"]
    shown = _shown(account, ticket, author_id=author_id, body=ticket["description"], created_at=ticket["created_at"])
    return {**shown, "id": DESCRIPTION_ID, "public": True, "kind": "description", "edited_at": None}


def _comment(account: Account, one: Record) -> Record:
    shown = _shown(account, one, author_id=one["user_id"], body=one["body"], created_at=one["created_at"])
    kind = "automation" if one["automation_id"] else KINDS[one["source"]]
    return {**shown, "id": one["id"], "public": not one["private"], "kind": kind, "edited_at": one["last_edited_at"]}


def _shown(account: Account, owner: Record, *, author_id: int, body: str, created_at: str) -> Record:
    author = account.store.people.get(author_id)
    attachments = [
        {
            "id": one["id"],
            "file_name": one["name"],
            "content_type": one["content_type"],
            "content_url": one["attachment_url"],
            "size": one["size"],
        }
        for one in files.attachments_shown(account, owner)
    ]
    plain = texts.lines_of(body)
    return {
        "author_id": author_id,
        "author_name": author["name"] if author else "System",
        "author_role": role(author) if author else "system",
        "plain_body": plain,
        "body": plain,
        "html_body": body,
        "created_at": created_at,
        "incoming": owner.get("incoming", True),
        "via": {"channel": CHANNELS[owner["_channel"]]},
        "attachments": attachments,
        "custom": {},
    }
