"""How many calls does the account's plan allow, and how do headers tell? Real time; fact sheet Zendesk 7.1-7.3."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.zendesk.wire import RefusalError

MINUTE = 60.0
TEN_MINUTES = 600.0
MANY_WINDOWS = 20_000
"""With more windows than this in memory, those that are over are thrown away."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan allows a minute: all calls, updates of tickets, incremental exports; one user's updates of one ticket
    in ten minutes; tickets created; updates of users a second, and of one user a minute."""

    account: int
    ticket_updates: int = 100
    incremental: int = 10
    per_ticket: int = 30
    ticket_creates: int = 300
    user_updates: int = 1
    per_user: int = 5


PLENTY = 1_000_000


PLANS = {
    "team": Plan(200),
    "growth": Plan(400),
    "professional": Plan(400),
    "enterprise": Plan(700),
    "enterprise_plus": Plan(2_500),
    "high_volume": Plan(2_500, ticket_updates=300, incremental=30),
    "trial": Plan(200, ticket_updates=20),
    "unlimited": Plan(*[PLENTY] * 7),
}


@dataclass(slots=True)
class _Window:
    ends_at: float
    used: int


class Limits:
    """Fixed windows that begin with their first call. The plan `unlimited` (load tests) tells limits out of reach."""

    def __init__(
        self,
        *,
        real_seconds: Callable[[], float],
        with_retry_after: Callable[[], bool],
        json_body: Callable[[], bool],
    ) -> None:
        self._real_seconds = real_seconds
        self._with_retry_after = with_retry_after
        self._json_body = json_body
        self._windows: dict[str, _Window] = {}
        self.plan_name = "team"

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return PLANS[self.plan_name]

    def forget(self) -> None:
        """Begin every window anew."""
        self._windows.clear()

    def account(self, headers: dict[str, str]) -> None:
        """Count one call against the account. Raises a 429."""
        plan = self.plan
        window = self._take("account", limit=plan.account, period_seconds=MINUTE)
        left = str(plan.account - window.used)
        headers["X-Rate-Limit"] = headers["ratelimit-limit"] = str(plan.account)
        headers["X-Rate-Limit-Remaining"] = headers["ratelimit-remaining"] = left
        headers["ratelimit-reset"] = str(self._rest(window))

    def ticket_update(self, headers: dict[str, str], *, user_id: int, ticket_id: int) -> None:
        """Count one update of a ticket, by the API or by hand: 30 per 10 minutes per user and ticket, and the account's
        own. Raises a 429; a refused call counts against neither."""
        plan = self.plan
        key = f"ticket:{user_id}:{ticket_id}"
        self._check(key, limit=plan.per_ticket, period_seconds=TEN_MINUTES)
        self.endpoint(headers, "Zendesk-RateLimit-tickets-update", limit=plan.ticket_updates)
        self.endpoint(
            headers, "zendesk-ratelimit-per-ticket-updates", key=key, limit=plan.per_ticket, period_seconds=TEN_MINUTES
        )

    def user_write(self, headers: dict[str, str], *, user: str) -> None:
        """Count one update or upsert of a user: one a second per account, five a minute per user. Raises a 429."""
        self._check(f"user:{user}", limit=self.plan.per_user, period_seconds=MINUTE)
        self.endpoint(headers, "zendesk-ratelimit-users-update", limit=self.plan.user_updates, period_seconds=1.0)
        self.endpoint(headers, "zendesk-ratelimit-per-user-updates", key=f"user:{user}", limit=self.plan.per_user)

    def incremental(self, headers: dict[str, str]) -> None:
        """Count one incremental export. Raises a 429."""
        self.endpoint(headers, "zendesk-ratelimit-incremental-exports", limit=self.plan.incremental)

    def endpoint(
        self, headers: dict[str, str], header: str, *, limit: int, key: str = "", period_seconds: float = MINUTE
    ) -> None:
        """Count one call against an endpoint's own limit and tell it in `header`. Raises a 429."""
        window = self._take(key or header, limit=limit, period_seconds=period_seconds)
        headers[header] = f"total={limit}; remaining={limit - window.used}; resets={self._rest(window)}"

    def refusal(self, *, retry_after_seconds: int) -> RefusalError:
        """The 429: plain text, `Retry-After` in seconds unless that is switched off."""
        headers = {"Retry-After": str(retry_after_seconds)} if self._with_retry_after() else {}
        text = "Number of allowed API requests per minute exceeded"
        if self._json_body():
            return RefusalError(429, {"error": "APIRateLimitExceeded", "description": text}, headers=headers)
        return RefusalError(429, text, headers=headers)

    def _check(self, key: str, *, limit: int, period_seconds: float) -> _Window:
        now = self._real_seconds()
        window = self._windows.get(key)
        if window is None or window.ends_at <= now:
            if len(self._windows) > MANY_WINDOWS:
                self._windows = {name: kept for name, kept in self._windows.items() if kept.ends_at > now}
            window = self._windows[key] = _Window(now + period_seconds, 0)
        if window.used >= limit:
            raise self.refusal(retry_after_seconds=max(1, self._rest(window)))
        return window

    def _take(self, key: str, *, limit: int, period_seconds: float) -> _Window:
        window = self._check(key, limit=limit, period_seconds=period_seconds)
        window.used += 1
        return window

    def _rest(self, window: _Window) -> int:
        return math.ceil(window.ends_at - self._real_seconds())
