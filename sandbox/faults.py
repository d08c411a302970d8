"""What is a switch of a simulated helpdesk, and how is it turned? Which switches there are, each helpdesk says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch: its value when nothing is wrong, and one line for the person who turns it."""

    default: Any
    help: str
    choices: tuple[str, ...] = ()


class Faults:
    """One side's switches with their values. Keys in `update` and `describe` begin with `prefix`."""

    def __init__(self, prefix: str, switches: Mapping[str, Switch]) -> None:
        self._prefix = prefix
        self._switches = switches
        self._values: dict[str, Any] = {}
        self.on_change: Callable[[str, Any], None] | None = None
        self.reset()

    def reset(self) -> None:
        """Everything as it is when nothing is wrong."""
        self._values = {name: switch.default for name, switch in self._switches.items()}

    def describe(self) -> dict[str, dict[str, Any]]:
        """Every switch: `{"zendesk.down": {"value": false, "default": false, "help": "…"}}`."""
        return {
            f"{self._prefix}{name}": {
                "value": self._values[name],
                "default": switch.default,
                "help": switch.help,
                **({"choices": list(switch.choices)} if switch.choices else {}),
            }
            for name, switch in self._switches.items()
        }

    def update(self, values: Mapping[str, Any]) -> None:
        """Turn the given switches; None puts one back. Raises ValueError, turning none, for an unknown key or type."""
        checked = {}
        for key, value in values.items():
            name = key.removeprefix(self._prefix)
            switch = self._switches.get(name)
            if switch is None:
                raise ValueError(f"there is no switch {key}")
            if value is not None and not _fits(value, switch):
                raise ValueError(f"{key} does not take {value!r}")
            checked[name] = switch.default if value is None else value
        for name, value in checked.items():
            self._values[name] = value
            if self.on_change is not None:
                self.on_change(name, value)

    def dump(self) -> dict[str, Any]:
        """The values, for the state file."""
        return dict(self._values)

    def load(self, values: Mapping[str, Any]) -> None:
        """Become what `dump` told; a switch that is no more is left out."""
        self._values.update({name: value for name, value in values.items() if name in self._switches})

    def is_on(self, name: str) -> bool:
        return bool(self._values[name])

    def number(self, name: str) -> float:
        return float(self._values[name])

    def text(self, name: str) -> str:
        return str(self._values[name])

    def take(self, name: str) -> bool:
        """Use up one of "the next N"; -1 never runs out."""
        left = self._values[name]
        if left == 0:
            return False
        if left > 0:
            self._values[name] = left - 1
        return True


def _fits(value: Any, switch: Switch) -> bool:
    if switch.choices:
        return value in switch.choices
    if isinstance(switch.default, bool):
        return isinstance(value, bool)
    if isinstance(switch.default, str):
        return isinstance(value, str)
    if isinstance(switch.default, int):
        return isinstance(value, int) and not isinstance(value, bool) and value >= -1
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
