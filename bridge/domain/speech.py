"""In which words is somebody told something? A note is kept as what it says, and worded in the reader's language last.

Sentences stand in the code in English and are looked up whole in a catalogue (`bridge/locale`); what a sentence quotes
goes into named places, so that a translation may order them as it likes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from gettext import NullTranslations
from typing import Any, Concatenate, ParamSpec

P = ParamSpec("P")

ENGLISH = "en"
LANGUAGES = (ENGLISH, "es", "pt", "ar", "he", "pl")
_RIGHT_TO_LEFT = frozenset(("ar", "he"))
_ISOLATE, _END_OF_ISOLATE = "\u2068", "\u2069"


def phrase(sentence: str) -> str:
    """Marks a sentence that is kept as data and said later, so that the catalogues have it."""
    return sentence


def language_of(locale: str | None) -> str | None:
    """The language of ours for a locale as helpdesks write it (`pt-BR`, `es_419`, `iw`); None where we have none."""
    language = (locale or "").replace("_", "-").partition("-")[0].casefold()
    language = "he" if language == "iw" else language
    return language if language in LANGUAGES else None


@dataclass(frozen=True, slots=True)
class Speech:
    """One language. `translations` is a gettext catalogue; without one, everything is said in English."""

    language: str = ENGLISH
    translations: NullTranslations = field(default_factory=NullTranslations, repr=False)

    def say(self, sentence: str, /, **values: object) -> str:
        """The sentence with its places filled. Without values it is said as it stands, braces and all."""
        if not sentence:
            return ""  # the empty one is a catalogue's header
        return self._filled(self.translations.gettext(sentence), values)

    def counted(self, one: str, many: str, number: int, /, **values: object) -> str:
        """The same for a sentence whose form depends on `number`, which fills the place `{count}`."""
        return self._filled(self.translations.ngettext(one, many, number), {"count": number, **values})

    def _filled(self, sentence: str, values: dict[str, object]) -> str:
        if self.language in _RIGHT_TO_LEFT:
            # What is quoted may run the other way, and must not turn the words around it.
            values = {
                name: f"{_ISOLATE}{value}{_END_OF_ISOLATE}" if isinstance(value, str) else value
                for name, value in values.items()
            }
        return sentence.format_map(values) if values else sentence


IN_ENGLISH = Speech()


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody is to be told, before it is known in which language. Equal when it says the same."""

    write: Callable[..., str] = field(repr=False)
    arguments: tuple[Any, ...] = field(repr=False)
    named: tuple[tuple[str, Any], ...] = field(repr=False)

    def told(self, speech: Speech) -> str:
        """The note in words."""
        return self.write(speech, *self.arguments, **dict(self.named))


def note(write: Callable[Concatenate[Speech, P], str]) -> Callable[P, Note]:
    """Of a function that words a note in a language, one that makes the note without it."""

    @wraps(write)
    def made(*args: P.args, **kwargs: P.kwargs) -> Note:
        return Note(write, args, tuple(sorted(kwargs.items())))

    return made
