"""How is one call to Zendesk made: with which credentials, out of which limits, and with what verdict?"""

import asyncio
import base64
import contextlib
import hashlib
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
import structlog
from pydantic import ValidationError

from connectors.answers import Answer, number, unreadable
from connectors.client import Streamed, call
from connectors.download import download, is_public_host, is_same_origin
from connectors.errors import NeedsOperator, RateLimited
from connectors.interface import Budget, Draw, TicketId
from connectors.zendesk import wire
from connectors.zendesk.failures import Refused, verdict
from connectors.zendesk.settings import ApiToken, OAuthClient, ZendeskSettings
from connectors.zendesk.translate import encoded

ACCOUNT = Draw("account", 200, 60)
"""The smallest plan's; headers tell the real one (fact sheet Zendesk 7.1)."""
TICKETS_UPDATE = Draw("tickets-update", 100, 60)
TICKETS_CREATE = Draw("ticket-request-create-by-user-and-ip", 300, 60)
"""In headers only, not in the reference (fact sheet Zendesk 2.1)."""
INCREMENTAL = Draw("incremental", 10, 60)
TICKET_WRITES, TICKET_WRITES_PERIOD_SECONDS = 30, 600

_TOKEN_SECONDS = 3600
_RENEW_BEFORE_SECONDS = 60.0
_ENDPOINT_LIMIT = re.compile(r"zendesk-rate-?limit-(.+)", re.IGNORECASE)
_TOTALS = re.compile(r"\b(total|remaining|resets)\s*=\s*(\d{1,9})", re.ASCII)
_WARNING_HEADER = "x-zendesk-api-warn"

_log: structlog.stdlib.BoundLogger = structlog.get_logger()
_Model = TypeVar("_Model", bound=wire.Wire)


def ticket_draw(ticket_id: TicketId) -> Draw:
    return Draw(f"ticket:{ticket_id}", TICKET_WRITES, TICKET_WRITES_PERIOD_SECONDS, shared=False)


@dataclass(slots=True)
class Token:
    """An access token as this process holds it. `renew_at` is on the monotonic clock; None: it does not expire."""

    value: str = field(repr=False)
    renew_at: float | None


TokenCache = dict[str, Token]
"""By credentials. Outlives a connector, so that a process asks once for all its loops."""


@dataclass(frozen=True, slots=True)
class _Limit:
    total: int
    remaining: int
    reset_seconds: float


class ZendeskApi:
    """Authorised, budgeted calls. One per event loop."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        settings: ZendeskSettings,
        *,
        budget: Budget,
        on_warning: Callable[[str], None],
        tokens: TokenCache,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._settings = settings
        self._budget = budget
        self._on_warning = on_warning
        self._tokens = tokens
        self._monotonic = monotonic
        self._renewal = asyncio.Lock()

    @property
    def uses_api_token(self) -> bool:
        """The old way in, instead of OAuth."""
        return isinstance(self._settings.credentials, ApiToken)

    async def get(
        self,
        model: type[_Model],
        path: str,
        *,
        cause: str,
        params: Mapping[str, str | int] | None = None,
        draws: Sequence[Draw] = (),
    ) -> _Model:
        """Read one thing. An answer that cannot be read is asked for again later."""
        answer = await self.send("GET", path, cause=cause, safe=True, params=params, draws=draws)
        return self.read(model, answer, safe=True)

    async def write(
        self,
        model: type[_Model],
        method: str,
        path: str,
        *,
        cause: str,
        content: bytes,
        headers: Mapping[str, str] | None = None,
        draws: Sequence[Draw] = (),
    ) -> _Model:
        """Write one thing. An answer that cannot be read leaves the outcome unknown."""
        answer = await self.send(method, path, cause=cause, safe=False, content=content, headers=headers, draws=draws)
        return self.read(model, answer, safe=False)

    async def send(
        self,
        method: str,
        path: str,
        *,
        cause: str,
        safe: bool,
        params: Mapping[str, str | int] | None = None,
        content: bytes | Streamed | None = None,
        headers: Mapping[str, str] | None = None,
        draws: Sequence[Draw] = (),
    ) -> httpx.Response:
        """One call under `/api/v2`. `draws` are the limits beside the account's. Raises any `RemoteFailure`."""
        sent_headers = dict(headers or {})
        if isinstance(content, Streamed):
            sent_headers |= {"Content-Type": content.content_type, "Content-Length": str(content.size_bytes)}
        elif content is not None:
            sent_headers["Content-Type"] = "application/json"
        refused_token: str | None = None
        while True:
            authorisation = await self._authorisation(refused=refused_token)
            drawn = (ACCOUNT, *draws)
            await self._budget.take(cause, drawn)
            response = await call(
                self._client,
                method,
                f"/api/v2{path}",
                safe=safe,
                params=params,
                content=content.open() if isinstance(content, Streamed) else content,
                headers={**sent_headers, "Authorization": authorisation},
                total_seconds=content.total_seconds if isinstance(content, Streamed) else None,
            )
            limited = await self._learn(response, drawn)
            if _WARNING_HEADER in response.headers:
                _log.warning("zendesk.parameters_dropped", cause=cause)
                self._on_warning(cause)
            if response.status_code == 401 and refused_token is None and self._has_oauth:
                # Nothing was written: an expired token is renewed once, and the call made again.
                refused_token = authorisation
                continue
            failure = verdict(Answer(response.status_code, response.headers, response.content, safe=safe))
            if isinstance(failure, RateLimited):
                if limited in {draw.bucket for draw in drawn}:
                    await self._budget.close(limited, seconds=failure.after_seconds)
                raise RateLimited(limited, after_seconds=failure.after_seconds)
            if failure is not None:
                raise failure
            return response

    @contextlib.asynccontextmanager
    async def open_download(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """A file's content. Counts against a limit of its own, far above ours (2,500 a minute)."""
        authorisation = await self._authorisation(refused=None)
        own = self._client.base_url

        def headers_for(target: httpx.URL) -> Mapping[str, str] | None:
            if is_same_origin(target, own):
                return {"Authorization": authorisation}
            return {} if is_public_host(target) else None

        async with download(self._client, url, headers_for=headers_for) as pieces:
            yield pieces

    def read(self, model: type[_Model], response: httpx.Response, *, safe: bool) -> _Model:
        try:
            return model.model_validate_json(response.content)
        except ValidationError:
            failure = unreadable(safe=safe)
        # Outside the handler: pydantic's error must not be chained, it holds the answer.
        raise failure

    @property
    def _has_oauth(self) -> bool:
        return isinstance(self._settings.credentials, OAuthClient)

    async def _authorisation(self, *, refused: str | None) -> str:
        credentials = self._settings.credentials
        if not isinstance(credentials, OAuthClient):
            pair = f"{credentials.email}/token:{credentials.token.get_secret_value()}"
            return "Basic " + base64.b64encode(pair.encode()).decode()
        held = f"{self._settings.url}\n{credentials.client_id}\n{credentials.client_secret.get_secret_value()}"
        name = hashlib.sha256(held.encode()).hexdigest()
        async with self._renewal:
            token = self._tokens.get(name)
            if token is None or self._is_spent(token) or f"Bearer {token.value}" == refused:
                token = await self._request_token(credentials)
                self._tokens[name] = token
        return f"Bearer {token.value}"

    def _is_spent(self, token: Token) -> bool:
        return token.renew_at is not None and self._monotonic() >= token.renew_at

    async def _request_token(self, credentials: OAuthClient) -> Token:
        content = encoded(
            {
                "grant_type": "client_credentials",
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret.get_secret_value(),
                "scope": "read write",
                "expires_in": _TOKEN_SECONDS,
            }
        )
        asked_at = self._monotonic()
        await self._budget.take("token", (ACCOUNT,))
        response = await call(
            self._client,
            "POST",
            "/oauth/tokens",
            safe=True,
            content=content,
            headers={"Content-Type": "application/json"},
        )
        failure = verdict(Answer(response.status_code, response.headers, response.content, safe=True))
        if isinstance(failure, Refused | NeedsOperator):
            raise NeedsOperator(
                "oauth_client_refused",
                action="Check ZENDESK_URL and ZENDESK_OAUTH_CLIENT_ID and …_SECRET: Zendesk gave no token for them.",
            )
        if failure is not None:
            raise failure
        answer = self.read(wire.TokenAnswer, response, safe=True)
        if answer.expires_in is None:
            return Token(answer.access_token, None)
        margin = min(_RENEW_BEFORE_SECONDS, answer.expires_in / 2)
        return Token(answer.access_token, asked_at + answer.expires_in - margin)

    async def _learn(self, response: httpx.Response, drawn: Sequence[Draw]) -> str:
        """Tell the budget what the headers say. Returns the limit that a 429 would be about."""
        account = _account_limit(response.headers)
        if account is not None:
            await self._learn_bucket(ACCOUNT.bucket, account)
        exhausted = None
        for header, value in response.headers.items():
            named = _ENDPOINT_LIMIT.fullmatch(header)
            limit = _endpoint_limit(value) if named else None
            if named is None or limit is None:
                continue
            bucket = _bucket(named[1], drawn)
            if bucket in {draw.bucket for draw in drawn}:
                await self._learn_bucket(bucket, limit)
            if limit.remaining == 0:
                exhausted = bucket
        if exhausted is not None:
            return exhausted
        # Without a header that says which: not the account's while that says it has some left.
        return drawn[-1].bucket if account is not None and account.remaining > 0 else ACCOUNT.bucket

    async def _learn_bucket(self, bucket: str, limit: _Limit) -> None:
        await self._budget.learn(
            bucket, limit=limit.total, remaining=limit.remaining, reset_seconds=limit.reset_seconds
        )


def _account_limit(headers: Mapping[str, str]) -> _Limit | None:
    total = number(headers.get("ratelimit-limit") or headers.get("x-rate-limit"))
    remaining = number(headers.get("ratelimit-remaining") or headers.get("x-rate-limit-remaining"))
    if total is None or remaining is None:
        return None
    reset = number(headers.get("ratelimit-reset"))
    return _Limit(int(total), int(remaining), ACCOUNT.period_seconds if reset is None else reset)


def _endpoint_limit(value: str) -> _Limit | None:
    totals = {name: int(digits) for name, digits in _TOTALS.findall(value)}
    if "total" not in totals or "remaining" not in totals:
        return None
    return _Limit(totals["total"], totals["remaining"], float(totals.get("resets", ACCOUNT.period_seconds)))


def _bucket(endpoint: str, drawn: Sequence[Draw]) -> str:
    """Our bucket for an endpoint limit's name. Spellings vary (fact sheet Zendesk 7.3)."""
    endpoint = endpoint.lower()
    if "per-ticket" in endpoint:
        return next((draw.bucket for draw in drawn if draw.bucket.startswith("ticket:")), endpoint)
    return INCREMENTAL.bucket if endpoint.startswith("incremental") else endpoint
