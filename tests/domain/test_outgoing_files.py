"""In which form does a file go, whatever it says of itself?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.outgoing_files import (
    LIMITS,
    MEGABYTE,
    NAME_UNITS,
    Conversion,
    Inspection,
    MediaKind,
    Way,
    safe_name,
    takes_caption,
)
from bridge.domain.text import utf16_length
from tests import files


def forms_of(content: bytes, *, name: str = "", mime_type: str = "", padding: int = 0) -> list[tuple[str, str, str]]:
    """(way, kind, MIME type) of each form. `padding`: bytes that follow."""
    inspection = Inspection()
    for start in range(0, len(content), 7):
        inspection.feed(content[start : start + 7])
    inspection.feed(b"\0" * padding)
    return [(form.way, form.kind or "", form.mime_type) for form in inspection.forms(name=name, mime_type=mime_type)]


LINK = (Way.LINK, "", "")
AS_PICTURE = (Way.CONVERTED, MediaKind.IMAGE, "image/jpeg")
AS_VOICE = (Way.CONVERTED, MediaKind.AUDIO, "audio/ogg")
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest.mark.parametrize(
    ("content", "name", "mime_type", "forms"),
    [
        (files.picture("JPEG"), "a.png", "image/png", [("as_is", "image", "image/jpeg"), AS_PICTURE]),
        (files.picture("PNG"), "a.png", "image/png", [("as_is", "image", "image/png"), AS_PICTURE]),
        (files.picture("PNG", mode="P"), "a.png", "image/png", [AS_PICTURE]),
        (files.picture("PNG", mode="I;16"), "a.png", "image/png", [AS_PICTURE]),
        (files.picture("GIF", mode="P"), "a.jpg", "image/jpeg", [AS_PICTURE]),
        (files.picture("WEBP"), "a.webp", "", [AS_PICTURE]),
        (files.picture("BMP"), "a.bmp", "", [AS_PICTURE]),
        (files.picture("HEIF"), "a.heic", "", [AS_PICTURE]),
        (files.MP4, "a.mp4", "video/mp4", [("as_is", "video", "video/mp4")]),
        (files.H265, "a.mp4", "video/mp4", []),
        (b"\0\0\0\x14ftypqt  ", "a.mov", "video/quicktime", []),
        (files.MP3, "a.mp3", "audio/mpeg", [("as_is", "audio", "audio/mpeg"), AS_VOICE]),
        (files.OPUS, "a.ogg", "audio/ogg; codecs=opus", [("as_is", "audio", "audio/ogg"), AS_VOICE]),
        (files.OPUS.replace(b"OpusHead\x01\x01", b"OpusHead\x01\x02"), "a.ogg", "audio/ogg", [AS_VOICE]),
        (files.sound(), "a.wav", "audio/wav", [AS_VOICE]),
        (b"\x1a\x45\xdf\xa3", "a.webm", "audio/webm", [AS_VOICE]),
        (b"\x1a\x45\xdf\xa3", "a.webm", "video/webm", []),
        (files.PDF, "photo.jpg", "image/jpeg", [("as_is", "document", "application/pdf")]),
        (files.DOCX, "a.bin", "", [("as_is", "document", WORD)]),
        (files.ZIP, "a.docx", WORD, []),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.xls", "", [("as_is", "document", "application/vnd.ms-excel")]),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.msi", "", []),
        (b"plain", "a.txt", "text/plain", [("as_is", "document", "text/plain")]),
        (b"a,b\n", "a.csv", "text/csv", [("document", "document", "text/plain")]),
        ("naïve".encode()[:4], "a.txt", "text/plain", [("as_is", "document", "text/plain")]),
        (b"\xff\xfet\0", "a.txt", "text/plain", []),
        (b"MZ\x90\0", "a.pdf", "application/pdf", []),
        (b"", "a.pdf", "application/pdf", []),
    ],
)
def test_file_goes_as_what_it_is_and_as_a_link_at_last(
    content: bytes, name: str, mime_type: str, forms: list[tuple[str, str, str]]
) -> None:
    assert forms_of(content, name=name, mime_type=mime_type) == [*forms, LINK]


def test_file_beyond_a_limit_is_converted_or_goes_as_a_link() -> None:
    assert forms_of(files.picture("JPEG"), padding=5 * MEGABYTE) == [AS_PICTURE, LINK]
    assert forms_of(files.picture("JPEG"), padding=41 * MEGABYTE) == [LINK]
    assert forms_of(files.MP3, padding=16 * MEGABYTE) == [AS_VOICE, LINK]
    assert forms_of(files.MP4, padding=16 * MEGABYTE) == [LINK]


@given(st.binary(max_size=300), st.text(max_size=20), st.text(max_size=20))
def test_nothing_is_sent_beyond_its_limit_or_without_a_way_out(content: bytes, name: str, mime_type: str) -> None:
    inspection = Inspection()
    inspection.feed(content)
    forms = inspection.forms(name=name, mime_type=mime_type)
    assert forms[-1].way is Way.LINK
    for form in forms[:-1]:
        assert form.kind is not None
        assert (form.way is Way.CONVERTED) == (form.conversion is not None)
        assert form.conversion is not None or inspection.size_bytes <= LIMITS[form.kind]
        assert not form.voice or form.mime_type == "audio/ogg"
        assert form.conversion is not Conversion.VOICE or form.voice


@pytest.mark.parametrize(
    ("name", "mime_type", "safe"),
    [
        ("offer.pdf", "", "offer.pdf"),
        ("../../etc/passwd", "", "passwd"),
        ("C:\\Users\\bia\\offer.pdf", "", "offer.pdf"),
        ("invoice\u202efdp.exe", "", "invoicefdp.exe"),
        ("a\x07b\nc.txt", "", "abc.txt"),
        ("", "image/jpeg", "file.jpg"),
        ("...", "application/pdf", "file.pdf"),
        ("no extension", "application/pdf", "no extension.pdf"),
        ("Résumé – João.pdf", "", "Résumé – João.pdf"),
        ("חשבונית.pdf", "", "חשבונית.pdf"),
    ],
)
def test_name_can_be_shown_and_saved_anywhere(name: str, mime_type: str, safe: str) -> None:
    assert str(safe_name(name, mime_type=mime_type)) == safe


@given(st.text(st.characters(exclude_categories=[])))
def test_any_name_is_safe(name: str) -> None:
    safe = str(safe_name(name))
    safe.encode()
    assert safe
    assert not set(safe) & set("/\\\0\n\u202e")
    assert utf16_length(safe) <= NAME_UNITS + 11


def test_sounds_carry_no_text() -> None:
    assert takes_caption(name="a.jpg", mime_type="image/jpeg")
    assert not takes_caption(name="a.bin", mime_type="audio/mpeg")
    assert not takes_caption(name="A.OGG", mime_type="")
