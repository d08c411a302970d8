"""Which files go along with a customer's messages, and what does the ticket say of those that do not?"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from bridge.domain import file_name, notes
from bridge.domain.text import preview
from bridge.runtime.apply import add_note
from bridge.runtime.services import Moment, Services
from bridge.store import file_links, files, media
from bridge.store.conversations import Conversation
from bridge.store.files import FileMissing, StoredFile
from bridge.store.media import Media
from bridge.store.tables import MediaState
from connectors.interface import FileDraft, FileLimits, TakesFiles

REFUSED = "refused"


def limits(services: Services) -> FileLimits | None:
    """What the helpdesk takes; None: no files at all."""
    return services.connector.file_limits if isinstance(services.connector, TakesFiles) else None


class Reader:
    """`FileSource` over the file store. `missing`: what was asked for and is not there (any more)."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.missing: set[str] = set()

    async def read(self, file_id: str) -> AsyncIterator[bytes]:
        services = self._services
        found = await services.database.read(lambda connection: files.load(connection, services.vault, [file_id]))
        try:
            if file_id not in found:
                raise FileMissing
            async for piece in services.files.read(found[file_id]):
                yield piece
        except FileMissing:
            self.missing.add(file_id)
            raise


@dataclass(frozen=True, slots=True)
class Shown:
    """What of one message's files goes along. `asides`: what is said of the others, a line each."""

    drafts: tuple[FileDraft, ...]
    asides: tuple[str, ...]
    media_ids: tuple[str, ...]
    """Of those that go along."""
    linked: tuple[tuple[Media, StoredFile], ...]
    """Of those that the agent gets a link to."""


NOTHING = Shown((), (), (), ())


def waits_until(of_message: Sequence[Media], *, real_now: datetime) -> datetime | None:
    """Until when a message waits for its files at most; None when it does not (any more)."""
    waiting = [one.wait_until_at for one in of_message if one.state is MediaState.WAITING]
    latest = max(waiting, default=real_now)
    return latest if latest > real_now else None


def choose(
    connection: Connection, services: Services, of_messages: Mapping[str, Sequence[Media]]
) -> Mapping[str, Shown]:
    """For each message that has files: which go along, and what is said of the others."""
    if not of_messages:
        return {}
    wanted = [one.file_id for found in of_messages.values() for one in found if one.file_id is not None]
    stored = files.load(connection, services.vault, wanted)
    taken = limits(services)
    return {message_id: _shown(found, stored, taken) for message_id, found in of_messages.items()}


def _shown(of_message: Sequence[Media], stored: Mapping[str, StoredFile], taken: FileLimits | None) -> Shown:
    drafts, asides, media_ids, linked = [], [], [], []
    for one in of_message:
        file = stored.get(one.file_id or "")
        if one.state in (MediaState.FETCHED, MediaState.ATTACHING) and file is not None:
            if one.reason and one.reason.startswith("claimed "):
                asides.append(f"(Careful: {one.reason}, but it looks like {file.mime_type}.)")
            if taken is None or one.reason == REFUSED or file.size_bytes > taken.bytes_per_file:
                linked.append((one, file))
                asides.append(_why_linked(file, taken, refused=one.reason == REFUSED))
            else:
                drafts.append(FileDraft(file.id, file.name, file.mime_type, file.size_bytes))
                media_ids.append(one.id)
        elif one.state is MediaState.LINKED:
            asides.append("(The helpdesk does not take this file. A private note holds a link to it.)")
        elif one.state is MediaState.LOST:
            asides.append(notes.why_lost(one.reason or ""))
        else:
            asides.append("(The file is still on its way from WhatsApp. It follows here as soon as it is there.)")
    return Shown(tuple(drafts), tuple(asides), tuple(media_ids), tuple(linked))


def _why_linked(file: StoredFile, taken: FileLimits | None, *, refused: bool) -> str:
    if refused:
        return "(The helpdesk refused the file. A private note holds a link to it.)"
    size = file_name.in_words(file.size_bytes)
    if taken is None:
        return f"(The helpdesk takes no files. A private note holds a link to this one, {size}.)"
    most = file_name.in_words(taken.bytes_per_file)
    return f"(Too big for the helpdesk: {size}, and it takes {most}. A private note holds a link to the file.)"


def begin(
    connection: Connection, services: Services, current: Conversation, shown: Iterable[Shown], moment: Moment
) -> None:
    """In the transaction that freezes the request: these are on their way, and links are told in notes behind it."""
    for one in shown:
        media.set_state(connection, one.media_ids, MediaState.ATTACHING)
        for linked, file in one.linked:
            media.set_state(connection, [linked.id], MediaState.LINKED)
            expires_at = moment.business + services.links_for
            files.set_expiry(connection, file.id, expires_at)
            link = file_links.make_link(services.vault, file.id, public_url=services.public_url, expires_at=expires_at)
            text = notes.file_link(
                preview(file.name, notes.QUOTE_CHARACTERS),
                size=file_name.in_words(file.size_bytes),
                link=link,
                until=expires_at,
            )
            add_note(connection, services, current, text, ticket_id=None, moment=moment)


def end(connection: Connection, services: Services, message_ids: Sequence[str]) -> list[str]:
    """The request was written: what went along is the helpdesk's now. Returns ids whose bytes may go."""
    done = _attaching(connection, services, message_ids)
    media.set_state(connection, [one.id for one in done], MediaState.ATTACHED, file_id=None)
    file_ids = [one.file_id for one in done if one.file_id is not None]
    files.forget(connection, file_ids)
    return file_ids


def take_back(connection: Connection, services: Services, message_ids: Sequence[str]) -> bool:
    """The request was not written: the files wait again. Whether there were any."""
    back = _attaching(connection, services, message_ids)
    media.set_state(connection, [one.id for one in back], MediaState.FETCHED)
    return bool(back)


def refuse(connection: Connection, services: Services, message_ids: Sequence[str]) -> None:
    """The helpdesk refuses these for good: the agent gets links instead."""
    refused = _attaching(connection, services, message_ids)
    media.set_state(connection, [one.id for one in refused], MediaState.FETCHED, reason=REFUSED)


def fetch_anew(
    connection: Connection, services: Services, message_ids: Sequence[str], missing: Iterable[str], moment: Moment
) -> None:
    """Bytes that are not there any more are asked for once more, while their messages wait."""
    lost = [one for one in _attaching(connection, services, message_ids) if one.file_id in set(missing)]
    for one in lost:
        media.set_state(connection, [one.id], MediaState.WAITING, file_id=None, due_at=moment.business, attempts=0)
    files.forget(connection, [one.file_id for one in lost if one.file_id is not None])
    take_back(connection, services, message_ids)


def _attaching(connection: Connection, services: Services, message_ids: Sequence[str]) -> list[Media]:
    found = media.load_of_messages(connection, services.vault, message_ids)
    return [one for of_message in found.values() for one in of_message if one.state is MediaState.ATTACHING]


def count_that_fit(message_ids: Sequence[str | None], shown: Mapping[str, Shown], most_bytes: int) -> int:
    """How many of these messages go together by the size of their files; one at least."""
    total = 0
    for count, message_id in enumerate(message_ids):
        total += sum(draft.size_bytes for draft in shown.get(message_id or "", NOTHING).drafts)
        if total > most_bytes and count:
            return count
    return len(message_ids)
