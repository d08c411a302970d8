"""May this template go to this person now, in which language, and what else could instead? Pure.

Only an approved template is sent (fact sheet WhatsApp 4.5), marketing to people who agreed to it alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from templates_registry.languages import choose_language
from templates_registry.model import Category, Quality, TemplateStatus


@dataclass(frozen=True, slots=True)
class State:
    """What decides over sending. `is_supported`: we have words for all of its parts."""

    name: str
    language: str
    category: Category
    status: TemplateStatus
    quality: Quality = Quality.UNKNOWN
    is_supported: bool = True


class Refusal(StrEnum):
    """Why a template must not be sent."""

    PAUSED = "paused"
    DISABLED = "disabled"
    REJECTED = "rejected"
    IN_REVIEW = "in_review"
    GONE = "gone"
    NOT_APPROVED = "not_approved"
    UNSUPPORTED = "unsupported"
    NO_CONSENT = "no_consent"
    OPTED_OUT = "opted_out"
    NEEDS_NUMBER = "needs_number"
    NOT_IN_AMERICA = "not_in_america"


_REFUSALS = {
    TemplateStatus.PAUSED: Refusal.PAUSED,
    TemplateStatus.DISABLED: Refusal.DISABLED,
    TemplateStatus.REJECTED: Refusal.REJECTED,
    TemplateStatus.PENDING: Refusal.IN_REVIEW,
    TemplateStatus.DRAFT: Refusal.IN_REVIEW,
    TemplateStatus.IN_APPEAL: Refusal.IN_REVIEW,
    TemplateStatus.PENDING_DELETION: Refusal.GONE,
    TemplateStatus.DELETED: Refusal.GONE,
    TemplateStatus.ARCHIVED: Refusal.GONE,
}


class Consent(StrEnum):
    """What a contact said of marketing."""

    GIVEN = "given"
    NOT_ASKED = "not_asked"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom. `wa_id` None: known by BSUID alone."""

    wa_id: str | None
    consent: Consent


def refusal_of(state: State) -> Refusal | None:
    """Whether the template itself stands in the way. An unknown status counts as not sendable."""
    if state.status is not TemplateStatus.APPROVED:
        return _REFUSALS.get(state.status, Refusal.NOT_APPROVED)
    return None if state.is_supported else Refusal.UNSUPPORTED


def refusal_for(state: State, recipient: Recipient) -> Refusal | None:
    """The same, and whether this person may get it (131050, 131062; marketing needs consent given)."""
    refusal = refusal_of(state)
    if refusal is not None:
        return refusal
    if state.category is Category.AUTHENTICATION:
        return None if recipient.wa_id else Refusal.NEEDS_NUMBER
    if state.category is not Category.MARKETING:
        return None
    if recipient.consent is Consent.WITHDRAWN:
        return Refusal.OPTED_OUT
    if recipient.consent is Consent.NOT_ASKED:
        return Refusal.NO_CONSENT
    return Refusal.NOT_IN_AMERICA if is_in_united_states(recipient.wa_id) else None


_ELSEWHERE_CODES = """
    204 226 236 242 246 249 250 257 263 264 268 284 289 306 343 345 354 365 367 368 382 403 416 418 428 431 437 438 441
    450 468 473 474 506 514 519 548 579 581 584 587 604 613 639 647 649 658 664 672 683 705 709 721 742 753 758 767 778
    780 782 784 807 809 819 825 829 849 867 868 869 873 876 879 902 905 942
"""
_ELSEWHERE = frozenset(_ELSEWHERE_CODES.split())
"""Area codes of Canada and the Caribbean."""


def is_in_united_states(wa_id: str | None) -> bool:
    """Meta delivers no marketing to US numbers (fact sheet 4.5). +1 is shared with Canada and the Caribbean."""
    return wa_id is not None and wa_id.startswith("1") and len(wa_id) == 11 and wa_id[1:4] not in _ELSEWHERE


def choose(
    states: Iterable[State], *, wanted: str | None, recipient: Recipient, preferred: Sequence[str] = ()
) -> State | None:
    """Which language of one template this person gets: the best among those that may be sent; None where none may."""
    usable = {state.language: state for state in states if refusal_for(state, recipient) is None}
    language = choose_language(wanted, usable, preferred=preferred)
    return None if language is None else usable[language]


def nearest_usable(
    name: str, states: Iterable[State], *, wanted: str | None, recipient: Recipient, at_most: int = 3
) -> list[State]:
    """What else could be sent instead of `name`: its other languages first, then names with most words in common, then
    good quality. One language each, the reader's own where there is one."""
    by_name: dict[str, list[State]] = {}
    for state in states:
        by_name.setdefault(state.name, []).append(state)
    chosen = [choose(same, wanted=wanted, recipient=recipient) for same in by_name.values()]
    ranked = sorted(
        (state for state in chosen if state is not None),
        key=lambda state: (-_likeness(name, state.name), state.quality is Quality.RED, state.name),
    )
    return ranked[:at_most]


def _likeness(one: str, other: str) -> float:
    if one == other:
        return 2.0
    mine, theirs = set(one.split("_")), set(other.split("_"))
    return len(mine & theirs) / len(mine | theirs)
