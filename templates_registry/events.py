"""What do webhooks tell of templates (fact sheet WhatsApp 1.10)? From Meta's words to ours. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from templates_registry.model import Category, Quality, TemplateStatus
from templates_registry.wire import read_category, read_language, read_quality, read_status, rejection_words

TEMPLATE_FIELDS = (
    "message_template_status_update",
    "message_template_quality_update",
    "template_category_update",
    "message_template_components_update",
)
"""Webhook fields that tell of templates."""


class EventKind(StrEnum):
    STATUS = "status"
    QUALITY = "quality"
    CATEGORY = "category"
    CATEGORY_NOTICE = "category_notice"
    COMPONENTS = "components"


@dataclass(frozen=True, slots=True)
class TemplateEvent:
    """One thing that Meta told of one template. `refetch`: what it says is not enough, so the template is read anew."""

    kind: EventKind
    template_id: str
    name: str
    language: str
    word: str = ""
    status: TemplateStatus | None = None
    reason: str = ""
    words: str = ""
    quality: Quality | None = None
    category: Category | None = None
    effective_at: datetime | None = None
    refetch: bool = False


_STATUS_EVENTS = {
    "APPROVED": TemplateStatus.APPROVED,
    "REJECTED": TemplateStatus.REJECTED,
    "PENDING": TemplateStatus.PENDING,
    "PAUSED": TemplateStatus.PAUSED,
    "DISABLED": TemplateStatus.DISABLED,
    "IN_APPEAL": TemplateStatus.IN_APPEAL,
    "PENDING_DELETION": TemplateStatus.PENDING_DELETION,
    "DELETED": TemplateStatus.DELETED,
    "LIMIT_EXCEEDED": TemplateStatus.LIMIT_EXCEEDED,
    "ARCHIVED": TemplateStatus.ARCHIVED,
    # The status after these is asked for (fact sheet 1.10).
    "REINSTATED": None,
    "UNARCHIVED": None,
    # Still sendable, or not editable: the status stays.
    "FLAGGED": None,
    "LOCKED": None,
}
_REFETCH = ("REINSTATED", "UNARCHIVED", "APPROVED")


def read_event(field: str, value: Mapping[str, Any]) -> TemplateEvent | None:
    """None for what is no event of a template. By its content rather than its field: Meta's own page shows a quality
    event under the status field (fact sheet 1.10)."""
    if field not in TEMPLATE_FIELDS:
        return None
    found = value.get("message_template_id")
    template_id = str(found) if isinstance(found, int) and not isinstance(found, bool) else str(found or "")
    name = str(value.get("message_template_name") or "")
    language = read_language(value.get("message_template_language"))
    if not template_id and not (name and language):
        return None
    event = TemplateEvent(EventKind.STATUS, template_id, name, language)
    if "new_quality_score" in value:
        quality = read_quality(value["new_quality_score"])
        return replace(event, kind=EventKind.QUALITY, word=quality.value, quality=quality)
    if "correct_category" in value:
        at = value.get("category_update_timestamp")
        return replace(
            event,
            kind=EventKind.CATEGORY_NOTICE,
            word=str(value["correct_category"]),
            category=read_category(value["correct_category"]),
            effective_at=datetime.fromtimestamp(at, UTC) if isinstance(at, int) and 0 < at < 10**11 else None,
        )
    if "new_category" in value:
        category = read_category(value["new_category"])
        word = str(value["new_category"])
        return replace(event, kind=EventKind.CATEGORY, word=word, category=category, refetch=category is None)
    if "message_template_element" in value:
        return replace(event, kind=EventKind.COMPONENTS, refetch=True)
    return _read_status_event(event, value)


def _read_status_event(event: TemplateEvent, value: Mapping[str, Any]) -> TemplateEvent | None:
    word = str(value.get("event") or "").upper()
    if not word:
        return None
    reason = str(value.get("reason") or "").upper()
    return replace(
        event,
        word=word,
        status=_STATUS_EVENTS.get(word, read_status(word)),
        reason="" if reason == "NONE" else reason,
        words=rejection_words(value),
        category=read_category(value.get("message_template_category")),
        refetch=word in _REFETCH,
    )
