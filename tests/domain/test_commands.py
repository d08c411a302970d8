"""Which private notes are commands, and which are notes?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain import notes
from bridge.domain.commands import DESCRIPTIONS, Command, parse_command, words_after
from bridge.domain.speech import IN_ENGLISH


@pytest.mark.parametrize(
    ("note", "command"),
    [
        ("/wa status", Command.STATUS),
        ("  /wa status  ", Command.STATUS),
        ("/WA  Status", Command.STATUS),
        ("/wa\u00a0status", Command.STATUS),
        ("\n\n/wa resend\nbecause the customer asked", Command.RESEND),
        ("/wa resend\r\nsecond line", Command.RESEND),
        ("/wa hold cancel", Command.HOLD_CANCEL),
        ("/wa hold   cancel", Command.HOLD_CANCEL),
        ("/wa opt-out", Command.OPT_OUT),
        ("/wa OPT-IN by phone on 3 May", Command.OPT_IN),
        ("/wa opt-inside", Command.HELP),
        ("\u2066/wa status\u2069", Command.STATUS),
        ("/wa", Command.HELP),
        ("/wa help", Command.HELP),
        ("/wa status please", Command.HELP),
        ("/wa hold", Command.HELP),
        ("/wa template order_ready lang=pt", Command.TEMPLATE),
        ("", None),
        ("   ", None),
        ("\n", None),
        ("/was it sent?", None),
        ("wa status", None),
        ("Try /wa status", None),
        ("first line\n/wa status", None),
    ],
)
def test_first_line_that_begins_with_wa_is_a_command(note: str, command: Command | None) -> None:
    assert parse_command(note) is command


def test_what_the_agent_adds_is_kept_as_it_was_written() -> None:
    assert words_after("/wa Opt-In  by Phone,\u00a03 May\nsecond line") == "by Phone, 3 May"
    assert words_after("/wa opt-in") == ""


@given(note=st.text())
def test_no_note_makes_it_raise_and_only_wa_is_a_command(note: str) -> None:
    if parse_command(note) is not None:
        assert "/wa" in note.casefold()


@given(words=st.text().filter(lambda text: "\n" not in text))
def test_whatever_follows_wa_is_answered(words: str) -> None:
    assert parse_command(f"/wa {words}") is not None


def test_every_command_of_the_list_is_one() -> None:
    listed = [line for line in notes.command_list().told(IN_ENGLISH).splitlines() if line.startswith("/wa ")]
    assert [parse_command(line.partition(" – ")[0]) for line in listed] == list(DESCRIPTIONS)


def test_our_own_notes_are_no_commands() -> None:
    assert parse_command(notes.command_list().told(IN_ENGLISH)) is None
    assert parse_command(notes.hold_cancelled(1).told(IN_ENGLISH)) is None
