"""How does a call leave this process, and what do we know when it fails?

The one rule: a write is `RetryLater` only when it is certain that nothing was sent. httpx-aiohttp reports a POST that
was read and then cut as `ConnectTimeout`, the class of a refused connection as well, so the verdict is read from
`__cause__`, never from httpx's class.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from connectors.errors import OutcomeUnknown, RemoteFailure, RetryLater

MAX_CONNECTIONS = 128
KEEPALIVE_SECONDS = 15.0
CONNECT_SECONDS = 5.0

_NOTHING_SENT_AIOHTTP = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)
_NOTHING_SENT_HTTPX = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


@dataclass(frozen=True, slots=True)
class Streamed:
    """A body that is read while it is sent. `open` begins anew each time: a call may be made twice."""

    open: Callable[[], AsyncIterator[bytes]]
    content_type: str
    size_bytes: int
    total_seconds: float


def remote_client(
    base_url: str, *, timeout_seconds: float, headers: Mapping[str, str] | None = None
) -> httpx.AsyncClient:
    """A client for one far side. Make and close it inside one event loop.

    `timeout_seconds` bounds every phase, and with `call` the whole of a request. No redirects, no cookies, no proxy
    from the environment, no hidden retries. httpx's own log lines, which hold URLs, are silenced.
    """
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    tls = httpx.create_ssl_context()
    return httpx.AsyncClient(
        base_url=base_url,
        headers=headers,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        # aiohttp counts waiting for a free connection and connecting as one ("pool"): both end before the whole does,
        # so they are told apart.
        timeout=httpx.Timeout(
            timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds / 2), pool=timeout_seconds / 2
        ),
        transport=AiohttpTransport(verify=tls, client=lambda: _session(tls)),
    )


async def call(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    safe: bool,
    total_seconds: float | None = None,
    **request: Any,
) -> httpx.Response:
    """One request, whole answer read, any status. Ends within the client's timeout, or within `total_seconds` where a
    body takes its time.

    `safe`: repeating it is harmless. Raises `RetryLater` when it is safe or nothing was sent, else `OutcomeUnknown`.
    """
    if total_seconds is not None:
        # The wait for the answer is counted from before the body is written.
        connect, pool = client.timeout.connect, client.timeout.pool
        request["timeout"] = httpx.Timeout(total_seconds, connect=connect, pool=pool)
    try:
        async with asyncio.timeout(total_seconds or client.timeout.read):
            return await client.request(method, url, **request)
    except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as exc:
        failure = _fault(exc, safe=safe)
    # Raised out here: the vendor's exception holds URL and bytes of the answer, and must not be chained into a
    # traceback.
    raise failure


@contextlib.asynccontextmanager
async def stream(
    client: httpx.AsyncClient, method: str, url: str, **request: Any
) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[bytes]]]:
    """A request whose answer is read in pieces, as they come, each within the client's timeout. Repeating it must be
    harmless. Raises `RetryLater`, also from the pieces."""
    async with contextlib.AsyncExitStack() as stack:
        failure: RemoteFailure | None = None
        response = None
        try:
            response = await stack.enter_async_context(client.stream(method, url, **request))
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as exc:
            failure = _fault(exc, safe=True)
        if failure is not None or response is None:
            raise failure or RetryLater("cut")
        yield response, _pieces(response)


async def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    failure: RemoteFailure | None = None
    try:
        async for piece in response.aiter_bytes():
            yield piece
    except (httpx.HTTPError, aiohttp.ClientError, OSError) as exc:
        failure = _fault(exc, safe=True)
    if failure is not None:
        raise failure


def _session(tls: ssl.SSLContext) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEPALIVE_SECONDS, ssl=tls)
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
    # aiohttp sends a PUT or DELETE again by itself when a kept connection is cut after it was read: two comments.
    session._retry_connection = False
    return session


def _fault(exc: BaseException, *, safe: bool) -> RemoteFailure:
    nothing_sent = _nothing_sent(exc)
    if nothing_sent:
        code = "connect_failed"
    elif isinstance(exc, httpx.TimeoutException | TimeoutError) and not isinstance(exc, httpx.ConnectTimeout):
        code = "timed_out"
    else:
        code = "cut"
    return RetryLater(code) if safe or nothing_sent else OutcomeUnknown(code)


def _nothing_sent(exc: BaseException) -> bool:
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, aiohttp.ClientError):
            return isinstance(cause, _NOTHING_SENT_AIOHTTP)
        cause = cause.__cause__
    return isinstance(exc, _NOTHING_SENT_HTTPX)
