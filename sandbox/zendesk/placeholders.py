"""What can a Liquid placeholder name? For agents' comments and for the bodies of triggers (fact sheet Zendesk 5.4)."""

from typing import Any

from sandbox.zendesk.account import CHANNELS, Account, Actor
from sandbox.zendesk.wire import Record


def values(account: Account, ticket: Record, *, actor: Actor) -> dict[str, Any]:
    """Every placeholder that this Zendesk knows, by name."""
    ticket_id = ticket["id"]
    comments = account.store.comments.get(ticket_id, [])
    public = [comment for comment in comments[-50:] if comment["public"]]
    named: dict[str, Any] = {
        "ticket.id": ticket_id,
        "ticket.external_id": ticket["external_id"],
        "ticket.title": ticket["subject"],
        "ticket.description": ticket["description"],
        "ticket.status": (ticket["status"] or "").capitalize(),
        "ticket.priority": (ticket["priority"] or "").capitalize(),
        "ticket.via": CHANNELS.get(actor.via_id, ""),
        "ticket.tags": " ".join(ticket["tags"]),
        "ticket.link": f"{account.url}/agent/tickets/{ticket_id}",
        "ticket.url": f"{account.url}/agent/tickets/{ticket_id}",
        "ticket.created_at_with_timestamp": ticket["created_at"],
        "ticket.updated_at_with_timestamp": ticket["updated_at"],
        "ticket.latest_comment": _headed(account, comments[-1:]),
        "ticket.latest_public_comment": _headed(account, public[-1:]),
        "ticket.public_comments[0].id": public[-1]["id"] if public else None,
        **_person("ticket.requester", account.store.users.get(ticket["requester_id"])),
        **_person("ticket.assignee", account.store.users.get(ticket["assignee_id"] or 0)),
        **_person("current_user", actor.user),
    }
    for field in ticket["custom_fields"]:
        named[f"ticket.ticket_field_{field['id']}"] = field["value"]
    return named


def _person(prefix: str, user: Record | None) -> dict[str, Any]:
    if user is None:
        return {}
    first, _, last = (user["name"] or "").partition(" ")
    named = {f"{prefix}.{name}": user.get(name) for name in ("id", "name", "email", "phone", "external_id", "role")}
    return {**named, f"{prefix}.first_name": first, f"{prefix}.last_name": last}


def _headed(account: Account, comments: list[Record]) -> str:
    """A comment the way placeholders render it since March 2026: under a header that is no contract."""
    if not comments:
        return ""
    comment = comments[0]
    author = account.store.users.get(comment["author_id"])
    return f"{'-' * 46}\n{author['name'] if author else 'Zendesk'}, {comment['created_at']}\n\n{comment['plain_body']}"
