"""What happened to one message, step by step? Put together from what the tables keep anyway.

The message as it was told or replied, what we resolved to do about it, each state of that with its reason (`step`),
each call at a far side with how long it took, and each status that WhatsApp told. Times of what far sides and rules did
are business time; those of calls and states are real time, which is the same unless a clock was moved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, or_, select

from bridge.domain.model import MessageStatus
from bridge.store import outbox
from bridge.store.crypto import CannotDecrypt, Vault
from bridge.store.messages import WAMID
from bridge.store.tables import EPOCH, EffectState, Lane, channel, effect, inbox, message, step, ticket

CALLS = {Lane.HELPDESK.value: "helpdesk", Lane.WHATSAPP.value: "whatsapp", Lane.RECEIPTS.value: "whatsapp"}
STATE_WORDS = {
    EffectState.READY: "waits for its turn",
    EffectState.PERFORMING: "is called",
    EffectState.UNKNOWN: "no verdict came: the far side is asked before anything is repeated",
    EffectState.HELD: "is held: the customer service window is closed",
    EffectState.DONE: "is done",
    EffectState.UNCONFIRMED: "was never confirmed; the agent was told",
    EffectState.FAILED: "was refused for good; the agent was told",
    EffectState.DROPPED: "was dropped",
    EffectState.DEAD: "was given up: a dead letter",
}
KIND_WORDS = {
    "post_message": "show it on the ticket",
    "add_note": "put a private note on the ticket",
    "send_text": "send it to the customer",
    "send_media": "send the file to the customer",
    "mark_read": "show the customer that it was read",
}
CODE_WORDS = {
    "worker ended": "the worker died during the call",
    "replayed": "replayed by a person",
    "cancelled": "by /wa hold cancel",
    "hold expired": "the window stayed closed for too long",
    "dropped by hand": "given up by a person",
    "window closed": "the customer service window is closed",
    outbox.WAITS_FOR_COMPANY: "the helpdesk's budget is short: it waits so that more goes along",
    "waits for its ticket": "it waits for the ticket that the customer's messages open",
}


@dataclass(frozen=True, slots=True)
class TrailStep:
    """One thing that happened. `what`: a word for programs; `text`: a sentence for people, with the reason.

    `effect_id` and `event_id` lead to the row (`events show`); `milliseconds` is how long a call took.
    """

    at: datetime
    what: str
    text: str
    reason: str | None = None
    effect_id: str | None = None
    event_id: str | None = None
    attempt: int | None = None
    milliseconds: int | None = None
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """The last frozen request of an effect, with every text replaced by its length."""

    effect_id: str
    far_side: str
    target: str | None
    body: object


@dataclass(frozen=True, slots=True)
class Trail:
    message_id: str
    conversation_id: str
    direction: str
    steps: tuple[TrailStep, ...]
    requests: tuple[Request, ...]


def of_message(connection: Connection, vault: Vault, message_id: str) -> Trail | None:
    """None when there is no such message."""
    row = connection.execute(select(message).where(message.c.id == message_id)).one_or_none()
    if row is None:
        return None
    known_by = select(step.c.effect_id).where(step.c.message_id == message_id)
    effects = connection.execute(
        select(effect).where(or_(effect.c.message_id == message_id, effect.c.id.in_(known_by))).order_by(effect.c.id)
    ).all()
    steps = [*_beginning(connection, vault, row)]
    requests = []
    for one in effects:
        steps += _of_effect(connection, one)
        requests += _requests(connection, vault, one)
    if row.direction == "out":
        steps += _statuses(connection, vault, row)
    return Trail(
        message_id,
        row.conversation_id,
        row.direction,
        tuple(sorted(steps, key=lambda one: one.at)),
        tuple(requests),
    )


def of_effect(connection: Connection, effect_id: str) -> list[TrailStep]:
    """The steps of one effect, oldest first; empty when there is none of that id."""
    row = connection.execute(select(effect).where(effect.c.id == effect_id)).one_or_none()
    return [] if row is None else sorted(_of_effect(connection, row), key=lambda one: one.at)


def _beginning(connection: Connection, vault: Vault, row: Any) -> list[TrailStep]:
    if row.direction == "out":
        return [TrailStep(row.created_at, "resolved", "An agent's reply (or an attempt at it) was taken over")]
    steps = [
        TrailStep(told.received_at, "received", "WhatsApp told us of it, and it was kept", event_id=told.id)
        for told, _ in _told(connection, vault, row, {"message": "message:{number}:{wamid}"})
    ]
    text = f"It was taken in as {row.kind}; WhatsApp's time is {row.occurred_at:%Y-%m-%d %H:%M:%SZ}"
    return [*steps, TrailStep(row.created_at, "taken_in", text)]


def _told(connection: Connection, vault: Vault, row: Any, keys: Mapping[str, str]) -> list[tuple[Any, str]]:
    """The inbox rows that named this message, as long as they are kept, each with the name of its key."""
    number = connection.execute(
        select(channel.c.phone_number_id).where(channel.c.id == row.channel_id)
    ).scalar_one_or_none()
    if row.wamid is None or number is None:
        return []
    try:
        wamid = vault.unseal_text(row.wamid, WAMID, row.id)
    except CannotDecrypt:
        return []
    names = {vault.index("event", key.format(number=number, wamid=wamid)): name for name, key in keys.items()}
    rows = connection.execute(
        select(inbox.c.id, inbox.c.received_at, inbox.c.event_key).where(inbox.c.event_key.in_(names))
    )
    return [(told, names[told.event_key]) for told in rows]


def _statuses(connection: Connection, vault: Vault, row: Any) -> list[TrailStep]:
    keys = {status.value: "status:{number}:{wamid}:" + status.value + ":" for status in MessageStatus}
    told = _told(connection, vault, row, keys)
    steps = [
        TrailStep(
            one.received_at,
            "status",
            f"WhatsApp told: {name}",
            _code_of(row) if name == MessageStatus.FAILED else None,
            event_id=one.id,
        )
        for one, name in told
    ]
    if row.status != MessageStatus.QUEUED and row.status not in {name for _, name in told}:
        steps.append(TrailStep(row.status_at, "status", f"It stands as {row.status}", _code_of(row)))
    return steps


def _code_of(row: Any) -> str | None:
    return None if row.error_code is None else str(row.error_code)


def _of_effect(connection: Connection, row: Any) -> list[TrailStep]:
    where = ""
    if row.ticket_id is not None:
        remote = connection.execute(select(ticket.c.remote_id).where(ticket.c.id == row.ticket_id)).scalar_one_or_none()
        where = f" (ticket {remote})" if remote else ""
    wish = KIND_WORDS.get(row.kind, row.kind.replace("_", " "))
    steps = [TrailStep(row.created_at, "resolved", f"We resolved to {wish}{where}", effect_id=row.id)]
    began: datetime | None = None
    for one in connection.execute(select(step).where(step.c.effect_id == row.id).order_by(step.c.id)):
        state = EffectState(one.state)
        milliseconds = None
        if state is EffectState.PERFORMING:
            began = one.at
            text = f"{CALLS.get(row.lane, row.lane).capitalize()} {STATE_WORDS[state]}, attempt {one.attempt}"
            if one.batch_id is not None and one.batch_id != row.id:
                text += ", together with other messages"
        else:
            milliseconds = _milliseconds(began, one.at)
            began = None
            text = f"To {wish} {STATE_WORDS[state]}"
        steps.append(
            TrailStep(
                at=one.at,
                what=state.value,
                text=text,
                reason=CODE_WORDS.get(one.code or "", one.code),
                effect_id=row.id,
                attempt=one.attempt or None,
                milliseconds=milliseconds,
                next_at=_next_at(one) if state in (EffectState.READY, EffectState.UNKNOWN) else None,
            )
        )
    return steps


def _milliseconds(began: datetime | None, ended: datetime) -> int | None:
    return None if began is None else max(0, (ended - began) // timedelta(milliseconds=1))


def _next_at(one: Any) -> datetime | None:
    latest: datetime = max(one.due_at, one.not_before_at)
    return None if latest <= max(EPOCH, one.at) else latest


def _requests(connection: Connection, vault: Vault, row: Any) -> list[Request]:
    if row.batch_id is None:
        return []
    holder = connection.execute(select(effect.c.frozen).where(effect.c.id == row.batch_id)).scalar_one_or_none()
    if holder is None:
        return []
    try:
        _key, target, body = vault.unseal(holder, outbox.FROZEN, row.batch_id).split(b"\n", 2)
        shown = redacted(orjson.loads(body))
    except (CannotDecrypt, ValueError):
        return []
    return [Request(row.id, CALLS.get(row.lane, row.lane), target.decode() or None, shown)]


def redacted(value: object) -> object:
    """The shape of a request: names and truth values stand, texts and numbers are replaced by their length."""
    if isinstance(value, dict):
        return {str(name): redacted(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [redacted(inner) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    length = len(str(value))
    return f"<{'text' if isinstance(value, str) else 'number'}, {length} character{'s' if length != 1 else ''}>"
