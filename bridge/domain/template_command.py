"""What did an agent ask for with `/wa template NAME [lang=CODE] [VAR=VALUE …]`? Quoted as in a shell.

One thing is kinder than a shell: a quote inside a word is a letter, so `1=O'Brien` is O'Brien. A quoted value may span
lines. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»"}
_LANGUAGE = "lang"


@dataclass(frozen=True, slots=True)
class TemplateCommand:
    """`name` empty: none was given. `open_quote`: a quote was never closed."""

    name: str
    language: str | None
    values: Mapping[str, str] = field(repr=False)
    unread: tuple[str, ...] = field(default=(), repr=False)
    """Words that are no `VAR=VALUE`, and variables that were given twice."""
    open_quote: bool = False


def parse_template_command(rest: str) -> TemplateCommand:
    """`rest`: whatever stands behind `/wa template` in the note."""
    words, open_quote = _split(rest.replace("\u00a0", " "))
    name = words[0] if words else ""
    values: dict[str, str] = {}
    language: str | None = None
    unread = []
    for word in words[1:]:
        key, equals, value = word.partition("=")
        key = key.strip().strip("{}")
        if not equals or not key or key in values:
            unread.append(word)
        elif key == _LANGUAGE:
            language = value
        else:
            values[key] = value
    return TemplateCommand(name, language, values, tuple(unread), open_quote)


def quoted(value: str) -> str:
    """As it may be typed behind `VAR=`."""
    if value and not any(sign.isspace() for sign in value) and value[0] not in _QUOTES:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _split(text: str) -> tuple[list[str], bool]:
    """Words, and whether a quote was left open."""
    words: list[str] = []
    word: list[str] | None = None
    may_open = True
    place = 0
    while place < len(text):
        sign = text[place]
        place += 1
        if sign.isspace():
            if word is not None:
                words.append("".join(word))
            word, may_open = None, True
            continue
        word = [] if word is None else word
        if sign in _QUOTES and may_open:
            inside, place, closed = _quoted_part(text, place, _QUOTES[sign])
            word.append(inside)
            if not closed:
                return [*words, "".join(word)], True
            continue
        if sign == "\\" and place < len(text):
            word.append(text[place])
            place += 1
            continue
        # A quote begins a value, not the middle of a word.
        may_open = sign == "=" and "=" not in "".join(word)
        word.append(sign)
    if word is not None:
        words.append("".join(word))
    return words, False


def _quoted_part(text: str, place: int, end: str) -> tuple[str, int, bool]:
    """What stands within quotes, where it ends, and whether it does. Single ones take everything as it is."""
    inside: list[str] = []
    while place < len(text):
        sign = text[place]
        if sign == end or (end == "”" and sign == "“"):
            return "".join(inside), place + 1, True
        if sign == "\\" and end != "'" and text[place + 1 : place + 2] in (end, "\\"):
            place += 1
            sign = text[place]
        inside.append(sign)
        place += 1
    return "".join(inside), place, False
