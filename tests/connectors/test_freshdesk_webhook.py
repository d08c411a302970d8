"""Does it come with our secret, and which ticket rang?"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import UnsignedRing
from connectors.freshdesk.webhook import SECRET_HEADER, VerifiedBody, parse_ring, verify

BODY = b'{"ticket_id": "1207"}'


@pytest.mark.parametrize("secrets", [["new", "old"], ["old", "new"], ["old"]])
@pytest.mark.parametrize("header", [SECRET_HEADER, SECRET_HEADER.lower(), SECRET_HEADER.upper()])
def test_any_of_several_secrets_may_match(secrets: list[str], header: str) -> None:
    assert verify(BODY, {header: "old"}, secrets=secrets).raw == BODY


@pytest.mark.parametrize(
    ("headers", "secrets", "code"),
    [
        ({}, ["secret"], "unsigned"),
        ({SECRET_HEADER: ""}, [""], "unsigned"),
        ({SECRET_HEADER: "secret"}, [], "mismatch"),
        ({SECRET_HEADER: "secret"}, ["other"], "mismatch"),
        ({SECRET_HEADER: "secre"}, ["secret"], "mismatch"),
        ({SECRET_HEADER: "sécret"}, ["secret"], "mismatch"),
        ({"X-Secret": "secret"}, ["secret"], "unsigned"),
    ],
)
def test_ring_without_our_secret_is_refused(headers: dict[str, str], secrets: list[str], code: str) -> None:
    with pytest.raises(UnsignedRing) as refused:
        verify(BODY, headers, secrets=secrets)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "body",
    [
        {"ticket_id": 1207},
        {"ticket_id": "1207"},
        {"ticket_id": " 1207 "},
        {"v": 1, "ticket_id": 1207, "event": "{status:{from:4,to:2}}"},
        {"freshdesk_webhook": {"ticket_id": 1207, "ticket_status": "Open"}},
        {"freshdesk_webhook": {"ticket_id": "1207"}},
    ],
)
def test_ticket_is_named_at_the_top_or_in_the_wrapper(body: object) -> None:
    change = parse_ring(VerifiedBody(json.dumps(body).encode()))
    assert change is not None
    assert change.ticket_id == "1207"
    assert change.comment_id is None


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"[]", b"null", b'"1207"', b"{", b"[" * 5_000, b'{"ticket_id": null}', b'{"ticket_id": ""}'),
        *(b'{"ticket_id": true}', b'{"ticket_id": 0}', b'{"ticket_id": -3}', b'{"ticket_id": 1.5}'),
        *(b'{"ticket_id": "../7"}', b'{"ticket_id": {"id": 7}}', b'{"freshdesk_webhook": 7}'),
        b'{"ticket_id": ' + b"9" * 400 + b"}",
        '{"ticket_id": "١٢"}'.encode(),
    ],
)
def test_body_that_names_no_ticket_is_no_ring(raw: bytes) -> None:
    assert parse_ring(VerifiedBody(raw)) is None


@given(st.binary(max_size=200))
def test_no_body_breaks_the_parser(raw: bytes) -> None:
    parse_ring(VerifiedBody(raw))
