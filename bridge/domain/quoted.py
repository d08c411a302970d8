"""What in an agent's comment is not meant for the customer? Signatures and the history that mail programs carry along.

Cut is only what is marked as such, by the class or id that a program gives it, or by a line that nobody writes by hand.
"""

import re
from collections.abc import Mapping

_CLASSES = frozenset(
    [
        "gmail_quote",
        "gmail_quote_container",
        "gmail_signature",
        "gmail_signature_prefix",
        "yahoo_quoted",
        "moz-cite-prefix",
        "moz-signature",
        "zd-signature",
        "signature",
        "agent-signature",
        "agent_signature",
        "outlookmessageheader",
        "protonmail_quote",
        "protonmail_signature_block",
    ]
)
_IDS = frozenset(
    [
        "appendonsend",
        "divrplyfwdmsg",
        "signature",
        "ms-outlook-mobile-signature",
        "mail-editor-reference-message-container",
    ]
)
_WROTE = re.compile(
    r"^.{0,300}\b(?:wrote|escribió|escreveu|a écrit|schrieb|ha scritto|napisał(?:\(a\)|a)?|كتب|כתב(?:ה)?)\s?:$",
    re.DOTALL,
)
_ORIGINAL = re.compile(
    r"^[-_]{2,} ?(?:Original Message|Forwarded message|Mensaje original|Mensagem original|Message d'origine"
    r"|Ursprüngliche Nachricht|Messaggio originale|Oryginalna wiadomość) ?[-_]{2,}$",
    re.IGNORECASE,
)
_SIGNATURE_LINES = 8
"""A signature is short: after more than this, a line of two dashes was something else."""


def is_cut(tag: str, attributes: Mapping[str, str]) -> bool:
    """Whether an element and all in it is signature or history."""
    if tag == "blockquote" and attributes.get("type", "").lower() == "cite":
        return True
    if not ("class" in attributes or "id" in attributes or "data-smartmail" in attributes):
        return False
    classes = attributes.get("class", "").lower().split()
    return (
        not _CLASSES.isdisjoint(classes)
        or attributes.get("id", "").lower() in _IDS
        or attributes.get("data-smartmail", "").lower() == "gmail_signature"
    )


def without_history(text: str) -> str:
    """A text as WhatsApp shows it, up to the signature or the history that ends it."""
    lines = text.split("\n")
    end = len(lines)
    for index, line in enumerate(lines):
        plain, after = line.strip().strip("*_"), lines[index + 1 :]
        is_signature = index > 0 and plain == "--" and sum(map(bool, map(str.strip, after))) <= _SIGNATURE_LINES
        is_history = plain.endswith(":") and _WROTE.match(plain) is not None and _is_quote(after)
        if is_signature or is_history or _ORIGINAL.match(plain):
            end = index
            break
    return "\n".join(lines[:end]).rstrip() if end < len(lines) else text


def _is_quote(lines: list[str]) -> bool:
    """Nothing but quoted lines, and some."""
    told = [line for line in lines if line.strip()]
    return bool(told) and all(line.startswith(">") for line in told)


def leading_quote(text: str) -> tuple[str, str] | None:
    """(what a reply quotes first, the reply itself), where it does and says something."""
    lines = text.split("\n")
    if not lines[0].startswith(">"):
        return None
    first = next((index for index, line in enumerate(lines) if line.strip() and not line.startswith(">")), len(lines))
    count = max(index for index, line in enumerate(lines[:first]) if line.startswith(">")) + 1
    rest = "\n".join(lines[count:]).strip()
    quote = "\n".join(line.lstrip("> ") for line in lines[:count]).strip()
    return (quote, rest) if quote and rest else None


def is_quote_of(quote: str, text: str) -> bool:
    """Whether `quote` is `text`, or a good part of it, whatever was done to blanks, markup and case on the way."""
    wanted, whole = _letters(quote), _letters(text)
    if not wanted or not whole:
        return False
    return wanted == whole or (len(wanted) >= _PART_LETTERS and wanted in whole)


_PART_LETTERS = 12


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum() or char > "\u2190")
