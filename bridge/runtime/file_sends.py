"""How does an agent's file get ready to be sent? Fetched from the helpdesk, looked at, converted, given to Meta.

All of it may be repeated without harm, so nothing of it is on record: a worker that dies in the middle leaves sealed
bytes that are swept away, and an upload that Meta forgets. Only what is ready is written down; then it is sent like any
message. Until it is ready, what the agent wrote after it waits, for some minutes at most.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from bridge.domain import notes
from bridge.domain.outgoing_files import MOST_BYTES, Form, Inspection, Way, safe_name
from bridge.domain.retry import backoff
from bridge.domain.speech import Note
from bridge.runtime import gates
from bridge.runtime.apply import MIDDLE, add_note
from bridge.runtime.file_contents import Uploaded, file_of
from bridge.runtime.services import HELPDESK_SCOPE, WHATSAPP_SCOPE, Moment, Services
from bridge.store import conversations, file_links, files, messages, outbox
from bridge.store.files import FileMissing, FileTooBig, StoredFile, Written
from bridge.store.leases import Lease
from bridge.store.outbox import EffectRecord
from bridge.store.tables import EffectState
from connectors.errors import NeedsOperator, Permanent, RateLimited, RemoteFailure, RetryLater
from connectors.interface import CommentId, FileRef, GivesFiles, TicketId

FETCH_SECONDS = 300.0
TRIES = 8
"""Pauses double from a second on: some four minutes in all."""
OPERATOR_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Preparation:
    """A file whose turn it is, and that is not ready yet."""

    effect: EffectRecord
    message_id: str
    text: str = field(repr=False)
    content: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ready:
    """`way` is how it goes, `form` its place among `forms`; `stored`: what a link leads to."""

    uploaded: Uploaded
    way: Way
    form: int
    forms: int
    stored: Written | None = None
    mime_type: str = ""


class _Unsendable(Exception):
    """There is no way to send this file. `why` is for the agent."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Stopped(Exception):
    """A far side does nothing until a person acts: its gate closes."""

    def __init__(self, scope: str, failure: NeedsOperator) -> None:
        super().__init__(scope)
        self.scope = scope
        self.failure = failure


async def prepare(services: Services, lease: Lease, step: Preparation) -> bool:
    """Make it ready, or write down why not. False when it has to wait."""
    moment = Moment.take(services.clock)
    try:
        ready = await _make_ready(services, step, moment)
    except _Unsendable as failure:
        why = failure.why
        return await services.commit(lease, lambda connection: _give_up(connection, services, step, why, moment))
    except _Stopped as stopped:
        scope, cause = stopped.scope, stopped.failure
        return await services.commit_outcome(
            lease, lambda connection: _close_gate(connection, services, step, scope, cause, moment)
        )
    except RemoteFailure as failure:
        verdict = failure
        return await services.commit_outcome(
            lease, lambda connection: _try_later(connection, services, step, verdict, Moment.take(services.clock))
        )
    return await services.commit_outcome(lease, lambda connection: _record(connection, services, step, ready, moment))


async def _make_ready(services: Services, step: Preparation, moment: Moment) -> Ready:
    """Raises `_Unsendable`, and `RemoteFailure` for what may pass."""
    file = file_of(step.content)
    inspection = Inspection()
    written = await _fetch(services, step, inspection)
    kept = False
    try:
        if written.size_bytes == 0:
            raise _Unsendable(notes.FILE_EMPTY)
        forms = inspection.forms(name=file.name, mime_type=file.mime_type)
        for number in range(min(step.content["form"], len(forms) - 1), len(forms)):
            form = forms[number]
            if form.kind is None:
                kept = True
                name = str(safe_name(file.name, mime_type=file.mime_type))
                link = file_links.make_link(
                    services.vault,
                    written.id,
                    public_url=services.public_url,
                    expires_at=moment.business + services.links_for,
                )
                uploaded = Uploaded("", link, name, voice=False, at=moment.business)
                return Ready(uploaded, form.way, number, len(forms), written, file.mime_type)
            found = await _upload(services, _stored(written, moment), form, file.name, moment)
            if found is not None:
                return Ready(found, form.way, number, len(forms))
        raise _Unsendable(notes.FILE_REFUSED)
    finally:
        if not kept:
            await asyncio.to_thread(services.files.remove, [written.id])


async def _fetch(services: Services, step: Preparation, inspection: Inspection) -> Written:
    """The file, sealed on our disk, every piece looked at on its way."""
    file = file_of(step.content)
    if file.size_bytes is not None and file.size_bytes > MOST_BYTES:
        raise _Unsendable(notes.FILE_TOO_BIG)
    connector = services.connector
    if not isinstance(connector, GivesFiles):
        raise _Unsendable(notes.FILE_GONE)
    ref = FileRef(TicketId(file.ticket_id), CommentId(file.comment_id), file.commented_at, file.file_id)
    try:
        async with asyncio.timeout(FETCH_SECONDS), connector.open_file(ref) as pieces:
            return await services.files.write(_inspected(pieces, inspection), at_most_bytes=MOST_BYTES)
    except FileTooBig:
        raise _Unsendable(notes.FILE_TOO_BIG) from None
    except Permanent:
        raise _Unsendable(notes.FILE_GONE) from None
    except NeedsOperator as failure:
        raise _Stopped(HELPDESK_SCOPE, failure) from None
    except TimeoutError:
        raise RetryLater("file_too_slow") from None


async def _inspected(pieces: AsyncIterator[bytes], inspection: Inspection) -> AsyncIterator[bytes]:
    async for piece in pieces:
        inspection.feed(piece)
        yield piece


def _stored(written: Written, moment: Moment) -> StoredFile:
    """As the folder reads it; no row names it."""
    return StoredFile(written.id, written.key, "", "", written.size_bytes, moment.business)


async def _upload(services: Services, stored: StoredFile, form: Form, name: str, moment: Moment) -> Uploaded | None:
    """None: it cannot go in this form, by our converter's word or by Meta's."""
    assert form.kind is not None
    try:
        if form.conversion is None:
            async with contextlib.aclosing(services.files.read(stored)) as content:
                mime_type = form.mime_type
                media_id = await services.cloud_api.upload(content, size_bytes=stored.size_bytes, mime_type=mime_type)
        else:
            async with contextlib.aclosing(services.files.read(stored)) as content:
                converted = await services.conversions.convert(form.conversion, content)
            services.metrics.count("deskbridge_conversions_total", f"{form.conversion}:{converted is not None}")
            if converted is None:
                return None
            mime_type = converted.mime_type
            media_id = await services.cloud_api.upload(
                _once(converted.content), size_bytes=len(converted.content), mime_type=mime_type
            )
    except FileMissing:
        raise RetryLater("spool_lost") from None
    except Permanent:
        return None
    except NeedsOperator as failure:
        raise _Stopped(WHATSAPP_SCOPE, failure) from None
    return Uploaded(form.kind.value, media_id, str(safe_name(name, mime_type=mime_type)), form.voice, moment.business)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _is_still_next(connection: Connection, services: Services, step: Preparation) -> bool:
    effect = outbox.load(connection, services.vault, step.effect.id)
    return effect.state is EffectState.READY and effect.message_id == step.message_id


def _record(connection: Connection, services: Services, step: Preparation, ready: Ready, moment: Moment) -> bool:
    if not _is_still_next(connection, services, step):
        return True  # held or dropped meanwhile; bytes that no row names are swept away
    content = {
        **step.content,
        "sent": ready.uploaded.to_json(),
        "form": ready.form,
        "forms": ready.forms,
        "told": ready.way.value,
    }
    messages.save_content(connection, services.vault, step.message_id, content)
    if ready.stored is not None:
        files.keep(
            connection,
            services.vault,
            ready.stored,
            name=ready.uploaded.name,
            mime_type=ready.mime_type or "application/octet-stream",
            now=moment.business,
            expires_at=moment.business + services.links_for,
        )
    if ready.uploaded.kind:
        gates.reopen_gate(connection, services, WHATSAPP_SCOPE, started_at=moment.real)
    services.metrics.count("deskbridge_files_out_total", ready.way.value)
    if ready.way is not Way.AS_IS and step.content.get("told") != ready.way.value:
        note = notes.file_in_other_form(str(file_of(step.content).shown_name), form=ready.way.value)
        _tell(connection, services, step, note, moment)
    return True


def _give_up(connection: Connection, services: Services, step: Preparation, why: str, moment: Moment) -> bool:
    if _is_still_next(connection, services, step):
        outbox.set_state(connection, [step.effect.id], EffectState.FAILED, code="file cannot be sent")
        services.metrics.count("deskbridge_files_out_total", "failed")
        note = notes.file_failed(str(file_of(step.content).shown_name), why=why)
        _tell(connection, services, step, note, moment)
    return True


def _tell(connection: Connection, services: Services, step: Preparation, note: Note, moment: Moment) -> None:
    current = conversations.load(connection, step.effect.conversation_id)
    add_note(connection, services, current, note, ticket_id=step.effect.ticket_id, moment=moment)
    conversations.save(connection, current)


def _close_gate(
    connection: Connection, services: Services, step: Preparation, scope: str, failure: NeedsOperator, moment: Moment
) -> bool:
    """Of WhatsApp, the lane waits at its gate and tells the agent; of the helpdesk, a note could not be written."""
    gates.close_gate(connection, services, scope, failure, moment, by_status=False)
    if _is_still_next(connection, services, step):
        pause = timedelta(0) if scope == WHATSAPP_SCOPE else OPERATOR_PAUSE
        outbox.retry(
            connection,
            [step.effect.id],
            state=EffectState.READY,
            not_before_at=moment.real + pause,
            code=failure.code,
        )
    return scope == WHATSAPP_SCOPE


def _try_later(
    connection: Connection, services: Services, step: Preparation, failure: RemoteFailure, moment: Moment
) -> bool:
    if not _is_still_next(connection, services, step):
        return True
    ids = [step.effect.id]
    match failure:
        case RateLimited():
            outbox.retry(
                connection,
                ids,
                state=EffectState.READY,
                not_before_at=moment.real + timedelta(seconds=failure.after_seconds),
                code=f"rate limited: {failure.limit}",
            )
        case _ if step.effect.failures + 1 >= TRIES:
            return _give_up(connection, services, step, notes.FILE_UNREACHABLE, moment)
        case _:
            outbox.count_failure(connection, ids)
            code = getattr(failure, "code", "later")
            outbox.retry(
                connection,
                ids,
                state=EffectState.READY,
                due_at=moment.business + backoff(step.effect.failures + 1, jitter=MIDDLE),
                code=code,
            )
    return False
