"""Do these values fill this template? Then what Meta gets, and what the customer sees; else every reason at once.

The rules are Meta's, decided here before the request (fact sheet WhatsApp 4.7), so that it never has to answer 132000,
132005, 132012 or 132018.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from templates_registry.model import Category, Content, ParameterFormat
from templates_registry.render import Shown, render
from templates_registry.slots import Slot, find_slots
from templates_registry.values import UnfitValue, check_value
from templates_registry.variables import units
from templates_registry.wire import did_you_mean
from templates_registry.wire_send import Json, write_send_components

BODY_UNITS = 1024
CARD_BODY_UNITS = 160
HEADER_UNITS = 60
ADDRESS_UNITS = 2000


class CannotFill(Exception):
    """`missing`: slots without a value; `problems`: a line for each value that does not fit."""

    def __init__(self, missing: Sequence[Slot], problems: Sequence[str]) -> None:
        super().__init__("the values do not fill the template")
        self.missing = tuple(missing)
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Filled:
    """`components`: Meta's, for the send. `flattened`: keys of values whose line breaks became spaces."""

    components: list[Json] = field(repr=False)
    shown: Shown
    flattened: tuple[str, ...]


def fill(content: Content, parameter_format: ParameterFormat, category: Category, values: Mapping[str, str]) -> Filled:
    """`values` by slot key, as a person gave them. Raises `CannotFill`."""
    slots = {slot.key: slot for slot in find_slots(content, parameter_format, category)}
    problems = [
        f"{key} is no variable of this template{did_you_mean(key, list(slots))}" for key in values if key not in slots
    ]
    if content.unknown:
        problems.append(f"this template has parts that cannot be sent from here: {', '.join(content.unknown)}")
    missing: list[Slot] = []
    clean: dict[str, str] = {}
    flattened: list[str] = []
    for key, slot in slots.items():
        given = values.get(key, "")
        if not given.strip():
            if slot.is_required:
                missing.append(slot)
            continue
        try:
            checked = check_value(slot, given)
        except UnfitValue as unfit:
            problems.append(str(unfit))
            continue
        clean[key] = checked.value
        if checked.was_flattened:
            flattened.append(key)
    if missing or problems:
        raise CannotFill(missing, problems)
    shown = render(content, parameter_format, clean)
    problems = _too_long(shown)
    if problems:
        raise CannotFill([], problems)
    components = write_send_components(content, parameter_format, category, clean)
    return Filled(components, shown, tuple(flattened))


def _too_long(shown: Shown, *, body_units: int = BODY_UNITS, where: str = "") -> list[str]:
    problems = []
    if units(shown.body) > body_units:
        problems.append(
            f"{where}with these values the text has {units(shown.body)} characters; at most {body_units} fit"
        )
    if shown.header is not None and units(shown.header.text) > HEADER_UNITS:
        problems.append(f"{where}with this value the header has {units(shown.header.text)} characters; at most 60 fit")
    problems += [
        f"{where}with this value the address of “{button.text}” is too long"
        for button in shown.buttons
        if units(button.leads_to) > ADDRESS_UNITS
    ]
    for number, card in enumerate(shown.cards, start=1):
        problems += _too_long(card, body_units=CARD_BODY_UNITS, where=f"card {number}: ")
    return problems
