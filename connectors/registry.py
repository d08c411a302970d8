"""Which helpdesks are there, and how is one connected? The only place that knows how connectors are found."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from connectors.configuration import InvalidConfiguration, Variable
from connectors.freshdesk.definition import DEFINITION as FRESHDESK
from connectors.http.definition import DEFINITION as HTTP
from connectors.interface import Budget, Change, HelpdeskConnector
from connectors.zendesk.definition import DEFINITION as ZENDESK

ENTRY_POINT_GROUP = "deskbridge.connectors"


class Described(Protocol):
    """What can be said of a helpdesk without an account."""

    @property
    def variables(self) -> Sequence[Variable]:
        """The environment variables that it reads, as `.env.example` lists them."""

    def read_ring(self, *, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> Change:
        """Verify a webhook and say which ticket rang. Pure. Raises `UnsignedRing` first, then `UnreadableRing`."""


class Definition(Described, Protocol):
    """What a connector offers; a module or an object, named by its entry point.

    Its variables begin with its name in capitals: `acme-desk` reads `ACME_DESK_URL`.
    """

    @property
    def ticket_fields(self) -> frozenset[str]:
        """Names of the ticket fields that it fills once `install` made them; empty where it needs none."""

    def check(self, environment: Mapping[str, str]) -> None:
        """Whether `connect` could begin: no call. Raises `InvalidConfiguration`."""

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


@runtime_checkable
class HasSandbox(Protocol):
    """A helpdesk that our sandbox plays, under `/{name}`."""

    def make_sandbox_account(self) -> Mapping[str, str]:
        """Credentials of an account, made up."""

    def sandbox_setup(self, account: Mapping[str, str], *, webhook_url: str) -> Mapping[str, str]:
        """What the sandbox is told of the account."""

    def sandbox_environment(self, account: Mapping[str, str], *, url: str) -> Mapping[str, str]:
        """The variables as if somebody had configured the account by hand. `url`: where the sandbox listens."""


_BUILT_IN: Mapping[str, Definition] = {"zendesk": ZENDESK, "freshdesk": FRESHDESK, "http": HTTP}
_PREFIXES = {"http": "HTTP_DESK_"}
"""Where a name in capitals is everybody's: `HTTP_PROXY` is no variable of a helpdesk."""
DEFAULT = "zendesk"


def built_in() -> Mapping[str, Definition]:
    """Those that come with us, by name, the default first."""
    return _BUILT_IN


def variable_prefix(name: str) -> str:
    """What the names of a connector's variables begin with."""
    return _PREFIXES.get(name.strip()) or name.strip().upper().replace("-", "_") + "_"


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
