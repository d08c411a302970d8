"""How do the bridge's drafts become events, and comments of your system ours? Pure."""

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.http import wire
from connectors.interface import (
    AuthorKind,
    Change,
    Comment,
    CommentDraft,
    CommentFile,
    CommentId,
    EffectKey,
    Marks,
    RequesterChange,
    RequesterDraft,
    RequesterId,
    Successor,
    TicketDraft,
    TicketId,
    TicketStatus,
)

REQUESTER_SEEN, TICKET_OPENED, COMMENT_ADDED = "requester.seen", "ticket.opened", "comment.added"
COMMENTS_WANTED, CHANGES_WANTED, PING = "comments.wanted", "changes.wanted", "ping"
REQUESTER_CHANGED = "requester.changed"
TICKET_WANTED, TICKET_MARKED = "ticket.wanted", "ticket.marked"

_STATUSES = {
    "new": TicketStatus.NEW,
    "open": TicketStatus.OPEN,
    "waiting": TicketStatus.WAITING,
    "solved": TicketStatus.SOLVED,
    "closed": TicketStatus.CLOSED,
}
_AUTHORS = {"staff": AuthorKind.STAFF, "customer": AuthorKind.CUSTOMER, "system": AuthorKind.SYSTEM}
_TOLD_STATUSES = {"solve": TicketStatus.SOLVED, "close": TicketStatus.CLOSED}
_UNSENDABLE = re.compile("[\ud800-\udfff]")

Data = Mapping[str, Any]


def event(kind: str, data: Data) -> bytes:
    """The body of an event, the same bytes each time."""
    return _sendable({"type": kind, "data": data})


def _sendable(payload: object) -> bytes:
    """JSON, without the halves of characters that UTF-8 cannot hold."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return _UNSENDABLE.sub("\ufffd", text).encode()


# Outwards


def requester_name(draft: RequesterDraft, secret: str) -> RequesterId:
    """Our own name for this customer, where your system gives none: it tells a stranger no number."""
    person = draft.bsuid or f"wa:{draft.wa_id}"
    return RequesterId("wa-" + hmac.digest(secret.encode(), person.encode(), "sha256").hex()[:24])


def ticket_name(key: EffectKey) -> TicketId:
    """Our own name for a ticket, where your system gives none."""
    return TicketId(f"wa-{key.lower()}")


def requester_data(draft: RequesterDraft, requester: RequesterId) -> Data:
    return {"requester": {"id": requester, "bsuid": draft.bsuid, "wa_id": draft.wa_id, "name": draft.name}}


def changed_data(requester: RequesterId, change: RequesterChange) -> Data:
    """What they are known by from now on."""
    known = {"id": requester, "bsuid": change.bsuid, "wa_id": change.wa_id}
    return {"requester": {**known, "former_numbers": list(change.former_numbers)}}


def ticket_data(draft: TicketDraft, *, key: EffectKey) -> Data:
    ticket = {
        "id": ticket_name(key),
        "subject": draft.subject,
        "requester_id": draft.requester,
        "follows": draft.follows,
        "tags": list(draft.tags),
        **_marks(draft.comment),
    }
    return {"ticket": ticket, "comment": _comment(draft.comment, key)}


def comment_data(draft: CommentDraft, *, key: EffectKey) -> Data:
    """All of it but the ticket's id. `reopen`: the ticket must be open afterwards."""
    return {"reopen": draft.reopen, "ticket": _marks(draft), "comment": _comment(draft, key)}


def encoded_comment(draft: CommentDraft, *, key: EffectKey) -> bytes:
    """What is kept until the comment is written: `comment_data`."""
    return _sendable(comment_data(draft, key=key))


def comment_for(ticket_id: TicketId, prepared: bytes) -> Data:
    """What was kept, for this ticket."""
    return {"ticket_id": ticket_id, **json.loads(prepared)}


def marked(marks: Marks) -> Data:
    return {
        "window": None if marks.window is None else marks.window.value,
        "window_until": None if marks.window_until is None else marks.window_until.isoformat(),
        "undelivered": marks.undelivered,
    }


def _marks(draft: CommentDraft) -> Data:
    return marked(Marks(draft.window, draft.undelivered, draft.window_until))


def _comment(draft: CommentDraft, key: EffectKey) -> dict[str, object]:
    return {
        "id": key,
        "public": draft.public,
        "author": "deskbridge" if draft.author is None else "customer",
        "requester_id": draft.author,
        "text": draft.text,
        "html": draft.html,
    }


# Inwards


def to_status(value: object, default: TicketStatus | None) -> TicketStatus | None:
    return _STATUSES.get(value, default) if isinstance(value, str) else default


def comment_id(ticket_id: TicketId, number: str) -> CommentId:
    """Some systems count the comments of each ticket by themselves."""
    return CommentId(f"{ticket_id}/{number}")


def to_comment(entry: wire.Comment, ticket_id: TicketId) -> Comment:
    return Comment(
        id=comment_id(ticket_id, entry.id),
        created_at=entry.created_at.astimezone(UTC),
        public=entry.public,
        author=_AUTHORS[entry.author],
        html=entry.html,
        text=entry.text,
        files=_files(entry.attachments),
        key=None if entry.event_id is None else EffectKey(entry.event_id),
        author_locale=entry.locale,
        author_name=entry.author_name,
    )


def _files(attachments: Sequence[wire.Attachment]) -> list[CommentFile]:
    """A file's id is its address: nobody can be asked for it."""
    return [CommentFile(one.url, one.name, one.mime_type, one.size_bytes) for one in attachments]


def in_order(ticket_id: TicketId, entries: Sequence[wire.Comment], since: datetime) -> list[Comment]:
    """Those created at or after `since`, oldest first; of one time, as they were listed."""
    comments = [to_comment(entry, ticket_id) for entry in entries]
    return sorted((one for one in comments if one.created_at >= since), key=lambda comment: comment.created_at)


def to_change(told: wire.Told, *, now: datetime) -> Change:
    """A reply or a note brings itself along; `now` where it does not say when it was written. Raises `ValueError` with
    what is missing."""
    ticket_id = TicketId(told.ticket_id)
    if told.type == "look":
        return Change(ticket_id, None if told.id is None else comment_id(ticket_id, told.id))
    if told.type in _TOLD_STATUSES:
        return Change(ticket_id, status=_TOLD_STATUSES[told.type], is_whole=True)
    if told.type == "merge":
        if told.into is None:
            raise ValueError("into is missing: the ticket that it was merged into")
        at = (told.created_at or now).astimezone(UTC)
        return Change(ticket_id, successor=Successor(TicketId(told.into), at), is_whole=True)
    if told.id is None:
        raise ValueError("id is missing: your own for this comment, so that it counts once however often it is sent")
    if not (told.text.strip() or told.html.strip() or told.attachments):
        raise ValueError("text, html or attachments are missing")
    comment = Comment(
        id=comment_id(ticket_id, told.id),
        created_at=(told.created_at or now).astimezone(UTC),
        public=told.type == "reply",
        author=AuthorKind.STAFF,
        html=told.html,
        text=told.text,
        files=_files(told.attachments),
        key=None if told.event_id is None else EffectKey(told.event_id),
        author_locale=told.locale,
        author_name=told.author_name,
    )
    return Change(ticket_id, comment.id, comments=(comment,), is_whole=True)
