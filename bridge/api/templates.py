"""`/api/v1/templates`: what templates are there, what would Meta refuse, and who was sent what?"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection, select

from bridge.api.context import AsAdmin, AsReader, Context, Cursor, Limit, Page, Plain, RowId, one_more, page_of
from bridge.api.problems import Refused, not_found
from bridge.runtime import wiring
from bridge.runtime.settings import SettingsError
from bridge.runtime.template_admin import DoesNotPass, Submitted, TemplateOffice, TemplateProblem, concerns_of
from bridge.runtime.template_send import FIELDS
from bridge.store import templates
from bridge.store.tables import channel
from bridge.store.templates import Stored
from templates_registry.lint import Finding as LintFinding
from templates_registry.lint import lint
from templates_registry.model import Draft
from templates_registry.render import Shown, render_examples, to_text
from templates_registry.slots import find_slots
from templates_registry.wire import UnreadableDraft, read_draft, write_components

router = APIRouter(prefix="/api/v1/templates", tags=["templates"])
HISTORY_LINES = 100


class Template(BaseModel):
    """One language of a template, as Meta last told it."""

    id: str
    name: str
    language: str
    category: str
    previous_category: str | None
    correct_category: str | None = Field(description="What Meta will file it under.")
    category_change_at: datetime | None
    status: str
    rejected_reason: str | None
    rejection_words: str | None
    quality: str
    parameter_format: str
    version: int
    drifted_at: datetime | None = Field(description="Since when its content is somebody's change at Meta's side.")
    last_used_at: datetime | None
    changed_at: datetime
    created_at: datetime


class Slot(BaseModel):
    """A value that a send needs, or may have."""

    key: str
    kind: str
    hint: str
    example: str
    is_required: bool


class Version(BaseModel):
    number: int
    origin: str
    created_at: datetime
    components: list[dict[str, Any]]


class HistoryLine(BaseModel):
    at: datetime
    kind: str
    word: str
    detail: str


class Concern(BaseModel):
    """Something to look at."""

    name: str
    language: str
    kind: str
    words: str


class TemplateWhole(Template):
    """With its content, what a send needs, and what happened to it."""

    components: list[dict[str, Any]]
    slots: list[Slot]
    preview: str = Field(description="What a customer sees, with the examples.")
    mapping: dict[str, str]
    versions: list[Version]
    history: list[HistoryLine]
    concerns: list[Concern]


class Finding(BaseModel):
    rule: str
    level: str
    place: str
    message: str
    mend: str


class Checked(BaseModel):
    """`preview` as text and in parts, with the examples."""

    passes: bool
    findings: list[Finding]
    unreadable: list[str] = Field(description="Why it is no template at all; then there is nothing else.")
    preview: str
    parts: dict[str, Any]


class Done(BaseModel):
    """Meta has it. `category` is Meta's decision."""

    id: str
    name: str
    language: str
    what: str
    status: str
    category: str
    category_was_changed: bool
    findings: list[Finding]


class SyncState(BaseModel):
    synced_at: datetime | None
    failures: int
    error: str | None
    error_at: datetime | None
    listed: int | None
    quota: int | None


class SyncReport(BaseModel):
    count: int
    added: int
    changed: int
    gone: int
    drifted: int


class UsageLine(BaseModel):
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


class Usage(BaseModel):
    """Newest day first."""

    items: list[UsageLine]
    concerns: list[Concern]
    next_cursor: None = None


_FieldName = Annotated[str, StringConstraints(pattern=f"^({'|'.join(FIELDS)})$")]


class FieldMapping(BaseModel):
    """Which field of ticket or contact fills which variable of the template, in all its languages."""

    model_config = ConfigDict(extra="forbid")
    fields: dict[Annotated[str, StringConstraints(min_length=1, max_length=80)], _FieldName]


@asynccontextmanager
async def _office(context: Context) -> AsyncIterator[TemplateOffice]:
    """With Meta at the other end. Its refusals are 409."""
    store = context.store
    try:
        async with wiring.open_template_api(context.settings) as api:
            yield TemplateOffice(store.database, store.vault, store.clock, api)
    except (TemplateProblem, SettingsError) as problem:
        raise Refused(HTTPStatus.CONFLICT, str(problem)) from None


def _waba_id(connection: Connection) -> str:
    """The account of the first channel; none yet: nothing is found."""
    found = connection.execute(select(channel.c.waba_id).order_by(channel.c.created_at).limit(1)).scalar_one_or_none()
    return found or ""


@router.get("")
async def list_templates(
    context: Context,
    _caller: AsReader,
    cursor: Cursor = None,
    limit: Limit = 50,
    name: Annotated[Plain | None, Query(description="Only those whose name has this in it.")] = None,
    status: Annotated[Plain | None, Query(description="Only those of this status.")] = None,
) -> Page[Template]:
    """Every language of every template, the last known first."""

    def unit(connection: Connection) -> list[Stored]:
        return templates.list_all(connection, context.store.vault, waba_id=_waba_id(connection))

    rows = sorted(await context.read(unit), key=lambda one: one.id, reverse=True)
    wanted = [
        one
        for one in rows
        if (cursor is None or one.id < cursor)
        and (name is None or name in one.name)
        and (status is None or one.status.value == status.upper())
    ]
    return page_of(wanted[: one_more(limit)], limit=limit, shown=_shown)


@router.get("/sync")
async def show_sync(context: Context, _caller: AsReader) -> SyncState:
    """How old what we know is, and what went wrong last."""
    state = await context.read(lambda connection: templates.sync_state(connection, waba_id=_waba_id(connection)))
    return SyncState(**asdict(state))


@router.post("/sync")
async def sync(context: Context, caller: AsAdmin) -> SyncReport:
    """Ask Meta now what templates there are."""
    async with _office(context) as office:
        report = await office.sync()
    await context.write(
        lambda connection: context.record(connection, caller, action="templates.sync", subject="templates")
    )
    return SyncReport(**asdict(report))


@router.get("/usage")
async def show_usage(
    context: Context,
    _caller: AsReader,
    days: Annotated[int, Query(ge=1, le=3650, description="So many days back, today included.")] = 30,
    name: Annotated[Plain | None, Query(description="Only this template.")] = None,
) -> Usage:
    """Who sent which version to how many, what became of it, and what to look at."""
    now = context.business_now()

    def unit(connection: Connection) -> Usage:
        waba_id = _waba_id(connection)
        lines = _lines(connection, waba_id, now, days=days, name=name)
        week = _lines(connection, waba_id, now, days=7, name=name)
        every = templates.list_all(connection, context.store.vault, waba_id=waba_id)
        concerns = [
            Concern(**asdict(concern))
            for one in every
            if name is None or one.name == name
            for concern in concerns_of(one, week, now=now)
        ]
        return Usage(items=[UsageLine(**asdict(line)) for line in lines], concerns=concerns)

    return await context.read(unit)


def _lines(
    connection: Connection, waba_id: str, now: datetime, *, days: int, name: str | None
) -> list[templates.UsageLine]:
    since = (now - timedelta(days=days - 1)).date().isoformat()
    return templates.usage(connection, waba_id=waba_id, since_day=since, until_day=now.date().isoformat(), name=name)


@router.post("/lint")
async def check(context: Context, _caller: AsReader, template: dict[str, Any]) -> Checked:
    """What Meta would refuse or reject of this template, and what a customer would see. Nothing is kept or sent."""
    try:
        draft = read_draft(template)
    except UnreadableDraft as unreadable:
        return Checked(passes=False, findings=[], unreadable=list(unreadable.problems), preview="", parts={})

    def unit(connection: Connection) -> list[LintFinding]:
        every = templates.list_all(connection, context.store.vault, waba_id=_waba_id(connection))
        return lint(draft, others=templates.known(every))

    findings = await context.read(unit)
    shown = render_examples(draft.content, draft.parameter_format)
    return Checked(
        passes=not any(finding.level.value == "error" for finding in findings),
        findings=_findings(findings),
        unreadable=[],
        preview=to_text(shown),
        parts=_parts(shown),
    )


@router.post("", status_code=HTTPStatus.CREATED)
async def submit(context: Context, caller: AsAdmin, template: dict[str, Any]) -> Done:
    """Create it at Meta, or edit the one of this name and language. The body is Meta's own for a creation."""
    draft = _draft(template)
    async with _office(context) as office:
        try:
            done = await office.submit(draft)
        except DoesNotPass as refused:
            places = "; ".join(f"{one.place}: {one.message}" for one in refused.findings if one.level.value == "error")
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{refused}: {places}"[:2000]) from None
    await context.write(
        lambda connection: context.record(
            connection, caller, action="template.submit", subject=done.id, detail=f"{done.name} {done.language}"
        )
    )
    return _done(done)


@router.get("/{template_id}")
async def show_template(context: Context, _caller: AsReader, template_id: RowId) -> TemplateWhole:
    vault, now = context.store.vault, context.business_now()

    def unit(connection: Connection) -> TemplateWhole:
        found = _found(connection, context, template_id)
        week = _lines(connection, found.waba_id, now, days=7, name=found.name)
        mapping = templates.load_mapping(connection, vault, channel_id=_channel_id(connection), name=found.name)
        return TemplateWhole(
            **_shown(found).model_dump(),
            components=write_components(found.content, found.parameter_format),
            slots=[Slot(**asdict(slot)) for slot in find_slots(found.content, found.parameter_format, found.category)],
            preview=to_text(render_examples(found.content, found.parameter_format)),
            mapping=mapping,
            versions=[
                Version(
                    number=one.number,
                    origin=one.origin,
                    created_at=one.created_at,
                    components=write_components(one.content, found.parameter_format),
                )
                for one in templates.list_versions(connection, vault, template_id)
            ],
            history=[
                HistoryLine(**asdict(line))
                for line in templates.list_history(connection, template_id, limit=HISTORY_LINES)
            ],
            concerns=[Concern(**asdict(concern)) for concern in concerns_of(found, week, now=now)],
        )

    return await context.read(unit)


@router.delete("/{template_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_template(context: Context, caller: AsAdmin, template_id: RowId) -> Response:
    """Delete this language at Meta. Its name is locked for 30 days if it was approved."""
    found = await context.read(lambda connection: _found(connection, context, template_id))
    async with _office(context) as office:
        await office.delete(found)
    await _on_record(context, caller, "template.delete", found)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/{template_id}/unpause")
async def unpause(context: Context, caller: AsAdmin, template_id: RowId) -> Template:
    """Take back a pause at Meta."""
    found = await context.read(lambda connection: _found(connection, context, template_id))
    async with _office(context) as office:
        await office.unpause(found)
    await _on_record(context, caller, "template.unpause", found)
    return _shown(await context.read(lambda connection: _found(connection, context, template_id)))


@router.put("/{template_id}/mapping")
async def map_fields(context: Context, caller: AsAdmin, template_id: RowId, mapping: FieldMapping) -> FieldMapping:
    """Say which field of ticket or contact fills which variable. What an agent gives goes over it."""

    def unit(connection: Connection) -> None:
        found = _found(connection, context, template_id)
        templates.save_mapping(
            connection,
            context.store.vault,
            channel_id=_channel_id(connection),
            name=found.name,
            mapping=mapping.fields,
        )
        context.record(connection, caller, action="template.map", subject=template_id, detail=found.name)

    await context.write(unit)
    return mapping


async def _on_record(context: Context, caller: AsAdmin, action: str, found: Stored) -> None:
    detail = f"{found.name} {found.language}"
    await context.write(
        lambda connection: context.record(connection, caller, action=action, subject=found.id, detail=detail)
    )


def _channel_id(connection: Connection) -> str:
    found: str = connection.execute(select(channel.c.id).order_by(channel.c.created_at).limit(1)).scalar_one()
    return found


def _found(connection: Connection, context: Context, template_id: str) -> Stored:
    found = templates.load(connection, context.store.vault, template_id)
    if found is None:
        raise not_found("template")
    return found


def _draft(template: Mapping[str, Any]) -> Draft:
    try:
        return read_draft(template)
    except UnreadableDraft as unreadable:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(unreadable.problems)[:2000]) from None


def _shown(one: Stored) -> Template:
    return Template(**{name: getattr(one, name) for name in Template.model_fields})


def _findings(found: Sequence[LintFinding]) -> list[Finding]:
    return [Finding(**asdict(one)) for one in found]


def _done(done: Submitted) -> Done:
    return Done(**{**asdict(done), "findings": _findings(done.findings)})


def _parts(shown: Shown) -> dict[str, Any]:
    return asdict(shown)
