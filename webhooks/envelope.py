"""Which events does one signed body of Meta hold? Pure: one `InboxItem` per message, status and other change.

It knows whose an event is and by which key it is told from its repeats, never what it means. Whatever has an unexpected
shape becomes an item that holds what was there; its neighbours go on.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from bridge.domain.inbox_item import InboxItem, InboxKind
from webhooks.signatures import VerifiedBody

_MESSAGES = "messages"
_OWN_KEY = "db1:"
_ENTRY_KEYS = frozenset({"id", "time", "changes"})
_VALUE_KEYS = frozenset({"messaging_product", "metadata", "contacts", "messages", "statuses", "errors"})
_MESSAGE_SENDER = ("from_user_id", "from")
_STATUS_RECIPIENT = ("recipient_user_id", "recipient_id")
_STATUS_PARTICIPANT = ("recipient_participant_user_id", "recipient_participant_id")
_CONTACT_IDS = ("user_id", "wa_id")
_EVERYBODY = ("from_user_id", "from", "to_user_id", "to")
_OBJECT_IDS = ("message_template_id", "display_phone_number")
_CHANNEL = re.compile(r"[0-9A-Za-z_.-]{1,64}\Z")

# orjson writes at most 254 levels; our item adds a few around what it holds.
_MAX_DEPTH = 200
_INT64 = range(-(2**63), 2**63)
# A whole string (ended or not), or one bracket. Possessive, so that no body makes it go back.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


class NotJson(Exception):
    """The bytes are signed and yet no JSON."""


class _Origin(NamedTuple):
    """Where in the envelope something was found. A tuple: two are made for every event, and frozen classes are slow."""

    entry_id: str = ""
    time: int | None = None
    field_name: str = ""
    metadata: Mapping[str, Any] = {}
    channel: str = ""


def split(body: VerifiedBody) -> list[InboxItem]:
    """Every event of a body, in the order it holds them (`position`). Raises `NotJson`, and nothing else.

    Texts with lone surrogates get U+FFFD for them; numbers beyond 64 bits and structures deeper than 200 levels are
    kept as their text. One body may mix accounts and numbers (fact sheet WhatsApp 1.3).
    """
    try:
        return _split_document(orjson.loads(body.raw))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return _split_document(_parse_tolerantly(body.raw))


def refused(body: VerifiedBody, *, source: str = "whatsapp") -> InboxItem:
    """The item that keeps a signed body which nobody can read. Its repeats are one."""
    return InboxItem(
        kind=InboxKind.REFUSED,
        channel="" if source == "whatsapp" else source,
        event_key=f"refused:{source}:{hashlib.sha256(body.raw).hexdigest()}",
        shard_key="",
        body=body.raw,
        position=0,
        source=source,
    )


def _split_document(document: object) -> list[InboxItem]:
    items: list[InboxItem] = []
    entries = document.get("entry") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        _add_change(items, _Origin(), document)
        return items
    for entry in entries:
        _split_entry(items, entry)
    return items


def _split_entry(items: list[InboxItem], entry: object) -> None:
    if not isinstance(entry, dict):
        _add_change(items, _Origin(), entry)
        return
    time = entry.get("time")
    origin = _Origin(entry_id=_id_text(entry.get("id")), time=time if type(time) is int else None)
    changes = entry.get("changes")
    if not isinstance(changes, list):
        _add_change(items, origin, entry)
        return
    for change in changes:
        _split_change(items, origin, change)
    _add_leftovers(items, origin, entry, known=_ENTRY_KEYS)


def _split_change(items: list[InboxItem], entry: _Origin, change: object) -> None:
    if not isinstance(change, dict):
        _add_change(items, entry, change)
        return
    value = change.get("value")
    name = change.get("field")
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict):
        metadata = {}
    channel = _id_text(metadata.get("phone_number_id"))
    origin = _Origin(
        entry_id=entry.entry_id,
        time=entry.time,
        field_name=name if isinstance(name, str) else "",
        metadata=metadata,
        channel=channel if _CHANNEL.match(channel) else "",
    )
    if not isinstance(name, str):
        _add_change(items, origin, change)
    elif name == _MESSAGES and isinstance(value, dict):
        _split_messages(items, origin, value)
    elif name in _LISTS and isinstance(value, dict):
        _split_list(items, origin, value, _LISTS[name])
    else:
        _add_change(items, origin, value, event_key=_vendor_key(origin, value))


def _split_messages(items: list[InboxItem], origin: _Origin, value: dict[str, Any]) -> None:
    before = len(items)
    contacts = _contacts_of(value)
    for message in _elements(items, origin, value, _MESSAGES):
        _add_message(items, origin, message, contacts)
    for status in _elements(items, origin, value, "statuses"):
        _add_status(items, origin, status, contacts)
    for error in _elements(items, origin, value, "errors"):
        _add_change(items, origin, {"errors": [error]})
    _add_leftovers(items, origin, value, known=_VALUE_KEYS)
    if len(items) == before:
        _add_change(items, origin, value)


class _List(NamedTuple):
    """A field whose value is a list of things with ids, each of which is an event. `keys` make one, by their values."""

    member: str
    kind: InboxKind
    name: str
    prefix: str
    keys: tuple[str, ...]
    person: tuple[str, ...]


_LISTS = {
    "calls": _List("calls", InboxKind.CALL, "call", "call", ("id", "event"), ("from_user_id", "from")),
    "smb_message_echoes": _List("message_echoes", InboxKind.ECHO, "echo", "message", ("id",), ("to_user_id", "to")),
}


def _split_list(items: list[InboxItem], origin: _Origin, value: dict[str, Any], listed: _List) -> None:
    before = len(items)
    contacts = _contacts_of(value)
    for element in _elements(items, origin, value, listed.member):
        if not isinstance(element, dict) or not all(_text(element.get(key)) for key in listed.keys):
            _add_change(items, origin, {listed.member: [element]})
            continue
        person = _texts(element, listed.person)
        event_key = ":".join((listed.prefix, origin.channel, *(_text(element[key]) for key in listed.keys)))
        items.append(
            InboxItem(
                kind=listed.kind,
                channel=origin.channel,
                event_key=event_key,
                shard_key=person[0] if person else origin.entry_id,
                body=_write(origin, contacts.of(_texts(element, _EVERYBODY)), listed.name, element),
                position=len(items),
            )
        )
    _add_leftovers(items, origin, value, known=_VALUE_KEYS - {_MESSAGES, "statuses"} | {listed.member})
    if len(items) == before:
        _add_change(items, origin, value)


def _elements(items: list[InboxItem], origin: _Origin, value: dict[str, Any], name: str) -> Sequence[object]:
    found = value.get(name)
    if isinstance(found, list):
        return found
    if found is not None:
        _add_change(items, origin, {name: found})
    return ()


def _add_message(items: list[InboxItem], origin: _Origin, message: object, contacts: "_Contacts") -> None:
    if not isinstance(message, dict) or not (message_id := _text(message.get("id"))):
        _add_change(items, origin, {_MESSAGES: [message]})
        return
    sender = _texts(message, _MESSAGE_SENDER)
    items.append(
        InboxItem(
            kind=InboxKind.MESSAGE,
            channel=origin.channel,
            event_key=f"message:{origin.channel}:{message_id}",
            shard_key=sender[0] if sender else origin.entry_id,
            body=_write(origin, contacts.of(sender), "message", message),
            position=len(items),
        )
    )


def _add_status(items: list[InboxItem], origin: _Origin, status: object, contacts: "_Contacts") -> None:
    if (
        not isinstance(status, dict)
        or not (wamid := _text(status.get("id")))
        or not (name := _text(status.get("status")))
    ):
        _add_change(items, origin, {"statuses": [status]})
        return
    recipient = _texts(status, _STATUS_RECIPIENT)
    participant = _texts(status, _STATUS_PARTICIPANT)
    own_key = _text(status.get("biz_opaque_callback_data"))
    # A `failed` status may name nobody; what we sent along tells whose it is.
    shard_key = own_key if own_key.startswith(_OWN_KEY) else recipient[0] if recipient else origin.entry_id
    items.append(
        InboxItem(
            kind=InboxKind.STATUS,
            channel=origin.channel,
            event_key=f"status:{origin.channel}:{wamid}:{name}:{participant[0] if participant else ''}",
            shard_key=shard_key,
            body=_write(origin, contacts.of([*recipient, *participant]), "status", status),
            position=len(items),
        )
    )


def _add_change(items: list[InboxItem], origin: _Origin, value: object, *, event_key: str | None = None) -> None:
    items.append(
        InboxItem(
            kind=InboxKind.CHANGE,
            channel=origin.channel,
            event_key=event_key or f"change:{_fingerprint(origin, value)}",
            shard_key=origin.entry_id,
            body=_write(origin, [], "value", value),
            position=len(items),
        )
    )


def _add_leftovers(
    items: list[InboxItem], origin: _Origin, parent: Mapping[str, Any], *, known: frozenset[str]
) -> None:
    if known.issuperset(parent):
        return
    leftovers = {name: found for name, found in parent.items() if name not in known and isinstance(found, list | dict)}
    if any(leftovers.values()):
        _add_change(items, origin, leftovers)


def _vendor_key(origin: _Origin, value: object) -> str | None:
    """Meta's own key of a template or account event, None where it lacks a part: two events must never be one."""
    if not isinstance(value, dict):
        return None
    event = _text(value.get("event"))
    object_id = next((found for name in _OBJECT_IDS if (found := _id_text(value.get(name)))), "")
    if not (origin.entry_id and origin.time is not None and event and object_id):
        return None
    return f"change:{origin.entry_id}:{origin.field_name}:{object_id}:{event}:{origin.time}"


def _fingerprint(origin: _Origin, value: object) -> str:
    whole = [origin.entry_id, origin.time, origin.field_name, origin.metadata, value]
    return hashlib.sha256(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _write(origin: _Origin, contacts: list[dict[str, Any]], name: str, what: object) -> bytes:
    body: dict[str, object] = {"entry_id": origin.entry_id}
    if origin.time is not None:
        body["time"] = origin.time
    body["field"] = origin.field_name
    body["metadata"] = origin.metadata
    body["contacts"] = contacts
    body[name] = what
    return orjson.dumps(body)


class _Contacts:
    """The contacts of one change, found by any of their ids. A batch may hold a thousand; an item gets its own."""

    def __init__(self, contacts: list[dict[str, Any]], *, sole: bool) -> None:
        self._sole = contacts if sole else None
        self._by_id: dict[str, dict[str, Any]] = {}
        for contact in () if sole else contacts:
            for contact_id in _texts(contact, _CONTACT_IDS):
                self._by_id.setdefault(contact_id, contact)

    def of(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        if self._sole is not None:
            return self._sole
        found: list[dict[str, Any]] = []
        for wanted in ids:
            contact = self._by_id.get(wanted)
            if contact is not None and contact not in found:
                found.append(contact)
        return found


def _contacts_of(value: dict[str, Any]) -> _Contacts:
    given = value.get("contacts")
    contacts = [contact for contact in given if isinstance(contact, dict)] if isinstance(given, list) else []
    # One contact beside one event belongs to it even where the spelling of the number differs.
    return _Contacts(contacts, sole=len(contacts) == 1 and _count(value, _MESSAGES) + _count(value, "statuses") == 1)


def _count(value: dict[str, Any], name: str) -> int:
    found = value.get(name)
    return len(found) if isinstance(found, list) else 0


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _texts(found: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [text for name in names if isinstance(text := found.get(name), str) and text]


def _id_text(found: object) -> str:
    """Meta writes some ids as a number in webhooks and as a string elsewhere."""
    return str(found) if type(found) is int else _text(found)


def _parse_tolerantly(raw: bytes) -> object:
    """What orjson refuses though it can be kept: lone surrogates, absurd numbers, NaN, great depth."""
    try:
        text = raw.decode("utf-8", "surrogatepass").removeprefix("\ufeff")
        parsed = json.loads(
            _fold_depths(text),
            parse_int=_int_or_text,
            parse_float=_float_or_text,
            parse_constant=str,
            strict=False,
        )
    except ValueError:
        raise NotJson from None
    rewritten = json.dumps(parsed, ensure_ascii=False)
    return orjson.loads(rewritten.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _fold_depths(text: str) -> str:
    """JSON text in which whatever lies deeper than we can write is a string that holds its text."""
    kept: list[str] = []
    kept_until = folded_from = depth = 0
    for token in _TOKEN.finditer(text):
        mark = text[token.start()]
        if mark in "[{":
            depth += 1
            if depth == _MAX_DEPTH + 1:
                folded_from = token.start()
        elif mark in "]}":
            if depth == _MAX_DEPTH + 1:
                kept += (text[kept_until:folded_from], json.dumps(text[folded_from : token.end()]))
                kept_until = token.end()
            depth -= 1
    if depth != 0:
        raise NotJson
    return "".join((*kept, text[kept_until:]))


def _int_or_text(digits: str) -> int | str:
    return number if len(digits) <= 20 and (number := int(digits)) in _INT64 else digits


def _float_or_text(digits: str) -> float | str:
    return number if math.isfinite(number := float(digits)) else digits
