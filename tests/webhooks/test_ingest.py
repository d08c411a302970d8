"""Meta's path: what is answered, when, and what is in the inbox by then."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.domain.inbox_item import InboxKind
from tests.webhooks.edge import (
    APP_SECRET,
    OLD_APP_SECRET,
    Edge,
    entry,
    envelope,
    make_edge,
    message,
    messages_change,
    signed,
    status,
    unreachable,
)
from webhooks.asgi import MAX_BODY_BYTES

ONE_MESSAGE = envelope(entry(messages_change(messages=[message()])))


def padded(size_bytes: int) -> bytes:
    """A valid envelope of exactly that size."""
    return ONE_MESSAGE + b" " * (size_bytes - len(ONE_MESSAGE))


async def test_handshake_echoes_the_bare_challenge_as_plain_text(edge: Edge) -> None:
    query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=our-secret-string"
    answer = await edge.client.get(f"/webhooks/whatsapp?{query}")
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_handshake_with_another_token_is_forbidden_and_echoes_nothing(edge: Edge) -> None:
    query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=wrong"
    answer = await edge.client.get(f"/webhooks/whatsapp?{query}")
    assert answer.status_code == 403
    assert "1158201444" not in answer.text
    assert edge.counted("whatsapp", "handshake_refused") == 1


async def test_signed_events_are_kept_and_the_bell_is_rung(edge: Edge) -> None:
    body = envelope(entry(messages_change(messages=[message()], statuses=[status()])))
    answer = await edge.post(body)
    assert answer.status_code == 200
    assert [row.kind for row in edge.store.rows] == [InboxKind.MESSAGE, InboxKind.STATUS]
    assert edge.counted("whatsapp", "kept") == 1
    items = {"source": "whatsapp", "kind": "status"}
    assert edge.registry.get_sample_value("deskbridge_webhook_items_total", items) == 1
    await edge.bell.heard()


async def test_answer_comes_only_after_the_commit(edge: Edge) -> None:
    edge.store.open.clear()
    request = asyncio.create_task(edge.post(ONE_MESSAGE))
    await edge.store.called.wait()
    assert await edge.bell.stays_silent()
    assert not request.done()
    edge.store.open.set()
    assert (await request).status_code == 200
    assert len(edge.store.rows) == 1


async def test_requests_that_arrive_together_share_a_transaction(edge: Edge) -> None:
    edge.store.open.clear()
    bodies = [envelope(entry(messages_change(messages=[message(number)]))) for number in range(10)]
    requests = [asyncio.create_task(edge.post(body)) for body in bodies]
    await edge.store.called.wait()
    for _ in range(50):
        await asyncio.sleep(0)
    edge.store.open.set()
    assert {(await request).status_code for request in requests} == {200}
    assert len(edge.store.rows) == 10
    assert len(edge.store.batches) <= 2


@pytest.mark.parametrize("secret", [APP_SECRET, OLD_APP_SECRET])
async def test_old_and_new_secret_are_accepted_during_a_rotation(edge: Edge, secret: str) -> None:
    assert (await edge.post(ONE_MESSAGE, secret=secret)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature": "sha1=" + "0" * 40},
        signed(ONE_MESSAGE, secret="someone else's"),
        signed(ONE_MESSAGE[:-1]),
    ],
)
async def test_missing_or_wrong_signature_is_401_and_stores_nothing(edge: Edge, headers: dict[str, str]) -> None:
    answer = await edge.client.post("/webhooks/whatsapp", content=ONE_MESSAGE, headers=headers)
    assert answer.status_code == 401
    assert edge.store.batches == []
    assert edge.counted("whatsapp", "bad_signature") == 1


async def test_truncated_body_is_401(edge: Edge) -> None:
    answer = await edge.post(ONE_MESSAGE[:-5], headers=signed(ONE_MESSAGE))
    assert answer.status_code == 401
    assert edge.store.batches == []


async def test_sender_that_hangs_up_midway_gets_no_answer_and_leaves_nothing(edge: Edge) -> None:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": ONE_MESSAGE[:10], "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in signed(ONE_MESSAGE).items()]
    scope = {"type": "http", "method": "POST", "path": "/webhooks/whatsapp", "headers": headers, "query_string": b""}
    await edge.app(scope, receive, send)
    assert sent == []
    assert edge.store.batches == []
    assert edge.counted("whatsapp", "client_gone") == 1


async def answer_to_endless_body(edge: Edge, headers: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    """The status of the answer, and how many MiB of a body without end were taken in for it."""
    taken_count = 0
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        nonlocal taken_count
        taken_count += 1
        assert taken_count < 100, "somebody reads without end"
        return {"type": "http.request", "body": b" " * (1 << 20), "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/webhooks/whatsapp", "headers": headers, "query_string": b""}
    await edge.app(scope, receive, send)
    return sent[0]["status"], taken_count


@pytest.mark.parametrize("length", ["1000000000", "9" * 5000])
async def test_length_out_of_all_measure_is_413_and_nothing_is_read(edge: Edge, length: str) -> None:
    assert await answer_to_endless_body(edge, [(b"content-length", length.encode())]) == (413, 0)
    assert edge.counted("whatsapp", "too_large") == 1


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"5000000")], [(b"content-length", b"10")]])
async def test_body_without_end_is_413_after_a_bounded_number_of_bytes(
    edge: Edge, headers: list[tuple[bytes, bytes]]
) -> None:
    status_code, taken_count = await answer_to_endless_body(edge, headers)
    assert status_code == 413
    assert taken_count < 30


async def test_length_over_the_cap_is_413(edge: Edge) -> None:
    body = padded(MAX_BODY_BYTES + 1)
    answer = await edge.post(body)
    assert answer.status_code == 413
    assert edge.store.batches == []
    assert edge.counted("whatsapp", "too_large") == 1


async def test_body_that_grows_over_the_cap_is_413_by_counting(edge: Edge) -> None:
    body = padded(MAX_BODY_BYTES + 1)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1 << 20):
            yield body[start : start + (1 << 20)]

    answer = await edge.client.post("/webhooks/whatsapp", content=chunks(), headers=signed(body))
    assert answer.status_code == 413
    assert edge.store.batches == []


async def test_body_of_exactly_the_cap_is_kept(edge: Edge) -> None:
    assert (await edge.post(padded(MAX_BODY_BYTES))).status_code == 200
    assert len(edge.store.rows) == 1


@pytest.mark.parametrize("body", [b"hello", b"", b"\xff\xfe{", b'{"entry":[', b"[" * 100_000])
async def test_signed_body_that_is_no_json_is_400_and_kept_as_refused(edge: Edge, body: bytes) -> None:
    answer = await edge.post(body)
    assert answer.status_code == 400
    [row] = edge.store.rows
    assert (row.kind, row.body) == (InboxKind.REFUSED, body)
    assert edge.counted("whatsapp", "unreadable") == 1
    await edge.post(body)
    assert len(edge.store.rows) == 1


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"entry":null}', b'{"entry":[null]}'])
async def test_json_that_nobody_understands_is_200_and_kept(edge: Edge, body: bytes) -> None:
    assert (await edge.post(body)).status_code == 200
    assert [row.kind for row in edge.store.rows] == [InboxKind.CHANGE]


async def test_repeats_within_a_body_and_across_bodies_are_kept_once(edge: Edge) -> None:
    body = envelope(
        entry(messages_change(messages=[message(1), message(1), message(2)], statuses=[status(), status()]))
    )
    for _ in range(2):
        assert (await edge.post(body)).status_code == 200
    assert [row.event_key for row in edge.store.rows] == [
        "message:990011223344556:wamid.IN1",
        "message:990011223344556:wamid.IN2",
        "status:990011223344556:wamid.OUT1:delivered:",
    ]


@pytest.mark.parametrize("body", [ONE_MESSAGE, b"no JSON"])
async def test_what_cannot_be_committed_is_503_with_retry_after_and_kept_when_it_comes_again(
    edge: Edge, body: bytes
) -> None:
    edge.store.failure = unreachable()
    answer = await edge.post(body)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) < 60
    assert edge.store.rows == []
    assert edge.counted("whatsapp", "unavailable") == 1
    assert await edge.bell.stays_silent()
    edge.store.failure = None
    assert (await edge.post(body)).status_code == (200 if body == ONE_MESSAGE else 400)
    assert len(edge.store.rows) == 1


async def test_more_requests_than_the_queue_holds_are_503() -> None:
    edge = make_edge(queue_rows=1)
    async with edge.client:
        edge.store.open.clear()
        bodies = [envelope(entry(messages_change(messages=[message(number)]))) for number in range(3)]
        committing = asyncio.create_task(edge.post(bodies[0]))
        await edge.store.called.wait()
        waiting = asyncio.create_task(edge.post(bodies[1]))
        for _ in range(50):
            await asyncio.sleep(0)
        refused = await edge.post(bodies[2])
        edge.store.open.set()
        assert [(await task).status_code for task in (committing, waiting)] == [200, 200]
    assert refused.status_code == 503
    assert edge.counted("whatsapp", "overloaded") == 1


async def test_bell_that_hangs_or_fails_neither_delays_nor_fails_an_answer(edge: Edge) -> None:
    edge.bell.open.clear()
    for number in range(5):
        body = envelope(entry(messages_change(messages=[message(number)])))
        assert (await edge.post(body)).status_code == 200
        await edge.bell.heard()
    assert edge.bell.rung_count == 1
    edge.bell.rung.clear()
    edge.bell.failure = ConnectionError()
    edge.bell.open.set()
    await edge.bell.heard()
    assert edge.bell.rung_count == 2, "the four that came meanwhile are one ring"
    edge.bell.failure = None
    edge.bell.rung.clear()
    assert (await edge.post(envelope(entry(messages_change(messages=[message(9)]))))).status_code == 200
    await edge.bell.heard()
    assert edge.registry.get_sample_value("deskbridge_bell_failures_total") == 2


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"])
async def test_other_methods_are_405(edge: Edge, method: str) -> None:
    answer = await edge.client.request(method, "/webhooks/whatsapp")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


async def test_thousand_events_with_one_broken_are_all_kept(edge: Edge) -> None:
    messages: list[object] = [message(number) for number in range(1000)]
    messages[700] = None
    assert (await edge.post(envelope(entry(messages_change(messages=messages))))).status_code == 200
    assert len(edge.store.rows) == 1000
    assert [row.position for row in edge.store.rows if row.kind is InboxKind.CHANGE] == [700]


async def test_empty_list_of_entries_is_200_and_asks_the_store_for_nothing(edge: Edge) -> None:
    edge.store.failure = unreachable()
    assert (await edge.post(envelope())).status_code == 200
    assert edge.store.batches == []
    assert await edge.bell.stays_silent()
