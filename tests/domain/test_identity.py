"""Is a customer one person, however their number is spelt and whatever WhatsApp calls them?"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.identity import (
    Claim,
    Finding,
    Held,
    IdChange,
    IdKind,
    Match,
    Past,
    Recipient,
    Side,
    follow_change,
    identify,
    match_of,
    recipient_of,
    spellings,
    survivor,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("one", "other", "match"),
    [
        ("351910000111", "351910000111", Match.EXACT),
        ("351910000111", "351910000112", None),
        # Brazil: with and without the ninth digit
        ("5511987654321", "551187654321", Match.SAME),
        ("5511967654321", "551167654321", Match.SAME),
        ("5585991234567", "558591234567", Match.SAME),
        # a landline of eight digits is no mobile number without its ninth
        ("5511932345678", "551132345678", Match.POSSIBLE),
        ("5511987654321", "551197654321", None),
        ("5511887654321", "551187654321", None),
        # Mexico: with and without the 1
        ("5215512345678", "525512345678", Match.SAME),
        ("5225512345678", "525512345678", None),
        # Argentina: a 54… may be somebody's landline
        ("5491155550000", "541155550000", Match.POSSIBLE),
        ("5492215550000", "542215550000", Match.POSSIBLE),
        ("5491155550000", "541155550001", None),
        # the same digits elsewhere mean nothing of the kind
        ("4911987654321", "491187654321", None),
        ("55119876543", "5511876543", None),
    ],
)
def test_numbers_are_one_as_far_as_their_country_spells_them_so(one: str, other: str, match: Match | None) -> None:
    assert match_of(one, other) is match
    assert match_of(other, one) is match


@given(st.from_regex(r"(55|52|521|54|549|351|1)[0-9]{5,12}", fullmatch=True))
def test_spelling_is_mutual_and_never_the_number_itself(number: str) -> None:
    found = spellings(number)
    for other in found.same + found.possible:
        assert other != number
        assert match_of(other, number) is match_of(number, other) is not None


def test_message_goes_to_the_number_as_spelt_else_to_the_bsuid() -> None:
    assert recipient_of(wa_id="551187654321", bsuid="BR.1") == Recipient(to="551187654321")
    assert recipient_of(wa_id=None, bsuid="BR.1") == Recipient(recipient="BR.1")
    with pytest.raises(ValueError, match="needs"):
        recipient_of(wa_id=None, bsuid=None)


def bsuid(contact: str, *, match: Match | None = None, last: datetime = NOW, gone: datetime | None = None) -> Held:
    return Held(contact, IdKind.BSUID, match, last - HOUR, last, gone)


def number(
    contact: str, match: Match, *, since: datetime = NOW - HOUR, last: datetime = NOW, gone: datetime | None = None
) -> Held:
    return Held(contact, IdKind.WA_ID, match, since, last, gone)


LATER, BEFORE = NOW + HOUR, NOW - 5 * HOUR
BOTH = Claim(LATER, bsuid="B", wa_id="W")
ALONE = Claim(LATER, wa_id="W")


@pytest.mark.parametrize(
    ("claim", "held", "finding"),
    [
        (BOTH, [], Finding(None)),
        (BOTH, [bsuid("p", match=Match.EXACT)], Finding("p")),
        # a number that was known without BSUID gets one
        (BOTH, [number("p", Match.EXACT)], Finding("p")),
        (BOTH, [number("p", Match.SAME)], Finding("p")),
        # the two halves of one person were met apart
        (BOTH, [bsuid("p", match=Match.EXACT), number("q", Match.EXACT)], Finding("p", ("q",))),
        (BOTH, [bsuid("p", match=Match.EXACT), number("q", Match.SAME)], Finding("p", ("q",))),
        # somebody else's by BSUID: the number changed hands
        (BOTH, [number("q", Match.EXACT), bsuid("q")], Finding(None)),
        (BOTH, [bsuid("p", match=Match.EXACT), number("q", Match.EXACT), bsuid("q")], Finding("p")),
        # the same, told late: who used it last keeps it
        (
            Claim(BEFORE, bsuid="B", wa_id="W"),
            [bsuid("p", match=Match.EXACT), number("q", Match.EXACT), bsuid("q")],
            Finding("p", takes_number=False),
        ),
        (
            Claim(BEFORE, bsuid="B", wa_id="W"),
            [number("q", Match.EXACT), bsuid("q")],
            Finding(None, takes_number=False),
        ),
        # its BSUID is a former one: nothing speaks against it
        (BOTH, [number("q", Match.EXACT), bsuid("q", gone=LATER)], Finding("q")),
        # given up: whoever comes with it now is somebody else, and what comes late is theirs
        (BOTH, [number("q", Match.EXACT, gone=NOW)], Finding(None)),
        (ALONE, [number("q", Match.EXACT, gone=NOW)], Finding(None)),
        (Claim(BEFORE, wa_id="W"), [number("q", Match.EXACT, since=BEFORE, gone=NOW)], Finding("q")),
        # given up, and used again since
        (ALONE, [number("q", Match.EXACT, gone=NOW - HOUR)], Finding("q")),
        # doubtful spellings count where but one can be meant
        (ALONE, [number("q", Match.POSSIBLE)], Finding("q")),
        (BOTH, [number("q", Match.POSSIBLE)], Finding("q")),
        (ALONE, [number("q", Match.POSSIBLE), number("r", Match.POSSIBLE)], Finding(None)),
        (BOTH, [number("q", Match.POSSIBLE), bsuid("q")], Finding(None)),
        (ALONE, [number("q", Match.EXACT), number("r", Match.POSSIBLE)], Finding("q")),
        # a parent's id leads to the same person under another BSUID
        (
            Claim(LATER, bsuid="B", parent_bsuid="P"),
            [Held("p", IdKind.PARENT_BSUID, Match.EXACT, NOW, NOW), bsuid("p")],
            Finding("p"),
        ),
        (
            Claim(LATER, bsuid="B", parent_bsuid="P"),
            [Held("p", IdKind.PARENT_BSUID, Match.EXACT, NOW, NOW), bsuid("q", match=Match.EXACT)],
            Finding("q", ("p",)),
        ),
    ],
)
def test_event_is_whose_it_is(claim: Claim, held: list[Held], finding: Finding) -> None:
    assert identify(claim, held) == finding


def test_late_event_of_a_number_that_changed_hands_is_of_whoever_had_it_then() -> None:
    held = [number("new", Match.EXACT, since=NOW), bsuid("new")]
    past = [Past("old", BEFORE - HOUR, NOW)]
    assert identify(Claim(BEFORE, wa_id="W"), held, past) == Finding("old", takes_number=False)
    assert identify(Claim(LATER, wa_id="W"), held, past) == Finding("new")


CHANGE = IdChange(NOW, previous_bsuid="B0", old_wa_id="W0", bsuid="B1", wa_id="W1")


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ([], [], Finding(None)),
        ([bsuid("p", match=Match.EXACT)], [], Finding("p")),
        ([], [bsuid("q", match=Match.EXACT)], Finding("q")),
        # the new ids wrote before WhatsApp told of them
        ([bsuid("p", match=Match.EXACT)], [bsuid("q", match=Match.EXACT)], Finding("p", ("q",))),
        ([bsuid("p", match=Match.EXACT)], [number("q", Match.EXACT, since=NOW)], Finding("p", ("q",))),
        # who had the new number before lost it to them
        ([bsuid("p", match=Match.EXACT)], [number("q", Match.EXACT, since=BEFORE), bsuid("q")], Finding("p")),
        # the old number is a stranger's by now
        ([number("r", Match.EXACT), bsuid("r")], [bsuid("q", match=Match.EXACT)], Finding("q")),
        ([number("p", Match.EXACT, since=BEFORE)], [], Finding("p")),
    ],
)
def test_change_of_ids_joins_who_was_met_by_either(old: list[Held], new: list[Held], finding: Finding) -> None:
    assert follow_change(CHANGE, old, new) == finding


def test_change_that_names_the_old_number_alone_finds_who_had_it_then() -> None:
    change = IdChange(BEFORE, old_wa_id="W0", bsuid="B1", wa_id="W1")
    held = [number("stranger", Match.EXACT, since=NOW), bsuid("stranger")]
    assert follow_change(change, held, [], [Past("p", BEFORE - HOUR, NOW)]) == Finding("p")
    assert follow_change(change, held, []) == Finding(None)


@pytest.mark.parametrize(
    ("one", "other", "stays"),
    [
        (Side("1", False, False, True), Side("2", False, True, True), "2"),
        (Side("1", False, False, True), Side("2", True, False, True), "2"),
        (Side("1", False, False, False), Side("2", False, False, True), "2"),
        (Side("1", True, False, True), Side("2", True, False, True), "1"),
    ],
)
def test_of_two_contacts_the_one_stays_that_costs_people_less(one: Side, other: Side, stays: str) -> None:
    assert survivor(one, other)[0].contact_id == survivor(other, one)[0].contact_id == stays
