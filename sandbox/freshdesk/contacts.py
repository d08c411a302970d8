"""The contacts API: strict bodies, unique values, deletion in two steps. Fact sheet Freshdesk 4."""

from typing import Any

from sandbox.freshdesk import paging, people
from sandbox.freshdesk.account import Account
from sandbox.freshdesk.calls import Call, Endpoint
from sandbox.freshdesk.schema import (
    ALWAYS_NUMBER,
    NUMBER,
    NUMBERS,
    OBJECT,
    OBJECTS,
    TEXT,
    TEXTS,
    TRUTH,
    checked,
    problems_of_mails,
    problems_of_tags,
    problems_of_texts,
)
from sandbox.freshdesk.store import shown
from sandbox.freshdesk.wire import (
    Answer,
    Record,
    RefusalError,
    access_denied,
    invalid,
    invalid_value,
    iso,
    moment_of,
    not_allowed,
    not_found,
    problem,
    unexpected,
)

_LANGUAGE_CODES = """ar ca cs cy-GB da de en es es-LA et fi fil fr he hr hu id it ja-JP ko lv-LV nb-NO nl pl pt-BR pt-PT
ro ru-RU sk sl sr-latn sv-SE th tr uk vi zh-CN zh-TW"""
LANGUAGES = frozenset(_LANGUAGE_CODES.split())
STATES = ("blocked", "deleted", "unverified", "verified")
SPEC = {
    **dict.fromkeys(people.CONTACT_TEXTS, TEXT),
    "other_emails": TEXTS,
    "company_id": NUMBER,
    "view_all_tickets": TRUTH,
    "other_companies": OBJECTS,
    "social_handler": OBJECTS,
    "custom_fields": OBJECT,
    "tags": TEXTS,
    "lookup_parameter": TEXT,
}


def create(account: Account, call: Call) -> Answer:
    """`POST /contacts`."""
    values = _checked(account, call)
    if not values.get("name"):
        raise invalid([problem("name", "Mandatory attribute missing", "missing_field")])
    if not any(values.get(name) for name in people.WAYS_TO_REACH):
        message = f"Please fill at least 1 of {', '.join(people.WAYS_TO_REACH)} fields"
        raise invalid([problem("email", message, "missing_field")])
    contact = people.make_contact(account, values)
    return Answer(people.person_shown(contact), 201, {"Location": account.api_url(f"contacts/{contact['id']}")})


def show(account: Account, call: Call) -> Answer:
    """`GET /contacts/{id}`; 404 for an agent."""
    return Answer(people.person_shown(_contact(account, call)))


def index(account: Account, call: Call) -> Answer:
    """`GET /contacts` with its filters; neither blocked nor deleted ones unless `state` says so."""
    filters = ["email", "mobile", "phone", "company_id", "state", "contact_type", "updated_since"]
    if account.faults.is_on("contacts_by_external_id"):
        filters.append("unique_external_id")
    call.known_query(*filters)
    if call.query.get("unique_external_id") is not None:
        _need_external_ids(account)
    state = call.query.get("state")
    if state is not None and state not in STATES:
        raise invalid_value("state", f"It should be one of these values: '{','.join(STATES)}'")
    found = [one for one in _matching(account, call) if one["_agent"] is None and _is_in(one, state)]
    if (since := call.query.get("updated_since")) is not None:
        moment = moment_of(since)
        if moment is None:
            raise invalid_value("updated_since", "It should be in the 'combined date and time ISO8601' format")
        found = [one for one in found if one["updated_at"] >= iso(moment)]
    if call.query.get("company_id") is not None or call.query.get("contact_type", "contact") != "contact":
        found = []
    found.sort(key=lambda one: (one["name"].lower(), one["id"]))
    without = frozenset({"avatar", "tags", "other_emails"})
    return paging.page(account, call, found, path="contacts", show=lambda one: shown(one, without=without))


def update(account: Account, call: Call) -> Answer:
    """`PUT /contacts/{id}`: 404 without a body for an agent, 405 for a deleted or blocked contact."""
    contact = _contact(account, call)
    if contact["_deleted"] or contact["_blocked"]:
        raise not_allowed("PUT", ["GET"])
    values = _checked(account, call)
    if "name" in values and not values["name"]:
        raise invalid_value("name", "It should not be blank as this is a mandatory field")
    if not any({**contact, **values}.get(name) for name in people.WAYS_TO_REACH):
        raise invalid([problem("email", "Please fill at least 1 of the ways to reach the contact", "missing_field")])
    people.change_contact(account, contact, values)
    return Answer(people.person_shown(contact))


def delete(account: Account, call: Call) -> Answer:
    """`DELETE /contacts/{id}`: soft."""
    contact = _contact(account, call)
    if contact["_deleted"]:
        raise not_allowed("DELETE", ["GET"])
    people.delete_contact(account, contact)
    return Answer(status=204)


def restore(account: Account, call: Call) -> Answer:
    """`PUT /contacts/{id}/restore`."""
    contact = _contact(account, call)
    if not contact["_deleted"]:
        raise not_found()
    people.restore_contact(account, contact)
    return Answer(status=204)


def hard_delete(account: Account, call: Call) -> Answer:
    """`DELETE /contacts/{id}/hard_delete`: for good, with all tickets; only after a soft deletion unless forced."""
    call.known_query("force")
    contact = _contact(account, call)
    if not contact["_deleted"] and call.query.get("force") != "true":
        raise RefusalError(400)
    people.erase_contact(account, contact)
    return Answer(status=204)


def merge(account: Account, call: Call) -> Answer:
    """`POST /contacts/merge`."""
    spec = {"primary_contact_id": ALWAYS_NUMBER, "secondary_contact_ids": NUMBERS, "contact": OBJECT}
    values = checked(call, spec)
    primary = account.store.contact(values.get("primary_contact_id"))
    if primary is None or primary["_deleted"]:
        raise invalid_value("primary_contact_id", "There is no contact matching the given primary_contact_id")
    for contact_id in values.get("secondary_contact_ids", []):
        secondary = account.store.contact(contact_id)
        if secondary is None or secondary is primary or secondary["_deleted"]:
            raise invalid_value("secondary_contact_ids", "There are no contacts matching the given ids")
        people.merge_contacts(account, primary=primary, secondary=secondary, values=values.get("contact") or {})
    return Answer(status=204)


def autocomplete(account: Account, call: Call) -> Answer:
    """`GET /contacts/autocomplete?term=`: names whose words begin with the term."""
    call.known_query("term")
    term = call.query.get("term", "").lower()
    names = (
        one for one in account.store.contacts() if any(word.lower().startswith(term) for word in one["name"].split())
    )
    return Answer([{"id": one["id"], "name": one["name"]} for one in names if not one["_deleted"]][:30])


def _matching(account: Account, call: Call) -> list[Record]:
    for name in ("unique_external_id", "email", "mobile", "phone"):
        value = call.query.get(name)
        if value is None:
            continue
        if name in {"mobile", "phone"} and account.faults.text("mobile_lookup") == "digits":
            wanted = people.digits(value)
            return [one for one in account.store.contacts() if one[name] and people.digits(one[name]) == wanted]
        return account.store.people_with(name, value)
    return list(account.store.contacts())


def _is_in(contact: Record, state: str | None) -> bool:
    if contact["_deleted"] or contact["_blocked"]:
        return (state == "deleted" and contact["_deleted"]) or (state == "blocked" and contact["_blocked"])
    return state in {None, "verified" if contact["active"] else "unverified"}


def _contact(account: Account, call: Call) -> Record:
    contact = account.store.contact(call.path[0])
    if contact is None:
        raise not_found()
    return contact


def _need_external_ids(account: Account) -> None:
    reading = account.faults.text("external_id")
    if reading == "invalid_field":
        raise invalid([unexpected("unique_external_id")])
    if reading == "require_feature":
        raise access_denied("require_feature")


def _checked(account: Account, call: Call) -> dict[str, Any]:
    values = checked(call, SPEC)
    if "unique_external_id" in values:
        _need_external_ids(account)
    problems = problems_of_texts(values, "name", "email", "phone", "mobile", "unique_external_id", "job_title")
    problems += problems_of_tags(values)
    problems += problems_of_mails(values, "email", "other_emails")
    problems += [unexpected(f"custom_fields.{name}") for name in values.get("custom_fields") or {}]
    if values.get("language") and values["language"] not in LANGUAGES:
        problems.append(problem("language", "It should be one of the supported languages", "invalid_value"))
    if "/" in (values.get("time_zone") or ""):
        problems.append(problem("time_zone", "It should be one of the supported time zones", "invalid_value"))
    if values.get("company_id") is not None or values.get("other_companies"):
        problems.append(problem("company_id", "There is no company matching the given company_id", "invalid_value"))
    if problems:
        raise invalid(problems)
    values.pop("lookup_parameter", None)
    return {name: (None if value == "" else value) for name, value in values.items()}


ENDPOINTS = [
    Endpoint("POST", "contacts", create),
    Endpoint("GET", "contacts", index, sub_limit="contact_list"),
    Endpoint("GET", "contacts/autocomplete", autocomplete),
    Endpoint("POST", "contacts/merge", merge),
    Endpoint("GET", "contacts/{id}", show),
    Endpoint("PUT", "contacts/{id}", update),
    Endpoint("DELETE", "contacts/{id}", delete),
    Endpoint("PUT", "contacts/{id}/restore", restore),
    Endpoint("DELETE", "contacts/{id}/hard_delete", hard_delete),
]
