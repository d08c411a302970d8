"""What did the customer say of marketing, in whichever language, and what counts of several words?"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.consent import ConsentAction, ConsentEntry, ConsentSource, consent_after, parse_keyword, spoken
from templates_registry.sending_rules import Consent

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OUT, IN = ConsentAction.OPT_OUT, ConsentAction.OPT_IN

entries = st.builds(
    ConsentEntry,
    st.sampled_from(ConsentAction),
    st.sampled_from(ConsentSource),
    st.integers(0, 5).map(lambda hours: NOW + timedelta(hours=hours)),
)


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        " stop. ",
        "Stop!!! 🛑",
        "Unsubscribe",
        "opt-out",
        "בטל",
        "הסר",
        "הָסֵר",
        "توقف",
        "إيقاف",
        "ايقاف",
        "أوقف",
        "الغاء الاشتراك",
        "PARAR",
        "Baja",
        "Darse de baja",
        "SAIR",
        "Cancelar inscrição",
        "cancelar inscricao",
        "rezygnuję",
        "STOPP",
        "Désabonner",
        "стоп",
        "[Tapped] Stop promotions",
        "[Answers: “Our autumn offers”]\nSTOP",
    ],
)
def test_word_that_ends_marketing_is_known_however_it_is_written(text: str) -> None:
    assert parse_keyword(text) is OUT


@pytest.mark.parametrize("text", ["START", "alta", "הצטרף", "اشتراك", "Unstop", "zapisz mnie"])
def test_word_that_begins_marketing_again_is_known(text: str) -> None:
    assert parse_keyword(text) is IN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cancel",
        "Please stop the delivery",
        "stop it and call me",
        "my bus stop",
        "no",
        "לבטל את ההזמנה",
        "baja la maleta",
        "I want to unsubscribe from the magazine",
        "stop\nwhere is my order",
        "[Location]",
        "[Tapped a button]",
        "stop " * 40,
    ],
)
def test_talk_that_only_holds_such_a_word_is_about_something_else(text: str) -> None:
    assert parse_keyword(text) is None


@given(text=st.text(max_size=200))
def test_no_text_makes_it_raise(text: str) -> None:
    parse_keyword(text)
    spoken(text)


def test_nobody_was_asked_before_the_first_entry() -> None:
    assert consent_after([]) is Consent.NOT_ASKED


@given(ledger=st.lists(entries, min_size=1))
def test_newest_word_counts_and_of_one_moment_the_opt_out(ledger: list[ConsentEntry]) -> None:
    newest_at = max(entry.at for entry in ledger)
    said = {entry.action for entry in ledger if entry.at == newest_at}
    assert consent_after(ledger) is (Consent.WITHDRAWN if OUT in said else Consent.GIVEN)
    assert consent_after(reversed(ledger)) is consent_after(ledger)


def test_details_stay_out_of_every_repr() -> None:
    assert "Inês" not in repr(ConsentEntry(OUT, ConsentSource.AGENT, NOW, "Inês said so"))
