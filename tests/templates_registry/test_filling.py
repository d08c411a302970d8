"""Values in a template: as they are, but for what Meta refuses; what is missing is asked for by name."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.whatsapp.errors import RefusedError
from sandbox.whatsapp.templates import filling as far_side
from sandbox.whatsapp.templates.content import Limits, check_create
from sandbox.whatsapp.templates.records import Template
from templates_registry.filling import CannotFill, fill
from templates_registry.model import Draft
from templates_registry.render import render_examples, to_text
from templates_registry.slots import find_slots
from templates_registry.values import flatten
from templates_registry.wire import read_components, read_draft
from tests.template_examples import EXAMPLES, Example


def approved(example: Example) -> tuple[Draft, Template]:
    """The template as Meta keeps it, and as we read it back."""
    kept = check_create(example.body(), Limits())
    kept.pop("message_send_ttl_seconds")
    template = Template(id="1", waba_id="1", status="APPROVED", created_at=0.0, **kept)
    draft = read_draft(example.body())
    return (
        Draft(
            draft.name,
            draft.language,
            draft.category,
            read_components(template.components),
            draft.parameter_format,
        ),
        template,
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_kind_is_filled_as_meta_wants_it(example: Example) -> None:
    draft, template = approved(example)
    filled = fill(draft.content, draft.parameter_format, draft.category, example.values)
    assert filled.components == example.sends
    shown = far_side.fill(template, filled.components, far_side.Rules())
    assert shown["body"] == example.shows == filled.shown.body


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_what_is_missing_is_named(example: Example) -> None:
    draft, _ = approved(example)
    required = {
        slot.key for slot in find_slots(draft.content, draft.parameter_format, draft.category) if slot.is_required
    }
    if not required:
        fill(draft.content, draft.parameter_format, draft.category, {})
        return
    with pytest.raises(CannotFill) as refused:
        fill(draft.content, draft.parameter_format, draft.category, {"1": "  "} if "1" in required else {})
    assert {slot.key for slot in refused.value.missing} == required


def named(name: str) -> Draft:
    return approved(next(example for example in EXAMPLES if example.name == name))[0]


@pytest.mark.parametrize(
    ("template", "values", "said"),
    [
        ("numbered_two", {"1": "a", "2": "b", "3": "c"}, "3 is no variable"),
        ("named_two", {"frist_name": "a", "ticket_id": "1", "first_name": "b"}, "did you mean 'first_name'?"),
        ("numbered_two", {"1": "x" * 600, "2": "y" * 600}, "at most 1024 fit"),
        ("text_header_numbered", {"header": "x" * 60, "1": "a"}, "the header has"),
        ("image_header", {"header": "bike.jpg"}, "http or https address"),
        ("location_header", {"header": "here"}, "latitude,longitude,name,address"),
        ("coupon_code", {"button1": "x" * 16}, "at most 15 fit"),
        ("limited_time_offer", {"expires": "soon"}, "must be a time"),
    ],
)
def test_value_that_does_not_fit_is_told_in_words(template: str, values: dict[str, str], said: str) -> None:
    draft = named(template)
    with pytest.raises(CannotFill) as refused:
        fill(draft.content, draft.parameter_format, draft.category, values)
    assert any(said in problem for problem in refused.value.problems), refused.value.problems


def test_line_breaks_are_flattened_and_told_and_nothing_else_changes() -> None:
    draft = named("numbered_two")
    values = {"1": 'O\'Brien <b>&amp; "Söhne"</b>', "2": "one\n\n  two\tthree      four"}
    filled = fill(draft.content, draft.parameter_format, draft.category, values)
    assert filled.flattened == ("2",)
    sent = [parameter["text"] for parameter in filled.components[0]["parameters"]]
    assert sent == [values["1"], "one two three four"]


TEXTS = st.text(alphabet=st.sampled_from("aé'\"<>{}%&🎉שم\n\t\r \u2028\x0b\x85"), max_size=30) | st.text(max_size=1200)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([example for example in EXAMPLES if example.values]), st.data())
def test_meta_never_refuses_what_we_fill(example: Example, data: st.DataObject) -> None:
    draft, template = approved(example)
    values: dict[str, str] = {
        key: data.draw(st.just(value) | TEXTS, label=key) for key, value in example.values.items()
    }
    try:
        filled = fill(draft.content, draft.parameter_format, draft.category, values)
    except CannotFill:
        return
    try:
        shown = far_side.fill(template, filled.components, far_side.Rules())
    except RefusedError as error:
        raise AssertionError(f"{error.code}: {error.details}") from error
    assert shown["body"] == filled.shown.body


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200))
def test_flattening_twice_changes_nothing_more(text: str) -> None:
    once = flatten(text)
    again = flatten(once.value)
    assert (again.value, again.was_flattened) == (once.value, False)


def test_preview_has_the_examples_and_never_the_sample_file() -> None:
    draft = named("limited_time_offer")
    preview = to_text(render_examples(draft.content, draft.parameter_format))
    assert preview.splitlines() == [
        "[Image]",
        "[Offer] Ends soon",
        "Hello Ines, our offer for the spring ends in a few days.",
        "[Button] Copy offer code",
        "[Button] To the shop (https://example.com/s/{{1}})",
    ]


def test_text_of_the_ticket_shows_header_footer_buttons_and_cards() -> None:
    (example,) = [one for one in EXAMPLES if one.name == "carousel_variables"]
    draft, _ = approved(example)
    filled = fill(draft.content, draft.parameter_format, draft.category, example.values)
    lines: list[Any] = to_text(filled.shown).splitlines()
    assert lines[:4] == [
        "Hello Rui, these are our proposals for your garden.",
        "[Card 1]",
        "[Video] https://example.com/1.mp4",
        "Proposal one costs 100 euros in all.",
    ]
