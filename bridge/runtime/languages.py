"""Where do the words of each language come from? From the catalogues of `bridge/locale`, read when first needed."""

from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from bridge.domain.speech import ENGLISH, IN_ENGLISH, Speech, language_of

DOMAIN = "deskbridge"
CATALOGUES = Path(__file__).parent.parent / "locale"


@cache
def speech_of(language: str) -> Speech:
    """`language` is one of `speech.LANGUAGES`."""
    return IN_ENGLISH if language == ENGLISH else Speech(language, load_catalogue(language))


def load_catalogue(language: str) -> NullTranslations:
    """Compiled catalogues are kept beside their sources, so that an installation compiles nothing."""
    with (CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as compiled:
        return GNUTranslations(compiled)


class Languages:
    """`default`: what is spoken where a reader's language is not known, or none of ours."""

    def __init__(self, default: str) -> None:
        self._default = default

    def speech(self, locale: str | None) -> Speech:
        """For a reader whose helpdesk says `locale` of them."""
        return speech_of(language_of(locale) or self._default)
