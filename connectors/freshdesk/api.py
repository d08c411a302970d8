"""How is one call to Freshdesk made: with which key, out of which limits, and with what verdict?

One quota serves the whole account, automation webhooks and other apps included; some endpoints have a smaller one
beside (fact sheet Freshdesk 1). The headers tell the account's alone; the smaller ones follow from its size.
"""

import base64
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from connectors.answers import Answer, number, unreadable
from connectors.client import Streamed, call
from connectors.errors import RateLimited
from connectors.freshdesk.failures import verdict
from connectors.freshdesk.settings import FreshdeskSettings
from connectors.interface import Budget, Draw

ACCOUNT = "account"
TICKETS_CREATE = "tickets-create"
TICKETS_UPDATE = "tickets-update"
TICKETS_LIST = "tickets-list"
CONTACTS_LIST = "contacts-list"

_PERIOD_SECONDS = 60
_BELIEVED_SECONDS = 5.0
"""`Remaining` comes without the time of its renewal: it is believed for so long, then asked again."""
_NEXT_PAGE = re.compile(r"<\s*[^>]+>\s*;[^,]*\brel\s*=\s*\"?next\b", re.IGNORECASE)

_Model = TypeVar("_Model")


@dataclass(frozen=True, slots=True)
class Plan:
    """An account's limits a minute. `total` is what its headers say."""

    total: int
    create: int
    update: int
    list_tickets: int
    list_contacts: int

    def limit(self, bucket: str) -> int:
        return {
            ACCOUNT: self.total,
            TICKETS_CREATE: self.create,
            TICKETS_UPDATE: self.update,
            TICKETS_LIST: self.list_tickets,
            CONTACTS_LIST: self.list_contacts,
        }[bucket]


PLANS = (
    Plan(50, 20, 20, 10, 10),
    Plan(200, 80, 80, 20, 20),
    Plan(400, 160, 160, 100, 100),
    Plan(700, 280, 280, 200, 200),
    Plan(1000, 400, 400, 300, 300),
    Plan(2000, 800, 800, 400, 400),
)
"""Smallest first (fact sheet Freshdesk 1). The trial's smaller ones are not documented."""


def plan_of(total: int) -> Plan:
    """The largest plan that is not larger than the account says it is."""
    return next((plan for plan in reversed(PLANS) if plan.total <= total), PLANS[0])


class FreshdeskApi:
    """Authorised, budgeted calls. One per event loop."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        settings: FreshdeskSettings,
        *,
        budget: Budget,
        on_warning: Callable[[str], None],
    ) -> None:
        self._client = client
        pair = f"{settings.api_key.get_secret_value()}:X"
        self._authorisation = "Basic " + base64.b64encode(pair.encode()).decode()
        self._budget = budget
        self._plan = PLANS[1]
        self.settings = settings
        self.warn = on_warning

    @property
    def plan(self) -> Plan:
        """As the last answer told; Growth's before the first."""
        return self._plan

    async def get(
        self,
        model: type[_Model],
        path: str,
        *,
        cause: str,
        params: Mapping[str, str | int] | None = None,
        draws: Sequence[str] = (),
    ) -> _Model:
        """Read one thing. An answer that cannot be read is asked for again later."""
        answer = await self.send("GET", path, cause=cause, safe=True, params=params, draws=draws)
        return read(model, answer, safe=True)

    async def get_page(
        self,
        model: type[_Model],
        path: str,
        *,
        cause: str,
        params: Mapping[str, str | int],
        draws: Sequence[str] = (),
    ) -> tuple[list[_Model], bool]:
        """One page of a list, and whether a next one is announced."""
        answer = await self.send("GET", path, cause=cause, safe=True, params=params, draws=draws)
        more = has_next(answer)
        return read(list[model], answer, safe=True), more  # type: ignore[valid-type]  # a variable holds the type

    async def write(
        self,
        model: type[_Model],
        method: str,
        path: str,
        *,
        cause: str,
        content: bytes | Streamed,
        draws: Sequence[str] = (),
    ) -> _Model:
        """Write one thing. An answer that cannot be read leaves the outcome unknown."""
        answer = await self.send(method, path, cause=cause, safe=False, content=content, draws=draws)
        return read(model, answer, safe=False)

    async def send(
        self,
        method: str,
        path: str,
        *,
        cause: str,
        safe: bool,
        params: Mapping[str, str | int] | None = None,
        content: bytes | Streamed | None = None,
        draws: Sequence[str] = (),
    ) -> httpx.Response:
        """One call under `/api/v2`. `draws` are the limits beside the account's. Raises any `RemoteFailure`."""
        buckets = (ACCOUNT, *draws)
        await self._budget.take(cause, [Draw(name, self._plan.limit(name), _PERIOD_SECONDS) for name in buckets])
        headers = {"Authorization": self._authorisation}
        if isinstance(content, Streamed):
            headers |= {"Content-Type": content.content_type, "Content-Length": str(content.size_bytes)}
        elif content is not None:
            headers["Content-Type"] = "application/json"
        response = await call(
            self._client,
            method,
            f"/api/v2{path}",
            safe=safe,
            params=params,
            content=content.open() if isinstance(content, Streamed) else content,
            headers=headers,
            total_seconds=content.total_seconds if isinstance(content, Streamed) else None,
        )
        told = await self._learn(response.headers, buckets=buckets)
        failure = verdict(Answer(response.status_code, response.headers, response.content, safe=safe))
        if isinstance(failure, RateLimited):
            limit = _limit_of(told, buckets)
            await self._budget.close(limit, seconds=failure.after_seconds)
            raise RateLimited(limit, after_seconds=failure.after_seconds)
        if failure is not None:
            raise failure
        return response

    async def _learn(self, headers: Mapping[str, str], *, buckets: Sequence[str]) -> "_Told | None":
        """Tell the budget what the headers say, and return it.

        Unconfirmed: a limit of its own may speak in the same headers. So only a call that draws on the account's alone
        tells how large that is; another one is believed where it says the same.
        """
        total, remaining = number(headers.get("x-ratelimit-total")), number(headers.get("x-ratelimit-remaining"))
        if total is None or remaining is None:
            return None
        if len(buckets) > 1 and total != self._plan.total:
            return _Told(is_accounts=False, remaining=int(remaining))
        base = plan_of(int(total))
        self._plan = Plan(int(total), base.create, base.update, base.list_tickets, base.list_contacts)
        await self._budget.learn(ACCOUNT, limit=int(total), remaining=int(remaining), reset_seconds=_BELIEVED_SECONDS)
        return _Told(is_accounts=True, remaining=int(remaining))


@dataclass(frozen=True, slots=True)
class _Told:
    """What an answer's headers say of a limit: of the account's, or of one of its own."""

    is_accounts: bool
    remaining: int


def _limit_of(told: _Told | None, buckets: Sequence[str]) -> str:
    """Which limit a 429 is about, which it does not say: the smaller one where the headers speak of that, or where the
    account's has some left."""
    if told is not None and (not told.is_accounts or told.remaining):
        return buckets[-1]
    return ACCOUNT


def has_next(response: httpx.Response) -> bool:
    """Whether a list announces a next page."""
    return bool(_NEXT_PAGE.search(response.headers.get("link", "")))


@functools.cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def read(model: type[_Model], response: httpx.Response, *, safe: bool) -> _Model:
    """The answer as `model`. Raises `RetryLater`, or for a write `OutcomeUnknown`, when it cannot be read."""
    try:
        kind: Any = model
        found: _Model = _adapter(kind).validate_json(response.content)
        return found
    except ValidationError:
        failure = unreadable(safe=safe)
    # Outside the handler: pydantic's error must not be chained, it holds the answer.
    raise failure
