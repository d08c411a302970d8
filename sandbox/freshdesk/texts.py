"""What does Freshdesk make of HTML, and what of the placeholders in a rule?"""

import html
import re
from html.parser import HTMLParser

from sandbox.freshdesk.wire import Record

_TAG_NAMES = """a b blockquote br code del div em font h1 h2 h3 h4 h5 h6 hr i img li ol p pre s span strike strong sub
sup table tbody td th thead tr u ul"""
KEPT_TAGS = frozenset(_TAG_NAMES.split())
VOID_TAGS = frozenset({"br", "hr", "img"})
DROPPED_WITH_CONTENT = frozenset({"script", "style", "iframe", "head", "title", "object"})
KEPT_ATTRIBUTES = frozenset({"href", "src", "alt", "dir"})
MORE_ATTRIBUTES = frozenset({"class", "title", "id", "style"})
_TAG = re.compile(r"<[^>]*>|<!--.*?-->", re.DOTALL)
_LINE_END = re.compile(r"(?i)<br\s*/?>|</(?:p|div|li|tr|h\d|blockquote|pre)>")
_INVISIBLE = re.compile("[\u200b\u2060-\u2064\ufeff]")
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


class _Sanitiser(HTMLParser):
    def __init__(self, *, keeps_everything: bool) -> None:
        super().__init__(convert_charrefs=False)
        self._attributes = KEPT_ATTRIBUTES | MORE_ATTRIBUTES if keeps_everything else KEPT_ATTRIBUTES
        self._keeps_everything = keeps_everything
        self._mute = 0
        self.kept: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in DROPPED_WITH_CONTENT:
            self._mute += 1
        elif tag in KEPT_TAGS and not self._mute:
            shown = [
                f' {name}="{html.escape(value or "")}"'
                for name, value in attrs
                if name in self._attributes or (self._keeps_everything and name.startswith("data-"))
                if not (value or "").strip().lower().startswith("javascript:")
            ]
            self.kept.append(f"<{tag}{''.join(shown)}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in DROPPED_WITH_CONTENT:
            self._mute = max(0, self._mute - 1)
        elif tag in KEPT_TAGS - VOID_TAGS and not self._mute:
            self.kept.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._mute:
            self.kept.append(data.replace("<", "&lt;"))

    def handle_entityref(self, name: str) -> None:
        self.handle_reference(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_reference(f"&#{name};")

    def handle_reference(self, written: str) -> None:
        """An entity stays as it was written, unless it spells a character that does not survive."""
        if not self._mute and (self._keeps_everything or not _INVISIBLE.fullmatch(html.unescape(written))):
            self.kept.append(written)


def sanitised(body: str, *, keeps_everything: bool = False) -> str:
    """HTML as it is kept: known tags, few attributes, no comments, and plain text in a `<div>`.

    What survives is not documented (fact sheet Freshdesk 3): by default nothing that a reader cannot see.
    """
    if not keeps_everything:
        body = _INVISIBLE.sub("", body)
    sanitiser = _Sanitiser(keeps_everything=keeps_everything)
    sanitiser.feed(body)
    sanitiser.close()
    kept = "".join(sanitiser.kept)
    return kept if kept.startswith("<div") else f"<div>{kept}</div>"


def text_of(body: str) -> str:
    """`body_text`: the words, with every tag and line end a blank."""
    return " ".join(html.unescape(_TAG.sub(" ", _LINE_END.sub(" ", body))).split())


def lines_of(body: str) -> str:
    """The words as a reader sees them, a line per block."""
    lines = _LINE_END.sub("\n", re.sub(r"\s*\n\s*", " ", body))
    plain = html.unescape(_TAG.sub("", lines))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]*\n[ \t]*", "\n", plain)).strip()


def from_lines(text: str) -> str:
    """What the editor makes of typed text."""
    lines = (html.escape(line, quote=False) for line in text.replace("\r\n", "\n").split("\n"))
    return f'<div dir="ltr">{"<br>".join(lines)}</div>'


def interpolated(text: str, values: Record) -> str:
    """`text` with its placeholders filled; an unknown one is empty."""

    def fill(found: re.Match[str]) -> str:
        value = values.get(found[1].split("|")[0].strip())
        return "" if value is None else str(value)

    return _PLACEHOLDER.sub(fill, text)
