"""What becomes of names that strangers give to files, and of what they say is in them?"""

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.file_name import ENDINGS, NAME_BYTES, in_words, is_contradicted, plain_type, safe_name

AT = datetime(2026, 11, 20, 12, 30, 5, tzinfo=UTC)
PDF = "application/pdf"


@pytest.mark.parametrize(
    ("given_name", "mime_type", "name"),
    [
        ("Fatura 7.pdf", PDF, "Fatura 7.pdf"),
        ("../../etc/passwd", "text/plain", "etc_passwd.txt"),
        ("C:\\Windows\\cmd.exe", PDF, "C_Windows_cmd.exe.pdf"),
        ("invoice\u202efdp.exe", PDF, "invoicefdp.exe.pdf"),
        ("photo.JPEG", "image/jpeg", "photo.JPEG"),
        ("a\x00b\nc.pdf", PDF, "a�b c.pdf"),
        (None, "image/jpeg", "image-20261120-123005.jpg"),
        ("...", "audio/ogg", "image-20261120-123005.ogg"),
        ("\u202e\u200b", PDF, "image-20261120-123005.pdf"),
        ("con.pdf", PDF, "_con.pdf"),
        ("archive.tar.gz", "application/x-gzip", "archive.tar.gz"),
        ("README", "application/octet-stream", "README.bin"),
        ("חשבונית.pdf", PDF, "חשבונית.pdf"),
    ],
)
def test_a_name_is_harmless_and_ends_in_what_it_is(given_name: str | None, mime_type: str, name: str) -> None:
    assert safe_name(given_name, kind="image", mime_type=mime_type, at=AT) == name


@given(st.none() | st.text(max_size=400), st.sampled_from([*ENDINGS, "application/x-odd"]))
def test_any_name_is_safe(given_name: str | None, mime_type: str) -> None:
    name = safe_name(given_name, kind="document", mime_type=mime_type, at=AT)
    assert 3 <= len(name.encode("utf-8", "replace")) <= NAME_BYTES
    assert not set(name) & set('/\\:*?"<>|\r\n\t\x00')
    assert not name.startswith((".", " ", "-"))
    assert all(unicodedata.bidirectional(char) not in {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI"} for char in name)
    assert "." in name


@pytest.mark.parametrize(
    ("claimed", "found", "lies"),
    [
        (PDF, PDF, False),
        (PDF, None, False),
        (PDF, "application/x-executable", True),
        ("image/jpeg", "application/x-executable", True),
        ("image/jpeg", "image/png", False),
        ("image/jpeg", "text/html", True),
        ("audio/mp4", "video/mp4", False),
        ("application/octet-stream", PDF, False),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/zip", False),
        ("application/json", "text/plain", False),
        ("text/csv", "text/plain", False),
    ],
)
def test_only_what_may_harm_is_called_a_lie(claimed: str, found: str | None, lies: bool) -> None:
    assert is_contradicted(claimed, found) is lies


@pytest.mark.parametrize(
    ("claimed", "plain"),
    [
        ("audio/ogg; codecs=opus", "audio/ogg"),
        (" Image/JPEG ", "image/jpeg"),
        ("", "application/octet-stream"),
        (None, "application/octet-stream"),
        ("text/html\r\nSet-Cookie: x", "application/octet-stream"),
    ],
)
def test_a_type_is_plain_or_none(claimed: str | None, plain: str) -> None:
    assert plain_type(claimed) == plain


@pytest.mark.parametrize(("size", "words"), [(7, "7 bytes"), (1500, "1.5 kB"), (73_400_000, "73 MB")])
def test_a_size_in_words(size: int, words: str) -> None:
    assert in_words(size) == words
