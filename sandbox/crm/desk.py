"""What do agents see on their desk? Tickets and people in the control API's words, which are those of Zendesk's."""

from sandbox.crm.account import Account
from sandbox.crm.store import Record


def brief(account: Account, ticket: Record) -> Record:
    """A line of the queue."""
    requester = account.store.people.get(ticket["requester_id"])
    kept = ticket["comments"]
    return {
        "id": ticket["id"],
        "subject": ticket["subject"],
        "status": ticket["status"],
        "tags": ticket["tags"],
        "external_id": ticket["_known_as"],
        "requester_id": ticket["requester_id"],
        "assignee_id": ticket["assignee_id"],
        "created_at": ticket["created_at"],
        "updated_at": ticket["updated_at"],
        "requester_name": requester["name"] if requester else None,
        "comment_count": len(kept),
        "latest": kept[-1]["text"][:120] if kept else "",
    }


def full(account: Account, ticket: Record) -> Record:
    """A ticket with its requester and every comment."""
    people = account.store.people
    requester, assignee = people.get(ticket["requester_id"]), people.get(ticket["assignee_id"] or 0)
    return {
        **brief(account, ticket),
        "follows": ticket["follows"],
        "custom_fields": {},
        "fields_by_title": {},
        "requester": user(requester) if requester else None,
        "assignee": user(assignee) if assignee else None,
        "comments": [_comment(account, one) for one in ticket["comments"]],
    }


def user(person: Record) -> Record:
    """A customer or an agent."""
    return {
        "id": person["id"],
        "name": person["name"],
        "email": person["email"],
        "phone": person["phone"],
        "external_id": person["_known_as"],
        "role": person["role"],
        "tags": [],
        "active": person["active"],
        "created_at": person["created_at"],
    }


def _comment(account: Account, one: Record) -> Record:
    author = account.store.people[one["author_id"]]
    return {
        "id": one["id"],
        "public": one["public"],
        "author_id": one["author_id"],
        "author_name": author["name"],
        "author_role": author["role"],
        "plain_body": one["text"],
        "body": one["text"],
        "html_body": one["html"],
        "created_at": one["created_at"],
        "via": {"channel": one["_channel"]},
        "attachments": one["attachments"],
        "custom": {"event_id": one["event_id"]} if one["event_id"] else {},
    }
