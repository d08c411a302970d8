"""What we resolved to do, in lanes: one effect after the other per conversation and lane."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from bridge.domain.meta_limits import Urgency
from bridge.domain.model import MessageStatus
from bridge.domain.notes import Delivery
from bridge.store import messages
from bridge.store.crypto import Vault
from bridge.store.ids import new_id
from bridge.store.plain import Plain
from bridge.store.tables import (
    EPOCH,
    OPEN_STATES,
    EffectKind,
    EffectState,
    Lane,
    MediaState,
    effect,
    literals,
    media,
    message,
    ticket,
)

PAYLOAD = "effect.payload"
FROZEN = "effect.frozen"
OPEN = literals(OPEN_STATES)
DUE = literals((EffectState.READY, EffectState.UNKNOWN))
WAITS_FOR_LIMIT = "waits for limit: "
WAITS_FOR_COMPANY = "waits for company"
PARKED = EPOCH + timedelta(days=365_000)
"""The time at which nothing is due: such a send waits for a place among the people whom Meta lets us write to."""
WAITS_FOR_FILE = "waits for its file"
RESENDABLE = (EffectState.UNCONFIRMED, EffectState.FAILED, EffectState.DEAD)


@dataclass(frozen=True, slots=True)
class EffectRecord:
    """An effect, opened."""

    id: str
    conversation_id: str
    lane: Lane
    urgency: Urgency
    seq: int
    kind: EffectKind
    state: EffectState
    payload: str = field(repr=False)
    message_id: str | None
    ticket_id: str | None
    batch_id: str | None
    attempts: int
    created_at: datetime
    due_at: datetime
    not_before_at: datetime
    started_at: datetime | None
    told: str | None
    code: str | None
    failures: int
    refusals: int


def add(
    connection: Connection,
    vault: Vault,
    *,
    conversation_id: str,
    shard: int,
    lane: Lane,
    seq: int,
    kind: EffectKind,
    now: datetime,
    payload: str = "",
    message_id: str | None = None,
    ticket_id: str | None = None,
    held_until: datetime | None = None,
    urgency: Urgency = Urgency.REPLY,
) -> str:
    """`held_until` set: it waits for the window, at most until then (business time)."""
    row_id = new_id()
    connection.execute(
        _ADD,
        {
            "id": row_id,
            "conversation_id": conversation_id,
            "shard": shard,
            "lane": lane.value,
            "urgency": urgency.value,
            "seq": seq,
            "kind": kind.value,
            "state": (EffectState.HELD if held_until else EffectState.READY).value,
            "payload": vault.seal_text(payload, PAYLOAD, row_id),
            "message_id": message_id,
            "ticket_id": ticket_id,
            "attempts": 0,
            "failures": 0,
            "refusals": 0,
            "created_at": now,
            "due_at": now,
            "not_before_at": EPOCH,
            "expires_at": held_until,
        },
    )
    if lane is Lane.WHATSAPP and urgency is not Urgency.MARKETING:
        connection.execute(_HURRY, {"of_conversation": conversation_id, "urgency": urgency.value})
    return row_id


# Statements of the hot path are built once: building one costs more than running it.
_ADD = insert(effect)
_HURRY = (
    # What stands before it in its lane is as urgent as it is: the order of a conversation is kept.
    update(effect)
    .where(
        effect.c.conversation_id == bindparam("of_conversation"),
        effect.c.lane == Lane.WHATSAPP.value,
        effect.c.state == EffectState.READY.value,
        effect.c.urgency > bindparam("urgency"),
    )
    .values(urgency=bindparam("urgency"))
)
_BY_ID = select(effect).where(effect.c.id == bindparam("id"))
_HEAD = (
    select(effect)
    .where(
        effect.c.conversation_id == bindparam("conversation_id"),
        effect.c.lane == bindparam("lane"),
        effect.c.state.in_(OPEN),
    )
    .order_by(effect.c.seq, effect.c.id)
    .limit(1)
)
_OF_MESSAGES = select(effect.c.id, effect.c.message_id, effect.c.ticket_id, effect.c.state, effect.c.started_at).where(
    effect.c.message_id.in_(bindparam("ids", expanding=True))
)
_CHANGE = update(effect).where(effect.c.id == bindparam("row"))


def _record(row: Any, vault: Vault) -> EffectRecord:
    return EffectRecord(
        id=row.id,
        conversation_id=row.conversation_id,
        lane=Lane(row.lane),
        urgency=Urgency(row.urgency),
        seq=row.seq,
        kind=EffectKind(row.kind),
        state=EffectState(row.state),
        payload=vault.unseal_text(row.payload, PAYLOAD, row.id),
        message_id=row.message_id,
        ticket_id=row.ticket_id,
        batch_id=row.batch_id,
        attempts=row.attempts,
        created_at=row.created_at,
        due_at=row.due_at,
        not_before_at=row.not_before_at,
        started_at=row.started_at,
        told=row.told,
        code=row.code,
        failures=row.failures,
        refusals=row.refusals,
    )


@dataclass(frozen=True, slots=True)
class DueLane:
    conversation_id: str
    lane: Lane
    shard: int
    urgency: Urgency = Urgency.REPLY


def is_head() -> ColumnElement[bool]:
    """Nothing stands before this effect in its lane; or it is a send without a verdict, which is settled wherever it
    stands."""
    earlier = effect.alias("earlier")
    return or_(
        and_(effect.c.lane == Lane.WHATSAPP.value, effect.c.state == EffectState.UNKNOWN.value),
        ~exists().where(
            and_(
                earlier.c.conversation_id == effect.c.conversation_id,
                Plain(earlier.c.lane) == effect.c.lane,
                Plain(earlier.c.state).in_(OPEN),
                earlier.c.seq < effect.c.seq,
            )
        ),
    )


def due_lanes(
    connection: Connection,
    *,
    shards: Sequence[int],
    lane: Lane,
    now: datetime,
    real_now: datetime,
    limit: int,
    urgency: Urgency = Urgency.REPLY,
    states: Sequence[EffectState] = (EffectState.UNKNOWN, EffectState.READY),
) -> list[DueLane]:
    """Lanes of one kind whose head is of this urgency, in one of these states, and may be worked on."""
    values = {
        "shards": shards,
        "of_lane": lane.value,
        "of_urgency": urgency.value,
        "now": now,
        "real_now": real_now,
        "limit": limit,
    }
    return [
        DueLane(row.conversation_id, lane, row.shard, urgency)
        for state in states
        for row in connection.execute(_DUE_LANES, {**values, "in_state": state.value})
    ]


_DUE_LANES = (
    select(effect.c.conversation_id, effect.c.shard)
    .where(
        # Not a plain column: the index in order ends at the limit, the one by shard sorts all that waits.
        (effect.c.shard + 0).in_(bindparam("shards", expanding=True)),
        effect.c.lane == bindparam("of_lane"),
        effect.c.urgency == bindparam("of_urgency"),
        effect.c.state == bindparam("in_state"),
        effect.c.due_at <= bindparam("now"),
        effect.c.not_before_at <= bindparam("real_now"),
        is_head(),
    )
    .order_by(effect.c.due_at, effect.c.id)
    .limit(bindparam("limit"))
)


def load_head(connection: Connection, vault: Vault, *, conversation_id: str, lane: Lane) -> EffectRecord | None:
    """The first effect that still stands in the lane."""
    row = connection.execute(_HEAD, {"conversation_id": conversation_id, "lane": lane.value}).one_or_none()
    return None if row is None else _record(row, vault)


def load(connection: Connection, vault: Vault, effect_id: str) -> EffectRecord:
    return _record(connection.execute(_BY_ID, {"id": effect_id}).one(), vault)


def is_marked_read(connection: Connection, message_id: str) -> bool:
    """Was a receipt for it resolved upon already?"""
    wanted = select(effect.c.id).where(effect.c.message_id == message_id, effect.c.kind == EffectKind.MARK_READ.value)
    return connection.execute(wanted.limit(1)).one_or_none() is not None


@dataclass(frozen=True, slots=True)
class SendState:
    """How far the effect is that sends a message now. `ticket_id`: where the reply came from."""

    effect_id: str
    ticket_id: str | None
    state: EffectState
    started_at: datetime | None


def find_sends(connection: Connection, message_ids: Sequence[str]) -> dict[str, SendState]:
    """The effects that send these messages now, by message id."""
    rows = connection.execute(_OF_MESSAGES, {"ids": message_ids})
    return {row.message_id: SendState(row.id, row.ticket_id, EffectState(row.state), row.started_at) for row in rows}


@dataclass(frozen=True, slots=True)
class WaitingPost:
    """A customer's message that waits for the ticket. `sent_at` is WhatsApp's time."""

    effect: EffectRecord
    text: str = field(repr=False)
    sent_at: datetime
    message_kind: str


_POSTS = select(effect, message.c.text, message.c.occurred_at, message.c.kind.label("message_kind")).join(
    message, message.c.id == effect.c.message_id
)
_WAITING_POSTS = (
    _POSTS.where(
        effect.c.conversation_id == bindparam("conversation_id"),
        effect.c.lane == Lane.HELPDESK.value,
        effect.c.kind == EffectKind.POST_MESSAGE.value,
        effect.c.state == EffectState.READY.value,
        effect.c.batch_id.is_(None),
    )
    .order_by(message.c.occurred_at, effect.c.seq)
    .limit(bindparam("limit"))
)
_ONE_POST = _POSTS.where(effect.c.id == bindparam("id"))


def load_waiting_posts(connection: Connection, vault: Vault, conversation_id: str, *, limit: int) -> list[WaitingPost]:
    """Customer messages that wait for the ticket and are in no frozen batch, in WhatsApp's order."""
    return _posts(connection, vault, _WAITING_POSTS, {"conversation_id": conversation_id, "limit": limit})


def load_post(connection: Connection, vault: Vault, effect_id: str) -> WaitingPost:
    (post,) = _posts(connection, vault, _ONE_POST, {"id": effect_id})
    return post


def _posts(
    connection: Connection, vault: Vault, statement: Select[Any], values: Mapping[str, Any]
) -> list[WaitingPost]:
    return [
        WaitingPost(
            _record(row, vault),
            vault.unseal_text(row.text, messages.TEXT, row.message_id),
            row.occurred_at,
            row.message_kind,
        )
        for row in connection.execute(statement, values)
    ]


def load_batch(connection: Connection, vault: Vault, batch_id: str) -> tuple[list[EffectRecord], bytes | None]:
    """The effects of a frozen batch, and the request that was frozen."""
    rows = connection.execute(select(effect).where(effect.c.batch_id == batch_id).order_by(effect.c.seq)).all()
    sealed = next((row.frozen for row in rows if row.id == batch_id), None)
    return [_record(row, vault) for row in rows], None if sealed is None else vault.unseal(sealed, FROZEN, batch_id)


def freeze(
    connection: Connection, vault: Vault, effect_ids: Sequence[str], *, request: bytes, real_now: datetime
) -> None:
    """From here on these effects are this request, byte for byte, and it is on its way."""
    batch_id = effect_ids[0]
    sealed = vault.seal(request, FROZEN, batch_id)
    performing = {"batch_id": batch_id, "state": EffectState.PERFORMING.value, "started_at": real_now}
    connection.execute(
        _PERFORM, [{"row": row, "frozen": sealed if row == batch_id else None, **performing} for row in effect_ids]
    )


_PERFORM = _CHANGE.values(attempts=effect.c.attempts + 1)


def thaw(connection: Connection, effect_ids: Sequence[str]) -> None:
    """Nothing of the request was written: the batch may grow, or go elsewhere."""
    connection.execute(
        update(effect)
        .where(effect.c.id.in_(effect_ids))
        .values(batch_id=None, frozen=None, state=EffectState.READY.value)
    )


def mark_performing(connection: Connection, effect_ids: Sequence[str], *, real_now: datetime) -> None:
    performing = {"state": EffectState.PERFORMING.value, "started_at": real_now}
    connection.execute(_PERFORM, [{"row": row, **performing} for row in effect_ids])


def set_state(
    connection: Connection, effect_ids: Sequence[str], state: EffectState, *, code: str | None = None
) -> None:
    connection.execute(_CHANGE, [{"row": row, "state": state.value, "code": code} for row in effect_ids])


def retry(
    connection: Connection,
    effect_ids: Sequence[str],
    *,
    state: EffectState,
    due_at: datetime | None = None,
    not_before_at: datetime | None = None,
    code: str,
) -> None:
    """Again later: `due_at` is our own pause in business time, `not_before_at` one that somebody else ordered."""
    values: dict[str, Any] = {"state": state.value, "code": code}
    if due_at is not None:
        values["due_at"] = due_at
    if not_before_at is not None:
        values["not_before_at"] = not_before_at
    connection.execute(_CHANGE, [{"row": row, **values} for row in effect_ids])


def mark_told(connection: Connection, effect_id: str, reason: str) -> None:
    connection.execute(update(effect).where(effect.c.id == effect_id).values(told=reason))


def renew_message(connection: Connection, effect_id: str, *, message_id: str) -> None:
    """The next attempt is a message of its own, so that a late status of the last one cannot speak for it."""
    connection.execute(update(effect).where(effect.c.id == effect_id).values(message_id=message_id))


def release_held(connection: Connection, conversation_id: str, *, now: datetime) -> int:
    """What was held may go. Its time on hold does not count as time of trying."""
    return connection.execute(_RELEASE, {"of_conversation": conversation_id, "created_at": now}).rowcount


_RELEASE = (
    update(effect)
    .where(
        effect.c.conversation_id == bindparam("of_conversation"),
        or_(
            effect.c.state == EffectState.HELD.value,
            and_(effect.c.state == EffectState.READY.value, effect.c.due_at == PARKED),
        ),
    )
    .values(state=EffectState.READY.value, due_at=EPOCH, expires_at=None)
)


def park(connection: Connection, effect_id: str, *, code: str) -> None:
    """It waits for a place, however long: nobody looks at it until there is one, or its customer writes."""
    connection.execute(_CHANGE, {"row": effect_id, "due_at": PARKED, "code": code})


def unpark(connection: Connection, *, limit: int, now: datetime, created_before: datetime | None = None) -> int:
    """The first so many that wait for a place may ask for it: a hint alone, so no fence guards it. How many did.

    `created_before`: those alone that were resolved before then.
    """
    waiting = (
        select(effect.c.id)
        .where(
            effect.c.state == EffectState.READY.value,
            effect.c.lane == Lane.WHATSAPP.value,
            effect.c.due_at == PARKED,
            *(() if created_before is None else (effect.c.created_at <= created_before,)),
        )
        .order_by(effect.c.urgency, effect.c.id)
        .limit(limit)
    )
    called = update(effect).where(effect.c.id.in_(waiting.scalar_subquery())).values(due_at=now)
    return connection.execute(called).rowcount


def load_late_replies(
    connection: Connection, vault: Vault, *, shard: int, since: datetime, limit: int
) -> list[EffectRecord]:
    """Replies that have waited since then, whose agents were not told of it."""
    rows = connection.execute(
        select(effect)
        .where(
            effect.c.state == EffectState.READY.value,
            effect.c.lane == Lane.WHATSAPP.value,
            effect.c.urgency == Urgency.REPLY.value,
            effect.c.due_at <= since,
            effect.c.created_at <= since,
            effect.c.told.is_(None),
            effect.c.shard == shard,
        )
        .order_by(effect.c.due_at, effect.c.id)
        .limit(limit)
    )
    return [_record(row, vault) for row in rows]


def load_waiting_sends(connection: Connection, vault: Vault, conversation_id: str) -> list[EffectRecord]:
    """Replies that wait to be sent, in order."""
    rows = connection.execute(
        select(effect)
        .where(
            effect.c.conversation_id == conversation_id,
            effect.c.lane == Lane.WHATSAPP.value,
            effect.c.state == EffectState.READY.value,
        )
        .order_by(effect.c.seq)
    )
    return [_record(row, vault) for row in rows]


def hold_lane(connection: Connection, vault: Vault, conversation_id: str, *, until: datetime) -> list[EffectRecord]:
    """Everything that waits to be sent waits for the window instead. Returns it, in order."""
    every = load_waiting_sends(connection, vault, conversation_id)
    waiting = [record for record in every if record.kind is not EffectKind.SEND_TEMPLATE]  # those need no window
    for record in waiting:
        hold(connection, record.id, until=until)
    return waiting


def put_before_held(connection: Connection, effect_id: str, *, conversation_id: str) -> None:
    """What needs no window does not wait behind what is held for it."""
    first = connection.execute(
        select(func.min(effect.c.seq)).where(
            effect.c.conversation_id == conversation_id,
            effect.c.lane == Lane.WHATSAPP.value,
            effect.c.state == EffectState.HELD.value,
        )
    ).scalar_one()
    if first is not None:
        connection.execute(update(effect).where(effect.c.id == effect_id).values(seq=first - 1))


def put_last(connection: Connection, conversation_id: str, kind: EffectKind, *, seq: int) -> None:
    """What waits of this kind goes behind all else: replies must not wait for it."""
    connection.execute(
        update(effect)
        .where(
            effect.c.conversation_id == conversation_id,
            effect.c.lane == Lane.WHATSAPP.value,
            effect.c.kind == kind.value,
            effect.c.state == EffectState.READY.value,
        )
        .values(seq=seq)
    )


def has_kind(
    connection: Connection, conversation_id: str, *, lane: Lane, kind: EffectKind, states: Sequence[EffectState]
) -> bool:
    """Does an effect of this kind stand in the lane, in one of these states?"""
    found = connection.execute(
        select(effect.c.id)
        .where(
            effect.c.conversation_id == conversation_id,
            effect.c.lane == lane.value,
            effect.c.kind == kind.value,
            effect.c.state.in_([state.value for state in states]),
        )
        .limit(1)
    )
    return found.one_or_none() is not None


def hold(connection: Connection, effect_id: str, *, until: datetime) -> None:
    connection.execute(
        update(effect).where(effect.c.id == effect_id).values(state=EffectState.HELD.value, expires_at=until)
    )


def drop_held(connection: Connection, *, conversation_id: str, ticket_id: str) -> int:
    return connection.execute(
        update(effect)
        .where(_of_ticket(conversation_id, ticket_id, literals((EffectState.HELD,))))
        .values(state=EffectState.DROPPED.value, code="cancelled")
    ).rowcount


def drop_ready(connection: Connection, effect_id: str, *, code: str) -> bool:
    """Drop what was not begun. False when it was, or has ended."""
    dropped = connection.execute(
        update(effect)
        .where(effect.c.id == effect_id, effect.c.state == EffectState.READY.value)
        .values(state=EffectState.DROPPED.value, code=code)
    )
    return dropped.rowcount == 1


def count_held(connection: Connection, *, conversation_id: str, ticket_id: str) -> int:
    """How many replies of the ticket wait for the window."""
    held = select(func.count()).where(_of_ticket(conversation_id, ticket_id, literals((EffectState.HELD,))))
    return int(connection.execute(held).scalar_one())


def load_expired_holds(
    connection: Connection, vault: Vault, *, shard: int, now: datetime, limit: int
) -> list[EffectRecord]:
    rows = connection.execute(
        select(effect)
        .where(effect.c.shard == shard, effect.c.state == EffectState.HELD.value, effect.c.expires_at <= now)
        .order_by(effect.c.seq)
        .limit(limit)
    )
    return [_record(row, vault) for row in rows]


def _of_ticket(conversation_id: str, ticket_id: str, states: Sequence[ColumnElement[str]]) -> ColumnElement[bool]:
    """Of this ticket, and of those that it continues, which take no command any more."""
    ended = select(ticket.c.id).where(
        ticket.c.conversation_id == conversation_id, ticket.c.status.in_(("closed", "gone"))
    )
    return and_(
        effect.c.conversation_id == conversation_id,
        effect.c.lane == Lane.WHATSAPP.value,
        or_(effect.c.ticket_id == ticket_id, effect.c.ticket_id.in_(ended)),
        effect.c.state.in_(states),
    )


def load_resendable(
    connection: Connection, vault: Vault, *, conversation_id: str, ticket_id: str
) -> list[EffectRecord]:
    rows = connection.execute(
        select(effect).where(_of_ticket(conversation_id, ticket_id, literals(RESENDABLE))).order_by(effect.c.seq)
    )
    return [_record(row, vault) for row in rows]


def resend(
    connection: Connection, effect_id: str, *, message_id: str, now: datetime, held_until: datetime | None
) -> None:
    """The same place in the lane, so it goes before later replies."""
    connection.execute(
        update(effect)
        .where(effect.c.id == effect_id)
        .values(
            state=(EffectState.HELD if held_until else EffectState.READY).value,
            message_id=message_id,
            failures=0,
            refusals=0,
            created_at=now,
            due_at=EPOCH,
            not_before_at=EPOCH,
            expires_at=held_until,
            told=None,
            code=None,
        )
    )


_UNDELIVERED = (
    select(effect.c.id)
    .where(
        effect.c.conversation_id == bindparam("conversation_id"),
        effect.c.lane == Lane.WHATSAPP.value,
        effect.c.state.in_(literals((EffectState.HELD, *RESENDABLE))),
    )
    .limit(1)
)


def has_undelivered(connection: Connection, conversation_id: str) -> bool:
    """Is there a reply that the customer has not got, and that nothing sends at the moment?"""
    return connection.execute(_UNDELIVERED, {"conversation_id": conversation_id}).one_or_none() is not None


def counts(connection: Connection, conversation_id: str) -> dict[EffectState, int]:
    """How many replies of a conversation are in which state."""
    rows = connection.execute(
        select(effect.c.state, func.count())
        .where(effect.c.conversation_id == conversation_id, effect.c.lane == Lane.WHATSAPP.value)
        .group_by(effect.c.state)
    )
    return {EffectState(state): count for state, count in rows}


def load_last_sends(connection: Connection, vault: Vault, conversation_id: str, *, limit: int) -> list[Delivery]:
    """The newest replies with what became of them, newest first."""
    rows = connection.execute(
        select(effect.c.state, message.c.id, message.c.text, message.c.status, message.c.status_at)
        .join(message, message.c.id == effect.c.message_id)
        .where(effect.c.conversation_id == conversation_id, effect.c.lane == Lane.WHATSAPP.value)
        .order_by(effect.c.seq.desc())
        .limit(limit)
    )
    return [
        Delivery(
            text=vault.unseal_text(row.text, messages.TEXT, row.id),
            status=MessageStatus(row.status),
            at=row.status_at,
            state=row.state,
        )
        for row in rows
    ]


def adopt_left_behind(
    connection: Connection,
    *,
    shard: int,
    helpdesk_timeout: timedelta,
    file_timeout: timedelta | None = None,
    of_lane: tuple[str, Lane] | None = None,
) -> int:
    """What somebody was performing whose result is lost may have happened: it is looked up no earlier than its
    write could end (`file_timeout`: one that carries files). `of_lane`: of that conversation and lane alone."""
    left = and_(effect.c.shard == shard, effect.c.state == EffectState.PERFORMING.value)
    together = effect.alias("together")
    with_files = exists().where(
        together.c.batch_id == effect.c.batch_id,
        media.c.message_id == together.c.message_id,
        media.c.state == MediaState.ATTACHING.value,
    )
    if of_lane is not None:
        conversation_id, lane = of_lane
        left = and_(left, effect.c.conversation_id == conversation_id, effect.c.lane == lane.value)
    rows = connection.execute(
        select(effect.c.id, effect.c.lane, effect.c.started_at, with_files.label("with_files")).where(left)
    ).all()
    for row in rows:
        pause = timedelta(0)
        if row.lane == Lane.HELPDESK.value:
            pause = file_timeout if row.with_files and file_timeout else helpdesk_timeout
        connection.execute(
            update(effect)
            .where(effect.c.id == row.id)
            .values(
                state=EffectState.UNKNOWN.value,
                not_before_at=(row.started_at or EPOCH) + pause,
                due_at=EPOCH,
                code="worker ended",
            )
        )
    return len(rows)


def count_failure(connection: Connection, effect_ids: Sequence[str]) -> None:
    """A passing failure: the pause before the next attempt grows with these."""
    connection.execute(update(effect).where(effect.c.id.in_(effect_ids)).values(failures=effect.c.failures + 1))


def count_refusal(connection: Connection, effect_id: str) -> None:
    """Meta took the message and then said that it was not delivered."""
    connection.execute(update(effect).where(effect.c.id == effect_id).values(refusals=effect.c.refusals + 1))


def has_waiting_note(connection: Connection, conversation_id: str) -> bool:
    """Does a note for the agent wait behind what comes first?"""
    return connection.execute(_WAITING_NOTE, {"conversation_id": conversation_id}).one_or_none() is not None


_WAITING_NOTE = (
    select(effect.c.id)
    .where(
        effect.c.conversation_id == bindparam("conversation_id"),
        effect.c.lane == Lane.HELPDESK.value,
        effect.c.state == EffectState.READY.value,
        effect.c.kind == EffectKind.ADD_NOTE.value,
    )
    .limit(1)
)


def wake(connection: Connection, *, lane: Lane, code: str) -> None:
    """What waited for an operator may go at once, on whichever shard: a hint alone, so no fence guards it."""
    connection.execute(
        update(effect)
        .where(effect.c.lane == lane.value, effect.c.state.in_(("ready", "unknown")), effect.c.code == code)
        .values(not_before_at=EPOCH)
    )


def was_told(connection: Connection, conversation_id: str, *, ticket_id: str | None, reason: str) -> bool:
    """Was the agent of this ticket told of this reason already?"""
    return (
        connection.execute(
            select(effect.c.id)
            .where(
                effect.c.conversation_id == conversation_id, effect.c.ticket_id == ticket_id, effect.c.told == reason
            )
            .limit(1)
        ).one_or_none()
        is not None
    )


def stop_waiting_for_company(connection: Connection, conversation_id: str) -> None:
    """A note for the agent came: customer messages before it do not make it wait."""
    connection.execute(
        update(effect)
        .where(
            effect.c.conversation_id == conversation_id,
            effect.c.lane == Lane.HELPDESK.value,
            effect.c.state == EffectState.READY.value,
            effect.c.code == WAITS_FOR_COMPANY,
        )
        .values(not_before_at=EPOCH)
    )


def stop_waiting_for_file(connection: Connection, conversation_id: str) -> None:
    """A file came, or will not: the message that waited for it may go."""
    connection.execute(
        update(effect)
        .where(
            effect.c.conversation_id == conversation_id,
            effect.c.lane == Lane.HELPDESK.value,
            effect.c.state == EffectState.READY.value,
            effect.c.code == WAITS_FOR_FILE,
        )
        .values(not_before_at=EPOCH)
    )


def is_public_write_under_way(connection: Connection, conversation_id: str) -> bool:
    """Is a public comment of our own on its way, or perhaps written? Until that is known, it could be taken for an
    agent's reply."""
    return connection.execute(_PUBLIC_WRITE, {"conversation_id": conversation_id}).one_or_none() is not None


_PUBLIC_WRITE = (
    select(effect.c.id)
    .where(
        effect.c.conversation_id == bindparam("conversation_id"),
        effect.c.lane == Lane.HELPDESK.value,
        effect.c.kind == EffectKind.ADD_ECHO.value,
        effect.c.state.in_(literals((EffectState.PERFORMING, EffectState.UNKNOWN))),
    )
    .limit(1)
)


def is_still_to_be_shown(connection: Connection, message_id: str) -> bool:
    """Does the customer's message wait for the ticket, in no request yet, so that what belongs to it can go along?"""
    waiting = select(effect.c.id).where(
        effect.c.message_id == message_id,
        effect.c.state == EffectState.READY.value,
        effect.c.batch_id.is_(None),
        effect.c.lane == Lane.HELPDESK.value,
    )
    return connection.execute(waiting.limit(1)).one_or_none() is not None


def load_first_post(connection: Connection, vault: Vault, conversation_id: str) -> EffectRecord | None:
    """The customer message that decides when the ticket's next one goes: a frozen batch, else whoever waits longest."""
    row = connection.execute(
        select(effect)
        .where(
            effect.c.conversation_id == conversation_id,
            effect.c.lane == Lane.HELPDESK.value,
            effect.c.kind == EffectKind.POST_MESSAGE.value,
            effect.c.state.in_(DUE),
        )
        .order_by(effect.c.batch_id.is_(None), effect.c.not_before_at.desc(), effect.c.due_at.desc(), effect.c.seq)
        .limit(1)
    ).one_or_none()
    return None if row is None else _record(row, vault)


def load_unknown_send(
    connection: Connection, vault: Vault, conversation_id: str, *, real_now: datetime
) -> EffectRecord | None:
    """A send without a verdict whose time is over, wherever it stands in its lane."""
    row = connection.execute(_UNKNOWN_SEND, {"conversation_id": conversation_id, "real_now": real_now}).one_or_none()
    return None if row is None else _record(row, vault)


_UNKNOWN_SEND = (
    select(effect)
    .where(
        effect.c.conversation_id == bindparam("conversation_id"),
        effect.c.lane == Lane.WHATSAPP.value,
        effect.c.state == EffectState.UNKNOWN.value,
        effect.c.not_before_at <= bindparam("real_now"),
    )
    .order_by(effect.c.seq)
    .limit(1)
)
