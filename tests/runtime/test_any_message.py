"""Whatever JSON stands in the place of a message: it is put somewhere, and its neighbours are as well."""

from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.context import Quoted, whole_text
from bridge.domain.inbox_item import InboxKind
from bridge.domain.render import Line, render_messages
from bridge.runtime.intake import sort_entries
from bridge.store.inbox import InboxEntry
from bridge.store.tables import InboxState
from tests.whatsapp.test_inbound_cases import FOLDERS

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NUMBER = "990011223344556"
KINDS = [InboxKind.MESSAGE, InboxKind.STATUS, InboxKind.CALL, InboxKind.ECHO, InboxKind.CHANGE]
MEMBERS = {InboxKind.STATUS: "status", InboxKind.CALL: "call", InboxKind.ECHO: "echo", InboxKind.CHANGE: "value"}
NAMES = (
    "id type from to text body image caption contacts vcard name phones reaction emoji message_id edit message context "
    "original_message_id revoke referral source_id interactive nfm_reply response_json system event direction errors "
    "group_id timestamp"
)
WORDS = st.sampled_from(NAMES.split())
TEXTS = st.text(max_size=12) | WORDS | st.sampled_from(["", "\x00", "{", "wamid.x", "351910000111", "9" * 40])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=5),
    max_leaves=25,
)


def entry(number: int, kind: InboxKind, body: object) -> InboxEntry:
    return InboxEntry(
        id=f"row{number}",
        source="whatsapp",
        kind=kind,
        channel=NUMBER,
        shard=0,
        body=orjson.dumps(body),
        received_at=NOW,
        position=number,
        attempts=0,
        state=InboxState.NEW,
        reason=None,
    )


NEIGHBOUR = orjson.loads((next(f for f in FOLDERS if f.name == "text__plain") / "body.json").read_bytes())
BODIES = [orjson.loads((folder / "body.json").read_text("ascii").encode("utf-8", "replace")) for folder in FOLDERS[::3]]


@given(st.sampled_from(KINDS), VALUES, st.sampled_from(BODIES), WORDS, VALUES)
def test_any_json_is_put_somewhere_and_stops_nobody(
    kind: InboxKind, value: Any, body: dict[str, Any], word: str, other: Any
) -> None:
    member = MEMBERS.get(kind, "message")
    spoilt = body.get("message")
    entries = [
        entry(0, InboxKind.MESSAGE, NEIGHBOUR),
        entry(1, kind, {"metadata": {}, "contacts": [], member: value}),
        entry(2, kind, value),
        entry(
            3, InboxKind.MESSAGE, {**body, "message": {**spoilt, word: other} if isinstance(spoilt, dict) else other}
        ),
        entry(4, InboxKind.MESSAGE, NEIGHBOUR),
    ]
    found = sort_entries(entries, phone_number_id=NUMBER)
    letters = [letter for of_sender in found.letters.values() for letter in of_sender]
    placed = [letter.entry.id for letter in letters]
    placed += [report.entry.id for report in found.reports]
    placed += [wishes.entry.id for wishes in found.wishes]
    placed += [notice.entry.id for notice in found.notices]
    placed += [told.id for told, _ in found.news]
    placed += [told.id for told, _, _ in found.templates]
    placed += [*found.aside, *found.buried]
    assert sorted(placed) == [one.id for one in entries]
    assert {"row0", "row4"} <= {letter.entry.id for letter in letters}
    for letter in letters:
        text = whole_text(letter.message, about=Quoted(is_ours=True, text="said"), last_reaction="👍")
        html, plain = render_messages(
            [Line(text, letter.message.sent_at, is_table=True)], now=NOW, posted_until_at=None
        )
        assert html.strip()
        assert plain.strip()
