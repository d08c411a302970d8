"""How do Freshdesk's shapes become our values, and our drafts its requests? Pure.

A note has no place for a key of ours, and what cannot be seen may not survive Freshdesk's cleaning of HTML (fact sheet
Freshdesk 3, unconfirmed). So what we write ends with a short mark that anybody can read, `· wa-` and eight characters,
made of the effect's key: by it a write whose answer was lost is found again.
"""

import base64
import dataclasses
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.freshdesk import wire
from connectors.freshdesk.settings import DEFAULT_SOURCE
from connectors.interface import (
    AuthorKind,
    Change,
    Comment,
    CommentDraft,
    CommentFile,
    CommentId,
    EffectKey,
    FileDraft,
    HelpdeskContact,
    Marks,
    RequesterChange,
    RequesterDraft,
    RequesterId,
    TicketDraft,
    TicketId,
    TicketStatus,
    WindowMark,
)

TAG = "whatsapp"
UNDELIVERED_TAG = "wa_undelivered"
OPEN, PENDING, RESOLVED, CLOSED = 2, 3, 4, 5
NATIVE_WHATSAPP_SOURCE = 13
"""Tickets of Freshdesk's own WhatsApp channel (fact sheet Freshdesk 2, 8)."""

_OUR_TAGS = frozenset({*(mark.value for mark in WindowMark), UNDELIVERED_TAG})
_SPOKEN_SOURCES = frozenset({0, 2})
"""Replies and notes. The others are surveys, forwarded mails, social media (fact sheet Freshdesk 3)."""
_MARK = re.compile(r"\s{0,9}\u00b7\s{0,9}(wa-[a-z2-7]{8})")
_MARK_AT_END = re.compile(_MARK.pattern + r"\s{0,99}\Z")
_MARK_IN_HTML = re.compile(
    r"(?:<(?:p|div|sub|span)[^<>]{0,2000}>\s{0,9}){0,9}\u00b7\s*wa-[a-z2-7]{8}\s*(?:</(?:p|div|sub|span)>\s*)*"
)
_QUOTED_HISTORY = re.compile(
    r"<(?:div|blockquote)\b[^<>]{0,2000}?\bclass\s*=\s*[\"'][^\"'<>]{0,500}?freshdesk_quote.*",
    re.DOTALL | re.IGNORECASE,
)
_PICTURE = re.compile(r"<img\b[^<>]*?\bsrc\s*=\s*[\"']([^\"'>]{1,4096})", re.IGNORECASE)
_INLINE_PATH = "/inline/attachment?"
_TAGS = re.compile(r"<[^<>]*>")
_OURS = re.compile(r"wa:\d+|[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")
_TICKET_REFERENCE = re.compile(r"(?:#|tickets?/|\bticket\b[^\d\n]{0,24})(\d{1,15})(?!\d)", re.IGNORECASE | re.ASCII)


def encoded(payload: object) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def mark_of(key: EffectKey) -> EffectKey:
    """The short form of a key that a note carries: 40 bits, told apart within one ticket."""
    digest = hashlib.sha256(key.encode()).digest()[:5]
    return EffectKey("wa-" + base64.b32encode(digest).decode().lower())


# Contacts


def external_id(draft: RequesterDraft | RequesterChange) -> str:
    """The `unique_external_id` of this customer. The BSUID wins: a number may change hands."""
    return draft.bsuid or f"wa:{draft.wa_id}"


def contact_request(
    draft: RequesterDraft, defaults: Mapping[str, Any], *, with_mobile: bool, with_external_id: bool
) -> bytes:
    """`POST /contacts`. No e-mail address: Freshdesk would write to it (fact sheet Freshdesk 9.13)."""
    mobile = f"+{draft.wa_id}" if draft.wa_id else None
    contact: dict[str, object] = {**defaults, "name": _sendable((draft.name or "").strip()) or mobile or "WhatsApp"}
    if with_external_id:
        contact["unique_external_id"] = external_id(draft)
    if mobile and with_mobile:
        contact["mobile"] = mobile
    return encoded(contact)


def digits(number: str | None) -> str:
    """What a stored number says, however it is typed."""
    return re.sub(r"\D", "", number or "").removeprefix("00")


def changes_of(contact: wire.Contact, change: RequesterChange) -> dict[str, str]:
    """What `PUT /contacts/{id}` has to write. A number of somebody who was there before us is never overwritten."""
    changes: dict[str, str] = {}
    held = {"mobile": digits(contact.mobile), "phone": digits(contact.phone)}
    if change.wa_id and change.wa_id not in held.values():
        may_go = {"", *change.former_numbers, *((held["mobile"],) if change.is_ours else ())}
        place = next((name for name in ("mobile", "phone") if held[name] in may_go), None)
        if place is not None:
            changes[place] = f"+{change.wa_id}"
    if change.is_ours and contact.unique_external_id != external_id(change):
        changes["unique_external_id"] = external_id(change)
    return changes


def to_contact(contact: wire.Contact, *, gone: bool) -> HelpdeskContact:
    return HelpdeskContact(
        RequesterId(str(contact.id)),
        numbers=tuple(number for number in (contact.mobile, contact.phone) if number),
        is_customer=not gone and not contact.deleted,
        is_ours=_OURS.fullmatch(contact.unique_external_id or "") is not None,
    )


@dataclass(frozen=True, slots=True)
class ContactCursor:
    """Where a run through the contacts stands. `since`: it tells who changed after that; `started`: the next one does
    after that. `deleted`: it has come to who was deleted."""

    page: int = 1
    since: str = ""
    started: str = ""
    deleted: bool = False

    @classmethod
    def decoded(cls, cursor: str | None) -> "ContactCursor":
        return cls() if cursor is None else cls(**json.loads(cursor))

    def encoded(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    def after(self, *, more: bool, started: str) -> "ContactCursor":
        """The next page; of the deleted ones after the last; of a new run after the last of those."""
        if more:
            return ContactCursor(self.page + 1, self.since, started, self.deleted)
        if not self.deleted:
            return ContactCursor(1, self.since, started, deleted=True)
        return ContactCursor(1, started, "", deleted=False)


def seconds_before(date: str | None, earlier: timedelta) -> str:
    """So long before an HTTP date, as Freshdesk reads times; nothing where there is no date."""
    try:
        moment = parsedate_to_datetime(date or "")
    except ValueError:
        return ""
    return (moment - earlier).strftime("%Y-%m-%dT%H:%M:%SZ")


def number_query(wa_id: str) -> str:
    """The search for everybody who has this number in a spelling that people and programs use."""
    spellings = (f"+{wa_id}", wa_id, f"00{wa_id}")
    clauses = [f"{field}:'{spelling}'" for field in ("mobile", "phone") for spelling in spellings]
    return f'"{" OR ".join(clauses)}"'


def with_number(wa_id: str, contacts: Sequence[wire.Contact]) -> list[wire.Contact]:
    """Those who have exactly this number, however it is typed."""
    return [
        contact
        for contact in contacts
        if not contact.deleted and wa_id in (digits(contact.mobile), digits(contact.phone))
    ]


# Tickets and notes, outwards


def merge_request(ticket_id: TicketId, *, into: TicketId, note: str) -> bytes:
    """`PUT /tickets/merge`. Each note names the other ticket, since no field does."""
    told = html.escape(note)
    return encoded(
        {
            "primary_id": int(into),
            "ticket_ids": [int(ticket_id)],
            "note_in_primary": {"body": f"<p>{told} (#{ticket_id})</p>", "private": True},
            "note_in_secondary": {"body": f"<p>{told} (#{into})</p>", "private": True},
        }
    )


def prepared_ticket(draft: TicketDraft, *, key: EffectKey, defaults: Mapping[str, Any]) -> bytes:
    """A ticket, and the note of our own that it was opened for, if that is why.

    The description is the requester's, in Freshdesk's eyes: what we ourselves have to say never stands there.
    """
    mark = mark_of(key)
    speaks = draft.comment.author is not None
    body = draft.comment.html if speaks else "<p>WhatsApp</p>"
    if draft.follows is not None:
        body = f"<p>#{draft.follows} \u2192</p>{body}"
    own_tags = [tag for tag in defaults.get("tags", []) if tag not in (TAG, *_OUR_TAGS)]
    ticket: dict[str, object] = {
        "priority": 1,
        "source": DEFAULT_SOURCE,
        **defaults,
        "requester_id": int(draft.requester),
        "subject": _sendable(draft.subject),
        "description": _marked(body, mark),
        "status": OPEN,
        "tags": [*own_tags, TAG, *draft.tags, *_marks(draft.comment)],
    }
    note = None if speaks else _note(draft.comment, mark)
    return encoded({"ticket": ticket, "note": note, "files": [asdict(file) for file in draft.comment.files]})


def prepared_comment(draft: CommentDraft, *, key: EffectKey) -> bytes:
    """A note, and what has to follow it: opening the ticket, and telling its marks (None: they are as they were).

    The files stand beside it by name: how they travel is the connector's matter.
    """
    return encoded(
        {
            "note": _note(draft, mark_of(key)),
            "reopen": draft.reopen and not draft.was_open,
            "marks": _marks(draft) if draft.marks_changed else None,
            "files": [asdict(file) for file in draft.files],
        }
    )


@dataclass(frozen=True, slots=True)
class PreparedTicket:
    """`files` belong to the note where there is one, else to the ticket."""

    ticket: dict[str, Any] = field(repr=False)
    note: dict[str, Any] | None = field(repr=False)
    files: tuple[FileDraft, ...]


@dataclass(frozen=True, slots=True)
class PreparedComment:
    note: dict[str, Any] = field(repr=False)
    reopen: bool
    marks: list[str] | None
    files: tuple[FileDraft, ...]


def read_ticket(prepared: bytes) -> PreparedTicket:
    payload = json.loads(prepared)
    return PreparedTicket(payload["ticket"], payload["note"], _files(payload))


def read_comment(prepared: bytes) -> PreparedComment:
    payload = json.loads(prepared)
    return PreparedComment(payload["note"], payload["reopen"], payload["marks"], _files(payload))


def _files(payload: Mapping[str, Any]) -> tuple[FileDraft, ...]:
    return tuple(FileDraft(**named) for named in payload.get("files", ()))  # an older version wrote none


def tags_with(marks: Sequence[str], tags: Sequence[str]) -> list[str]:
    """A ticket's tags with these marks instead of its old ones: on an update the list replaces. A ticket that ours was
    merged into has not been ours: the rule that rings us goes by `TAG`."""
    own = [tag for tag in tags if tag not in _OUR_TAGS]
    return [*own, *([] if TAG in own else [TAG]), *marks]


def description_id(ticket_id: TicketId) -> CommentId:
    """A ticket's description is no conversation of its own (fact sheet Freshdesk 9.11): this stands for it."""
    return CommentId(f"description-{ticket_id}")


def tags_of(marks: Marks) -> list[str]:
    """What a ticket's tags say of window and delivery."""
    words = [marks.window.value] if marks.window is not None else []
    return [*words, UNDELIVERED_TAG] if marks.undelivered else words


def _marks(draft: CommentDraft) -> list[str]:
    return tags_of(Marks(draft.window, draft.undelivered))


def _note(draft: CommentDraft, mark: EffectKey) -> dict[str, object]:
    """The customer's: a public *incoming* note by the contact, which mails nobody (fact sheet Freshdesk 3)."""
    note: dict[str, object] = {"body": _marked(draft.html, mark), "private": not draft.public}
    if draft.author is not None:
        note |= {"incoming": True, "user_id": int(draft.author)}
    return note


def _marked(body: str, mark: EffectKey) -> str:
    return f"<div>{_sendable(body)}<p><sub>\u00b7 {mark}</sub></p></div>"


def _sendable(text: str) -> str:
    return _UNSENDABLE.sub("\ufffd", text)


# Tickets and conversations, inwards


def is_gone(ticket: wire.Ticket) -> bool:
    return bool(ticket.deleted or ticket.spam)


def to_status(ticket: wire.Ticket) -> TicketStatus:
    """Nothing is closed for good here: a closed ticket is opened again. Statuses of the account's own are waiting."""
    if is_gone(ticket):
        return TicketStatus.GONE
    match ticket.status:
        case 2:
            return TicketStatus.OPEN
        case 4 | 5:
            return TicketStatus.SOLVED
        case _:
            return TicketStatus.WAITING


def plain(entry: wire.Conversation) -> str:
    """The text as Freshdesk tells it, else without the tags."""
    return entry.body_text if entry.body_text is not None else plain_of(entry.body or "")


def plain_of(body: str) -> str:
    return html.unescape(_TAGS.sub(" ", body))


def mark_in(text: str) -> EffectKey | None:
    """The mark that a text ends with. Only whoever knows that the text is ours may believe it."""
    found = _MARK_AT_END.search(text)
    return EffectKey(found[1]) if found else None


def key_of(entry: wire.Conversation) -> EffectKey | None:
    """The mark of one of our own writes: a customer's note, or a private one that is no command.

    An agent who copies a marked text into a reply, or into a command, writes an own one.
    """
    if not (entry.incoming or entry.private):
        return None
    text = plain(entry)
    if not entry.incoming and text.lstrip().startswith("/wa"):
        return None
    return mark_in(text)


def is_spoken(entry: wire.Conversation) -> bool:
    """Whether a person wrote it here, as a reply or a note: no rule, no survey, no forwarded mail."""
    is_automatic = bool(entry.auto_response) or entry.automation_id is not None
    return not is_automatic and entry.source in _SPOKEN_SOURCES


def is_public_note(entry: wire.Conversation) -> bool:
    return entry.source == 2 and not entry.private and not entry.incoming


def named_tickets(entry: wire.Conversation, *, own: TicketId) -> list[TicketId]:
    """Other tickets that a text names, each once, in order: what a merge leaves behind (unconfirmed wording)."""
    found = dict.fromkeys(_TICKET_REFERENCE.findall(f"{plain(entry)}\n{entry.body or ''}"))
    return [TicketId(number) for number in found if number != own]


def may_be_merge(entry: wire.Conversation, *, own: TicketId) -> bool:
    """A note by nobody outside that names another ticket."""
    return not entry.incoming and entry.source == 2 and key_of(entry) is None and bool(named_tickets(entry, own=own))


def to_comment(
    entry: wire.Conversation, author: AuthorKind, *, is_merge: bool, agent: wire.AgentContact | None = None
) -> Comment:
    body = _MARK_IN_HTML.sub("", _QUOTED_HISTORY.sub("", entry.body or ""))
    return Comment(
        id=CommentId(str(entry.id)),
        created_at=entry.created_at,
        public=not entry.private,
        author=author,
        html=body,
        text=_MARK.sub("", plain(entry)),
        files=[*_attached(entry), *_shown(body)],
        key=key_of(entry),
        author_locale=agent.language if agent else None,
        author_name=agent.name if agent else None,
        author_id=None if entry.user_id is None else str(entry.user_id),
        is_merge=is_merge,
    )


def _attached(entry: wire.Conversation) -> list[CommentFile]:
    return [
        CommentFile(
            id=str(one.id),
            name=one.name,
            mime_type=one.content_type or "",
            size_bytes=one.size if one.size is not None else one.file_size,
        )
        for one in entry.attachments or ()
        if one.id is not None
    ]


def _shown(body: str) -> list[CommentFile]:
    """Pictures that stand in the text, which are no attachments here (fact sheet Freshdesk 5, unconfirmed form)."""
    return [
        CommentFile(id=inline_id(src), name="", mime_type="", size_bytes=None, src=src)
        for src in inline_addresses(body)
    ]


def inline_addresses(body: str) -> list[str]:
    """The addresses of Freshdesk's own pictures in a text, each once. What stands elsewhere is nobody's file."""
    found = (html.unescape(address) for address in _PICTURE.findall(body))
    return list(dict.fromkeys(address for address in found if _INLINE_PATH in address))


def inline_id(src: str) -> str:
    """A picture in a text has no id: this stands for it."""
    return "inline-" + hashlib.sha256(src.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def to_change(ticket: wire.Ticket) -> Change:
    return Change(
        TicketId(str(ticket.id)),
        changed_at=ticket.updated_at,
        staff_wrote_at=ticket.stats.agent_responded_at if ticket.stats else None,
        status=to_status(ticket),
    )


# The change feed


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the list of changed tickets was read, and what of its last stretch was told already.

    `since`: where the next question starts; `page`: within that, where one second holds more than a page; `until`: the
    newest change met. `told`: ticket id to the change of it that was told.
    """

    since: datetime
    until: datetime
    page: int
    running: bool
    told: Mapping[str, str]

    def encoded(self) -> str:
        return json.dumps(
            {
                "since": self.since.isoformat(),
                "until": self.until.isoformat(),
                "page": self.page,
                "running": self.running,
                "told": dict(self.told),
            },
            separators=(",", ":"),
        )

    @classmethod
    def decoded(cls, text: str) -> "Cursor":
        kept = json.loads(text)
        return cls(
            datetime.fromisoformat(kept["since"]),
            datetime.fromisoformat(kept["until"]),
            kept["page"],
            kept["running"],
            kept["told"],
        )
