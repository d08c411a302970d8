"""How does Meta want the values of a template that is sent (fact sheet WhatsApp 4.7)? Values come checked."""

from collections.abc import Mapping
from typing import Any

from templates_registry.model import Button, ButtonKind, Card, Category, Content, Header, HeaderFormat, ParameterFormat
from templates_registry.values import filename_of, read_location, read_products, read_time
from templates_registry.variables import find_variables

Json = dict[str, Any]
_EPOCH_MILLISECONDS = 1000


def write_template(name: str, language: str, components: list[Json]) -> Json:
    """The `template` object of a send; `components` is left out where there is nothing to say."""
    template: Json = {"name": name, "language": {"code": language}}
    return {**template, "components": components} if components else template


def write_send_components(
    content: Content, parameter_format: ParameterFormat, category: Category, values: Mapping[str, str]
) -> list[Json]:
    """`values` by slot key."""
    parts: list[Json] = []
    if content.header is not None:
        parts += _header(content.header, parameter_format, values, "")
    if content.offer is not None and content.offer.has_expiration:
        ends_at = read_time(values["expires"], key="expires")
        inner = {"expiration_time_ms": int(ends_at.timestamp() * _EPOCH_MILLISECONDS)}
        parameter = {"type": "limited_time_offer", "limited_time_offer": inner}
        parts.append({"type": "limited_time_offer", "parameters": [parameter]})
    if content.body is not None:
        parts += _texts("body", content.body.text, parameter_format, values, "")
    if category is Category.AUTHENTICATION:
        # The code goes twice: into the text, and to the button (fact sheet 4.3).
        code = {"type": "text", "text": values["1"]}
        parts.append({"type": "button", "sub_type": "url", "index": "0", "parameters": [code]})
    else:
        parts += _buttons(content.buttons, values, "")
    if content.cards:
        cards = [_card(number, card, parameter_format, values) for number, card in enumerate(content.cards)]
        parts.append({"type": "carousel", "cards": cards})
    return parts


def _card(number: int, card: Card, parameter_format: ParameterFormat, values: Mapping[str, str]) -> Json:
    prefix = f"card{number + 1}."
    parts: list[Json] = []
    if card.header is not None:
        parts += _header(card.header, parameter_format, values, prefix)
    if card.body is not None:
        parts += _texts("body", card.body.text, parameter_format, values, prefix)
    return {"card_index": number, "components": [*parts, *_buttons(card.buttons, values, prefix)]}


def _texts(
    kind: str, text: str, parameter_format: ParameterFormat, values: Mapping[str, str], prefix: str, key: str = ""
) -> list[Json]:
    """A component of text parameters, in the order of the numbers; nothing where there is no variable."""
    names = find_variables(text)
    if not names:
        return []
    if parameter_format is ParameterFormat.POSITIONAL:
        ordered = sorted(names, key=int) if all(name.isdecimal() for name in names) else names
        parameters: list[Json] = [{"type": "text", "text": values[f"{prefix}{key or name}"]} for name in ordered]
    else:
        parameters = [{"type": "text", "parameter_name": name, "text": values[f"{prefix}{name}"]} for name in names]
    return [{"type": kind, "parameters": parameters}]


def _header(header: Header, parameter_format: ParameterFormat, values: Mapping[str, str], prefix: str) -> list[Json]:
    given = values.get(f"{prefix}header", "")
    match header.format:
        case HeaderFormat.TEXT:
            return _texts("header", header.text, parameter_format, values, prefix, key="header")
        case HeaderFormat.IMAGE | HeaderFormat.VIDEO:
            kind = header.format.value.lower()
            parameter: Json = {"type": kind, kind: {"link": given}}
        case HeaderFormat.DOCUMENT:
            parameter = {"type": "document", "document": {"link": given, "filename": filename_of(given)}}
        case HeaderFormat.LOCATION:
            latitude, longitude, name, address = read_location(given, key="header")
            place = {"latitude": latitude, "longitude": longitude, "name": name, "address": address}
            parameter = {"type": "location", "location": place}
        case HeaderFormat.PRODUCT:
            catalog, _, product = given.partition(":")
            parameter = {"type": "product", "product": {"product_retailer_id": product, "catalog_id": catalog}}
        case _:
            raise ValueError("a template with such a header is never sent from here")
    return [{"type": "header", "parameters": [parameter]}]


def _buttons(buttons: tuple[Button, ...], values: Mapping[str, str], prefix: str) -> list[Json]:
    parts = []
    for place, button in enumerate(buttons):
        value = values.get(f"{prefix}button{place + 1}")
        if value is None:
            continue
        sub_type, parameter = _button(button, value)
        parts.append({"type": "button", "sub_type": sub_type, "index": str(place), "parameters": [parameter]})
    return parts


def _button(button: Button, value: str) -> tuple[str, Json]:
    match button.kind:
        case ButtonKind.QUICK_REPLY:
            return "quick_reply", {"type": "payload", "payload": value}
        case ButtonKind.COPY_CODE:
            return "copy_code", {"type": "coupon_code", "coupon_code": value}
        case ButtonKind.FLOW:
            return "flow", {"type": "action", "action": {"flow_token": value}}
        case ButtonKind.MPM:
            products = read_products(value)
            items = [{"product_retailer_id": product} for product in products]
            action = {
                "thumbnail_product_retailer_id": products[0],
                "sections": [{"title": (button.text or "Items")[:24], "product_items": items}],
            }
            return "mpm", {"type": "action", "action": action}
        case _:
            return "url", {"type": "text", "text": value}
