"""What do we know after a call that failed? Against real sockets: httpx's classes do not tell."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import respx

from connectors.client import call, remote_client
from connectors.errors import OutcomeUnknown, RemoteFailure, RetryLater

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SECRET_PATH = "/api/v2/canary-4711"
SECRET_BODY = b'{"text":"canary-4711"}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def read_request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    if length:
        await reader.readexactly(int(length[1]))


@asynccontextmanager
async def serving(behaviour: Behaviour) -> AsyncIterator[str]:
    """A server that treats every connection like this. Ends with its connections."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await behaviour(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def reads_then_closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)


async def reads_then_resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def stays_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    await asyncio.Event().wait()


async def answers_half_a_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a"')
    await writer.drain()


async def answers_then_falls_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a"')
    await writer.drain()
    await asyncio.Event().wait()


async def speaks_no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"canary-4711\r\n\r\n")
    await writer.drain()


async def answers_broken_gzip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd")
    await writer.drain()


AFTER_BYTES_LEFT = [
    reads_then_closes,
    reads_then_resets,
    stays_silent,
    answers_half_a_body,
    answers_then_falls_silent,
    speaks_no_http,
    answers_broken_gzip,
]


async def failure_of(url: str, *, method: str, safe: bool, timeout_seconds: float = 0.5) -> RemoteFailure:
    async with remote_client(url, timeout_seconds=timeout_seconds) as client:
        with pytest.raises(RemoteFailure) as raised:
            await call(client, method, SECRET_PATH, safe=safe, content=SECRET_BODY)
    return raised.value


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("behaviour", AFTER_BYTES_LEFT)
async def test_write_without_verdict_is_unknown(behaviour: Behaviour, method: str) -> None:
    async with serving(behaviour) as url:
        assert isinstance(await failure_of(url, method=method, safe=False), OutcomeUnknown)


@pytest.mark.parametrize("behaviour", AFTER_BYTES_LEFT)
async def test_read_without_answer_is_retried(behaviour: Behaviour) -> None:
    async with serving(behaviour) as url:
        assert isinstance(await failure_of(url, method="GET", safe=True), RetryLater)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "http://no-such-host.invalid", "ftp://127.0.0.1"])
@pytest.mark.parametrize("safe", [True, False])
async def test_call_that_never_left_is_retried(url: str, safe: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        failure = await failure_of(url.format(port=taken.getsockname()[1]), method="POST", safe=safe, timeout_seconds=5)
    assert isinstance(failure, RetryLater)
    assert failure.code == "connect_failed"


async def test_waiting_for_a_free_connection_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.client.MAX_CONNECTIONS", 1)
    async with serving(stays_silent) as url, remote_client(url, timeout_seconds=0.6) as client:
        failures = await asyncio.gather(
            *(call(client, "POST", "/", safe=False, content=b"x") for _ in range(2)), return_exceptions=True
        )
    assert {type(failure) for failure in failures} == {OutcomeUnknown, RetryLater}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
async def test_write_on_a_kept_connection_that_is_cut_is_not_sent_again_by_the_transport(method: str) -> None:
    requests = 0

    async def answers_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1
        writer.write(OK)
        await writer.drain()
        await read_request(reader)
        requests += 1

    async with serving(answers_once) as url, remote_client(url, timeout_seconds=5) as client:
        await call(client, method, "/", safe=False, content=b"x")
        with pytest.raises(OutcomeUnknown):
            await call(client, method, "/", safe=False, content=b"x")
    assert requests == 2


async def test_trickling_answer_ends_within_the_timeout() -> None:
    async def trickles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(trickles) as url:
        failure = await failure_of(url, method="POST", safe=False, timeout_seconds=0.3)
    assert isinstance(failure, OutcomeUnknown)
    assert failure.code == "timed_out"


@pytest.mark.parametrize("behaviour", AFTER_BYTES_LEFT)
async def test_failure_tells_nothing_of_url_or_body(behaviour: Behaviour) -> None:
    async with serving(behaviour) as url:
        failure = await failure_of(url, method="POST", safe=False)
    assert "canary" not in f"{failure!r}"
    assert failure.__cause__ is None
    assert failure.__context__ is None


async def test_url_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await writer.drain()

    caplog.set_level("INFO")
    async with serving(answers) as url, remote_client(url, timeout_seconds=5) as client:
        answer = await call(client, "GET", SECRET_PATH, safe=True)
    assert answer.text == "ok"
    assert "canary" not in caplog.text


async def test_redirects_are_not_followed_and_cookies_not_kept() -> None:
    seen: list[bytes] = []

    async def redirects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(
                b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
            )
            await writer.drain()

    async with serving(redirects) as url, remote_client(url, timeout_seconds=5) as client:
        for _ in range(2):
            assert (await call(client, "GET", "/here", safe=True)).status_code == 302
    assert len(seen) == 2
    assert b"cookie" not in seen[1].lower()


async def test_respx_intercepts_in_the_form_that_we_use() -> None:
    async with remote_client("http://127.0.0.1:9", timeout_seconds=1) as client:
        with respx.mock(using="httpx") as router:
            router.get("http://127.0.0.1:9/x").respond(204)
            assert (await call(client, "GET", "/x", safe=True)).status_code == 204
            router.post("http://127.0.0.1:9/x").mock(side_effect=httpx.ReadTimeout)
            with pytest.raises(OutcomeUnknown):
                await call(client, "POST", "/x", safe=False)
