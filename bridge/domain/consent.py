"""What did a customer say of marketing messages? Pure: the ledger's entries, what follows from them, and their words.

It is about marketing alone: replies and service templates stay possible whatever stands here. Whether a template may go
to a person is asked of `templates_registry.sending_rules`, which takes the `Consent` that comes out here.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from templates_registry.sending_rules import Consent


class ConsentAction(StrEnum):
    OPT_IN = "opt_in"
    OPT_OUT = "opt_out"


class ConsentSource(StrEnum):
    """Who said so."""

    KEYWORD = "keyword"
    """The customer, by a message that is nothing but a word like STOP."""
    META = "meta"
    """The customer, by WhatsApp's own switch (webhook `user_preferences`, fact sheet WhatsApp 1.11)."""
    REFUSED = "refused"
    """Meta, by refusing a marketing message with 131050."""
    AGENT = "agent"
    """An agent, by a `/wa` note."""
    ADMINISTRATOR = "administrator"
    """By the API or the command line."""


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """One line of the ledger. `detail`: the customer's word, or how the consent was given."""

    action: ConsentAction
    source: ConsentSource
    at: datetime
    detail: str = field(default="", repr=False)


def consent_after(entries: Iterable[ConsentEntry]) -> Consent:
    """The newest entry counts, by its own time; of one moment, an opt-out."""
    newest = max(entries, key=lambda entry: (entry.at, entry.action is ConsentAction.OPT_OUT), default=None)
    if newest is None:
        return Consent.NOT_ASKED
    return Consent.GIVEN if newest.action is ConsentAction.OPT_IN else Consent.WITHDRAWN


# What people write who want no more of it. Words that mean something else in a talk with support ("cancel", "end",
# "no more") are left out: only a message that is nothing but one of these counts.
_OPT_OUT_WORDS = {
    "en": ("stop", "stop all", "stop promotions", "stop marketing", "unsubscribe", "opt out", "opt-out", "remove me"),
    "es": ("baja", "parar", "darse de baja", "dar de baja", "darme de baja", "no enviar más", "detener promociones"),
    "pt": ("parar", "sair", "descadastrar", "cancelar inscrição", "cancelar subscrição", "parar promoções"),
    "ar": ("توقف", "إيقاف", "أوقف", "إلغاء الاشتراك", "الغاء اشتراك", "إيقاف العروض الترويجية"),
    "he": ("בטל", "הסר", "הסרה", "הסירו אותי", "הסר אותי", "להסרה", "עצור", "הפסק", "ביטול הרשמה"),
    "pl": ("wypisz", "wypisz mnie", "rezygnuję", "anuluj subskrypcję", "koniec promocji"),
    "fr": ("arrêt", "arrêter", "désabonner", "me désabonner", "désinscription"),
    "de": ("stopp", "abmelden", "abbestellen"),
    "it": ("cancellami", "disiscrivi", "disiscrivimi"),
    "tr": ("dur", "ret", "iptal et"),
    "ru": ("стоп", "отписаться", "отписка"),
}
_OPT_IN_WORDS = {
    "en": ("start", "unstop", "subscribe", "opt in", "opt-in"),
    "es": ("alta", "darme de alta", "suscribir", "suscribirme"),
    "pt": ("inscrever", "cadastrar", "assinar"),
    "ar": ("اشتراك", "اشترك", "ابدأ"),
    "he": ("הצטרף", "הצטרפות", "הרשמה", "הרשם"),
    "pl": ("zapisz", "zapisz mnie", "subskrybuj"),
    "fr": ("m'abonner", "s'abonner", "abonner"),
    "de": ("anmelden", "abonnieren"),
    "it": ("iscrivimi", "iscriviti"),
    "tr": ("kaydol", "abone ol"),
    "ru": ("старт", "подписаться"),
}
_LONGEST_KEYWORD = 60
_NO_LETTERS = re.compile(r"[^\w\s]|_", re.UNICODE)
_MARKS = re.compile(r"[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0640]")
"""Accents, and the vowel signs and stretching of Hebrew and Arabic: written or left out at will."""
_ALEF = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ة": "ه", "ى": "ي"})


def _plain(text: str) -> str:
    """Case, accents, signs, emoji and spaces make no difference."""
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text).casefold()).translate(_ALEF)
    return " ".join(_NO_LETTERS.sub(" ", bare).split())


def _keywords(words: dict[str, tuple[str, ...]]) -> frozenset[str]:
    return frozenset(_plain(word) for language in words.values() for word in language)


_OUT, _IN = _keywords(_OPT_OUT_WORDS), _keywords(_OPT_IN_WORDS)


def spoken(text: str) -> str:
    """The customer's own words in a message as the agent reads it: without the lines in brackets in front that say how
    it came (an answer, forwarded, by an ad), and without the mark of a tapped button."""
    lines = text.strip().split("\n")
    while len(lines) > 1 and lines[0].startswith("["):
        del lines[0]
    return "\n".join(lines).removeprefix("[Tapped]").strip()


def parse_keyword(text: str) -> ConsentAction | None:
    """What a customer's whole message says of marketing, in whichever language; None when it is about anything else."""
    word = spoken(text)
    if len(word) > _LONGEST_KEYWORD:
        return None
    word = _plain(word)
    if word in _OUT:
        return ConsentAction.OPT_OUT
    return ConsentAction.OPT_IN if word in _IN else None
