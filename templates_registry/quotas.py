"""May a template be created or edited now (fact sheet WhatsApp 4.1, 4.6)? Said before Meta must say it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from templates_registry.model import Category, TemplateStatus

CREATIONS_PER_HOUR = 100
EDITS_PER_DAY, EDITS_PER_30_DAYS = 1, 10
NAME_LOCKED_FOR = timedelta(days=30)
SMALL_QUOTA, LARGE_QUOTA = 250, 6000


@dataclass(frozen=True, slots=True)
class Quota:
    """`limit`: what Meta's listing says, else the small one. `name_locked_until`: of this name, after a deletion."""

    count: int
    limit: int
    created_last_hour: int
    name_locked_until: datetime | None = None


def why_not_create(quota: Quota, *, now: datetime, exists: bool) -> str | None:
    """In words, before Meta must say it; None where nothing stands in the way."""
    if exists:
        return "a template with this name and language exists already: edit it, or choose another name"
    if quota.name_locked_until is not None and quota.name_locked_until > now:
        return (
            f"a template of this name was deleted, so Meta locks the name until "
            f"{quota.name_locked_until:%Y-%m-%d %H:%M} UTC: choose another name"
        )
    if quota.count >= quota.limit:
        return f"the account has {quota.count} of {quota.limit} templates: delete some, or have the portfolio verified"
    if quota.created_last_hour >= CREATIONS_PER_HOUR:
        return f"{CREATIONS_PER_HOUR} templates were created within the hour, which is Meta's limit: wait an hour"
    return None


def why_not_edit(
    status: TemplateStatus, *, category: Category, wanted: Category, edited_at: Sequence[datetime], now: datetime
) -> str | None:
    """The same for an edit. Rejected and paused ones may be edited as often as one likes."""
    if status not in (TemplateStatus.APPROVED, TemplateStatus.REJECTED, TemplateStatus.PAUSED):
        return f"it is {status.value}: only approved, rejected and paused templates can be edited"
    if status is not TemplateStatus.APPROVED:
        return None
    if wanted is not category:
        return "the category of an approved template cannot be changed"
    recent = [at for at in edited_at if now - at < timedelta(days=30)]
    if len(recent) >= EDITS_PER_30_DAYS:
        return f"an approved template can be edited {EDITS_PER_30_DAYS} times in 30 days"
    if sum(now - at < timedelta(days=1) for at in recent) >= EDITS_PER_DAY:
        return "an approved template can be edited once in 24 hours"
    return None
