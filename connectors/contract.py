"""Does a connector keep what the bridge relies on? One check for each promise, tried on an account from the outside.

`deskbridge connectors verify NAME` runs them on the configured account, where they make one contact and a few tickets.
In tests of your own, inherit `connectors.contract_tests.ConnectorContract`. What people do at the desk, and an answer
that gets lost, need a `Desk`: without one these promises are left untried, and said to be.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from connectors.errors import OutcomeUnknown, RemoteFailure, TicketUnwritable, UnreadableRing, UnsignedRing
from connectors.interface import (
    AuthorKind,
    Comment,
    CommentDraft,
    EffectKey,
    FeedsChanges,
    Finding,
    FindingLevel,
    HelpdeskConnector,
    Marks,
    MarksTickets,
    RequesterDraft,
    RequesterId,
    TicketDraft,
    TicketId,
    TicketStatus,
    WindowMark,
)
from connectors.registry import Described

_LOOK_EVERY_SECONDS = 10.0


class Broken(AssertionError):
    """A promise is not kept; the text says which, what was seen, and what the bridge would do wrong."""


class Desk(Protocol):
    """Whoever can act in the helpdesk as people do."""

    async def reply(self, ticket_id: TicketId, text: str, *, public: bool) -> None:
        """A member of staff writes a comment."""

    async def solve(self, ticket_id: TicketId) -> None:
        """A member of staff solves the ticket."""

    async def delete(self, ticket_id: TicketId) -> None:
        """A member of staff deletes the ticket."""

    async def is_open(self, ticket_id: TicketId) -> bool:
        """Whether the ticket waits for staff."""

    async def lose_next_answer(self) -> None:
        """The helpdesk will do what the next write asks, and its answer will be lost."""


@dataclass(slots=True)
class Trial:
    """A connector to be tried. `since`: no earlier than this anything is read; by default ten minutes ago.

    `patience_seconds`: how long its change feed may take to tell of something.
    """

    connector: HelpdeskConnector
    definition: Described
    desk: Desk | None = None
    since: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(minutes=10))  # noqa: TID251 - no clock here
    patience_seconds: float = 0.0
    name: str = field(default_factory=lambda: secrets.token_hex(6))
    _requester: RequesterId | None = None
    _keys: int = 0

    def key(self) -> EffectKey:
        """As the bridge makes them: 26 characters, a dash and a number."""
        self._keys += 1
        return EffectKey(f"01TRIAL{self.name.upper():0>19}-{self._keys}")

    @property
    def person(self) -> RequesterDraft:
        number = f"999{int(self.name, 16) % 10**9:09d}"
        return RequesterDraft(bsuid=f"ZZ.{int(self.name, 16)}", wa_id=number, name=f"Trial {self.name}")

    async def requester(self) -> RequesterId:
        if self._requester is None:
            self._requester = (await self.connector.find_or_create_requester(self.person)).id
        return self._requester

    async def said(self, text: str) -> CommentDraft:
        """A message of the customer."""
        return CommentDraft(
            f"<p>{text}</p>", text, True, await self.requester(), reopen=True, window=WindowMark.OPEN, undelivered=False
        )

    async def prepared_ticket(self, key: EffectKey, text: str) -> bytes:
        draft = TicketDraft(f"Trial {self.name}", await self.requester(), await self.said(text), self.name)
        return self.connector.prepare_ticket(draft, key=key)

    async def open(self, text: str = "the first message") -> TicketId:
        key = self.key()
        prepared = await self.prepared_ticket(key, text)
        return (await self.connector.open_ticket(prepared, key=key, repeat=False)).ticket_id

    async def add(self, ticket_id: TicketId, draft: CommentDraft) -> None:
        key = self.key()
        prepared = self.connector.prepare_comment(draft, key=key)
        await self.connector.add_comment(ticket_id, prepared, key=key, repeat=False)

    async def read(self, ticket_id: TicketId, *, since: datetime | None = None) -> list[Comment]:
        """Raises `Unreadable` where tickets cannot be read."""
        read = list(await self.connector.comments_since(ticket_id, since or self.since))
        if not self.connector.limits.readable:
            _require(not read, "limits.readable is False, and yet comments_since gives comments: they are taken twice")
            raise Unreadable
        return read

    def at_desk(self) -> Desk:
        """Raises `NobodyThere` where nobody can play the agent."""
        if self.desk is None:
            raise NobodyThere
        return self.desk


class NobodyThere(Exception):
    """This promise needs somebody at the desk."""


class Unreadable(NobodyThere):
    """This promise is about what stands on tickets, which nobody can ask for here."""


@dataclass(frozen=True, slots=True)
class Promise:
    """`name` tells what is promised, in a few words."""

    name: str
    try_out: Callable[[Trial], Awaitable[None]]


async def verify(trial: Trial) -> list[Finding]:
    """Try every promise, whatever becomes of the others. Red: broken; a warning: untried."""
    return [await _finding(promise, trial) for promise in PROMISES]


async def _finding(promise: Promise, trial: Trial) -> Finding:
    try:
        await promise.try_out(trial)
    except Broken as broken:
        return Finding(promise.name, FindingLevel.RED, str(broken))
    except Unreadable:
        return Finding(promise.name, FindingLevel.WARNING, "not tried: what stands on its tickets cannot be read")
    except NobodyThere:
        return Finding(promise.name, FindingLevel.WARNING, "not tried: it needs somebody at the helpdesk's desk")
    except RemoteFailure as failure:
        return Finding(promise.name, FindingLevel.RED, f"the helpdesk refused: {type(failure).__name__} ({failure})")
    return Finding(promise.name, FindingLevel.OK, "kept")


def _require(holds: object, text: str) -> None:
    if not holds:
        raise Broken(text)


async def _credentials(trial: Trial) -> None:
    await trial.connector.check()


async def _limits(trial: Trial) -> None:
    limits = trial.connector.limits
    _require(limits.comment_bytes >= 1_000, "limits.comment_bytes is too small for a single WhatsApp message in HTML")
    _require(limits.subject_characters >= 20, "limits.subject_characters leaves no room for a name")
    _require(0 < limits.call_timeout_seconds <= 60, "limits.call_timeout_seconds must bound every call")
    _require(limits.late_write_seconds >= 0, "limits.late_write_seconds is negative")
    longest = limits.write_timeout_seconds
    _require(
        longest is None or limits.call_timeout_seconds <= longest <= 120,
        "limits.write_timeout_seconds must leave time for one call, and no more than two minutes",
    )


async def _one_requester(trial: Trial) -> None:
    first = await trial.connector.find_or_create_requester(trial.person)
    again = await trial.connector.find_or_create_requester(trial.person)
    _require(
        first.id == again.id, "asked twice for one customer, it gave two requesters: each gets tickets of their own"
    )
    other = RequesterDraft(bsuid=f"ZZ.1{int(trial.name, 16)}", wa_id=None, name="Another trial")
    stranger = await trial.connector.find_or_create_requester(other)
    _require(stranger.id != first.id, "two customers share a requester: each would read the other's messages")


async def _prepared_alike(trial: Trial) -> None:
    key = trial.key()
    one, two = await trial.prepared_ticket(key, "oi"), await trial.prepared_ticket(key, "oi")
    _require(one == two, "prepare_ticket gives other bytes each time, so a repeat is another request")
    said = await trial.said("oi")
    prepare = trial.connector.prepare_comment
    _require(prepare(said, key=key) == prepare(said, key=key), "prepare_comment gives other bytes each time")


async def _ticket_once(trial: Trial) -> None:
    key = trial.key()
    prepared = await trial.prepared_ticket(key, "once")
    first = await trial.connector.open_ticket(prepared, key=key, repeat=False)
    again = await trial.connector.open_ticket(prepared, key=key, repeat=True)
    _require(first.ticket_id == again.ticket_id, "a repeated open_ticket opened a second ticket for one message")
    _require(first.status not in {TicketStatus.CLOSED, TicketStatus.GONE}, "a new ticket is said to take no comment")


async def _comment_once(trial: Trial) -> None:
    ticket_id, key = await trial.open(), trial.key()
    prepared = trial.connector.prepare_comment(await trial.said("just once"), key=key)
    first = await trial.connector.add_comment(ticket_id, prepared, key=key, repeat=False)
    again = await trial.connector.add_comment(ticket_id, prepared, key=key, repeat=True)
    shown = [comment for comment in await trial.read(ticket_id) if "just once" in comment.text]
    _require(len(shown) == 1, f"a repeated add_comment shows the message {len(shown)} times")
    _require(first.comment_id == again.comment_id, "a repeated add_comment names another comment")
    _require(first.comment_id in {None, shown[0].id}, "add_comment names another comment than the one that is read")


async def _lost_answer(trial: Trial) -> None:
    desk, ticket_id, key = trial.at_desk(), await trial.open(), trial.key()
    prepared = trial.connector.prepare_comment(await trial.said("answer lost"), key=key)
    await desk.lose_next_answer()
    try:
        await trial.connector.add_comment(ticket_id, prepared, key=key, repeat=False)
    except OutcomeUnknown:
        await trial.connector.add_comment(ticket_id, prepared, key=key, repeat=True)
        shown = [comment for comment in await trial.read(ticket_id) if "answer lost" in comment.text]
        _require(len(shown) == 1, f"after a lost answer the message stands on the ticket {len(shown)} times")
        return
    raise Broken("an answer that was lost must be OutcomeUnknown: anything else is repeated blindly, or never")


async def _own_writes(trial: Trial) -> None:
    ticket_id = await trial.open()
    await trial.add(ticket_id, await trial.said("from the customer"))
    note = CommentDraft("<p>for the agent</p>", "for the agent", False, None)
    await trial.add(ticket_id, note)
    read = {
        text: c
        for c in await trial.read(ticket_id)
        for text in ("from the customer", "for the agent")
        if text in c.text
    }
    _require(len(read) == 2, f"comments_since does not give what was just written (only {sorted(read)})")
    said, told = read["from the customer"], read["for the agent"]
    _require(said.public, "the customer's message is private: agents take it for a note")
    _require(
        said.author is not AuthorKind.STAFF or said.key, "the customer's message reads as a reply: it is sent back"
    )
    _require(not told.public, "a private note of ours is public: the customer would read it")
    _require(said.key and told.key, "our own writes carry no key when they are read, so they are taken for an agent's")


async def _other_keys(trial: Trial) -> None:
    ticket_id = await trial.open()
    await trial.add(ticket_id, await trial.said("first of two"))
    await trial.add(ticket_id, await trial.said("second of two"))
    keys = [c.key for c in await trial.read(ticket_id) if "of two" in c.text]
    _require(len(keys) == len(set(keys)) == 2, "two writes carry one key, so the second is taken for done")


async def _order(trial: Trial) -> None:
    ticket_id = await trial.open()
    texts = [f"message {word}" for word in ("one", "two", "three", "four")]
    for text in texts:
        await trial.add(ticket_id, await trial.said(text))
    read = [text for c in await trial.read(ticket_id) for text in texts if text in c.text]
    _require(read == texts, f"comments_since gives another order than that of writing: {read}")


async def _since(trial: Trial) -> None:
    ticket_id = await trial.open()
    await trial.add(ticket_id, await trial.said("a while ago"))
    read = await trial.read(ticket_id)
    _require(read, "comments_since gives nothing of what was just written")
    newest = max(comment.created_at for comment in read)
    _require(newest.tzinfo is not None, "created_at has no time zone")
    _require(await trial.read(ticket_id, since=newest), "comments_since leaves out what was created at `since` itself")
    later = await trial.read(ticket_id, since=newest + timedelta(minutes=1))
    _require(not later, "comments_since gives comments of before `since`, so everything is read again each time")


async def _escaped(trial: Trial) -> None:
    ticket_id = await trial.open()
    text = "5 < 6 & \u00e9 \U0001f44d <b>"
    draft = CommentDraft("<p>5 &lt; 6 &amp; \u00e9 \U0001f44d &lt;b&gt;</p>", text, True, await trial.requester())
    await trial.add(ticket_id, draft)
    read = await trial.read(ticket_id)
    _require(any(text in comment.text for comment in read), "what is written comes back changed: escape or encoding")


async def _missing(trial: Trial) -> None:
    for ticket_id in (TicketId("999999999999"),):
        try:
            await trial.add(ticket_id, await trial.said("to nowhere"))
        except TicketUnwritable as unwritable:
            _require(unwritable.reason == "gone", f"a ticket that was never there is {unwritable.reason}, not gone")
            return
        raise Broken("a comment on a ticket that is not there must raise TicketUnwritable, or the message is lost")


async def _feed(trial: Trial) -> None:
    connector = trial.connector
    if not isinstance(connector, FeedsChanges):
        return
    ticket_id = await trial.open()
    await trial.add(ticket_id, await trial.said("news"))
    told: set[TicketId] = set()
    cursor: str | None = None
    waited_seconds = 0.0
    for _ in range(1_000):
        page = await connector.changes_since(cursor, start=trial.since)
        told |= {change.ticket_id for change in page.changes}
        _require(page.cursor, "changes_since gives no cursor, so each run begins anew")
        _require(page.end or page.cursor != cursor, "changes_since never ends: the same cursor again and no end")
        cursor = page.cursor
        if not page.end:
            continue
        if ticket_id in told or waited_seconds >= trial.patience_seconds:
            break
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
        waited_seconds += _LOOK_EVERY_SECONDS
    else:
        raise Broken("changes_since never ends")
    _require(
        ticket_id in told, "changes_since does not tell of a ticket that just changed: a lost ring is lost for good"
    )


async def _staff(trial: Trial) -> None:
    desk, ticket_id = trial.at_desk(), await trial.open()
    await desk.reply(ticket_id, "to the customer", public=True)
    await desk.reply(ticket_id, "among us", public=False)
    read = {text: c for c in await trial.read(ticket_id) for text in ("to the customer", "among us") if text in c.text}
    _require(len(read) == 2, f"comments_since does not give what agents wrote (only {sorted(read)})")
    reply, whisper = read["to the customer"], read["among us"]
    _require(reply.key is None and whisper.key is None, "what an agent wrote is taken for ours: it is never sent")
    _require(
        reply.author is AuthorKind.STAFF and reply.public, "an agent's reply is not staff's or not public: never sent"
    )
    _require(not whisper.public, "an agent's private note reads as public: it would be sent to the customer")


async def _reopened(trial: Trial) -> None:
    desk, ticket_id = trial.at_desk(), await trial.open()
    await desk.solve(ticket_id)
    await trial.add(ticket_id, await trial.said("once more"))
    _require(await desk.is_open(ticket_id), "a solved ticket stays solved when the customer writes: nobody looks at it")


async def _deleted(trial: Trial) -> None:
    desk, ticket_id = trial.at_desk(), await trial.open()
    await desk.delete(ticket_id)
    try:
        await trial.add(ticket_id, await trial.said("into the bin"))
    except TicketUnwritable:
        return
    raise Broken("a comment on a deleted ticket must raise TicketUnwritable, or the message lies in the bin")


async def _marks(trial: Trial) -> None:
    connector = trial.connector
    if not isinstance(connector, MarksTickets):
        return
    ticket_id = await trial.open()
    before, status = await trial.read(ticket_id), await connector.fetch_status(ticket_id)
    if status not in (TicketStatus.NEW, TicketStatus.OPEN):
        raise Broken(f"a ticket just opened is said to be {status}: nobody would be warned of a closing window")
    for mark in (WindowMark.CLOSING, WindowMark.CLOSED, WindowMark.CLOSED):
        await connector.set_marks(ticket_id, Marks(mark, False, datetime(2026, 11, 22, 9, 14, tzinfo=UTC)))
    if len(await trial.read(ticket_id)) != len(before):
        raise Broken("marks without a comment made one: people would be notified of nothing")
    if await connector.fetch_status(ticket_id) is not status:
        raise Broken("marks changed the ticket's status")


async def _rings(trial: Trial) -> None:
    now = datetime.now(UTC)  # noqa: TID251 - no clock here
    for headers in ({}, {"authorization": "x"}, {"content-type": "application/json"}):
        try:
            trial.definition.read_ring(headers=headers, body=b'{"ticket_id": "1"}', secrets=["secret"], now=now)
        except UnsignedRing:
            continue
        except UnreadableRing:
            raise Broken("read_ring looks at the body before it knows who sent it") from None
        raise Broken("read_ring takes a webhook without a signature or secret: anybody may ring")


async def _variables(trial: Trial) -> None:
    names = [variable.name for variable in trial.definition.variables]
    _require(names and all(v.meaning for v in trial.definition.variables), "a variable has no word of help")
    _require(len(names) == len(set(names)), "a variable is listed twice")


PROMISES: tuple[Promise, ...] = (
    Promise("its variables are described", _variables),
    Promise("rings that are not the helpdesk's are refused", _rings),
    Promise("its credentials are accepted", _credentials),
    Promise("its limits make sense", _limits),
    Promise("one customer is one requester", _one_requester),
    Promise("a request is prepared alike each time", _prepared_alike),
    Promise("a ticket opens once", _ticket_once),
    Promise("a comment is written once", _comment_once),
    Promise("our own writes are recognised", _own_writes),
    Promise("two writes are told apart", _other_keys),
    Promise("comments come in order", _order),
    Promise("comments are read from a time on", _since),
    Promise("texts come back as they were written", _escaped),
    Promise("a ticket that is not there is said to be gone", _missing),
    Promise("changes are told without a gap", _feed),
    Promise("a lost answer is no second comment", _lost_answer),
    Promise("marks change nothing else of a ticket", _marks),
    Promise("replies and private notes of staff are told apart", _staff),
    Promise("the customer opens a solved ticket", _reopened),
    Promise("a deleted ticket takes nothing", _deleted),
)
