"""How do messages read that speak of others, whatever those are?"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.context import QUOTE_CHARACTERS, Quoted, whole_text
from bridge.domain.model import InboundMessage, Sender, WaId, Wamid

MESSAGE = InboundMessage(
    Wamid("wamid.1"), Sender(None, WaId("351910000111"), None), datetime(2026, 11, 20, tzinfo=UTC), "text", "Yes", True
)
OURS = Quoted(is_ours=True, text="Shall we send it?")
REACTION = replace(MESSAGE, kind="reaction", about=Wamid("wamid.0"), text="")


@pytest.mark.parametrize(
    ("emoji", "about", "before", "read"),
    [
        ("👍", OURS, None, "[Reacted 👍 to our message] “Shall we send it?”"),
        ("👍", OURS, "👍", "[Reacted 👍 to our message] “Shall we send it?”"),
        ("❤️", OURS, "👍", "[Changed the reaction 👍 to ❤️, to our message] “Shall we send it?”"),
        ("", OURS, "👍", "[Took the reaction 👍 to our message back] “Shall we send it?”"),
        ("", None, None, "[Took the reaction to an earlier message back]"),
        ("👍", Quoted(is_ours=False, text=""), "", "[Reacted 👍 to their own message]"),
    ],
)
def test_a_reaction_says_what_it_is_about(emoji: str, about: Quoted | None, before: str | None, read: str) -> None:
    assert whole_text(replace(REACTION, says=emoji), about=about, last_reaction=before) == read


def test_an_answer_quotes_what_it_answers() -> None:
    answer = replace(MESSAGE, quoted=Wamid("wamid.0"))
    assert whole_text(answer, about=OURS) == "[In answer to our message] “Shall we send it?”\nYes"
    assert whole_text(answer, about=None) == "Yes"


def test_an_edit_and_a_deletion_show_what_it_read_before() -> None:
    was = Quoted(is_ours=False, text="No\nnever")
    edit = replace(MESSAGE, kind="edit", about=Wamid("wamid.0"), text="[Edited; it reads now:]\nYes")
    assert whole_text(edit, about=was) == "[Edited; it reads now:]\nYes\n[Before that it read:]\n> No\n> never"
    revoke = replace(MESSAGE, kind="revoke", about=Wamid("wamid.0"), text="[Deleted]")
    assert whole_text(revoke, about=was) == "[Deleted]\n[It read:]\n> No\n> never"
    assert whole_text(revoke, about=None) == "[Deleted]"


@given(st.text(max_size=2000), st.booleans())
def test_what_is_quoted_stays_short(text: str, is_ours: bool) -> None:
    answer = replace(MESSAGE, quoted=Wamid("wamid.0"))
    first, *rest = whole_text(answer, about=Quoted(is_ours, text)).split("\n")
    assert rest in ([], ["Yes"])
    assert len(first) <= QUOTE_CHARACTERS + 40
