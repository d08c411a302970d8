"""What a helpdesk must be able to do, in our words. Standard library only.

Verbs take and return the small values below: no vendor JSON, no database id. Every verb may raise any
`connectors.errors.RemoteFailure`. A connector reads no environment, keeps no clock and retries no write:
whoever called owns the retry.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType, Protocol, runtime_checkable

TicketId = NewType("TicketId", str)
CommentId = NewType("CommentId", str)
RequesterId = NewType("RequesterId", str)
EffectKey = NewType("EffectKey", str)
"""Ours, ASCII, at most 64 characters. Put where the far side lets us find it again."""


class WindowMark(StrEnum):
    """What the ticket says of the customer service window."""

    OPEN = "wa_window_open"
    CLOSING = "wa_window_closing"
    CLOSED = "wa_window_closed"


class TicketStatus(StrEnum):
    """A ticket's state as far as the bridge cares."""

    NEW = "new"
    OPEN = "open"
    WAITING = "waiting"
    SOLVED = "solved"
    CLOSED = "closed"
    GONE = "gone"


class AuthorKind(StrEnum):
    """Who wrote a comment. Only `STAFF` may speak to the customer."""

    STAFF = "staff"
    CUSTOMER = "customer"
    SYSTEM = "system"
    """Rules, merges, the helpdesk itself, light agents and CCs: all that is not a member of staff who replies."""


@dataclass(frozen=True, slots=True)
class RequesterDraft:
    """The customer as WhatsApp knows them. At least one of `bsuid` and `wa_id` (digits) is set."""

    bsuid: str | None = field(repr=False)
    wa_id: str | None = field(repr=False)
    name: str | None = field(repr=False)
    others: int | None = None
    """How many users with this number the bridge knows by `ListsContacts`; None: it does not know, so search."""


@dataclass(frozen=True, slots=True)
class RequesterRef:
    """A helpdesk user. `adopted`: it was there before us. `candidates`: how many had the number; with several a new
    one was made."""

    id: RequesterId
    adopted: bool = False
    candidates: int = 0


@dataclass(frozen=True, slots=True)
class Marks:
    """What a ticket says of window and delivery. `window_until`: when the window closes, or closed."""

    window: WindowMark | None = None
    undelivered: bool | None = None
    window_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FileDraft:
    """A file that goes with a comment. `id` names its content in the `FileSource`; `size_bytes` is exact, and more than
    0. `name` is harmless and has an ending that fits `mime_type`, which has no parameters."""

    id: str
    name: str = field(repr=False)
    mime_type: str
    size_bytes: int


class FileSource(Protocol):
    """Where a connector reads the content of the files that a prepared request names."""

    def read(self, file_id: str) -> AsyncIterator[bytes]:
        """From the beginning, piece by piece, each time. May fail in the middle: then the request must not arrive."""


@dataclass(frozen=True, slots=True)
class CommentDraft:
    """One comment. `author` None means ourselves. `html` is escaped, simple markup; `text` says the same plainly.

    `reopen`: the ticket must be open afterwards, unless it is still new (which `was_new` says it was when last seen, so
    that the write itself leaves its status alone). `window`, `undelivered` and `window_until` ride along where the
    helpdesk has a place for them. `files` only where the connector `TakesFiles`, and within its limits.
    """

    html: str = field(repr=False)
    text: str = field(repr=False)
    public: bool
    author: RequesterId | None
    reopen: bool = False
    was_new: bool = False
    was_open: bool = False
    window: WindowMark | None = None
    undelivered: bool | None = None
    window_until: datetime | None = None
    marks_changed: bool = True
    """Whether `window` or `undelivered` are news to the ticket."""
    files: Sequence[FileDraft] = ()


@dataclass(frozen=True, slots=True)
class TicketDraft:
    """A new ticket whose first comment is `comment`. `follows` is the closed ticket that it continues.

    `tags` say what brought the customer here, in lower case without blanks.
    """

    subject: str = field(repr=False)
    requester: RequesterId
    comment: CommentDraft
    conversation_key: str
    follows: TicketId | None = None
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TicketWritten:
    """`written_at` is the helpdesk's own time of the write, where it tells one."""

    ticket_id: TicketId
    comment_id: CommentId | None
    status: TicketStatus
    written_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CommentWritten:
    """`status` None: the helpdesk did not tell it, and it was not asked. `written_at` as in `TicketWritten`.

    `marks_told` False: window and delivery need a call of their own here, which failed; they go with the next comment.
    """

    comment_id: CommentId | None
    status: TicketStatus | None
    written_at: datetime | None = None
    marks_told: bool = True


@dataclass(frozen=True, slots=True)
class CommentFile:
    """A file on a comment, as the helpdesk was told of it: none of it need be true. `src`: where the comment's HTML
    shows it as a picture."""

    id: str
    name: str = field(repr=False)
    mime_type: str
    size_bytes: int | None
    src: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FileRef:
    """Where a file is found again, also much later."""

    ticket_id: TicketId
    comment_id: CommentId
    commented_at: datetime
    file_id: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as read. `key` is the effect key that one of our own writes carries (or the connector's abbreviation
    of it), else None."""

    id: CommentId
    created_at: datetime
    public: bool
    author: AuthorKind
    html: str = field(repr=False)
    text: str = field(repr=False)
    files: Sequence[CommentFile] = ()
    key: EffectKey | None = None
    author_locale: str | None = None
    author_name: str | None = field(default=None, repr=False)
    """The language that a member of staff reads, as the helpdesk spells it (`pt-BR`), where it tells one."""
    author_id: str | None = None
    """The helpdesk's own id of a member of staff, where it tells one."""
    is_merge: bool = False
    """Says that tickets were merged; this ticket may be the one that is closed now."""


@dataclass(frozen=True, slots=True)
class Successor:
    """The ticket into which another was merged, and since when it speaks for it."""

    ticket_id: TicketId
    merged_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened on a ticket: look at it. `comment_id` where the feed names it.

    Where it only names tickets, what it says beside lets the bridge leave alone what it knows: when the ticket last
    changed (our own writes included), when staff last wrote to the customer, and its status.

    `is_whole`: a ring that brings along all that there is to know, `comments` and `status`, so that nothing is read;
    `successor`: it was merged into that one.
    """

    ticket_id: TicketId
    comment_id: CommentId | None = None
    key: EffectKey | None = None
    changed_at: datetime | None = None
    staff_wrote_at: datetime | None = None
    status: TicketStatus | None = None
    comments: Sequence[Comment] = ()
    successor: Successor | None = None
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class ChangePage:
    changes: Sequence[Change]
    cursor: str
    end: bool


@dataclass(frozen=True, slots=True)
class HelpdeskLimits:
    """Limits and habits, as data.

    `late_write_seconds`: a write whose answer was lost may still be under way, so it is looked up no earlier.
    `write_timeout_seconds`: a write without files that takes several calls ends after so long, with `OutcomeUnknown`
    where it must; None: it is as good as one call.
    `readable` False: nobody can ask what stands on a ticket (`comments_since` is always empty), its rings tell it.
    """

    comment_bytes: int
    subject_characters: int
    call_timeout_seconds: float
    late_write_seconds: float = 3.0
    write_timeout_seconds: float | None = None
    readable: bool = True

    @property
    def longest_write_seconds(self) -> float:
        """After so long a write of somebody who went away has happened, or never will."""
        return (self.write_timeout_seconds or self.call_timeout_seconds) + self.late_write_seconds


@dataclass(frozen=True, slots=True)
class FileLimits:
    """`call_timeout_seconds`: how long a whole verb may take that carries files."""

    bytes_per_file: int
    bytes_per_comment: int
    call_timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Draw:
    """One call draws one token from each bucket it names.

    `shared`: the account's other apps draw from it as well, so that only a share of it is ours to use.
    """

    bucket: str
    limit: int
    period_seconds: int
    shared: bool = True


class Budget(Protocol):
    """The far side's limits as all our processes together keep them. Counts calls by `cause`, too."""

    async def take(self, cause: str, draws: Sequence[Draw]) -> None:
        """Draw a token from every bucket or from none. Raises `RateLimited` when one is empty or closed."""

    async def learn(self, bucket: str, *, limit: int, remaining: int, reset_seconds: float) -> None:
        """What the far side itself says of a bucket."""

    async def close(self, bucket: str, *, seconds: float) -> None:
        """Nothing may be drawn from this bucket for so long."""


class FindingLevel(StrEnum):
    OK = "ok"
    WARNING = "warning"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `doctor`: what was checked, how it stands, and the mend. `fixable`: `--fix` can do it."""

    check: str
    level: FindingLevel
    message: str
    mend: str = ""
    fixable: bool = False


class HelpdeskConnector(Protocol):
    """Required: without these it is not a helpdesk."""

    @property
    def limits(self) -> HelpdeskLimits: ...

    async def check(self) -> None:
        """One cheap call that proves the credentials."""

    async def find_or_create_requester(self, draft: RequesterDraft) -> RequesterRef:
        """Never two for one customer, also when the answer of an earlier call was lost."""

    def prepare_ticket(self, draft: TicketDraft, *, key: EffectKey) -> bytes:
        """Pure: the request as it will be sent, byte for byte, each time. Kept before the first attempt."""

    async def open_ticket(self, prepared: bytes, *, key: EffectKey, repeat: bool) -> TicketWritten:
        """Open it once. `repeat`: an earlier attempt may have succeeded, so the far side is asked first."""

    def prepare_comment(self, draft: CommentDraft, *, key: EffectKey) -> bytes:
        """Pure, like `prepare_ticket`."""

    async def add_comment(
        self, ticket_id: TicketId, prepared: bytes, *, key: EffectKey, repeat: bool
    ) -> CommentWritten:
        """Add it once. Raises `TicketUnwritable` when the ticket cannot take it."""

    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        """Every comment created at or after `since`, oldest first; in one call when a page holds them."""


@runtime_checkable
class TakesFiles(Protocol):
    """Comments may carry files. `files` is given whenever the prepared request names some, and may be read as often as
    it takes. A file that the helpdesk refuses raises `FilesRefused`: nothing of the comment was written."""

    @property
    def file_limits(self) -> FileLimits: ...

    async def open_ticket(
        self, prepared: bytes, *, key: EffectKey, repeat: bool, files: FileSource | None = None
    ) -> TicketWritten: ...

    async def add_comment(
        self, ticket_id: TicketId, prepared: bytes, *, key: EffectKey, repeat: bool, files: FileSource | None = None
    ) -> CommentWritten: ...


@runtime_checkable
class GivesFiles(Protocol):
    """Lets us have the files that hang on comments."""

    def open_file(self, ref: FileRef) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The content in pieces, as it is now. Never ends by itself where the far side does not: whoever reads it keeps
        count. Raises `Permanent` (`hint` says why in a few words) for a file that is gone or not given out, on entering
        or while it is read."""


@runtime_checkable
class FeedsChanges(Protocol):
    """Can be asked what changed, for whatever its webhooks failed to tell."""

    async def changes_since(self, cursor: str | None, *, start: datetime) -> ChangePage:
        """Changes after `cursor` (opaque; None: from `start`). Repeats are allowed, gaps are not."""


@runtime_checkable
class KnowsMerges(Protocol):
    """Can say where a ticket went that an agent merged into another."""

    async def find_successor(self, ticket_id: TicketId) -> Successor | None:
        """None when the ticket was not merged, or when it cannot be told into which one."""


@dataclass(frozen=True, slots=True)
class HelpdeskContact:
    """Somebody whom the helpdesk knows. `numbers`: as they are written there. `is_customer` False: staff, or gone.

    `is_ours`: made by the bridge, which finds them by its own name for them.
    """

    id: RequesterId
    numbers: Sequence[str] = field(default=(), repr=False)
    is_customer: bool = True
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class ContactPage:
    contacts: Sequence[HelpdeskContact]
    cursor: str
    end: bool


@runtime_checkable
class ListsContacts(Protocol):
    """Can list everybody, and then who changed: so that nobody has to be searched for."""

    async def contacts_since(self, cursor: str | None) -> ContactPage:
        """One page after `cursor` (opaque; None: from the beginning). Repeats are allowed, gaps are not."""

    async def contacts_by_id(self, ids: Sequence[RequesterId]) -> Sequence[HelpdeskContact]:
        """These as they are now; who is gone is left out."""


@dataclass(frozen=True, slots=True)
class RequesterChange:
    """What a requester is to be known by from now on: `bsuid` and `wa_id` as in `RequesterDraft`.

    `former_numbers`: numbers in digits that are theirs no more. `is_ours`: we made the requester, so that the name by
    which we find them is ours to change; of one who was there before us only the number is written.
    """

    bsuid: str | None = field(repr=False)
    wa_id: str | None = field(repr=False)
    former_numbers: Sequence[str] = field(default=(), repr=False)
    is_ours: bool = True


@runtime_checkable
class UpdatesRequesters(Protocol):
    """Can bring a requester up to date."""

    async def update_requester(self, requester: RequesterId, change: RequesterChange) -> None:
        """Safe to repeat. Raises `Permanent` where the requester is gone, or the number is somebody else's there."""


@runtime_checkable
class MergesRequesters(Protocol):
    """Can make one requester of two. Nobody can undo it."""

    async def merge_requesters(self, loser: RequesterId, *, into: RequesterId) -> None:
        """The loser's tickets become the other's. Safe to repeat: a loser who is gone has been merged.

        Raises `Permanent` where the two cannot be merged.
        """


@runtime_checkable
class MergesTickets(Protocol):
    """Can make one ticket of two."""

    async def merge_tickets(self, ticket_id: TicketId, *, into: TicketId, note: str) -> None:
        """`ticket_id` is closed, and both tickets say why in a private note. Safe to repeat: one that is closed or gone
        needs nothing more. Raises `TicketUnwritable` where the other takes nothing, `Permanent` where they cannot be
        merged."""


@runtime_checkable
class ReopensAfterwards(Protocol):
    """A comment opens no ticket here, nor tells its status: it may be put aside just before the customer writes."""

    async def reopen_if_put_aside(self, ticket_id: TicketId, *, before: datetime) -> TicketStatus:
        """Open the ticket if it was put aside no later than `before`, when the customer last wrote (by the helpdesk's
        clock). Returns its status now. Raises `TicketUnwritable`."""


@runtime_checkable
class MarksTickets(Protocol):
    """Can say how a ticket stands, and tell it its marks without a comment."""

    async def fetch_status(self, ticket_id: TicketId) -> TicketStatus:
        """In one call; `GONE` where the ticket is not there."""

    async def set_marks(self, ticket_id: TicketId, marks: Marks) -> None:
        """Nobody is notified, and nothing else of the ticket changes. Harmless to repeat. Raises `TicketUnwritable`."""


@runtime_checkable
class ErasesPeople(Protocol):
    """Can forget a customer at the helpdesk."""

    async def erase_requester(self, requester_id: RequesterId) -> None:
        """For good, with whatever the helpdesk erases along with a user. Safe to repeat: who is gone is erased. Raises
        `Permanent` where the helpdesk refuses, and for staff, who are never erased."""


@runtime_checkable
class Installs(Protocol):
    """Can look over the account's set-up and make what is missing."""

    async def inspect(self, *, webhook_url: str, webhook_secrets: Sequence[str]) -> Sequence[Finding]: ...

    async def install(self, *, webhook_url: str) -> Mapping[str, str]:
        """Make webhook, rule and fields where missing. Returns secrets to keep, by name (`webhook_secret`)."""

    async def fetch_field_ids(self) -> Mapping[str, int]:
        """The ticket fields that exist, by the connector's own names."""
