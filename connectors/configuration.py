"""How does a connector say what it wants to be told, and that it was told wrong?"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: what it means, and how to get a value (told when it is missing or refused)."""

    name: str
    meaning: str
    mend: str = ""


class InvalidConfiguration(ValueError):
    """A setting is missing or unusable. The text names the variable and says how to get its value; it never holds a
    value.
    """

    def __init__(self, variable: str, problem: str, *, mend: str) -> None:
        super().__init__(f"{variable} {problem}. {mend}")
        self.variable = variable
        self.mend = mend
