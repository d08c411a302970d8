"""When does the customer see that a message was read? By the channel's rule; never in the way of anything else.

Receipts have a lane of their own. Repeating one is harmless, and each marks all that came before it (fact sheet
WhatsApp 2.4), so one that fails for a while is tried again, and then let go.
"""

from datetime import timedelta

from sqlalchemy import Connection

from bridge.domain.decide import ReadReceipts
from bridge.domain.retry import backoff
from bridge.runtime.apply import MIDDLE
from bridge.runtime.services import Moment, Services
from bridge.store import messages, outbox
from bridge.store.conversations import Conversation
from bridge.store.leases import Lease
from bridge.store.outbox import EffectRecord
from bridge.store.tables import EffectKind, EffectState, Lane
from connectors.errors import Permanent, RateLimited, RemoteFailure

TRIES = 8
LONGEST_AGE = timedelta(days=29)
"""Meta takes receipts for 30 days."""


def add(
    connection: Connection, services: Services, current: Conversation, when: ReadReceipts, *, moment: Moment
) -> None:
    """The customer's newest message may be marked as read, if the rule says so at this point."""
    if services.rules.read_receipts is not when:
        return
    message_id = messages.newest_inbound(connection, current.id, since=moment.business - LONGEST_AGE)
    if message_id is None or outbox.is_marked_read(connection, message_id):
        return
    outbox.add(
        connection,
        services.vault,
        conversation_id=current.id,
        shard=current.shard,
        lane=Lane.RECEIPTS,
        seq=current.take_seq(),
        kind=EffectKind.MARK_READ,
        now=moment.business,
        message_id=message_id,
    )


async def run_step(services: Services, lease: Lease, conversation_id: str) -> bool:
    """Mark what stands first in the lane. False when nothing can be done now."""
    moment = Moment.take(services.clock)

    def find(connection: Connection) -> tuple[EffectRecord | None, str | None]:
        head = outbox.load_head(connection, services.vault, conversation_id=conversation_id, lane=Lane.RECEIPTS)
        if head is None or head.message_id is None:
            return head, None
        return head, messages.load_wamid(connection, services.vault, head.message_id)

    head, wamid = await services.database.read(find)
    if head is None or head.due_at > moment.business or head.not_before_at > moment.real:
        return False
    failure: RemoteFailure | None = None
    if wamid is not None:
        try:
            await services.cloud_api.mark_read(wamid)
        except RemoteFailure as exc:
            failure = exc
    services.metrics.count("deskbridge_receipts_total", "done" if failure is None else type(failure).__name__)
    outcome = failure
    return await services.commit(lease, lambda connection: _record(connection, head, outcome, moment))


def _record(connection: Connection, head: EffectRecord, failure: RemoteFailure | None, moment: Moment) -> bool:
    if failure is None:
        outbox.set_state(connection, [head.id], EffectState.DONE)
        return True
    code = getattr(failure, "code", "later")
    if isinstance(failure, Permanent) or head.failures + 1 >= TRIES:
        outbox.set_state(connection, [head.id], EffectState.DROPPED, code=code)
        return True
    pause = backoff(head.failures + 1, jitter=MIDDLE)
    if isinstance(failure, RateLimited):
        pause = max(pause, timedelta(seconds=failure.after_seconds))
    outbox.count_failure(connection, [head.id])
    outbox.retry(connection, [head.id], state=EffectState.READY, due_at=moment.business + pause, code=code)
    return False
