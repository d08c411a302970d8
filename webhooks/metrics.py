"""What does the edge count? Requests by endpoint and outcome, items by kind, bells that were not heard.

Labels are closed sets: the endpoints that exist, and the enums below.
"""

from collections import Counter as Tally
from collections.abc import Sequence
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter

from bridge.domain.inbox_item import InboxItem


class Outcome(StrEnum):
    """How a webhook request ended."""

    KEPT = "kept"
    BAD_SIGNATURE = "bad_signature"
    TOO_LARGE = "too_large"
    UNREADABLE = "unreadable"
    """Signed, refused, and kept as a refused row."""
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"
    CLIENT_GONE = "client_gone"
    WRONG_METHOD = "wrong_method"
    UNKNOWN_HELPDESK = "unknown_helpdesk"
    HANDSHAKE = "handshake"
    HANDSHAKE_REFUSED = "handshake_refused"


class EdgeMetrics:
    """The edge's counters in a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._known: dict[tuple[Counter, str, str], Counter] = {}
        self._requests = Counter(
            "deskbridge_webhook_requests",
            "Webhook requests by how they ended.",
            ["endpoint", "outcome"],
            registry=registry,
        )
        self._items = Counter(
            "deskbridge_webhook_items",
            "Items committed to the inbox, repeats included.",
            ["source", "kind"],
            registry=registry,
        )
        self._bell_failures = Counter(
            "deskbridge_bell_failures", "Bells that could not be rung; the sweep finds the work.", registry=registry
        )

    def count_request(self, endpoint: str, outcome: Outcome) -> None:
        """`endpoint` is `whatsapp`, the name of a configured helpdesk, or `other`."""
        self._of(self._requests, endpoint, outcome).inc()

    def count_items(self, items: Sequence[InboxItem]) -> None:
        for (source, kind), count in Tally([(item.source, item.kind) for item in items]).items():
            self._of(self._items, source, kind).inc(count)

    def _of(self, counter: Counter, first: str, second: str) -> Counter:
        """One counter of a family, remembered: looking it up costs more than counting."""
        key = (counter, first, second)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = counter.labels(first, second)
        return found

    def count_bell_failure(self) -> None:
        self._bell_failures.inc()
