"""Who is behind an id? One person, whichever of their ids a webhook bears, whatever came first. Pure.

A BSUID is one WhatsApp user for good; a number is theirs for a time only (fact sheet WhatsApp 8). So a BSUID decides,
numbers follow whoever used them last by WhatsApp's own time, and two contacts are one only where nothing speaks against
it: an id change that WhatsApp told, or a number that was known without any BSUID. Everything here depends on the times
that events carry and never on the order in which they come in.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

from bridge.domain.model import Bsuid, WaId


class IdKind(StrEnum):
    """What an id is. Usernames are none: they change, and only show who it may be (fact sheet WhatsApp 8.4)."""

    BSUID = "bsuid"
    PARENT_BSUID = "parent_bsuid"
    WA_ID = "wa_id"
    PHONE = "phone"
    """A number that the customer gave, which WhatsApp has not confirmed as a `wa_id`."""


NUMBERS = (IdKind.WA_ID, IdKind.PHONE)


class Evidence(StrEnum):
    """Why an id is held to be somebody's."""

    MESSAGE = "message"
    """A webhook named them together."""
    ANSWER = "answer"
    """Meta's answer to a message that we sent."""
    NUMBER_CHANGE = "number_change"
    """WhatsApp said that number or id changed."""
    TOLD = "told"
    """The customer gave the number when asked."""
    AGENT = "agent"
    """An agent said so."""


class Match(IntEnum):
    """How a known id fits one that is looked for; the best first."""

    EXACT = 0
    SAME = 1
    """Another spelling of the same number."""
    POSSIBLE = 2
    """Perhaps another spelling, perhaps somebody else's number: counts only where nobody else could be meant."""


@dataclass(frozen=True, slots=True)
class Spellings:
    """Other ways to write a number: certainly the same one, and perhaps."""

    same: tuple[str, ...] = field(default=(), repr=False)
    possible: tuple[str, ...] = field(default=(), repr=False)


_OLD_MOBILES = "6789"
"""What Brazilian mobile numbers began with before the ninth digit; other eight-digit numbers are landlines as well."""


def spellings(number: str) -> Spellings:
    """The other spellings of a number in digits (fact sheet WhatsApp 8.1). For looking up, never for dialling.

    Brazil's ninth digit and Mexico's 1 make no difference; Argentina's `54…` may be somebody's landline, and so may a
    Brazilian number that never was a mobile one without its ninth digit.
    """
    if number.startswith("55") and len(number) == 13 and number[4] == "9":
        return _either(f"{number[:4]}{number[5:]}", sure=number[5] in _OLD_MOBILES)
    if number.startswith("55") and len(number) == 12:
        return _either(f"{number[:4]}9{number[4:]}", sure=number[4] in _OLD_MOBILES)
    if number.startswith("521") and len(number) == 13:
        return _either(f"52{number[3:]}", sure=True)
    if number.startswith("52") and len(number) == 12:
        return _either(f"521{number[2:]}", sure=True)
    if number.startswith("549") and len(number) == 13:
        return _either(f"54{number[3:]}", sure=False)
    if number.startswith("54") and len(number) == 12:
        return _either(f"549{number[2:]}", sure=False)
    return Spellings()


def _either(other: str, *, sure: bool) -> Spellings:
    return Spellings(same=(other,)) if sure else Spellings(possible=(other,))


def match_of(one: str, other: str) -> Match | None:
    """How two numbers in digits fit; None when they are two."""
    if one == other:
        return Match.EXACT
    found = spellings(one)
    if other in found.same:
        return Match.SAME
    return Match.POSSIBLE if other in found.possible else None


# Whom to write to


@dataclass(frozen=True, slots=True)
class Recipient:
    """What a message is addressed to: `to` is a number in digits, `recipient` a BSUID. One of the two is set."""

    to: str | None = field(default=None, repr=False)
    recipient: str | None = field(default=None, repr=False)


def recipient_of(*, wa_id: WaId | str | None, bsuid: Bsuid | str | None) -> Recipient:
    """The number where one is known, exactly as WhatsApp spells it: writing to it also keeps it visible to us, which
    writing to the BSUID does not (fact sheet WhatsApp 8.1, 8.3); and of the two `to` would win anyway (2.1).

    Raises `ValueError` when neither is known.
    """
    if wa_id:
        return Recipient(to=wa_id)
    if bsuid:
        return Recipient(recipient=bsuid)
    raise ValueError("a message needs a wa_id or a BSUID")


# Who it is


@dataclass(frozen=True, slots=True)
class Held:
    """An id that a contact holds.

    `match`: how it fits the claim, None for the other ids of contacts that fit by one. `since` and `last`: WhatsApp's
    times of the first and the newest event that showed it. `retired_at`: WhatsApp said that it is theirs no more.
    """

    contact_id: str
    kind: IdKind
    match: Match | None
    since: datetime
    last: datetime
    retired_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        return self.retired_at is None or self.last > self.retired_at


@dataclass(frozen=True, slots=True)
class Past:
    """A number that a contact held until somebody else used it."""

    contact_id: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """The ids that one event bears, and WhatsApp's time of it."""

    at: datetime
    bsuid: str | None = field(default=None, repr=False)
    parent_bsuid: str | None = field(default=None, repr=False)
    wa_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """`contact_id` None: nobody who is known. `merge`: contacts that are the same person.

    `takes_number`: the claimed number is this contact's from now on, whoever held it; otherwise it stays where it is,
    unless nobody has it.
    """

    contact_id: str | None
    merge: tuple[str, ...] = ()
    takes_number: bool = True


def identify(claim: Claim, held: Sequence[Held], past: Sequence[Past] = ()) -> Finding:
    """Whose event is it? `held`: every id of every contact that has one which fits the claim; `past`: who held exactly
    the claimed number before."""
    by_bsuid = _owner(held, IdKind.BSUID)
    by_parent = _owner(held, IdKind.PARENT_BSUID)
    certain = by_bsuid or by_parent
    merge = (by_parent,) if by_parent is not None and by_parent != certain else ()
    number = _holder_of_number(held)
    if number is None:
        return Finding(certain or _possible_holder(claim, held), merge)
    if number.contact_id == certain:
        return Finding(certain, merge)
    if claim.bsuid is None and certain is None:
        return _by_number_alone(claim, number, past)
    if _may_be_theirs(claim, number, held):
        if certain is None:
            return Finding(number.contact_id)
        return Finding(certain, merge if number.contact_id in merge else (*merge, number.contact_id))
    return Finding(certain, merge, takes_number=is_news(claim.at, number))


def _by_number_alone(claim: Claim, number: Held, past: Sequence[Past]) -> Finding:
    """Aliases stay: an event of before the number changed hands, or was given up, is of whoever had it then."""
    if claim.at < number.since:
        earlier = next((one.contact_id for one in past if one.since <= claim.at < one.until), None)
        return Finding(earlier or number.contact_id, takes_number=False)
    if number.retired_at is not None and not number.is_live and claim.at >= number.retired_at:
        return Finding(None)
    return Finding(number.contact_id)


def _owner(held: Iterable[Held], kind: IdKind) -> str | None:
    return next((one.contact_id for one in held if one.kind is kind and one.match is Match.EXACT), None)


def _holder_of_number(held: Iterable[Held]) -> Held | None:
    """Who has the number, by the best match; of several, who was seen with it last. A `wa_id` before what was told."""
    fitting = [one for one in held if one.kind in NUMBERS and one.match in (Match.EXACT, Match.SAME)]
    return min(
        fitting,
        key=lambda one: (one.kind is IdKind.PHONE, not one.is_live, one.match, -one.last.timestamp(), one.contact_id),
        default=None,
    )


def _may_be_theirs(claim: Claim, number: Held, held: Iterable[Held]) -> bool:
    """Does nothing speak against its holder being who is meant? Another BSUID does, and a number that was given up.

    Of an event of before it was given up, the BSUIDs that they have had since then say nothing.
    """
    if not number.is_live and number.retired_at is not None:
        retired_at = number.retired_at
        then = [one for one in held if one.kind is not IdKind.BSUID or one.since < retired_at]
        return claim.at < retired_at and not has_other_bsuid(number.contact_id, then)
    return not has_other_bsuid(number.contact_id, held)


def has_other_bsuid(contact_id: str, held: Iterable[Held]) -> bool:
    """Does WhatsApp know this contact by a BSUID that is not the one in question?"""
    return any(
        one.contact_id == contact_id and one.kind is IdKind.BSUID and one.match is None and one.is_live for one in held
    )


def is_news(at: datetime, number: Held) -> bool:
    """A number belongs to whoever used it last; an event that comes in late changes nothing."""
    return at >= number.last or not number.is_live


def _possible_holder(claim: Claim, held: Iterable[Held]) -> str | None:
    """The one contact that may be meant by a doubtful spelling, if there is but one and nothing speaks against it."""
    known = list(held)
    fitting = {one.contact_id for one in known if one.kind in NUMBERS and one.match is Match.POSSIBLE and one.is_live}
    if len(fitting) != 1:
        return None
    (only,) = fitting
    return None if claim.bsuid is not None and has_other_bsuid(only, known) else only


# Ids that change


@dataclass(frozen=True, slots=True)
class IdChange:
    """WhatsApp says that somebody's ids changed: what they were before, and what they are now."""

    at: datetime
    previous_bsuid: str | None = field(default=None, repr=False)
    previous_parent_bsuid: str | None = field(default=None, repr=False)
    old_wa_id: str | None = field(default=None, repr=False)
    bsuid: str | None = field(default=None, repr=False)
    parent_bsuid: str | None = field(default=None, repr=False)
    wa_id: str | None = field(default=None, repr=False)


def follow_change(
    change: IdChange, old: Sequence[Held], new: Sequence[Held], past_of_old: Sequence[Past] = ()
) -> Finding:
    """Whose change is it, and who turns out to be the same person? `old` and `new`: as in `identify`, for the ids of
    before and of now. `takes_number` is about the new one."""
    before = _owner(old, IdKind.BSUID) or _owner(old, IdKind.PARENT_BSUID) or _old_holder(change, old, past_of_old)
    after = _owner(new, IdKind.BSUID) or _owner(new, IdKind.PARENT_BSUID)
    number = _holder_of_number(new)
    takes_number = True
    by_number = None
    if number is not None and number.contact_id not in (before, after):
        # Somebody who has written under the new number since then is them; who had it before lost it to them.
        if number.since >= change.at and not has_other_bsuid(number.contact_id, new):
            by_number = number.contact_id
        else:
            takes_number = is_news(change.at, number)
    everybody = list(dict.fromkeys(one for one in (before, after, by_number) if one is not None))
    return Finding(everybody[0] if everybody else None, tuple(everybody[1:]), takes_number)


def _old_holder(change: IdChange, old: Sequence[Held], past: Sequence[Past]) -> str | None:
    """By the old number alone, as long as nobody with another BSUID than the one of before has it."""
    number = _holder_of_number(old)
    if number is None:
        return None
    if change.at < number.since:
        earlier = next((one.contact_id for one in past if one.since <= change.at < one.until), None)
        if earlier is not None:
            return earlier
    if change.previous_bsuid is not None and has_other_bsuid(number.contact_id, old):
        return None
    return number.contact_id if change.at >= number.since or not has_other_bsuid(number.contact_id, old) else None


# Two contacts that are one


@dataclass(frozen=True, slots=True)
class Side:
    """One of two contacts that are the same person, as far as it matters which of them stays."""

    contact_id: str
    has_open_ticket: bool
    is_adopted: bool
    """Its helpdesk user was there before us."""
    has_conversation: bool


def survivor(one: Side, other: Side) -> tuple[Side, Side]:
    """(who stays, who goes into them): whose helpdesk user is not ours to give up, then whose ticket agents work on,
    then who has been written with at all, then whom we have known longer (ids grow with time)."""
    ranked = sorted(
        (one, other),
        key=lambda side: (not side.is_adopted, not side.has_open_ticket, not side.has_conversation, side.contact_id),
    )
    return ranked[0], ranked[1]


# Which helpdesk user it is


@dataclass(frozen=True, slots=True)
class UserChoice:
    """`user`: the one who is meant. `candidates`: all who may be."""

    user: str | None
    candidates: tuple[str, ...] = ()


def choose_user(certain: Sequence[str], possible: Sequence[str]) -> UserChoice:
    """A helpdesk user who alone has the number is the customer; a doubtful spelling counts where nobody has a certain
    one and it leaves a single candidate."""
    candidates = tuple(dict.fromkeys((*certain, *possible)))
    if len(certain) == 1:
        return UserChoice(certain[0], candidates)
    if not certain and len(candidates) == 1:
        return UserChoice(candidates[0], candidates)
    return UserChoice(None, candidates)
