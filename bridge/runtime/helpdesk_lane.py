"""What waits for the helpdesk, one conversation at a time: the customer's messages, and notes for the agent.

A step is: decide and freeze in one transaction, call, record in one transaction. Nothing is open during the call, and
what was begun is on record before it, so a death in the middle is looked up and never repeated blindly.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from bridge.domain import identity_notes, notes
from bridge.domain.decide import ReadReceipts
from bridge.domain.render import Line, render_messages, render_note
from bridge.domain.retry import backoff
from bridge.domain.text import preview
from bridge.runtime import (
    contact_merges,
    desk_changes,
    directory,
    files_to_helpdesk,
    gates,
    merges,
    receipts,
    ticket_marks,
)
from bridge.runtime.apply import MIDDLE, add_note
from bridge.runtime.desk_changes import DeskChange
from bridge.runtime.files_to_helpdesk import Reader, Shown
from bridge.runtime.services import HELPDESK_SCOPE, Again, Moment, Services
from bridge.store import channels, contacts, conversations, inbox, media, messages, outbox
from bridge.store.contacts import Address
from bridge.store.conversations import Conversation, Ticket
from bridge.store.leases import Lease
from bridge.store.outbox import EffectRecord, WaitingPost
from bridge.store.tables import EffectKind, EffectState, Lane
from connectors.errors import (
    FilesRefused,
    NeedsOperator,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    RemoteFailure,
    RetryLater,
    TicketUnwritable,
)
from connectors.interface import (
    CommentDraft,
    CommentWritten,
    EffectKey,
    Marks,
    RequesterDraft,
    RequesterId,
    RequesterRef,
    TakesFiles,
    TicketDraft,
    TicketId,
    TicketStatus,
    TicketWritten,
)

BATCH_MESSAGES = 50
CLOCKS_APART = timedelta(minutes=10)
QUICK = timedelta(seconds=2)
"""A ticket known later than this after it was asked for may have been answered meanwhile, by a ring nobody knew."""
ALONE = "refused; tried alone"
SUBJECT_NAME_CHARACTERS = 60
OPEN = (TicketStatus.NEW, TicketStatus.OPEN)
TABLES = ("interactive", "order")
"""Kinds of messages of which we make the rows, so that no customer can."""


@dataclass(frozen=True, slots=True)
class NeedRequester:
    """The customer has no helpdesk user yet."""

    address: Address
    contact_id: str


@dataclass(frozen=True, slots=True)
class Write:
    """One write that is on record. `ticket` None opens one. `repeat`: an earlier attempt may have succeeded.

    `until_at`: WhatsApp's time of the newest message in it.
    """

    effects: tuple[EffectRecord, ...]
    ticket: Ticket | None
    key: EffectKey
    request: bytes = field(repr=False)
    repeat: bool
    started_at: datetime
    until_at: datetime | None
    marks: str | None = None
    """What it tells the ticket of window and delivery, where that is news."""

    @property
    def ids(self) -> list[str]:
        return [effect.id for effect in self.effects]

    @property
    def message_ids(self) -> list[str]:
        return [effect.message_id for effect in self.effects if effect.message_id is not None]


Step = NeedRequester | Write | DeskChange | Again | None


async def run_step(services: Services, lease: Lease, conversation_id: str) -> bool:
    """Do what stands first in the lane. False when nothing (more) can be done now."""
    moment = Moment.take(services.clock)
    step = await services.commit(lease, lambda connection: _begin(connection, services, conversation_id, moment))
    match step:
        case None:
            return False
        case Again():
            return True
        case NeedRequester():
            return await _find_requester(services, lease, conversation_id, step)
        case DeskChange():
            return await desk_changes.perform(services, lease, step)
        case Write():
            return await _write(services, lease, conversation_id, step)


def _begin(connection: Connection, services: Services, conversation_id: str, moment: Moment) -> Step:
    head = outbox.load_head(connection, services.vault, conversation_id=conversation_id, lane=Lane.HELPDESK)
    if head is None or head.state not in (EffectState.READY, EffectState.UNKNOWN):
        return None
    if head.due_at > moment.business or head.not_before_at > moment.real:
        return None
    was_tried = head.attempts > 0 or head.failures > 0
    if was_tried and moment.business - head.created_at > services.dead_letter_after:
        return _bury(connection, services, head, code=head.code or "too old", moment=moment)
    gate = gates.find_closed(connection, services, HELPDESK_SCOPE, moment)
    if gate is not None:
        not_before_at = gates.next_try_at(gate, moment)
        outbox.retry(connection, [head.id], state=head.state, not_before_at=not_before_at, code=gate.code)
        return None
    if head.kind in desk_changes.KINDS:
        return desk_changes.begin(connection, head, moment)
    current = conversations.load(connection, conversation_id)
    if head.batch_id is not None:
        return _resume(connection, services, head, moment)
    if head.kind is EffectKind.POST_MESSAGE:
        return _begin_messages(connection, services, current, head, moment)
    if head.kind is EffectKind.ADD_ECHO:
        return _begin_echo(connection, services, current, head, moment)
    return _begin_note(connection, services, current, head, moment)


def _resume(connection: Connection, services: Services, head: EffectRecord, moment: Moment) -> Step:
    """A request that is frozen already: the same bytes again, and first a look whether they arrived."""
    assert head.batch_id is not None
    effects, frozen = outbox.load_batch(connection, services.vault, head.batch_id)
    assert frozen is not None
    key, target, request = frozen.split(b"\n", 2)
    ids = [effect.id for effect in effects]
    outbox.mark_performing(connection, ids, real_now=moment.real)
    times = messages.load_times(connection, [effect.message_id for effect in effects if effect.message_id])
    return Write(
        effects=tuple(effects),
        ticket=_ticket_of(connection, services, target.decode()) if target else None,
        key=EffectKey(key.decode()),
        request=request,
        repeat=head.state is EffectState.UNKNOWN,
        started_at=moment.real,
        until_at=max(times.values(), default=None),
    )


def _ticket_of(connection: Connection, services: Services, remote_id: str) -> Ticket:
    ticket = conversations.find_ticket(connection, channel_id=services.channel.id, remote_id=remote_id)
    assert ticket is not None
    return ticket


def _freeze(
    connection: Connection,
    services: Services,
    effects: list[EffectRecord],
    *,
    ticket: Ticket | None,
    key: EffectKey,
    request: bytes,
    moment: Moment,
    until_at: datetime | None = None,
) -> Write:
    ids = [effect.id for effect in effects]
    frozen = b"\n".join((key.encode(), b"" if ticket is None else ticket.remote_id.encode(), request))
    outbox.freeze(connection, services.vault, ids, request=frozen, real_now=moment.real)
    return Write(tuple(effects), ticket, key, request, False, moment.real, until_at)


def _key(effect: EffectRecord) -> EffectKey:
    """A new one for each time that a request is frozen: an earlier one was certainly not written."""
    return EffectKey(f"{effect.id}-{effect.attempts}")


def _begin_messages(
    connection: Connection, services: Services, current: Conversation, head: EffectRecord, moment: Moment
) -> Step:
    ticket = conversations.load_ticket(connection, current.ticket_id) if current.ticket_id else None
    if ticket is not None and ticket.next_post_at > moment.real and not outbox.has_waiting_note(connection, current.id):
        outbox.retry(
            connection,
            [head.id],
            state=EffectState.READY,
            not_before_at=ticket.next_post_at,
            code=outbox.WAITS_FOR_COMPANY,
        )
        return None
    if current.requester_id is None:
        return NeedRequester(contacts.load_address(connection, services.vault, current.contact_id), current.contact_id)
    # What was refused together is tried one by one, so that a bad message takes no other with it.
    at_once = 1 if head.told == ALONE else BATCH_MESSAGES
    waiting = outbox.load_waiting_posts(connection, services.vault, current.id, limit=at_once)
    if head.id not in {post.effect.id for post in waiting}:
        # More wait than go at once, and what came first was sent last.
        waiting = [outbox.load_post(connection, services.vault, head.id)]
    with_files = [post.effect.message_id for post in waiting if post.effect.message_id and post.message_kind != "text"]
    of_messages = media.load_of_messages(connection, services.vault, with_files) if with_files else {}
    for count, post in enumerate(waiting):
        until_at = files_to_helpdesk.waits_until(
            of_messages.get(post.effect.message_id or "", ()), real_now=moment.real
        )
        if until_at is not None:
            waiting = waiting[:count]
            if head.id not in {earlier.effect.id for earlier in waiting}:
                code = outbox.WAITS_FOR_FILE
                outbox.retry(connection, [head.id], state=EffectState.READY, not_before_at=until_at, code=code)
                return None
            break
    shown = files_to_helpdesk.choose(connection, services, of_messages)
    most = files_to_helpdesk.limits(services)
    if shown and most is not None:
        ids = [post.effect.message_id for post in waiting]
        waiting = waiting[: files_to_helpdesk.count_that_fit(ids, shown, most.bytes_per_comment)]
    posts = waiting
    html, text = _compose(posts, shown, current, moment)
    while len(html.encode("utf-8", "replace")) > services.connector.limits.comment_bytes and len(posts) > 1:
        posts = posts[: len(posts) // 2]
        html, text = _compose(posts, shown, current, moment)
    if head.id not in {post.effect.id for post in posts}:
        # What comes first must not wait for what is late.
        posts = [outbox.load_post(connection, services.vault, head.id)]
        html, text = _compose(posts, shown, current, moment)
    effects = [post.effect for post in posts]
    along = [shown[post.effect.message_id or ""] for post in posts if post.effect.message_id in shown]
    files_to_helpdesk.begin(connection, services, current, along, moment)
    marks = ticket_marks.marks_of(connection, services, current, moment)
    comment = CommentDraft(
        html=html,
        text=text,
        public=True,
        author=RequesterId(current.requester_id),
        reopen=ticket is not None,
        was_new=ticket is not None and ticket.status == TicketStatus.NEW,
        was_open=ticket is not None and ticket.status in OPEN,
        window=marks.window,
        undelivered=marks.undelivered,
        window_until=marks.window_until,
        files=[draft for one in along for draft in one.drafts],
    )
    comment, told = _with_marks(ticket, comment, marks)
    key = _key(effects[0])
    until_at = max(post.sent_at for post in posts)
    if ticket is None:
        return _freeze_ticket(
            connection, services, current, effects, comment, key=key, moment=moment, until_at=until_at
        )
    request = services.connector.prepare_comment(comment, key=key)
    write = _freeze(
        connection, services, effects, ticket=ticket, key=key, request=request, moment=moment, until_at=until_at
    )
    return replace(write, marks=told)


def _compose(
    posts: Sequence[WaitingPost], shown: Mapping[str, Shown], current: Conversation, moment: Moment
) -> tuple[str, str]:
    lines = [
        Line(
            post.text,
            post.sent_at,
            asides=shown.get(post.effect.message_id or "", files_to_helpdesk.NOTHING).asides,
            is_table=post.message_kind in TABLES,
        )
        for post in posts
    ]
    return render_messages(lines, now=moment.business, posted_until_at=current.posted_until_at)


def _freeze_ticket(
    connection: Connection,
    services: Services,
    current: Conversation,
    effects: list[EffectRecord],
    comment: CommentDraft,
    *,
    key: EffectKey,
    moment: Moment,
    until_at: datetime | None = None,
) -> Write:
    """A new ticket, which follows the last one where that is closed for good."""
    assert current.requester_id is not None
    address = contacts.load_address(connection, services.vault, current.contact_id)
    follows = conversations.find_closed_ticket(connection, current.id)
    draft = TicketDraft(
        subject=_subject(address, services),
        requester=RequesterId(current.requester_id),
        comment=comment,
        conversation_key=current.id,
        follows=None if follows is None else TicketId(follows),
        tags=_origin_tags(current.origin),
    )
    request = services.connector.prepare_ticket(draft, key=key)
    return _freeze(
        connection, services, effects, ticket=None, key=key, request=request, moment=moment, until_at=until_at
    )


def _origin_tags(origin: str | None) -> tuple[str, ...]:
    """What brought the customer here first: `wa_ad` or `wa_post`, and which one."""
    if origin is None:
        return ()
    where, _, source_id = origin.partition(":")
    return (f"wa_{where}", f"wa_{where}_{source_id.lower()}") if source_id else (f"wa_{where}",)


def _subject(address: Address, services: Services) -> str:
    name = preview(address.name or "", SUBJECT_NAME_CHARACTERS) or (f"+{address.wa_id}" if address.wa_id else "")
    return preview(f"WhatsApp: {name or 'a customer without a name'}", services.connector.limits.subject_characters)


def _with_marks(ticket: Ticket | None, comment: CommentDraft, marks: Marks) -> tuple[CommentDraft, str | None]:
    """Says whether the marks are news to the ticket, and which."""
    told = ticket_marks.in_words(marks)
    if ticket is None or ticket.marks != told:
        return comment, told
    return replace(comment, marks_changed=False), None


def _begin_note(
    connection: Connection, services: Services, current: Conversation, head: EffectRecord, moment: Moment
) -> Step:
    """On the ticket it belongs to, else on the conversation's; where none is open any more, it opens a new one."""
    ticket = _open_ticket_for(connection, current, head)
    first = outbox.load_first_post(connection, services.vault, current.id) if ticket is None else None
    if first is not None:  # the customer's messages open the note's ticket
        return _begin_posts_before(connection, services, current, head, first, moment)
    if ticket is None and current.requester_id is None:
        return NeedRequester(contacts.load_address(connection, services.vault, current.contact_id), current.contact_id)
    key = _key(head)
    marks = ticket_marks.marks_of(connection, services, current, moment)
    comment = CommentDraft(
        html=render_note(head.payload),
        text=head.payload,
        public=False,
        author=None,
        window=marks.window,
        undelivered=marks.undelivered,
        window_until=marks.window_until,
    )
    comment, told = _with_marks(ticket, comment, marks)
    if ticket is None:
        return _freeze_ticket(connection, services, current, [head], comment, key=key, moment=moment)
    request = services.connector.prepare_comment(comment, key=key)
    write = _freeze(connection, services, [head], ticket=ticket, key=key, request=request, moment=moment)
    return replace(write, marks=told)


def _begin_echo(
    connection: Connection, services: Services, current: Conversation, head: EffectRecord, moment: Moment
) -> Step:
    """What the owner wrote in the app, as a public comment of ours."""
    ticket = _open_ticket_for(connection, current, head)
    first = outbox.load_first_post(connection, services.vault, current.id) if ticket is None else None
    if first is not None:
        return _begin_posts_before(connection, services, current, head, first, moment)
    if ticket is None and current.requester_id is None:
        return NeedRequester(contacts.load_address(connection, services.vault, current.contact_id), current.contact_id)
    post = outbox.load_post(connection, services.vault, head.id)
    of_messages = media.load_of_messages(connection, services.vault, [head.message_id or ""])
    until_at = files_to_helpdesk.waits_until(of_messages.get(head.message_id or "", ()), real_now=moment.real)
    if until_at is not None:
        code = outbox.WAITS_FOR_FILE
        outbox.retry(connection, [head.id], state=EffectState.READY, not_before_at=until_at, code=code)
        return None
    shown = files_to_helpdesk.choose(connection, services, of_messages)
    html, text = _compose([post], shown, current, moment)
    files_to_helpdesk.begin(connection, services, current, shown.values(), moment)
    key = _key(head)
    marks = ticket_marks.marks_of(connection, services, current, moment)
    comment = CommentDraft(
        html=html,
        text=text,
        public=True,
        author=None,
        window=marks.window,
        undelivered=marks.undelivered,
        window_until=marks.window_until,
        files=[draft for one in shown.values() for draft in one.drafts],
    )
    comment, told = _with_marks(ticket, comment, marks)
    if ticket is None:
        return _freeze_ticket(connection, services, current, [head], comment, key=key, moment=moment)
    request = services.connector.prepare_comment(comment, key=key)
    write = _freeze(connection, services, [head], ticket=ticket, key=key, request=request, moment=moment)
    return replace(write, marks=told)


def _begin_posts_before(
    connection: Connection,
    services: Services,
    current: Conversation,
    note: EffectRecord,
    first: EffectRecord,
    moment: Moment,
) -> Step:
    if first.due_at > moment.business or first.not_before_at > moment.real:
        outbox.retry(
            connection,
            [note.id],
            state=note.state,
            due_at=first.due_at,
            not_before_at=first.not_before_at,
            code="waits for its ticket",
        )
        return None
    if first.batch_id is not None:
        return _resume(connection, services, first, moment)
    return _begin_messages(connection, services, current, first, moment)


def _open_ticket_for(connection: Connection, current: Conversation, note: EffectRecord) -> Ticket | None:
    for ticket_id in (note.ticket_id, current.ticket_id):
        if ticket_id is None:
            continue
        ticket = conversations.load_ticket(connection, ticket_id)
        if ticket.status not in (TicketStatus.CLOSED, TicketStatus.GONE):
            return ticket
    return None


def _bury(connection: Connection, services: Services, head: EffectRecord, *, code: str, moment: Moment) -> Again:
    """Tried for too long: kept as a dead letter, and told where an agent may see it."""
    ids = [head.id]
    if head.batch_id is not None:
        ids = [effect.id for effect in outbox.load_batch(connection, services.vault, head.batch_id)[0]]
        outbox.thaw(connection, ids)
    outbox.set_state(connection, ids, EffectState.DEAD, code=code)
    channels.raise_alarm(connection, kind="dead_letter", subject=head.kind.value, now=moment.real)
    services.metrics.count("deskbridge_effects_total", f"{head.kind.value}:dead", len(ids))
    if head.kind is EffectKind.POST_MESSAGE:
        current = conversations.load(connection, head.conversation_id)
        if current.ticket_id is not None:
            note = notes.not_shown(code)
            add_note(connection, services, current, note, ticket_id=current.ticket_id, moment=moment)
            conversations.save(connection, current)
    return Again()


async def _find_requester(services: Services, lease: Lease, conversation_id: str, need: NeedRequester) -> bool:
    started_at = services.clock.real_now()
    try:
        suggested = await directory.suggest(services, need.address, contact_id=need.contact_id)
        if suggested.adopt is not None:
            requester = RequesterRef(suggested.adopt.id, adopted=True, candidates=1)
        else:
            draft = RequesterDraft(
                bsuid=need.address.bsuid, wa_id=need.address.number, name=need.address.name, others=suggested.others
            )
            requester = await services.connector.find_or_create_requester(draft)
    except RemoteFailure as failure:
        return await _record_failure_of_head(services, lease, conversation_id, failure)
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> None:
        current = conversations.load(connection, conversation_id)
        origin = contact_merges.ADOPTED if requester.adopted else contact_merges.MADE
        if current.requester_id is None:
            current.requester_id, current.requester_origin = requester.id, origin
        elif current.requester_id != requester.id:
            # The contact was merged into another one meanwhile, who has a user already.
            contact_merges.join_requesters(connection, services, current, requester.id, origin, moment)
        if suggested.candidates and not requester.adopted:
            note = identity_notes.ambiguous(suggested.candidates, made=requester.id)
            add_note(connection, services, current, note, ticket_id=None, moment=moment)
        conversations.save(connection, current)
        gates.reopen_gate(connection, services, HELPDESK_SCOPE, started_at=started_at)
        if requester.candidates > 1 or (suggested.candidates and not requester.adopted):
            channels.raise_alarm(connection, kind="ambiguous_requester", subject=conversation_id, now=moment.real)

    await services.commit_outcome(lease, unit)
    _count_requester(services, requester)
    return True


def _count_requester(services: Services, requester: RequesterRef) -> None:
    services.metrics.count("deskbridge_requesters_total", "adopted" if requester.adopted else "made")


async def _record_failure_of_head(
    services: Services, lease: Lease, conversation_id: str, failure: RemoteFailure
) -> bool:
    """A failure before anything of the head was frozen: nothing of it was written."""
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> bool:
        head = outbox.load_head(connection, services.vault, conversation_id=conversation_id, lane=Lane.HELPDESK)
        if head is None:
            return False
        current = conversations.load(connection, conversation_id)
        again = _record_failure(connection, services, current, [head], failure, moment, written=False)
        conversations.save(connection, current)
        return again

    return await services.commit_outcome(lease, unit)


async def _write(services: Services, lease: Lease, conversation_id: str, write: Write) -> bool:
    reader = Reader(services)
    try:
        outcome: TicketWritten | CommentWritten | RemoteFailure = await _call(services, write, reader)
    except RemoteFailure as failure:
        outcome = failure
    except TimeoutError:
        outcome = OutcomeUnknown("timed_out")
    spare: list[str] = []
    pause = _pause_after(services, write) if not isinstance(outcome, RemoteFailure) else 0.0
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> bool:
        current = conversations.load(connection, conversation_id)
        if reader.missing and isinstance(outcome, RemoteFailure):
            # The body broke off with the file: nothing of it counts.
            files_to_helpdesk.fetch_anew(connection, services, write.message_ids, reader.missing, moment)
            again = _record_write_failure(connection, services, current, write, RetryLater("file_missing"), moment)
        elif isinstance(outcome, RemoteFailure):
            again = _record_write_failure(connection, services, current, write, outcome, moment)
        else:
            again = _record_written(connection, services, current, write, outcome, moment)
            spare[:] = files_to_helpdesk.end(connection, services, write.message_ids)
            if pause > 0 and write.ticket is not None:
                next_post_at = moment.real + timedelta(seconds=pause)
                conversations.set_next_post(connection, write.ticket.id, next_post_at=next_post_at)
        conversations.save(connection, current)
        return again

    again = await services.commit_outcome(lease, unit)
    services.files.remove(spare)
    label = "done" if not isinstance(outcome, RemoteFailure) else type(outcome).__name__
    for effect in write.effects:
        if label == "done" and effect.kind is EffectKind.POST_MESSAGE:
            waited = moment.business - effect.created_at
            services.metrics.observe("deskbridge_post_seconds", waited.total_seconds())
    services.metrics.count("deskbridge_effects_total", f"{write.effects[0].kind.value}:{label}", len(write.effects))
    return again


async def _call(services: Services, write: Write, reader: Reader) -> TicketWritten | CommentWritten:
    connector = services.connector
    if not isinstance(connector, TakesFiles):
        if write.ticket is None:
            return await connector.open_ticket(write.request, key=write.key, repeat=write.repeat)
        ticket_id = TicketId(write.ticket.remote_id)
        return await connector.add_comment(ticket_id, write.request, key=write.key, repeat=write.repeat)
    async with asyncio.timeout(connector.file_limits.call_timeout_seconds):
        if write.ticket is None:
            return await connector.open_ticket(write.request, key=write.key, repeat=write.repeat, files=reader)
        ticket_id = TicketId(write.ticket.remote_id)
        return await connector.add_comment(ticket_id, write.request, key=write.key, repeat=write.repeat, files=reader)


def _pause_after(services: Services, write: Write) -> float:
    """Seconds that fresh messages of this ticket wait for company, so that a short budget is spent on more at once."""
    if write.ticket is None:
        return 0.0
    return services.budget.coalescing_pause(f"ticket:{write.ticket.remote_id}", account_bucket="account")


def _record_written(
    connection: Connection,
    services: Services,
    current: Conversation,
    write: Write,
    written: TicketWritten | CommentWritten,
    moment: Moment,
) -> bool:
    gates.reopen_gate(connection, services, HELPDESK_SCOPE, started_at=write.started_at)
    if written.comment_id is None and write.effects[0].kind is EffectKind.ADD_ECHO:
        # Not known by its id it would be taken for a reply: look it up by its key.
        failure = OutcomeUnknown("comment_not_named")
        return _record_failure(connection, services, current, list(write.effects), failure, moment, written=True)
    if isinstance(written, TicketWritten):
        before = conversations.find_gone_ticket(connection, current.id)
        ticket_id = conversations.add_ticket(
            connection,
            current,
            remote_id=written.ticket_id,
            status=written.status,
            read_since_at=min(effect.created_at for effect in write.effects) - CLOCKS_APART,
            now=moment.business,
        )
        told = ticket_marks.marks_of(connection, services, current, moment)
        conversations.set_marks(connection, ticket_id, ticket_marks.in_words(told))
        inbox.unpark(connection, match_index=merges.ticket_index(services, written.ticket_id))
        if write.repeat or moment.real - write.started_at > QUICK:
            merges.ring(connection, services, ticket_id=written.ticket_id, moment=moment)
        if before is not None:
            add_note(
                connection,
                services,
                current,
                notes.continues_deleted_ticket(before),
                ticket_id=ticket_id,
                moment=moment,
            )
    else:
        assert write.ticket is not None
        ticket_id = write.ticket.id
        if written.status is not None:
            conversations.set_ticket_status(connection, ticket_id, written.status)
        elif write.effects[0].kind is EffectKind.POST_MESSAGE and not _is_open(connection, ticket_id):
            # An agent came to the ticket while we wrote, so it may have been put aside: look.
            merges.ring(connection, services, ticket_id=write.ticket.remote_id, moment=moment)
        if write.marks is not None:
            conversations.set_marks(connection, ticket_id, write.marks if written.marks_told else None)
    if written.written_at is not None:
        conversations.set_unread(connection, ticket_id, moment.business)
    if written.comment_id is not None:
        conversations.add_comment(
            connection,
            channel_id=services.channel.id,
            ticket_id=ticket_id,
            remote_id=written.comment_id,
            role="ours",
            now=written.written_at or moment.business,
        )
    if write.until_at is not None:
        current.posted_until_at = max(write.until_at, current.posted_until_at or write.until_at)
    outbox.set_state(connection, write.ids, EffectState.DONE)
    if write.effects[0].kind is EffectKind.POST_MESSAGE:
        receipts.add(connection, services, current, ReadReceipts.TAKEN, moment=moment)
    return True


def _is_open(connection: Connection, ticket_id: str) -> bool:
    return conversations.load_ticket(connection, ticket_id).status in OPEN


def _record_write_failure(
    connection: Connection,
    services: Services,
    current: Conversation,
    write: Write,
    failure: RemoteFailure,
    moment: Moment,
) -> bool:
    if isinstance(failure, TicketUnwritable) and write.ticket is not None:
        return _move_on(connection, services, current, write, failure, moment)
    may_be_written = write.repeat or isinstance(failure, OutcomeUnknown)
    effects = list(write.effects)
    return _record_failure(connection, services, current, effects, failure, moment, written=may_be_written)


def _move_on(
    connection: Connection,
    services: Services,
    current: Conversation,
    write: Write,
    failure: TicketUnwritable,
    moment: Moment,
) -> bool:
    """The ticket takes no more comments: its successor does, or a new ticket that continues it."""
    ticket = write.ticket
    assert ticket is not None
    if failure.reason == "gone":
        conversations.set_ticket_status(connection, ticket.id, TicketStatus.GONE)
        if current.ticket_id == ticket.id:
            current.ticket_id = None
    else:
        merges.follow(connection, services, current, ticket, failure.successor, moment)
    outbox.thaw(connection, write.ids)
    files_to_helpdesk.take_back(connection, services, write.message_ids)
    return True


def _record_failure(
    connection: Connection,
    services: Services,
    current: Conversation,
    effects: list[EffectRecord],
    failure: RemoteFailure,
    moment: Moment,
    *,
    written: bool,
) -> bool:
    """`written`: the request may have been written, so it stays frozen and is looked up before it is repeated."""
    ids = [effect.id for effect in effects]
    message_ids = [effect.message_id for effect in effects if effect.message_id is not None]
    state = EffectState.UNKNOWN if written else EffectState.READY
    if isinstance(failure, FilesRefused):
        return _record_refused_files(connection, services, effects, message_ids)
    if not written:
        outbox.thaw(connection, ids)
        files_to_helpdesk.take_back(connection, services, message_ids)
    match failure:
        case RateLimited():
            outbox.retry(
                connection,
                ids,
                state=state,
                not_before_at=moment.real + timedelta(seconds=failure.after_seconds),
                code=f"rate limited: {failure.limit}"[:100],
            )
        case NeedsOperator():
            gates.close_gate(connection, services, HELPDESK_SCOPE, failure, moment, by_status=False)
            outbox.retry(connection, ids, state=state, not_before_at=moment.real, code=failure.code)
            return True
        case Permanent():
            return _record_refusal(connection, services, current, effects, failure, moment)
        case OutcomeUnknown():
            outbox.count_failure(connection, ids)
            late_write = timedelta(seconds=services.connector.limits.late_write_seconds)
            pause = max(late_write, backoff(effects[0].failures + 1, jitter=MIDDLE))
            outbox.retry(connection, ids, state=state, not_before_at=moment.real + pause, code=failure.code)
        case RetryLater():
            outbox.count_failure(connection, ids)
            pause = backoff(effects[0].failures + 1, jitter=MIDDLE)
            if failure.after_seconds is not None:
                outbox.retry(
                    connection,
                    ids,
                    state=state,
                    not_before_at=moment.real + timedelta(seconds=failure.after_seconds),
                    code=failure.code,
                )
            else:
                outbox.retry(connection, ids, state=state, due_at=moment.business + pause, code=failure.code)
        case _:
            raise failure
    return False


def _record_refused_files(
    connection: Connection, services: Services, effects: list[EffectRecord], message_ids: Sequence[str]
) -> bool:
    """Nothing was written. One file of several may be to blame, so each is tried alone; then its message goes bare."""
    ids = [effect.id for effect in effects]
    outbox.thaw(connection, ids)
    if len(effects) > 1:
        files_to_helpdesk.take_back(connection, services, message_ids)
        for effect_id in ids:
            outbox.mark_told(connection, effect_id, ALONE)
    else:
        files_to_helpdesk.refuse(connection, services, message_ids)
    services.metrics.count("deskbridge_files_total", "refused_by_helpdesk")
    return True


def _record_refusal(
    connection: Connection,
    services: Services,
    current: Conversation,
    effects: list[EffectRecord],
    failure: Permanent,
    moment: Moment,
) -> bool:
    """Refused for good: the helpdesk user may be gone (merged, deleted), or one message of several may be to blame. So
    the user is looked up anew and each message tried alone; what is refused again is kept as a dead letter, and told.
    """
    ids = [effect.id for effect in effects]
    if effects[0].kind is EffectKind.POST_MESSAGE and effects[0].told != ALONE:
        current.requester_id = None
        outbox.thaw(connection, ids)
        message_ids = [effect.message_id for effect in effects if effect.message_id is not None]
        files_to_helpdesk.take_back(connection, services, message_ids)
        for effect_id in ids:
            outbox.mark_told(connection, effect_id, ALONE)
        return True
    outbox.set_state(connection, ids, EffectState.DEAD, code=failure.code)
    channels.raise_alarm(connection, kind="dead_letter", subject=effects[0].kind.value, now=moment.real)
    if effects[0].kind is EffectKind.POST_MESSAGE and current.ticket_id is not None:
        note = notes.not_shown(failure.code)
        add_note(connection, services, current, note, ticket_id=current.ticket_id, moment=moment)
    return True
