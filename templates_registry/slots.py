"""What must a sender give for a template? One slot per variable, file, link and code, under the name that is typed.

Numbered variables of the body are `1`, `2`, …, named ones their names. `header` is the header's one variable, file,
place or product; `button2` what the second button takes; `expires` the end of an offer; `card1.…` the same in a card.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from templates_registry.model import Button, ButtonKind, Category, Content, Header, HeaderFormat, ParameterFormat
from templates_registry.variables import find_variables


class SlotKind(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    DOCUMENT = "document"
    LOCATION = "location"
    PRODUCT = "product"
    PRODUCTS = "products"
    ADDRESS_END = "address_end"
    COUPON = "coupon"
    CODE = "code"
    TIME = "time"
    PAYLOAD = "payload"
    FLOW_TOKEN = "flow_token"  # noqa: S105 - the name of a slot, not a secret


@dataclass(frozen=True, slots=True)
class Slot:
    """`hint` tells a person what to type; `example` comes from the template and is never sent."""

    key: str
    kind: SlotKind
    hint: str
    example: str = ""
    is_required: bool = True


_MEDIA = {
    HeaderFormat.IMAGE: (SlotKind.IMAGE, "https address of a picture (JPEG or PNG, up to 5 MB)"),
    HeaderFormat.VIDEO: (SlotKind.VIDEO, "https address of a video (MP4, up to 16 MB)"),
    HeaderFormat.DOCUMENT: (SlotKind.DOCUMENT, "https address of a PDF"),
    HeaderFormat.LOCATION: (SlotKind.LOCATION, "latitude,longitude,name,address"),
    HeaderFormat.PRODUCT: (SlotKind.PRODUCT, "catalog id:product id"),
}


def find_slots(content: Content, parameter_format: ParameterFormat, category: Category) -> tuple[Slot, ...]:
    """In the order in which the customer sees them, each key once."""
    found: dict[str, Slot] = {}
    for slot in _slots(content, parameter_format, category):
        found.setdefault(slot.key, slot)
    return tuple(found.values())


def _slots(content: Content, parameter_format: ParameterFormat, category: Category) -> Iterator[Slot]:
    if content.header is not None:
        yield from _header_slots(content.header, parameter_format, "")
    if content.offer is not None and content.offer.has_expiration:
        yield Slot("expires", SlotKind.TIME, "when the offer ends, like 2026-12-31T18:00")
    is_code = category is Category.AUTHENTICATION
    if content.body is not None:
        kind = SlotKind.CODE if is_code else SlotKind.TEXT
        examples = dict(content.body.examples)
        for name in find_variables(content.body.text):
            yield Slot(name, kind, "the code" if is_code else "text", examples.get(name, ""))
    if not is_code:
        yield from _button_slots(content.buttons, "")
    for number, card in enumerate(content.cards, start=1):
        prefix = f"card{number}."
        if card.header is not None:
            yield from _header_slots(card.header, parameter_format, prefix)
        if card.body is not None:
            examples = dict(card.body.examples)
            for name in find_variables(card.body.text):
                yield Slot(f"{prefix}{name}", SlotKind.TEXT, "text", examples.get(name, ""))
        yield from _button_slots(card.buttons, prefix)


def _header_slots(header: Header, parameter_format: ParameterFormat, prefix: str) -> Iterator[Slot]:
    if header.format is HeaderFormat.TEXT:
        examples = dict(header.examples)
        for name in find_variables(header.text):
            key = name if parameter_format is ParameterFormat.NAMED else "header"
            yield Slot(f"{prefix}{key}", SlotKind.TEXT, "text of the header", examples.get(name, ""))
    elif header.format in _MEDIA:
        kind, hint = _MEDIA[header.format]
        yield Slot(f"{prefix}header", kind, hint)


def _button_slots(buttons: tuple[Button, ...], prefix: str) -> Iterator[Slot]:
    for number, button in enumerate(buttons, start=1):
        key = f"{prefix}button{number}"
        match button.kind:
            case ButtonKind.URL if find_variables(button.url):
                yield Slot(key, SlotKind.ADDRESS_END, f"the end of the address of “{button.text}”", button.example)
            case ButtonKind.COPY_CODE:
                yield Slot(key, SlotKind.COUPON, "the code to copy", button.example)
            case ButtonKind.MPM:
                yield Slot(key, SlotKind.PRODUCTS, "product ids, with commas")
            case ButtonKind.QUICK_REPLY:
                yield Slot(key, SlotKind.PAYLOAD, "what the tap tells us", button.text, is_required=False)
            case ButtonKind.FLOW:
                yield Slot(key, SlotKind.FLOW_TOKEN, "a token for the form", is_required=False)
            case _:
                continue
