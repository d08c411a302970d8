"""Which fields has the account, and do the values of custom ones fit? Fact sheet Freshdesk 2 and 8."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from sandbox.freshdesk.account import CLOSED, RESOLVED, STATUSES, Account
from sandbox.freshdesk.calls import Call, Endpoint
from sandbox.freshdesk.schema import ALWAYS_NUMBER, OBJECTS, TEXT, TRUTH, checked
from sandbox.freshdesk.wire import Answer, Record, invalid, mismatch, moment_of, problem, unexpected

TICKET_TYPES = ("Question", "Incident", "Problem", "Feature Request", "Refund")
SOURCES = {
    "Email": 1,
    "Portal": 2,
    "Phone": 3,
    "Chat": 7,
    "Feedback Widget": 9,
    "Outbound Email": 10,
    "Whatsapp": 13,
    "Web Chat": 15,
    "Mobile SDK": 21,
}
WRITABLE_SOURCES = frozenset({1, 2, 3, 7, 9, 10})
PRIORITIES = {"Low": 1, "Medium": 2, "High": 3, "Urgent": 4}
TYPES = frozenset(
    {
        "custom_text",
        "custom_paragraph",
        "custom_checkbox",
        "custom_number",
        "custom_decimal",
        "custom_date",
        "custom_dropdown",
    }
)
FIELD_KEYS = frozenset({"name", "type", "label", "choices", "required_for_agents", "required_for_closure"})
_DEFAULTS: tuple[tuple[str, str, Any], ...] = (
    ("requester", "Search a requester", None),
    ("subject", "Subject", None),
    ("ticket_type", "Type", list(TICKET_TYPES)),
    ("source", "Source", SOURCES),
    ("status", "Status", {str(number): list(labels) for number, labels in STATUSES.items()}),
    ("priority", "Priority", PRIORITIES),
    ("group", "Group", {"Support": 0}),
    ("agent", "Agent", {}),
    ("description", "Description", None),
)


def make_field(account: Account, wish: Mapping[str, Any]) -> Record:
    """A custom field of tickets, as an admin adds it. Raises ValueError for nonsense."""
    if unknown := sorted(set(wish) - FIELD_KEYS):
        raise ValueError(f"a custom field has no {unknown[0]}")
    name, kind = wish.get("name"), wish.get("type", "custom_text")
    if not isinstance(name, str) or not re.fullmatch(r"cf_\w+", name):
        raise ValueError("a custom field has a name that begins with cf_")
    if kind not in TYPES:
        raise ValueError(f"a custom field's type is one of {', '.join(sorted(TYPES))}")
    choices = wish.get("choices", [])
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise ValueError("choices is a list of texts")
    known, now = account.store.fields.get(name), account.now_iso()
    label = str(wish.get("label") or name.removeprefix("cf_").replace("_", " ").capitalize())
    field: Record = {
        "id": known["id"] if known else account.store.next_id(),
        "name": name,
        "label": label,
        "label_for_customers": label,
        "description": "",
        "position": known["position"] if known else len(_DEFAULTS) + len(account.store.fields) + 1,
        "type": kind,
        "default": False,
        "required_for_closure": bool(wish.get("required_for_closure")),
        "required_for_agents": bool(wish.get("required_for_agents")),
        "required_for_customers": False,
        "customers_can_edit": False,
        "displayed_to_customers": False,
        "created_at": known["created_at"] if known else now,
        "updated_at": now,
    }
    if kind == "custom_dropdown":
        field["choices"] = list(choices)
    account.store.fields[name] = field
    return field


def problems_of(account: Account, given: Mapping[str, Any], *, is_form: bool) -> list[Record]:
    """What is wrong with `custom_fields`: unknown names and values that do not fit."""
    found = []
    for name, value in given.items():
        field = account.store.fields.get(name)
        if field is None:
            found.append(unexpected(f"custom_fields.{name}"))
        elif value is not None and (wrong := _problem(field, value, is_form=is_form)) is not None:
            found.append(wrong)
    return found


def missing(account: Account, values: Mapping[str, Any], *, status: int, is_creation: bool) -> list[Record]:
    """Required fields that are empty after the change: those of the form at creation, those of closure at closing."""
    closing = {CLOSED, RESOLVED} if account.faults.is_on("resolving_counts_as_closing") else {CLOSED}
    found = []
    for field in account.store.fields.values():
        needed = (is_creation and field["required_for_agents"]) or (field["required_for_closure"] and status in closing)
        if needed and values.get(field["name"]) in (None, ""):
            wanted = _WANTED[field["type"]]
            found.append(problem(f"custom_fields.{field['name']}", f"It should be a/an {wanted}", "missing_field"))
    return found


def settled(account: Account, before: Mapping[str, Any], given: Mapping[str, Any]) -> Record:
    """Every custom field with its value after the change; None where it is empty."""
    return {
        name: _value(field, given[name]) if name in given else before.get(name)
        for name, field in account.store.fields.items()
    }


_WANTED = {
    "custom_text": "String",
    "custom_paragraph": "String",
    "custom_checkbox": "Boolean",
    "custom_number": "Integer",
    "custom_decimal": "Number",
    "custom_date": "Date",
    "custom_dropdown": "String",
}


def _problem(field: Record, value: Any, *, is_form: bool) -> Record | None:
    name, wanted = f"custom_fields.{field['name']}", _WANTED[field["type"]]
    if field["type"] == "custom_dropdown" and value not in field["choices"]:
        values = ",".join(field["choices"])
        return problem(name, f"It should be one of these values: '{values}'", "invalid_value")
    if field["type"] == "custom_date" and not _is_date(value):
        return problem(name, "It should be in the 'yyyy-mm-dd' format", "invalid_value")
    fits = {
        "String": isinstance(value, str),
        "Date": True,
        "Boolean": isinstance(value, bool) or (is_form and value in {"true", "false"}),
        "Integer": (isinstance(value, int) and not isinstance(value, bool)) or (is_form and _is_int(value)),
        "Number": (isinstance(value, int | float) and not isinstance(value, bool)) or (is_form and _is_number(value)),
    }
    return None if fits[wanted] else mismatch(name, wanted, value)


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) == 10 and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _is_int(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"-?\d+", value) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value) is not None


def _value(field: Record, value: Any) -> Any:
    if isinstance(value, str) and field["type"] == "custom_checkbox":
        return value == "true"
    if isinstance(value, str) and field["type"] == "custom_number":
        return int(value)
    if isinstance(value, str) and field["type"] == "custom_decimal":
        return float(value)
    return value


def ticket_fields(account: Account, call: Call) -> Answer:
    """`GET /ticket_fields`, also by `type`."""
    call.known_query("type")
    found = [*_default_fields(account), *account.store.fields.values()]
    if (kind := call.query.get("type")) is not None:
        found = [field for field in found if field["type"] == kind]
    return Answer(found)


def create_field(account: Account, call: Call) -> Answer:
    """`POST /admin/ticket_fields`: the name is made from the label, here always with a suffix (fact sheet 8)."""
    spec = {
        "label": TEXT,
        "label_for_customers": TEXT,
        "type": TEXT,
        "position": ALWAYS_NUMBER,
        "choices": OBJECTS,
        **dict.fromkeys(
            (
                "customers_can_edit",
                "displayed_to_customers",
                "required_for_closure",
                "required_for_agents",
                "required_for_customers",
            ),
            TRUTH,
        ),
    }
    values = checked(call, spec)
    problems = [
        problem(name, "Mandatory attribute missing", "missing_field")
        for name in ("label", "label_for_customers", "type")
        if not values.get(name)
    ]
    if not problems and values["type"] not in TYPES:
        problems.append(problem("type", "It should be one of the supported types", "invalid_value"))
    if not problems and values["label"] in {field["label"] for field in account.store.fields.values()}:
        problems.append(problem("label", "It should be a unique value", "duplicate_value"))
    if problems:
        raise invalid(problems)
    slug = re.sub(r"\W+", "_", values["label"].lower()).strip("_")
    wish = {
        "name": f"cf_{slug}_{account.store.next_id() % 1_000_000}",
        "type": values["type"],
        "label": values["label"],
        "choices": [str(choice.get("value")) for choice in values.get("choices", [])],
        **{name: values.get(name, False) for name in ("required_for_agents", "required_for_closure")},
    }
    field = make_field(account, wish)
    return Answer(field, 201, {"Location": account.api_url(f"admin/ticket_fields/{field['id']}")})


def contact_fields(account: Account, _call: Call) -> Answer:
    """`GET /contact_fields`, with the `unique` flag of accounts since June 2022."""
    unique = {"mobile": "mobile_is_unique", "phone": "phone_is_unique"}
    names = (
        ("name", "Full name"),
        ("job_title", "Title"),
        ("email", "Email"),
        ("phone", "Work phone"),
        ("mobile", "Mobile phone"),
        ("twitter_id", "Twitter"),
        ("unique_external_id", "Unique External Id"),
        ("company_name", "Company"),
        ("address", "Address"),
        ("time_zone", "Time zone"),
        ("language", "Language"),
        ("tag_names", "Tags"),
        ("description", "About"),
    )
    return Answer(
        [
            {
                "editable_in_signup": name in {"name", "email"},
                "id": place,
                "name": name,
                "label": label,
                "position": place,
                "required_for_agents": name == "name",
                "agents_can_edit": True,
                "displayed_for_agents": True,
                "quick_add_for_agent": False,
                "unique": account.faults.is_on(unique[name]) if name in unique else False,
                "type": f"default_{name}",
                "default": True,
                "customers_can_edit": True,
                "label_for_customers": label,
                "required_for_customers": name == "name",
                "displayed_for_customers": True,
                "created_at": "2025-01-20T06:48:42Z",
                "updated_at": "2025-01-20T06:48:42Z",
            }
            for place, (name, label) in enumerate(names, start=1)
        ]
    )


def _default_fields(account: Account) -> Iterable[Record]:
    form = account.faults.is_on("subject_required")
    for place, (name, label, choices) in enumerate(_DEFAULTS, start=1):
        required = name in {"requester", "status", "priority"} or (form and name in {"subject", "description"})
        field: Record = {
            "id": place,
            "name": name,
            "label": label,
            "label_for_customers": label,
            "description": label,
            "position": place,
            "type": f"default_{name}",
            "default": True,
            "required_for_closure": False,
            "required_for_agents": required,
            "required_for_customers": name == "requester",
            "customers_can_edit": False,
            "displayed_to_customers": True,
            "created_at": "2025-01-20T06:48:42Z",
            "updated_at": "2025-01-20T06:48:42Z",
        }
        if name == "group":
            choices = {group["name"]: group["id"] for group in account.setting("groups") or []}
        if name == "agent":
            choices = {agent["name"]: agent["id"] for agent in account.store.agents()}
        if choices is not None:
            field["choices"] = choices
        yield field


def moment_text(value: str | None) -> str | None:
    """A documented form of time as the API writes it."""
    moment = moment_of(value)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


ENDPOINTS = [
    Endpoint("GET", "ticket_fields", ticket_fields),
    Endpoint("GET", "admin/ticket_fields", ticket_fields, admin=True),
    Endpoint("POST", "admin/ticket_fields", create_field, admin=True),
    Endpoint("GET", "contact_fields", contact_fields, admin=True),
]
