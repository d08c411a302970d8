"""A far side that waits for an operator: nothing of its scope is tried, but for one probe every 30 s."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from bridge.runtime.services import HELPDESK_SCOPE, Moment, Services
from bridge.store import channels, outbox
from bridge.store.channels import Gate
from bridge.store.tables import Lane
from connectors.errors import NeedsOperator

SHORTEST = timedelta(seconds=1)


def find_closed(connection: Connection, services: Services, scope: str, moment: Moment) -> Gate | None:
    """The gate that stands in the way, None when the call may go: it is open, or this call is the probe."""
    gate = channels.load_gate(connection, channel_id=services.channel.id, scope=scope)
    if gate is None:
        return None
    is_probe = channels.claim_probe(connection, channel_id=services.channel.id, scope=scope, real_now=moment.real)
    return None if is_probe else gate


def next_try_at(gate: Gate, moment: Moment) -> datetime:
    """Real time."""
    return max(gate.next_probe_at, moment.real + SHORTEST)


def close_gate(
    connection: Connection, services: Services, scope: str, failure: NeedsOperator, moment: Moment, *, by_status: bool
) -> None:
    """Nothing more of this scope; one alarm, however often it is closed."""
    fresh = channels.close_gate(
        connection,
        channel_id=services.channel.id,
        scope=scope,
        code=failure.code,
        action=failure.action,
        by_status=by_status,
        real_now=moment.real,
    )
    if fresh:
        channels.raise_alarm(connection, kind="needs_operator", subject=scope, now=moment.real)


def reopen_gate(
    connection: Connection, services: Services, scope: str, *, started_at: datetime, by_status: bool = False
) -> bool:
    """A call that began at `started_at` (real time) went well. True when that opened the gate: what waited may go."""
    code = channels.open_gate(
        connection, channel_id=services.channel.id, scope=scope, by_status=by_status, started_at=started_at
    )
    if code is None:
        return False
    outbox.wake(connection, lane=Lane.HELPDESK if scope == HELPDESK_SCOPE else Lane.WHATSAPP, code=code)
    return True
