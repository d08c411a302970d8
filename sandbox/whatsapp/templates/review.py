"""How does Meta judge a template (fact sheet WhatsApp 4.2 to 4.5)? What creating lets pass, and a reviewer does not."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.whatsapp.templates import variables
from sandbox.whatsapp.templates.records import Template

SELLS = re.compile(
    r"(?i)\b(discount|sale|% off|offer|promo\w*|coupon|voucher|buy now|shop now|deal|free gift|desconto|promoção|oferta"
    r"|descuento|rebaja|rabatt|angebot|soldes|remise)\b|מבצע|הנחה|خصم|عرض خاص"
)
PASSWORD = re.compile(
    r"(?i)\b(verification code|one[- ]time (pass\w*|code)|otp|passcode|código de verificação|código de verificación"
    r"|bestätigungscode)\b|קוד אימות|رمز التحقق"
)
THREAT = re.compile(r"(?i)\b(sue you|legal action against you|idiot|stupid|credit card number|password to)\b")
SHORTENED = re.compile(r"(?i)https?://(bit\.ly|tinyurl\.com|goo\.gl|t\.co|is\.gd|ow\.ly|rebrand\.ly|cutt\.ly)(/|\b)")
CHAT_LINK = re.compile(r"(?i)https?://(wa\.me|api\.whatsapp\.com|chat\.whatsapp\.com)")
SCRIPTS = {
    "he": "HEBREW",
    "ar": "ARABIC",
    "fa": "ARABIC",
    "ur": "ARABIC",
    "ru": "CYRILLIC",
    "uk": "CYRILLIC",
    "el": "GREEK",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`category`: what Meta makes of it, which is not always what was asked for."""

    is_approved: bool
    category: str
    reason: str = "NONE"
    words: str = ""
    advice: str = ""


def texts_of(components: Sequence[dict[str, Any]]) -> list[str]:
    """Everything a reader sees."""
    found: list[str] = []
    for component in components:
        found.append(str(component.get("text", "")))
        found.extend(str(button.get("text", "")) for button in component.get("buttons", ()))
        for card in component.get("cards", ()):
            found.extend(texts_of(card["components"]))
        found.append(str(component.get("limited_time_offer", {}).get("text", "")))
    return [text for text in found if text]


def addresses_of(components: Sequence[dict[str, Any]]) -> list[str]:
    """Where buttons lead."""
    found: list[str] = []
    for component in components:
        found.extend(str(button["url"]) for button in component.get("buttons", ()) if "url" in button)
        for card in component.get("cards", ()):
            found.extend(addresses_of(card["components"]))
    return found


def judge(template: Template, others: Sequence[Template]) -> Verdict:
    """What the review of `template` finds, beside the account's other templates."""
    category = template.category
    if category == "AUTHENTICATION":
        return Verdict(True, category)
    whole = "\n".join(texts_of(template.components))
    body = _part(template.components, "BODY")
    reject = _Rejection(category)
    if variables.are_adjacent(body):
        return reject("INVALID_FORMAT", "Variables are adjacent without text between them.", "Put words between them.")
    if any(set(name) & set("#$%") for name in variables.names(whole)):
        return reject("INVALID_FORMAT", "A variable has special characters.", "Take #, $ and % out of it.")
    if re.search(r"\n{3,}|[ ]{5,}|\t", body):
        return reject("INVALID_FORMAT", "The text has runs of empty lines or spaces.", "Take them out.")
    for address in addresses_of(template.components):
        if CHAT_LINK.match(address) or SHORTENED.match(address):
            return reject(
                "INVALID_FORMAT", "A button leads through WhatsApp or a link shortener.", "Use your own domain."
            )
    if SHORTENED.search(whole):
        return reject("INVALID_FORMAT", "The text has a shortened link.", "Write the whole address.")
    if THREAT.search(whole):
        return reject("ABUSIVE_CONTENT", "", "")
    if PASSWORD.search(whole):
        return reject("INCORRECT_CATEGORY", "", "")
    script = SCRIPTS.get(template.language.partition("_")[0])
    letters = [sign for sign in variables.ANY.sub("", body) if sign.isalpha()]
    if script and letters and not any(unicodedata.name(sign, "").startswith(script) for sign in letters):
        return reject("TAG_CONTENT_MISMATCH", "", "")
    twin = (body, _part(template.components, "FOOTER"))
    for other in others:
        same = (_part(other.components, "BODY"), _part(other.components, "FOOTER"))
        if other.id != template.id and other.language == template.language and same == twin:
            return reject("INVALID_FORMAT", "Another template has this content.", "Use the other one.")
    if category == "UTILITY" and SELLS.search(whole):
        category = "MARKETING"
    return Verdict(True, category)


def _part(components: Sequence[dict[str, Any]], kind: str) -> str:
    return next((str(one.get("text", "")) for one in components if one["type"] == kind), "")


@dataclass(frozen=True, slots=True)
class _Rejection:
    category: str

    def __call__(self, reason: str, words: str, advice: str) -> Verdict:
        return Verdict(False, self.category, reason, words, advice)
