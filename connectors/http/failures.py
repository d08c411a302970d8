"""What does a system's refusal mean for us? By its status first; by `error` where the body of a 4xx names one of ours.

Whoever writes such a system answers 401 before the body is looked at, 404 for an address that leads nowhere and 500 for
a mistake: these three must lose nothing.
"""

from collections.abc import Callable, Mapping

from pydantic import ValidationError

from connectors.answers import Answer, no_verdict, unavailable
from connectors.errors import NeedsOperator, Permanent, RateLimited, RemoteFailure, RetryLater, TicketUnwritable
from connectors.http.wire import Refusal
from connectors.interface import Successor, TicketId

DEFAULT_RETRY_AFTER_SECONDS = 60.0

_SIGNATURE = (
    "Your system refuses our signature: give it the value of HTTP_DESK_SECRET, and see that its clock goes right."
)
_ADDRESS = "Check HTTP_DESK_URL: what answers there is not the system that takes our events."
_TICKET_REASONS = {"ticket_gone": "gone", "ticket_closed": "closed", "ticket_merged": "merged"}


def verdict(answer: Answer) -> RemoteFailure | None:
    """None: done. A write's 5xx has no verdict: the system may have done it before it failed."""
    if 200 <= answer.status < 300:
        # A page instead of an answer: of a tunnel, of a sign-in. Some frameworks call a plain "ok" HTML.
        is_page = answer.is_html and answer.body.lstrip()[:1] == b"<"
        return NeedsOperator("not_an_api", action=_ADDRESS) if is_page else None
    if answer.status in _BY_STATUS:
        return _BY_STATUS[answer.status](answer)
    if answer.status >= 500:
        return no_verdict(answer)
    if answer.status < 400:
        return NeedsOperator("redirected", action=_ADDRESS)
    return _refused(answer)


def _refused(answer: Answer) -> RemoteFailure:
    """The ticket's own trouble where that is named, else for good."""
    return _of_ticket(answer) or Permanent(f"http_{answer.status}")


def _nowhere(answer: Answer) -> RemoteFailure:
    return _of_ticket(answer) or NeedsOperator(f"http_{answer.status}", action=_ADDRESS)


def _conflict(answer: Answer) -> RemoteFailure:
    """Unless it is the ticket's: the same event is in work there."""
    return _of_ticket(answer) or RetryLater("conflict", after_seconds=answer.retry_after_seconds)


def _of_ticket(answer: Answer) -> TicketUnwritable | None:
    try:
        refusal = Refusal.model_validate_json(answer.body)
    except ValidationError:
        return None
    reason = _TICKET_REASONS.get(refusal.error)
    if reason is None:
        return None
    successor = None
    # Without the time of the merge, what was said on the other ticket long ago would be told to the customer.
    if reason == "merged" and refusal.successor is not None and refusal.merged_at is not None:
        successor = Successor(TicketId(refusal.successor), refusal.merged_at)
    return TicketUnwritable(reason, successor=successor)


_BY_STATUS: Mapping[int, Callable[[Answer], RemoteFailure]] = {
    401: lambda _: NeedsOperator("unauthorised", action=_SIGNATURE),
    403: lambda _: NeedsOperator("forbidden", action=_SIGNATURE),
    404: _nowhere,
    405: _nowhere,
    408: no_verdict,
    409: _conflict,
    410: _nowhere,
    425: no_verdict,
    429: lambda answer: RateLimited("account", after_seconds=answer.retry_after_seconds or DEFAULT_RETRY_AFTER_SECONDS),
    503: unavailable,
}
