"""Is it theirs, is it fresh, and which ticket rang?"""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import UnsignedRing
from connectors.zendesk.webhook import VerifiedBody, parse_ring, verify

PUBLISHED_SECRET = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="
VECTORS = [
    ("2021-03-25T05:09:27Z", b'{"event":"ticket.updated","id":123}', "S/RDdU2ERmj7LHDDoWJ2onPYH+t7/f2+LTM4dL7UiLM="),
    ("2026-11-20T12:00:05Z", b'{"v":1,"ticket_id":"90210"}', "bLhOQrdkglmhxxoTh0IkDdqGStFUSHW1eNKpBfxnXxw="),
]
NOW = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)
BODY = b'{"ticket_id":"90210"}'


def headers(signature: str, timestamp: str) -> dict[str, str]:
    return {"X-Zendesk-Webhook-Signature": signature, "X-Zendesk-Webhook-Signature-Timestamp": timestamp}


def signed(body: bytes, *, secret: str, timestamp: str) -> dict[str, str]:
    mac = hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).digest()
    return headers(base64.b64encode(mac).decode(), timestamp)


@pytest.mark.parametrize(("timestamp", "body", "signature"), VECTORS)
def test_published_vectors_are_theirs(timestamp: str, body: bytes, signature: str) -> None:
    now = datetime.fromisoformat(timestamp)
    assert verify(body, headers(signature, timestamp), secrets=[PUBLISHED_SECRET], now=now).raw == body


@pytest.mark.parametrize("secrets", [["new", "old"], ["old", "new"], ["old"]])
def test_any_of_several_secrets_may_match(secrets: list[str]) -> None:
    ring = signed(BODY, secret="old", timestamp="2026-11-20T12:00:05Z")
    assert verify(BODY, ring, secrets=secrets, now=NOW).raw == BODY


@pytest.mark.parametrize("secrets", [[], ["other"], [""]])
def test_no_matching_secret_is_refused(secrets: list[str]) -> None:
    ring = signed(BODY, secret="old", timestamp="2026-11-20T12:00:05Z")
    with pytest.raises(UnsignedRing) as refused:
        verify(BODY, ring, secrets=secrets, now=NOW)
    assert refused.value.code == "mismatch"


@pytest.mark.parametrize("minutes", [-15, 0, 15])
def test_quarter_of_an_hour_either_way_is_fresh(minutes: int) -> None:
    ring = signed(BODY, secret="s", timestamp="2026-11-20T12:00:05Z")
    assert verify(BODY, ring, secrets=["s"], now=NOW + timedelta(minutes=minutes)).raw == BODY


@pytest.mark.parametrize("seconds", [-901, 901])
def test_older_or_newer_is_stale(seconds: int) -> None:
    ring = signed(BODY, secret="s", timestamp="2026-11-20T12:00:05Z")
    with pytest.raises(UnsignedRing) as refused:
        verify(BODY, ring, secrets=["s"], now=NOW + timedelta(seconds=seconds))
    assert refused.value.code == "stale"


@pytest.mark.parametrize("timestamp", ["2026-11-20T12:00:05.123456789Z", "2026-11-20T13:00:05+01:00"])
def test_other_spellings_of_the_time_are_understood(timestamp: str) -> None:
    assert verify(BODY, signed(BODY, secret="s", timestamp=timestamp), secrets=["s"], now=NOW).raw == BODY


@pytest.mark.parametrize("timestamp", ["2026-11-20T12:00:05", "yesterday", "1795176005"])
def test_time_that_cannot_be_placed_is_stale(timestamp: str) -> None:
    with pytest.raises(UnsignedRing, match="stale"):
        verify(BODY, signed(BODY, secret="s", timestamp=timestamp), secrets=["s"], now=NOW)


@pytest.mark.parametrize("missing", ["X-Zendesk-Webhook-Signature", "X-Zendesk-Webhook-Signature-Timestamp"])
def test_missing_header_is_unsigned(missing: str) -> None:
    ring = signed(BODY, secret="s", timestamp="2026-11-20T12:00:05Z")
    del ring[missing]
    with pytest.raises(UnsignedRing, match="unsigned"):
        verify(BODY, ring, secrets=["s"], now=NOW)


@pytest.mark.parametrize("signature", ["", "not base64!", "AAAA", "é"])
def test_signature_that_is_none_is_refused(signature: str) -> None:
    with pytest.raises(UnsignedRing):
        verify(BODY, headers(signature, "2026-11-20T12:00:05Z"), secrets=["s"], now=NOW)


def test_other_bytes_of_the_same_meaning_are_refused() -> None:
    ring = signed(BODY, secret="s", timestamp="2026-11-20T12:00:05Z")
    with pytest.raises(UnsignedRing, match="mismatch"):
        verify(BODY + b" ", ring, secrets=["s"], now=NOW)


def test_refusal_and_body_say_nothing_of_what_they_hold() -> None:
    assert "90210" not in repr(VerifiedBody(BODY))


@pytest.mark.parametrize(
    ("payload", "ticket_id", "comment_id"),
    [
        ({"ticket_id": "90210"}, "90210", None),
        ({"ticket_id": 90210}, "90210", None),
        ({"ticket": {"id": 90210}}, "90210", None),
        ({"detail": {"id": "90210"}, "event": {"comment": {"id": "800203"}}}, "90210", "800203"),
        ({"detail": {"id": "90210"}, "event": {"current": "OPEN"}}, "90210", None),
        ({"ticket_id": "", "ticket": {"id": "7"}}, "7", None),
        ({"ticket_id": 9007199254740993}, "9007199254740993", None),
    ],
)
def test_ring_names_ticket_and_comment(payload: object, ticket_id: str, comment_id: str | None) -> None:
    ring = parse_ring(VerifiedBody(json.dumps(payload).encode()))
    assert ring is not None
    assert (ring.ticket_id, ring.comment_id) == (ticket_id, comment_id)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'"90210"',
        b"\xff",
        b'{"ticket_id":"{{ticket.id}}"}',
        b'{"ticket_id":true}',
        b'{"ticket_id":90210.0}',
        b'{"ticket_id":"../90210"}',
        b'{"ticket_id":-1}',
        b'{"ticket_id":"\xd9\xa3"}',
        b"[" * 100_000,
        b'{"ticket_id":' + b"9" * 5000 + b"}",
    ],
)
def test_body_without_a_ticket_rings_for_none(raw: bytes) -> None:
    assert parse_ring(VerifiedBody(raw)) is None


NAMES = ["ticket_id", "ticket", "detail", "event", "comment", "id"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["90210", 90210]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(NAMES), inner),
    max_leaves=20,
)


@given(JSON)
def test_whatever_is_signed_gives_plain_ids_or_nothing(payload: object) -> None:
    ring = parse_ring(VerifiedBody(json.dumps(payload).encode()))
    if ring is not None:
        assert str(int(ring.ticket_id)) == ring.ticket_id
        assert ring.comment_id is None or str(int(ring.comment_id)) == ring.comment_id


@given(st.binary())
def test_any_bytes_are_survived(raw: bytes) -> None:
    parse_ring(VerifiedBody(raw))
