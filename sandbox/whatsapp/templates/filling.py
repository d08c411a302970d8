"""Does a send fit its template (fact sheet WhatsApp 4.7), and what does the phone show of it?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.whatsapp.errors import RefusedError
from sandbox.whatsapp.templates import variables
from sandbox.whatsapp.templates.content import length
from sandbox.whatsapp.templates.records import Template

COUNT, FORMAT, TOO_LONG, PARAMETERS = 132000, 132012, 132005, 132018
MISSING, BAD_VALUE = 131008, 131009
PAYLOAD_LENGTH = 256
UNCLEAN = re.compile(r"[\n\r\t]| {5,}")
MEDIA = {"IMAGE": "image", "VIDEO": "video", "DOCUMENT": "document"}
PARAMETERLESS = ("PHONE_NUMBER", "VOICE_CALL", "REQUEST_CONTACT_INFO", "SPM")


@dataclass(frozen=True, slots=True)
class Rules:
    """Which way the open questions go (the switches of the same names)."""

    empty_value_code: int = MISSING
    unclean_value_code: int = PARAMETERS
    coupon_code_length: int = 15


def fill(template: Template, components: Any, rules: Rules) -> dict[str, Any]:
    """What the phone shows. Raises RefusedError (131008, 131009, 132000, 132005, 132012, 132018)."""
    if components is None:
        components = []
    if not isinstance(components, list) or not all(isinstance(one, dict) for one in components):
        raise RefusedError(100, "template.components must be a list of objects.")
    filling = _Filling(template, rules)
    return filling.part(template.components, components, body_length=1024)


class _Filling:
    def __init__(self, template: Template, rules: Rules) -> None:
        self._named = template.parameter_format == "NAMED"
        self._is_code = template.category == "AUTHENTICATION"
        self._rules = rules

    def part(
        self, approved: Sequence[dict[str, Any]], sent: list[dict[str, Any]], *, body_length: int
    ) -> dict[str, Any]:
        """A template, or a card of one."""
        by_type = _by_type(sent)
        shown: dict[str, Any] = {}
        known = {one["type"].lower() for one in approved} | {"button"}
        if strange := sorted(set(by_type) - known):
            raise RefusedError(COUNT, f"{strange[0]}: number of localizable_params does not match: expected 0.")
        for one in approved:
            kind = one["type"]
            given = by_type.get(kind.lower(), [{}])[0].get("parameters", [])
            if not isinstance(given, list) or not all(isinstance(parameter, dict) for parameter in given):
                raise RefusedError(100, f"{kind.lower()}.parameters must be a list of objects.")
            if kind == "HEADER":
                shown["header"] = self._header(one, given)
            elif kind == "BODY":
                shown["body"] = self._text(one["text"], given, "body", longest=body_length)
            elif kind == "FOOTER":
                shown["footer"] = one["text"]
            elif kind == "LIMITED_TIME_OFFER":
                shown["offer"] = self._offer(one["limited_time_offer"], given)
            elif kind == "CAROUSEL":
                shown["cards"] = self._cards(one["cards"], by_type.get("carousel", []))
        buttons: list[dict[str, Any]] = next((one["buttons"] for one in approved if one["type"] == "BUTTONS"), [])
        shown["buttons"] = self._buttons(buttons, by_type.get("button", []))
        return shown

    def _header(self, one: dict[str, Any], given: list[dict[str, Any]]) -> dict[str, Any]:
        shape = one["format"]
        if shape == "TEXT":
            return {"format": shape, "text": self._text(one["text"], given, "header", longest=60)}
        wanted = MEDIA.get(shape, shape.lower())
        if len(given) != 1 or given[0].get("type") != wanted:
            received = given[0].get("type") if given else "UNKNOWN"
            raise RefusedError(FORMAT, f"header: Format mismatch, expected {shape}, received {received}.")
        value = given[0].get(wanted)
        if not isinstance(value, dict):
            raise RefusedError(MISSING, f"header: {wanted} is missing.")
        if shape in MEDIA and ("id" in value) == ("link" in value):
            raise RefusedError(MISSING, f"header: {wanted} needs either id or link.")
        if shape == "LOCATION" and not {"latitude", "longitude", "name", "address"} <= set(value):
            raise RefusedError(MISSING, "header: location needs latitude, longitude, name and address.")
        return {"format": shape, wanted: value}

    def _text(self, text: str, given: list[dict[str, Any]], where: str, *, longest: int) -> str:
        wanted = list(dict.fromkeys(variables.names(text)))
        if len(given) != len(wanted):
            raise RefusedError(
                COUNT,
                f"{where}: number of localizable_params ({len(given)}) does not match the expected number of params "
                f"({len(wanted)})",
            )
        names = [parameter.get("parameter_name") for parameter in given]
        if self._named and sorted(map(str, names)) != sorted(wanted):
            raise RefusedError(FORMAT, f"{where}: Parameter name is missing or unknown.")
        if not self._named and any(name is not None for name in names):
            raise RefusedError(FORMAT, f"{where}: parameter_name is for templates with named parameters.")
        values = {
            str(name) if self._named else wanted[place]: self._value(parameter, where)
            for place, (name, parameter) in enumerate(zip(names, given, strict=True))
        }
        filled = variables.put_in(text, values)
        if length(filled) > longest:
            raise RefusedError(TOO_LONG, f"{where}: Translated text too long.")
        return filled

    def _value(self, parameter: dict[str, Any], where: str) -> str:
        kind = parameter.get("type")
        if kind in ("currency", "date_time"):
            inner = parameter.get(kind)
            value = inner.get("fallback_value") if isinstance(inner, dict) else None
        elif kind == "text":
            value = parameter.get("text")
        else:
            raise RefusedError(FORMAT, f"{where}: Format mismatch, expected TEXT, received {kind}.")
        return self._clean(value, where)

    def _clean(self, value: Any, where: str) -> str:
        if not isinstance(value, str):
            raise RefusedError(MISSING, f"{where}: Parameter of type text is missing text value.")
        if not value.strip():
            raise RefusedError(self._rules.empty_value_code, f"{where}: Parameter of type text is missing text value.")
        if UNCLEAN.search(value):
            raise RefusedError(
                self._rules.unclean_value_code,
                "Param text cannot have new-line/tab characters or more than 4 consecutive spaces",
            )
        if length(value) > 1024 or (self._is_code and length(value) > 15):
            raise RefusedError(TOO_LONG, f"{where}: the value is too long.")
        return value

    def _offer(self, offer: dict[str, Any], given: list[dict[str, Any]]) -> dict[str, Any]:
        if not offer.get("has_expiration"):
            if given:
                raise RefusedError(COUNT, "limited_time_offer: expected 0 params.")
            return {"text": offer["text"]}
        inner = given[0].get("limited_time_offer") if len(given) == 1 else None
        expires = inner.get("expiration_time_ms") if isinstance(inner, dict) else None
        if not isinstance(expires, int) or isinstance(expires, bool):
            raise RefusedError(MISSING, "limited_time_offer: expiration_time_ms is missing.")
        return {"text": offer["text"], "expires_at_milliseconds": expires}

    def _cards(self, approved: list[dict[str, Any]], sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
        cards = sent[0].get("cards") if sent else None
        if not isinstance(cards, list) or len(cards) != len(approved):
            raise RefusedError(COUNT, f"carousel: expected {len(approved)} cards.")
        by_index = {card.get("card_index"): card for card in cards if isinstance(card, dict)}
        if sorted(by_index, key=str) != list(range(len(approved))):
            raise RefusedError(FORMAT, "carousel: card_index must count from 0.")
        shown = []
        for index, card in enumerate(approved):
            parts = by_index[index].get("components", [])
            if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
                raise RefusedError(100, "card.components must be a list of objects.")
            shown.append(self.part(card["components"], parts, body_length=160))
        return shown

    def _buttons(self, approved: list[dict[str, Any]], sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
        by_index: dict[int, dict[str, Any]] = {}
        for one in sent:
            index = one.get("index")
            if not isinstance(index, str) or not index.isdecimal() or int(index) >= len(approved):
                raise RefusedError(PARAMETERS, "button: index must be a string that counts from 0 over all buttons.")
            if int(index) in by_index:
                raise RefusedError(PARAMETERS, "button: two components have the same index.")
            by_index[int(index)] = one
        return [self._button(button, by_index.get(place)) for place, button in enumerate(approved)]

    def _button(self, button: dict[str, Any], sent: dict[str, Any] | None) -> dict[str, Any]:
        kind = button["type"]
        shown: dict[str, Any] = {"type": kind, "text": button.get("text", DEFAULT_TEXTS.get(kind, ""))}
        given = _only_parameter(sent, {"QUICK_REPLY": "quick_reply"}.get(kind, kind.lower()))
        if kind == "QUICK_REPLY":
            payload = given.get("payload") if given else button["text"]
            if (given and given.get("type") != "payload") or not isinstance(payload, str):
                raise RefusedError(FORMAT, "button: a quick reply takes a payload.")
            if not 1 <= len(payload) <= PAYLOAD_LENGTH:
                raise RefusedError(BAD_VALUE, f"button: a payload has 1 to {PAYLOAD_LENGTH} characters.")
            shown["payload"] = payload
        elif kind == "URL":
            shown["url"] = self._address(button["url"], given)
        elif kind == "PHONE_NUMBER":
            shown["phone_number"] = button["phone_number"]
        elif kind == "COPY_CODE":
            code = given.get("coupon_code") if given else None
            if not given or given.get("type") != "coupon_code" or not isinstance(code, str) or not code.strip():
                raise RefusedError(MISSING, "button: the coupon_code is missing.")
            if len(code) > self._rules.coupon_code_length:
                raise RefusedError(BAD_VALUE, "button: the coupon_code is too long.")
            shown["code"] = code
        elif kind in ("FLOW", "CATALOG", "MPM"):
            if given and given.get("type") != "action":
                raise RefusedError(FORMAT, "button: an action is expected.")
            sections = given.get("action", {}).get("sections") if given else None
            if kind == "MPM" and not sections:
                raise RefusedError(MISSING, "button: action.sections is missing.")
        if given and kind in PARAMETERLESS:
            raise RefusedError(COUNT, f"button: a {kind} button takes no parameters.")
        return shown

    def _address(self, url: str, given: dict[str, Any] | None) -> str:
        if not variables.names(url):
            if given:
                raise RefusedError(COUNT, "button: this address has no variable.")
            return url
        if not given:
            raise RefusedError(MISSING, "button: Button of type Url requires a parameter.")
        if given.get("type") != "text":
            raise RefusedError(FORMAT, "button: the end of the address is a text.")
        value = self._clean(given.get("text"), "button")
        if " " in value:
            raise RefusedError(BAD_VALUE, "button: the end of the address must be percent-encoded.")
        filled = variables.ANY.sub(lambda _: value, url)
        if length(filled) > 2000:
            raise RefusedError(TOO_LONG, "button: the address is too long.")
        return filled


DEFAULT_TEXTS = {
    "COPY_CODE": "Copy offer code",
    "CATALOG": "View catalog",
    "MPM": "View items",
    "SPM": "View",
    "REQUEST_CONTACT_INFO": "Share contact info",
}


def _by_type(sent: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    by_type: dict[str, list[dict[str, Any]]] = {}
    for one in sent:
        kind = one.get("type")
        if not isinstance(kind, str) or kind not in ("header", "body", "button", "carousel", "limited_time_offer"):
            raise RefusedError(100, f"template.components: {kind!r} is no type of a component.")
        by_type.setdefault(kind, []).append(one)
        if kind != "button" and len(by_type[kind]) > 1:
            raise RefusedError(100, f"template.components: two components of type {kind}.")
    return by_type


def _only_parameter(sent: dict[str, Any] | None, sub_type: str) -> dict[str, Any] | None:
    if sent is None:
        return None
    if sent.get("sub_type") != sub_type:
        raise RefusedError(FORMAT, f"button: sub_type must be {sub_type}.")
    parameters = sent.get("parameters")
    if not isinstance(parameters, list) or len(parameters) != 1 or not isinstance(parameters[0], dict):
        raise RefusedError(COUNT, "button: one parameter is expected.")
    return parameters[0]
