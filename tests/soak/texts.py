"""How is every text, name and number of a run recognised wherever it turns up? Pure."""

import re
from dataclasses import dataclass

from tests.soak.plan import Plan

MARKER = re.compile(r"(\[[^\[\]\n]{5,40} UTC\] )?\b(mk[0-9a-z]{6}c\d{4}[mrw]\d{4})\b")
"""A marker, and before it the time that a late message carries."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The words of one plan."""

    plan: Plan

    def message(self, customer: int, number: int) -> str:
        return self._marker(customer, "m", number)

    def reply(self, customer: int, number: int, *, public: bool) -> str:
        return self._marker(customer, "r" if public else "w", number)

    def _marker(self, customer: int, kind: str, number: int) -> str:
        return f"mk{self.plan.word}c{customer:04d}{kind}{number:04d}"

    def name(self, customer: int) -> str:
        return f"Aurelia {self.plan.word.title()} {customer:04d}"

    def wa_id(self, customer: int) -> str:
        return f"3519{self.plan.digits}{customer:04d}"

    def user_id(self, customer: int) -> str:
        return f"PT.77{self.plan.digits}{customer:04d}5555551234"

    def username(self, customer: int) -> str:
        return f"aurelia.{self.plan.word}{customer:04d}"

    def customer_named(self, name: str | None) -> int | None:
        """Whose name this is."""
        found = re.fullmatch(rf"Aurelia {self.plan.word.title()} (\d{{4}})", name or "")
        return int(found[1]) if found else None


def markers_in(text: str) -> list[tuple[str, bool]]:
    """The markers in a text, each with whether it carries its time."""
    return [(found[2], found[1] is not None) for found in MARKER.finditer(text)]
