"""How is a contact or an agent made, changed, found equal to another and merged? Fact sheet Freshdesk 4."""

import re
from collections.abc import Mapping
from typing import Any

from sandbox.freshdesk.account import Account
from sandbox.freshdesk.store import shown
from sandbox.freshdesk.wire import Record, invalid, problem

WAYS_TO_REACH = ("email", "mobile", "phone", "twitter_id", "unique_external_id")
CONTACT_TEXTS = (
    "name",
    "email",
    "phone",
    "mobile",
    "twitter_id",
    "unique_external_id",
    "address",
    "description",
    "job_title",
    "language",
    "time_zone",
)
FULL, COLLABORATOR = "support_agent", "collaborator"


def make_contact(account: Account, values: Mapping[str, Any]) -> Record:
    """A new contact. The values have been checked; raises the 409 for one that somebody else has."""
    refuse_duplicates(account, values, person=None)
    person = _person(account, values)
    account.store.add_person(person)
    account.tell_person(person)
    return person


def make_agent(account: Account, values: Mapping[str, Any], *, person_id: int | None = None) -> Record:
    """A new agent: `name`, `email`, `type` and whether `admin`."""
    person = _person(account, values, person_id=person_id)
    person["_agent"] = {"type": values.get("type", FULL), "admin": bool(values.get("admin")), "group_ids": []}
    person["active"] = True
    account.store.add_person(person)
    account.notify("users")
    return person


def promote(account: Account, contact: Record) -> None:
    """A contact becomes an agent, with the same id and values."""
    contact["_agent"] = {"type": FULL, "admin": False, "group_ids": []}
    account.notify("users")


def change_contact(account: Account, person: Record, values: Mapping[str, Any]) -> None:
    """Set the given values, which have been checked. Raises the 409 for one that somebody else has."""
    refuse_duplicates(account, values, person=person)
    if "custom_fields" in values:
        values = {**values, "custom_fields": {**person["custom_fields"], **(values["custom_fields"] or {})}}
    account.store.change_person(person, {**values, "updated_at": account.now_iso()})
    account.tell_person(person)


def refuse_duplicates(account: Account, values: Mapping[str, Any], *, person: Record | None) -> None:
    """Raises the 409 `duplicate_value` for a value that another contact (a deleted one too) or an agent has."""
    unique = {"email", "twitter_id", "unique_external_id"}
    unique |= {name for name in ("mobile", "phone") if account.faults.is_on(f"{name}_is_unique")}
    found = []
    for name in WAYS_TO_REACH:
        if name not in unique or not values.get(name):
            continue
        others = [other for other in account.store.people_with(name, values[name]) if other is not person]
        if others:
            told = account.faults.text("duplicate_names_contact")
            names_it = told == "all" or (told == "email" and name == "email")
            more = {"user_id": others[0]["id"]} if names_it else {}
            found.append(problem(name, "It should be a unique value", "duplicate_value", **more))
    if found:
        raise invalid(found, status=409)


def delete_contact(account: Account, person: Record) -> None:
    """Into the bin, from where it can be restored."""
    person.update({"_deleted": True, "updated_at": account.now_iso()})
    account.notify("users")


def restore_contact(account: Account, person: Record) -> None:
    """Back from the bin."""
    person.update({"_deleted": False, "updated_at": account.now_iso()})
    account.notify("users")


def erase_contact(account: Account, person: Record) -> None:
    """For good, with all tickets."""
    for ticket in account.store.tickets_of_requester(person["id"]):
        account.store.remove_ticket(ticket)
        account.announce(ticket["id"])
    account.store.remove_person(person)
    account.notify("users")


def merge_contacts(account: Account, *, primary: Record, secondary: Record, values: Mapping[str, Any]) -> None:
    """The secondary one's tickets go to the primary one, which takes `values`; the secondary one is deleted.

    Raises the 400 for a value that both have and that `values` do not settle.
    """
    unsettled = [
        name
        for name in ("phone", "mobile", "twitter_id", "unique_external_id")
        if primary[name] and secondary[name] and name not in values
    ]
    if unsettled:
        raise invalid([problem(name, "Mandatory attribute missing", "missing_field") for name in unsettled])
    for ticket in account.store.tickets_of_requester(secondary["id"]):
        account.store.touch_ticket(ticket, {"requester_id": primary["id"]})
        account.announce(ticket["id"])
    taken = {name: secondary[name] for name in WAYS_TO_REACH if secondary[name] and not primary[name]}
    account.store.change_person(secondary, dict.fromkeys(WAYS_TO_REACH))
    delete_contact(account, secondary)
    change_contact(account, primary, {**taken, **values})


def person_shown(person: Record) -> Record:
    """A contact as answers show it."""
    more = {"deleted": True} if person["_deleted"] else {}
    return {**shown(person), **more}


def brief(person: Record) -> Record:
    """The requester as `include=requester` shows it."""
    return {name: person[name] for name in ("id", "name", "email", "mobile", "phone")}


def is_admin(person: Record) -> bool:
    return bool(person["_agent"]["admin"])


def is_collaborator(person: Record) -> bool:
    """Whether this agent may only write private notes."""
    return person["_agent"] is not None and person["_agent"]["type"] == COLLABORATOR


def digits(text: str) -> str:
    """A phone number's digits, for accounts that compare nothing else."""
    return re.sub(r"\D", "", text)


def _person(account: Account, values: Mapping[str, Any], *, person_id: int | None = None) -> Record:
    now = account.now_iso()
    return {
        "id": person_id or account.store.next_id(),
        **{name: values.get(name) for name in CONTACT_TEXTS},
        "language": values.get("language") or "en",
        "time_zone": values.get("time_zone") or "Lisbon",
        "facebook_id": None,
        "other_emails": values.get("other_emails") or [],
        "other_companies": values.get("other_companies") or [],
        "other_phone_numbers": [],
        "social_handler": [],
        "company_id": None,
        "view_all_tickets": bool(values.get("view_all_tickets")),
        "contact_type": "contact",
        "active": False,
        "avatar": None,
        "tags": values.get("tags") or [],
        "custom_fields": values.get("custom_fields") or {},
        "created_at": now,
        "updated_at": now,
        "_agent": None,
        "_deleted": False,
        "_blocked": False,
    }
