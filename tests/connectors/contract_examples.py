"""A helpdesk in memory that keeps the contract, and what it looks like when one promise is broken."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from connectors.configuration import Variable
from connectors.errors import OutcomeUnknown, TicketUnwritable, UnsignedRing
from connectors.interface import (
    AuthorKind,
    Change,
    ChangePage,
    Comment,
    CommentDraft,
    CommentId,
    CommentWritten,
    EffectKey,
    HelpdeskLimits,
    Marks,
    RequesterDraft,
    RequesterId,
    RequesterRef,
    TicketDraft,
    TicketId,
    TicketStatus,
    TicketWritten,
)

NOW = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)


@dataclass
class _Ticket:
    key: EffectKey
    comments: list[Comment] = field(default_factory=list)
    is_open: bool = True
    is_deleted: bool = False


class Example:
    """`HelpdeskConnector`, `FeedsChanges`, what the contract asks of its definition, and the desk."""

    limits = HelpdeskLimits(60_000, 150, 20.0)
    variables: Sequence[Variable] = (Variable("EXAMPLE_URL", "address of the account"),)
    ticket_fields: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.tickets: dict[TicketId, _Ticket] = {}
        self.requesters: dict[str, RequesterId] = {}
        self.ids = itertools.count(1)
        self.loses_answer = False

    # Definition

    def read_ring(self, *, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> Change:
        if headers.get("x-secret") not in secrets:
            raise UnsignedRing("mismatch")
        return Change(TicketId(json.loads(body)["ticket_id"]))

    # Connector

    async def check(self) -> None:
        """Nothing to prove."""

    async def find_or_create_requester(self, draft: RequesterDraft) -> RequesterRef:
        name = draft.bsuid or draft.wa_id or ""
        return RequesterRef(self.requesters.setdefault(name, RequesterId(str(next(self.ids)))))

    def prepare_ticket(self, draft: TicketDraft, *, key: EffectKey) -> bytes:
        return self.prepare_comment(draft.comment, key=key)

    async def open_ticket(self, prepared: bytes, *, key: EffectKey, repeat: bool) -> TicketWritten:
        found = next((ticket_id for ticket_id, ticket in self.tickets.items() if repeat and ticket.key == key), None)
        if found is None:
            found = TicketId(str(next(self.ids)))
            self.tickets[found] = _Ticket(key)
            self.write(found, prepared)
        return TicketWritten(found, None, TicketStatus.OPEN)

    def prepare_comment(self, draft: CommentDraft, *, key: EffectKey) -> bytes:
        said = {"text": draft.text, "html": draft.html, "public": draft.public, "author": draft.author, "key": key}
        return json.dumps({**said, "reopen": draft.reopen}).encode()

    async def add_comment(
        self, ticket_id: TicketId, prepared: bytes, *, key: EffectKey, repeat: bool
    ) -> CommentWritten:
        ticket = self.tickets.get(ticket_id)
        if ticket is None or ticket.is_deleted:
            raise TicketUnwritable("gone")
        known = next((c for c in ticket.comments if repeat and c.key == key), None)
        written = known or self.write(ticket_id, prepared)
        if self.loses_answer:
            self.loses_answer = False
            raise OutcomeUnknown("cut")
        return CommentWritten(written.id, TicketStatus.OPEN)

    def write(self, ticket_id: TicketId, prepared: bytes) -> Comment:
        said = json.loads(prepared)
        ticket = self.tickets[ticket_id]
        written = Comment(
            CommentId(str(next(self.ids))),
            NOW,
            said["public"],
            AuthorKind.CUSTOMER if said["author"] else AuthorKind.STAFF,
            said["html"],
            said["text"],
            key=said["key"],
        )
        ticket.comments.append(written)
        ticket.is_open |= said["reopen"]
        return written

    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        return [comment for comment in self.tickets[ticket_id].comments if comment.created_at >= since]

    async def changes_since(self, cursor: str | None, *, start: datetime) -> ChangePage:
        """A ticket a page."""
        at = int(cursor or 0)
        names = list(self.tickets)
        return ChangePage([Change(name) for name in names[at : at + 1]], str(at + 1), end=at + 1 >= len(names))

    # Desk

    async def reply(self, ticket_id: TicketId, text: str, *, public: bool) -> None:
        draft = CommentDraft(f"<p>{text}</p>", text, public, None)
        written = self.write(ticket_id, Example.prepare_comment(self, draft, key=EffectKey("")))
        self.tickets[ticket_id].comments[-1] = replace(written, key=None)

    async def solve(self, ticket_id: TicketId) -> None:
        self.tickets[ticket_id].is_open = False

    async def delete(self, ticket_id: TicketId) -> None:
        self.tickets[ticket_id].is_deleted = True

    async def is_open(self, ticket_id: TicketId) -> bool:
        return self.tickets[ticket_id].is_open

    async def lose_next_answer(self) -> None:
        self.loses_answer = True


class MakesRequestersTwice(Example):
    async def find_or_create_requester(self, draft: RequesterDraft) -> RequesterRef:
        return RequesterRef(RequesterId(str(next(self.ids))))


class SharesARequester(Example):
    async def find_or_create_requester(self, draft: RequesterDraft) -> RequesterRef:
        return RequesterRef(RequesterId("1"))


class PreparesAnew(Example):
    def prepare_comment(self, draft: CommentDraft, *, key: EffectKey) -> bytes:
        said = json.loads(super().prepare_comment(draft, key=key))
        return json.dumps({**said, "nonce": next(self.ids)}).encode()


class OpensTwice(Example):
    async def open_ticket(self, prepared: bytes, *, key: EffectKey, repeat: bool) -> TicketWritten:
        return await super().open_ticket(prepared, key=key, repeat=False)


class WritesTwice(Example):
    async def add_comment(
        self, ticket_id: TicketId, prepared: bytes, *, key: EffectKey, repeat: bool
    ) -> CommentWritten:
        return await super().add_comment(ticket_id, prepared, key=key, repeat=False)


class HidesLostAnswers(Example):
    async def add_comment(
        self, ticket_id: TicketId, prepared: bytes, *, key: EffectKey, repeat: bool
    ) -> CommentWritten:
        self.loses_answer = False
        return await super().add_comment(ticket_id, prepared, key=key, repeat=repeat)


class ForgetsKeys(Example):
    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        return [replace(comment, key=None) for comment in await super().comments_since(ticket_id, since)]


class KnowsOneKey(Example):
    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        found = await super().comments_since(ticket_id, since)
        return [replace(comment, key=comment.key and EffectKey("ours")) for comment in found]


class TakesRepliesForOurs(Example):
    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        found = await super().comments_since(ticket_id, since)
        return [replace(comment, key=EffectKey(f"by-author-{comment.id}")) for comment in found]


class WhispersAloud(Example):
    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        return [replace(comment, public=True) for comment in await super().comments_since(ticket_id, since)]


class NewestFirst(Example):
    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        return list(reversed(await super().comments_since(ticket_id, since)))


class ReadsEverything(Example):
    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        return self.tickets[ticket_id].comments


class ReadsAfterOnly(Example):
    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        return [comment for comment in self.tickets[ticket_id].comments if comment.created_at > since]


class EscapesTwice(Example):
    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        found = await super().comments_since(ticket_id, since)
        return [replace(comment, text=comment.text.replace("&", "&amp;")) for comment in found]


class WritesIntoNothing(Example):
    async def add_comment(
        self, ticket_id: TicketId, prepared: bytes, *, key: EffectKey, repeat: bool
    ) -> CommentWritten:
        self.tickets.setdefault(ticket_id, _Ticket(key)).is_deleted = False
        return await super().add_comment(ticket_id, prepared, key=key, repeat=repeat)


class StaysSolved(Example):
    def prepare_comment(self, draft: CommentDraft, *, key: EffectKey) -> bytes:
        return super().prepare_comment(replace(draft, reopen=False), key=key)


class FeedHasGaps(Example):
    async def changes_since(self, cursor: str | None, *, start: datetime) -> ChangePage:
        page = await super().changes_since(cursor, start=start)
        return replace(page, changes=[]) if page.end else page


class FeedNeverEnds(Example):
    async def changes_since(self, cursor: str | None, *, start: datetime) -> ChangePage:
        return replace(await super().changes_since(None, start=start), end=False)


class SaysMarksAloud(Example):
    """Marks that come as a comment of their own."""

    async def fetch_status(self, ticket_id: TicketId) -> TicketStatus:
        return TicketStatus.OPEN if self.tickets[ticket_id].is_open else TicketStatus.SOLVED

    async def set_marks(self, ticket_id: TicketId, marks: Marks) -> None:
        key = EffectKey(f"marks-{next(self.ids)}")
        draft = CommentDraft("<p>closed</p>", "closed", False, None)
        await self.add_comment(ticket_id, self.prepare_comment(draft, key=key), key=key, repeat=False)


class HearsAnybody(Example):
    def read_ring(self, *, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> Change:
        return Change(TicketId("1"))


BROKEN: Mapping[type[Example], str] = {
    MakesRequestersTwice: "one customer is one requester",
    SharesARequester: "one customer is one requester",
    PreparesAnew: "a request is prepared alike each time",
    OpensTwice: "a ticket opens once",
    WritesTwice: "a comment is written once",
    HidesLostAnswers: "a lost answer is no second comment",
    ForgetsKeys: "our own writes are recognised",
    KnowsOneKey: "two writes are told apart",
    TakesRepliesForOurs: "replies and private notes of staff are told apart",
    WhispersAloud: "our own writes are recognised",
    NewestFirst: "comments come in order",
    ReadsEverything: "comments are read from a time on",
    ReadsAfterOnly: "comments are read from a time on",
    EscapesTwice: "texts come back as they were written",
    WritesIntoNothing: "a ticket that is not there is said to be gone",
    StaysSolved: "the customer opens a solved ticket",
    FeedHasGaps: "changes are told without a gap",
    FeedNeverEnds: "changes are told without a gap",
    SaysMarksAloud: "marks change nothing else of a ticket",
    HearsAnybody: "rings that are not the helpdesk's are refused",
}
"""Each broken connector, and the promise that must find it."""
