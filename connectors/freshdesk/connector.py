"""How does Freshdesk do what the bridge asks of a helpdesk? The I/O, thin; shapes are in `translate`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import httpx

from connectors.client import Streamed, remote_client
from connectors.download import download, is_public_host, is_same_origin
from connectors.errors import (
    FilesRefused,
    NeedsOperator,
    OutcomeUnknown,
    Permanent,
    RemoteFailure,
    RetryLater,
    TicketUnwritable,
)
from connectors.freshdesk import install, translate, wire
from connectors.freshdesk.api import TICKETS_CREATE, TICKETS_LIST, TICKETS_UPDATE, FreshdeskApi
from connectors.freshdesk.conversations import Conversations
from connectors.freshdesk.failures import Refused
from connectors.freshdesk.multipart import multipart
from connectors.freshdesk.people import Requesters, Staff
from connectors.freshdesk.settings import DEFAULT_SOURCE, FreshdeskSettings
from connectors.interface import (
    AuthorKind,
    Budget,
    ChangePage,
    Comment,
    CommentDraft,
    CommentId,
    CommentWritten,
    ContactPage,
    EffectKey,
    FileDraft,
    FileLimits,
    FileRef,
    FileSource,
    Finding,
    HelpdeskContact,
    HelpdeskLimits,
    Marks,
    RequesterChange,
    RequesterDraft,
    RequesterId,
    RequesterRef,
    Successor,
    TicketDraft,
    TicketId,
    TicketStatus,
    TicketWritten,
)

LIMITS = HelpdeskLimits(
    comment_bytes=60_000,
    subject_characters=150,
    call_timeout_seconds=20.0,
    late_write_seconds=5.0,
    write_timeout_seconds=40.0,
)
FILE_LIMITS = FileLimits(
    bytes_per_file=20 * 1024 * 1024, bytes_per_comment=20 * 1024 * 1024, call_timeout_seconds=180.0
)
"""20 MB for all files of a ticket together (fact sheet Freshdesk 5): what else is there, its answer says."""
OVERLAP = timedelta(minutes=2)
"""How far the list of changed tickets is read again: it may show a change later than its time says."""

_PAGE_SIZE = 100
_LAST_PAGE = 300
"""Beyond it Freshdesk lists nothing (fact sheet Freshdesk 1)."""
_STORAGE_HOSTS = (".freshdesk.com", ".freshworks.com", ".amazonaws.com")
"""Where Freshdesk keeps files, as far as is known (fact sheet Freshdesk 5, unconfirmed)."""
_SECOND = timedelta(seconds=1)
_ONE_ACT = timedelta(seconds=3)
"""What a merge does to two tickets carries times no further apart."""


@contextlib.asynccontextmanager
async def connect(
    environment: Mapping[str, str], *, budget: Budget, on_warning: Callable[[str], None]
) -> AsyncIterator["Freshdesk"]:
    """The connector and its connections, for one event loop. Raises `InvalidConfiguration`."""
    settings = FreshdeskSettings.from_environment(environment)
    async with remote_client(
        settings.url,
        timeout_seconds=LIMITS.call_timeout_seconds,
        headers={"Accept": "application/json", "User-Agent": "deskbridge"},
    ) as client:
        yield Freshdesk(client, settings, budget=budget, on_warning=on_warning)


class Freshdesk:
    """`HelpdeskConnector` for one account; the sections below are named after the optional Protocols that it keeps.

    `on_warning` is told the cause of each call that Freshdesk took with a reservation.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        settings: FreshdeskSettings,
        *,
        budget: Budget,
        on_warning: Callable[[str], None],
    ) -> None:
        self._client = client
        self._api = FreshdeskApi(client, settings, budget=budget, on_warning=on_warning)
        self._settings = settings
        self._requesters = Requesters(self._api)
        self._staff = Staff(self._api)
        self._conversations = Conversations(self._api)

    @property
    def limits(self) -> HelpdeskLimits:
        return LIMITS

    @property
    def file_limits(self) -> FileLimits:
        return FILE_LIMITS

    async def check(self) -> None:
        await self._api.get(wire.Agent, "/agents/me", cause="check")

    async def find_or_create_requester(self, draft: RequesterDraft) -> RequesterRef:
        return await self._requesters.find_or_create(draft)

    # ListsContacts

    async def contacts_since(self, cursor: str | None) -> ContactPage:
        return await self._requesters.since(cursor)

    async def contacts_by_id(self, ids: Sequence[RequesterId]) -> Sequence[HelpdeskContact]:
        return await self._requesters.by_id(ids)

    # UpdatesRequesters, MergesRequesters, MergesTickets

    async def update_requester(self, requester: RequesterId, change: RequesterChange) -> None:
        await self._requesters.update(requester, change)

    async def merge_requesters(self, loser: RequesterId, *, into: RequesterId) -> None:
        await self._requesters.merge(loser, into=into)

    async def merge_tickets(self, ticket_id: TicketId, *, into: TicketId, note: str) -> None:
        """The one ticket is closed, and both say so in a private note that names the other."""
        try:
            ticket = await self._ticket(ticket_id, cause="merge_tickets")
        except TicketUnwritable:
            return
        if ticket.status == translate.CLOSED or translate.is_gone(ticket):
            return
        content = translate.merge_request(ticket_id, into=into, note=note)
        try:
            await self._api.send("PUT", "/tickets/merge", cause="merge_tickets", safe=False, content=content)
        except Refused:
            await self._raise_if_gone(into)
            raise

    async def erase_requester(self, requester_id: RequesterId) -> None:
        """Erases every ticket of theirs as well (fact sheet Freshdesk 4). An agent is no contact, so never found."""
        try:
            await self._api.send(
                "DELETE",
                f"/contacts/{requester_id}/hard_delete",
                cause="erase_requester",
                safe=True,
                params={"force": "true"},
            )
        except Refused as refused:
            if refused.status != 404:
                raise

    # Tickets

    def prepare_ticket(self, draft: TicketDraft, *, key: EffectKey) -> bytes:
        return translate.prepared_ticket(draft, key=key, defaults=self._settings.ticket_defaults)

    async def open_ticket(
        self, prepared: bytes, *, key: EffectKey, repeat: bool, files: FileSource | None = None
    ) -> TicketWritten:
        """Nothing makes a repeat harmless: the requester's tickets are looked through for the key first."""
        request = translate.read_ticket(prepared)
        async with _bounded(request.files):
            return await self._open_ticket(request, key=key, repeat=repeat, files=files)

    async def _open_ticket(
        self, request: translate.PreparedTicket, *, key: EffectKey, repeat: bool, files: FileSource | None
    ) -> TicketWritten:
        requester_id = int(request.ticket["requester_id"])
        ticket = await self._opened(requester_id, key) if repeat else None
        was_there = ticket is not None
        if ticket is None:
            ticket = await self._post_ticket(request.ticket, request.files if request.note is None else (), files)
            if repeat:
                ticket = await self._keep_first(requester_id, key) or ticket
            self._check_mark(ticket.description, ticket.description_text, key)
        ticket_id = TicketId(str(ticket.id))
        if request.note is None:
            return TicketWritten(
                ticket_id, translate.description_id(ticket_id), translate.to_status(ticket), ticket.updated_at
            )
        note = await self._conversations.find(ticket_id, key, cause="open_ticket") if was_there else None
        if note is None:
            try:
                note = await self._first_note(ticket_id, request.note, request.files, files)
            except RemoteFailure:
                # The ticket is there whatever became of the note: a repeat finds it, a new attempt would open another.
                raise OutcomeUnknown("note_missing") from None
        return TicketWritten(ticket_id, CommentId(str(note.id)), translate.to_status(ticket), note.created_at)

    async def _post_ticket(
        self, ticket: Mapping[str, object], named: Sequence[FileDraft], files: FileSource | None
    ) -> wire.Ticket:
        try:
            return await self._create(_content(ticket, named, files), with_files=bool(named))
        except Refused as refusal:
            if not refusal.names("source") or ticket["source"] == DEFAULT_SOURCE:
                raise
        self._api.warn("source_refused")
        content = _content({**ticket, "source": DEFAULT_SOURCE}, named, files)
        return await self._create(content, with_files=bool(named))

    async def _create(self, content: bytes | Streamed, *, with_files: bool) -> wire.Ticket:
        with _about_files(with_files):
            return await self._api.write(
                wire.Ticket, "POST", "/tickets", cause="open_ticket", content=content, draws=(TICKETS_CREATE,)
            )

    async def _opened(self, requester_id: int, key: EffectKey) -> wire.Ticket | None:
        """The oldest ticket with our key, among the requester's hundred newest. A first attempt may come through after
        it was looked for: of two tickets with one key the later one goes."""
        found = await self._all_opened(requester_id, key)
        for double in found[1:]:
            self._api.warn("double_removed")
            with contextlib.suppress(RemoteFailure):
                await self._api.send("DELETE", f"/tickets/{double.id}", cause="open_ticket", safe=True)
        return found[0] if found else None

    async def _all_opened(self, requester_id: int, key: EffectKey) -> list[wire.Ticket]:
        tickets, _ = await self._api.get_page(
            wire.Ticket,
            "/tickets",
            cause="open_ticket",
            params={
                "requester_id": requester_id,
                "include": "description",
                "order_by": "created_at",
                "order_type": "desc",
                "per_page": _PAGE_SIZE,
            },
            draws=(TICKETS_LIST,),
        )
        mark = translate.mark_of(key)
        marked = [t for t in tickets if _mark_of_description(t) == mark and not translate.is_gone(t)]
        return sorted(marked, key=lambda ticket: ticket.id)

    async def _keep_first(self, requester_id: int, key: EffectKey) -> wire.Ticket | None:
        """`_opened` after a write: where it cannot look, the next repeat does."""
        try:
            return await self._opened(requester_id, key)
        except RemoteFailure:
            raise OutcomeUnknown("not_looked_through") from None

    # Comments

    def prepare_comment(self, draft: CommentDraft, *, key: EffectKey) -> bytes:
        return translate.prepared_comment(draft, key=key)

    async def add_comment(
        self, ticket_id: TicketId, prepared: bytes, *, key: EffectKey, repeat: bool, files: FileSource | None = None
    ) -> CommentWritten:
        """A note; where it has to, a second call opens the ticket. A repeat looks for the key on the last page first,
        and once more afterwards, since nothing stops a first write that is still on its way."""
        request = translate.read_comment(prepared)
        async with _bounded(request.files):
            return await self._add_comment(ticket_id, request, key=key, repeat=repeat, files=files)

    async def _add_comment(
        self,
        ticket_id: TicketId,
        request: translate.PreparedComment,
        *,
        key: EffectKey,
        repeat: bool,
        files: FileSource | None,
    ) -> CommentWritten:
        note = await self._conversations.find(ticket_id, key, cause="add_comment") if repeat else None
        if note is None:
            note = await self._post_note(ticket_id, request.note, request.files, files, cause="add_comment")
            if repeat:
                note = await self._conversations.keep_first(ticket_id, key) or note
            self._check_mark(note.body, note.body_text, key)
        status, written_at, is_whole = None, note.created_at, True
        if request.reopen or request.marks is not None:
            ticket, is_whole = await self._follow_up(ticket_id, request)
            if ticket is not None:
                status, written_at = translate.to_status(ticket), max(written_at, ticket.updated_at)
        if status is TicketStatus.GONE:
            raise TicketUnwritable("gone")
        return CommentWritten(CommentId(str(note.id)), status, written_at, marks_told=is_whole)

    async def _first_note(
        self,
        ticket_id: TicketId,
        note: Mapping[str, object],
        named: Sequence[FileDraft],
        files: FileSource | None,
    ) -> wire.Conversation:
        """The note that a ticket was opened for: the ticket stands, so that it goes without files that are refused."""
        try:
            return await self._post_note(ticket_id, note, named, files, cause="open_ticket")
        except FilesRefused:
            self._api.warn("file_refused")
            return await self._post_note(ticket_id, note, (), None, cause="open_ticket")

    async def _post_note(
        self,
        ticket_id: TicketId,
        note: Mapping[str, object],
        named: Sequence[FileDraft],
        files: FileSource | None,
        *,
        cause: str,
    ) -> wire.Conversation:
        path = f"/tickets/{ticket_id}/notes"
        try:
            with _about_files(bool(named)):
                return await self._api.write(
                    wire.Conversation, "POST", path, cause=cause, content=_content(note, named, files)
                )
        except Refused as refusal:
            if refusal.status in {404, 405}:
                await self._raise_if_gone(ticket_id)
            if not refusal.names("user_id") or not await self._requesters.exists(note.get("user_id")):
                raise
        except NeedsOperator as failure:
            if failure.code != "access_denied" or "user_id" not in note:
                raise
        # The account does not let our key speak for a contact (unconfirmed): ours by name, still incoming.
        self._api.warn("author_refused")
        unnamed = {name: value for name, value in note.items() if name != "user_id"}
        with _about_files(bool(named)):
            return await self._api.write(
                wire.Conversation, "POST", path, cause=cause, content=_content(unnamed, named, files)
            )

    async def _follow_up(
        self, ticket_id: TicketId, request: translate.PreparedComment
    ) -> tuple[wire.Ticket | None, bool]:
        """What the note itself cannot say: the ticket as last answered, and whether all was done. The note is written,
        so its own verdict stands whatever becomes of this."""
        ticket, is_whole = None, False
        try:
            if request.reopen:
                ticket = await self._update(ticket_id, {"status": translate.OPEN})
            if request.marks is not None:
                if ticket is None:
                    ticket = await self._ticket(ticket_id)
                tags = translate.tags_with(request.marks, ticket.tags or ())
                if sorted(tags) != sorted(ticket.tags or ()) and not translate.is_gone(ticket):
                    ticket = await self._update(ticket_id, {"tags": tags})
            is_whole = True
        except TicketUnwritable:
            raise  # a note in the bin, where nobody sees it
        except RemoteFailure:
            self._api.warn("not_followed_up")
        return ticket, is_whole

    async def _update(self, ticket_id: TicketId, changes: Mapping[str, object]) -> wire.Ticket:
        try:
            return await self._api.write(
                wire.Ticket,
                "PUT",
                f"/tickets/{ticket_id}",
                cause="update_ticket",
                content=translate.encoded(changes),
                draws=(TICKETS_UPDATE,),
            )
        except Refused as refusal:
            if refusal.status in {404, 405}:
                await self._raise_if_gone(ticket_id)
            raise

    async def _raise_if_gone(self, ticket_id: TicketId) -> None:
        if translate.is_gone(await self._ticket(ticket_id)):
            raise TicketUnwritable("gone")

    async def _ticket(
        self, ticket_id: TicketId, *, cause: str = "read_ticket", with_stats: bool = False
    ) -> wire.Ticket:
        """Raises `TicketUnwritable` for one that is not there, archived ones included."""
        params = {"include": "stats"} if with_stats else None
        try:
            return await self._api.get(wire.Ticket, f"/tickets/{ticket_id}", cause=cause, params=params)
        except Refused as refusal:
            if refusal.status == 404:
                raise TicketUnwritable("gone") from None
            raise

    def _check_mark(self, body: str | None, text: str | None, key: EffectKey) -> None:
        """Told at once, not when it is missed: without the mark a repeat would be written twice."""
        shown = text if text is not None else translate.plain_of(body or "")
        if translate.mark_in(shown) != translate.mark_of(key):
            self._api.warn("mark_lost")

    # ReopensAfterwards

    async def reopen_if_put_aside(self, ticket_id: TicketId, *, before: datetime) -> TicketStatus:
        ticket = await self._ticket(ticket_id, cause="reopen", with_stats=True)
        if translate.is_gone(ticket):
            raise TicketUnwritable("gone")
        changed_at = ticket.stats.status_updated_at if ticket.stats else None
        if ticket.status != translate.OPEN and changed_at is not None and changed_at <= before:
            ticket = await self._update(ticket_id, {"status": translate.OPEN})
        return translate.to_status(ticket)

    # MarksTickets

    async def fetch_status(self, ticket_id: TicketId) -> TicketStatus:
        try:
            return translate.to_status(await self._ticket(ticket_id))
        except TicketUnwritable:
            return TicketStatus.GONE

    async def set_marks(self, ticket_id: TicketId, marks: Marks) -> None:
        """As tags, which are read first: on an update the list replaces. Until when the window is open is not told."""
        ticket = await self._ticket(ticket_id, cause="set_marks")
        if translate.is_gone(ticket):
            raise TicketUnwritable("gone")
        tags = translate.tags_with(translate.tags_of(marks), ticket.tags or ())
        if sorted(tags) != sorted(ticket.tags or ()):
            await self._update(ticket_id, {"tags": tags})

    # What agents wrote

    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        """From the last page backwards until one is older; times are whole seconds, and so `since` is cut."""
        since = since.replace(microsecond=0)
        entries = await self._conversations.since(ticket_id, since)
        entries.sort(key=lambda entry: (entry.created_at, entry.id))
        return [await self._to_comment(ticket_id, entry) for entry in entries]

    # GivesFiles

    @contextlib.asynccontextmanager
    async def open_file(self, ref: FileRef) -> AsyncIterator[AsyncIterator[bytes]]:
        """By the address that the conversation shows now: it expires. Never with our key, which the storage refuses
        (fact sheet Freshdesk 5)."""
        url = await self._address_of(ref)
        own = httpx.URL(self._settings.url)

        def headers_for(target: httpx.URL) -> Mapping[str, str] | None:
            known = is_same_origin(target, own) or (is_public_host(target) and target.host.endswith(_STORAGE_HOSTS))
            return {} if known else None

        async with download(self._client, url, headers_for=headers_for) as pieces:
            yield pieces

    async def _address_of(self, ref: FileRef) -> str:
        for entry in await self._conversations.since(ref.ticket_id, ref.commented_at.replace(microsecond=0)):
            if str(entry.id) != ref.comment_id:
                continue
            for one in entry.attachments or ():
                if str(one.id) == ref.file_id and one.attachment_url is not None:
                    return one.attachment_url
            for address in translate.inline_addresses(entry.body or ""):
                if translate.inline_id(address) == ref.file_id:
                    return address
        raise Permanent("no_content", hint="it is not there any more")

    async def _to_comment(self, ticket_id: TicketId, entry: wire.Conversation) -> Comment:
        author = await self._author(entry)
        is_merge = author is AuthorKind.STAFF and translate.may_be_merge(entry, own=ticket_id)
        if is_merge and not entry.private and await self._was_merged_in(ticket_id, entry):
            author = AuthorKind.SYSTEM
        agent = None
        if author is AuthorKind.STAFF and entry.user_id is not None:
            agent = self._staff.known(entry.user_id)
        return translate.to_comment(entry, author, is_merge=is_merge, agent=agent)

    async def _author(self, entry: wire.Conversation) -> AuthorKind:
        """Whoever is not certainly staff is not staff."""
        if not translate.is_spoken(entry):
            return AuthorKind.SYSTEM
        if entry.incoming:
            return AuthorKind.CUSTOMER
        if entry.user_id is None or not await self._staff.may_reply(entry.user_id):
            return AuthorKind.SYSTEM
        return AuthorKind.STAFF

    # KnowsMerges

    async def _was_merged_in(self, ticket_id: TicketId, entry: wire.Conversation) -> bool:
        """Whether this public note only tells that a ticket was merged into this one: that one was closed in that very
        moment, or its own last note names this one. Nobody wrote it to the customer."""
        for other in translate.named_tickets(entry, own=ticket_id)[:2]:
            try:
                ticket = await self._ticket(other, cause="find_merge", with_stats=True)
                if ticket.status != translate.CLOSED:
                    continue
                closed_at = ticket.stats.status_updated_at if ticket.stats else None
                if closed_at is not None and abs(closed_at - entry.created_at) <= _ONE_ACT:
                    return True
                last = await self._conversations.last(other, cause="find_merge")
            except TicketUnwritable:
                continue
            if last is not None and ticket_id in translate.named_tickets(last, own=other):
                return True
        return False

    async def find_successor(self, ticket_id: TicketId) -> Successor | None:
        """No field says where a ticket went: it is closed, and its last note names another one of the same customer."""
        try:
            ticket = await self._ticket(ticket_id, cause="find_successor")
            if ticket.status != translate.CLOSED or translate.is_gone(ticket):
                return None
            entries = await self._conversations.newest(ticket_id, cause="find_successor")
            note = next((entry for entry in reversed(entries) if translate.key_of(entry) is None), None)
            if note is None or not translate.may_be_merge(note, own=ticket_id):
                return None
            for other in translate.named_tickets(note, own=ticket_id)[:2]:
                with contextlib.suppress(TicketUnwritable):
                    target = await self._ticket(other, cause="find_successor")
                    if _may_follow(target, ticket):
                        return Successor(other, note.created_at)
        except TicketUnwritable:
            return None
        return None

    # FeedsChanges

    async def changes_since(self, cursor: str | None, *, start: datetime) -> ChangePage:
        """The list of tickets by their last change. Raises any `RemoteFailure`.

        A run begins `OVERLAP` before the newest change of the last one, and leaves out what that one told. Within a run
        the next question starts at the last change met, not at the next page: pages shift while tickets change.
        """
        at = _start_of_run(cursor, start)
        tickets, more = await self._api.get_page(
            wire.Ticket,
            "/tickets",
            cause="changes_since",
            params={
                # A second earlier: whether its own second is included is unconfirmed.
                "updated_since": (at.since - _SECOND).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "order_by": "updated_at",
                "order_type": "asc",
                "include": "stats",
                "per_page": _PAGE_SIZE,
                "page": at.page,
            },
            draws=(TICKETS_LIST,),
        )
        fresh = [t for t in tickets if at.told.get(str(t.id)) != t.updated_at.isoformat()]
        newest = max([at.until, *(ticket.updated_at for ticket in tickets)])
        told = {**at.told, **{str(ticket.id): ticket.updated_at.isoformat() for ticket in fresh}}
        told = {number: when for number, when in told.items() if datetime.fromisoformat(when) >= newest - 2 * OVERLAP}
        reached = max((ticket.updated_at for ticket in tickets), default=at.since)
        if not more:
            step = translate.Cursor(newest, newest, 1, False, told)
        elif reached - _SECOND > at.since:
            step = translate.Cursor(reached, newest, 1, True, told)
        elif at.page < _LAST_PAGE:
            step = translate.Cursor(at.since, newest, at.page + 1, True, told)
        else:
            raise RetryLater("feed_stuck")
        return ChangePage([translate.to_change(ticket) for ticket in fresh], step.encoded(), end=not more)

    # Installs

    async def inspect(self, *, webhook_url: str, webhook_secrets: Sequence[str]) -> Sequence[Finding]:
        return await install.inspect(self._api, webhook_url=webhook_url, webhook_secrets=webhook_secrets)

    async def install(self, *, webhook_url: str) -> Mapping[str, str]:
        """Freshdesk's API makes nothing of what we need: `inspect` says what a person does."""
        del webhook_url
        return {}

    async def fetch_field_ids(self) -> Mapping[str, int]:
        """None: the marks are tags."""
        return {}


@contextlib.asynccontextmanager
async def _bounded(named: Sequence[FileDraft]) -> AsyncIterator[None]:
    """Whoever finds a write without its worker waits as long: no call of it may begin later."""
    seconds = FILE_LIMITS.call_timeout_seconds if named else LIMITS.write_timeout_seconds
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        broken_off = OutcomeUnknown("timed_out")
    else:
        return
    raise broken_off


def _content(values: Mapping[str, object], named: Sequence[FileDraft], files: FileSource | None) -> bytes | Streamed:
    if not named:
        return translate.encoded(values)
    assert files is not None
    return multipart(values, named, files, total_seconds=FILE_LIMITS.call_timeout_seconds)


@contextlib.contextmanager
def _about_files(with_files: bool) -> Iterator[None]:
    """A refusal for the size or kind of files. Its status and code are unconfirmed, and a front door may answer."""
    try:
        yield
    except Refused as refusal:
        if with_files and (refusal.names("attachments", "attachments[]") or refusal.status in (413, 415)):
            raise FilesRefused(refusal.code) from None
        raise
    except NeedsOperator as failure:
        if with_files and failure.code == "not_an_api":
            raise FilesRefused(failure.code) from None
        raise


def _start_of_run(cursor: str | None, start: datetime) -> translate.Cursor:
    if cursor is None:
        return translate.Cursor(start, start, 1, True, {})
    at = translate.Cursor.decoded(cursor)
    return at if at.running else translate.Cursor(at.until - OVERLAP, at.until, 1, True, at.told)


def _mark_of_description(ticket: wire.Ticket) -> EffectKey | None:
    if ticket.description_text is not None:
        return translate.mark_in(ticket.description_text)
    return translate.mark_in(translate.plain_of(ticket.description or ""))


def _may_follow(target: wire.Ticket, ticket: wire.Ticket) -> bool:
    """Tickets of Freshdesk's own WhatsApp channel belong to it, and another customer's is never written on."""
    is_free = not translate.is_gone(target) and target.source != translate.NATIVE_WHATSAPP_SOURCE
    return is_free and target.requester_id == ticket.requester_id
