"""What will Meta refuse or reject, as far as it can be known beforehand? Each finding with rule, place and mend.

`error`: Meta refuses or rejects it. `warning`: likely, or it costs more or looks worse than meant. Rules and figures
are the fact sheet's (WhatsApp 4.1 to 4.6) and those of Meta's review guidelines; where a figure is unpublished or a
reading unconfirmed, the careful one counts.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from templates_registry import variables
from templates_registry.languages import LANGUAGES, normalise
from templates_registry.model import (
    MEDIA_FORMATS,
    Body,
    Button,
    ButtonKind,
    Card,
    Category,
    Content,
    Draft,
    Header,
    HeaderFormat,
    ParameterFormat,
)
from templates_registry.variables import find_variables, units
from templates_registry.wire import did_you_mean

HEADER_UNITS, FOOTER_UNITS, BUTTON_UNITS, OFFER_UNITS = 60, 60, 25, 16
BODY_UNITS, OFFER_BODY_UNITS, CARD_BODY_UNITS = 1024, 600, 160
NAME_LENGTH, ADDRESS_UNITS, PHONE_LENGTH, COUPON_LENGTH = 512, 2000, 20, 15
BUTTONS, SHOWN_BUTTONS, DESKTOP_BUTTONS = 10, 3, 4
CARDS = (2, 10)
CODE_MINUTES = (1, 90)
REFUSED_CHARACTERS_PER_VARIABLE, MEANT_CHARACTERS_PER_VARIABLE = 15, 40
TTL_SECONDS = {
    Category.AUTHENTICATION: (30, 900),
    Category.UTILITY: (30, 43_200),
    Category.MARKETING: (43_200, 2_592_000),
}
AT_MOST = {
    ButtonKind.URL: 2,
    **dict.fromkeys(
        (
            *(ButtonKind.PHONE_NUMBER, ButtonKind.COPY_CODE, ButtonKind.FLOW, ButtonKind.CATALOG, ButtonKind.MPM),
            *(ButtonKind.SPM, ButtonKind.VOICE_CALL, ButtonKind.REQUEST_CONTACT_INFO, ButtonKind.OTP),
        ),
        1,
    ),
}
TEXT_OPTIONAL = (
    *(ButtonKind.COPY_CODE, ButtonKind.REQUEST_CONTACT_INFO, ButtonKind.CATALOG, ButtonKind.MPM, ButtonKind.SPM),
    ButtonKind.OTP,
)
_NAME = re.compile(r"[a-z0-9_]+\Z")
_NAMED = re.compile(r"[a-z_]+\Z")
_MARKUP = re.compile(r"[*_~`]\S.*?\S?[*_~`]")
_PHONE = re.compile(r"\+?[0-9]{5,19}\Z")
_SHORTENERS = frozenset(
    ("bit.ly", "tinyurl.com", "goo.gl", "t.co", "is.gd", "ow.ly", "rebrand.ly", "cutt.ly", "buff.ly", "shorturl.at")
)
_CHAT_HOSTS = frozenset(("wa.me", "api.whatsapp.com", "chat.whatsapp.com", "web.whatsapp.com"))
_ADDRESS = re.compile(r"https?://[^\s<>]+")
_SELLS = re.compile(
    r"\b(discounts?|sale|offers?|promo\w*|coupons?|vouchers?|buy now|shop now|deals?|free gift|cashback|bargains?"
    r"|desconto\w*|promoç\w+|ofertas?|descuentos?|rebajas?|promoci\w+|rabatt\w*|angebot\w*|aktion|soldes|remises?"
    r"|réduction|zniżk\w*|promocj\w*)\b|\d ?% (off|de desconto|de descuento|rabatt)|מבצע|הנחה|קופון|خصم|عرض خاص|تخفيض",
    re.IGNORECASE,
)
_PASSWORD = re.compile(
    r"\b(verification codes?|one[- ]time (pass\w*|codes?|pin)|otp|passcodes?|security code|login code|2fa"
    r"|código de (verificaç\w+|verificación)|bestätigungscode|code de vérification|kod weryfikacyjny)\b"
    r"|קוד אימות|קוד חד.פעמי|رمز التحقق",
    re.IGNORECASE,
)
_ABUSE = re.compile(
    r"\b(sue you|legal action against you|idiots?|stupid|(full )?credit card number|password to|national id number)\b",
    re.IGNORECASE,
)
_SCRIPTS = {
    **dict.fromkeys(("ar", "fa", "ur", "ps", "prs"), "ARABIC"),
    **dict.fromkeys(("ru", "uk", "bg", "mk", "sr", "be", "ky"), "CYRILLIC"),
    "he": "HEBREW",
    "el": "GREEK",
    "th": "THAI",
    "hi": "DEVANAGARI",
    "ko": "HANGUL",
}


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule` is a stable word; `place` like `components.body` or `cards[1].buttons[0]`; `mend` says what to do."""

    rule: str
    level: Level
    place: str
    message: str
    mend: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the account has already, as far as the rules ask: of each other template its name, language and content."""

    name: str
    language: str
    category: Category
    content: Content


def lint(draft: Draft, *, others: Iterable[Known] = ()) -> list[Finding]:
    """Errors first. `others`: the account's other templates, for names and repeated content."""
    found = [*_identity(draft), *_content(draft), *_guidelines(draft), *_beside(draft, list(others))]
    return sorted(found, key=lambda finding: finding.level is Level.WARNING)


def has_errors(findings: Iterable[Finding]) -> bool:
    return any(finding.level is Level.ERROR for finding in findings)


def _error(rule: str, place: str, message: str, mend: str) -> Finding:
    return Finding(rule, Level.ERROR, place, message, mend)


def _warning(rule: str, place: str, message: str, mend: str) -> Finding:
    return Finding(rule, Level.WARNING, place, message, mend)


# Name, language, delivery time


def _identity(draft: Draft) -> Iterator[Finding]:
    if not _NAME.match(draft.name) or len(draft.name) > NAME_LENGTH:
        better = re.sub(r"[^a-z0-9_]+", "_", draft.name.lower()).strip("_")[:NAME_LENGTH] or "my_template"
        yield _error(
            "name",
            "name",
            "a name has lower-case letters, digits and underscores alone, at most 512",
            f"call it {better}",
        )
    if draft.language not in LANGUAGES:
        near = normalise(draft.language)
        hint = f", did you mean {near!r}?" if near in LANGUAGES else did_you_mean(draft.language, LANGUAGES)
        yield _error(
            "language", "language", f"{draft.language!r} is no language of templates{hint}", "use a listed code"
        )
    if draft.send_ttl_seconds is not None and draft.send_ttl_seconds != -1:
        least, most = TTL_SECONDS[draft.category]
        if not least <= draft.send_ttl_seconds <= most:
            yield _error(
                "delivery-time",
                "message_send_ttl_seconds",
                f"for {draft.category.value} it lies between {least} and {most} seconds",
                "change it, or leave it out",
            )


# Components


def _content(draft: Draft) -> Iterator[Finding]:
    content = draft.content
    for part in content.unknown:
        yield _error("unknown-part", "components", f"{part} is not known here", "take it out")
    if content.body is None:
        yield _error("body", "components", "a template needs a body", "add a BODY")
    if draft.category is Category.AUTHENTICATION:
        yield from _authentication(content)
        return
    yield from _structure(draft)
    if content.header is not None:
        yield from _header(content.header, draft, "components.header")
    if content.body is not None:
        longest = OFFER_BODY_UNITS if content.offer else BODY_UNITS
        yield from _body(content.body, draft, "components.body", longest=longest)
    if content.footer is not None:
        yield from _footer(content)
    yield from _buttons(content.buttons, "components.buttons", most=BUTTONS)
    if content.cards:
        yield from _cards(draft)


def _structure(draft: Draft) -> Iterator[Finding]:
    content = draft.content
    if content.body is not None and content.body.add_security_recommendation is not None:
        yield _error(
            "authentication", "components.body", "this body belongs to authentication templates", "write a text instead"
        )
    if content.cards and (content.header or content.footer or content.buttons or content.offer):
        yield _error("carousel", "components", "a carousel stands beside a body alone", "take the other components out")
    if content.offer is None:
        return
    if draft.category is not Category.MARKETING:
        yield _error("offer", "components", "a limited-time offer is for MARKETING", "change the category")
    if content.footer is not None:
        yield _error("offer", "components.footer", "a limited-time offer has no footer", "take the footer out")
    if content.header is not None and content.header.format not in (HeaderFormat.IMAGE, HeaderFormat.VIDEO):
        yield _error("offer", "components.header", "beside an offer stands an image, a video or nothing", "change it")
    if not content.offer.text or units(content.offer.text) > OFFER_UNITS:
        yield _error("length", "components.offer", f"the offer has 1 to {OFFER_UNITS} characters", "shorten it")


def _header(header: Header, draft: Draft, place: str) -> Iterator[Finding]:
    if header.format is not HeaderFormat.TEXT:
        if header.format in MEDIA_FORMATS and not header.handle:
            yield _error(
                "sample",
                place,
                f"a header with {header.format.value} needs a sample file for the review",
                "upload one and put its handle into example.header_handle",
            )
        return
    yield from _length(header.text, HEADER_UNITS, place, "the header")
    if "\n" in header.text:
        yield _error("formatting", place, "a header takes no line breaks", "write it in one line")
    if _MARKUP.search(variables.static_text(header.text)):
        yield _error("formatting", place, "a header takes no formatting", "take *, _, ~ and ` out")
    if any(unicodedata.category(sign) == "So" for sign in header.text):
        yield _warning("formatting", place, "emoji in a header are often rejected", "move them into the body")
    names = find_variables(header.text)
    if len(names) > 1:
        yield _error("variables", place, "a header takes one variable", "keep one")
    yield from _variables(header.text, names, draft, place)
    yield from _examples(names, header.examples, place)


def _body(body: Body, draft: Draft, place: str, *, longest: int) -> Iterator[Finding]:
    text = body.text
    yield from _length(text, longest, place, "the text")
    names = find_variables(text)
    yield from _variables(text, names, draft, place)
    yield from _examples(names, body.examples, place)
    if variables.begins_with_variable(text) or variables.ends_with_variable(text):
        yield _error(
            "variable-at-edge",
            place,
            "a variable stands at the very start or end of the text",
            "put a word before it, or a word after it",
        )
    if variables.has_adjacent(text):
        yield _error("adjacent-variables", place, "two variables stand side by side", "put words between them")
    static = units(variables.static_text(text))
    if names and static < REFUSED_CHARACTERS_PER_VARIABLE * len(names):
        yield _error("ratio", place, "too many variables for so little text", "write more text, or fewer variables")
    elif names and static < MEANT_CHARACTERS_PER_VARIABLE * len(names):
        yield _warning(
            "ratio",
            place,
            f"{len(names)} variables in {static} characters of text may be too many (Meta does not publish the limit)",
            "write more text around them",
        )
    if re.search(r"\n{3,}|[ ]{5,}|\t", text):
        yield _error("spacing", place, "runs of empty lines, spaces or tabs are rejected", "take them out")
    if text != text.strip():
        yield _warning("spacing", place, "the text begins or ends with a blank", "take it out")


def _length(text: str, longest: int, place: str, what: str) -> Iterator[Finding]:
    if not text.strip():
        yield _error("empty", place, f"{what} is empty", "write it, or leave the component out")
    elif units(text) > longest:
        yield _error("length", place, f"{what} has {units(text)} characters; at most {longest} fit", "shorten it")


def _variables(text: str, names: Sequence[str], draft: Draft, place: str) -> Iterator[Finding]:
    if variables.has_broken_braces(text) or "{{{" in text or "}}}" in text:
        yield _error("braces", place, "double braces do not match", "write variables like {{1}} or {{first_name}}")
    if re.search(r"\{\{\s+\S|\S\s+\}\}", text):
        yield _error("braces", place, "there is a blank inside the braces of a variable", "write {{1}}, not {{ 1 }}")
    numbered = [name for name in names if name.isascii() and name.isdecimal()]
    if draft.parameter_format is ParameterFormat.NAMED:
        for name in names:
            if not _NAMED.match(name):
                better = re.sub(r"[^a-z_]+", "_", name.lower()).strip("_") or "name"
                yield _error(
                    "variable-name",
                    place,
                    f"{{{{{name[:40]}}}}}: a named variable has lower-case letters and underscores alone",
                    f"call it {{{{{better}}}}}",
                )
    elif len(numbered) < len(names):
        yield _error(
            "variable-name",
            place,
            "numbered and named variables are mixed, or parameter_format is missing",
            "say parameter_format NAMED, or number them all",
        )
    elif names and names != [str(number) for number in range(1, len(names) + 1)]:
        yield _error(
            "numbering", place, "variables are numbered {{1}}, {{2}}, … from the first to the last", "number them anew"
        )


def _examples(names: Sequence[str], examples: Sequence[tuple[str, str]], place: str) -> Iterator[Finding]:
    given = dict(examples)
    for name in names:
        if not given.get(name, "").strip():
            yield _error("example", place, f"{{{{{name[:40]}}}}} has no example", "add one to `example`")
    for name in given:
        if name not in names:
            yield _error(
                "example", place, f"there is an example for {{{{{name[:40]}}}}} and no such variable", "drop it"
            )


def _footer(content: Content) -> Iterator[Finding]:
    assert content.footer is not None
    place = "components.footer"
    yield from _length(content.footer.text, FOOTER_UNITS, place, "the footer")
    if "{{" in content.footer.text:
        yield _error("variables", place, "a footer takes no variables", "move them into the body")
    if content.footer.code_expiration_minutes is not None:
        yield _error("authentication", place, "this footer belongs to authentication templates", "write a text")


# Buttons


def _buttons(buttons: Sequence[Button], place: str, *, most: int) -> Iterator[Finding]:
    if len(buttons) > most:
        yield _error("buttons", place, f"there are {len(buttons)} buttons; at most {most} fit", "take some out")
    for kind, limit in AT_MOST.items():
        count = sum(button.kind is kind for button in buttons)
        if count > limit:
            yield _error("buttons", place, f"there are {count} {kind.value} buttons; at most {limit} fit", "keep fewer")
    groups = [button.kind is ButtonKind.QUICK_REPLY for button in buttons]
    changes = sum(before != after for before, after in itertools.pairwise(groups))
    if changes > 1:
        yield _error("button-groups", place, "quick replies and other buttons are mixed", "put them into two groups")
    if len(buttons) > SHOWN_BUTTONS:
        yield _warning("buttons", place, "WhatsApp shows two of them and “See all options”", "three are seen at once")
    if len(buttons) >= DESKTOP_BUTTONS or changes == 1:
        yield _warning("desktop", place, "WhatsApp on computers does not show such buttons", "fewer, or of one group")
    texts = [button.text for button in buttons if button.text]
    for text in sorted({text for text in texts if texts.count(text) > 1}):
        yield _error("buttons", place, f"two buttons say “{text}”", "give each a text of its own")
    for number, button in enumerate(buttons):
        yield from _button(button, f"{place}[{number}]")


def _button(button: Button, place: str) -> Iterator[Finding]:
    if button.kind is ButtonKind.OTP:
        yield _error("authentication", place, "one-time codes belong to authentication templates", "take it out")
        return
    if button.kind not in TEXT_OPTIONAL or button.text:
        yield from _length(button.text, BUTTON_UNITS, place, "the button")
    if "{{" in button.text or "\n" in button.text:
        yield _error("buttons", place, "the text of a button takes no variables and no line breaks", "take them out")
    match button.kind:
        case ButtonKind.URL:
            yield from _address_button(button, place)
        case ButtonKind.PHONE_NUMBER:
            if not _PHONE.match(button.phone_number) or len(button.phone_number) > PHONE_LENGTH:
                yield _error("phone", place, "the number has a plus and 5 to 19 digits", "write it like +351910000111")
        case ButtonKind.COPY_CODE:
            if not button.example or len(button.example) > COUPON_LENGTH:
                yield _error("example", place, f"the code needs an example of at most {COUPON_LENGTH}", "add one")
        case ButtonKind.FLOW:
            named = [key for key in ("flow_id", "flow_name", "flow_json") if button.extra.get(key)]
            if len(named) != 1:
                yield _error("flow", place, "a flow is named by one of flow_id, flow_name, flow_json", "give one")
            if button.extra.get("flow_action", "navigate") not in ("navigate", "data_exchange"):
                yield _error("flow", place, "flow_action is navigate or data_exchange", "use one of them")
        case _:
            pass


def _address_button(button: Button, place: str) -> Iterator[Finding]:
    url, names = button.url, find_variables(button.url)
    bare = variables.static_text(url)
    try:
        parts = urlsplit(bare)
        host = (parts.hostname or "").lower()
    except ValueError:
        parts, host = None, ""
    if parts is None or parts.scheme not in ("http", "https") or "." not in host or re.search(r"\s", url):
        yield _error("address", place, "the address must begin with https:// and have a domain", "write it whole")
    elif parts.scheme == "http":
        yield _warning("address", place, "the address is not encrypted", "use https")
    if "{{" in url.partition("://")[2].partition("/")[0]:
        yield _error("address", place, "the domain itself must not be a variable", "write the domain")
    if units(url) > ADDRESS_UNITS:
        yield _error("length", place, f"the address has at most {ADDRESS_UNITS} characters", "shorten it")
    if variables.has_broken_braces(url) or len(names) > 1 or (names and not url.endswith("}}")):
        yield _error("address", place, "an address takes one variable, at its very end", "move it to the end")
    elif names and names != ["1"]:
        yield _error("address", place, "the variable of an address is {{1}}", "call it {{1}}")
    if names and not button.example:
        yield _error("example", place, "an address with a variable needs an example", "add one, a whole address")
    if not names and button.example:
        yield _warning("example", place, "there is an example and no variable", "drop it")


# Carousels and codes


def _cards(draft: Draft) -> Iterator[Finding]:
    cards = draft.content.cards
    if not CARDS[0] <= len(cards) <= CARDS[1]:
        yield _error("carousel", "cards", f"a carousel has {CARDS[0]} to {CARDS[1]} cards", "change their number")
    if len({_shape(card) for card in cards}) > 1:
        yield _error("carousel", "cards", "the cards differ in their components", "give all the same kinds of parts")
    for number, card in enumerate(cards):
        place = f"cards[{number}]"
        formats = (HeaderFormat.IMAGE, HeaderFormat.VIDEO, HeaderFormat.PRODUCT)
        if card.header is None or card.header.format not in formats:
            yield _error("carousel", place, "a card begins with an image, a video or a product", "add the header")
        else:
            yield from _header(card.header, draft, f"{place}.header")
        if card.body is not None:
            yield from _body(card.body, draft, f"{place}.body", longest=CARD_BODY_UNITS)
            if card.body.text.count("\n") > 2:
                yield _error("carousel", f"{place}.body", "a card has at most two line breaks", "take some out")
        yield from _buttons(card.buttons, f"{place}.buttons", most=2)
        if not card.buttons:
            yield _error("carousel", place, "a card has one or two buttons", "add one")


def _shape(card: Card) -> tuple[object, ...]:
    header = None if card.header is None else card.header.format
    return header, card.body is None, tuple(button.kind for button in card.buttons)


def _authentication(content: Content) -> Iterator[Finding]:
    if content.header or content.offer or content.cards:
        yield _error("authentication", "components", "it has a body, a footer and a button alone", "take the rest out")
    body = content.body
    if body is not None and body.add_security_recommendation is None:
        yield _error(
            "authentication",
            "components.body",
            "the text is Meta's own",
            'write {"type": "BODY", "add_security_recommendation": true}',
        )
    minutes = content.footer.code_expiration_minutes if content.footer is not None else None
    if content.footer is not None and (minutes is None or not CODE_MINUTES[0] <= minutes <= CODE_MINUTES[1]):
        yield _error(
            "authentication",
            "components.footer",
            f"the footer says code_expiration_minutes, {CODE_MINUTES[0]} to {CODE_MINUTES[1]}",
            "give it, or take the footer out",
        )
    if [button.kind for button in content.buttons] != [ButtonKind.OTP]:
        yield _error("authentication", "components.buttons", "it has exactly one button, of type OTP", "add it")
        return
    (button,) = content.buttons
    if button.text and units(button.text) > BUTTON_UNITS:
        yield _error("length", "components.buttons[0]", f"at most {BUTTON_UNITS} characters fit", "shorten it")
    kind = button.extra.get("otp_type")
    if kind not in ("COPY_CODE", "ONE_TAP", "ZERO_TAP"):
        yield _error("authentication", "components.buttons[0]", "otp_type is COPY_CODE, ONE_TAP or ZERO_TAP", "give it")
    elif kind != "COPY_CODE" and not button.extra.get("supported_apps"):
        yield _error("authentication", "components.buttons[0]", f"{kind} needs supported_apps", "name the app")
    if kind == "ZERO_TAP" and button.extra.get("zero_tap_terms_accepted") is not True:
        yield _error("authentication", "components.buttons[0]", "ZERO_TAP needs zero_tap_terms_accepted", "accept them")


# What reviewers look at


def _guidelines(draft: Draft) -> Iterator[Finding]:
    if draft.category is Category.AUTHENTICATION:
        return
    texts = list(_texts(draft.content))
    whole = "\n".join(text for _, text in texts)
    for place, text in texts:
        if _PASSWORD.search(text):
            yield _error(
                "one-time-code",
                place,
                "it reads like a one-time code, which AUTHENTICATION alone may carry",
                "use an authentication template, or other words",
            )
        if _ABUSE.search(text):
            yield _error("abuse", place, "it threatens, insults or asks for sensitive data", "write it otherwise")
        for address in _ADDRESS.findall(text):
            yield from _link(address, place)
    for place, button in _all_buttons(draft.content):
        if button.kind is ButtonKind.URL:
            yield from _link(button.url, place)
    if draft.category is Category.UTILITY and (sells := _SELLS.search(whole)):
        yield _warning(
            "category",
            "category",
            f"“{sells[0]}” reads like marketing: Meta will likely file it so, which costs more and needs consent",
            "say MARKETING, or take the selling words out",
        )
    yield from _script(draft)
    letters = [sign for sign in variables.static_text(whole) if sign.isalpha() and sign.lower() != sign.upper()]
    if len(letters) > 20 and all(sign.isupper() for sign in letters):
        yield _warning("formatting", "components", "it shouts: all is in capital letters", "write it in small ones")


def _link(address: str, place: str) -> Iterator[Finding]:
    try:
        host = (urlsplit(variables.static_text(address)).hostname or "").lower().removeprefix("www.")
    except ValueError:
        return
    if host in _SHORTENERS:
        yield _error("link", place, f"{host} shortens links, which reviewers reject", "write the whole address")
    elif host in _CHAT_HOSTS:
        yield _error("link", place, f"{host} leads back into WhatsApp, which is rejected", "use a quick reply instead")


def _script(draft: Draft) -> Iterator[Finding]:
    script = _SCRIPTS.get(draft.language.partition("_")[0])
    if script is None or draft.content.body is None:
        return
    letters = [sign for sign in variables.static_text(draft.content.body.text) if sign.isalpha()]
    if letters and not any(unicodedata.name(sign, "").startswith(script) for sign in letters):
        yield _error(
            "language-of-text",
            "components.body",
            f"the text is not written in {draft.language}",
            "translate it, or change the language",
        )


def _texts(content: Content) -> Iterator[tuple[str, str]]:
    if content.header is not None:
        yield "components.header", content.header.text
    if content.body is not None:
        yield "components.body", content.body.text
    if content.footer is not None:
        yield "components.footer", content.footer.text
    if content.offer is not None:
        yield "components.offer", content.offer.text
    for number, card in enumerate(content.cards):
        if card.body is not None:
            yield f"cards[{number}].body", card.body.text
    for place, button in _all_buttons(content):
        yield place, button.text


def _all_buttons(content: Content) -> Iterator[tuple[str, Button]]:
    for number, button in enumerate(content.buttons):
        yield f"components.buttons[{number}]", button
    for card_number, card in enumerate(content.cards):
        for number, button in enumerate(card.buttons):
            yield f"cards[{card_number}].buttons[{number}]", button


# Beside what the account has


def _beside(draft: Draft, others: Sequence[Known]) -> Iterator[Finding]:
    for other in others:
        if (other.name, other.language) == (draft.name, draft.language):
            continue  # itself, or its successor: whether the name is free is a matter of the account's state
        if other.name == draft.name and other.category is not draft.category:
            yield _warning(
                "category",
                "category",
                f"its {other.language} is {other.category.value}: one name is best of one category",
                "use the same, or another name",
            )
        if draft.category is Category.AUTHENTICATION or other.language != draft.language:
            continue
        same_body = _words(other.content) == _words(draft.content) and _words(draft.content)[0]
        if same_body:
            yield _error(
                "duplicate",
                "components.body",
                f"{other.name} has the same text and footer in {other.language}: Meta rejects repeated content",
                f"send {other.name}, or change the text",
            )


def _words(content: Content) -> tuple[str, str]:
    return (content.body.text.strip() if content.body else "", content.footer.text.strip() if content.footer else "")
