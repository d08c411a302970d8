"""How does a connector say that its settings are wrong?"""


class InvalidConfiguration(ValueError):
    """A setting is missing or unusable. The text names the variable and says how to get its value; it never holds a
    value.
    """

    def __init__(self, variable: str, problem: str, *, mend: str) -> None:
        super().__init__(f"{variable} {problem}. {mend}")
        self.variable = variable
        self.mend = mend
