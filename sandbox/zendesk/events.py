"""Which events does an update raise, and what do webhooks that subscribe to them receive? Fact sheet Zendesk 5.5."""

from typing import Any
from uuid import uuid4

import orjson

from sandbox.zendesk.account import CHANNELS, WEB_SERVICE, Account, Update
from sandbox.zendesk.store import ACCOUNT_ID
from sandbox.zendesk.webhooks import EVENT_PREFIX, Sender
from sandbox.zendesk.wire import Record

VERSION = "2022-11-06"
CHANGE_EVENTS = {
    "status": "status_changed",
    "tags": "tags_changed",
    "subject": "subject_changed",
    "priority": "priority_changed",
    "type": "type_changed",
    "external_id": "external_id_changed",
    "requester_id": "requester_changed",
    "assignee_id": "agent_assignment_changed",
    "group_id": "group_assignment_changed",
    "brand_id": "brand_changed",
    "ticket_form_id": "form_changed",
    "organization_id": "organization_changed",
    "due_at": "task_due_at_changed",
    "problem_id": "problem_link_changed",
}
TYPES = frozenset(CHANGE_EVENTS.values()) | {
    "created",
    "comment_added",
    "comment_made_private",
    "attachment_linked_to_comment",
    "custom_field_changed",
    "merged",
    "soft_deleted",
}


class EventRunner:
    """Tells every webhook that subscribes to an event type: all tickets, all comments, private and by the API too."""

    def __init__(self, account: Account, sender: Sender) -> None:
        self._account = account
        self._sender = sender
        account.after_update.append(self.run)

    def run(self, update: Update) -> None:
        """Ring for each event of the update."""
        subscribed: dict[str, list[Record]] = {}
        for webhook in self._account.store.webhooks.values():
            if webhook["status"] == "active":
                for name in webhook["subscriptions"]:
                    if name.startswith(EVENT_PREFIX):
                        subscribed.setdefault(name, []).append(webhook)
        if not subscribed:
            return
        for position, (name, event) in enumerate(_events(self._account, update), start=1):
            for webhook in subscribed.get(f"{EVENT_PREFIX}ticket.{name}", ()):
                body = orjson.dumps(self._envelope(update, f"ticket.{name}", event, position))
                self._sender.ring(webhook, body, cause=f"ticket {update.ticket['id']} {name}")

    def _envelope(self, update: Update, name: str, event: Record, position: int) -> Record:
        ticket = update.ticket
        now = self._account.clock.now()
        return {
            "type": f"{EVENT_PREFIX}{name}",
            "account_id": ACCOUNT_ID,
            "id": str(uuid4()),
            "time": now.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z",
            "zendesk_event_version": VERSION,
            "subject": f"zen:ticket:{ticket['id']}",
            "detail": {
                "id": str(ticket["id"]),
                "external_id": ticket["external_id"],
                "status": ticket["status"].upper(),
                "priority": _upper(ticket["priority"]),
                "type": _upper(ticket["type"]),
                "custom_status": str(ticket["custom_status_id"]),
                "actor_id": str(update.actor.user["id"]),
                "requester_id": str(ticket["requester_id"]),
                "submitter_id": str(ticket["submitter_id"]),
                "assignee_id": _string(ticket["assignee_id"]),
                "group_id": _string(ticket["group_id"]),
                "organization_id": _string(ticket["organization_id"]),
                "brand_id": _string(ticket["brand_id"]),
                "form_id": _string(ticket["ticket_form_id"]),
                "subject": ticket["subject"],
                "description": ticket["description"],
                "is_public": ticket["is_public"],
                "tags": ticket["tags"],
                "via": {"channel": _event_channel(ticket["via"]["channel"])},
                "created_at": ticket["created_at"],
                "updated_at": ticket["updated_at"],
            },
            "event": {**event, "meta": {"sequence": {"id": uuid4().hex.upper(), "position": position}}},
        }


def _events(account: Account, update: Update) -> list[tuple[str, Record]]:
    found: list[tuple[str, Record]] = [("created", {})] if update.is_creation else []
    if (comment := update.comment) is not None:
        author = account.store.users.get(comment["author_id"])
        told = {
            "id": str(comment["id"]),
            "body": comment["body"],
            "is_public": comment["public"],
            "author": {
                "id": str(comment["author_id"]),
                "is_staff": author is not None and author["role"] in {"agent", "admin"},
                "name": author["name"] if author else "System",
            },
        }
        found.append(("comment_added", {"comment": told}))
        for file in comment["attachments"]:
            attachment = {
                "id": str(file["id"]),
                "filename": file["file_name"],
                "content_type": file["content_type"],
                "content_url": file["content_url"],
                "is_public": comment["public"],
            }
            linked = {"attachment": attachment, "comment": {"id": told["id"]}}
            found.append(("attachment_linked_to_comment", linked))
    for field, (previous, current) in update.changed.items():
        if field.startswith("custom_fields_"):
            told = {"field": {"id": field.removeprefix("custom_fields_")}, "current": current, "previous": previous}
            found.append(("custom_field_changed", told))
        elif field == "tags":
            added, removed = sorted(set(current) - set(previous)), sorted(set(previous) - set(current))
            found.append(("tags_changed", {"tags_added": added, "tags_removed": removed}))
        elif field in CHANGE_EVENTS:
            found.append((CHANGE_EVENTS[field], {"current": _told(field, current), "previous": _told(field, previous)}))
    return [*found, *update.events]


def _told(field: str, value: Any) -> Any:
    return _upper(value) if field in {"status", "priority", "type"} else _string(value)


def _upper(value: str | None) -> str | None:
    return None if value is None else value.upper()


def _string(value: object) -> str | None:
    return None if value is None else str(value)


def _event_channel(channel: str) -> str:
    return "web_service" if channel == CHANNELS[WEB_SERVICE] else channel
