"""How does a file come from a helpdesk? In pieces, with credentials for its own host alone, a few redirects at most."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

import httpx

from connectors.client import stream
from connectors.errors import Permanent, RetryLater

MOST_REDIRECTS = 4

HeadersFor = Callable[[httpx.URL], Mapping[str, str] | None]
"""What to send to the host of an address besides the request; None: we do not ask that host for anything."""


@contextlib.asynccontextmanager
async def download(
    client: httpx.AsyncClient, url: str, *, headers_for: HeadersFor
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The content behind `url`. What is packed is refused, so a piece is never larger than what came.

    Raises `Permanent` for what is refused or not there, `RetryLater` for what may pass, also in the middle.
    """
    async with contextlib.AsyncExitStack() as stack:
        target = client.base_url.join(url) if url.startswith("/") else _address(url)
        for _ in range(MOST_REDIRECTS + 1):
            headers = headers_for(target)
            if headers is None:
                raise Permanent("foreign_address", hint="the file is at a place that we do not ask")
            request = {"Accept": "*/*", "Accept-Encoding": "identity", **headers}
            answer, pieces = await stack.enter_async_context(stream(client, "GET", str(target), headers=request))
            if answer.is_redirect and "location" in answer.headers:
                target = target.join(answer.headers["location"])
                await stack.aclose()
                continue
            _check(answer)
            yield pieces
            return
        raise Permanent("too_many_redirects", hint="the file's address leads in circles")


def _address(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL:
        # Not chained: its text is the address, which is as good as the file.
        pass
    raise Permanent("bad_address", hint="the file's address cannot be read")


def is_same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def is_public_host(url: httpx.URL) -> bool:
    """An https address by name: never a number, which could be a machine beside us."""
    return url.scheme == "https" and "." in url.host and not url.host.replace(".", "").isdigit() and ":" not in url.host


def _check(answer: httpx.Response) -> None:
    status = answer.status_code
    if status in {408, 425, 429} or status >= 500:
        raise RetryLater(f"http_{status}")
    if status != 200:
        raise Permanent(f"http_{status}", hint="the helpdesk does not give the file out")
    if answer.headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
        raise Permanent("encoded", hint="the helpdesk gives the file out packed")
