"""How do Zendesk's shapes become our values, and our drafts its requests? Pure."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

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
    RequesterRef,
    Successor,
    TicketDraft,
    TicketId,
    TicketStatus,
    WindowMark,
)
from connectors.zendesk import wire

WINDOW_FIELD = "window"
UNDELIVERED_FIELD = "undelivered"
UNTIL_FIELD = "window_until"
WINDOW_VALUES = tuple(mark.value for mark in WindowMark)
UNDELIVERED_TAG = "wa_undelivered"
TAG = "whatsapp"
MERGED_TAG = "closed_by_merge"
"""Seen in production data, not in the reference (fact sheet Zendesk 2.11)."""

_MARKER = "deskbridge"
_OURS = re.compile(r"wa:\d+|(?:wa:)?[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}", re.IGNORECASE)
_SYSTEM_AUTHOR = -1
_STAFF_ROLES = frozenset({"agent", "admin"})
_LIGHT_AGENT_ROLE_TYPE = 1
_RULE_CHANNELS = frozenset({"rule", 8})
_MERGE_CHANNELS = frozenset({"merge", 19})
_STATUSES: Mapping[str, TicketStatus] = {
    "new": TicketStatus.NEW,
    "open": TicketStatus.OPEN,
    "pending": TicketStatus.WAITING,
    "hold": TicketStatus.WAITING,
    "solved": TicketStatus.SOLVED,
    "closed": TicketStatus.CLOSED,
    "deleted": TicketStatus.GONE,
}
_LIQUID = re.compile(r"\{(?=[{%])")
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")
_TICKET_REFERENCE = re.compile(r"#(\d{1,20})", re.ASCII)


# Requesters


def external_ids(draft: RequesterDraft) -> list[str]:
    """Every external_id that is this customer's, best first. The BSUID wins: a number may change hands."""
    spellings = []
    for value in (draft.bsuid, draft.wa_id):
        if value:
            spellings += [value, f"wa:{value}"]
    return spellings


def own_external_id(draft: RequesterDraft | RequesterChange) -> str:
    """The external_id that we give to a user of our own."""
    return draft.bsuid or f"wa:{draft.wa_id}"


def best_by_external_id(draft: RequesterDraft, users: Sequence[wire.User]) -> RequesterRef | None:
    """Zendesk compares external ids without case (fact sheet Zendesk 3.1). Staff never stand in for a customer."""
    customers = [user for user in users if is_live_customer(user)]
    for spelling in external_ids(draft):
        for user in customers:
            if (user.external_id or "").casefold() == spelling.casefold():
                return RequesterRef(RequesterId(str(user.id)), adopted=spelling == draft.wa_id)
    return None


def with_number(wa_id: str, users: Sequence[wire.User]) -> list[wire.User]:
    """Those who have exactly this number, however it is typed."""
    return [user for user in users if is_live_customer(user) and re.sub(r"\D", "", user.phone or "") == wa_id]


def to_contact(user: wire.User) -> HelpdeskContact:
    return HelpdeskContact(
        RequesterId(str(user.id)),
        numbers=(user.phone,) if user.phone else (),
        is_customer=is_live_customer(user),
        is_ours=_OURS.fullmatch(user.external_id or "") is not None,
    )


def is_live_customer(user: wire.User) -> bool:
    return user.id is not None and user.active is not False and user.role in {None, "end-user"}


def user_request(draft: RequesterDraft, *, with_phone: bool) -> bytes:
    """`POST /users`. No e-mail is needed, and none is sent to anybody."""
    phone = f"+{draft.wa_id}" if draft.wa_id else None
    user: dict[str, object] = {
        "name": _sendable((draft.name or "").strip()) or phone or "WhatsApp",
        "role": "end-user",
        "external_id": own_external_id(draft),
        "skip_verify_email": True,
    }
    if phone and with_phone:
        user["phone"] = phone
    return encoded({"user": user})


# Tickets and comments, outwards


def ticket_external_id(key: EffectKey) -> str:
    return f"{_MARKER}:{key}"


def ticket_request(draft: TicketDraft, *, key: EffectKey, field_ids: Mapping[str, int]) -> bytes:
    """`POST /tickets`. Where the customer speaks, submitter = requester, else Zendesk takes it for a proactive ticket;
    a note of our own stays ours, since the submitter is the first comment's author (fact sheet Zendesk 2.1)."""
    requester_id = int(draft.requester)
    ticket: dict[str, object] = {
        "subject": _inert(draft.subject),
        "comment": _comment(draft.comment),
        "requester_id": requester_id,
        **({} if draft.comment.author is None else {"submitter_id": requester_id}),
        "external_id": ticket_external_id(key),
        "tags": [TAG, *draft.tags],
        "metadata": {_MARKER: {"key": key, "conversation": draft.conversation_key}},
    }
    if draft.follows is not None:
        ticket["via_followup_source_id"] = int(draft.follows)
    if custom_fields := _custom_fields(_marks_of(draft.comment), field_ids):
        ticket["custom_fields"] = custom_fields
    return encoded({"ticket": ticket})


def comment_request(draft: CommentDraft, *, key: EffectKey, field_ids: Mapping[str, int]) -> bytes:
    """`PUT /tickets/{id}`. Never `tags`: on an update they replace all."""
    ticket: dict[str, object] = {"comment": _comment(draft), "metadata": {_MARKER: {"key": key}}}
    if draft.reopen and not draft.was_new:
        ticket["status"] = "open"
    if custom_fields := _custom_fields(_marks_of(draft), field_ids):
        ticket["custom_fields"] = custom_fields
    return encoded({"ticket": ticket})


def marks_request(marks: Marks, *, field_ids: Mapping[str, int]) -> bytes | None:
    """`PUT /tickets/{id}` without a comment; None where the account has none of our fields."""
    custom_fields = _custom_fields(marks, field_ids)
    return encoded({"ticket": {"custom_fields": custom_fields}}) if custom_fields else None


def asks_to_reopen(prepared: bytes) -> bool:
    """Was it prepared with `reopen`? What customers write is public and theirs, and nothing else of ours is both."""
    comment = json.loads(prepared)["ticket"]["comment"]
    return bool(comment["public"]) and "author_id" in comment


def files_of(prepared: bytes) -> list[FileDraft]:
    """The files that a prepared request names, which stand there until they are uploaded."""
    if b'"uploads":' not in prepared:
        return []
    return [FileDraft(**named) for named in json.loads(prepared)["ticket"]["comment"].get("uploads", ())]


def with_uploads(prepared: bytes, tokens: Sequence[str]) -> bytes:
    """The same request with the tokens of its files, which are good for one use."""
    payload = json.loads(prepared)
    payload["ticket"]["comment"]["uploads"] = list(tokens)
    return encoded(payload)


def with_stamp(prepared: bytes, *, updated_at: str) -> bytes:
    """The same update, refused with 409 when the ticket has changed since `updated_at`."""
    payload = json.loads(prepared)
    payload["ticket"] |= {"safe_update": True, "updated_stamp": updated_at}
    return encoded(payload)


def encoded(payload: object) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def _comment(draft: CommentDraft) -> dict[str, object]:
    files = {"uploads": [asdict(file) for file in draft.files]} if draft.files else {}
    if draft.author is None:
        # Placeholders in what the API user writes are filled in by Zendesk, and the text may quote a customer.
        return {"html_body": _inert(draft.html), "public": draft.public, **files}
    return {"html_body": _sendable(draft.html), "public": draft.public, "author_id": int(draft.author), **files}


def _marks_of(draft: CommentDraft) -> Marks:
    return Marks(draft.window, draft.undelivered, draft.window_until)


def _custom_fields(marks: Marks, field_ids: Mapping[str, int]) -> list[dict[str, object]]:
    fields: list[dict[str, object]] = []
    if marks.window is not None and WINDOW_FIELD in field_ids:
        fields.append({"id": field_ids[WINDOW_FIELD], "value": marks.window.value})
    if marks.undelivered is not None and UNDELIVERED_FIELD in field_ids:
        fields.append({"id": field_ids[UNDELIVERED_FIELD], "value": marks.undelivered})
    if marks.window_until is not None and UNTIL_FIELD in field_ids:
        # A field of Zendesk's holds a date or a text: this text sorts as the time it tells.
        fields.append({"id": field_ids[UNTIL_FIELD], "value": f"{marks.window_until:%Y-%m-%d %H:%M} UTC"})
    return fields


def _inert(text: str) -> str:
    """Liquid that is none: a zero-width space parts the braces, whatever is decoded or interpolated first."""
    return _LIQUID.sub("{\u200b", _sendable(text))


def _sendable(text: str) -> str:
    return _UNSENDABLE.sub("\ufffd", text)


# Tickets and comments, inwards


def to_status(ticket: wire.Ticket) -> TicketStatus:
    """A status of the future counts as open: it takes comments."""
    return _STATUSES.get(ticket.status, TicketStatus.OPEN)


def written_comment_id(audit: wire.Audit | None) -> CommentId | None:
    """The Comment event's id in the audit is the comment's id (fact sheet Zendesk 2.1)."""
    events = audit.events if audit else ()
    return next(
        (CommentId(str(event.id)) for event in events if event.type == "Comment" and event.id is not None), None
    )


def marker(metadata: object) -> EffectKey | None:
    """Our key in a metadata object: of an audit or comment (`custom`), or of an exported event."""
    if isinstance(metadata, wire.Metadata):
        metadata = metadata.custom
    for candidate in (metadata, metadata.get("custom") if isinstance(metadata, dict) else None):
        mine = candidate.get(_MARKER) if isinstance(candidate, dict) else None
        key = mine.get("key") if isinstance(mine, dict) else None
        if isinstance(key, str) and key:
            return EffectKey(key)
    return None


def to_comment(comment: wire.Comment, authors: Mapping[int, wire.User]) -> Comment:
    plain = comment.plain_body if comment.plain_body is not None else comment.body or ""
    author = None if comment.author_id is None else authors.get(comment.author_id)
    return Comment(
        id=CommentId(str(comment.id)),
        created_at=comment.created_at,
        public=comment.public,
        author=author_kind(comment, authors),
        html=comment.html_body or "",
        text=plain.replace("&nbsp;", " ").replace("\u00a0", " "),
        files=[to_file(attachment) for attachment in comment.attachments if attachment.id is not None],
        key=marker(comment.metadata),
        author_locale=None if author is None else author.locale,
        author_name=None if author is None else author.name,
        author_id=None if comment.author_id is None else str(comment.author_id),
        is_merge=comment.via is not None and _is_merge(comment.via),
    )


def to_file(attachment: wire.Attachment) -> CommentFile:
    return CommentFile(
        id=str(attachment.id),
        name=attachment.file_name,
        mime_type=attachment.content_type,
        size_bytes=attachment.size,
        src=attachment.content_url if attachment.inline else None,
    )


def is_infected(attachment: wire.Attachment) -> bool:
    """Found so, and not let through by an administrator."""
    return attachment.malware_scan_result == "malware_found" and not attachment.malware_access_override


def author_kind(comment: wire.Comment, authors: Mapping[int, wire.User]) -> AuthorKind:
    """Who wrote it. Whoever is not certainly staff is not staff."""
    if comment.author_id is None or comment.author_id == _SYSTEM_AUTHOR or _is_machine(comment.via):
        return AuthorKind.SYSTEM
    author = authors.get(comment.author_id)
    if author is None:
        return AuthorKind.SYSTEM
    if author.role == "end-user":
        return AuthorKind.CUSTOMER
    light = author.role_type == _LIGHT_AGENT_ROLE_TYPE or bool(author.only_private_comments)
    return AuthorKind.STAFF if author.role in _STAFF_ROLES and not light else AuthorKind.SYSTEM


def to_changes(events: Iterable[wire.TicketEvent]) -> list[Change]:
    return [
        Change(TicketId(str(event.ticket_id)), CommentId(str(child.id)), marker(event.metadata))
        for event in events
        for child in event.child_events
        if "Comment" in {child.event_type, child.type} and child.type != "VoiceComment" and child.id is not None
    ]


def merge_target(ticket_id: TicketId, audits: Sequence[wire.Audit]) -> Successor | None:
    """The ticket that this one was merged into: no field says it, the merge's audit does (fact sheet Zendesk 2.11)."""
    for audit in reversed(audits):
        if audit.via is None or audit.created_at is None or not _is_merge(audit.via):
            continue
        source = audit.via.source
        ends = (source.to, source.origin) if source else ()
        named = [str(end.ticket_id) for end in ends if end and end.ticket_id is not None]
        for event in audit.events:
            if event.type == "Comment":
                named += _TICKET_REFERENCE.findall(event.body or "")
        for other in named:
            if other != ticket_id:
                return Successor(TicketId(other), audit.created_at)
    return None


def _is_machine(via: wire.Via | None) -> bool:
    return via is not None and (via.channel in _RULE_CHANNELS or _is_merge(via))


def _is_merge(via: wire.Via) -> bool:
    """By the channel or by `rel`: which of the two says it is unconfirmed (fact sheet Zendesk 2.11)."""
    return via.channel in _MERGE_CHANNELS or (via.source is not None and via.source.rel == "merge")
