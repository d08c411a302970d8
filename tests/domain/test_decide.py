"""What follows from what happened: every branch of the policy, and what must never follow."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.commands import Command
from bridge.domain.customer_service_window import CustomerServiceWindow
from bridge.domain.decide import (
    RESENDS_AFTER_REFUSAL,
    AddNote,
    AgentCommanded,
    AgentReplied,
    AskNumber,
    ClosedWindowPolicy,
    CustomerWrote,
    DeliveryRefused,
    DropHeld,
    Effect,
    Event,
    FailureMeaning,
    GiveUp,
    HoldAgain,
    PostMessage,
    ReleaseHeld,
    Resend,
    Rules,
    SendFile,
    SendText,
    TryAgain,
    TryOtherForm,
    WaitForOperator,
    decide,
)
from bridge.domain.model import DeliveryFailure
from bridge.domain.outgoing import MOST_PARTS, OutgoingFile
from bridge.domain.speech import IN_ENGLISH, Note
from bridge.domain.text import MESSAGE_LIMIT, utf16_length

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OPEN = CustomerServiceWindow(NOW - HOUR)
CLOSED = CustomerServiceWindow(NOW - 30 * HOUR)
UNKNOWN = CustomerServiceWindow(None)
REFUSED = CustomerServiceWindow(NOW - 2 * HOUR, NOW - HOUR)
NEARLY_CLOSED = CustomerServiceWindow(NOW - timedelta(hours=23, minutes=58))
SHUT = [CLOSED, UNKNOWN, REFUSED, NEARLY_CLOSED]
HOLD = Rules(ClosedWindowPolicy.HOLD, timedelta(hours=72))
REJECT = Rules(ClosedWindowPolicy.REJECT, timedelta(hours=72))
FAILURE = DeliveryFailure(131026, "The number is not on WhatsApp.", "Reach the customer another way.")

moments = st.integers(-200_000, 200_000).map(lambda seconds: NOW + timedelta(seconds=seconds))
windows = st.builds(CustomerServiceWindow, st.none() | moments, st.none() | moments)
rules = st.builds(Rules, st.sampled_from(ClosedWindowPolicy), st.just(timedelta(hours=72)))
a_file = st.just(OutgoingFile("1", "2", NOW, "3", "photo.jpg", "image/jpeg", 100))
replies = st.builds(
    AgentReplied,
    st.text(max_size=200),
    st.lists(a_file, max_size=2).map(tuple),
    unavailable_count=st.integers(0, 3),
    name=st.sampled_from(["", "Bia"]),
)
refusals = st.builds(
    DeliveryRefused,
    text=st.text(max_size=50),
    sent_at=moments,
    refusals=st.integers(0, 6),
    meaning=st.sampled_from(FailureMeaning),
    failure=st.just(FAILURE),
)
commanded = st.builds(
    AgentCommanded, st.sampled_from(Command), st.integers(0, 4), st.integers(0, 4), st.just("the report")
)
wrote = st.builds(CustomerWrote, moments, st.booleans())


def effects(window: CustomerServiceWindow, event: Event, rules: Rules = HOLD) -> tuple[Effect, ...]:
    return decide(window, event, now=NOW, rules=rules).effects


def note_in(found: tuple[Effect, ...]) -> str:
    [note] = [effect.text for effect in found if isinstance(effect, AddNote)]
    return words(note)


def words(note: Note | str) -> str:
    return note.told(IN_ENGLISH) if isinstance(note, Note) else note


# The customer wrote


@pytest.mark.parametrize("window", [OPEN, *SHUT])
def test_message_is_shown_and_releases_what_was_held(window: CustomerServiceWindow) -> None:
    decision = decide(window, CustomerWrote(NOW, opens_window=True), now=NOW, rules=HOLD)
    assert decision.effects == (PostMessage(), ReleaseHeld())
    assert decision.window.last_inbound_at == NOW


def test_message_that_opens_no_window_is_shown_and_releases_nothing() -> None:
    decision = decide(CLOSED, CustomerWrote(NOW, opens_window=False), now=NOW, rules=HOLD)
    assert decision.effects == (PostMessage(),)
    assert decision.window == CLOSED


@pytest.mark.parametrize("window", [CLOSED, UNKNOWN])
def test_message_a_day_late_is_shown_and_releases_nothing(window: CustomerServiceWindow) -> None:
    assert effects(window, CustomerWrote(NOW - 25 * HOUR, opens_window=True)) == (PostMessage(),)


def test_message_from_before_metas_refusal_releases_nothing() -> None:
    assert effects(REFUSED, CustomerWrote(NOW - timedelta(minutes=90), opens_window=True)) == (PostMessage(),)


@given(window=windows, event=wrote, rules=rules)
def test_what_was_held_goes_only_into_an_open_window(
    window: CustomerServiceWindow, event: CustomerWrote, rules: Rules
) -> None:
    decision = decide(window, event, now=NOW, rules=rules)
    assert decision.effects[0] == PostMessage()
    assert (ReleaseHeld() in decision.effects) is (event.opens_window and decision.window.is_open(NOW))


# The agent replied


@pytest.mark.parametrize("given_rules", [HOLD, REJECT])
def test_reply_in_an_open_window_leaves(given_rules: Rules) -> None:
    assert effects(OPEN, AgentReplied("Hello"), given_rules) == (SendText("Hello", held=False),)


@pytest.mark.parametrize("window", SHUT)
def test_reply_outside_the_window_is_held_and_the_agent_told(window: CustomerServiceWindow) -> None:
    found = effects(window, AgentReplied("Hello"))
    assert found[0] == SendText("Hello", held=True)
    assert "held, not sent" in note_in(found)
    assert "72 hours" in note_in(found)


@pytest.mark.parametrize("window", SHUT)
def test_reply_outside_the_window_is_rejected_where_the_policy_says_so(window: CustomerServiceWindow) -> None:
    found = effects(window, AgentReplied("Hello"), REJECT)
    assert len(found) == 1
    assert "not sent" in note_in(found)


def test_reply_in_the_last_two_minutes_is_held() -> None:
    assert effects(NEARLY_CLOSED, AgentReplied("Hello"))[0] == SendText("Hello", held=True)
    a_minute_before = CustomerServiceWindow(NOW - timedelta(hours=23, minutes=57))
    assert effects(a_minute_before, AgentReplied("Hello")) == (SendText("Hello", held=False),)


@pytest.mark.parametrize(("window", "held"), [(OPEN, False), (CLOSED, True)])
def test_long_reply_leaves_in_parts_and_is_told_of_once(window: CustomerServiceWindow, held: bool) -> None:
    found = effects(window, AgentReplied("word " * 2_000))
    parts = [effect for effect in found if isinstance(effect, SendText)]
    assert len(parts) == 3
    assert all(part.held is held and utf16_length(part.text) <= MESSAGE_LIMIT for part in parts)
    assert "".join(part.text for part in parts).count("word") == 2_000
    assert len(found) - len(parts) == (1 if held else 0)


def _file(name: str = "photo.jpg", mime_type: str = "image/jpeg") -> OutgoingFile:
    return OutgoingFile("1", "2", NOW, "3", name, mime_type, 100)


@pytest.mark.parametrize(("window", "held"), [(OPEN, False), (CLOSED, True)])
def test_short_text_rides_on_a_single_file(window: CustomerServiceWindow, held: bool) -> None:
    found = effects(window, AgentReplied("Look", (_file(),), quote="wamid.Q"))
    assert found[0] == SendFile(_file(), "Look", held, "wamid.Q")
    assert len(found) == (2 if held else 1)


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("Look", (_file(), _file("b.jpg"))),
        ("x" * 1025, (_file(),)),
        ("\N{GRINNING FACE}" * 513, (_file(),)),
        ("Listen", (_file("talk.mp3", "audio/mpeg"),)),
        ("Listen", (_file("talk.m4a", ""),)),
    ],
)
def test_text_goes_before_files_that_cannot_carry_it(text: str, files: tuple[OutgoingFile, ...]) -> None:
    found = effects(OPEN, AgentReplied(text, files, quote="wamid.Q"))
    assert found == (SendText(text, held=False, quote="wamid.Q"), *(SendFile(file, "", held=False) for file in files))


def test_files_alone_go_alone_and_a_refused_reply_names_them() -> None:
    assert effects(OPEN, AgentReplied("", (_file(),), name="Bia")) == (SendFile(_file(), "", held=False),)
    assert "photo.jpg" in note_in(effects(CLOSED, AgentReplied("", (_file(),)), rules=REJECT))


def test_files_that_the_helpdesk_keeps_to_itself_are_told_of() -> None:
    found = effects(OPEN, AgentReplied("Look", unavailable_count=2))
    assert found[0] == SendText("Look", held=False)
    assert "2 files" in note_in(found)
    found = effects(OPEN, AgentReplied(" \n", unavailable_count=1))
    assert len(found) == 1
    assert "Nothing was sent" in note_in(found)


def test_reply_of_a_book_is_sent_as_far_as_twenty_messages_and_told_of() -> None:
    found = effects(OPEN, AgentReplied("word " * 40_000))
    assert sum(isinstance(effect, SendText) for effect in found) == MOST_PARTS
    assert "first 20" in note_in(found)
    assert "too long" in note_in(effects(OPEN, AgentReplied("word", is_cut=True)))


def test_file_that_meta_refused_goes_in_its_other_form_without_a_word() -> None:
    assert effects(OPEN, refused(FailureMeaning.FILE_REFUSED)) == (TryOtherForm(),)


def test_empty_reply_has_no_effect() -> None:
    assert effects(OPEN, AgentReplied("  \n ")) == ()


@given(window=windows, event=replies, rules=rules)
def test_reply_never_leaves_while_the_window_is_not_open(
    window: CustomerServiceWindow, event: AgentReplied, rules: Rules
) -> None:
    decision = decide(window, event, now=NOW, rules=rules)
    assert decision.window == window
    for effect in decision.effects:
        if isinstance(effect, SendText):
            assert effect.held is not window.is_open(NOW)
            assert 0 < utf16_length(effect.text) <= MESSAGE_LIMIT


@given(window=windows, event=replies, rules=rules)
def test_agent_never_wonders_what_became_of_a_reply(
    window: CustomerServiceWindow, event: AgentReplied, rules: Rules
) -> None:
    found = decide(window, event, now=NOW, rules=rules).effects
    if event.text.strip() and not window.is_open(NOW):
        assert not found or any(isinstance(effect, AddNote) for effect in found)
    if any(isinstance(effect, SendText) and effect.held for effect in found):
        assert any(isinstance(effect, AddNote) for effect in found)


# The agent commanded


@pytest.mark.parametrize("window", [OPEN, CLOSED])
@pytest.mark.parametrize("command", Command)
def test_every_command_is_answered_by_one_note(window: CustomerServiceWindow, command: Command) -> None:
    found = effects(window, AgentCommanded(command, held_count=2, resendable_count=3, status_report="the report"))
    assert note_in(found)


def test_number_is_asked_for_where_it_is_hidden_and_the_window_open() -> None:
    found = effects(OPEN, AgentCommanded(Command.ASK_NUMBER, 0, 0, ""))
    assert AskNumber() in found
    closed = effects(CLOSED, AgentCommanded(Command.ASK_NUMBER, 0, 0, ""))
    assert AskNumber() not in closed
    assert "window is closed" in note_in(closed)
    known = effects(OPEN, AgentCommanded(Command.ASK_NUMBER, 0, 0, "", number="351910000111"))
    assert AskNumber() not in known
    assert "+351910000111" in note_in(known)


def test_status_is_the_report() -> None:
    assert effects(OPEN, AgentCommanded(Command.STATUS, 0, 0, "the report")) == (AddNote("the report"),)


def test_help_lists_the_commands() -> None:
    assert "/wa resend" in note_in(effects(OPEN, AgentCommanded(Command.HELP, 0, 0, "")))


@pytest.mark.parametrize(("held", "words"), [(0, "nothing was dropped"), (1, "get it"), (2, "get them")])
def test_hold_cancel_drops_and_says_how_many(held: int, words: str) -> None:
    found = effects(CLOSED, AgentCommanded(Command.HOLD_CANCEL, held, 0, ""))
    assert found[0] == DropHeld()
    assert words in note_in(found)


@pytest.mark.parametrize(("window", "held"), [(OPEN, False), *((window, True) for window in SHUT)])
def test_resend_waits_for_the_window(window: CustomerServiceWindow, held: bool) -> None:
    found = effects(window, AgentCommanded(Command.RESEND, 0, 2, ""))
    assert found[0] == Resend(held=held)
    assert "2 WhatsApp replies" in note_in(found)


@pytest.mark.parametrize("window", [OPEN, CLOSED])
def test_resend_of_nothing_says_so(window: CustomerServiceWindow) -> None:
    found = effects(window, AgentCommanded(Command.RESEND, 0, 0, ""))
    assert len(found) == 1
    assert "nothing to send again" in note_in(found)


# Meta said `failed`


def refused(meaning: FailureMeaning, *, refusals: int = 0, sent_at: datetime = NOW) -> DeliveryRefused:
    return DeliveryRefused("Hello", sent_at, refusals, meaning, FAILURE)


def test_reply_that_meta_refused_for_the_window_is_held_and_closes_it() -> None:
    decision = decide(OPEN, refused(FailureMeaning.WINDOW_CLOSED), now=NOW, rules=HOLD)
    assert decision.effects[0] == HoldAgain()
    assert "WhatsApp's verdict counts" in note_in(decision.effects)
    assert not decision.window.is_open(NOW)


def test_reply_that_meta_refused_for_the_window_fails_where_nothing_is_held() -> None:
    decision = decide(OPEN, refused(FailureMeaning.WINDOW_CLOSED), now=NOW, rules=REJECT)
    assert decision.effects[0] == GiveUp()
    assert "not delivered" in note_in(decision.effects)
    assert not decision.window.is_open(NOW)


def test_refused_reply_goes_again_when_the_customer_wrote_meanwhile() -> None:
    event = refused(FailureMeaning.WINDOW_CLOSED, sent_at=NOW - 2 * HOUR)
    decision = decide(OPEN, event, now=NOW, rules=HOLD)
    assert decision.effects == (TryAgain(),)
    assert decision.window.is_open(NOW)


@pytest.mark.parametrize("refusals", range(5))
def test_passing_failure_is_tried_again_a_few_times_and_then_told(refusals: int) -> None:
    found = effects(OPEN, refused(FailureMeaning.TRY_AGAIN, refusals=refusals))
    if refusals < RESENDS_AFTER_REFUSAL:
        assert found == (TryAgain(),)
    else:
        assert found[0] == GiveUp()
        assert FAILURE.explanation in note_in(found)


def test_failure_that_an_operator_must_mend_waits_in_silence() -> None:
    assert effects(OPEN, refused(FailureMeaning.NEEDS_OPERATOR, refusals=99)) == (WaitForOperator(),)


def test_permanent_failure_is_told_with_reason_and_advice() -> None:
    found = effects(OPEN, refused(FailureMeaning.PERMANENT))
    assert found[0] == GiveUp()
    for words in ("Hello", FAILURE.explanation, FAILURE.advice, "131026"):
        assert words in note_in(found)


@given(window=windows, event=refusals, rules=rules)
def test_refused_reply_has_exactly_one_fate(
    window: CustomerServiceWindow, event: DeliveryRefused, rules: Rules
) -> None:
    decision = decide(window, event, now=NOW, rules=rules)
    fates = [effect for effect in decision.effects if not isinstance(effect, AddNote)]
    assert len(fates) == 1
    if isinstance(fates[0], GiveUp | HoldAgain):
        assert any(isinstance(effect, AddNote) for effect in decision.effects)


@given(window=windows, event=st.one_of(replies, refusals, commanded), rules=rules)
def test_nothing_but_the_customer_ever_opens_the_window(
    window: CustomerServiceWindow, event: AgentReplied | DeliveryRefused | AgentCommanded, rules: Rules
) -> None:
    after = decide(window, event, now=NOW, rules=rules).window
    assert after.last_inbound_at == window.last_inbound_at
    assert window.is_open(NOW) or not after.is_open(NOW)


@given(window=windows, event=st.one_of(replies, refusals, commanded, wrote), rules=rules)
def test_our_own_notes_are_never_read_as_commands(window: CustomerServiceWindow, event: Event, rules: Rules) -> None:
    for effect in decide(window, event, now=NOW, rules=rules).effects:
        if isinstance(effect, AddNote):
            assert not words(effect.text).lstrip().startswith("/wa")


@given(event=st.one_of(replies, refusals))
def test_what_was_written_stays_out_of_every_repr(event: AgentReplied | DeliveryRefused) -> None:
    secret = "Ines said 351910000111"
    named = AgentReplied(secret) if isinstance(event, AgentReplied) else refused(event.meaning)
    assert secret not in repr(named)
    for effect in effects(CLOSED, AgentReplied(secret)):
        assert secret not in repr(effect)
