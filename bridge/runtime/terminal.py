"""Was this process started on a terminal that has gone away since? Then a SIGHUP says so, and means: end."""

import os


class Terminal:
    """The terminal on standard input, if there is one when this is made. Make it after a fork."""

    def __init__(self) -> None:
        self._was_there = os.isatty(0)

    def has_gone(self) -> bool:
        return self._was_there and not os.isatty(0)
