"""What follows for the helpdesk once a customer turns out to be somebody: users and tickets merged, numbers written.

Each is an effect in the helpdesk's lane, on record before its call and in order with the comments around it. All are
safe to repeat, and what a helpdesk cannot do, or refuses, is told on the ticket.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import Connection

from bridge.domain import identity_notes
from bridge.domain.retry import backoff
from bridge.domain.speech import Note
from bridge.runtime import gates
from bridge.runtime.apply import MIDDLE, add_note
from bridge.runtime.services import HELPDESK_SCOPE, Moment, Services
from bridge.store import conversations, outbox
from bridge.store.conversations import Conversation
from bridge.store.leases import Lease
from bridge.store.outbox import EffectRecord
from bridge.store.tables import EffectKind, EffectState, Lane
from connectors.errors import (
    NeedsOperator,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    RemoteFailure,
    RetryLater,
)
from connectors.interface import (
    MergesRequesters,
    MergesTickets,
    RequesterChange,
    RequesterId,
    TicketId,
    TicketStatus,
    UpdatesRequesters,
)

KINDS = frozenset({EffectKind.MERGE_REQUESTERS, EffectKind.MERGE_TICKETS, EffectKind.UPDATE_REQUESTER})


@dataclass(frozen=True, slots=True)
class DeskChange:
    """One change that is on record."""

    effect: EffectRecord
    what: Mapping[str, Any] = field(repr=False)


def add(
    connection: Connection,
    services: Services,
    current: Conversation,
    kind: EffectKind,
    what: Mapping[str, Any],
    *,
    moment: Moment,
    ticket_id: str | None = None,
) -> None:
    """Resolve to change something at the helpdesk. `ticket_id`: where it is told if that cannot be done."""
    outbox.add(
        connection,
        services.vault,
        conversation_id=current.id,
        shard=current.shard,
        lane=Lane.HELPDESK,
        seq=current.take_seq(),
        kind=kind,
        now=moment.business,
        payload=orjson.dumps(dict(what)).decode(),
        ticket_id=ticket_id,
    )


def begin(connection: Connection, head: EffectRecord, moment: Moment) -> DeskChange:
    outbox.mark_performing(connection, [head.id], real_now=moment.real)
    return DeskChange(head, orjson.loads(head.payload))


async def perform(services: Services, lease: Lease, change: DeskChange) -> bool:
    """Make the change and record what became of it. False when nothing more can be done now."""
    started_at = services.clock.real_now()
    failure: RemoteFailure | None = None
    try:
        await _call(services, change)
    except RemoteFailure as raised:
        failure = raised
    moment = Moment.take(services.clock)

    def unit(connection: Connection) -> bool:
        current = conversations.load(connection, change.effect.conversation_id)
        if failure is None:
            gates.reopen_gate(connection, services, HELPDESK_SCOPE, started_at=started_at)
            _record_done(connection, services, current, change)
            again = True
        else:
            again = _record_failure(connection, services, current, change, failure, moment)
        conversations.save(connection, current)
        return again

    again = await services.commit_outcome(lease, unit)
    label = "done" if failure is None else type(failure).__name__
    services.metrics.count("deskbridge_effects_total", f"{change.effect.kind.value}:{label}")
    return again


async def _call(services: Services, change: DeskChange) -> None:
    connector, what = services.connector, change.what
    match change.effect.kind:
        case EffectKind.MERGE_REQUESTERS if isinstance(connector, MergesRequesters):
            await connector.merge_requesters(RequesterId(what["loser"]), into=RequesterId(what["into"]))
        case EffectKind.MERGE_TICKETS if isinstance(connector, MergesTickets):
            await connector.merge_tickets(
                TicketId(what["ticket"]), into=TicketId(what["into"]), note=_said_on_both(services)
            )
        case EffectKind.UPDATE_REQUESTER if isinstance(connector, UpdatesRequesters):
            await connector.update_requester(
                RequesterId(what["requester"]),
                RequesterChange(
                    bsuid=what["bsuid"],
                    wa_id=what["wa_id"],
                    former_numbers=tuple(what["former_numbers"]),
                    is_ours=what["is_ours"],
                ),
            )
        case _:
            raise Permanent("not_supported")


def _said_on_both(services: Services) -> str:
    return identity_notes.tickets_merged().told(services.languages.speech(None))


def _record_done(connection: Connection, services: Services, current: Conversation, change: DeskChange) -> None:
    outbox.set_state(connection, [change.effect.id], EffectState.DONE)
    if change.what.get("adopts") and current.requester_id == change.what["loser"]:
        current.requester_id, current.requester_origin = change.what["into"], "adopted"
    if change.effect.kind is EffectKind.MERGE_TICKETS:
        merged = conversations.find_ticket(connection, channel_id=services.channel.id, remote_id=change.what["ticket"])
        if merged is not None:
            conversations.set_ticket_status(connection, merged.id, TicketStatus.CLOSED)


def _record_failure(
    connection: Connection,
    services: Services,
    current: Conversation,
    change: DeskChange,
    failure: RemoteFailure,
    moment: Moment,
) -> bool:
    """Retried like any write; what is refused for good is told, and never stands in the way of a comment."""
    effect = change.effect
    ids = [effect.id]
    match failure:
        case RateLimited():
            later = moment.real + timedelta(seconds=failure.after_seconds)
            code = f"rate limited: {failure.limit}"[:100]
            outbox.retry(connection, ids, state=EffectState.READY, not_before_at=later, code=code)
        case NeedsOperator():
            gates.close_gate(connection, services, HELPDESK_SCOPE, failure, moment, by_status=False)
            outbox.retry(connection, ids, state=EffectState.READY, not_before_at=moment.real, code=failure.code)
            return True
        case OutcomeUnknown() | RetryLater() if effect.failures < PATIENCE:
            outbox.count_failure(connection, ids)
            pause = backoff(effect.failures + 1, jitter=MIDDLE)
            wish = failure.after_seconds if isinstance(failure, RetryLater) else None
            if wish is not None:
                pause = timedelta(seconds=wish)
            late_write = timedelta(seconds=services.connector.limits.late_write_seconds)
            later = moment.real + max(pause, late_write if isinstance(failure, OutcomeUnknown) else pause)
            outbox.retry(connection, ids, state=EffectState.READY, not_before_at=later, code=failure.code)
        case Permanent() | OutcomeUnknown() | RetryLater():
            outbox.set_state(connection, ids, EffectState.FAILED, code=failure.code[:100])
            note = _note(change, failure.code)
            add_note(connection, services, current, note, ticket_id=effect.ticket_id, moment=moment)
            return True
        case _:
            raise failure
    return False


PATIENCE = 6
"""Failures after which the agent is told instead: comments wait behind it."""


def _note(change: DeskChange, code: str) -> Note:
    match change.effect.kind:
        case EffectKind.MERGE_REQUESTERS:
            return identity_notes.users_not_merged(change.what["loser"], change.what["into"], code=code)
        case EffectKind.MERGE_TICKETS:
            return identity_notes.tickets_not_merged(change.what["ticket"], change.what["into"], code=code)
        case _:
            return identity_notes.number_not_written(code=code)
