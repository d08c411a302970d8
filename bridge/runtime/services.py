"""What the steps of a worker are given: one value, built once per process in `wiring`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from bridge.domain.decide import Rules
from bridge.runtime.bell import Bell
from bridge.runtime.clock import Clock
from bridge.runtime.conversions import Conversions
from bridge.runtime.languages import Languages
from bridge.runtime.limiter import HelpdeskBudget
from bridge.runtime.metrics import WorkerMetrics
from bridge.runtime.send_limits import SendLimits
from bridge.store import leases
from bridge.store.channels import Channel
from bridge.store.crypto import Vault
from bridge.store.database import Database, StoreUnavailable
from bridge.store.files import FileFolder
from bridge.store.leases import Lease
from bridge.whatsapp.client import CloudApi
from bridge.whatsapp.template_api import TemplateApi
from connectors.interface import HelpdeskConnector

T = TypeVar("T")

WHATSAPP_SCOPE = "whatsapp"
HELPDESK_SCOPE = "helpdesk"


@dataclass(frozen=True, slots=True)
class Services:
    """`account_bucket` and `ticket_bucket` name the helpdesk's limits as its connector does."""

    database: Database
    vault: Vault
    clock: Clock
    channel: Channel
    connector: HelpdeskConnector
    cloud_api: CloudApi
    template_api: TemplateApi
    send_limits: SendLimits
    budget: HelpdeskBudget
    bell: Bell
    rules: Rules
    languages: Languages
    dead_letter_after: timedelta
    reconcile_every: timedelta
    keep_for: timedelta
    metrics: WorkerMetrics
    files: FileFolder
    conversions: Conversions
    public_url: str
    links_for: timedelta
    """How long a link to a file is good."""
    upkeep: Callable[[], Awaitable[None]]
    """Call it often: writes counters on, and learns what `doctor --fix` has just made."""

    async def commit(self, lease: Lease, unit: Callable[[Connection], T]) -> T:
        """Run `unit` under the lease's fence. Raises `LeaseLost`, `StoreUnavailable`, and what the unit raises."""

        def fenced(connection: Connection) -> T:
            leases.check(connection, lease)
            return unit(connection)

        return await self.database.write(fenced)

    async def commit_outcome(self, lease: Lease, unit: Callable[[Connection], T]) -> T:
        """`commit` for what a call brought: it is known nowhere else, so it is tried until the lease is lost."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(StoreUnavailable), wait=wait_random_exponential(0.1, max=2)
        ):
            with attempt:
                return await self.commit(lease, unit)
        raise AssertionError("the retrying has no end")


@dataclass(frozen=True, slots=True)
class Moment:
    """The times of one step, taken once."""

    business: datetime
    real: datetime

    @classmethod
    def take(cls, clock: Clock) -> "Moment":
        return cls(clock.business_now(), clock.real_now())


@dataclass(frozen=True, slots=True)
class Again:
    """A lane's step settled something without a call: look at the lane again."""
