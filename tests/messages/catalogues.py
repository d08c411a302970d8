"""What must a catalogue have? Every sentence of the code, with the same places in it. Read from the code itself."""

import io
import string
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from bridge.domain.speech import ENGLISH, LANGUAGES
from bridge.runtime.languages import CATALOGUES, DOMAIN
from bridge.whatsapp import failures

ROOT = Path(__file__).parents[2]
PACKAGES = ("bridge", "connectors", "templates_registry", "webhooks")
KEYWORDS = {"say": None, "phrase": None, "counted": (1, 2)}
"""The methods of `Speech`, and what marks a sentence that is said later."""
TRANSLATED = tuple(language for language in LANGUAGES if language != ENGLISH)
WRITTEN_ONCE = datetime(2026, 11, 22, tzinfo=UTC)
"""Whoever runs it finds the same bytes."""
Sentence = str | tuple[str, str]


def sentences_of_the_code() -> set[Sentence]:
    """Every sentence that somebody may be told; a pair for one that depends on a number."""
    found: set[Sentence] = set(failures.sentences())
    for package in PACKAGES:
        for _, _, message, _, _ in extract_from_dir(ROOT / package, keywords=KEYWORDS):
            if isinstance(message, tuple) and all(message[:2]):
                found.add((message[0], message[1]))
            elif isinstance(message, str) and message:
                found.add(message)
    return found


def source_of(language: str) -> Path:
    return CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def compiled_of(language: str) -> Path:
    return source_of(language).with_suffix(".mo")


def load(language: str) -> Catalog:
    if not source_of(language).exists():
        return Catalog(locale=language, domain=DOMAIN)
    with source_of(language).open("rb") as source:
        return read_po(source, locale=language, domain=DOMAIN)


def compiled(catalogue: Catalog) -> bytes:
    made = io.BytesIO()
    write_mo(made, catalogue)
    return made.getvalue()


def forms(message: Message) -> list[str]:
    """What is said in the other language: one form, or one for each kind of number."""
    return list(message.string) if isinstance(message.string, list | tuple) else [message.string or ""]


def places(sentence: str) -> list[str]:
    """The named places of a sentence, as often as they occur."""
    return sorted(name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None)


def update(language: str) -> tuple[int, int]:
    """Write the catalogue anew with what the code says now. (sentences without a translation, sentences gone)."""
    known, wanted = load(language), sentences_of_the_code()
    made = Catalog(
        locale=language,
        domain=DOMAIN,
        header_comment="# What deskbridge tells people. Brought up to date by `python -m tests.messages`.",
        creation_date=WRITTEN_ONCE,
        revision_date=WRITTEN_ONCE,
        fuzzy=False,
    )
    missing = 0
    for sentence in sorted(wanted, key=lambda one: one if isinstance(one, str) else one[0]):
        former = known.get(sentence if isinstance(sentence, str) else sentence[0])
        said = former.string if former is not None and former.id == sentence else None
        made.add(sentence, said or "")
        missing += not (former and all(forms(former)))
    source_of(language).parent.mkdir(parents=True, exist_ok=True)
    with source_of(language).open("wb") as source:
        write_po(source, made, width=120, omit_header=False, sort_output=False)
    compiled_of(language).write_bytes(compiled(load(language)))
    return missing, len({message.id for message in known if message.id} - wanted)
