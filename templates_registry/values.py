"""May this value stand in a template? As little as can be is changed: O'Brien stays so (fact sheet WhatsApp 4.7)."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from templates_registry.slots import Slot, SlotKind
from templates_registry.variables import units

COUPON_UNITS = 15
"""The older of two figures (15 and 20), which both readings take (unconfirmed)."""
CODE_UNITS = 15
PAYLOAD_UNITS = 256
TEXT_UNITS = 1024
LINK_UNITS = 2000
_BREAKS = re.compile(r"[^\S ]*[\r\n\t\v\f\x1c-\x1e\x85\u2028\u2029][\s]*")
_SPACES = re.compile(r" {5,}")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class UnfitValue(Exception):
    """The text says what is wrong and what to give instead."""


@dataclass(frozen=True, slots=True)
class Clean:
    """A value as it is sent. `was_flattened`: line breaks, tabs or long runs of spaces became a space."""

    value: str = field(repr=False)
    was_flattened: bool


def flatten(value: str) -> Clean:
    """Without what Meta refuses (132018): line breaks, tabs, more than four spaces in a row. Nothing else changes."""
    kept = value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    flat = _SPACES.sub(" ", _BREAKS.sub(" ", kept)).strip()
    return Clean(flat, flat != kept.strip())


def check_value(slot: Slot, value: str) -> Clean:
    """Raises `UnfitValue`. An empty value is unfit: Meta takes none."""
    clean = flatten(value)
    if not clean.value:
        raise UnfitValue(f"{slot.key} is empty")
    longest = _LONGEST.get(slot.kind, LINK_UNITS)
    if units(clean.value) > longest:
        raise UnfitValue(f"{slot.key} has {units(clean.value)} characters; at most {longest} fit")
    match slot.kind:
        case SlotKind.IMAGE | SlotKind.VIDEO | SlotKind.DOCUMENT:
            _check_link(slot, clean.value)
        case SlotKind.ADDRESS_END:
            return Clean(encode_address_end(clean.value), clean.was_flattened)
        case SlotKind.CODE if " " in clean.value:
            raise UnfitValue(f"{slot.key} is a code, which has no spaces")  # it ends an address as well
        case SlotKind.LOCATION:
            read_location(clean.value, key=slot.key)
        case SlotKind.PRODUCT:
            if not all(clean.value.partition(":")):
                raise UnfitValue(f"{slot.key} must be catalog id:product id")
        case SlotKind.PRODUCTS:
            if not read_products(clean.value):
                raise UnfitValue(f"{slot.key} must be product ids, with commas")
        case SlotKind.TIME:
            read_time(clean.value, key=slot.key)
        case _:
            pass
    return clean


_LONGEST = {
    SlotKind.TEXT: TEXT_UNITS,
    SlotKind.COUPON: COUPON_UNITS,
    SlotKind.CODE: CODE_UNITS,
    SlotKind.PAYLOAD: PAYLOAD_UNITS,
    SlotKind.FLOW_TOKEN: PAYLOAD_UNITS,
}


def _check_link(slot: Slot, link: str) -> None:
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        host, parts = None, None
    if parts is None or parts.scheme not in ("http", "https") or not host or " " in link:
        raise UnfitValue(f"{slot.key} must be an http or https address: {slot.hint}")


def encode_address_end(value: str) -> str:
    """Percent-encoded where it must be; what is encoded already stays as it is."""
    kept = _BARE_PERCENT.sub("%25", value)
    return quote(kept, safe="%/?&=#+:;,@!$'()*~._-[]")


def read_location(value: str, *, key: str) -> tuple[str, str, str, str]:
    """Latitude, longitude, name, address. Raises `UnfitValue`."""
    parts = [part.strip() for part in value.split(",", 3)]
    try:
        latitude, longitude = float(parts[0]), float(parts[1])
        inside = abs(latitude) <= 90 and abs(longitude) <= 180
    except (ValueError, IndexError):
        inside = False
    if len(parts) < 4 or not inside or not parts[2] or not parts[3]:
        raise UnfitValue(f'{key} must be "latitude,longitude,name,address", like "38.72,-9.14,Shop,Rua X 1"')
    return parts[0], parts[1], parts[2], parts[3]


def read_products(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def read_time(value: str, *, key: str) -> datetime:
    """Aware UTC; without a zone it is UTC. Raises `UnfitValue`."""
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise UnfitValue(f"{key} must be a time like 2026-12-31T18:00 (UTC)") from None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def filename_of(link: str) -> str:
    """What a document is called at the phone: the end of its address."""
    name = urlsplit(link).path.rsplit("/", 1)[-1]
    return name if name.lower().endswith(".pdf") else "document.pdf"
