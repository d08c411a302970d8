"""The conversations API: notes, replies, edits. Fact sheet Freshdesk 3."""

import html
from typing import Any

import orjson

from sandbox.freshdesk import changes, views
from sandbox.freshdesk.account import MESSAGING_SOURCES, NOTE, REPLY, Account, Actor
from sandbox.freshdesk.calls import Call, Endpoint
from sandbox.freshdesk.changes import Entry
from sandbox.freshdesk.schema import ALWAYS_NUMBER, OBJECT, TEXT, TEXTS, TRUTH, checked, problems_of_mails
from sandbox.freshdesk.wire import (
    Answer,
    Record,
    RefusalError,
    access_denied,
    invalid,
    invalid_value,
    mismatch,
    not_allowed,
    not_found,
    problem,
)

NOTE_SPEC = {
    "body": TEXT,
    "structured_body": OBJECT,
    "incoming": TRUTH,
    "notify_emails": TEXTS,
    "private": TRUTH,
    "user_id": ALWAYS_NUMBER,
}
REPLY_SPEC = {
    "body": TEXT,
    "structured_body": OBJECT,
    "from_email": TEXT,
    "user_id": ALWAYS_NUMBER,
    "cc_emails": TEXTS,
    "bcc_emails": TEXTS,
}
NOTE_SHOWN = frozenset(
    {"id", "ticket_id", "user_id", "incoming", "private", "support_email", "body", "body_text", "structured_body"}
    | {"attachments", "created_at", "updated_at"}
)
REPLY_SHOWN = NOTE_SHOWN - {"incoming", "private", "support_email"} | {"from_email", "cc_emails", "bcc_emails"}


def create_note(account: Account, call: Call) -> Answer:
    """`POST /tickets/{id}/notes`: private unless told otherwise; as a contact by `incoming` and `user_id`."""
    ticket = _ticket(account, call)
    values = _checked(call, NOTE_SPEC)
    private = values.get("private", True)
    body = _body(account, ticket, values, public=not private)
    author = _author(account, call, values)
    if wrong := problems_of_mails(values, "notify_emails"):
        raise invalid(wrong)
    entry = Entry(
        author=author,
        body=body,
        source=NOTE,
        private=private,
        incoming=values.get("incoming", False),
        files=call.files,
        more={"structured_body": values.get("structured_body")},
    )
    by_requester = author["_agent"] is None and account.faults.is_on("incoming_note_by_requester")
    actor = Actor(author, "api") if by_requester else call.actor
    conversation = changes.add_entry(account, ticket, entry, actor)
    shown = _shown(account, conversation, NOTE_SHOWN)
    return Answer({**shown, "notified_to": values.get("notify_emails", [])}, 201)


def create_reply(account: Account, call: Call) -> Answer:
    """`POST /tickets/{id}/reply`: by an agent, mailed to the requester."""
    ticket = _ticket(account, call)
    values = _checked(call, REPLY_SPEC)
    body = _body(account, ticket, values, public=True)
    author = _author(account, call, values)
    requester = account.store.people.get(ticket["requester_id"])
    address = requester["email"] if requester else None
    if address is None and account.faults.is_on("reply_needs_email"):
        raise invalid_value("to_emails", "There is no e-mail address to reply to")
    more = {name: values.get(name, []) for name in ("cc_emails", "bcc_emails")}
    more["structured_body"] = values.get("structured_body")
    entry = Entry(author=author, body=body, source=REPLY, files=call.files, more=more)
    conversation = changes.add_entry(account, ticket, entry, call.actor)
    shown = _shown(account, conversation, REPLY_SHOWN)
    return Answer({**shown, "replied_to": [address] if address else []}, 201)


def update(account: Account, call: Call) -> Answer:
    """`PUT /conversations/{id}`: notes only."""
    conversation = _conversation(account, call)
    values = checked(call, {"body": TEXT}, files=True)
    if conversation["source"] != NOTE:
        raise not_allowed("PUT", ["DELETE"])
    if "body" in values and not values["body"]:
        raise _blank()
    ticket = account.store.tickets[conversation["ticket_id"]]
    changes.edit_entry(account, ticket, conversation, body=values.get("body"), parts=call.files)
    conversation["last_edited_user_id"] = call.agent["id"]
    return Answer(_shown(account, conversation, NOTE_SHOWN))


def delete(account: Account, call: Call) -> Answer:
    """`DELETE /conversations/{id}`."""
    conversation = _conversation(account, call)
    account.store.remove_conversation(conversation)
    account.announce(conversation["ticket_id"])
    return Answer(status=204)


def _ticket(account: Account, call: Call) -> Record:
    """The ticket that is written to. What a deleted or spam one answers is unconfirmed."""
    ticket = account.store.tickets.get(call.path[0])
    if ticket is None or ticket["_archived"]:
        raise not_found()
    status = account.faults.text("note_on_deleted")
    if (ticket["_deleted"] or ticket["spam"]) and status != "201":
        raise not_allowed("POST", ["GET"]) if status == "405" else not_found()
    return ticket


def _checked(call: Call, spec: Any) -> Record:
    given = call.body.get("structured_body")
    if call.is_form and isinstance(given, str):
        try:
            call.body["structured_body"] = orjson.loads(given)
        except orjson.JSONDecodeError as error:
            raise invalid([mismatch("structured_body", "key/value pair", given)]) from error
    return checked(call, spec, files=True)


def _body(account: Account, ticket: Record, values: Record, *, public: bool) -> str:
    """The HTML of a note or reply. Raises the 400 for none, and for `body` where only structured ones are taken."""
    body: str = values.get("body") or ""
    structured = values.get("structured_body")
    native = ticket["source"] in MESSAGING_SOURCES and account.faults.is_on("native_channel_refuses_body")
    if public and native and structured is None:
        raise invalid([problem("structured_body", "Mandatory attribute missing", "missing_field")])
    if structured is not None:
        contents = structured.get("body_contents")
        if not isinstance(contents, list) or not all(isinstance(one, dict) for one in contents):
            raise invalid([mismatch("body_contents", "Array of key/value pairs", contents)])
        texts = (str((one.get("data") or {}).get("content") or "") for one in contents)
        body = "".join(f"<div>{html.escape(text, quote=False)}</div>" for text in texts)
    if not body.strip():
        raise _blank()
    return body


def _blank() -> RefusalError:
    return invalid([problem("body", "It should not be blank as this is a mandatory field", "missing_field")])


def _author(account: Account, call: Call, values: Record) -> Record:
    """Who appears as the author. Whether a contact may is unconfirmed (fact sheet Freshdesk 3, 11.1)."""
    if "user_id" not in values:
        return call.agent
    person = account.store.people.get(values["user_id"])
    if person is None or person["_deleted"]:
        raise invalid_value("user_id", "There is no user matching the given user_id")
    if person["_agent"] is None:
        reading = account.faults.text("note_by_contact")
        if reading == "forbidden":
            raise access_denied()
        if reading == "invalid":
            raise invalid_value("user_id", "There is no agent matching the given user_id")
    return person


def _conversation(account: Account, call: Call) -> Record:
    conversation = account.store.conversation(call.path[0])
    if conversation is None:
        raise not_found()
    return conversation


def _shown(account: Account, conversation: Record, names: frozenset[str]) -> Record:
    whole = views.conversation_shown(account, conversation)
    return {name: value for name, value in whole.items() if name in names}


ENDPOINTS = [
    Endpoint("POST", "tickets/{id}/notes", create_note),
    Endpoint("POST", "tickets/{id}/reply", create_reply),
    Endpoint("PUT", "conversations/{id}", update),
    Endpoint("DELETE", "conversations/{id}", delete),
]
