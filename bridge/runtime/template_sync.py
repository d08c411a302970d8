"""How do we know what Meta's templates are? A full listing at the start, every six hours and when asked for, each event
of a webhook at once, and single templates read anew where an event does not say enough.

Meta owns them: whatever it tells replaces what we thought, drift is marked, and the age and the last error of the
synchronising are kept to be shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
import structlog
from sqlalchemy import Connection, delete

from bridge.runtime.clock import Clock
from bridge.runtime.services import Moment, Services
from bridge.store import channels, inbox, templates
from bridge.store.crypto import Vault
from bridge.store.database import Database
from bridge.store.inbox import InboxEntry
from bridge.store.leases import Lease
from bridge.store.tables import alarm
from bridge.store.templates import Stored
from bridge.whatsapp.template_api import Listing, TemplateApi
from connectors.errors import RateLimited, RemoteFailure
from templates_registry.events import EventKind, TemplateEvent, read_event
from templates_registry.model import Category, Quality, RemoteTemplate, TemplateStatus

EVERY = timedelta(hours=6)
SOONEST = timedelta(seconds=20)
"""After the last one, however often it is asked for."""
ALARM_AFTER = 5
"""Failures in a row."""
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
STALE_AT_ONCE = 20
DRAFT_AGE = timedelta(minutes=5)
"""A draft that a listing younger than this does not show never came to be."""
SYNC_ALARM = "template_sync_failed"
CATEGORY_ALARM = "template_category_changed"
QUALITY_ALARM = "template_quality_low"
STATUS_ALARM = "template_not_sendable"
_LOST = (TemplateStatus.PAUSED, TemplateStatus.DISABLED, TemplateStatus.REJECTED)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a full listing brought."""

    count: int
    added: int
    changed: int
    gone: int
    drifted: int


async def is_due(services: Services) -> bool:
    real_now = services.clock.real_now()
    return await services.database.read(
        lambda connection: (
            templates.is_sync_due(
                connection, waba_id=services.channel.waba_id, every=EVERY, soonest=SOONEST, real_now=real_now
            )
            or bool(templates.stale_remote_ids(connection, waba_id=services.channel.waba_id, limit=1))
        )
    )


async def run_if_due(services: Services) -> None:
    """What is stale is read anew; the whole listing when its time has come. One process at a time. Never raises for
    what Meta answers."""
    api, waba_id, real_now = services.template_api, services.channel.waba_id, services.clock.real_now()
    try:
        await _refresh_stale(services)
    except RemoteFailure as failure:
        log.warning("templates.refresh_failed", exc_type=type(failure).__name__)
    claimed = await services.database.write(
        lambda connection: templates.claim_sync(
            connection, waba_id=waba_id, every=EVERY, soonest=SOONEST, real_now=real_now
        )
    )
    if not claimed:
        return
    try:
        listing = await api.list_all()
    except RemoteFailure as failure:
        log.warning("templates.sync_failed", exc_type=type(failure).__name__)
        record = partial(record_failure, waba_id=waba_id, failure=failure, real_now=services.clock.real_now())
        await services.database.write(record)
        return
    moment = Moment.take(services.clock)
    await services.database.write(
        lambda connection: take_listing(
            connection, services.vault, listing, waba_id=waba_id, moment=moment, asked_at=moment.business
        )
    )


async def sync_now(database: Database, vault: Vault, clock: Clock, api: TemplateApi) -> SyncReport:
    """At once, whoever else may be at it. Raises `RemoteFailure`, which is on record then."""
    try:
        listing = await api.list_all()
    except RemoteFailure as failure:
        record = partial(record_failure, waba_id=api.waba_id, failure=failure, real_now=clock.real_now())
        await database.write(record)
        raise
    moment = Moment.take(clock)
    return await database.write(
        lambda connection: take_listing(
            connection, vault, listing, waba_id=api.waba_id, moment=moment, asked_at=moment.business
        )
    )


def record_failure(connection: Connection, *, waba_id: str, failure: RemoteFailure, real_now: datetime) -> None:
    """The list stays what it was, and everybody can see since when. Five in a row are an alarm."""
    failures = templates.sync_state(connection, waba_id=waba_id).failures
    pause = min(FIRST_PAUSE * 2 ** min(failures, 10), LONGEST_PAUSE)
    if isinstance(failure, RateLimited):
        pause = max(pause, timedelta(seconds=failure.after_seconds))
    count = templates.record_sync_failure(
        connection,
        waba_id=waba_id,
        error=getattr(failure, "code", "") or type(failure).__name__,
        real_now=real_now,
        next_at=real_now + pause,
        every=EVERY,
    )
    if count >= ALARM_AFTER:
        channels.raise_alarm(connection, kind=SYNC_ALARM, subject=waba_id, now=real_now)


def take_listing(
    connection: Connection, vault: Vault, listing: Listing, *, waba_id: str, moment: Moment, asked_at: datetime
) -> SyncReport:
    """The whole of what Meta has. What it does not list any more is gone; a draft that it lists came to be."""
    by_key = {
        (one.name, one.language): one for one in templates.list_all(connection, vault, waba_id=waba_id, gone=True)
    }
    listed: set[str] = set()
    added = changed = drifted = 0
    for remote in listing.templates:
        mine = by_key.get((remote.draft.name, remote.draft.language))
        if mine is None or mine.status.value in templates.GONE:
            row_id = _adopt(connection, vault, waba_id, remote, moment)
            listed.add(row_id)
            added += 1
            continue
        listed.add(mine.id)
        news = take_told(connection, vault, mine, remote, moment=moment)
        changed += bool(news)
        drifted += "content" in news
    gone = 0
    for mine in by_key.values():
        if mine.id in listed or mine.status.value in templates.GONE:
            continue
        if mine.status is TemplateStatus.DRAFT:
            if asked_at - mine.changed_at > DRAFT_AGE:
                templates.forget(connection, mine.id)
            continue
        templates.change(
            connection,
            mine.id,
            status=TemplateStatus.DELETED.value,
            status_word="not listed any more",
            is_stale=False,
            changed_at=moment.business,
        )
        templates.note_event(connection, mine.id, kind="status", word="DELETED", at=moment.business)
        gone += 1
    templates.record_sync(
        connection, waba_id=waba_id, count=len(listing.templates), quota=listing.quota, real_now=moment.real
    )
    connection.execute(delete(alarm).where(alarm.c.kind == SYNC_ALARM, alarm.c.subject == waba_id))
    return SyncReport(len(listing.templates), added, changed, gone, drifted)


def _adopt(connection: Connection, vault: Vault, waba_id: str, remote: RemoteTemplate, moment: Moment) -> str:
    row_id = templates.add(
        connection,
        vault,
        waba_id=waba_id,
        draft=remote.draft,
        status=remote.status,
        origin=templates.SYNCED,
        now=moment.business,
        remote=remote,
    )
    templates.note_event(connection, row_id, kind="status", word=remote.status_word, at=moment.business)
    return row_id


def take_told(
    connection: Connection, vault: Vault, mine: Stored, remote: RemoteTemplate, *, moment: Moment
) -> list[str]:
    """Meta's word on one template replaces ours; what a person should know of it is an alarm."""
    news = templates.save_told(connection, vault, mine, remote, now=moment.business)
    at = moment.business
    if "content" in news:
        templates.note_event(connection, mine.id, kind="content", word="changed elsewhere", at=at)
    if "status" in news:
        detail = " ".join(part for part in (remote.rejected_reason, remote.rejection_words) if part)
        templates.note_event(connection, mine.id, kind="status", word=remote.status_word, detail=detail, at=at)
        _look_at_status(connection, mine, remote.status, moment)
    if "quality" in news:
        templates.note_event(connection, mine.id, kind="quality", word=remote.quality.value, at=at)
        _look_at_quality(connection, mine, remote.quality, moment)
    if "category" in news and mine.status is not TemplateStatus.DRAFT:
        _tell_category(connection, mine, remote.draft.category, moment)
    return news


def _subject(mine: Stored) -> str:
    return f"{mine.name}:{mine.language}"


def _tell_category(connection: Connection, mine: Stored, category: Category, moment: Moment) -> None:
    """Price and consent change with it. Marketing goes to people alone who agreed to it, from this moment on."""
    word = f"{mine.category.value} -> {category.value}"
    templates.note_event(connection, mine.id, kind="category", word=word, at=moment.business)
    channels.raise_alarm(connection, kind=CATEGORY_ALARM, subject=_subject(mine), now=moment.real)


def _look_at_status(connection: Connection, mine: Stored, status: TemplateStatus, moment: Moment) -> None:
    if mine.status is TemplateStatus.APPROVED and status in _LOST:
        channels.raise_alarm(connection, kind=STATUS_ALARM, subject=_subject(mine), now=moment.real)


def _look_at_quality(connection: Connection, mine: Stored, quality: Quality, moment: Moment) -> None:
    """YELLOW is on its way down, RED pauses: a person can still do something about it."""
    if quality in (Quality.YELLOW, Quality.RED):
        channels.raise_alarm(connection, kind=QUALITY_ALARM, subject=_subject(mine), now=moment.real)


# Single templates


async def _refresh_stale(services: Services) -> None:
    waba_id = services.channel.waba_id
    stale = await services.database.read(
        lambda connection: templates.stale_remote_ids(connection, waba_id=waba_id, limit=STALE_AT_ONCE)
    )
    for remote_id in stale:
        remote = await services.template_api.read(remote_id)
        moment = Moment.take(services.clock)
        unit = partial(take_read, vault=services.vault, waba_id=waba_id, remote_id=remote_id, remote=remote)
        await services.database.write(partial(unit, moment=moment))


def take_read(
    connection: Connection,
    *,
    vault: Vault,
    waba_id: str,
    remote_id: str,
    remote: RemoteTemplate | None,
    moment: Moment,
) -> None:
    """One template as Meta just told it; None: it has none of that id, and the next listing tells what became of it."""
    mine = templates.find_remote(connection, vault, waba_id=waba_id, remote_id=remote_id)
    if mine is None:
        return
    if remote is None:
        templates.change(connection, mine.id, is_stale=False)
        templates.want_sync(connection, waba_id=waba_id, real_now=moment.real)
    else:
        take_told(connection, vault, mine, remote, moment=moment)


# Webhooks


def read_change(body: bytes | None) -> tuple[str, TemplateEvent] | None:
    """(account id, event) of an inbox row that tells of a template, else None. Never raises."""
    if body is None:
        return None
    item = orjson.loads(body)
    if not isinstance(item, dict) or not isinstance(item.get("value"), dict):
        return None
    event = read_event(str(item.get("field") or ""), item["value"])
    return None if event is None else (str(item.get("entry_id") or ""), event)


async def take_changes(
    services: Services, lease: Lease, changes: Sequence[tuple[InboxEntry, str, TemplateEvent]]
) -> bool:
    """Apply at once what webhooks tell of our account's templates; others' are kept and nothing follows."""
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> None:
        for entry, waba_id, event in changes:
            if waba_id == services.channel.waba_id:
                take_event(connection, services.vault, waba_id, event, moment)
            inbox.finish(connection, [entry.id], reason=None if waba_id == services.channel.waba_id else "kept")

    await services.commit(lease, unit)
    return False


def take_event(connection: Connection, vault: Vault, waba_id: str, event: TemplateEvent, moment: Moment) -> None:
    """One event. What it says holds from now on, and the template is read anew to be sure: events come late, twice and
    in any order."""
    mine = templates.find_remote(
        connection,
        vault,
        waba_id=waba_id,
        remote_id=event.template_id,
        name=event.name,
        language=event.language,
    )
    if mine is None:
        templates.want_sync(connection, waba_id=waba_id, real_now=moment.real)
        return
    values: dict[str, Any] = {"is_stale": True}
    detail = " ".join(part for part in (event.reason, event.words) if part)
    match event.kind:
        case EventKind.STATUS if event.status is not None and event.status is not mine.status:
            values |= {
                "status": event.status.value,
                "status_word": event.word[:40],
                "rejected_reason": event.reason[:100] or None,
                "rejection_words": event.words[:1000] or None,
                "changed_at": moment.business,
            }
            _look_at_status(connection, mine, event.status, moment)
        case EventKind.QUALITY if event.quality is not None and event.quality is not mine.quality:
            values |= {"quality": event.quality.value, "quality_at": moment.business}
            _look_at_quality(connection, mine, event.quality, moment)
        case EventKind.CATEGORY_NOTICE if event.category is not None:
            values |= {"correct_category": event.category.value, "category_change_at": event.effective_at}
            channels.raise_alarm(connection, kind=CATEGORY_ALARM, subject=_subject(mine), now=moment.real)
        case EventKind.CATEGORY if event.category is not None and event.category is not mine.category:
            values |= {
                "category": event.category.value,
                "previous_category": mine.category.value,
                "correct_category": None,
                "category_change_at": None,
                "changed_at": moment.business,
            }
            channels.raise_alarm(connection, kind=CATEGORY_ALARM, subject=_subject(mine), now=moment.real)
        case _:
            pass
    if mine.remote_id is None and event.template_id:
        values["remote_id"] = event.template_id
    templates.change(connection, mine.id, **values)
    templates.note_event(connection, mine.id, kind=event.kind.value, word=event.word, detail=detail, at=moment.business)
