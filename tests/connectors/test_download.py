"""How does a file come from a helpdesk, and where do our credentials go?"""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import respx

from connectors.client import remote_client
from connectors.download import download, is_public_host, is_same_origin
from connectors.errors import Permanent, RemoteFailure, RetryLater

BASE = "https://desk.test"
SECRET = {"Authorization": "Bearer secret"}


@pytest.fixture
def far_side() -> Iterator[respx.MockRouter]:
    with respx.mock(using="httpx") as router:
        yield router


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with remote_client(BASE, timeout_seconds=5) as made:
        yield made


def own_secret(url: httpx.URL) -> dict[str, str] | None:
    if is_same_origin(url, httpx.URL(BASE)):
        return SECRET
    return {} if is_public_host(url) else None


async def fetched(client: httpx.AsyncClient, url: str) -> bytes:
    async with download(client, url, headers_for=own_secret) as pieces:
        return b"".join([piece async for piece in pieces])


async def test_credentials_stay_with_their_own_host_when_the_file_lies_elsewhere(
    far_side: respx.MockRouter, client: httpx.AsyncClient
) -> None:
    own = far_side.get(f"{BASE}/file").respond(302, headers={"Location": "https://files.example.com/1?sig=x"})
    other = far_side.get("https://files.example.com/1?sig=x").respond(200, content=b"content")
    assert await fetched(client, f"{BASE}/file") == b"content"
    assert own.calls.last.request.headers["Authorization"] == "Bearer secret"
    assert "Authorization" not in other.calls.last.request.headers
    assert other.calls.last.request.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "target",
    [
        "http://files.example.com/1",
        "https://169.254.169.254/latest",
        "https://[::1]/1",
        "https://localhost/1",
        "file:///etc/passwd",
    ],
)
async def test_redirect_to_a_place_that_is_not_public_is_not_followed(
    far_side: respx.MockRouter, client: httpx.AsyncClient, target: str
) -> None:
    far_side.get(f"{BASE}/file").respond(302, headers={"Location": target})
    with pytest.raises(Permanent) as raised:
        await fetched(client, f"{BASE}/file")
    assert raised.value.code == "foreign_address"


@pytest.mark.parametrize(
    ("status", "meaning"), [(404, Permanent), (403, Permanent), (500, RetryLater), (503, RetryLater), (429, RetryLater)]
)
async def test_refusal_is_for_good_and_an_outage_passes(
    far_side: respx.MockRouter, client: httpx.AsyncClient, status: int, meaning: type[RemoteFailure]
) -> None:
    far_side.get(f"{BASE}/file").respond(status)
    with pytest.raises(meaning):
        await fetched(client, f"{BASE}/file")


async def test_circle_ends_and_what_is_packed_is_not_unpacked(
    far_side: respx.MockRouter, client: httpx.AsyncClient
) -> None:
    far_side.get(f"{BASE}/circle").respond(302, headers={"Location": f"{BASE}/circle"})
    far_side.get(f"{BASE}/packed").respond(200, headers={"Content-Encoding": "br"}, content=b"")
    for path, code in (("circle", "too_many_redirects"), ("packed", "encoded")):
        with pytest.raises(Permanent) as raised:
            await fetched(client, f"{BASE}/{path}")
        assert raised.value.code == code


async def test_file_that_is_cut_in_the_middle_is_fetched_again_later(
    far_side: respx.MockRouter, client: httpx.AsyncClient
) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield b"begin"
        raise httpx.ReadError("secret address")

    far_side.get(f"{BASE}/file").mock(return_value=httpx.Response(200, content=cut()))
    with pytest.raises(RetryLater) as raised:
        await fetched(client, f"{BASE}/file")
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
