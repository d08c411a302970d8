"""Which helpdesks are there, and how is one connected? The only place that knows how connectors are found."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from importlib.metadata import entry_points
from typing import Protocol

from connectors.configuration import InvalidConfiguration
from connectors.interface import Budget, Change, HelpdeskConnector
from connectors.zendesk.definition import DEFINITION as ZENDESK

ENTRY_POINT_GROUP = "deskbridge.connectors"


class Definition(Protocol):
    """What a connector offers; a module or an object, named by its entry point."""

    def connect(
        self,
        environment: Mapping[str, str],
        *,
        budget: Budget,
        field_ids: Mapping[str, int],
        on_warning: Callable[[str], None],
    ) -> AbstractAsyncContextManager[HelpdeskConnector]:
        """The connector with its connections, for one event loop. `environment` holds the vendor's own variables.

        `field_ids` are those that it once found in the account, by its own names, and may grow while it is used;
        `on_warning` is told the cause of a call that the far side took with a reservation. Raises
        `InvalidConfiguration` on entering.
        """

    def webhook_secrets(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        """The secrets that are configured for its webhook, none where there are none. Raises `InvalidConfiguration`."""

    def read_ring(self, *, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> Change:
        """Verify a webhook and say which ticket rang. Pure. Raises `UnsignedRing` first, then `UnreadableRing`."""


_BUILT_IN: Mapping[str, Definition] = {"zendesk": ZENDESK}


def names() -> list[str]:
    """Every connector that `find` takes. A built-in one cannot be replaced by a stranger's."""
    return sorted(_BUILT_IN.keys() | {point.name for point in entry_points(group=ENTRY_POINT_GROUP)})


def find(name: str) -> Definition:
    """Raises `InvalidConfiguration` for an unknown name."""
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        found: Definition = point.load()
        return found
    raise InvalidConfiguration("DESKBRIDGE_HELPDESK", "names no connector", mend=f"Take one of: {', '.join(names())}.")
