"""What does an HTTP answer tell, whoever gave it? What a vendor means by its codes stands in the vendor's folder."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.errors import OutcomeUnknown, RemoteFailure, RetryLater


@dataclass(frozen=True, slots=True)
class Answer:
    """What a vendor's table looks at. `headers` by lower-case name. `safe`: repeating the call is harmless."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    safe: bool

    @property
    def retry_after_seconds(self) -> float | None:
        return number(self.headers.get("retry-after"))

    @property
    def is_html(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/html")


def no_verdict(answer: Answer) -> RemoteFailure:
    """A write may have been committed before the answer failed."""
    code = f"http_{answer.status}"
    return RetryLater(code, after_seconds=answer.retry_after_seconds) if answer.safe else OutcomeUnknown(code)


def unavailable(answer: Answer) -> RemoteFailure:
    """A 503. With Retry-After a front door is shut, which did nothing; without, it is any gateway on the way."""
    if answer.retry_after_seconds is not None:
        return RetryLater("http_503", after_seconds=answer.retry_after_seconds)
    return no_verdict(answer)


def unreadable(*, safe: bool) -> RemoteFailure:
    """It was answered, and not in a way that can be read."""
    return RetryLater("unreadable_answer") if safe else OutcomeUnknown("unreadable_answer")


def number(text: str | None) -> float | None:
    """A header's non-negative number of at most nine digits, else None."""
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*", text or "", re.ASCII)
    return float(match[1]) if match else None
