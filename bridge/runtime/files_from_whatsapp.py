"""A customer sent a file: it is fetched at once, looked at, and laid aside encrypted until it goes on the ticket.

WhatsApp gives a file out for seven days. Its message waits for it ten seconds; then it goes with a line that says so,
and the file comes in a message of its own that quotes it. What WhatsApp does not give out any more is told, once.
A fetch that is cut off by a death begins anew: bytes without a row are swept away later.
"""

import base64
import binascii
import hmac
from collections.abc import AsyncIterator
from datetime import timedelta

from sqlalchemy import Connection

from bridge.domain import file_name, notes
from bridge.domain.model import MediaRef
from bridge.domain.retry import backoff
from bridge.domain.text import preview
from bridge.runtime import media_type
from bridge.runtime.apply import MIDDLE, add_note
from bridge.runtime.services import Moment, Services
from bridge.store import conversations, files, media, messages, outbox
from bridge.store.conversations import Conversation
from bridge.store.files import FileTooBig, Written
from bridge.store.leases import Lease
from bridge.store.media import DueMedia, Media
from bridge.store.tables import EffectKind, Lane, MediaState
from connectors.errors import Permanent, RateLimited, RemoteFailure, RetryLater

WAIT = timedelta(seconds=10)
"""How long a message waits for its file. Real time."""
WHATSAPP_KEEPS = timedelta(days=7)
"""Fact sheet WhatsApp 1.6.2."""
MOST_BYTES = 110 * 1024 * 1024
"""WhatsApp takes 100 MB; whoever sends more never ends."""
DOWNLOAD_SECONDS = 600.0
KEPT_FOR = timedelta(days=14)
"""How long a file waits for the helpdesk, longer than anything is retried."""
LONGEST_PAUSE = timedelta(minutes=15)


def keep_refs(
    connection: Connection, services: Services, message_id: str, refs: tuple[MediaRef, ...], moment: Moment
) -> None:
    """In the transaction that takes the message in."""
    media.add(
        connection,
        services.vault,
        message_id=message_id,
        refs=refs,
        now=moment.business,
        wait_until_at=moment.real + WAIT,
        gone_at=moment.business + WHATSAPP_KEEPS,
    )


async def fetch(services: Services, lease: Lease, due: DueMedia) -> None:
    """Fetch one file, and say what became of it."""
    wanted = await services.database.read(lambda connection: media.load(connection, services.vault, due.id))
    if wanted is None or wanted.state is not MediaState.WAITING:
        return
    try:
        written, claimed_sha256 = await _write(services, wanted.source)
    except FileTooBig:
        await _give_up(services, lease, due, reason="too_big")
        return
    except Permanent as failure:
        services.metrics.count("deskbridge_files_total", "refused")
        await _give_up(services, lease, due, reason=f"code {failure.code}")
        return
    except RemoteFailure as failure:
        await _again_later(services, lease, due, wanted, failure)
        return
    if written.size_bytes == 0:
        services.files.remove([written.id])
        await _give_up(services, lease, due, reason="empty")
        return
    if claimed_sha256 and not _is_same_hash(claimed_sha256, written.sha256):
        services.metrics.count("deskbridge_files_total", "hash_differs")
    claimed = file_name.plain_type(wanted.source.mime_type)
    found = media_type.look(written.head, claimed=claimed)
    is_lie = file_name.is_contradicted(claimed, found)
    actual = found if found is not None and (is_lie or claimed == file_name.UNKNOWN_TYPE) else claimed
    moment = Moment.take(services.clock)
    name = file_name.safe_name(wanted.source.name, kind=wanted.kind, mime_type=actual, at=wanted.created_at)

    def unit(connection: Connection) -> None:
        known = media.load(connection, services.vault, due.id)
        if known is None or known.state is not MediaState.WAITING:
            return
        files.keep(
            connection,
            services.vault,
            written,
            name=name,
            mime_type=actual,
            now=moment.business,
            expires_at=moment.business + KEPT_FOR,
        )
        media.set_state(
            connection,
            [due.id],
            MediaState.FETCHED,
            file_id=written.id,
            reason=f"claimed {claimed}"[:120] if is_lie else None,
        )
        if outbox.is_still_to_be_shown(connection, known.message_id):
            outbox.stop_waiting_for_file(connection, due.conversation_id)
        else:
            _show_later(connection, services, known, moment)

    await services.commit_outcome(lease, unit)
    services.metrics.count("deskbridge_files_total", "fetched")


async def _write(services: Services, source: MediaRef) -> tuple[Written, str | None]:
    """Into the file store, and which hash WhatsApp says it has. Raises `FileTooBig` and `RemoteFailure`."""
    if source.content is not None:
        return await services.files.write(_once(source.content.encode()), at_most_bytes=MOST_BYTES), None
    if source.media_id is None:
        raise Permanent("no_id")
    found = await services.cloud_api.find_media(source.media_id)
    if found.size_bytes is not None and found.size_bytes > MOST_BYTES:
        raise FileTooBig
    try:
        async with services.cloud_api.download(found.url, total_seconds=DOWNLOAD_SECONDS) as content:
            written = await services.files.write(content, at_most_bytes=MOST_BYTES)
    except TimeoutError:
        raise RetryLater("timed_out") from None
    if found.size_bytes is not None and written.size_bytes < found.size_bytes:
        services.files.remove([written.id])
        raise RetryLater("cut_short")
    return written, found.sha256 or source.sha256


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _is_same_hash(claimed: str, actual: bytes) -> bool:
    """Hexadecimal where Meta's API says it, base64 in webhooks (fact sheet WhatsApp 1.6.2, unconfirmed)."""
    if hmac.compare_digest(claimed.lower().encode("utf-8", "replace"), actual.hex().encode()):
        return True
    try:
        return hmac.compare_digest(base64.b64decode(claimed + "==", validate=False), actual)
    except (binascii.Error, ValueError):
        return False


async def _again_later(services: Services, lease: Lease, due: DueMedia, wanted: Media, failure: RemoteFailure) -> None:
    """The id lives for days: nothing is given up before it is gone."""
    moment = Moment.take(services.clock)
    wish = failure.after_seconds if isinstance(failure, RateLimited | RetryLater) else None
    pause = min(backoff(wanted.attempts + 1, jitter=MIDDLE), LONGEST_PAUSE)
    if wish is not None:
        pause = max(pause, timedelta(seconds=wish))
    if moment.business + pause >= wanted.gone_at:
        await _give_up(services, lease, due, reason="gone")
        return
    services.metrics.count("deskbridge_files_total", "retried")
    await services.commit_outcome(
        lease,
        lambda connection: media.set_state(
            connection,
            [due.id],
            MediaState.WAITING,
            due_at=moment.business + pause,
            attempts=wanted.attempts + 1,
            reason=type(failure).__name__,
        ),
    )


async def postpone(services: Services, lease: Lease, due: DueMedia) -> None:
    """Something failed that no rule covers: look again in a while."""
    due_at = services.clock.business_now() + timedelta(minutes=1)
    await services.commit_outcome(
        lease, lambda connection: media.set_state(connection, [due.id], MediaState.WAITING, due_at=due_at)
    )


async def _give_up(services: Services, lease: Lease, due: DueMedia, *, reason: str) -> None:
    """It will not come. Its message says so, or a note does where that stands on the ticket already."""
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> None:
        known = media.load(connection, services.vault, due.id)
        if known is None or known.state is not MediaState.WAITING:
            return
        media.set_state(connection, [due.id], MediaState.LOST, reason=reason)
        if outbox.is_still_to_be_shown(connection, known.message_id):
            outbox.stop_waiting_for_file(connection, due.conversation_id)
            return
        current = conversations.load(connection, due.conversation_id)
        said = messages.load_text(connection, services.vault, known.message_id)
        add_note(connection, services, current, notes.file_lost(said, reason=reason), ticket_id=None, moment=moment)
        conversations.save(connection, current)

    await services.commit_outcome(lease, unit)
    services.metrics.count("deskbridge_files_total", "lost")


def _show_later(connection: Connection, services: Services, late: Media, moment: Moment) -> None:
    """Its message stands on the ticket without it: the file comes in one of its own, which quotes that."""
    conversation_id = messages.conversation_of(connection, late.message_id)
    current = conversations.load(connection, conversation_id)
    said = messages.load_text(connection, services.vault, late.message_id)
    sent_at = messages.load_times(connection, [late.message_id])[late.message_id]
    message_id = messages.add_inbound(
        connection,
        services.vault,
        channel_id=current.channel_id,
        conversation_id=current.id,
        wamid=None,
        kind="late_file",
        text=f"[The file that was missing, sent {notes.at(sent_at)}]\n> {preview(said, notes.QUOTE_CHARACTERS)}",
        sent_at=moment.business,
        now=moment.business,
    )
    assert message_id is not None
    media.move(connection, late.id, message_id=message_id)
    _post(connection, services, current, message_id, moment)
    conversations.save(connection, current)


def _post(connection: Connection, services: Services, current: Conversation, message_id: str, moment: Moment) -> None:
    outbox.add(
        connection,
        services.vault,
        conversation_id=current.id,
        shard=current.shard,
        lane=Lane.HELPDESK,
        seq=current.take_seq(),
        kind=EffectKind.POST_MESSAGE,
        now=moment.business,
        message_id=message_id,
    )
