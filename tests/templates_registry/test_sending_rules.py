"""Who may get which template, in which language, and what else could go instead; quotas before Meta says no."""

from datetime import UTC, datetime, timedelta

import pytest

from templates_registry.languages import choose_language, is_right_to_left, normalise
from templates_registry.model import Category, Quality, TemplateStatus
from templates_registry.quotas import Quota, why_not_create, why_not_edit
from templates_registry.sending_rules import (
    Consent,
    Recipient,
    Refusal,
    State,
    choose,
    is_in_united_states,
    nearest_usable,
    refusal_for,
    refusal_of,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ANA = Recipient("351910000111", Consent.NOT_ASKED)


def state(name: str = "a", language: str = "en_US", **more: object) -> State:
    values = {"category": Category.UTILITY, "status": TemplateStatus.APPROVED} | more
    return State(name, language, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [one for one in TemplateStatus if one is not TemplateStatus.APPROVED])
def test_only_what_is_approved_is_sent(status: TemplateStatus) -> None:
    assert refusal_of(state(status=status)) is not None
    assert refusal_of(state()) is None
    assert refusal_of(state(is_supported=False)) is Refusal.UNSUPPORTED


@pytest.mark.parametrize(
    ("category", "recipient", "refusal"),
    [
        (Category.UTILITY, ANA, None),
        (Category.UTILITY, Recipient("351910000111", Consent.WITHDRAWN), None),
        (Category.MARKETING, ANA, Refusal.NO_CONSENT),
        (Category.MARKETING, Recipient("351910000111", Consent.WITHDRAWN), Refusal.OPTED_OUT),
        (Category.MARKETING, Recipient("351910000111", Consent.GIVEN), None),
        (Category.MARKETING, Recipient("12125550100", Consent.GIVEN), Refusal.NOT_IN_AMERICA),
        (Category.MARKETING, Recipient("14165550100", Consent.GIVEN), None),
        (Category.AUTHENTICATION, Recipient(None, Consent.GIVEN), Refusal.NEEDS_NUMBER),
    ],
)
def test_category_decides_who_may_get_it(category: Category, recipient: Recipient, refusal: Refusal | None) -> None:
    assert refusal_for(state(category=category), recipient) is refusal


def test_united_states_are_told_from_their_neighbours() -> None:
    assert is_in_united_states("12125550100")
    assert not is_in_united_states("14165550100")
    assert not is_in_united_states("351910000111")
    assert not is_in_united_states(None)


@pytest.mark.parametrize(
    ("wanted", "available", "chosen"),
    [
        ("pt_PT", ["pt_BR", "pt_PT", "en_US"], "pt_PT"),
        ("pt-pt", ["pt_BR", "pt_PT"], "pt_PT"),
        ("de_AT", ["de", "de_CH", "en_US"], "de"),
        ("de_AT", ["de_CH", "en_US"], "de_CH"),
        ("fi", ["es", "en_GB"], "en_GB"),
        ("fi", ["pl", "es"], "es"),
        (None, ["pl", "he"], "he"),
        ("iw", ["he", "en"], "he"),
        ("fi", [], None),
    ],
)
def test_language_is_the_readers_or_the_nearest(wanted: str | None, available: list[str], chosen: str | None) -> None:
    assert choose_language(wanted, available, preferred=("he",) if wanted is None else ()) == chosen


def test_languages_are_spelled_as_meta_lists_them_and_have_a_direction() -> None:
    assert [normalise(code) for code in ("EN-us", "pt_br", "zh-cn", "iw", "xx_yy")] == [
        *("en_US", "pt_BR", "zh_CN", "he", "xx_YY")
    ]
    assert [is_right_to_left(code) for code in ("he", "ar_EG", "en_US")] == [True, True, False]


def test_choice_passes_over_what_may_not_be_sent() -> None:
    there = [state(language="pt_PT", status=TemplateStatus.PAUSED), state(language="en_US")]
    chosen = choose(there, wanted="pt_PT", recipient=ANA)
    assert chosen is not None
    assert chosen.language == "en_US"
    assert choose(there[:1], wanted="pt_PT", recipient=ANA) is None


def test_nearest_usable_is_of_the_same_name_then_of_like_names() -> None:
    there = [
        state("order_update", "pt_PT", status=TemplateStatus.PAUSED),
        state("order_update", "en_US"),
        state("order_news", "pt_PT"),
        state("order_late", "pt_PT", quality=Quality.RED),
        state("order_offer", "pt_PT", category=Category.MARKETING),
        state("hello", "pt_PT"),
    ]
    offered = nearest_usable("order_update", there, wanted="pt_PT", recipient=ANA)
    assert [one.name for one in offered] == ["order_update", "order_news", "order_late"]


def test_quotas_are_said_before_meta_says_them() -> None:
    free = Quota(10, 250, 0)
    assert why_not_create(free, now=NOW, exists=False) is None
    assert "exists already" in str(why_not_create(free, now=NOW, exists=True))
    assert "250 of 250" in str(why_not_create(Quota(250, 250, 0), now=NOW, exists=False))
    assert "within the hour" in str(why_not_create(Quota(10, 250, 100), now=NOW, exists=False))
    locked = Quota(10, 250, 0, name_locked_until=NOW + timedelta(days=1))
    assert "locks the name" in str(why_not_create(locked, now=NOW, exists=False))


def test_edits_of_approved_ones_are_counted() -> None:
    def why(status: TemplateStatus, *ages: float, wanted: Category = Category.UTILITY) -> str | None:
        edited = [NOW - timedelta(days=age) for age in ages]
        return why_not_edit(status, category=Category.UTILITY, wanted=wanted, edited_at=edited, now=NOW)

    assert why(TemplateStatus.APPROVED) is None
    assert "24 hours" in str(why(TemplateStatus.APPROVED, 0.5))
    assert why(TemplateStatus.REJECTED, 0.5) is None
    assert "30 days" in str(why(TemplateStatus.APPROVED, *range(2, 12)))
    assert "category" in str(why(TemplateStatus.APPROVED, wanted=Category.MARKETING))
    assert "only approved" in str(why(TemplateStatus.DISABLED))
