"""Which variables does a text have (fact sheet WhatsApp 4.3)? Read on its own, whatever a product thinks."""

import re

ANY = re.compile(r"\{\{([^{}]*)\}\}")
STRAY = re.compile(r"\{\{|\}\}")


def names(text: str) -> list[str]:
    """What stands between double braces, in order, as often as it stands there."""
    return ANY.findall(text)


def is_broken(text: str) -> bool:
    """Are there double braces that do not match."""
    return STRAY.search(ANY.sub("", text)) is not None


def leads_or_trails(text: str) -> bool:
    """Does the text begin or end with a variable."""
    bare = text.strip()
    return bool(re.match(r"\{\{[^{}]*\}\}", bare) or re.search(r"\{\{[^{}]*\}\}\Z", bare))


def are_adjacent(text: str) -> bool:
    """Do two variables stand side by side without a word between them."""
    return re.search(r"\}\}\s*\{\{", text) is not None


def static_length(text: str) -> int:
    """Characters that are no variable."""
    return len(ANY.sub("", text).strip())


def put_in(text: str, values: dict[str, str]) -> str:
    """The text with its variables replaced."""
    return ANY.sub(lambda found: values.get(found[1], ""), text)
