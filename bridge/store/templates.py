"""Message templates as they are kept: one row per language, its versions, its history, and who was sent it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from bridge.store import channels
from bridge.store.crypto import Vault
from bridge.store.ids import new_id
from bridge.store.insert_once import insert_once
from bridge.store.tables import (
    EPOCH,
    message,
    setting,
    template,
    template_event,
    template_name_lock,
    template_send,
    template_sync,
    template_version,
)
from templates_registry.lint import Known
from templates_registry.model import (
    Category,
    Content,
    Draft,
    ParameterFormat,
    Quality,
    RemoteTemplate,
    TemplateStatus,
)
from templates_registry.quotas import SMALL_QUOTA, Quota
from templates_registry.sending_rules import State
from templates_registry.wire import digest, read_components, write_components

CONTENT = "template_version.content"
SUBMITTED, EDITED, SYNCED, ELSEWHERE = "submitted", "edited", "synced", "elsewhere"
GONE = (TemplateStatus.DELETED.value, TemplateStatus.PENDING_DELETION.value)


@dataclass(frozen=True, slots=True)
class Stored:
    """A template with the content that is sent now."""

    id: str
    waba_id: str
    remote_id: str | None
    name: str
    language: str
    category: Category
    previous_category: Category | None
    correct_category: Category | None
    category_change_at: datetime | None
    parameter_format: ParameterFormat
    status: TemplateStatus
    status_word: str
    rejected_reason: str | None
    rejection_words: str | None
    quality: Quality
    quality_at: datetime | None
    version: int
    confirmed_digest: str | None
    drifted_at: datetime | None
    send_ttl_seconds: int | None
    changed_at: datetime
    last_used_at: datetime | None
    created_at: datetime
    content: Content = field(repr=False)

    @property
    def state(self) -> State:
        """What decides over sending it."""
        return State(
            self.name,
            self.language,
            self.category,
            self.status,
            self.quality,
            is_supported=not self.content.unknown,
        )

    @property
    def draft(self) -> Draft:
        return Draft(
            self.name, self.language, self.category, self.content, self.parameter_format, self.send_ttl_seconds
        )


def _stored(row: Any, vault: Vault) -> Stored:
    return Stored(
        id=row.id,
        waba_id=row.waba_id,
        remote_id=row.remote_id,
        name=row.name,
        language=row.language,
        category=Category(row.category),
        previous_category=Category(row.previous_category) if row.previous_category else None,
        correct_category=Category(row.correct_category) if row.correct_category else None,
        category_change_at=row.category_change_at,
        parameter_format=ParameterFormat(row.parameter_format),
        status=TemplateStatus(row.status),
        status_word=row.status_word,
        rejected_reason=row.rejected_reason,
        rejection_words=row.rejection_words,
        quality=Quality(row.quality),
        quality_at=row.quality_at,
        version=row.version,
        confirmed_digest=row.confirmed_digest,
        drifted_at=row.drifted_at,
        send_ttl_seconds=row.send_ttl_seconds,
        changed_at=row.changed_at,
        last_used_at=row.last_used_at,
        created_at=row.created_at,
        content=_open(row.content, row.version_id, vault),
    )


def _open(sealed: bytes | None, version_id: str | None, vault: Vault) -> Content:
    if sealed is None or version_id is None:
        return Content()
    return read_components(orjson.loads(vault.unseal(sealed, CONTENT, version_id)))


_WHOLE = (
    select(template, template_version.c.content, template_version.c.id.label("version_id"))
    .join(
        template_version,
        and_(template_version.c.template_id == template.c.id, template_version.c.number == template.c.version),
        isouter=True,
    )
    .order_by(template.c.name, template.c.language)
)


def list_all(connection: Connection, vault: Vault, *, waba_id: str, gone: bool = False) -> list[Stored]:
    """By name and language; those that are deleted only where asked for."""
    wanted = _WHOLE.where(template.c.waba_id == waba_id)
    if not gone:
        wanted = wanted.where(template.c.status.not_in(GONE))
    return [_stored(row, vault) for row in connection.execute(wanted)]


def find_named(connection: Connection, vault: Vault, *, waba_id: str, name: str) -> list[Stored]:
    """Every language of it, whatever its status, but for those that are deleted."""
    wanted = _WHOLE.where(template.c.waba_id == waba_id, template.c.name == name, template.c.status.not_in(GONE))
    return [_stored(row, vault) for row in connection.execute(wanted)]


def load(connection: Connection, vault: Vault, template_id: str) -> Stored | None:
    row = connection.execute(_WHOLE.where(template.c.id == template_id)).one_or_none()
    return None if row is None else _stored(row, vault)


def find(connection: Connection, vault: Vault, *, waba_id: str, name: str, language: str) -> Stored | None:
    wanted = _WHOLE.where(template.c.waba_id == waba_id, template.c.name == name, template.c.language == language)
    row = connection.execute(wanted).one_or_none()
    return None if row is None else _stored(row, vault)


def find_remote(
    connection: Connection, vault: Vault, *, waba_id: str, remote_id: str, name: str = "", language: str = ""
) -> Stored | None:
    """By Meta's id, else by name and language."""
    row = connection.execute(
        _WHOLE.where(template.c.waba_id == waba_id, template.c.remote_id == remote_id)
    ).one_or_none()
    if row is not None:
        return _stored(row, vault)
    return find(connection, vault, waba_id=waba_id, name=name, language=language) if name else None


def known(stored: Iterable[Stored]) -> list[Known]:
    """As the lint rules want them; what was rejected repeats nothing."""
    return [
        Known(one.name, one.language, one.category, one.content)
        for one in stored
        if one.status is not TemplateStatus.REJECTED
    ]


# Writing


def add(
    connection: Connection,
    vault: Vault,
    *,
    waba_id: str,
    draft: Draft,
    status: TemplateStatus,
    origin: str,
    now: datetime,
    remote: RemoteTemplate | None = None,
) -> str:
    """A template that was not known. `remote`: as Meta tells it, which confirms the content. A row that was deleted
    under this name and language begins anew."""
    known_row = connection.execute(
        select(template.c.id, template.c.version).where(
            template.c.waba_id == waba_id, template.c.name == draft.name, template.c.language == draft.language
        )
    ).one_or_none()
    row_id = new_id() if known_row is None else known_row.id
    values = {
        "category": draft.category.value,
        "parameter_format": draft.parameter_format.value,
        "status": status.value,
        "status_word": status.value,
        "quality": Quality.UNKNOWN.value,
        "send_ttl_seconds": draft.send_ttl_seconds,
        "confirmed_digest": None,
        "drifted_at": None,
        "correct_category": None,
        "category_change_at": None,
        "previous_category": None,
        "rejected_reason": None,
        "rejection_words": None,
        "remote_id": None,
        "is_stale": False,
        "changed_at": now,
        "created_at": now,
    }
    if known_row is None:
        row = {"id": row_id, "waba_id": waba_id, "name": draft.name, "language": draft.language, "version": 0}
        connection.execute(insert(template).values(**row, **values))
    else:
        connection.execute(update(template).where(template.c.id == row_id).values(**values))
    add_version(connection, vault, row_id, draft.content, draft.parameter_format, origin=origin, now=now)
    if remote is not None:
        _save_remote(connection, row_id, remote, now=now)
    return row_id


def add_version(
    connection: Connection,
    vault: Vault,
    template_id: str,
    content: Content,
    parameter_format: ParameterFormat,
    *,
    origin: str,
    now: datetime,
) -> None:
    """From now on this is what the template says."""
    number = connection.execute(select(template.c.version).where(template.c.id == template_id)).scalar_one() + 1
    row_id = new_id()
    written = orjson.dumps(write_components(content, parameter_format))
    connection.execute(
        insert(template_version).values(
            id=row_id,
            template_id=template_id,
            number=number,
            digest=digest(content, parameter_format),
            origin=origin,
            content=vault.seal(written, CONTENT, row_id),
            created_at=now,
        )
    )
    connection.execute(
        update(template)
        .where(template.c.id == template_id)
        .values(version=number, confirmed_digest=None, drifted_at=now if origin == ELSEWHERE else None, changed_at=now)
    )


def save_told(
    connection: Connection, vault: Vault, stored: Stored, remote: RemoteTemplate, *, now: datetime
) -> list[str]:
    """What Meta tells of a known template. Returns what of it is new: content, status, quality, category, notice.

    Content that differs from what Meta told before was changed elsewhere. The first telling after a change of ours
    is Meta's reading of it, which becomes that version's content.
    """
    told = digest(remote.draft.content, remote.draft.parameter_format)
    news = []
    if stored.confirmed_digest is None and stored.version > 0:
        _confirm_version(connection, vault, stored, remote)
    elif stored.confirmed_digest != told:
        origin = ELSEWHERE if stored.version else SYNCED
        add_version(
            connection, vault, stored.id, remote.draft.content, remote.draft.parameter_format, origin=origin, now=now
        )
        news.append("content")
    before = (stored.status, stored.quality, stored.category, stored.correct_category)
    after = (remote.status, remote.quality, remote.draft.category, remote.correct_category)
    names = ("status", "quality", "category", "notice")
    news += [name for name, one, other in zip(names, before, after, strict=True) if one != other]
    _save_remote(connection, stored.id, remote, now=now if news else stored.changed_at)
    return news


def _confirm_version(connection: Connection, vault: Vault, stored: Stored, remote: RemoteTemplate) -> None:
    row_id = connection.execute(
        select(template_version.c.id).where(
            template_version.c.template_id == stored.id, template_version.c.number == stored.version
        )
    ).scalar_one()
    written = orjson.dumps(write_components(remote.draft.content, remote.draft.parameter_format))
    connection.execute(
        update(template_version)
        .where(template_version.c.id == row_id)
        .values(
            digest=digest(remote.draft.content, remote.draft.parameter_format),
            content=vault.seal(written, CONTENT, row_id),
        )
    )


def _save_remote(connection: Connection, template_id: str, remote: RemoteTemplate, *, now: datetime) -> None:
    connection.execute(
        update(template)
        .where(template.c.id == template_id)
        .values(
            remote_id=remote.id,
            category=remote.draft.category.value,
            previous_category=remote.previous_category and remote.previous_category.value,
            correct_category=remote.correct_category and remote.correct_category.value,
            parameter_format=remote.draft.parameter_format.value,
            status=remote.status.value,
            status_word=remote.status_word[:40],
            rejected_reason=remote.rejected_reason[:100] or None,
            rejection_words=remote.rejection_words[:1000] or None,
            quality=remote.quality.value,
            quality_at=remote.quality_at,
            confirmed_digest=digest(remote.draft.content, remote.draft.parameter_format),
            send_ttl_seconds=remote.draft.send_ttl_seconds,
            is_stale=False,
            changed_at=now,
        )
    )


def change(connection: Connection, template_id: str, **values: Any) -> None:
    """Single columns, as a webhook or a call tells them."""
    connection.execute(update(template).where(template.c.id == template_id).values(**values))


def forget(connection: Connection, template_id: str) -> None:
    """A draft that never came to be."""
    for table in (template_event, template_version):
        connection.execute(delete(table).where(table.c.template_id == template_id))
    connection.execute(delete(template).where(template.c.id == template_id))


def note_event(
    connection: Connection, template_id: str, *, kind: str, word: str, detail: str = "", at: datetime
) -> None:
    """One line of its history."""
    connection.execute(
        insert(template_event).values(
            id=new_id(), template_id=template_id, kind=kind, word=word[:60], detail=detail[:500], at=at
        )
    )


@dataclass(frozen=True, slots=True)
class HistoryLine:
    at: datetime
    kind: str
    word: str
    detail: str


def list_history(connection: Connection, template_id: str, *, limit: int) -> list[HistoryLine]:
    """Newest first."""
    rows = connection.execute(
        select(template_event)
        .where(template_event.c.template_id == template_id)
        .order_by(template_event.c.at.desc(), template_event.c.id.desc())
        .limit(limit)
    )
    return [HistoryLine(row.at, row.kind, row.word, row.detail) for row in rows]


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    origin: str
    created_at: datetime
    content: Content = field(repr=False)


def list_versions(connection: Connection, vault: Vault, template_id: str) -> list[Version]:
    """Newest first."""
    rows = connection.execute(
        select(template_version)
        .where(template_version.c.template_id == template_id)
        .order_by(template_version.c.number.desc())
    )
    return [Version(row.number, row.origin, row.created_at, _open(row.content, row.id, vault)) for row in rows]


def edits_of(connection: Connection, template_id: str, *, since: datetime) -> list[datetime]:
    return list(
        connection.execute(
            select(template_version.c.created_at).where(
                template_version.c.template_id == template_id,
                template_version.c.origin == EDITED,
                template_version.c.created_at >= since,
            )
        ).scalars()
    )


def quota_of(connection: Connection, *, waba_id: str, name: str, now: datetime) -> Quota:
    count = connection.execute(
        select(func.count()).where(template.c.waba_id == waba_id, template.c.status.not_in(GONE))
    ).scalar_one()
    created = connection.execute(
        select(func.count())
        .select_from(template_version.join(template, template.c.id == template_version.c.template_id))
        .where(
            template.c.waba_id == waba_id,
            template_version.c.origin == SUBMITTED,
            template_version.c.created_at > now - timedelta(hours=1),
        )
    ).scalar_one()
    lock = connection.execute(
        select(template_name_lock.c.locked_until).where(
            template_name_lock.c.waba_id == waba_id, template_name_lock.c.name == name
        )
    ).scalar_one_or_none()
    told = connection.execute(
        select(template_sync.c.listed, template_sync.c.quota).where(template_sync.c.waba_id == waba_id)
    ).one_or_none()
    limit = told.quota if told is not None and told.quota else SMALL_QUOTA
    return Quota(max(count, told.listed or 0) if told is not None else count, limit, created, lock)


def lock_name(connection: Connection, *, waba_id: str, name: str, until: datetime) -> None:
    mine = (template_name_lock.c.waba_id == waba_id) & (template_name_lock.c.name == name)
    row = {"id": new_id(), "waba_id": waba_id, "name": name, "locked_until": until}
    unique = (template_name_lock.c.waba_id, template_name_lock.c.name)
    if not insert_once(connection, template_name_lock, row, unique=unique):
        connection.execute(update(template_name_lock).where(mine).values(locked_until=until))


# How the synchronising goes


@dataclass(frozen=True, slots=True)
class SyncState:
    """`synced_at` None: never. `error` is Meta's code, or what else went wrong. Real time."""

    synced_at: datetime | None
    failures: int
    error: str | None
    error_at: datetime | None
    listed: int | None
    quota: int | None


def sync_state(connection: Connection, *, waba_id: str) -> SyncState:
    row = connection.execute(select(template_sync).where(template_sync.c.waba_id == waba_id)).one_or_none()
    if row is None:
        return SyncState(None, 0, None, None, None, None)
    return SyncState(row.synced_at, row.failures, row.error, row.error_at, row.listed, row.quota)


def _due(waba_id: str, *, every: timedelta, soonest: timedelta, real_now: datetime) -> Any:
    return and_(
        template_sync.c.waba_id == waba_id,
        or_(
            template_sync.c.claimed_at <= real_now - every,
            and_(template_sync.c.wanted_at.is_not(None), template_sync.c.claimed_at <= real_now - soonest),
        ),
    )


def is_sync_due(
    connection: Connection, *, waba_id: str, every: timedelta, soonest: timedelta, real_now: datetime
) -> bool:
    """Is the interval over, or was it asked for (then no sooner than `soonest` after the last time)?"""
    there = connection.execute(select(template_sync.c.waba_id).where(template_sync.c.waba_id == waba_id)).one_or_none()
    if there is None:
        return True
    due = _due(waba_id, every=every, soonest=soonest, real_now=real_now)
    return connection.execute(select(template_sync.c.waba_id).where(due)).one_or_none() is not None


def claim_sync(
    connection: Connection, *, waba_id: str, every: timedelta, soonest: timedelta, real_now: datetime
) -> bool:
    """One caller at a time."""
    _make_sync_row(connection, waba_id)
    due = _due(waba_id, every=every, soonest=soonest, real_now=real_now)
    values = {"claimed_at": real_now, "wanted_at": None}
    return bool(connection.execute(update(template_sync).where(due).values(values)).rowcount)


def _make_sync_row(connection: Connection, waba_id: str) -> None:
    insert_once(
        connection,
        template_sync,
        {"waba_id": waba_id, "claimed_at": EPOCH, "failures": 0},
        unique=(template_sync.c.waba_id,),
    )


def want_sync(connection: Connection, *, waba_id: str, real_now: datetime) -> None:
    _make_sync_row(connection, waba_id)
    connection.execute(update(template_sync).where(template_sync.c.waba_id == waba_id).values(wanted_at=real_now))


def record_sync(connection: Connection, *, waba_id: str, count: int, quota: int | None, real_now: datetime) -> int:
    """It went well. Returns how many failures came before."""
    _make_sync_row(connection, waba_id)
    failures: int = connection.execute(
        select(template_sync.c.failures).where(template_sync.c.waba_id == waba_id)
    ).scalar_one()
    connection.execute(
        update(template_sync)
        .where(template_sync.c.waba_id == waba_id)
        .values(synced_at=real_now, failures=0, error=None, error_at=None, listed=count, quota=quota)
    )
    return failures


def record_sync_failure(
    connection: Connection, *, waba_id: str, error: str, real_now: datetime, next_at: datetime, every: timedelta
) -> int:
    """It failed, and is due again at `next_at`. Returns how many failures there are in a row now."""
    _make_sync_row(connection, waba_id)
    connection.execute(
        update(template_sync)
        .where(template_sync.c.waba_id == waba_id)
        .values(failures=template_sync.c.failures + 1, error=error[:100], error_at=real_now, claimed_at=next_at - every)
    )
    failures: int = connection.execute(
        select(template_sync.c.failures).where(template_sync.c.waba_id == waba_id)
    ).scalar_one()
    return failures


def stale_remote_ids(connection: Connection, *, waba_id: str, limit: int) -> list[str]:
    """Meta's ids of templates that are to be read anew."""
    rows = connection.execute(
        select(template.c.remote_id)
        .where(template.c.waba_id == waba_id, template.c.is_stale.is_(True), template.c.remote_id.is_not(None))
        .limit(limit)
    )
    return list(rows.scalars())


# Who was sent what


def record_send(connection: Connection, stored: Stored, *, message_id: str, sent_by: str, now: datetime) -> None:
    """In the transaction that makes the message."""
    connection.execute(
        insert(template_send).values(
            message_id=message_id,
            template_id=stored.id,
            version=stored.version,
            sent_by=sent_by[:100],
            day=now.date().isoformat(),
            category=stored.category.value,
        )
    )
    connection.execute(update(template).where(template.c.id == stored.id).values(last_used_at=now))


def copy_send(connection: Connection, *, former_id: str, message_id: str, now: datetime) -> None:
    """Another attempt at the same: it counts for itself."""
    row = connection.execute(select(template_send).where(template_send.c.message_id == former_id)).one_or_none()
    if row is not None:
        values = {"template_id": row.template_id, "version": row.version, "sent_by": row.sent_by}
        connection.execute(
            insert(template_send).values(
                message_id=message_id, day=now.date().isoformat(), category=row.category, **values
            )
        )


def save_price(connection: Connection, *, message_id: str, category: str | None, kind: str | None) -> None:
    """The first that is told counts (fact sheet 1.8)."""
    connection.execute(
        update(template_send)
        .where(template_send.c.message_id == message_id, template_send.c.price_category.is_(None))
        .values(price_category=category, price_type=kind)
    )


@dataclass(frozen=True, slots=True)
class UsageLine:
    """Of one day, template version and sender. `sent` counts what Meta took; `read` is among `delivered`."""

    day: str
    name: str
    language: str
    version: int
    sent_by: str
    price_category: str | None
    price_type: str | None
    asked: int
    sent: int
    delivered: int
    read: int
    failed: int


_TAKEN = ("accepted", "sent", "delivered", "read", "played")
_DELIVERED = ("delivered", "read", "played")
_READ = ("read", "played")


def _count_of(statuses: Sequence[str]) -> Any:
    return func.count().filter(message.c.status.in_(statuses))


def usage(
    connection: Connection, *, waba_id: str, since_day: str, until_day: str, name: str | None = None
) -> list[UsageLine]:
    """Per day, newest first; days are UTC and both included."""
    keys = (
        template_send.c.day,
        template.c.name,
        template.c.language,
        template_send.c.version,
        template_send.c.sent_by,
        template_send.c.price_category,
        template_send.c.price_type,
    )
    wanted = (
        select(
            *keys,
            func.count().label("asked"),
            _count_of(_TAKEN).label("sent"),
            _count_of(_DELIVERED).label("delivered"),
            _count_of(_READ).label("read"),
            _count_of(("failed",)).label("failed"),
        )
        .select_from(
            template_send.join(template, template.c.id == template_send.c.template_id).join(
                message, message.c.id == template_send.c.message_id
            )
        )
        .where(template.c.waba_id == waba_id, template_send.c.day >= since_day, template_send.c.day <= until_day)
        .group_by(*keys)
        .order_by(template_send.c.day.desc(), *keys[1:])
    )
    if name is not None:
        wanted = wanted.where(template.c.name == name)
    return [
        UsageLine(
            row.day,
            row.name,
            row.language,
            row.version,
            row.sent_by,
            row.price_category,
            row.price_type,
            row.asked,
            row.sent,
            row.delivered,
            row.read,
            row.failed,
        )
        for row in connection.execute(wanted)
    ]


# Which field fills which variable

_MAPPING = "template_mapping:"


def load_mapping(connection: Connection, vault: Vault, *, channel_id: str, name: str) -> dict[str, str]:
    """Of a template's variables, those that are filled from a field of ticket or contact."""
    row = connection.execute(
        select(setting).where(setting.c.channel_id == channel_id, setting.c.name == f"{_MAPPING}{name}")
    ).one_or_none()
    if row is None:
        return {}
    mapping: dict[str, str] = orjson.loads(vault.unseal_text(row.value, channels.VALUE, row.id))
    return mapping


def save_mapping(
    connection: Connection, vault: Vault, *, channel_id: str, name: str, mapping: Mapping[str, str]
) -> None:
    """Replaces the one that was there."""
    written = orjson.dumps(dict(mapping)).decode()
    channels.save_settings(connection, vault, channel_id=channel_id, values={f"{_MAPPING}{name}": written})
