"""May this be created (fact sheet WhatsApp 4.3)? If not it is refused at once, with a 2388xxx where one is known."""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.whatsapp.errors import RefusedError
from sandbox.whatsapp.templates import variables

NAME = re.compile(r"[a-z0-9_]{1,512}\Z")
NAMED = re.compile(r"[a-z_]{1,64}\Z")
NAMED_WITH_DIGITS = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
CATEGORIES = ("MARKETING", "UTILITY", "AUTHENTICATION")
FORMATS = ("POSITIONAL", "NAMED")
CREATE_KEYS = frozenset(
    (
        *("name", "language", "category", "parameter_format", "components", "message_send_ttl_seconds"),
        *("cta_url_link_tracking_opted_out", "allow_category_change", "library_template_name"),
        *("library_template_button_inputs", "library_template_body_inputs", "sub_category"),
        *("degrees_of_freedom_spec", "display_format"),
    )
)
MEDIA_HEADERS = ("IMAGE", "VIDEO", "DOCUMENT")
BUTTON_LIMITS = {
    "QUICK_REPLY": 10,
    "URL": 2,
    "PHONE_NUMBER": 1,
    "COPY_CODE": 1,
    "OTP": 1,
    "FLOW": 1,
    "CATALOG": 1,
    "MPM": 1,
    "SPM": 1,
    "VOICE_CALL": 1,
    "REQUEST_CONTACT_INFO": 1,
}
TTL_SECONDS = {"AUTHENTICATION": (30, 900), "UTILITY": (30, 43_200), "MARKETING": (43_200, 2_592_000)}
CHARACTER_LIMIT, HEADER_FORMAT, BODY_FORMAT, FOOTER_FORMAT = 2388040, 2388047, 2388072, 2388073
RATIO, LEADING_OR_TRAILING = 2388293, 2388299
LANGUAGE_CODES = """
    af sq ar ar_EG ar_AE ar_LB ar_MA ar_QA az be_BY bn bn_IN bg ca zh_CN zh_HK zh_TW hr cs da prs_AF nl nl_BE en en_GB
    en_US en_AE en_AU en_CA en_GH en_IE en_IN en_JM en_MY en_NZ en_QA en_SG en_UG en_ZA et fil fi fr fr_BE fr_CA fr_CH
    fr_CI fr_MA ka de de_AT de_CH el gu ha he hi hu id ga it ja kn kk rw_RW ko ky_KG lo lv lt mk ms ml mr nb ps_AF fa
    pl pt_BR pt_PT pa ro ru sr si_LK sk sl es es_AR es_CL es_CO es_CR es_DO es_EC es_HN es_MX es_PA es_PE es_ES es_UY
    sw sv ta te th tr uk ur uz vi zu
"""
LANGUAGES = frozenset(LANGUAGE_CODES.split())


@dataclass(frozen=True, slots=True)
class Limits:
    """Which way the open questions go (the switches of the same names)."""

    characters_per_variable: float = 10.0
    digits_in_names: bool = False
    coupon_code_length: int = 15
    has_handle: Callable[[str], bool] = lambda _handle: True


def refused(details: str, subcode: int | None = None, *, title: str = "") -> RefusedError:
    """A creation that is refused: code 100, the real reason in the subcode and in words for a person."""
    return RefusedError(
        100, details, subcode=subcode, user_title=title or "Template could not be saved", user_msg=details
    )


def check_create(body: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """The template that `body` asks for, as it is kept. Raises RefusedError."""
    if unknown := sorted(set(body) - CREATE_KEYS):
        raise refused(f"Unexpected key {unknown[0]!r} on param 'template'.")
    for key in ("name", "language", "category", "components"):
        if key not in body:
            raise refused(f"(#100) The parameter {key} is required.")
    if not isinstance(body["name"], str) or not NAME.match(body["name"]):
        raise refused("name may have lower-case letters, digits and underscores alone, at most 512.")
    if body["language"] not in LANGUAGES:
        raise refused(f"Param language must be one of the supported ones; {body['language']!r} is not.")
    category = body["category"]
    if category not in CATEGORIES:
        raise refused("Param category must be one of MARKETING, UTILITY, AUTHENTICATION.")
    parameter_format = body.get("parameter_format", "POSITIONAL")
    if parameter_format not in FORMATS:
        raise refused("Param parameter_format must be POSITIONAL or NAMED.")
    _check_ttl(body.get("message_send_ttl_seconds"), category)
    return {
        "name": body["name"],
        "language": body["language"],
        "category": category,
        "parameter_format": parameter_format,
        "components": check_components(body["components"], category, parameter_format, limits),
        "message_send_ttl_seconds": body.get("message_send_ttl_seconds"),
    }


def _check_ttl(seconds: Any, category: str) -> None:
    if seconds is None:
        return
    least, most = TTL_SECONDS[category]
    if not isinstance(seconds, int) or (seconds != -1 and not least <= seconds <= most):
        raise refused(f"message_send_ttl_seconds must lie between {least} and {most} for {category}.")


def check_components(components: Any, category: str, parameter_format: str, limits: Limits) -> list[dict[str, Any]]:
    """The components as they are kept. Raises RefusedError."""
    if not isinstance(components, list) or not components or not all(isinstance(one, dict) for one in components):
        raise refused("Param components must be a list of objects.")
    by_type: dict[str, dict[str, Any]] = {}
    for one in components:
        kind = str(one.get("type", "")).upper()
        if kind not in ("HEADER", "BODY", "FOOTER", "BUTTONS", "LIMITED_TIME_OFFER", "CAROUSEL"):
            raise refused(f"Component type {one.get('type')!r} is not supported.")
        if kind in by_type:
            raise refused(f"There may be one {kind} only.")
        by_type[kind] = {**one, "type": kind}
    if "BODY" not in by_type:
        raise refused("A template needs a BODY.", BODY_FORMAT)
    if category == "AUTHENTICATION":
        return _authentication(by_type)
    check = _Checker(category, parameter_format, limits)
    if "LIMITED_TIME_OFFER" in by_type:
        check.limited_time_offer(by_type)
    if "CAROUSEL" in by_type and set(by_type) != {"BODY", "CAROUSEL"}:
        raise refused("A carousel stands beside a BODY alone.")
    for kind, component in by_type.items():
        if kind == "HEADER":
            check.header(component)
        elif kind == "BODY":
            check.body(component, longest=600 if "LIMITED_TIME_OFFER" in by_type else 1024)
        elif kind == "FOOTER":
            check.footer(component)
        elif kind == "BUTTONS":
            check.buttons(component.get("buttons"))
        elif kind == "CAROUSEL":
            check.carousel(component.get("cards"))
    return list(by_type.values())


def length(text: str) -> int:
    """UTF-16 units, the stricter reading of "characters"."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _text(value: Any, what: str, longest: int, subcode: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise refused(f"{what} needs a text.", subcode)
    if length(value) > longest:
        raise refused(f"{what} may have at most {longest} characters.", CHARACTER_LIMIT)
    return value


def _only(found: dict[str, Any], allowed: set[str], what: str) -> None:
    if unknown := sorted(set(found) - allowed):
        raise refused(f"Unexpected key {unknown[0]!r} in {what}.")


class _Checker:
    def __init__(self, category: str, parameter_format: str, limits: Limits) -> None:
        self._category = category
        self._named = parameter_format == "NAMED"
        self._limits = limits

    def header(self, component: dict[str, Any], *, formats: tuple[str, ...] | None = None) -> None:
        _only(component, {"type", "format", "text", "example"}, "HEADER")
        shape = str(component.get("format", "")).upper()
        component["format"] = shape
        allowed = formats or ("TEXT", *MEDIA_HEADERS, "LOCATION", "PRODUCT")
        if shape not in allowed:
            raise refused(f"The header format must be one of {', '.join(allowed)}.", HEADER_FORMAT)
        if shape == "TEXT":
            text = _text(component.get("text"), "The header", 60, HEADER_FORMAT)
            if "\n" in text or re.search(r"[*_~`]{1}\S.*\S[*_~`]", text):
                raise refused("The header takes no line breaks and no formatting.", HEADER_FORMAT)
            found = self._variables(text, HEADER_FORMAT)
            if len(found) > 1:
                raise refused("The header may have one variable.", HEADER_FORMAT)
            self._examples(component, found, "header_text", HEADER_FORMAT)
        elif shape in MEDIA_HEADERS:
            handles = (component.get("example") or {}).get("header_handle")
            if not isinstance(handles, list) or len(handles) != 1 or not isinstance(handles[0], str) or not handles[0]:
                raise refused("A media header needs example.header_handle with one handle.", HEADER_FORMAT)
            if not self._limits.has_handle(handles[0]):
                raise refused("example.header_handle is no handle of an upload.", HEADER_FORMAT)

    def body(self, component: dict[str, Any], *, longest: int) -> None:
        _only(component, {"type", "text", "example"}, "BODY")
        text = _text(component.get("text"), "The body", longest, BODY_FORMAT)
        found = self._variables(text, BODY_FORMAT)
        if found and variables.leads_or_trails(text):
            raise refused("Variables can't be at the start or end of the template.", LEADING_OR_TRAILING)
        if found and variables.static_length(text) < self._limits.characters_per_variable * len(found):
            raise refused("This template has too many variables for its length.", RATIO)
        self._examples(component, found, "body_text", BODY_FORMAT)

    def footer(self, component: dict[str, Any]) -> None:
        _only(component, {"type", "text"}, "FOOTER")
        if "{{" in _text(component.get("text"), "The footer", 60, FOOTER_FORMAT):
            raise refused("The footer takes no variables.", FOOTER_FORMAT)

    def limited_time_offer(self, by_type: dict[str, dict[str, Any]]) -> None:
        offer = by_type["LIMITED_TIME_OFFER"].get("limited_time_offer")
        if self._category != "MARKETING" or "FOOTER" in by_type or "CAROUSEL" in by_type:
            raise refused("A limited-time offer is for MARKETING, without a footer.")
        if not isinstance(offer, dict) or not isinstance(offer.get("has_expiration", False), bool):
            raise refused("limited_time_offer needs text and has_expiration.")
        _text(offer.get("text"), "The offer", 16, CHARACTER_LIMIT)
        shape = by_type.get("HEADER", {}).get("format", "IMAGE")
        if str(shape).upper() not in ("IMAGE", "VIDEO"):
            raise refused("A limited-time offer has an image or a video as header, or none.", HEADER_FORMAT)

    def carousel(self, cards: Any) -> None:
        if not isinstance(cards, list) or not 2 <= len(cards) <= 10:
            raise refused("A carousel has 2 to 10 cards.")
        shapes = set()
        for card in cards:
            parts = card.get("components") if isinstance(card, dict) else None
            if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
                raise refused("A card needs components.")
            shape = []
            for part in parts:
                kind = part["type"] = str(part.get("type", "")).upper()
                if kind == "HEADER":
                    self.header(part, formats=("IMAGE", "VIDEO", "PRODUCT"))
                    shape.append(f"HEADER {part['format']}")
                elif kind == "BODY":
                    self.body(part, longest=160)
                    shape.append("BODY")
                elif kind == "BUTTONS":
                    self.buttons(part.get("buttons"), most=2)
                    shape.append(f"BUTTONS {[button['type'] for button in part['buttons']]}")
                else:
                    raise refused(f"A card takes no {kind}.")
            if not shape or not shape[0].startswith("HEADER"):
                raise refused("A card begins with a header.")
            shapes.add("|".join(shape))
        if len(shapes) > 1:
            raise refused("All cards must have the same components.")

    def buttons(self, buttons: Any, *, most: int = 10) -> None:
        if not isinstance(buttons, list) or not 1 <= len(buttons) <= most:
            raise refused(f"There must be 1 to {most} buttons.")
        kinds = []
        for button in buttons:
            if not isinstance(button, dict):
                raise refused("A button is an object.")
            kind = button["type"] = str(button.get("type", "")).upper()
            if kind not in BUTTON_LIMITS or kind == "OTP":
                raise refused(f"Buttons of type {kind} are not for {self._category}.")
            kinds.append(kind)
            self._button(kind, button)
        for kind, limit in BUTTON_LIMITS.items():
            if kinds.count(kind) > limit:
                raise refused(f"There may be at most {limit} {kind} buttons.")
        groups = [kind == "QUICK_REPLY" for kind in kinds]
        if sum(before != after for before, after in itertools.pairwise(groups)) > 1:
            raise refused("Quick replies and other buttons must stand in two groups.")
        texts = [button["text"] for button in buttons if "text" in button]
        if len(set(texts)) < len(texts):
            raise refused("Buttons must have texts of their own.")

    def _button(self, kind: str, button: dict[str, Any]) -> None:
        if kind not in ("COPY_CODE", "REQUEST_CONTACT_INFO", "CATALOG", "MPM", "SPM") or "text" in button:
            text = _text(button.get("text"), "A button", 25, CHARACTER_LIMIT)
            if "{{" in text or "\n" in text:
                raise refused("The text of a button takes no variables and no line breaks.")
        keys = {
            "QUICK_REPLY": {"type", "text"},
            "URL": {"type", "text", "url", "example"},
            "PHONE_NUMBER": {"type", "text", "phone_number"},
            "COPY_CODE": {"type", "text", "example"},
            "FLOW": {
                *("type", "text", "flow_id", "flow_name", "flow_json", "flow_action", "navigate_screen", "icon"),
            },
        }.get(kind, {"type", "text"})
        _only(button, keys, f"a {kind} button")
        if kind == "URL":
            self._url_button(button)
        elif kind == "PHONE_NUMBER":
            number = button.get("phone_number")
            if not isinstance(number, str) or not re.match(r"\+?[0-9]{5,19}\Z", number):
                raise refused("phone_number must have at most 20 characters, digits and a plus.")
        elif kind == "COPY_CODE":
            example = button.get("example")
            example = example[0] if isinstance(example, list) and len(example) == 1 else example
            if not isinstance(example, str) or not 1 <= len(example) <= self._limits.coupon_code_length:
                raise refused(f"A copy-code button needs an example of at most {self._limits.coupon_code_length}.")
        elif kind == "FLOW":
            named = [key for key in ("flow_id", "flow_name", "flow_json") if button.get(key)]
            action = button.setdefault("flow_action", "navigate")
            if len(named) != 1 or action not in ("navigate", "data_exchange"):
                raise refused("A flow button needs one of flow_id, flow_name, flow_json, and a known flow_action.")

    def _url_button(self, button: dict[str, Any]) -> None:
        url = button.get("url")
        if not isinstance(url, str) or not re.match(r"https?://[^\s/{}]+\.[^\s/{}]+|https?://localhost", url):
            raise refused("A URL button needs an http or https address.")
        if length(url) > 2000:
            raise refused("The address of a button may have at most 2000 characters.", CHARACTER_LIMIT)
        found = variables.names(url)
        if variables.is_broken(url) or len(found) > 1 or (found and not url.endswith("}}")):
            raise refused("The address of a button may have one variable, at its end.")
        if found and found != ["1"] and not self._named:
            raise refused("The variable of an address is {{1}}.")
        example = button.get("example")
        if found and (not isinstance(example, list) or len(example) != 1 or not isinstance(example[0], str)):
            raise refused("An address with a variable needs an example.")

    def _variables(self, text: str, subcode: int) -> list[str]:
        """The variables of a text, each once, in order of appearance."""
        if variables.is_broken(text) or re.search(r"(?<!\{)\{\{\{|\}\}\}(?!\})", text):
            raise refused("Double braces do not match.", subcode)
        found = list(dict.fromkeys(variables.names(text)))
        if self._named:
            pattern = NAMED_WITH_DIGITS if self._limits.digits_in_names else NAMED
            if any(not pattern.match(name) for name in found):
                raise refused("Named variables have lower-case letters and underscores alone.", subcode)
        elif found != [str(number) for number in range(1, len(found) + 1)]:
            raise refused("Variables must be numbered {{1}}, {{2}}, … without a gap.", subcode)
        return found

    def _examples(self, component: dict[str, Any], found: list[str], key: str, subcode: int) -> None:
        example = component.get("example")
        if not found:
            if example:
                raise refused("There is an example and no variable.", subcode)
            return
        if not isinstance(example, dict):
            raise refused("Every variable needs an example.", subcode)
        if self._named:
            given = example.get(f"{key}_named_params")
            if (
                not isinstance(given, list)
                or not all(isinstance(one, dict) for one in given)
                or sorted(str(one.get("param_name")) for one in given) != sorted(found)
                or not all(isinstance(one.get("example"), str) and one["example"] for one in given)
            ):
                raise refused(f"example.{key}_named_params must have an example for each variable.", subcode)
            return
        values = example.get(key)
        if key == "body_text" and isinstance(values, list) and len(values) == 1:
            values = values[0]
        if (
            not isinstance(values, list)
            or len(values) != len(found)
            or not all(isinstance(value, str) and value for value in values)
        ):
            raise refused(f"example.{key} must have an example for each variable.", subcode)


def _authentication(by_type: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What Meta makes of an authentication template: fixed texts, and the OTP button becomes a URL button."""
    if set(by_type) - {"BODY", "FOOTER", "BUTTONS"}:
        raise refused("An authentication template has BODY, FOOTER and BUTTONS alone.")
    body = by_type["BODY"]
    _only(body, {"type", "add_security_recommendation"}, "the BODY of an authentication template")
    advice = body.get("add_security_recommendation", False)
    buttons = by_type.get("BUTTONS", {}).get("buttons")
    if not isinstance(buttons, list) or len(buttons) != 1 or not isinstance(buttons[0], dict):
        raise refused("An authentication template needs one OTP button.")
    (button,) = buttons
    kind = button.get("otp_type")
    if str(button.get("type", "")).upper() != "OTP" or kind not in ("COPY_CODE", "ONE_TAP", "ZERO_TAP"):
        raise refused("The button must be of type OTP, with otp_type COPY_CODE, ONE_TAP or ZERO_TAP.")
    apps = button.get("supported_apps")
    if kind != "COPY_CODE" and (not isinstance(apps, list) or not apps):
        raise refused("ONE_TAP and ZERO_TAP need supported_apps.")
    if kind == "ZERO_TAP" and button.get("zero_tap_terms_accepted") is not True:
        raise refused("ZERO_TAP needs zero_tap_terms_accepted.")
    kept: list[dict[str, Any]] = [
        {
            "type": "BODY",
            "text": "*{{1}}* is your verification code."
            + (" For your security, do not share this code." if advice is True else ""),
            "add_security_recommendation": advice is True,
            "example": {"body_text": [["123456"]]},
        }
    ]
    if "FOOTER" in by_type:
        minutes = by_type["FOOTER"].get("code_expiration_minutes")
        _only(by_type["FOOTER"], {"type", "code_expiration_minutes"}, "the FOOTER of an authentication template")
        if not isinstance(minutes, int) or isinstance(minutes, bool) or not 1 <= minutes <= 90:
            raise refused("code_expiration_minutes must lie between 1 and 90.", FOOTER_FORMAT)
        kept.append(
            {"type": "FOOTER", "text": f"This code expires in {minutes} minutes.", "code_expiration_minutes": minutes}
        )
    address = f"https://www.whatsapp.com/otp/code/?otp_type={kind}&code=otp{{{{1}}}}"
    text = button.get("text", "Copy code")
    made = {"type": "URL", "text": text, "url": address, "example": [address.replace("{{1}}", "123456")]}
    kept.append({"type": "BUTTONS", "buttons": [made]})
    return kept
