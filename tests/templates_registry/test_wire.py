"""Meta's spelling of templates: read, written, and read again; what people write wrongly; what webhooks tell."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from templates_registry.events import EventKind, read_event
from templates_registry.model import Category, Quality, TemplateStatus
from templates_registry.wire import (
    UnreadableDraft,
    digest,
    read_components,
    read_draft,
    read_template,
    write_components,
    write_draft,
)
from tests.template_examples import EXAMPLES, Example

KEYS = st.sampled_from(
    ("type", "components", "buttons", "cards", "text", "format", "example", "header_handle", "limited_time_offer")
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_kind_is_read_and_written_as_it_was(example: Example) -> None:
    draft = read_draft(example.body())
    assert draft.content.unknown == ()
    assert write_draft(draft) == example.body()


def test_new_versions_are_told_by_content_and_not_by_the_sample_files_address() -> None:
    (pictured,) = [example for example in EXAMPLES if example.name == "image_header"]
    one, other = read_draft(pictured.body(handle="4::a")), read_draft(pictured.body(handle="https://cdn/b"))
    assert digest(one.content, one.parameter_format) == digest(other.content, other.parameter_format)
    text = read_draft({**pictured.body(), "components": [{"type": "BODY", "text": "Other"}]})
    assert digest(text.content, text.parameter_format) != digest(one.content, one.parameter_format)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON)
def test_reading_what_meta_tells_never_raises(told: Any) -> None:
    content = read_components(told)
    write_components(content, read_draft(EXAMPLES[0].body()).parameter_format)
    if isinstance(told, dict):
        read_template(told)
        read_event("message_template_status_update", told)


def test_kinds_that_are_new_are_named_and_never_dropped_in_silence() -> None:
    content = read_components([{"type": "HOLOGRAM"}, {"type": "BUTTONS", "buttons": [{"type": "TELEPORT"}]}])
    assert content.unknown == ("component HOLOGRAM", "button TELEPORT")


def test_listing_row_is_read_with_quality_reason_and_category() -> None:
    row = {
        "id": "2500000000000042",
        "name": "a",
        "language": "pt_PT",
        "status": "REJECTED",
        "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Olá"}],
        "rejected_reason": "INVALID_FORMAT",
        "quality_score": {"score": "YELLOW", "date": 1793000000},
        "correct_category": "MARKETING",
    }
    remote = read_template(row)
    assert remote is not None
    assert (remote.status, remote.rejected_reason, remote.quality) == (
        TemplateStatus.REJECTED,
        "INVALID_FORMAT",
        Quality.YELLOW,
    )
    assert remote.correct_category is Category.MARKETING
    assert read_template({**row, "status": "SLEEPING"}).status is TemplateStatus.UNKNOWN  # type: ignore[union-attr]
    assert read_template({**row, "id": ""}) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"langauge": "en_US"}, "did you mean 'language'?"),
        ({"category": "UTILTY"}, "did you mean 'UTILITY'?"),
        ({"components": [{"type": "BOY", "text": "x"}]}, "did you mean 'BODY'?"),
        ({"components": [{"type": "BODY", "txt": "x"}]}, "did you mean 'text'?"),
        ({"components": [{"type": "BUTTONS", "buttons": [{"type": "QUICKREPLY"}]}]}, "did you mean 'QUICK_REPLY'?"),
        ({"components": "x"}, "components must be a list"),
        ({"components": [{"type": "BODY", "text": "a"}, {"type": "BODY", "text": "b"}]}, "one BODY only"),
    ],
)
def test_mistakes_of_people_are_named_with_what_was_meant(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UnreadableDraft) as refused:
        read_draft(EXAMPLES[0].body() | change)
    assert any(said in problem for problem in refused.value.problems), refused.value.problems


def test_events_are_known_by_their_content() -> None:
    about = {"message_template_id": 25, "message_template_name": "a", "message_template_language": "en-US"}
    quality = read_event(
        "message_template_status_update", about | {"previous_quality_score": "GREEN", "new_quality_score": "RED"}
    )
    assert quality is not None
    assert (quality.kind, quality.quality, quality.template_id, quality.language) == (
        EventKind.QUALITY,
        Quality.RED,
        "25",
        "en_US",
    )
    paused = read_event("message_template_status_update", about | {"event": "PAUSED", "reason": "NONE"})
    assert paused is not None
    assert (paused.status, paused.reason, paused.refetch) == (TemplateStatus.PAUSED, "", False)
    back = read_event("message_template_status_update", about | {"event": "REINSTATED"})
    assert back is not None
    assert back.refetch
    flagged = read_event("message_template_status_update", about | {"event": "FLAGGED"})
    assert flagged is not None
    assert flagged.status is None
    notice = read_event(
        "template_category_update", about | {"correct_category": "MARKETING", "new_category": "UTILITY"}
    )
    assert notice is not None
    assert (notice.kind, notice.category) == (EventKind.CATEGORY_NOTICE, Category.MARKETING)
    strange = read_event("message_template_status_update", about | {"event": "EVAPORATED"})
    assert strange is not None
    assert strange.status is TemplateStatus.UNKNOWN
    assert read_event("account_update", about | {"event": "PAUSED"}) is None
