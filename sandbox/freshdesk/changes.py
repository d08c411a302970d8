"""What does one change of a ticket do? The only place that writes tickets and conversations, for API and agents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sandbox.freshdesk import files, texts
from sandbox.freshdesk.account import (
    CLOSED,
    FORWARD,
    NOTE,
    OPEN,
    OUTBOUND_SOURCE,
    PENDING,
    REPLY,
    RESOLVED,
    Account,
    Actor,
    Event,
    Update,
)
from sandbox.freshdesk.multipart import Part
from sandbox.freshdesk.wire import Record, iso

PLAIN_FIELDS = (
    "subject",
    "description",
    "status",
    "priority",
    "source",
    "type",
    "group_id",
    "responder_id",
    "requester_id",
    "tags",
    "custom_fields",
    "due_by",
    "fr_due_by",
)
FIRST_RESPONSE, RESOLUTION = timedelta(days=1), timedelta(days=3)
PUBLIC_REPLY, PRIVATE_NOTE, FROM_CUSTOMER, SURVEY = 3, 2, 1, 7
"""Categories of conversations; 3, 2 and 7 as seen (fact sheet Freshdesk 3), 1 a guess that nobody documents."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A conversation before it is written; `body` is HTML as it came."""

    author: Record
    body: str
    source: int = NOTE
    private: bool = False
    incoming: bool = False
    files: Sequence[Part] = ()
    inline_files: Sequence[Part] = ()
    more: Mapping[str, Any] | None = None


def open_ticket(
    account: Account, *, requester: Record, values: Mapping[str, Any], parts: Sequence[Part], actor: Actor
) -> Record:
    """Write a new ticket. The values have been checked."""
    now, ticket_id = account.now_iso(), account.store.next_ticket_id()
    clean = texts.sanitised(
        values.get("description") or "", keeps_everything=account.faults.text("html_survives") == "all"
    )
    files.check_room(account, parts, used_bytes=0)
    moment = account.clock.now()
    ticket: Record = {
        "id": ticket_id,
        "subject": values.get("subject"),
        "description": clean,
        "description_text": texts.text_of(clean),
        "structured_description": None,
        "status": values.get("status") or OPEN,
        "priority": values.get("priority") or 1,
        "source": values.get("source") or 2,
        "type": values.get("type"),
        "tags": list(values.get("tags") or []),
        "requester_id": requester["id"],
        "responder_id": values.get("responder_id"),
        "group_id": values.get("group_id"),
        "product_id": None,
        "company_id": None,
        "email_config_id": None,
        "association_type": None,
        "to_emails": None,
        "cc_emails": list(values.get("cc_emails") or []),
        "fwd_emails": [],
        "reply_cc_emails": list(values.get("cc_emails") or []),
        "ticket_cc_emails": list(values.get("cc_emails") or []),
        "spam": False,
        "fr_escalated": False,
        "is_escalated": False,
        "nr_due_by": None,
        "nr_escalated": False,
        "due_by": values.get("due_by") or iso(moment + RESOLUTION),
        "fr_due_by": values.get("fr_due_by") or iso(moment + FIRST_RESPONSE),
        "custom_fields": values["custom_fields"],
        "created_at": now,
        "updated_at": now,
        "_attachment_ids": [files.keep(account, part)["id"] for part in parts],
        "_attachment_bytes": sum(len(part.data) for part in parts),
        "_deleted": False,
        "_archived": False,
        "_channel": actor.channel,
        "_creator_id": actor.user["id"],
        "_stats": dict.fromkeys(STATS),
        "_changed_real_at": account.real_seconds(),
    }
    ticket["_stats"]["status_updated_at"] = now
    account.store.add_ticket(ticket)
    _tell(account, ticket, actor, (Event("ticket_action", "created"),))
    if ticket["source"] != OUTBOUND_SOURCE:
        account.mail(requester, subject="Ticket received", ticket_id=ticket_id)
    return ticket


STATS = (
    "agent_responded_at",
    "requester_responded_at",
    "first_responded_at",
    "status_updated_at",
    "reopened_at",
    "resolved_at",
    "closed_at",
    "pending_since",
)


def change_ticket(
    account: Account, ticket: Record, values: Mapping[str, Any], actor: Actor, *, parts: Sequence[Part] = ()
) -> None:
    """Write one change, with files of the ticket itself; what changes nothing leaves no trace."""
    files.check_room(account, parts, used_bytes=ticket["_attachment_bytes"])
    _keep(account, ticket, ticket, parts)
    _change(account, ticket, values, actor, entry=None)


def add_entry(
    account: Account, ticket: Record, entry: Entry, actor: Actor, *, values: Mapping[str, Any] | None = None
) -> Record:
    """Write a conversation, together with changed values where an agent submits both. Returns it."""
    used = ticket["_attachment_bytes"]
    files.check_room(account, [*entry.files, *entry.inline_files], used_bytes=used)
    conversation = _change(account, ticket, values or {}, actor, entry=entry)
    assert conversation is not None
    return conversation


def edit_entry(
    account: Account, ticket: Record, conversation: Record, *, body: str | None, parts: Sequence[Part]
) -> None:
    """Change a note's words, add files."""
    files.check_room(account, parts, used_bytes=ticket["_attachment_bytes"])
    now = account.now_iso()
    if body is not None:
        clean = texts.sanitised(body, keeps_everything=account.faults.text("html_survives") == "all")
        conversation.update({"body": clean, "body_text": texts.text_of(clean)})
    _keep(account, ticket, conversation, parts)
    conversation.update({"updated_at": now, "last_edited_at": now})
    _touch(account, ticket, {}, now)
    account.announce(ticket["id"])


def move_to(account: Account, ticket: Record, actor: Actor, *, action: str) -> None:
    """`deleted`, `restored`, `marked_spam`, `unmarked_spam` or `archived`."""
    values = {
        "deleted": {"_deleted": True},
        "restored": {"_deleted": False},
        "marked_spam": {"spam": True},
        "unmarked_spam": {"spam": False},
        "archived": {"_archived": True},
    }[action]
    _touch(account, ticket, values, account.now_iso())
    _tell(account, ticket, actor, (Event("ticket_action", action),))


def merge(
    account: Account,
    *,
    primary: Record,
    secondary: Record,
    actor: Actor,
    notes: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None] = (None, None),
) -> None:
    """Close the secondary ticket for the primary one; a note in each, of our own unless one is given.

    No field tells of it. The note's wording is unconfirmed (fact sheet Freshdesk 2).
    """
    target = "" if account.faults.text("merge_note") == "bare" else f" into ticket {primary['id']}"
    in_primary = notes[0] or {
        "body": f"<div>Ticket {secondary['id']} is merged into this one: {secondary['description_text']}</div>"
    }
    in_secondary = notes[1] or {"body": f"<div>This ticket is closed and merged{target}</div>"}
    if account.faults.is_on("merge_moves_conversations"):
        account.store.move_conversations(secondary["id"], primary["id"])
    for ticket, given, values in ((secondary, in_secondary, {"status": CLOSED}), (primary, in_primary, {})):
        private = bool(given.get("private", True))
        entry = Entry(author=actor.user, body=str(given.get("body") or ""), private=private)
        add_entry(account, ticket, entry, actor, values=values)


def _change(
    account: Account, ticket: Record, values: Mapping[str, Any], actor: Actor, *, entry: Entry | None
) -> Record | None:
    now = account.now_iso()
    wanted = {name: values[name] for name in PLAIN_FIELDS if name in values}
    if "description" in wanted:
        keeps = account.faults.text("html_survives") == "all"
        wanted["description"] = texts.sanitised(wanted["description"] or "", keeps_everything=keeps)
        wanted["description_text"] = texts.text_of(wanted["description"])
    events: list[Event] = []
    if entry is not None:
        events.append(_event_of(entry))
    reopens = entry is not None and _reopens(account, entry, actor)
    if reopens and ticket["status"] != OPEN and "status" not in wanted:
        wanted["status"] = OPEN
    changed = {name: value for name, value in wanted.items() if ticket[name] != value}
    events += [Event(name, changed[name], ticket[name]) for name in ("status", "priority") if name in changed]
    if "tags" in changed:
        events.append(Event("tags", " ".join(changed["tags"])))
    if "responder_id" in changed:
        events.append(Event("responder_id", changed["responder_id"] or "", ticket["responder_id"] or ""))
    if entry is None and not changed:
        return None
    if "status" in changed:
        _note_status(ticket, changed["status"], now)
    moves = bool(changed) or account.faults.is_on("note_moves_updated_at")
    _touch(account, ticket, changed, now if moves else ticket["updated_at"])
    conversation = None if entry is None else _write(account, ticket, entry, actor, now)
    _tell(account, ticket, actor, tuple(events or [Event("ticket_action", "updated")]))
    return conversation


def _keep(account: Account, ticket: Record, owner: Record, parts: Sequence[Part]) -> None:
    owner["_attachment_ids"] += [files.keep(account, part)["id"] for part in parts]
    ticket["_attachment_bytes"] += sum(len(part.data) for part in parts)


def _event_of(entry: Entry) -> Event:
    if entry.source == REPLY:
        return Event("reply_sent", "sent")
    if entry.source == FORWARD:
        return Event("ticket_action", "forwarded")
    return Event("note_type", "private" if entry.private else "public")


def _reopens(account: Account, entry: Entry, actor: Actor) -> bool:
    """Whether the default rule takes this for an answer of the customer."""
    if not account.faults.is_on("reopen_rule") or entry.private or entry.author["_agent"] is not None:
        return False
    return actor.channel != "api" or account.faults.is_on("incoming_note_reopens")


def _note_status(ticket: Record, status: int, now: str) -> None:
    stats = ticket["_stats"]
    stats["status_updated_at"] = now
    if ticket["status"] in {RESOLVED, CLOSED} and status not in {RESOLVED, CLOSED}:
        stats.update({"reopened_at": now, "resolved_at": None, "closed_at": None})
    if status in {RESOLVED, CLOSED}:
        stats["resolved_at"] = stats["resolved_at"] or now
    stats["closed_at"] = now if status == CLOSED else None
    stats["pending_since"] = now if status == PENDING else None


def _touch(account: Account, ticket: Record, values: Mapping[str, Any], now: str) -> None:
    later = {"updated_at": now, "_changed_real_at": account.real_seconds()}
    account.store.touch_ticket(ticket, {**values, **later})


def _write(account: Account, ticket: Record, entry: Entry, actor: Actor, now: str) -> Record:
    clean = texts.sanitised(entry.body, keeps_everything=account.faults.text("html_survives") == "all")
    inline = [files.keep(account, part, inline=True) for part in entry.inline_files]
    clean += "".join(f'<div><img src="{files.inline_address(account, one)}"></div>' for one in inline)
    kept = [files.keep(account, part) for part in entry.files]
    ticket["_attachment_bytes"] += sum(one["size"] for one in [*kept, *inline])
    requester = account.store.people.get(ticket["requester_id"])
    goes_by_mail = entry.source == REPLY and not entry.incoming
    category = (
        SURVEY if entry.source not in {REPLY, NOTE, FORWARD} else FROM_CUSTOMER if entry.incoming else PUBLIC_REPLY
    )
    conversation: Record = {
        "id": account.store.next_id(),
        "ticket_id": ticket["id"],
        "user_id": entry.author["id"],
        "incoming": entry.incoming,
        "private": entry.private,
        "source": entry.source,
        "category": PRIVATE_NOTE if entry.private else category,
        "body": clean,
        "body_text": texts.text_of(clean),
        "structured_body": None,
        "from_email": "Acme Support <support@acme.example>" if goes_by_mail else None,
        "support_email": "support@acme.example" if goes_by_mail else None,
        "to_emails": [requester["email"]] if goes_by_mail and requester and requester["email"] else [],
        "cc_emails": [],
        "bcc_emails": [],
        "email_failure_count": None,
        "outgoing_failures": None,
        "thread_id": None,
        "thread_message_id": None,
        "automation_id": None,
        "automation_type_id": None,
        "auto_response": False,
        "source_additional_info": None,
        "deleted": False,
        "last_edited_at": None,
        "last_edited_user_id": None,
        "created_at": now,
        "updated_at": now,
        "_attachment_ids": [one["id"] for one in kept],
        "_channel": actor.channel,
        **(entry.more or {}),
    }
    account.store.add_conversation(conversation)
    if not entry.private:
        responded = "requester_responded_at" if entry.incoming else "agent_responded_at"
        ticket["_stats"][responded] = now
        if not entry.incoming:
            ticket["_stats"]["first_responded_at"] = ticket["_stats"]["first_responded_at"] or now
            if requester is not None:
                account.mail(requester, subject="New comment", ticket_id=ticket["id"])
    return conversation


def _tell(account: Account, ticket: Record, actor: Actor, events: tuple[Event, ...]) -> None:
    update = Update(ticket, actor, events)
    for tell in account.after_update:
        tell(update)
    account.announce(ticket["id"])
