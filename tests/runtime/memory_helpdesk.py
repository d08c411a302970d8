"""A helpdesk in memory: it keeps the promises of a connector and no others, so a blind repeat is written twice."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from bridge.runtime.clock import Clock
from connectors.errors import TicketUnwritable
from connectors.interface import (
    AuthorKind,
    Comment,
    CommentDraft,
    CommentId,
    CommentWritten,
    EffectKey,
    HelpdeskLimits,
    RequesterDraft,
    RequesterId,
    RequesterRef,
    TicketDraft,
    TicketId,
    TicketStatus,
    TicketWritten,
)

LIMITS = HelpdeskLimits(
    comment_bytes=60_000,
    subject_characters=150,
    call_timeout_seconds=5.0,
)


@dataclass
class MemoryTicket:
    id: TicketId
    requester: RequesterId
    status: TicketStatus = TicketStatus.NEW
    comments: list[Comment] = field(default_factory=list)


class MemoryHelpdesk:
    """Implements `HelpdeskConnector`. `writes` counts the writes that came, by key, repeats included."""

    limits = LIMITS

    def __init__(self) -> None:
        self.tickets: dict[str, MemoryTicket] = {}
        self.requesters: dict[str, RequesterId] = {}
        self.writes: dict[str, int] = {}
        self._done: dict[str, TicketWritten | CommentWritten] = {}
        self._ids = itertools.count(1_000)
        self._clock = Clock()

    # What the people at the desk do

    def reply(self, ticket_id: str, text: str, *, public: bool = True) -> CommentId:
        """A member of staff writes on a ticket."""
        return self._add(ticket_id, text, public=public, author=AuthorKind.STAFF, key=None)

    def close_ticket(self, ticket_id: str) -> None:
        self.tickets[ticket_id].status = TicketStatus.CLOSED

    def notes(self, ticket_id: str) -> list[str]:
        """Our own private notes."""
        return [comment.text for comment in self.tickets[ticket_id].comments if comment.key and not comment.public]

    def shown(self, wa_id: str) -> list[str]:
        """What stands on a customer's tickets as theirs, comment by comment."""
        requester = self.requesters.get(wa_id)
        return [
            comment.text
            for ticket in self.tickets.values()
            if ticket.requester == requester
            for comment in ticket.comments
            if comment.author is AuthorKind.CUSTOMER
        ]

    def tickets_of(self, wa_id: str) -> list[str]:
        return [ticket.id for ticket in self.tickets.values() if ticket.requester == self.requesters.get(wa_id)]

    # What a connector does

    async def check(self) -> None:
        """Nothing to prove."""

    async def find_or_create_requester(self, draft: RequesterDraft) -> RequesterRef:
        name = draft.wa_id or draft.bsuid or ""
        known = self.requesters.get(name)
        if known is None:
            known = self.requesters[name] = RequesterId(str(next(self._ids)))
        return RequesterRef(known)

    def prepare_ticket(self, draft: TicketDraft, *, key: EffectKey) -> bytes:
        return orjson.dumps({"requester": draft.requester, **_comment(draft.comment, key)})

    def prepare_comment(self, draft: CommentDraft, *, key: EffectKey) -> bytes:
        return orjson.dumps(_comment(draft, key))

    async def open_ticket(self, prepared: bytes, *, key: EffectKey, repeat: bool) -> TicketWritten:
        self.writes[key] = self.writes.get(key, 0) + 1
        done = self._done.get(key) if repeat else None
        if isinstance(done, TicketWritten):
            return done
        request = orjson.loads(prepared)
        assert request["key"] == key
        ticket = MemoryTicket(TicketId(str(next(self._ids))), RequesterId(request["requester"]))
        self.tickets[ticket.id] = ticket
        comment_id = self._add(ticket.id, request["text"], public=True, author=AuthorKind.CUSTOMER, key=key)
        written = TicketWritten(ticket.id, comment_id, ticket.status)
        self._done[key] = written
        return written

    async def add_comment(
        self, ticket_id: TicketId, prepared: bytes, *, key: EffectKey, repeat: bool
    ) -> CommentWritten:
        self.writes[key] = self.writes.get(key, 0) + 1
        done = self._done.get(key) if repeat else None
        if isinstance(done, CommentWritten):
            return done
        ticket = self.tickets[ticket_id]
        if ticket.status is TicketStatus.CLOSED:
            raise TicketUnwritable("closed")
        request = orjson.loads(prepared)
        assert request["key"] == key
        author = AuthorKind.CUSTOMER if request["author"] else AuthorKind.STAFF
        comment_id = self._add(ticket_id, request["text"], public=request["public"], author=author, key=key)
        written = CommentWritten(comment_id, ticket.status)
        self._done[key] = written
        return written

    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        return [comment for comment in self.tickets[ticket_id].comments if comment.created_at >= since]

    def _add(self, ticket_id: str, text: str, *, public: bool, author: AuthorKind, key: EffectKey | None) -> CommentId:
        comment = Comment(
            id=CommentId(str(next(self._ids))),
            created_at=self._clock.real_now(),
            public=public,
            author=author,
            html=f"<p>{text}</p>",
            text=text,
            key=key,
        )
        self.tickets[ticket_id].comments.append(comment)
        return comment.id


def _comment(draft: CommentDraft, key: EffectKey) -> dict[str, object]:
    return {"key": key, "text": draft.text, "public": draft.public, "author": draft.author}
