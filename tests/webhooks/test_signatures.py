"""Fact sheet WhatsApp 1.1 and 1.2, vectors included."""

import pytest

from tests.webhooks.edge import APP_SECRET, VERIFY_TOKEN, signed
from webhooks.signatures import InvalidHandshake, InvalidSignature, verify_handshake, verify_meta

EMPTY = b'{"object":"whatsapp_business_account","entry":[]}'
ESCAPED = rb'{"t":"caf\u00e9 \ud83d\ude00 a\/b"}'
UTF8 = '{"t":"café 😀 a/b"}'.encode()
VECTORS = [
    (EMPTY, "sha256=c4a16e800296673e86bbf44c93182d5c313a83975f2d432b62e5430face26515"),
    (ESCAPED, "sha256=77aa7d03750b58348357eb16db9f46b6876ca8194926f961d375d8c680e66ed6"),
    (UTF8, "sha256=fd96adabaea4f3fc865f511de1f14d3d00ff03fe49674f69c03b62517ae69a27"),
]


@pytest.mark.parametrize(("body", "header"), VECTORS)
def test_published_vector_is_accepted_and_the_bytes_come_back_untouched(body: bytes, header: str) -> None:
    assert verify_meta(body, header, [APP_SECRET]).raw == body


def test_same_text_in_other_bytes_is_another_body() -> None:
    with pytest.raises(InvalidSignature):
        verify_meta(UTF8, VECTORS[1][1], [APP_SECRET])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        VECTORS[0][1].upper(),
        VECTORS[0][1].replace("sha256", "sha1"),
        VECTORS[0][1] + "\n",
        " " + VECTORS[0][1],
        VECTORS[0][1] + "00",
        VECTORS[0][1][:-1],
        "sha256=" + "é" * 64,
        "sha256=" + "0" * 64,
    ],
)
def test_missing_malformed_or_wrong_header_is_refused(header: str | None) -> None:
    with pytest.raises(InvalidSignature):
        verify_meta(EMPTY, header, [APP_SECRET])


def test_any_of_several_secrets_may_match() -> None:
    header = signed(EMPTY, secret="second")["X-Hub-Signature-256"]
    assert verify_meta(EMPTY, header, ["first", "second", "third"]).raw == EMPTY
    with pytest.raises(InvalidSignature):
        verify_meta(EMPTY, header, ["first", "third"])


def test_empty_secret_and_no_secret_accept_nothing() -> None:
    header = signed(EMPTY, secret="")["X-Hub-Signature-256"]
    for secrets in ([], [""]):
        with pytest.raises(InvalidSignature):
            verify_meta(EMPTY, header, secrets)


def test_verified_body_keeps_its_bytes_out_of_its_repr() -> None:
    assert "café" not in repr(verify_meta(UTF8, VECTORS[2][1], [APP_SECRET]))


def test_handshake_gives_the_challenge_as_it_came() -> None:
    query = b"hub.mode=subscribe&hub.challenge=007%2Bx%20y&hub.verify_token=our-secret-string"
    assert verify_handshake(query, verify_token=VERIFY_TOKEN) == "007+x y"


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"hub.mode=subscribe&hub.challenge=1158201444",
        b"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=wrong",
        b"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=%C3%A9%00",
        b"hub.mode=unsubscribe&hub.challenge=1158201444&hub.verify_token=our-secret-string",
        b"hub.challenge=1158201444&hub.verify_token=our-secret-string",
        b"hub.mode=subscribe&hub.verify_token=our-secret-string",
        b"hub.mode=subscribe&hub.verify_token=our-secret-string&hub.challenge=" + b"1" * 1025,
        b"hub.mode=subscribe&hub.challenge=1&hub.verify_token=our-secret-string" + b"&a=1" * 100,
        b"\xff=\xff",
    ],
)
def test_handshake_that_is_not_metas_is_refused(query: bytes) -> None:
    with pytest.raises(InvalidHandshake):
        verify_handshake(query, verify_token=VERIFY_TOKEN)


def test_handshake_without_a_token_of_ours_is_refused() -> None:
    with pytest.raises(InvalidHandshake):
        verify_handshake(b"hub.mode=subscribe&hub.challenge=1&hub.verify_token=", verify_token="")
