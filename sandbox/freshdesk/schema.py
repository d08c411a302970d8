"""Is a body spoken exactly as the API wants it? Unknown attributes and wrong types are refused (fact sheet 1, 9)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.freshdesk.calls import Call
from sandbox.freshdesk.multipart import Part
from sandbox.freshdesk.wire import Record, invalid, mismatch, moment_of, problem, unexpected

LONGEST_TAG = 32
LONGEST_LINE = 255
FILES = "attachments"
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_KEYED = re.compile(r"([^\[\]]+)\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of value, as error messages name it."""

    wanted: str
    nullable: bool = True


TEXT = Kind("String")
NUMBER = Kind("Positive Integer")
ALWAYS_NUMBER = Kind("Positive Integer", nullable=False)
TRUTH = Kind("Boolean", nullable=False)
TEXTS = Kind("Array of Strings", nullable=False)
NUMBERS = Kind("Array of Positive Integers", nullable=False)
OBJECT = Kind("key/value pair")
OBJECTS = Kind("Array of key/value pairs", nullable=False)
TIME = Kind("DateTime")


def values_of_form(parts: list[Part]) -> tuple[Record, list[Part]]:
    """(values, files) of a multipart body: `tags[]` is a list, `custom_fields[x]` an object, and everything is text.

    Raises the 400 for a file under any other name than `attachments[]` (fact sheet Freshdesk 9.7).
    """
    values: Record = {}
    files = []
    for part in parts:
        keyed = _KEYED.fullmatch(part.name)
        if part.filename is not None:
            if part.name != f"{FILES}[]":
                name = part.name.partition("[")[0]
                raise invalid([mismatch(name, "Array", part.filename)], warning=f"a file came as {name}")
            files.append(part)
            continue
        text = part.data.decode("utf-8", "replace")
        if keyed is None:
            values[part.name] = text
        elif keyed[2] == "":
            kept = values.setdefault(keyed[1], [])
            if isinstance(kept, list):
                kept.append(text)
        else:
            kept = values.setdefault(keyed[1], {})
            if isinstance(kept, dict):
                kept[keyed[2]] = text
    return values, files


def checked(call: Call, spec: Mapping[str, Kind], *, files: bool = False) -> Record:
    """The body's values in their types. Raises the 400 that names every unknown attribute and wrong type."""
    values: Record = {}
    problems = []
    for name, given in call.body.items():
        kind = spec.get(name)
        if kind is None:
            problems.append(mismatch(name, "Array", given) if files and name == FILES else unexpected(name))
            continue
        value = _from_form(given, kind) if call.is_form else given
        if (value is None and kind.nullable) or (value is not None and _is(value, kind)):
            values[name] = value
        else:
            problems.append(mismatch(name, kind.wanted, given))
    if call.files and not files:
        problems.append(unexpected(FILES))
    if problems:
        raise invalid(problems, warning=", ".join(f"{entry['code']} {entry['field']}" for entry in problems))
    return values


def problems_of_texts(values: Record, *names: str) -> list[Record]:
    """What is wrong with single lines, which have a longest length."""
    return [
        problem(name, f"Has {len(values[name])} characters, it can have maximum of {LONGEST_LINE}", "invalid_value")
        for name in names
        if values.get(name) and len(values[name]) > LONGEST_LINE
    ]


def problems_of_tags(values: Record) -> list[Record]:
    """What is wrong with tags: each has a longest length and no comma."""
    wrong = [tag for tag in values.get("tags", []) if not tag.strip() or len(tag) > LONGEST_TAG or "," in tag]
    message = f"It should contain elements that have maximum of {LONGEST_TAG} characters and no comma"
    return [problem("tags", message, "invalid_value")] if wrong else []


def problems_of_mails(values: Record, *names: str) -> list[Record]:
    """What is wrong with e-mail addresses, single or in lists."""
    found = []
    for name in names:
        given = values.get(name) or []
        if any(not _MAIL.fullmatch(one) for one in ([given] if isinstance(given, str) else given)):
            found.append(problem(name, "It should be in the 'valid email address' format", "invalid_value"))
    return found


def _is(value: Any, kind: Kind) -> bool:
    match kind.wanted:
        case "String":
            return isinstance(value, str)
        case "Positive Integer":
            return _is_number(value)
        case "Boolean":
            return isinstance(value, bool)
        case "Array of Strings":
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        case "Array of Positive Integers":
            return isinstance(value, list) and all(_is_number(one) for one in value)
        case "Array of key/value pairs":
            return isinstance(value, list) and all(isinstance(one, dict) for one in value)
        case "DateTime":
            return moment_of(value) is not None
        case _:
            return isinstance(value, dict)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _from_form(given: Any, kind: Kind) -> Any:
    if kind.wanted == "Positive Integer" and isinstance(given, str) and given.isascii() and given.isdigit():
        return int(given)
    if kind.wanted == "Boolean" and given in {"true", "false"}:
        return given == "true"
    if kind.wanted == "Array of Positive Integers" and isinstance(given, list):
        return [int(one) if isinstance(one, str) and one.isdigit() else one for one in given]
    return given
