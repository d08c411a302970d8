"""Does an update meet the conditions of a trigger? Fact sheet Zendesk 5.4."""

from collections.abc import Callable
from typing import Any

from sandbox.zendesk.account import CHANNELS, Account, Update
from sandbox.zendesk.wire import Record

ORDER = ("new", "open", "pending", "hold", "solved", "closed")
STAFF = frozenset({"agent", "admin"})
PLAIN = {
    "status": "status",
    "priority": "priority",
    "type": "type",
    "group_id": "group_id",
    "assignee_id": "assignee_id",
    "requester_id": "requester_id",
    "brand_id": "brand_id",
    "ticket_form_id": "ticket_form_id",
    "custom_status_id": "custom_status_id",
}


def known(field: str) -> bool:
    """Can this Zendesk judge a condition on `field`?"""
    return field in _JUDGES or field in PLAIN or field.startswith("custom_fields_")


def met(account: Account, conditions: Record, update: Update) -> bool:
    """All of `all`, and one of `any` unless that is empty."""
    every, some = conditions.get("all") or [], conditions.get("any") or []
    return all(_holds(account, one, update) for one in every) and (
        not some or any(_holds(account, one, update) for one in some)
    )


def _holds(account: Account, condition: Record, update: Update) -> bool:
    field, operator, value = condition["field"], condition.get("operator", "is"), condition.get("value")
    judge = _JUDGES.get(field)
    if judge is not None:
        return judge(account, operator, str(value), update)
    return _compare(update, field, operator, value)


def _compare(update: Update, field: str, operator: str, value: Any) -> bool:
    if field.startswith("custom_fields_"):
        by_id = {str(entry["id"]): entry["value"] for entry in update.ticket["custom_fields"]}
        current = by_id.get(field.removeprefix("custom_fields_"))
    else:
        current = update.ticket[PLAIN[field]]
    change = update.changed.get(field)
    now, wanted = _plain(current), _plain(value)
    match operator:
        case "is":
            return now == wanted
        case "is_not":
            return now != wanted
        case "changed":
            return change is not None or update.is_creation
        case "not_changed":
            return change is None and not update.is_creation
        case "changed_to" | "value":
            return now == wanted and (change is not None or update.is_creation)
        case "changed_from" | "value_previous":
            return change is not None and _plain(change[0]) == wanted
        case "less_than" | "greater_than" if now in ORDER and wanted in ORDER:
            distance = ORDER.index(now) - ORDER.index(wanted)
            return distance < 0 if operator == "less_than" else distance > 0
        case "present":
            return now != ""
        case "not_present":
            return now == ""
        case _:
            return False


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _update_type(account: Account, operator: str, value: str, update: Update) -> bool:
    del account
    return _is(operator, (value == "Create") == update.is_creation)


def _comment_is_public(account: Account, operator: str, value: str, update: Update) -> bool:
    comment = update.comment
    if value == "not_relevant":
        return _is(operator, comment is not None or not account.faults.is_on("not_relevant_needs_comment"))
    if comment is None:
        return False
    return _is(operator, comment["public"] == (value in {"true", "requester_can_see_comment"}))


def _role(account: Account, operator: str, value: str, update: Update) -> bool:
    del account
    user = update.actor.user
    if value == "agent":
        return _is(operator, user["role"] in STAFF)
    if value == "end_user":
        return _is(operator, user["role"] == "end-user")
    return _is(operator, str(user["id"]) == value)


def _current_via(account: Account, operator: str, value: str, update: Update) -> bool:
    del account
    return _is(operator, str(update.actor.via_id) == value)


def _via(account: Account, operator: str, value: str, update: Update) -> bool:
    del account
    channel = update.ticket["via"]["channel"]
    return _is(operator, any(str(number) == value for number, name in CHANNELS.items() if name == channel))


def _current_tags(account: Account, operator: str, value: str, update: Update) -> bool:
    del account
    present = bool(set(value.lower().split()) & set(update.ticket["tags"]))
    return present if operator == "includes" else not present


def _is_public(account: Account, operator: str, value: str, update: Update) -> bool:
    del account
    return _is(operator, update.ticket["is_public"] == (value in {"public", "true"}))


def _comment_words(account: Account, operator: str, value: str, update: Update) -> bool:
    del account
    text = update.comment["plain_body"].lower() if update.comment is not None else ""
    words = value.lower().split()
    return any(word in text for word in words) if operator == "includes" else not any(word in text for word in words)


def _is(operator: str, holds: bool) -> bool:
    return not holds if operator == "is_not" else holds


_JUDGES: dict[str, Callable[[Account, str, str, Update], bool]] = {
    "update_type": _update_type,
    "comment_is_public": _comment_is_public,
    "role": _role,
    "current_via_id": _current_via,
    "via_id": _via,
    "current_tags": _current_tags,
    "ticket_is_public": _is_public,
    "comment_includes_word": _comment_words,
}
