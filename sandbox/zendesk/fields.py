"""Which values may a custom field take, and how do drop-downs and tags follow each other? Fact sheet Zendesk 2.14."""

import re
from typing import Any

from sandbox.zendesk.account import Account
from sandbox.zendesk.calls import Call
from sandbox.zendesk.wire import Record


def wanted_values(account: Account, wanted: object, call: Call | None) -> dict[int, Any]:
    """The values of a `custom_fields` list by field id; unknown ids and values are dropped, with a warning."""
    pairs = wanted.items() if isinstance(wanted, dict) else _pairs(wanted)
    kept: dict[int, Any] = {}
    for key, value in pairs:
        field = account.store.fields.get(int(key)) if str(key).isdigit() else None
        if field is None or field["type"] in SYSTEM_TYPES:
            if call is not None:
                call.unpermitted.append(f"ticket.custom_fields.{key}")
        elif not _takes(field, value):
            if call is not None:
                call.invalid_values.append(f"ticket.custom_fields.{key}")
        else:
            kept[field["id"]] = None if value == "" else value
    return kept


SYSTEM_TYPES = frozenset({"subject", "description", "status", "tickettype", "priority", "group", "assignee"})


def settle(
    account: Account, ticket: Record, *, tags: list[str] | None, values: dict[int, Any]
) -> tuple[list[str], dict[int, Any]]:
    """(tags, field values) after an update that replaces the tags (None: leaves them) and sets some fields.

    A drop-down's value is a tag: taking the tag away clears the field, adding an option's tag sets it.
    """
    current = {field["id"]: field["value"] for field in ticket["custom_fields"]}
    result = set(ticket["tags"] if tags is None else tags)
    merged = {**current, **values}
    for field_id, value in merged.items():
        field = account.store.fields.get(field_id)
        if field is None:
            continue
        own = _own_tags(field)
        if not own:
            continue
        if field_id in values:
            result = (result - own) | _tags_of(field, value)
        elif tags is not None:
            merged[field_id] = _value_of(field, own & result)
    return sorted(result), merged


def _pairs(wanted: object) -> list[tuple[Any, Any]]:
    if not isinstance(wanted, list):
        return []
    return [(entry.get("id"), entry.get("value")) for entry in wanted if isinstance(entry, dict)]


def _options(field: Record) -> set[str]:
    return {option["value"] for option in field.get("custom_field_options", [])}


def _takes(field: Record, value: Any) -> bool:
    if value is None or value == "":
        return True
    match field["type"]:
        case "tagger":
            return value in _options(field)
        case "multiselect":
            return isinstance(value, list) and set(value) <= _options(field)
        case "checkbox":
            return isinstance(value, bool)
        case "date":
            return isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) is not None
        case "integer":
            return re.fullmatch(r"-?\d+", str(value)) is not None
        case "decimal":
            return re.fullmatch(r"-?\d+(\.\d+)?", str(value)) is not None
        case "regexp":
            return re.fullmatch(field.get("regexp_for_validation") or ".*", str(value)) is not None
        case _:
            return isinstance(value, str | int | float)


def _own_tags(field: Record) -> set[str]:
    if field["type"] == "checkbox":
        return {field["tag"]} if field.get("tag") else set()
    return _options(field) if field["type"] in {"tagger", "multiselect"} else set()


def _tags_of(field: Record, value: Any) -> set[str]:
    match field["type"]:
        case "checkbox":
            return {field["tag"]} if value else set()
        case "multiselect":
            return set(value or ())
        case _:
            return {value} if value else set()


def _value_of(field: Record, present: set[str]) -> Any:
    match field["type"]:
        case "checkbox":
            return bool(present)
        case "multiselect":
            return sorted(present)
        case _:
            return min(present, default=None)
