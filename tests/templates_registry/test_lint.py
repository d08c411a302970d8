"""Lint: what Meta takes passes, every rule finds its mistake, and says where and how it is mended."""

from typing import Any

import pytest

from templates_registry.lint import Known, Level, has_errors, lint
from templates_registry.wire import read_draft
from tests.template_examples import EXAMPLES, Example, body, buttons, card, footer, media, quick, url

Json = dict[str, Any]
FINE = "There is news about the ticket that you opened."


def draft_of(*components: Json, **more: Any) -> Json:
    return {"name": "a_name", "language": "en_US", "category": "UTILITY", "components": list(components)} | more


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_what_is_right_has_no_error(example: Example) -> None:
    findings = lint(read_draft(example.body()))
    assert not has_errors(findings), findings


header = {"type": "HEADER", "format": "TEXT"}
otp = {"type": "OTP", "otp_type": "COPY_CODE"}
code = {"category": "AUTHENTICATION"}
advice = {"type": "BODY", "add_security_recommendation": True}


@pytest.mark.parametrize(
    ("wrong", "rule", "place"),
    [
        (draft_of(body(FINE), name="Bad Name"), "name", "name"),
        (draft_of(body(FINE), language="en-US"), "language", "language"),
        (draft_of(body(FINE), message_send_ttl_seconds=5), "delivery-time", "message_send_ttl_seconds"),
        (draft_of(footer("Only this")), "body", "components"),
        (draft_of(body("x" * 1025)), "length", "components.body"),
        (draft_of(body(" ")), "empty", "components.body"),
        (draft_of(body("Hello {{1}, how are you today?")), "braces", "components.body"),
        (draft_of(body("Hello {{ 1 }}, how are you today my friend?", "a")), "braces", "components.body"),
        (draft_of(body("Hello {{2}} and {{1}}, here is what you wanted.", "a", "b")), "numbering", "components.body"),
        (draft_of(body("Hello {{name}}, here is what you wanted.", name="a")), "variable-name", "components.body"),
        (
            draft_of(body("Hello {{Name1}}, here is what you wanted.", Name1="a"), parameter_format="NAMED"),
            "variable-name",
            "components.body",
        ),
        (draft_of(body("Hello {{1}}, here is what you wanted.")), "example", "components.body"),
        (draft_of(body("{{1}}, here is what you wanted from us.", "a")), "variable-at-edge", "components.body"),
        (draft_of(body("Here is what you wanted from us, {{1}}", "a")), "variable-at-edge", "components.body"),
        (
            draft_of(body("Hello {{1}} {{2}}, here is what you wanted from us.", "a", "b")),
            "adjacent-variables",
            "components.body",
        ),
        (draft_of(body("Hi {{1}} and {{2}} ok.", "a", "b")), "ratio", "components.body"),
        (draft_of(body("Hello\n\n\n\nyou over there in the harbour")), "spacing", "components.body"),
        (draft_of({**header, "text": "x" * 61}, body(FINE)), "length", "components.header"),
        (draft_of({**header, "text": "*Bold*"}, body(FINE)), "formatting", "components.header"),
        (draft_of({"type": "HEADER", "format": "IMAGE"}, body(FINE)), "sample", "components.header"),
        (draft_of(body(FINE), footer("Hello {{1}}")), "variables", "components.footer"),
        (draft_of(body(FINE), footer("x" * 61)), "length", "components.footer"),
        (draft_of(body(FINE), buttons(*(quick(f"B{n}") for n in range(11)))), "buttons", "components.buttons"),
        (
            draft_of(body(FINE), buttons(quick("A"), url("B", "https://e.com"), quick("C"))),
            "button-groups",
            "components.buttons",
        ),
        (draft_of(body(FINE), buttons(quick("A"), quick("A"))), "buttons", "components.buttons"),
        (draft_of(body(FINE), buttons(quick("x" * 26))), "length", "components.buttons[0]"),
        (draft_of(body(FINE), buttons(url("A", "example.com"))), "address", "components.buttons[0]"),
        (
            draft_of(body(FINE), buttons(url("A", "https://e.com/{{1}}/x", "https://e.com/1/x"))),
            "address",
            "components.buttons[0]",
        ),
        (draft_of(body(FINE), buttons(url("A", "https://e.com/{{1}}"))), "example", "components.buttons[0]"),
        (draft_of(body(FINE), buttons(url("A", "https://bit.ly/x"))), "link", "components.buttons[0]"),
        (draft_of(body(FINE), buttons(url("A", "https://wa.me/351910"))), "link", "components.buttons[0]"),
        (
            draft_of(body(FINE), buttons({"type": "PHONE_NUMBER", "text": "Call", "phone_number": "call me"})),
            "phone",
            "components.buttons[0]",
        ),
        (draft_of(body(FINE), buttons({"type": "COPY_CODE"})), "example", "components.buttons[0]"),
        (draft_of(body(FINE), buttons({"type": "FLOW", "text": "Form"})), "flow", "components.buttons[0]"),
        (draft_of(body(FINE), buttons(otp)), "authentication", "components.buttons[0]"),
        (draft_of(body("Your verification code is on its way to you.")), "one-time-code", "components.body"),
        (draft_of(body("Send us your credit card number in an answer.")), "abuse", "components.body"),
        (draft_of(body("Look at https://bit.ly/3x for what is new.")), "link", "components.body"),
        (draft_of(body(FINE), language="he"), "language-of-text", "components.body"),
        (
            draft_of(body(FINE), {"type": "CAROUSEL", "cards": [card(media("IMAGE"), "One card.", quick("A"))]}),
            "carousel",
            "cards",
        ),
        (
            draft_of(
                body(FINE),
                {
                    "type": "CAROUSEL",
                    "cards": [
                        card(media("IMAGE"), "One card.", quick("A")),
                        card(media("VIDEO"), "Two cards.", quick("A")),
                    ],
                },
            ),
            "carousel",
            "cards",
        ),
        (
            draft_of(body(FINE), {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "x"}}),
            "offer",
            "components",
        ),
        (draft_of(body("Your code"), buttons(otp), **code), "authentication", "components.body"),
        (draft_of(advice, **code), "authentication", "components.buttons"),
        (
            draft_of(advice, {"type": "FOOTER", "code_expiration_minutes": 91}, buttons(otp), **code),
            "authentication",
            "components.footer",
        ),
    ],
)
def test_mistake_is_found_at_its_place_with_its_mend(wrong: Json, rule: str, place: str) -> None:
    findings = [finding for finding in lint(read_draft(wrong)) if finding.level is Level.ERROR]
    assert (rule, place) in {(finding.rule, finding.place) for finding in findings}
    assert all(finding.message and finding.mend for finding in findings)


def test_utility_that_sells_is_warned_of_its_category() -> None:
    findings = lint(read_draft(draft_of(body("A discount waits for you in our shop until Friday."))))
    assert [(finding.rule, finding.level) for finding in findings] == [("category", Level.WARNING)]


def test_repeated_content_is_found_beside_what_the_account_has() -> None:
    draft = read_draft(draft_of(body(FINE)))
    twin = Known("other", "en_US", draft.category, draft.content)
    assert [finding.rule for finding in lint(draft, others=[twin])] == ["duplicate"]
    assert lint(draft, others=[Known("other", "pt_PT", draft.category, draft.content)]) == []
    assert lint(draft, others=[Known("a_name", "en_US", draft.category, draft.content)]) == []
