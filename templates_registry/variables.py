"""Where are the variables of a text, and what becomes of it when they are filled (fact sheet WhatsApp 4.3)?"""

import re
from collections.abc import Mapping

VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_LEADING = re.compile(r"\s*\{\{[^{}]*\}\}")
_TRAILING = re.compile(r"\{\{[^{}]*\}\}\s*\Z")
_ADJACENT = re.compile(r"\}\}\s*\{\{")
_BRACES = re.compile(r"\{\{|\}\}")


def find_variables(text: str) -> list[str]:
    """Names or numbers between double braces, each once, in order of appearance."""
    return list(dict.fromkeys(VARIABLE.findall(text)))


def count_occurrences(text: str) -> int:
    return len(VARIABLE.findall(text))


def fill_variables(text: str, values: Mapping[str, str]) -> str:
    """The values as they are, nothing escaped. A variable without a value stays visible."""
    return VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)


def has_broken_braces(text: str) -> bool:
    return _BRACES.search(VARIABLE.sub("", text)) is not None


def begins_with_variable(text: str) -> bool:
    return _LEADING.match(text) is not None


def ends_with_variable(text: str) -> bool:
    return _TRAILING.search(text) is not None


def has_adjacent(text: str) -> bool:
    return _ADJACENT.search(text) is not None


def static_text(text: str) -> str:
    """What is left without the variables."""
    return VARIABLE.sub("", text).strip()


def units(text: str) -> int:
    """UTF-16 units: the stricter reading of Meta's "characters" (unconfirmed)."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
