"""How many calls does the account's plan allow, and how do headers tell? Real time; fact sheet Freshdesk 1."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.faults import Faults
from sandbox.freshdesk.wire import RefusalError

MINUTE = 60.0
PLENTY = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan allows a minute: all calls, and of these tickets created, tickets updated, lists of tickets and of
    contacts."""

    account: int
    ticket_create: int
    ticket_update: int
    ticket_list: int
    contact_list: int


PLANS = {
    "trial": Plan(50, 50, 50, 20, 20),
    "growth": Plan(200, 80, 80, 20, 20),
    "pro": Plan(400, 160, 160, 100, 100),
    "enterprise": Plan(700, 280, 280, 200, 200),
    "addon_1000": Plan(1_000, 400, 400, 300, 300),
    "addon_2000": Plan(2_000, 800, 800, 400, 400),
    "unlimited": Plan(*[PLENTY] * 5),
}
SMALLEST = "growth"


@dataclass(slots=True)
class _Window:
    ends_at: float
    used: int


class Limits:
    """Fixed windows of a minute that begin with their first call, one for the account and one per sub-limit."""

    def __init__(self, *, real_seconds: Callable[[], float], faults: Faults) -> None:
        self._real_seconds = real_seconds
        self._faults = faults
        self._windows: dict[str, _Window] = {}
        self.plan_name = SMALLEST

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return PLANS[self.plan_name]

    def forget(self) -> None:
        """Begin every window anew."""
        self._windows.clear()

    def call(self, headers: dict[str, str], *, cost: int, sub_limit: str | None) -> None:
        """Count one call of `cost` credits, and against the endpoint's own limit. Raises a 429.

        A call that its own limit refuses has still used up the account's: invalid requests count.
        """
        account = self._window("account")
        allowed = self.plan.account
        if account.used + cost > allowed:
            self._tell(headers, allowed, 0, cost)
            raise self.refusal(self._rest(account))
        account.used += cost
        self._tell(headers, allowed, allowed - account.used, cost)
        if sub_limit is None:
            return
        window, allowed = self._window(sub_limit), getattr(self.plan, sub_limit)
        if window.used >= allowed:
            raise self.refusal(self._rest(window))
        window.used += 1
        if self._faults.is_on("sub_limit_in_headers"):
            self._tell(headers, allowed, allowed - window.used, cost)

    def ring(self) -> bool:
        """Count one webhook call against the account; False where nothing is left."""
        account = self._window("account")
        if account.used >= self.plan.account:
            return False
        account.used += 1
        return True

    def refusal(self, retry_after_seconds: int) -> RefusalError:
        """The 429; its body is not documented."""
        headers = {"Retry-After": str(retry_after_seconds)} if self._faults.is_on("with_retry_after") else {}
        as_json = self._faults.is_on("rate_limited_json")
        body = {"message": "You have exceeded the limit of requests per minute"} if as_json else None
        return RefusalError(429, body, headers=headers)

    def _window(self, name: str) -> _Window:
        now = self._real_seconds()
        window = self._windows.get(name)
        if window is None or window.ends_at <= now:
            window = self._windows[name] = _Window(now + MINUTE, 0)
        return window

    def _rest(self, window: _Window) -> int:
        return max(1, math.ceil(window.ends_at - self._real_seconds()))

    def _tell(self, headers: dict[str, str], allowed: int, left: int, cost: int) -> None:
        headers["X-Ratelimit-Total"] = str(allowed)
        headers["X-Ratelimit-Remaining"] = str(max(0, left))
        headers["X-Ratelimit-Used-CurrentRequest"] = str(cost)
