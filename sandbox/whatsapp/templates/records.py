"""What Meta keeps of a template, and where."""

import secrets
from dataclasses import dataclass, field
from typing import Any

SENDABLE = ("APPROVED",)
EDITABLE = ("APPROVED", "REJECTED", "PAUSED")
COUNTED = ("DELETED",)
NAME_LOCK_SECONDS = 30 * 86400.0


@dataclass(slots=True)
class Template:
    """One language of a template. Times are sandbox time, Unix seconds; `review_at` None: no review is under way."""

    id: str
    waba_id: str
    name: str
    language: str
    category: str
    parameter_format: str
    components: list[dict[str, Any]]
    status: str
    created_at: float
    review_at: float | None = None
    quality: str = "UNKNOWN"
    quality_at: float = 0.0
    rejected_reason: str = "NONE"
    rejection_info: dict[str, str] | None = None
    previous_category: str = ""
    correct_category: str = ""
    category_change_at: float | None = None
    edited_at: list[float] = field(default_factory=list)
    pauses: int = 0
    paused_until: float | None = None
    was_approved: bool = False
    is_locked: bool = False
    message_send_ttl_seconds: int | None = None
    held: list[str] = field(default_factory=list)
    """Wamids that wait for the quality assessment."""
    sends: int = 0


@dataclass(slots=True)
class Shelf:
    """Every template by id, and which names are locked until when, by account."""

    templates: dict[str, Template] = field(default_factory=dict)
    locked_names: dict[str, float] = field(default_factory=dict)
    """`waba_id/name` -> sandbox time until which it cannot be used again."""
    created_at: dict[str, list[float]] = field(default_factory=dict)
    """Creations of the last hour, by account."""
    uploads: dict[str, str] = field(default_factory=dict)
    """Handle of a sample file -> its MIME type."""

    def of(self, waba_id: str) -> list[Template]:
        """The account's templates, newest first."""
        found = [one for one in self.templates.values() if one.waba_id == waba_id and one.status not in COUNTED]
        return sorted(found, key=lambda one: (-one.created_at, one.id))

    def find(self, waba_id: str, name: str, language: str) -> Template | None:
        """By its full name. The language must be spelled exactly so."""
        for one in self.templates.values():
            is_it = (one.waba_id, one.name, one.language) == (waba_id, name, language)
            if is_it and one.status not in COUNTED:
                return one
        return None


def new_template_id() -> str:
    """Digits beyond what a 32-bit number holds, as Meta's are."""
    return str(10**15 + secrets.randbelow(9 * 10**15))
