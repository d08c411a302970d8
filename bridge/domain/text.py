"""How does a text look on the other side? WhatsApp markup to helpdesk HTML and back, and cutting at limits.

Every function takes any `str`, also one with NUL or half a surrogate pair in it, and returns text that every
database and every JSON encoder takes. Nothing a reader can see is lost.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser
from itertools import groupby

from bridge.domain.quoted import is_cut, without_history

MESSAGE_LIMIT = 4096
"""The most a text message may hold (fact sheet WhatsApp 2.2), counted in UTF-16 units to be safe."""

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def clean(text: str) -> str:
    """The same text with NUL and lone surrogates as U+FFFD, surrogate halves joined, and newlines as `\\n`."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", _REPLACEMENT).replace("\r\n", "\n").replace("\r", "\n")


def utf16_length(text: str) -> int:
    """Length in UTF-16 units: what lies outside the basic plane counts twice."""
    return len(text) + sum(1 for char in text if char > "\uffff")


_TOKEN = re.compile(
    r"\n?```(?P<mono>\s*(?!```)\S(?:(?!```).)*)```\n?"
    r"|(?<![^\W_])`(?P<code>[^`\s](?:[^`\n]*[^`\s])?)`(?![^\W_])"
    r"|(?<![^\W_])(?P<url>https?://[^\s<>\"`]+)",
    re.DOTALL | re.IGNORECASE,
)
_MARKER_TAGS = {"*": "strong", "_": "em", "~": "del"}
_URL_TAIL = ".,;:!?)]}'*_~"


def whatsapp_to_html(text: str) -> str:
    """Escaped HTML of a WhatsApp text: `*bold*`, `_italic_`, `~strike~`, mono, links, line breaks.

    A marker counts only at the edge of a word, and only within its line, as in WhatsApp's own clients:
    `snake_case_names` and `2*3*4` stay what they are. Lines that begin with `> ` are a quote, with `- ` a list;
    numbered lines stay as they are, so that no number changes.
    """
    source = clean(text)
    return "".join(
        _in_block(block, lines) if block else _HtmlWriter("\n".join(lines)).html() for block, lines in _blocks(source)
    )


def _blocks(source: str) -> Iterator[tuple[str, list[str]]]:
    """Runs of lines by the mark that they begin with; mono blocks are left whole."""
    if "```" in source:
        yield "", [source]
        return
    for block, lines in groupby(source.split("\n"), lambda line: line[:2] if line[:2] in _LINE_MARKS else ""):
        yield block, list(lines)


def _in_block(block: str, lines: Sequence[str]) -> str:
    inner = [_HtmlWriter(line[2:]).html() for line in lines]
    if block == "> ":
        return f"<blockquote>{'<br>'.join(inner)}</blockquote>"
    return "<ul>" + "".join(f"<li>{line}</li>" for line in inner) + "</ul>"


_LINE_MARKS = ("> ", "- ")


class _HtmlWriter:
    def __init__(self, source: str) -> None:
        self._source = source
        self._out: list[str] = []
        self._open: list[tuple[str, int]] = []

    def html(self) -> str:
        position = 0
        for match in _TOKEN.finditer(self._source):
            start, end, piece = self._token(match)
            self._literal(position, start)
            self._out.append(piece)
            position = end
        self._literal(position, len(self._source))
        return "".join(self._out)

    def _token(self, match: re.Match[str]) -> tuple[int, int, str]:
        mono, code, url = match["mono"], match["code"], match["url"]
        if url is not None:
            url = url.rstrip(_URL_TAIL) or url
            piece = f'<a href="{escape(url)}">{escape(url, quote=False)}</a>'
            return match.start(), match.start() + len(url), piece
        if mono is not None and "\n" in mono.strip("\n"):
            # A block stands on lines of its own, so the newlines next to it would only add empty ones.
            self._open.clear()
            return match.start(), match.end(), f"<pre>{escape(mono.strip(chr(10)), quote=False)}</pre>"
        inside = (mono if mono is not None else code).strip("\n")
        start, end = match.start(), match.end()
        if mono is not None:
            start, end = match.start("mono") - 3, match.end("mono") + 3
        return start, end, f"<code>{escape(inside, quote=False)}</code>"

    def _literal(self, start: int, end: int) -> None:
        source = self._source
        for index in range(start, end):
            char = source[index]
            before = source[index - 1] if index else "\n"
            if char == "\n":
                self._open.clear()
                self._out.append("<br>")
            elif char in _MARKER_TAGS:
                self._marker(char, before=before, after=source[index + 1 : index + 2] or "\n")
            elif char == " " and before in " \n":
                self._out.append("&nbsp;")
            else:
                self._out.append(escape(char, quote=False))

    def _marker(self, marker: str, *, before: str, after: str) -> None:
        if marker not in (before, after):
            opened = next((at for sign, at in self._open if sign == marker), None)
            if opened is not None and not before.isspace() and not after.isalnum():
                tag = _MARKER_TAGS[marker]
                self._out[opened] = f"<{tag}>"
                self._out.append(f"</{tag}>")
                # What was opened inside and never closed stays a plain character.
                self._open = [(sign, at) for sign, at in self._open if at < opened]
                return
            if opened is None and not before.isalnum() and not after.isspace():
                self._open.append((marker, len(self._out)))
        self._out.append(marker)


_STYLE_OF_TAG = {
    **dict.fromkeys(("code", "kbd", "samp", "tt"), "```"),
    **dict.fromkeys(("b", "strong", "h1", "h2", "h3", "h4", "h5", "h6"), "*"),
    **dict.fromkeys(("i", "em"), "_"),
    **dict.fromkeys(("s", "del", "strike"), "~"),
}
_STYLES = ("```", "*", "_", "~")
_PARAGRAPHS = frozenset(["p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "table", "figure"])
_BLOCKS = frozenset(
    [
        *(
            *_PARAGRAPHS,
            "div",
            "ul",
            "ol",
            "li",
            "dl",
            "dt",
            "dd",
            "tr",
            "thead",
            "tbody",
            "caption",
            "hr",
            "figcaption",
        ),
        *("section", "article", "header", "footer", "main", "nav", "aside", "address", "form", "details", "summary"),
    ]
)
_VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"])
_DEEPEST = 32
_DEEPEST_LIST = 4
_UNSEEN = frozenset(("script", "style", "title", "template"))
_PLACE = re.compile(r" ?\0(\d+)\0")
"""Where a picture stood, until it is known whether that is part of what the customer gets."""
_LOOSE_BRACKET = re.compile(r"<(?![A-Za-z/!?])")
_BLANKS = re.compile(r"[ \t\n\r\f]+")
_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


def html_to_whatsapp(html: str) -> str:
    """What an agent's comment says, in WhatsApp's markup; at most one empty line in a row, no edge blanks.

    A marker that WhatsApp would show as a plain character (in the middle of a word) is left out. A link's
    address follows its text where they differ; a picture becomes its description; a tracking pixel nothing.
    Signatures and quoted history are left out. Nesting beyond what a reader follows is flattened.
    """
    return read_comment(html)[0]


def read_comment(html: str, pictures: Collection[str] = ()) -> tuple[str, list[str]]:
    """`html_to_whatsapp`, and which of `pictures` (addresses) stand in it, in order: those are left out of the text."""
    reader = _HtmlReader(frozenset(pictures))
    # The parser looks at each loose bracket again and again.
    reader.feed(_LOOSE_BRACKET.sub("&lt;", clean(html)))
    reader.close()
    text = without_history(reader.text())
    met = [reader.met[int(number)] for number in _PLACE.findall(text)]
    text = re.sub(r"\n{3,}", "\n\n", re.sub(r"[ ]+$", "", _PLACE.sub("", text), flags=re.MULTILINE)).strip()
    return text, list(dict.fromkeys(met))


@dataclass(frozen=True, slots=True)
class _Run:
    text: str
    styles: frozenset[str]


class _HtmlReader(HTMLParser):
    def __init__(self, pictures: frozenset[str]) -> None:
        super().__init__(convert_charrefs=True)
        self._pictures = pictures
        self.met: list[str] = []
        self._cut: str | None = None
        self._cut_depth = 0
        self._lines: list[str] = []
        self._runs: list[_Run] = []
        self._styles: list[tuple[str, str]] = []
        self._lists: list[int | None] = []
        self._item = ""
        self._quotes = 0
        self._gap = False
        self._unseen: list[str] = []
        self._pre: list[str] | None = None
        self._href: str | None = None
        self._label: list[str] = []

    def text(self) -> str:
        self._end_link()
        self._end_pre()
        self._end_line()
        return re.sub(r"\n{3,}", "\n\n", "\n".join(self._lines)).strip()

    def parse_marked_section(self, i: int, report: int | bool = True) -> int:  # noqa: ARG002 (the base's signature)
        """As in browsers: `<![...>` is a comment. The base class raises on words it does not know."""
        return self.rawdata.find(">", i) + 1 or -1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen.append(tag)
        if self._unseen:
            return
        if self._cut is not None:
            self._cut_depth += tag == self._cut
            return
        values = {name: value or "" for name, value in attrs}
        if is_cut(tag, values) and tag not in _VOID:
            self._cut, self._cut_depth = tag, 1
            self._block("div")
            return
        if tag in _BLOCKS:
            self._block(tag)
        if (sign := _sign_of(tag, values)) is not None and len(self._styles) < _DEEPEST:
            self._styles.append((tag, sign))
        match tag:
            case "br":
                self._line_break()
            case "pre":
                self._block(tag)
                self._pre = self._pre or []
            case "a":
                self._end_link()
                self._href = _address(values.get("href", ""))
            case "img" if (source := values.get("src", "")) in self._pictures:
                # NUL is in no text that was cleaned, so nobody else can write such a place.
                self._add(f"\0{len(self.met)}\0")
                self.met.append(source)
            case "img":
                self._add(_picture(values))
            case "hr":
                self._add("---")
                self._block(tag)
            case "blockquote":
                self._quotes += 1
            case "ul":
                self._lists.append(None)
            case "ol":
                first = values.get("start", "")
                self._lists.append(int(first) if re.fullmatch(r"[0-9]{1,6}", first) else 1)
            case "li":
                self._item = self._next_item()
            case "td" | "th":
                if self._runs:
                    self._add(" | ")
            case _:
                pass

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN and tag in self._unseen:
            self._unseen.remove(tag)
            return
        if self._unseen:
            return
        if self._cut is not None:
            self._cut_depth -= tag == self._cut
            if self._cut_depth == 0:
                self._cut = None
            return
        if tag == "a":
            self._end_link()
        elif tag == "pre":
            self._end_pre()
        elif tag in _BLOCKS:
            self._block(tag)
        if tag == "blockquote":
            self._quotes = max(0, self._quotes - 1)
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
            self._item = ""
        elif tag == "li":
            self._item = ""
        for index in range(len(self._styles) - 1, -1, -1):
            if self._styles[index][0] == tag:
                del self._styles[index]
                break

    def handle_data(self, data: str) -> None:
        if not self._unseen and self._cut is None:
            self._add(data)

    def _add(self, text: str) -> None:
        if self._href is not None:
            self._label.append(text)
        if self._pre is not None:
            self._pre.append(text)
            return
        text = _BLANKS.sub(" ", text)
        if not self._runs or self._runs[-1].text.endswith(" "):
            text = text.lstrip(" ")
        if text:
            self._runs.append(_Run(text, frozenset(style for _, style in self._styles)))

    def _line_break(self) -> None:
        if self._pre is not None:
            self._pre.append("\n")
        elif self._runs:
            self._end_line()
        else:
            self._lines.append("")

    def _block(self, tag: str) -> None:
        if self._pre is not None:
            if self._pre and not self._pre[-1].endswith("\n"):
                self._pre.append("\n")
            return
        self._end_line()
        if tag in _PARAGRAPHS and not self._lists:
            self._gap = True

    def _end_line(self) -> None:
        if self._runs:
            runs = [_Run(run.text.replace(_NO_BREAK_SPACE, " "), run.styles) for run in self._runs]
            self._runs = []
            self._push(_render(runs, _STYLES, before="", after="").rstrip())

    def _push(self, line: str) -> None:
        if self._gap and self._lines and self._lines[-1]:
            self._lines.append("")
        self._gap = False
        if not line:
            self._lines.append("")
            return
        indent = "  " * min(len(self._lists) - 1, _DEEPEST_LIST)
        quote = "> " * min(self._quotes, 1)
        self._lines.append(quote + indent + self._item + line.replace("\n", "\n" + quote))
        self._item = ""

    def _next_item(self) -> str:
        number = self._lists[-1] if self._lists else None
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "

    def _end_pre(self) -> None:
        if self._pre is None:
            return
        block = "".join(self._pre).replace(_NO_BREAK_SPACE, " ").strip("\n")
        self._pre = None
        if block.strip():
            self._push(block if "```" in block else f"```{block}```")

    def _end_link(self) -> None:
        href, self._href = self._href, None
        label = _BLANKS.sub(" ", "".join(self._label)).strip()
        self._label = []
        if href and label and _bare(href) != _bare(label):
            self._add(f" ({href})")


def _sign_of(tag: str, values: Mapping[str, str]) -> str | None:
    """The marker of an element: by its name, or by the style that an editor wrote into it."""
    style = values.get("style", "").lower().replace(" ", "")
    if tag in _STYLE_OF_TAG:
        # What word processors wrap around all that is copied out of them.
        return None if "font-weight:normal" in style or "font-style:normal" in style else _STYLE_OF_TAG[tag]
    if tag == "span" and style:
        return next((sign for rule, sign in _STYLE_RULES if rule.search(style)), None)
    return None


_STYLE_RULES = (
    (re.compile(r"font-weight:(?:bold|[6-9]00)"), "*"),
    (re.compile(r"font-style:italic"), "_"),
    (re.compile(r"text-decoration[a-z-]*:[^;]*line-through"), "~"),
)


def _render(runs: Sequence[_Run], styles: Sequence[str], *, before: str, after: str) -> str:
    """`before` and `after` are the characters next to these runs, for WhatsApp's rule of word edges."""
    if not styles:
        return "".join(run.text for run in runs)
    sign, inner_styles = styles[0], styles[1:]
    groups = [(marked, list(group)) for marked, group in groupby(runs, lambda run: sign in run.styles)]
    out = ""
    for index, (marked, group) in enumerate(groups):
        previous = out[-1:] or before
        following = groups[index + 1][1][0].text[:1] if index + 1 < len(groups) else after
        raw = "".join(run.text for run in group)
        core = raw.strip()
        if not marked or not core or sign in (core, core[0], core[-1]) or (sign == "```" and sign in core):
            out += _render(group, inner_styles, before=previous, after=following)
            continue
        lead = raw[: len(raw) - len(raw.lstrip())]
        trail = raw[len(raw.rstrip()) :]
        if sign == "```":
            out += f"{lead}```{core}```{trail}"
        elif (lead[-1:] or previous).isalnum() or (trail[:1] or following).isalnum():
            out += _render(group, inner_styles, before=previous, after=following)
        else:
            inside = _render(group, inner_styles, before=sign, after=sign)
            out += f"{lead}{sign}{inside.strip()}{sign}{trail}"
    return out


def _address(href: str) -> str:
    """The address of a link as a customer can use it, or nothing."""
    href = re.sub(r"\s+", "%20", href.strip())
    if href.startswith("//"):
        href = "https:" + href
    return href if re.match(r"(https?://|mailto:|tel:)", href, re.IGNORECASE) else ""


def _bare(address: str) -> str:
    return re.sub(r"^(https?://|mailto:|tel:)", "", address.strip().replace(" ", "%20"), flags=re.IGNORECASE).rstrip(
        "/"
    )


def _picture(values: dict[str, str]) -> str:
    if any(re.fullmatch(r"[01](px)?", values.get(side, "").strip()) for side in ("width", "height")):
        return ""
    description = _BLANKS.sub(" ", values.get("alt", "")).strip()
    if not description:
        return "[image]"
    # An emoji that the helpdesk draws as a picture has the emoji itself as its description.
    return f"[{description}]" if any(char.isalnum() for char in description) else description


_MARKDOWN = re.compile(
    r"(?P<keep>```.*?```|`[^`\n]+`)"
    r"|\[(?P<label>[^\[\]\n]{1,200})\]\((?P<link>https?://[^\s()<>]+)\)"
    r"|(?P<url>https?://[^\s<>]+)"
    r"|(?<![\w*])\*\*(?P<bold>[^\s*](?:[^*\n]*[^\s*])?)\*\*(?![\w*])"
    r"|(?<![\w~])~~(?P<strike>[^\s~](?:[^~\n]*[^\s~])?)~~(?![\w~])",
    re.DOTALL,
)


def markdown_to_whatsapp(text: str) -> str:
    """Markdown that agents type from habit, `**bold**`, `~~strike~~` and `[links](address)`, in WhatsApp's markup.

    Mono and addresses stay whole, and so do `__names__` and marks inside a word.
    """
    return _MARKDOWN.sub(_in_whatsapp, text) if "**" in text or "~~" in text or "](" in text else text


def _in_whatsapp(found: re.Match[str]) -> str:
    if found["bold"] is not None:
        return f"*{found['bold']}*"
    if found["strike"] is not None:
        return f"~{found['strike']}~"
    if found["link"] is not None:
        label, link = found["label"].strip(), found["link"]
        return link if _bare(label) == _bare(link) else f"{label} ({link})"
    return found[0]


_BOUNDARIES = (
    (re.compile(r"\n[^\S\n]*\n"), 0.5),
    (re.compile(r"\n"), 0.5),
    (re.compile(r"[.!?…]['\")\]”’»*_~]*\s|[。！？]"), 0.5),
    (re.compile(r"\s"), 0.0),
)
"""Where to cut, best first, and from which share of a full piece on it is worth it."""

_ZERO_WIDTH_JOINER = "\N{ZERO WIDTH JOINER}"
_VIRAMA = 9


def split_message(text: str, limit: int = MESSAGE_LIMIT) -> list[str]:
    """Pieces of at most `limit` UTF-16 units (at least 2), none of them blank; blank text gives none.

    Cuts between paragraphs, lines, sentences or words, in this order, and inside a word only where one does not
    fit; inside what the reader takes for one character only where that alone is longer than `limit`. Nothing but
    the blanks at the cuts and the ends is lost.
    """
    if limit < 2:
        raise ValueError("limit must be at least 2: one character may be two UTF-16 units")
    rest = _strip_start(clean(text).rstrip())
    pieces = []
    while rest:
        cut = _cut(rest, limit)
        piece = rest[:cut].rstrip()
        if piece:
            pieces.append(piece)
        rest = _strip_start(rest[cut:])
    return pieces


def flatten(text: str) -> str:
    """The text on one line, every run of blanks as one space."""
    return " ".join(clean(text).split())


def preview(text: str, length: int) -> str:
    """The text on one line in at most `length` UTF-16 units, with an ellipsis where something was left out."""
    line = flatten(text)
    if utf16_length(line) <= length:
        return line
    if length < 1:
        return ""
    return line[: _fitting(line, length - 1)].rstrip() + "…"


def _cut(text: str, limit: int) -> int:
    fits = _fitting(text, limit)
    if fits == len(text):
        return fits
    if fits == 0:
        return _fitting_code_points(text, limit)
    # One blank beyond the limit may end a piece: it is stripped.
    reach = fits + 1 if text[fits].isspace() else fits
    for pattern, share in _BOUNDARIES:
        ends = [match.end() for match in pattern.finditer(text, int(fits * share), reach)]
        for end in reversed(ends):
            if end == len(text) or not _extends(text[end]):
                return end
    return fits


def _fitting(text: str, limit: int) -> int:
    """How many code points from the start fit, in whole characters as a reader sees them."""
    size = count = 0
    for cluster in graphemes(text):
        size += utf16_length(cluster)
        if size > limit:
            break
        count += len(cluster)
    return count


def _fitting_code_points(text: str, limit: int) -> int:
    size = 0
    for index, char in enumerate(text):
        size += utf16_length(char)
        if size > limit:
            return index
    return len(text)


def graphemes(text: str) -> Iterator[str]:
    """What a reader takes for single characters: Unicode's grapheme clusters, joined generously rather than cut."""
    start = 0
    flags = 0
    for index in range(1, len(text)):
        previous, char = text[index - 1], text[index]
        flags = flags + 1 if _is_flag_half(previous) else 0
        if char < "\u0300":
            joined = previous == "\r" and char == "\n"
        elif _is_flag_half(char) and flags % 2 == 1:
            joined = True
        else:
            joined = previous not in "\r\n" and (_extends(char) or _binds(previous, char))
        if not joined:
            yield text[start:index]
            start = index
    if text:
        yield text[start:]


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _extends(char: str) -> bool:
    """Belongs to what stands before it: combining marks, joiners, skin tones, tags, Hangul vowels and finals."""
    return char >= "\u0300" and (
        unicodedata.category(char) in ("Mn", "Me", "Mc")
        or char in "\u200c\u200d\uff9e\uff9f"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0020" <= char <= "\U000e007f"
        or "\u1160" <= char <= "\u11ff"
        or "\ud7b0" <= char <= "\ud7fb"
    )


def _binds(previous: str, char: str) -> bool:
    """Holds on to what comes after it: a joiner before anything, a virama before a letter, a Hangul initial."""
    if previous == _ZERO_WIDTH_JOINER:
        return not char.isspace()
    if unicodedata.combining(previous) == _VIRAMA:
        return char.isalpha()
    return "\u1100" <= previous <= "\u115f" and ("\u1100" <= char <= "\u115f" or "\uac00" <= char <= "\ud7a3")


def _strip_start(text: str) -> str:
    stripped = text.lstrip()
    lost = len(text) - len(stripped)
    # A combining mark stands on the blank before it.
    return text[lost - 1 :] if lost and stripped and _extends(stripped[0]) else stripped
