"""Is everybody told everything, in each language, with nothing left out and nothing made up?"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from gettext import GNUTranslations
from inspect import signature
from typing import Any, get_type_hints

import pytest

from bridge.domain import notes
from bridge.domain.commands import parse_command
from bridge.domain.customer_service_window import CustomerServiceWindow
from bridge.domain.model import DeliveryFailure, MessageStatus
from bridge.domain.notes import Delivery
from bridge.domain.speech import ENGLISH, LANGUAGES, Note, Speech, language_of
from bridge.runtime.languages import Languages, load_catalogue, speech_of
from bridge.whatsapp import failures
from templates_registry.sending_rules import Consent
from tests.messages import error_page
from tests.messages.catalogues import (
    TRANSLATED,
    compiled,
    compiled_of,
    forms,
    load,
    places,
    sentences_of_the_code,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SAID = "Olá {name}, /wa é \u05e9\u05dc\u05d5\u05dd"
OPEN, CLOSED = CustomerServiceWindow(NOW - 23 * HOUR), CustomerServiceWindow(NOW - 30 * HOUR)
WINDOWS = (OPEN, CLOSED, CustomerServiceWindow(None), CustomerServiceWindow(NOW - HOUR, NOW))
COMMAND = re.compile(r"/wa(?: [a-z-]+)*|deskbridge [a-z-]+(?: [a-z]+)?|[A-Z]+_[A-Z_]+")
"""What a reader types or looks for, which no translation may change."""


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_sentence_is_translated_and_none_is_left_over(language: str) -> None:
    catalogue = load(language)
    said = {message.id for message in catalogue if message.id}
    assert {id_ if isinstance(id_, str) else tuple(id_) for id_ in said} == sentences_of_the_code(), (
        "run `python -m tests.messages` and translate what is new"
    )
    untold = [message.id for message in catalogue if message.id and (message.fuzzy or not all(forms(message)))]
    assert untold == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_have_the_same_places_and_name_the_same_commands(language: str) -> None:
    for message in load(language):
        if not message.id:
            continue
        *_, sentence = (message.id,) if isinstance(message.id, str) else message.id
        # A form for one, or for two, may do without the number; none may lose anything else.
        number = set() if isinstance(message.id, str) else {"count"}
        for form in forms(message):
            assert {*places(form), *number} == {*places(sentence), *number}, sentence
            assert form.count("\n") == sentence.count("\n"), sentence
            for command in ("/wa hold cancel", "/wa resend", "/wa opt-in", "deskbridge events list"):
                assert form.count(command) == sentence.count(command), sentence
            named = {word for word in COMMAND.findall(sentence) if word.isupper()}
            assert named <= set(COMMAND.findall(form)), sentence


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    assert compiled_of(language).read_bytes() == compiled(load(language)), "run `python -m tests.messages`"
    assert isinstance(load_catalogue(language), GNUTranslations)


FAILURES = [failures.explain(code) for code in (*failures.FAILURES, None)] + [failures.explain(999_999, SAID)]
DELIVERIES = [Delivery(SAID, status, NOW, "done") for status in MessageStatus] + [
    Delivery(SAID, MessageStatus.QUEUED, NOW, state) for state in ("held", "failed", "unconfirmed", "no such state")
]
SAMPLES: Mapping[object, Sequence[object]] = {
    str: (SAID, failures.FAILURES[190].admin, "", "empty"),
    int: (0, 1, 2, 5, 11, 100),
    bool: (True, False),
    str | None: (SAID, None),
    datetime: (NOW,),
    datetime | None: (NOW, None),
    timedelta: (72 * HOUR,),
    CustomerServiceWindow: WINDOWS,
    DeliveryFailure: FAILURES,
    Consent: tuple(Consent),
    Note: (notes.limits_none(),),
    Sequence[str]: ([SAID], [SAID] * 2, [SAID] * 5, [SAID] * 11),
    Sequence[Note]: ([], [notes.limits_none(), notes.limits_stopped(code="190", action=SAID)]),
    Sequence[Delivery]: (DELIVERIES, []),
}
"""What a note of that type may be told about; a new type wants its own."""


def kinds_of_notes() -> list[Any]:
    return [made.__wrapped__ for made in vars(notes).values() if hasattr(made, "__wrapped__")]


def every_note() -> Iterator[Note]:
    """Each note that there is, in each of its shapes: one of its arguments at a time is another."""
    for write in kinds_of_notes():
        hints = get_type_hints(write)
        names = [name for name in signature(write).parameters if hints[name] is not Speech]
        usual = {name: SAMPLES[hints[name]][0] for name in names}
        for name in names:
            for sample in SAMPLES[hints[name]]:
                yield Note(write, (), tuple({**usual, name: sample}.items()))
        if not names:
            yield Note(write, (), ())


def test_notes_are_looked_at() -> None:
    assert len(kinds_of_notes()) > 25
    assert len(list(every_note())) > 400


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_note_can_be_worded_and_none_is_taken_for_a_command(language: str) -> None:
    speech = speech_of(language)
    for note in every_note():
        told = note.told(speech)
        assert parse_command(told) is None
        assert told.strip()
        if language != ENGLISH:
            assert told != note.told(speech_of(ENGLISH))


@pytest.mark.parametrize("language", ["ar", "he"])
def test_what_is_quoted_does_not_turn_the_words_around_it(language: str) -> None:
    told = notes.not_confirmed("hello").told(speech_of(language))
    assert "\u2068“hello”\u2069" in told


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("pt-BR", "pt"),
        ("es_419", "es"),
        ("iw", "he"),
        ("EN-us", "en"),
        ("pl", "pl"),
        ("de", None),
        ("", None),
        (None, None),
    ],
)
def test_locale_of_a_helpdesk_is_one_of_our_languages_or_none(locale: str | None, language: str | None) -> None:
    assert language_of(locale) == language


def test_reader_whose_language_is_not_known_is_told_in_the_default() -> None:
    languages = Languages("pl")
    assert languages.speech(None).language == languages.speech("de-DE").language == "pl"
    assert languages.speech("ar-EG").language == "ar"


def test_page_of_error_codes_says_what_the_table_says() -> None:
    assert error_page.PAGE.read_text("utf-8") == error_page.page(), "run `python -m tests.messages`"
