"""What does Zendesk make of the text of a comment?"""

import html
import re

from sandbox.zendesk.wire import Record

LONGEST_BYTES = 65_535
_TAG = re.compile(r"<[^>]*>")
_LINE_END = re.compile(r"(?i)<br\s*/?>|</(?:p|div|li|tr|h\d|blockquote|pre)>")
_FORBIDDEN = re.compile(r"(?is)<(script|style|iframe)\b.*?</\1\s*>|\son\w+\s*=\s*(\"[^\"]*\"|'[^']*')")
_PLACEHOLDER = re.compile(r"(\\?)\{\{\s*([^{}]*?)\s*\}\}")


def truncated(text: str) -> str:
    """At most 64 kB of UTF-8, cut silently (fact sheet Zendesk 2.1)."""
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= LONGEST_BYTES else raw[:LONGEST_BYTES].decode("utf-8", "ignore")


def from_body(body: str) -> tuple[str, str]:
    """(body, html_body) of a comment given as `body`: HTML is stripped, blanks and blank lines collapse."""
    plain = _TAG.sub("", body.replace("\r\n", "\n"))
    plain = re.sub(r"[ \t]{2,}", " ", plain)
    plain = truncated(re.sub(r"\n[ \t]*(?:\n[ \t]*)+", "\n\n", plain).strip())
    paragraphs = (html.escape(part, quote=False).replace("\n", "<br>\n") for part in plain.split("\n\n"))
    return plain, _wrapped("".join(f"<p>{part}</p>" for part in paragraphs))


def from_html(html_body: str) -> tuple[str, str]:
    """(body, html_body) of a comment given as `html_body`; scripts and event handlers are removed."""
    clean = truncated(_FORBIDDEN.sub("", html_body))
    return plain_of(clean), _wrapped(clean)


def plain_of(html_body: str) -> str:
    """The text of some HTML, a line per block."""
    lines = _LINE_END.sub("\n", re.sub(r"\s*\n\s*", " ", html_body))
    plain = html.unescape(_TAG.sub("", lines))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]*\n[ \t]*", "\n", plain)).strip()


def inline_images(html_body: str) -> list[str]:
    """The `src` of every image in some HTML."""
    return [html.unescape(source) for source in re.findall(r"""(?i)<img\b[^>]*?\ssrc=["']([^"']+)["']""", html_body)]


def interpolated(text: str, values: Record) -> str:
    r"""`text` with its Liquid placeholders filled from `values`; an unknown one is empty, `\{{` stays `{{`."""

    def fill(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        value = values.get(found[2].split("|")[0].strip())
        return "" if value is None else str(value)

    return _PLACEHOLDER.sub(fill, text)


def _wrapped(inner: str) -> str:
    return f'<div class="zd-comment" dir="auto">{inner}</div>'
