"""A helpdesk's path: a ring is kept before it is answered."""

import json
from datetime import timedelta
from typing import Any

import pytest

from bridge.domain.inbox_item import InboxItem, InboxKind
from tests.webhooks.edge import NOW, Edge, unreachable
from webhooks.asgi import MAX_BODY_BYTES

SECRET = {"X-Secret": "ring-secret"}


async def ring(edge: Edge, payload: Any, *, headers: dict[str, str] | None = None) -> Any:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return await edge.client.post("/webhooks/plaindesk", content=body, headers=SECRET if headers is None else headers)


async def test_ring_is_kept_by_ticket_and_the_bell_is_rung(edge: Edge) -> None:
    assert (await ring(edge, {"ticket_id": "90210"})).status_code == 200
    [row] = edge.store.rows
    assert row == InboxItem(
        kind=InboxKind.RING,
        channel="plaindesk",
        event_key="ring:plaindesk:90210:",
        shard_key="ticket:90210",
        body=row.body,
        position=0,
        source="plaindesk",
    )
    assert json.loads(row.body) == {"ticket_id": "90210", "comment_id": None}
    assert edge.counted("plaindesk", "kept") == 1
    await edge.bell.heard()


async def test_ring_that_names_its_comment_is_told_from_one_that_does_not(edge: Edge) -> None:
    for payload in ({"ticket_id": "1"}, {"ticket_id": "1", "comment_id": "8"}, {"ticket_id": "1", "comment_id": "8"}):
        assert (await ring(edge, payload)).status_code == 200
    assert [row.event_key for row in edge.store.rows] == ["ring:plaindesk:1:", "ring:plaindesk:1:8"]


@pytest.mark.parametrize("headers", [{}, {"X-Secret": "wrong"}])
async def test_unsigned_ring_is_401_and_stores_nothing(edge: Edge, headers: dict[str, str]) -> None:
    assert (await ring(edge, {"ticket_id": "1"}, headers=headers)).status_code == 401
    assert edge.store.batches == []
    assert edge.counted("plaindesk", "bad_signature") == 1


async def test_reader_is_given_business_time_and_lower_case_headers(edge: Edge) -> None:
    on_time = SECRET | {"X-Sent-At": NOW.isoformat()}
    late = SECRET | {"X-Sent-At": (NOW - timedelta(minutes=16)).isoformat()}
    assert (await ring(edge, {"ticket_id": "1"}, headers=on_time)).status_code == 200
    assert (await ring(edge, {"ticket_id": "2"}, headers=late)).status_code == 401


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[]", {}, {"other": 1}])
async def test_signed_ring_without_a_ticket_is_400_and_kept_as_refused(edge: Edge, payload: Any) -> None:
    assert (await ring(edge, payload)).status_code == 400
    [row] = edge.store.rows
    assert (row.kind, row.source, row.channel) == (InboxKind.REFUSED, "plaindesk", "plaindesk")
    assert row.body == (payload if isinstance(payload, bytes) else json.dumps(payload).encode())
    assert await edge.bell.stays_silent()


@pytest.mark.parametrize("payload", [{"ticket_id": "1"}, b"no JSON"])
async def test_ring_that_cannot_be_kept_is_503_and_asks_to_be_repeated_in_30_seconds(edge: Edge, payload: Any) -> None:
    edge.store.failure = unreachable()
    answer = await ring(edge, payload)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert await edge.bell.stays_silent()
    assert edge.counted("plaindesk", "unavailable") == 1


async def test_ring_over_the_cap_is_413(edge: Edge) -> None:
    assert (await ring(edge, b" " * (MAX_BODY_BYTES + 1))).status_code == 413
    assert edge.store.batches == []


@pytest.mark.parametrize("path", ["/webhooks/otherdesk", "/webhooks/", "/webhooks/plaindesk/", "/webhooks/whatsapp/"])
async def test_helpdesk_that_is_not_configured_is_404(edge: Edge, path: str) -> None:
    assert (await edge.client.post(path, content=b"{}", headers=SECRET)).status_code == 404
    assert edge.counted("other", "unknown_helpdesk") == 1
    assert edge.store.batches == []


async def test_other_methods_are_405(edge: Edge) -> None:
    answer = await edge.client.get("/webhooks/plaindesk")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
