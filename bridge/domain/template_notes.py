"""What agents are told of templates: what the customer got, what is missing, why not and what could go instead.

Each function words one note in a language, like those of `notes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.domain.speech import Speech, note, phrase
from bridge.domain.template_command import quoted
from templates_registry.sending_rules import Refusal
from templates_registry.slots import Slot

_WHY = {
    Refusal.PAUSED: phrase("WhatsApp has paused it, because customers did not like it."),
    Refusal.DISABLED: phrase("WhatsApp has switched it off for good."),
    Refusal.REJECTED: phrase("WhatsApp's review rejected it."),
    Refusal.IN_REVIEW: phrase("WhatsApp is still reviewing it."),
    Refusal.GONE: phrase("It was deleted or archived."),
    Refusal.NOT_APPROVED: phrase("WhatsApp does not allow it at present."),
    Refusal.UNSUPPORTED: phrase("It has parts that cannot be sent from here."),
    Refusal.NO_CONSENT: phrase(
        "It is a marketing message, and the customer has not agreed to those. If they did, put it on record first: "
        "/wa opt-in and how you know"
    ),
    Refusal.OPTED_OUT: phrase("It is a marketing message, and the customer does not want those."),
    Refusal.NEEDS_NUMBER: phrase("It needs the customer's phone number, which WhatsApp hides."),
    Refusal.NOT_IN_AMERICA: phrase(
        "It is a marketing message; WhatsApp delivers none to numbers of the United States."
    ),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A template that could go instead."""

    name: str
    language: str
    required: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        return " ".join(("/wa template", self.name, f"lang={self.language}", *(f"{key}=…" for key in self.required)))


def _offers(speech: Speech, offers: Sequence[Offer]) -> str:
    if not offers:
        return speech.say("No other template could be sent to this customer now.")
    return "\n".join((speech.say("These could be sent instead:"), *(offer.command for offer in offers)))


@note
def sent(speech: Speech, *, name: str, language: str, shown: str, flattened: Sequence[str]) -> str:
    lines = [
        speech.say(
            "WhatsApp template {name} ({language}) goes to the customer, who sees:", name=name, language=language
        )
    ]
    lines.append(shown)
    if flattened:
        lines.append(
            speech.say(
                "(Line breaks, tabs and long gaps in {keys} became spaces: WhatsApp allows none in a value.)",
                keys=", ".join(flattened),
            )
        )
    return "\n".join(lines)


@note
def held_for_quality(speech: Speech, *, name: str) -> str:
    return speech.say(
        "WhatsApp holds the template {name} back while it assesses its quality; mostly it lets it go within the hour. "
        "If it does not, you are told here.",
        name=name,
    )


@note
def unreadable(speech: Speech, *, unread: Sequence[str], open_quote: bool) -> str:
    first = (
        speech.say("Nothing was sent: a quotation mark was never closed.")
        if open_quote
        else speech.say("Nothing was sent: this could not be read: {words}", words=" ".join(unread))
    )
    return f"{first}\n{_usage(speech)}"


def _usage(speech: Speech) -> str:
    return speech.say(
        'Write it like this: /wa template order_update lang=en_US 1=Ines 2="two words" (or first_name=Ines where the '
        "variables have names)"
    )


@note
def which(speech: Speech, *, offers: Sequence[Offer]) -> str:
    return f"{speech.say('Nothing was sent: which template?')}\n{_usage(speech)}\n{_offers(speech, offers)}"


@note
def unknown(speech: Speech, *, name: str, similar: str | None, offers: Sequence[Offer]) -> str:
    first = (
        speech.say("Nothing was sent: there is no template {name}. Did you mean {similar}?", name=name, similar=similar)
        if similar
        else speech.say("Nothing was sent: there is no template {name}.", name=name)
    )
    return f"{first}\n{_offers(speech, offers)}"


@note
def no_language(speech: Speech, *, name: str, language: str, available: Sequence[str]) -> str:
    return speech.say(
        "Nothing was sent: the template {name} is not there in {language}. It is there in: {available}",
        name=name,
        language=language,
        available=", ".join(available),
    )


@note
def refused(speech: Speech, *, name: str, language: str, refusal: Refusal, detail: str, offers: Sequence[Offer]) -> str:
    first = speech.say("The template {name} ({language}) was not sent.", name=name, language=language)
    why = speech.say(_WHY[refusal])
    told = [speech.say("WhatsApp says: {words}", words=detail)] if detail else []
    return "\n".join((first, why, *told, _offers(speech, offers)))


@note
def changed_meanwhile(speech: Speech, *, name: str) -> str:
    return speech.say(
        "The template {name} was not sent: it was changed while it waited, so the values may not fit any more. Send it "
        "again with /wa template {name}",
        name=name,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as it was given, to be completed."""

    name: str
    language: str
    given: tuple[tuple[str, str], ...] = field(repr=False)

    def completed(self, missing: Sequence[Slot]) -> str:
        given = (f"{key}={quoted(value)}" for key, value in self.given)
        return " ".join(
            ("/wa template", self.name, f"lang={self.language}", *given, *(f"{slot.key}=…" for slot in missing))
        )


@note
def cannot_fill(speech: Speech, *, asked: Asked, missing: Sequence[Slot], problems: Sequence[str], text: str) -> str:
    lines = [
        speech.say("The template {name} ({language}) was not sent.", name=asked.name, language=asked.language),
        *(f"– {problem}" for problem in problems),
    ]
    if missing:
        lines.append(speech.say("It needs a value for:"))
        lines += [f"– {_slot(slot)}" for slot in missing]
    lines += [speech.say("The text of the template:"), text]
    lines += [speech.say("Complete this and write it as a private note:"), asked.completed(missing)]
    return "\n".join(lines)


def _slot(slot: Slot) -> str:
    example = f" ({slot.example})" if slot.example else ""
    return f"{slot.key}: {slot.hint}{example}"
