"""How does a system of your own do what the bridge asks of a helpdesk? The I/O, thin; shapes are in `translate`.

Every event is a POST to one address, signed as Standard Webhooks asks. `webhook-id` is the effect's own key, so that a
system that remembers it does a thing once however often it is told; that is all there is to ask of it after a lost
answer.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from secrets import token_hex
from time import time  # noqa: TID251 - signatures are of real time, and a connector is given no clock

import httpx
from pydantic import ValidationError
from standardwebhooks import Webhook

from connectors.answers import Answer, unreadable
from connectors.client import call, remote_client
from connectors.download import download, is_public_host, is_same_origin
from connectors.errors import RateLimited, TicketUnwritable
from connectors.http import translate, wire
from connectors.http.failures import verdict
from connectors.http.settings import HttpSettings
from connectors.interface import (
    Budget,
    Change,
    ChangePage,
    Comment,
    CommentDraft,
    CommentId,
    CommentWritten,
    Draw,
    EffectKey,
    FileRef,
    HelpdeskLimits,
    Marks,
    RequesterChange,
    RequesterDraft,
    RequesterId,
    RequesterRef,
    TicketDraft,
    TicketId,
    TicketStatus,
    TicketWritten,
)

ACCOUNT = "account"
LIMITS = HelpdeskLimits(
    comment_bytes=60_000, subject_characters=150, call_timeout_seconds=20.0, late_write_seconds=5.0, readable=False
)
ASKED_LIMITS = HelpdeskLimits(
    comment_bytes=60_000, subject_characters=150, call_timeout_seconds=20.0, late_write_seconds=5.0
)


@contextlib.asynccontextmanager
async def connect(environment: Mapping[str, str], *, budget: Budget) -> AsyncIterator["HttpDesk"]:
    """The connector and its connections, for one event loop. Raises `InvalidConfiguration`."""
    settings = HttpSettings.from_environment(environment)
    async with remote_client(
        settings.url,
        timeout_seconds=LIMITS.call_timeout_seconds,
        headers={"Accept": "application/json", "User-Agent": "deskbridge"},
    ) as client:
        yield desk_of(client, settings, budget=budget)


def desk_of(client: httpx.AsyncClient, settings: HttpSettings, *, budget: Budget) -> "HttpDesk":
    """One that asks, where the system answers questions."""
    kind = AskingHttpDesk if settings.asks else HttpDesk
    return kind(client, settings, budget=budget)


class HttpDesk:
    """`HelpdeskConnector`, `UpdatesRequesters` and `GivesFiles` for a system that takes events and tells by itself what
    agents wrote."""

    limits = LIMITS

    def __init__(self, client: httpx.AsyncClient, settings: HttpSettings, *, budget: Budget) -> None:
        self._client = client
        self._settings = settings
        self._budget = budget
        self._signers = [Webhook(secret.get_secret_value()) for secret in settings.secrets]

    async def check(self) -> None:
        """An event that asks for nothing; any 2xx will do."""
        await self._ask(translate.PING, {}, cause="check")

    async def find_or_create_requester(self, draft: RequesterDraft) -> RequesterRef:
        """Your system finds or makes them by `requester.id`, which is the same for a customer each time."""
        # The oldest secret: while they are rotated, the name stays.
        ours = translate.requester_name(draft, self._settings.secrets[-1].get_secret_value())
        # Not the name as `webhook-id`: a customer who was removed over there is made anew when asked for again.
        answer = await self._ask(
            translate.REQUESTER_SEEN, translate.requester_data(draft, ours), cause="find_requester"
        )
        named = _read(answer, safe=True)
        return RequesterRef(RequesterId(named.requester_id or ours), adopted=named.adopted)

    async def update_requester(self, requester: RequesterId, change: RequesterChange) -> None:
        """`UpdatesRequesters`: what they are known by from now on."""
        data = translate.changed_data(requester, change)
        await self._ask(translate.REQUESTER_CHANGED, data, cause="update_requester")

    def prepare_ticket(self, draft: TicketDraft, *, key: EffectKey) -> bytes:
        return translate.event(translate.TICKET_OPENED, translate.ticket_data(draft, key=key))

    async def open_ticket(self, prepared: bytes, *, key: EffectKey, repeat: bool) -> TicketWritten:
        del repeat  # the same event again: `webhook-id` tells
        answer = _read(await self._send(prepared, event_id=key, cause="open_ticket", safe=False), safe=False)
        ticket_id = TicketId(answer.ticket_id or translate.ticket_name(key))
        status = translate.to_status(answer.status, TicketStatus.OPEN)
        assert status is not None
        return TicketWritten(ticket_id, _comment_id(ticket_id, answer), status)

    def prepare_comment(self, draft: CommentDraft, *, key: EffectKey) -> bytes:
        return translate.encoded_comment(draft, key=key)

    async def add_comment(
        self, ticket_id: TicketId, prepared: bytes, *, key: EffectKey, repeat: bool
    ) -> CommentWritten:
        del repeat
        data = translate.comment_for(ticket_id, prepared)
        content = translate.event(translate.COMMENT_ADDED, data)
        answer = _read(await self._send(content, event_id=key, cause="add_comment", safe=False), safe=False)
        opened = TicketStatus.OPEN if data["reopen"] else None
        return CommentWritten(_comment_id(ticket_id, answer), translate.to_status(answer.status, opened))

    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        """Nothing: what agents write is told, and comes with the ring."""
        del ticket_id, since
        return ()

    # GivesFiles

    @contextlib.asynccontextmanager
    async def open_file(self, ref: FileRef) -> AsyncIterator[AsyncIterator[bytes]]:
        """By the address that came with the comment, without any credentials: it must give the file to whoever asks."""
        own = httpx.URL(self._settings.url)

        def headers_for(target: httpx.URL) -> Mapping[str, str] | None:
            return {} if is_public_host(target) or is_same_origin(target, own) else None

        async with download(self._client, ref.file_id, headers_for=headers_for) as pieces:
            yield pieces

    async def _ask(self, kind: str, data: translate.Data, *, cause: str) -> bytes:
        """An event that may be repeated, each time under an id of its own: an old answer is no answer."""
        return await self._send(
            translate.event(kind, data), event_id=f"{kind.replace('.', '-')}-{token_hex(12)}", cause=cause, safe=True
        )

    async def _send(self, content: bytes, *, event_id: str, cause: str, safe: bool) -> bytes:
        """One signed event. Returns the answer's body. Raises any `RemoteFailure`."""
        await self._budget.take(cause, [Draw(ACCOUNT, self._settings.calls_per_minute, 60)])
        sent_at = datetime.fromtimestamp(time(), UTC)
        text = content.decode()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": " ".join(signer.sign(event_id, sent_at, text) for signer in self._signers),
        }
        response = await call(self._client, "POST", self._settings.url, safe=safe, content=content, headers=headers)
        failure = verdict(Answer(response.status_code, response.headers, response.content, safe=safe))
        if isinstance(failure, RateLimited):
            await self._budget.close(ACCOUNT, seconds=failure.after_seconds)
        if failure is not None:
            raise failure
        return response.content


class AskingHttpDesk(HttpDesk):
    """`FeedsChanges` and `MarksTickets` as well, for a system that answers what stands on a ticket and what changed."""

    limits = ASKED_LIMITS

    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        asked = {"ticket_id": ticket_id, "since": since.isoformat()}
        raw = await self._ask(translate.COMMENTS_WANTED, asked, cause="comments_since")
        try:
            answer = wire.Comments.model_validate_json(raw)
        except ValidationError:
            answer = None
        if answer is None:
            raise unreadable(safe=True)
        return translate.in_order(ticket_id, answer.comments, since)

    async def fetch_status(self, ticket_id: TicketId) -> TicketStatus:
        try:
            answer = await self._ask(translate.TICKET_WANTED, {"ticket_id": ticket_id}, cause="read_ticket")
        except TicketUnwritable as unwritable:
            return TicketStatus.GONE if unwritable.reason == "gone" else TicketStatus.CLOSED
        status = translate.to_status(_read(answer, safe=True).status, None)
        if status is None:
            raise unreadable(safe=True)
        return status

    async def set_marks(self, ticket_id: TicketId, marks: Marks) -> None:
        data = {"ticket_id": ticket_id, "ticket": translate.marked(marks)}
        await self._ask(translate.TICKET_MARKED, data, cause="update_ticket")

    async def changes_since(self, cursor: str | None, *, start: datetime) -> ChangePage:
        asked = {"cursor": cursor, "since": start.isoformat()}
        raw = await self._ask(translate.CHANGES_WANTED, asked, cause="changes_since")
        try:
            answer = wire.Changes.model_validate_json(raw)
        except ValidationError:
            answer = None
        if answer is None:
            raise unreadable(safe=True)
        changes = [
            Change(
                TicketId(one.ticket_id),
                None if one.comment_id is None else translate.comment_id(TicketId(one.ticket_id), one.comment_id),
                None if one.event_id is None else EffectKey(one.event_id),
            )
            for one in answer.changes
        ]
        return ChangePage(changes, answer.cursor, end=answer.end)


def _comment_id(ticket_id: TicketId, answer: wire.Answer) -> CommentId | None:
    return None if answer.comment_id is None else translate.comment_id(ticket_id, answer.comment_id)


def _read(body: bytes, *, safe: bool) -> wire.Answer:
    """What is no JSON object says nothing. Ids that are none are asked for again: a ticket must not get two names."""
    try:
        return wire.Answer.model_validate_json(body)
    except ValidationError as error:
        is_object = not any(not problem["loc"] for problem in error.errors(include_input=False, include_url=False))
    if is_object:
        raise unreadable(safe=safe)
    return wire.Answer()
