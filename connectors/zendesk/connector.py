"""How does Zendesk do what the bridge asks of a helpdesk? The I/O, thin; shapes are in `translate`."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import httpx

from connectors.client import Streamed, remote_client
from connectors.errors import (
    FilesRefused,
    NeedsOperator,
    OutcomeUnknown,
    Permanent,
    RemoteFailure,
    TicketUnwritable,
)
from connectors.interface import (
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
from connectors.zendesk import install, translate, wire
from connectors.zendesk.api import (
    INCREMENTAL,
    TICKETS_CREATE,
    TICKETS_UPDATE,
    TokenCache,
    ZendeskApi,
    ticket_draw,
)
from connectors.zendesk.failures import Refused
from connectors.zendesk.people import People, merge_tickets
from connectors.zendesk.settings import ZendeskSettings

LIMITS = HelpdeskLimits(
    comment_bytes=65_535,
    subject_characters=150,
    call_timeout_seconds=20.0,
    late_write_seconds=3.0,
)
FILE_LIMITS = FileLimits(bytes_per_file=50 * 1024 * 1024, bytes_per_comment=200 * 1024 * 1024, call_timeout_seconds=300)
"""50 MB is the product's limit (fact sheet Zendesk 4); what a comment may hold together is not said."""
OVERLAP = timedelta(seconds=60)
"""How far an export goes back behind the last one's end. The last minute is never given (fact sheet Zendesk 6)."""

_PAGE_SIZE = 100
_MORE = ":more"
_PROCESS_TOKENS: TokenCache = {}
"""Values only, so that loops may follow one another: a job of seconds need not ask for a token of an hour."""


@contextlib.asynccontextmanager
async def connect(
    environment: Mapping[str, str],
    *,
    budget: Budget,
    field_ids: Mapping[str, int],
    on_warning: Callable[[str], None],
) -> AsyncIterator["Zendesk"]:
    """The connector and its connections, for one event loop. Raises `InvalidConfiguration`."""
    settings = ZendeskSettings.from_environment(environment)
    async with remote_client(
        settings.url,
        timeout_seconds=LIMITS.call_timeout_seconds,
        headers={"Accept": "application/json", "User-Agent": "deskbridge"},
    ) as client:
        yield Zendesk(
            client, settings, budget=budget, field_ids=field_ids, on_warning=on_warning, tokens=_PROCESS_TOKENS
        )


class Zendesk:
    """`HelpdeskConnector` for one account; the sections below are named after the optional Protocols that it keeps.

    `field_ids` (`window`, `undelivered`, `window_until`) come from `fetch_field_ids`; without them the marks are left
    out. Looked at anew for each write, so whoever learns them later may fill them in.
    `on_warning` is told the cause of each call of which Zendesk dropped a part. `tokens` may be shared in a process.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        settings: ZendeskSettings,
        *,
        budget: Budget,
        field_ids: Mapping[str, int],
        on_warning: Callable[[str], None],
        tokens: TokenCache,
    ) -> None:
        self._api = ZendeskApi(client, settings, budget=budget, on_warning=on_warning, tokens=tokens)
        self._people = People(self._api)
        self._field_ids = field_ids

    @property
    def limits(self) -> HelpdeskLimits:
        return LIMITS

    @property
    def file_limits(self) -> FileLimits:
        return FILE_LIMITS

    async def check(self) -> None:
        """`/users/me` answers an anonymous user, with no id, where credentials are missing (fact sheet Zendesk 3.4)."""
        me = (await self._api.get(wire.UserAnswer, "/users/me", cause="check")).user
        if me.id is None or me.role not in {"admin", "agent"}:
            raise NeedsOperator("not_staff", action="Give the Zendesk user of the credentials the admin role.")

    # Requesters

    async def find_or_create_requester(self, draft: RequesterDraft) -> RequesterRef:
        """By external_id in one exact call; else the one end user with the number; else a user of our own.

        The phone search lags by minutes, so it only ever finds users who were there long before; ours are found by
        external_id, which has no index to lag and is unique: two first messages at once make one user.
        """
        found = await self._by_external_id(draft)
        if found is not None:
            return found
        candidates: list[wire.User] = []
        if draft.wa_id and draft.others is None:
            answer = await self._api.get(
                wire.UsersAnswer, "/users/search", cause="find_requester", params={"query": f"phone:+{draft.wa_id}"}
            )
            candidates = translate.with_number(draft.wa_id, answer.users)
        if len(candidates) == 1:
            return RequesterRef(RequesterId(str(candidates[0].id)), adopted=True, candidates=1)
        return await self._create_requester(draft, candidates=draft.others or len(candidates))

    async def _by_external_id(self, draft: RequesterDraft) -> RequesterRef | None:
        answer = await self._api.get(
            wire.UsersAnswer,
            "/users/show_many",
            cause="find_requester",
            params={"external_ids": ",".join(translate.external_ids(draft))},
        )
        return translate.best_by_external_id(draft, answer.users)

    async def _create_requester(self, draft: RequesterDraft, *, candidates: int) -> RequesterRef:
        try:
            user = await self._post_user(draft, with_phone=True)
        except Refused as refusal:
            if refusal.names("external_id"):
                raced = await self._by_external_id(draft)
                if raced is None:
                    raise
                return raced
            if not refusal.names("phone"):
                raise
            # Validation of numbers is a setting of the account: without the number the customer is still one person.
            user = await self._post_user(draft, with_phone=False)
        return RequesterRef(RequesterId(str(user.id)), candidates=candidates)

    async def _post_user(self, draft: RequesterDraft, *, with_phone: bool) -> wire.User:
        content = translate.user_request(draft, with_phone=with_phone)
        return (
            await self._api.write(wire.UserAnswer, "POST", "/users", cause="create_requester", content=content)
        ).user

    # ListsContacts

    async def contacts_since(self, cursor: str | None) -> ContactPage:
        return await self._people.since(cursor)

    async def contacts_by_id(self, ids: Sequence[RequesterId]) -> Sequence[HelpdeskContact]:
        return await self._people.by_id(ids)

    # UpdatesRequesters, MergesRequesters, MergesTickets

    async def update_requester(self, requester: RequesterId, change: RequesterChange) -> None:
        await self._people.update(requester, change)

    async def merge_requesters(self, loser: RequesterId, *, into: RequesterId) -> None:
        await self._people.merge(loser, into=into)

    async def merge_tickets(self, ticket_id: TicketId, *, into: TicketId, note: str) -> None:
        try:
            ticket = await self._ticket(ticket_id)
        except TicketUnwritable:
            return
        await merge_tickets(self._api, ticket, await self._ticket(into), note=note)

    async def erase_requester(self, requester_id: RequesterId) -> None:
        """Put aside first, then erased for good (fact sheet Zendesk 3)."""
        try:
            user = (await self._api.get(wire.UserAnswer, f"/users/{requester_id}", cause="erase_requester")).user
        except Refused as refused:
            if refused.status != 404:
                raise
            return
        if user.role != "end-user":
            raise Permanent("not_an_end_user")
        for path in (f"/users/{requester_id}", f"/deleted_users/{requester_id}"):
            if path.startswith("/users") and user.active is False:
                continue
            try:
                await self._api.send("DELETE", path, cause="erase_requester", safe=True)
            except Refused as refused:
                if refused.status != 404:
                    raise

    # Tickets

    def prepare_ticket(self, draft: TicketDraft, *, key: EffectKey) -> bytes:
        return translate.ticket_request(draft, key=key, field_ids=self._field_ids)

    async def open_ticket(
        self, prepared: bytes, *, key: EffectKey, repeat: bool, files: FileSource | None = None
    ) -> TicketWritten:
        """`Idempotency-Key` holds for two hours; a repeat asks the list by external_id, which never lags."""
        if repeat and (opened := await self._opened(key)) is not None:
            return opened
        content = await self._uploaded(prepared, files)
        try:
            answer = await self._api.write(
                wire.TicketAnswer,
                "POST",
                "/tickets",
                cause="open_ticket",
                content=content,
                headers={"Idempotency-Key": key},
                draws=(TICKETS_CREATE,),
            )
        except Refused as refusal:
            if refusal.code == "IdempotentRequestError":
                if (opened := await self._opened(key)) is not None:
                    return opened
                if content != prepared:  # new tokens of the same files: the first attempt is still under way
                    raise OutcomeUnknown("IdempotentRequestError") from None
            raise _about_files(refusal) from None
        return TicketWritten(
            TicketId(str(answer.ticket.id)),
            translate.written_comment_id(answer.audit),
            translate.to_status(answer.ticket),
        )

    async def _opened(self, key: EffectKey) -> TicketWritten | None:
        external_id = translate.ticket_external_id(key)
        answer = await self._api.get(
            wire.TicketsAnswer, "/tickets", cause="open_ticket", params={"external_id": external_id}
        )
        ours = [t for t in answer.tickets if t.external_id == external_id and not t.from_messaging_channel]
        if not ours:
            return None
        ticket = min(ours, key=lambda ticket: ticket.id)
        ticket_id = TicketId(str(ticket.id))
        comment_id = await self._comment_with(key, ticket_id, cause="open_ticket")
        return TicketWritten(ticket_id, comment_id, translate.to_status(ticket))

    # Comments

    def prepare_comment(self, draft: CommentDraft, *, key: EffectKey) -> bytes:
        return translate.comment_request(draft, key=key, field_ids=self._field_ids)

    async def add_comment(
        self, ticket_id: TicketId, prepared: bytes, *, key: EffectKey, repeat: bool, files: FileSource | None = None
    ) -> CommentWritten:
        """`PUT` knows no idempotency: a repeat looks for the key first, and is bound to the stamp read before that."""
        updated_at = None
        if repeat:
            ticket = await self._ticket(ticket_id)
            written = await self._comment_with(key, ticket_id, cause="add_comment")
            if written is not None:
                return CommentWritten(written, translate.to_status(ticket))
            updated_at = ticket.updated_at
        content = await self._uploaded(prepared, files)
        if updated_at is not None:
            # A first write that is still on its way changes the stamp: 409 instead of a second comment.
            content = translate.with_stamp(content, updated_at=updated_at)
        answer = await self._update(ticket_id, content)
        comment_id, status = translate.written_comment_id(answer.audit), translate.to_status(answer.ticket)
        if translate.asks_to_reopen(prepared) and status in {TicketStatus.WAITING, TicketStatus.SOLVED}:
            status = await self._reopen(ticket_id, status)
        return CommentWritten(comment_id, status)

    async def _uploaded(self, prepared: bytes, files: FileSource | None) -> bytes:
        """The request with its files uploaded. An upload that nothing uses ends by itself, so it may be repeated."""
        named = translate.files_of(prepared)
        if not named:
            return prepared
        assert files is not None
        return translate.with_uploads(prepared, [await self._upload(file, files) for file in named])

    async def _upload(self, file: FileDraft, files: FileSource) -> str:
        content = Streamed(
            partial(files.read, file.id), file.mime_type, file.size_bytes, FILE_LIMITS.call_timeout_seconds
        )
        try:
            response = await self._api.send(
                "POST", "/uploads", cause="upload", safe=True, params={"filename": file.name}, content=content
            )
        except Refused as refusal:
            # By size, by kind, or for what nobody foresaw: it is the file that is refused.
            raise FilesRefused(refusal.code) from None
        except NeedsOperator as failure:
            # How a kind of file is refused is unconfirmed, and a front door may answer for the size: a file stops no
            # account.
            if failure.code not in ("forbidden", "not_an_api"):
                raise
            raise FilesRefused(failure.code) from None
        return self._api.read(wire.UploadAnswer, response, safe=True).upload.token

    async def _reopen(self, ticket_id: TicketId, status: TicketStatus) -> TicketStatus:
        # The comment is written, so its own verdict stands whatever becomes of this.
        with contextlib.suppress(RemoteFailure):
            answer = await self._update(ticket_id, translate.encoded({"ticket": {"status": "open"}}))
            return translate.to_status(answer.ticket)
        return status

    async def _update(self, ticket_id: TicketId, content: bytes, *, cause: str = "add_comment") -> wire.TicketAnswer:
        try:
            return await self._api.write(
                wire.TicketAnswer,
                "PUT",
                f"/tickets/{ticket_id}",
                cause=cause,
                content=content,
                draws=(TICKETS_UPDATE, ticket_draw(ticket_id)),
            )
        except Refused as refusal:
            if _is_gone(refusal):
                raise TicketUnwritable("gone") from None
            if refusal.status != 422:
                raise
            refused = refusal
        # Closed is told apart by a text in the account's language only: the ticket itself says it plainly.
        await self._raise_if_unwritable(ticket_id)
        raise _about_files(refused)

    async def _raise_if_unwritable(self, ticket_id: TicketId) -> None:
        ticket = await self._ticket(ticket_id)
        match translate.to_status(ticket):
            case TicketStatus.GONE:
                raise TicketUnwritable("gone")
            case TicketStatus.CLOSED if translate.MERGED_TAG in ticket.tags:
                raise TicketUnwritable("merged", successor=await self._merged_into(ticket_id))
            case TicketStatus.CLOSED:
                raise TicketUnwritable("closed")
            case _:
                return

    async def find_successor(self, ticket_id: TicketId) -> Successor | None:
        """By the tag that a merge leaves on the closed ticket, and the audit that names the other one."""
        try:
            ticket = await self._ticket(ticket_id)
        except TicketUnwritable:
            return None
        return await self._merged_into(ticket_id) if translate.MERGED_TAG in ticket.tags else None

    async def _merged_into(self, ticket_id: TicketId) -> Successor | None:
        try:
            audits = [audit async for audit in self._audits(ticket_id, cause="find_successor")]
        except (Permanent, NeedsOperator):
            # Audits want the global read scope: without it a merged ticket is followed up like a closed one.
            return None
        return translate.merge_target(ticket_id, audits)

    async def _ticket(self, ticket_id: TicketId) -> wire.Ticket:
        try:
            answer = await self._api.get(wire.TicketAnswer, f"/tickets/{ticket_id}", cause="read_ticket")
        except Refused as refusal:
            if _is_gone(refusal):
                raise TicketUnwritable("gone") from None
            raise
        return answer.ticket

    async def _comment_with(self, key: EffectKey, ticket_id: TicketId, *, cause: str) -> CommentId | None:
        """Our comment with this key, among the newest; by the audits where comments show no metadata (unconfirmed)."""
        page = await self._comments_page(ticket_id, cause=cause, after=None)
        markers = {translate.marker(comment.metadata): comment for comment in page.comments}
        if key in markers:
            return CommentId(str(markers[key].id))
        if any(marker is not None for marker in markers):
            return None
        async for audit in self._audits(ticket_id, cause=cause):
            if translate.marker(audit.metadata) == key:
                return translate.written_comment_id(audit)
        return None

    async def _audits(self, ticket_id: TicketId, *, cause: str) -> AsyncIterator[wire.Audit]:
        after: str | None = None
        while True:
            params: dict[str, str | int] = {"page[size]": _PAGE_SIZE}
            if after is not None:
                params["page[after]"] = after
            page = await self._api.get(wire.AuditsPage, f"/tickets/{ticket_id}/audits", cause=cause, params=params)
            for audit in page.audits:
                yield audit
            after = page.meta.after_cursor
            if not page.meta.has_more or after is None:
                return

    async def _comments_page(self, ticket_id: TicketId, *, cause: str, after: str | None) -> wire.CommentsPage:
        params: dict[str, str | int] = {
            "sort": "-created_at",
            "page[size]": _PAGE_SIZE,
            "include": "users",
            "include_inline_images": "true",
        }
        if after is not None:
            params["page[after]"] = after
        try:
            return await self._api.get(wire.CommentsPage, f"/tickets/{ticket_id}/comments", cause=cause, params=params)
        except Refused as refusal:
            if _is_gone(refusal):
                raise TicketUnwritable("gone") from None
            raise

    @contextlib.asynccontextmanager
    async def open_file(self, ref: FileRef) -> AsyncIterator[AsyncIterator[bytes]]:
        """By the attachment's own id, whose address is fresh. Our credentials go to the account's own host alone; a
        private attachment leads on to another one (fact sheet Zendesk 4)."""
        attachment = await self._attachment(ref.file_id)
        if attachment.content_url is None:
            raise Permanent("no_content", hint="it is not there any more")
        async with self._api.open_download(attachment.content_url) as pieces:
            yield self._scanned(ref.file_id, pieces) if attachment.malware_scan_result == "not_scanned" else pieces

    async def _scanned(self, attachment_id: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Zendesk looks for malware while the file is on its way: what it found meanwhile counts."""
        async for piece in pieces:
            yield piece
        await self._attachment(attachment_id)

    async def _attachment(self, attachment_id: str) -> wire.Attachment:
        try:
            answer = await self._api.get(wire.AttachmentAnswer, f"/attachments/{attachment_id}", cause="read_file")
        except Refused as refusal:
            raise Permanent(refusal.code, hint="it is not there any more") from None
        if translate.is_infected(answer.attachment):
            raise Permanent("malware_found", hint="the helpdesk found malware in it")
        return answer.attachment

    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        """Newest first from Zendesk until one is older; its times are whole seconds, and so `since` is cut."""
        since = since.replace(microsecond=0)
        comments: list[wire.Comment] = []
        authors: dict[int, wire.User] = {}
        after: str | None = None
        while True:
            page = await self._comments_page(ticket_id, cause="comments_since", after=after)
            comments += [c for c in page.comments if c.created_at >= since and c.type == "Comment"]
            authors |= {user.id: user for user in page.users if user.id is not None}
            after = page.meta.after_cursor
            past = any(comment.created_at < since for comment in page.comments)
            if past or not page.meta.has_more or after is None:
                break
        authors |= await self._missing_authors(comments, authors)
        comments.sort(key=lambda comment: (comment.created_at, comment.id))
        return [translate.to_comment(comment, authors) for comment in comments]

    async def _missing_authors(
        self, comments: Sequence[wire.Comment], authors: Mapping[int, wire.User]
    ) -> dict[int, wire.User]:
        ids = {c.author_id for c in comments if c.author_id is not None and c.author_id > 0} - authors.keys()
        if not ids:
            return {}
        answer = await self._api.get(
            wire.UsersAnswer,
            "/users/show_many",
            cause="comments_since",
            params={"ids": ",".join(map(str, sorted(ids)[:_PAGE_SIZE]))},
        )
        return {user.id: user for user in answer.users if user.id is not None}

    # MarksTickets

    async def fetch_status(self, ticket_id: TicketId) -> TicketStatus:
        try:
            return translate.to_status(await self._ticket(ticket_id))
        except TicketUnwritable:
            return TicketStatus.GONE

    async def set_marks(self, ticket_id: TicketId, marks: Marks) -> None:
        """Nothing where the account lacks the fields."""
        content = translate.marks_request(marks, field_ids=self._field_ids)
        if content is not None:
            await self._update(ticket_id, content, cause="set_marks")

    # FeedsChanges

    async def changes_since(self, cursor: str | None, *, start: datetime) -> ChangePage:
        """The export of ticket events. Raises any `RemoteFailure`.

        A run begins `OVERLAP` before the last one's end. Within a run the pages follow on exactly: going back there
        could give the same full page for ever.
        """
        if cursor is None:
            # Zendesk refuses a start within the last minute.
            start_time = int((start - 2 * OVERLAP).timestamp())
        elif cursor.endswith(_MORE):
            start_time = int(cursor.removesuffix(_MORE))
        else:
            start_time = int(cursor) - int(OVERLAP.total_seconds())
        page = await self._api.get(
            wire.TicketEventsPage,
            "/incremental/ticket_events",
            cause="changes_since",
            params={"start_time": start_time, "include": "comment_events"},
            draws=(INCREMENTAL,),
        )
        reached = start_time if page.end_time is None else max(page.end_time, start_time)
        if not page.end_of_stream and reached > start_time:
            return ChangePage(translate.to_changes(page.ticket_events), f"{reached}{_MORE}", end=False)
        if cursor is not None and not cursor.endswith(_MORE):
            reached = max(reached, int(cursor))
        return ChangePage(translate.to_changes(page.ticket_events), str(reached), end=True)

    # Installs

    async def inspect(self, *, webhook_url: str, webhook_secrets: Sequence[str]) -> Sequence[Finding]:
        return await install.inspect(self._api, webhook_url=webhook_url, webhook_secrets=webhook_secrets)

    async def install(self, *, webhook_url: str) -> Mapping[str, str]:
        return await install.install(self._api, webhook_url=webhook_url)

    async def fetch_field_ids(self) -> dict[str, int]:
        """Ids of the ticket fields that exist, by our names (`window`, `undelivered`, `window_until`)."""
        return await install.fetch_field_ids(self._api)


def _about_files(refusal: Refused) -> Permanent:
    return FilesRefused(refusal.code) if refusal.names("uploads", "attachments") else refusal


def _is_gone(refusal: Refused) -> bool:
    return refusal.status == 404 and refusal.code != "InvalidEndpoint"
