"""The tickets API: strict bodies, form rules, deletion, merging, jobs. Fact sheet Freshdesk 2."""

from collections.abc import Mapping
from typing import Any

from sandbox.freshdesk import changes, fields, people, views
from sandbox.freshdesk.account import OPEN, STATUSES, WHATSAPP_SOURCE, Account
from sandbox.freshdesk.calls import Call, Endpoint
from sandbox.freshdesk.schema import (
    ALWAYS_NUMBER,
    NUMBER,
    NUMBERS,
    OBJECT,
    TEXT,
    TEXTS,
    TIME,
    TRUTH,
    checked,
    problems_of_mails,
    problems_of_tags,
    problems_of_texts,
)
from sandbox.freshdesk.wire import (
    Answer,
    Record,
    RefusalError,
    invalid,
    invalid_value,
    not_allowed,
    not_found,
    problem,
)

UPDATE_SPEC = {
    "requester_id": NUMBER,
    "email": TEXT,
    "phone": TEXT,
    "name": TEXT,
    "twitter_id": TEXT,
    "facebook_id": TEXT,
    "unique_external_id": TEXT,
    "subject": TEXT,
    "description": TEXT,
    "type": TEXT,
    "status": ALWAYS_NUMBER,
    "priority": ALWAYS_NUMBER,
    "source": ALWAYS_NUMBER,
    "responder_id": NUMBER,
    "group_id": NUMBER,
    "product_id": NUMBER,
    "company_id": NUMBER,
    "email_config_id": NUMBER,
    "internal_agent_id": NUMBER,
    "internal_group_id": NUMBER,
    "parent_id": NUMBER,
    "tags": TEXTS,
    "custom_fields": OBJECT,
    "due_by": TIME,
    "fr_due_by": TIME,
    "lookup_parameter": TEXT,
}
CREATE_SPEC = {**UPDATE_SPEC, "cc_emails": TEXTS, "related_ticket_ids": NUMBERS}
WAYS_TO_NAME = ("requester_id", "email", "phone", "unique_external_id", "twitter_id", "facebook_id")
NOWHERE = ("product_id", "company_id", "email_config_id", "internal_agent_id", "internal_group_id", "parent_id")
"""Ids of things that this account has none of."""


def create(account: Account, call: Call) -> Answer:
    """`POST /tickets`: a requester is named, the form's fields are there, required custom ones too."""
    values = checked(call, CREATE_SPEC, files=True)
    if not any(values.get(name) for name in WAYS_TO_NAME):
        message = f"Please fill at least 1 of {', '.join(WAYS_TO_NAME)} fields"
        raise invalid([problem("requester_id", message, "missing_field")])
    problems = _problems(account, values, call)
    if account.faults.is_on("subject_required"):
        problems += [
            problem(name, "It should not be blank as this is a mandatory field", "missing_field")
            for name in ("subject", "description")
            if not values.get(name)
        ]
    custom = values.get("custom_fields") or {}
    status: int = values.get("status", OPEN)
    problems += fields.missing(account, custom, status=status, is_creation=True)
    if problems:
        raise invalid(problems)
    requester = _requester(account, values)
    settled = {**values, "custom_fields": fields.settled(account, {}, custom), **_times(values)}
    ticket = changes.open_ticket(account, requester=requester, values=settled, parts=call.files, actor=call.actor)
    shown = views.ticket_shown(account, ticket)
    # The answer comes before the due times are worked out.
    for name in ("due_by", "fr_due_by"):
        shown[name] = settled.get(name)
    return Answer(shown, 201, {"Location": account.api_url(f"tickets/{ticket['id']}")})


def update(account: Account, call: Call) -> Answer:
    """`PUT /tickets/{id}`: partial; tags replace all; 405 for what is deleted or spam."""
    ticket = changeable(account, call, "PUT")
    values = checked(call, UPDATE_SPEC, files=True)
    problems = _problems(account, values, call)
    given = values.get("custom_fields") or {}
    status = ticket["status"] if values.get("status") is None else values["status"]
    both = {**ticket["custom_fields"], **given}
    problems += fields.missing(account, both, status=status, is_creation=False)
    if problems:
        raise invalid(problems)
    wanted: Record = {**values, **_times(values)}
    if "custom_fields" in values:
        wanted["custom_fields"] = fields.settled(account, ticket["custom_fields"], given)
    if any(values.get(name) for name in WAYS_TO_NAME):
        wanted["requester_id"] = _requester(account, values)["id"]
    else:
        wanted.pop("requester_id", None)
    changes.change_ticket(account, ticket, wanted, call.actor, parts=call.files)
    return Answer(views.ticket_shown(account, ticket))


def delete(account: Account, call: Call) -> Answer:
    """`DELETE /tickets/{id}`: into the bin."""
    changes.move_to(account, changeable(account, call, "DELETE"), call.actor, action="deleted")
    return Answer(status=204)


def restore(account: Account, call: Call) -> Answer:
    """`PUT /tickets/{id}/restore`."""
    ticket = account.store.tickets.get(call.path[0])
    if ticket is None or not ticket["_deleted"]:
        raise not_found()
    changes.move_to(account, ticket, call.actor, action="restored")
    return Answer(status=204)


def merge(account: Account, call: Call) -> Answer:
    """`PUT /tickets/merge`; the misspelt key is Freshdesk's own."""
    spec = {
        "primary_id": ALWAYS_NUMBER,
        "ticket_ids": NUMBERS,
        "note_in_primary": OBJECT,
        "note_in_secondary": OBJECT,
        "convert_recepients_to_cc": TRUTH,
    }
    values = checked(call, spec)
    primary = alive(account, values.get("primary_id", 0))
    if primary is None:
        raise invalid_value("primary_id", "There is no ticket matching the given primary_id")
    secondaries = [alive(account, ticket_id) for ticket_id in values.get("ticket_ids", [])]
    found = [ticket for ticket in secondaries if ticket is not None and ticket is not primary]
    if not found or None in secondaries:
        raise invalid_value("ticket_ids", "There are no tickets matching the given ticket_ids")
    notes = (values.get("note_in_primary"), values.get("note_in_secondary"))
    for secondary in found:
        changes.merge(account, primary=primary, secondary=secondary, actor=call.actor, notes=notes)
    return Answer(status=204)


def bulk_update(account: Account, call: Call) -> Answer:
    """`POST /tickets/bulk_update`: a job; this account works it off at once."""
    action = checked(call, {"bulk_action": OBJECT}).get("bulk_action") or {}
    ids, properties = action.get("ids"), action.get("properties") or {}
    if not isinstance(ids, list) or not ids or set(action) - {"ids", "properties", "reply"}:
        raise invalid([problem("bulk_action", "Mandatory attribute missing", "missing_field")])
    inner = Call(call.agent, (), call.query, properties)
    values = checked(inner, UPDATE_SPEC)
    if problems := _problems(account, values, inner):
        raise invalid(problems)
    results = []
    for ticket_id in ids:
        ticket = alive(account, ticket_id)
        if ticket is not None:
            changes.change_ticket(account, ticket, {**values, **_times(values)}, call.actor)
            body = (action.get("reply") or {}).get("body")
            if body:
                changes.add_entry(account, ticket, changes.Entry(call.agent, str(body), source=0), call.actor)
        results.append({"id": ticket_id, "success": ticket is not None})
    return _job(account, results)


def bulk_delete(account: Account, call: Call) -> Answer:
    """`POST /tickets/bulk_delete`: a job."""
    action = checked(call, {"bulk_action": OBJECT}).get("bulk_action") or {}
    results = []
    for ticket_id in action.get("ids") or []:
        ticket = alive(account, ticket_id)
        if ticket is not None:
            changes.move_to(account, ticket, call.actor, action="deleted")
        results.append({"id": ticket_id, "success": ticket is not None})
    return _job(account, results)


def show_job(account: Account, call: Call) -> Answer:
    """`GET /jobs/{id}`."""
    job = account.store.jobs.get(str(call.path[0]))
    if job is None:
        raise not_found()
    return Answer(job)


def alive(account: Account, ticket_id: object) -> Record | None:
    """A ticket that can be changed: not deleted, not spam, not archived."""
    ticket = account.store.tickets.get(ticket_id) if isinstance(ticket_id, int) else None
    return (
        ticket if ticket is not None and not any(ticket[name] for name in ("_deleted", "spam", "_archived")) else None
    )


def changeable(account: Account, call: Call, method: str) -> Record:
    """The ticket of the path. Raises the 404, and the 405 of a deleted or spam one."""
    ticket = account.store.tickets.get(call.path[0])
    if ticket is None or ticket["_archived"]:
        raise not_found()
    if ticket["_deleted"] or ticket["spam"]:
        raise not_allowed(method, ["GET"])
    return ticket


def problems_of_values(account: Account, values: Mapping[str, Any], *, is_form: bool) -> list[Record]:
    """What is wrong with a ticket's values, whoever writes them."""
    found = problems_of_texts(dict(values), "subject") + problems_of_tags(dict(values))
    choices = {"status": sorted(STATUSES), "priority": [1, 2, 3, 4], "type": fields.TICKET_TYPES}
    for name, known in choices.items():
        if values.get(name) is not None and values[name] not in known:
            allowed = ",".join(str(one) for one in known)
            found.append(problem(name, f"It should be one of these values: '{allowed}'", "invalid_value"))
    group = next((one for one in account.setting("groups") or [] if one["id"] == values.get("group_id")), None)
    if values.get("group_id") is not None and group is None:
        found.append(problem("group_id", "There is no group matching the given group_id", "invalid_value"))
    if values.get("responder_id") is not None:
        agent = account.store.agent(values["responder_id"])
        if agent is None:
            found.append(problem("responder_id", "There is no agent matching the given responder_id", "invalid_value"))
        elif group and account.faults.is_on("responder_must_be_in_group") and agent["id"] not in group["agent_ids"]:
            found.append(problem("responder_id", "The agent is not in the given group", "invalid_value"))
    return found + fields.problems_of(account, values.get("custom_fields") or {}, is_form=is_form)


def _problems(account: Account, values: Record, call: Call) -> list[Record]:
    found = problems_of_values(account, values, is_form=call.is_form)
    found += problems_of_mails(values, "email", "cc_emails")
    writable = set(fields.WRITABLE_SOURCES)
    if account.faults.is_on("source_13_accepted"):
        writable.add(WHATSAPP_SOURCE)
    if "source" in values and values["source"] not in writable:
        allowed = ",".join(str(one) for one in sorted(writable))
        found.append(problem("source", f"It should be one of these values: '{allowed}'", "invalid_value"))
    found += [
        problem(name, f"There is nothing matching the given {name}", "invalid_value")
        for name in NOWHERE
        if values.get(name) is not None
    ]
    return found


def _requester(account: Account, values: Record) -> Record:
    """The person who is named, made where that is documented. Raises the 400."""
    if values.get("requester_id") is not None:
        person = account.store.people.get(values["requester_id"])
        if person is None or person["_deleted"] or person["_blocked"]:
            raise invalid_value("requester_id", "There is no contact matching the given requester_id")
        return person
    for name in ("email", "phone", "unique_external_id", "twitter_id"):
        if not values.get(name):
            continue
        known = [one for one in account.store.people_with(name, values[name]) if not one["_deleted"]]
        if known:
            return known[0]
        if name == "phone" and not values.get("name") and not values.get("email"):
            raise invalid([problem("name", "Mandatory attribute missing", "missing_field")])
        named = {key: values[key] for key in ("email", "phone", "unique_external_id", "twitter_id") if values.get(key)}
        return people.make_contact(account, {**named, "name": values.get("name") or values[name].partition("@")[0]})
    raise invalid_value("facebook_id", "There is no contact matching the given facebook_id")


def _times(values: Mapping[str, Any]) -> dict[str, str | None]:
    return {name: fields.moment_text(values[name]) for name in ("due_by", "fr_due_by") if values.get(name)}


def _job(account: Account, results: list[Record]) -> Answer:
    if not results:
        raise RefusalError(400)
    job_id = str(account.store.next_id())
    job = {
        "id": job_id,
        "status": "COMPLETED",
        "status_updated_at": account.now_iso(),
        "progress": 100,
        "data": results,
    }
    account.store.jobs[job_id] = job
    return Answer({"job_id": job_id, "href": account.api_url(f"jobs/{job_id}")}, 202)


ENDPOINTS = [
    Endpoint("POST", "tickets", create, sub_limit="ticket_create"),
    Endpoint("PUT", "tickets/merge", merge),
    Endpoint("POST", "tickets/bulk_update", bulk_update),
    Endpoint("POST", "tickets/bulk_delete", bulk_delete),
    Endpoint("PUT", "tickets/{id}", update, sub_limit="ticket_update"),
    Endpoint("DELETE", "tickets/{id}", delete),
    Endpoint("PUT", "tickets/{id}/restore", restore),
    Endpoint("GET", "jobs/{id}", show_job),
]
