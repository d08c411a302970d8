"""What can become of a call to a far side, other than success. One class per meaning.

No class carries customer text, a number, a name or a secret: these end up in logs.
"""

from connectors.interface import Successor


class RemoteFailure(Exception):
    """Base of every verdict (or missing verdict) of a far side."""


class RetryLater(RemoteFailure):
    """Nothing reached the far side, or repeating is harmless. `after_seconds` is its own wish, if it had one."""

    def __init__(self, code: str, *, after_seconds: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.after_seconds = after_seconds


class RateLimited(RemoteFailure):
    """Refused, or held back by us, because `limit` is used up. Nothing was written. Try after `after_seconds`."""

    def __init__(self, limit: str, *, after_seconds: float) -> None:
        super().__init__(limit)
        self.limit = limit
        self.after_seconds = after_seconds


class Permanent(RemoteFailure):
    """This call can never succeed as it is. `code` is the far side's own, `hint` our short reason."""

    def __init__(self, code: str, *, hint: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.hint = hint


class NeedsOperator(RemoteFailure):
    """Nothing of this account works until a person acts; `action` says what to do."""

    def __init__(self, code: str, *, action: str) -> None:
        super().__init__(code)
        self.code = code
        self.action = action


class OutcomeUnknown(RemoteFailure):
    """Bytes left and no verdict came. Ask the far side before anything is repeated."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class TicketUnwritable(Permanent):
    """The ticket cannot take a comment any more. Nothing was written.

    `reason` is `closed` (for good; a follow-up may refer to it), `gone` (deleted or never there) or `merged`
    (`successor` is the ticket it was merged into and since when, where that could be found; else treat it as closed).
    """

    def __init__(self, reason: str, *, successor: Successor | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.successor = successor


class FilesRefused(Permanent):
    """The helpdesk takes (one of) the files not, by size or by kind. Nothing was written: it may go without them."""


class UnsignedRing(Exception):
    """A webhook that is not the helpdesk's, or not of now. `code` says which; what was expected is never said."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class UnreadableRing(Exception):
    """A signed webhook that names no ticket, or tells what cannot be understood. `reason` is told to the sender; it
    holds nothing that stood in the webhook."""

    def __init__(self, reason: str = "no ticket named") -> None:
        super().__init__(reason)
        self.reason = reason
