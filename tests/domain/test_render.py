"""How several messages read as one comment: in order, and with their own time where the helpdesk's would mislead."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.domain.render import Line, render_messages, render_note

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def test_messages_stand_in_the_order_given_one_paragraph_each() -> None:
    html, text = render_messages(
        [Line("one", ago(3)), Line("two", ago(2)), Line("three\nlines", ago(1))], now=NOW, posted_until_at=None
    )
    assert html == "<p>one</p><p>two</p><p>three<br>lines</p>"
    assert text == "one\n\ntwo\n\nthree\nlines"


@pytest.mark.parametrize(
    ("sent_at", "posted_until_at", "stamped"),
    [
        (ago(0), None, False),
        (ago(60), None, False),
        (ago(60.000001), None, True),
        (ago(5), ago(5), False),
        (ago(5), ago(6), False),
        (ago(6), ago(5), True),
        (NOW + timedelta(seconds=9), None, False),
        (ago(90_000), ago(90_001), True),
    ],
)
def test_late_message_carries_its_own_time(sent_at: datetime, posted_until_at: datetime | None, stamped: bool) -> None:
    html, text = render_messages([Line("hello", sent_at)], now=NOW, posted_until_at=posted_until_at)
    stamp = f"[{sent_at:%Y-%m-%d %H:%M:%S} UTC] " if stamped else ""
    assert html == f"<p>{stamp}hello</p>"
    assert text == f"{stamp}hello"


def test_only_the_late_ones_of_a_batch_are_stamped() -> None:
    _, text = render_messages([Line("old", ago(3600)), Line("new", ago(1))], now=NOW, posted_until_at=None)
    assert text == "[2026-11-20 11:00:00 UTC] old\n\nnew"


def test_markup_of_a_customer_is_shown_and_never_run() -> None:
    html, _ = render_messages([Line("<script>*x*</script>", NOW)], now=NOW, posted_until_at=None)
    assert "<script>" not in html
    assert "<strong>x</strong>" in html or "*x*" in html


def test_note_is_escaped_and_keeps_its_lines() -> None:
    assert render_note("a <b> & c\nnext") == "<p>a &lt;b&gt; &amp; c<br>next</p>"


def test_text_of_a_line_stays_out_of_its_repr() -> None:
    assert "secret words" not in repr(Line("secret words", NOW))
