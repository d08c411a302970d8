"""From when until when are messages to somebody who came by an advertisement free?"""

from datetime import UTC, datetime, timedelta

from bridge.domain.free_entry_point import FreeEntryPoint

CAME = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_answer_within_a_day_opens_it_for_72_hours_from_the_answer() -> None:
    opened = FreeEntryPoint().after_referral(CAME).after_answer(CAME + 5 * HOUR)
    assert opened.until == CAME + 77 * HOUR
    assert opened.is_open(CAME + 76 * HOUR)
    assert not opened.is_open(CAME + 77 * HOUR)


def test_later_answers_do_not_prolong_it() -> None:
    opened = FreeEntryPoint().after_referral(CAME).after_answer(CAME)
    assert opened.after_answer(CAME + 10 * HOUR) == opened


def test_answer_after_a_day_opens_nothing() -> None:
    late = FreeEntryPoint().after_referral(CAME).after_answer(CAME + 25 * HOUR)
    assert late == FreeEntryPoint()


def test_customer_who_did_not_come_by_an_advertisement_opens_nothing() -> None:
    assert FreeEntryPoint().after_answer(CAME) == FreeEntryPoint()


def test_metas_word_wins() -> None:
    counted = FreeEntryPoint().after_referral(CAME).after_answer(CAME)
    assert counted.as_meta_says(CAME + HOUR).until == CAME + HOUR
    assert not FreeEntryPoint().is_open(CAME)
