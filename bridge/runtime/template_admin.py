"""What may an administrator do with templates? Lint, submit, edit, delete, list, and see who was sent what.

A submit is on record before its call: whatever happens in the middle, the next listing shows what Meta has, and nothing
is half-done. What Meta would refuse is refused here first, with the mend.
"""

import asyncio
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from bridge.runtime import template_sync
from bridge.runtime.clock import Clock
from bridge.runtime.operator_error import OperatorError
from bridge.runtime.services import Moment
from bridge.runtime.template_sync import SyncReport
from bridge.store import templates
from bridge.store.crypto import Vault
from bridge.store.database import Database
from bridge.store.templates import Stored, SyncState, UsageLine
from bridge.whatsapp.template_api import TemplateApi, TemplateRefused
from connectors.errors import NeedsOperator, OutcomeUnknown, RateLimited, RemoteFailure
from templates_registry.lint import Finding, has_errors, lint
from templates_registry.model import Draft, Quality, TemplateStatus
from templates_registry.quotas import NAME_LOCKED_FOR, why_not_create, why_not_edit
from templates_registry.wire import digest

SAMPLE_TYPES = ("image/jpeg", "image/png", "video/mp4", "application/pdf")
UNUSED_AFTER = timedelta(days=90)
ARCHIVED_AFTER = timedelta(days=365)
"""Meta archives what was not used for so long, and deletes it 28 days later (fact sheet WhatsApp 4.5)."""
FAILED_SHARE, FAILED_LEAST = 0.2, 10


class TemplateProblem(OperatorError):
    """It cannot be done; the text says why, and what to do."""


class DoesNotPass(TemplateProblem):
    """Lint found errors."""

    def __init__(self, name: str, findings: Sequence[Finding]) -> None:
        count = sum(finding.level.value == "error" for finding in findings)
        super().__init__(f"{name} has {count} error{'s' if count > 1 else ''} that Meta would refuse: mend them first")
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True)
class Submitted:
    """Meta has it. `what`: `created`, `edited` or `unchanged`. `category` is Meta's word, not ours."""

    id: str
    name: str
    language: str
    what: str
    status: str
    category: str
    category_was_changed: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class TemplateOffice:
    """What the operations need. All of them are awaited, and may raise `StoreUnavailable`."""

    database: Database
    vault: Vault
    clock: Clock
    api: TemplateApi

    @property
    def waba_id(self) -> str:
        return self.api.waba_id

    async def every(self) -> list[Stored]:
        return await self.database.read(
            lambda connection: templates.list_all(connection, self.vault, waba_id=self.waba_id)
        )

    async def sync_state(self) -> SyncState:
        return await self.database.read(lambda connection: templates.sync_state(connection, waba_id=self.waba_id))

    async def sync(self) -> SyncReport:
        """Raises `TemplateProblem` where Meta could not be asked; the failure is on record."""
        try:
            return await template_sync.sync_now(self.database, self.vault, self.clock, self.api)
        except RemoteFailure as failure:
            raise TemplateProblem(_no_answer(failure)) from None

    async def check(self, draft: Draft) -> list[Finding]:
        """Beside what the account has."""
        return lint(draft, others=templates.known(await self.every()))

    async def submit(self, draft: Draft) -> Submitted:
        """Create it, or edit the one of this name and language. Raises `DoesNotPass` and `TemplateProblem`."""
        findings = await self.check(draft)
        if has_errors(findings):
            raise DoesNotPass(f"{draft.name} ({draft.language})", findings)
        existing = await self._existing(draft)
        if existing is not None and existing.status is TemplateStatus.DRAFT:
            await self.sync()  # an earlier submit had no answer: first it is known what became of it
            existing = await self._existing(draft)
        if existing is None or existing.status is TemplateStatus.DRAFT:
            return await self._create(draft, findings, former=existing)
        return await self._edit(existing, draft, findings)

    async def _existing(self, draft: Draft) -> Stored | None:
        found = await self.database.read(
            lambda connection: templates.find(
                connection, self.vault, waba_id=self.waba_id, name=draft.name, language=draft.language
            )
        )
        return None if found is None or found.status.value in templates.GONE else found

    async def _create(self, draft: Draft, findings: Sequence[Finding], *, former: Stored | None) -> Submitted:
        now = self.clock.business_now()

        def put_on_record(connection: Connection) -> str:
            if former is not None:
                templates.forget(connection, former.id)
            quota = templates.quota_of(connection, waba_id=self.waba_id, name=draft.name, now=now)
            why_not = why_not_create(quota, now=now, exists=False)
            if why_not is not None:
                raise TemplateProblem(f"{draft.name} was not submitted: {why_not}")
            row_id = templates.add(
                connection,
                self.vault,
                waba_id=self.waba_id,
                draft=draft,
                status=TemplateStatus.DRAFT,
                origin=templates.SUBMITTED,
                now=now,
            )
            templates.note_event(connection, row_id, kind="submitted", word="CREATE", at=now)
            return row_id

        row_id = await self.database.write(put_on_record)
        try:
            created = await self.api.create(draft)
        except OutcomeUnknown:
            await self.database.write(self._want_sync)
            raise TemplateProblem(
                f"Meta gave no clear answer for {draft.name}: it may have it or not. The next sync shows it "
                "(deskbridge templates sync); submit it again then if it is not there"
            ) from None
        except RemoteFailure as failure:
            await self.database.write(lambda connection: templates.forget(connection, row_id))
            raise TemplateProblem(_refused(draft.name, failure)) from None
        category = created.category or draft.category

        def confirm(connection: Connection) -> None:
            templates.change(
                connection,
                row_id,
                remote_id=created.remote_id,
                status=created.status.value,
                status_word=created.status.value,
                category=category.value,
                previous_category=None if category is draft.category else draft.category.value,
                is_stale=True,
            )
            templates.note_event(connection, row_id, kind="status", word=created.status.value, at=now)

        await self.database.write(confirm)
        await self._read_anew(created.remote_id)
        return await self._submitted(row_id, draft, "created", findings)

    async def _edit(self, existing: Stored, draft: Draft, findings: Sequence[Finding]) -> Submitted:
        same = digest(existing.content, existing.parameter_format) == digest(draft.content, draft.parameter_format)
        if same and draft.category is existing.category and draft.send_ttl_seconds == existing.send_ttl_seconds:
            return await self._submitted(existing.id, draft, "unchanged", findings)
        if draft.parameter_format is not existing.parameter_format:
            raise TemplateProblem(
                f"{draft.name} has {existing.parameter_format.value} variables at Meta, which an edit cannot change: "
                "use the same, or another name"
            )
        assert existing.remote_id is not None
        await self._require_as_known(existing)
        now = self.clock.business_now()
        edits = await self.database.read(
            lambda connection: templates.edits_of(connection, existing.id, since=now - timedelta(days=30))
        )
        why_not = why_not_edit(
            existing.status, category=existing.category, wanted=draft.category, edited_at=edits, now=now
        )
        if why_not is not None:
            raise TemplateProblem(f"{draft.name} ({draft.language}) was not edited: {why_not}")
        try:
            await self.api.edit(
                existing.remote_id,
                content=draft.content,
                parameter_format=draft.parameter_format,
                category=None if draft.category is existing.category else draft.category,
                send_ttl_seconds=draft.send_ttl_seconds,
            )
        except OutcomeUnknown:
            await self.database.write(lambda connection: templates.change(connection, existing.id, is_stale=True))
            raise TemplateProblem(
                f"Meta gave no clear answer to the edit of {draft.name}: it is read anew (deskbridge templates list "
                "shows which version it has)"
            ) from None
        except RemoteFailure as failure:
            raise TemplateProblem(_refused(draft.name, failure)) from None

        def put_on_record(connection: Connection) -> None:
            templates.add_version(
                connection,
                self.vault,
                existing.id,
                draft.content,
                draft.parameter_format,
                origin=templates.EDITED,
                now=now,
            )
            templates.change(connection, existing.id, is_stale=True)
            templates.note_event(connection, existing.id, kind="submitted", word="EDIT", at=now)

        await self.database.write(put_on_record)
        await self._read_anew(existing.remote_id)
        return await self._submitted(existing.id, draft, "edited", findings)

    async def _require_as_known(self, existing: Stored) -> None:
        """An edit replaces everything: what somebody changed at Meta's side meanwhile must be seen before."""
        assert existing.remote_id is not None
        try:
            remote = await self.api.read(existing.remote_id)
        except RemoteFailure as failure:
            raise TemplateProblem(_no_answer(failure)) from None
        if remote is None:
            raise TemplateProblem(f"Meta has no {existing.name} any more: run deskbridge templates sync")
        told = digest(remote.draft.content, remote.draft.parameter_format)
        if existing.confirmed_digest in (None, told):
            return
        await self._take_read(existing.remote_id)
        raise TemplateProblem(
            f"somebody changed {existing.name} ({existing.language}) at Meta meanwhile: look at it (deskbridge "
            f"templates list), and submit again if yours is the right one"
        )

    async def delete(self, stored: Stored) -> None:
        """At Meta. Raises `TemplateProblem`."""
        if stored.status is TemplateStatus.DISABLED:
            raise TemplateProblem(f"{stored.name} is disabled, and Meta deletes no disabled template")
        if stored.remote_id is not None:
            try:
                await self.api.delete(name=stored.name, remote_id=stored.remote_id)
            except OutcomeUnknown:
                await self.database.write(self._want_sync)
                raise TemplateProblem(
                    f"Meta gave no clear answer: the next sync shows whether {stored.name} is gone"
                ) from None
            except RemoteFailure as failure:
                raise TemplateProblem(_refused(stored.name, failure)) from None
        now = self.clock.business_now()

        def unit(connection: Connection) -> None:
            templates.change(
                connection, stored.id, status=TemplateStatus.DELETED.value, status_word="DELETED", changed_at=now
            )
            templates.note_event(connection, stored.id, kind="status", word="DELETED", at=now)
            if stored.status is TemplateStatus.APPROVED:
                until = now + NAME_LOCKED_FOR
                templates.lock_name(connection, waba_id=self.waba_id, name=stored.name, until=until)

        await self.database.write(unit)

    async def unpause(self, stored: Stored) -> None:
        """What Meta paused by its pacing stays paused until then (fact sheet 4.5). Raises `TemplateProblem`."""
        if stored.status is not TemplateStatus.PAUSED or stored.remote_id is None:
            raise TemplateProblem(f"{stored.name} is not paused")
        try:
            await self.api.unpause(stored.remote_id)
        except RemoteFailure as failure:
            raise TemplateProblem(_refused(stored.name, failure)) from None
        await self._read_anew(stored.remote_id)

    async def upload_sample(self, path: Path) -> str:
        """A file for the reviewers, never sent to customers. Returns its handle. Raises `TemplateProblem`."""
        kind = mimetypes.guess_type(path.name)[0] or ""
        if kind not in SAMPLE_TYPES:
            raise TemplateProblem(f"{path.name} is no JPEG, PNG, MP4 or PDF: templates take no other samples")
        try:
            content = await asyncio.to_thread(path.read_bytes)
        except OSError as exc:
            raise TemplateProblem(f"{path} cannot be read ({exc.strerror})") from None
        try:
            return await self.api.upload_sample(path.name, kind, content)
        except RemoteFailure as failure:
            raise TemplateProblem(_refused(path.name, failure)) from None

    async def usage(self, *, since: datetime, until: datetime, name: str | None = None) -> list[UsageLine]:
        """Both days included."""
        return await self.database.read(
            lambda connection: templates.usage(
                connection,
                waba_id=self.waba_id,
                since_day=since.date().isoformat(),
                until_day=until.date().isoformat(),
                name=name,
            )
        )

    async def concerns(self) -> list["Concern"]:
        """What a person should look at: unused templates, falling quality, pauses that are likely, drift."""
        now = self.clock.business_now()
        every = await self.every()
        lines = await self.usage(since=now - timedelta(days=7), until=now)
        return [concern for stored in every for concern in concerns_of(stored, lines, now=now)]

    def _want_sync(self, connection: Connection) -> None:
        templates.want_sync(connection, waba_id=self.waba_id, real_now=self.clock.real_now())

    async def _read_anew(self, remote_id: str) -> None:
        """Best effort: it is marked, and workers read it within seconds otherwise."""
        try:
            await self._take_read(remote_id)
        except RemoteFailure:
            return

    async def _take_read(self, remote_id: str) -> None:
        remote = await self.api.read(remote_id)
        moment = Moment.take(self.clock)
        await self.database.write(
            lambda connection: template_sync.take_read(
                connection,
                vault=self.vault,
                waba_id=self.waba_id,
                remote_id=remote_id,
                remote=remote,
                moment=moment,
            )
        )

    async def _submitted(self, row_id: str, draft: Draft, what: str, findings: Sequence[Finding]) -> Submitted:
        stored = await self.database.read(lambda connection: templates.load(connection, self.vault, row_id))
        assert stored is not None
        return Submitted(
            id=row_id,
            name=stored.name,
            language=stored.language,
            what=what,
            status=stored.status.value,
            category=stored.category.value,
            category_was_changed=stored.category is not draft.category,
            findings=tuple(findings),
        )


def _no_answer(failure: RemoteFailure) -> str:
    if isinstance(failure, NeedsOperator):
        return f"Meta refuses our account (code {failure.code}): {failure.action}"
    if isinstance(failure, RateLimited):
        return "Meta asks us to slow down: try again in some minutes"
    return f"Meta could not be asked ({type(failure).__name__}): try again, or run deskbridge doctor"


def _refused(name: str, failure: RemoteFailure) -> str:
    if isinstance(failure, TemplateRefused):
        return f"Meta refuses {name}: {failure.words} (code {failure.code})"
    return _no_answer(failure)


# What to look at


@dataclass(frozen=True, slots=True)
class Concern:
    """`kind` is a stable word; `words` say what, and what to do."""

    name: str
    language: str
    kind: str
    words: str = field(compare=False)


def concerns_of(stored: Stored, lines: Sequence[UsageLine], *, now: datetime) -> list[Concern]:
    """Of one template; `lines`: the usage of the last seven days."""
    found: list[tuple[str, str]] = []
    used_at = stored.last_used_at or stored.created_at
    if stored.status is TemplateStatus.APPROVED and now - used_at > UNUSED_AFTER:
        archived_at = used_at + ARCHIVED_AFTER
        found.append(
            (
                "unused",
                f"not sent from here since {used_at:%Y-%m-%d}; Meta archives what nobody sends for 12 months "
                f"({archived_at:%Y-%m-%d}), and deletes it 28 days later",
            )
        )
    if stored.quality is Quality.YELLOW and stored.status is TemplateStatus.APPROVED:
        found.append(("quality", "customers like it less: RED pauses it. Send it to fewer people, or mend its text"))
    if stored.quality is Quality.RED and stored.status is TemplateStatus.APPROVED:
        found.append(("pause", "a pause is likely: 3 hours, then 6, then it is switched off. Use another one"))
    mine = [line for line in lines if (line.name, line.language) == (stored.name, stored.language)]
    asked, failed = sum(line.asked for line in mine), sum(line.failed for line in mine)
    if failed >= FAILED_LEAST and failed > asked * FAILED_SHARE:
        found.append(("failures", f"{failed} of {asked} sends of the last 7 days failed: see why in their tickets"))
    if stored.correct_category is not None and stored.correct_category is not stored.category:
        when = f" on {stored.category_change_at:%Y-%m-%d}" if stored.category_change_at else ""
        found.append(("category", f"Meta will file it as {stored.correct_category.value}{when}"))
    if stored.drifted_at is not None:
        found.append(("drift", f"somebody changed it at Meta's side on {stored.drifted_at:%Y-%m-%d %H:%M} UTC"))
    return [Concern(stored.name, stored.language, kind, words) for kind, words in found]
