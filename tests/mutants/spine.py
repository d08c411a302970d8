"""Which promises hold the spine up, and how is each broken in one place?"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """`before` occurs once in `path`; with `after` in its place, `test` fails (of its parameters those with `only`)."""

    name: str
    promise: str
    path: str
    before: str
    after: str
    test: str
    only: str = ""


SPINE = (
    Mutant(
        "ack-before-commit",
        "200 means kept",
        "webhooks/ingest.py",
        "await self._group_commit.keep(items)",
        "self._kept = __import__('asyncio').ensure_future(self._group_commit.keep(items))",
        "tests/webhooks/test_ingest.py::test_answer_comes_only_after_the_commit",
    ),
    Mutant(
        "no-fence",
        "who lost a shard commits nothing",
        "bridge/store/leases.py",
        'if connection.execute(_FENCE, {"shard": lease.shard}).scalar_one_or_none() != lease.fence:',
        "if lease.fence < 0:",
        "tests/store/test_leases.py::test_expired_shard_goes_to_the_next_and_the_old_holder_commits_nothing",
        "sqlite",
    ),
    Mutant(
        "no-dedupe",
        "an event that is told again ends at its unique key",
        "bridge/store/inbox.py",
        '"event_key": None if item.event_key is None else vault.index("event", item.event_key),',
        '"event_key": None if item.kind is InboxKind.MESSAGE else vault.index("event", item.event_key or ""),',
        "tests/store/test_inbox.py::test_event_is_kept_once_however_often_it_is_told",
    ),
    Mutant(
        "message-known-by-nothing",
        "a message becomes a comment once, whatever the inbox lets through",
        "bridge/store/messages.py",
        '"wamid_index": None if wamid is None else wamid_index(vault, wamid),\n            "wamid": None',
        '"wamid_index": None,\n            "wamid": None',
        "tests/store/test_messages.py::test_message_of_a_customer_is_kept_once",
        "sqlite",
    ),
    Mutant(
        "trust-the-bell",
        "a bell that is lost costs seconds, never an event",
        "bridge/runtime/scheduler.py",
        "SWEEP_SECONDS = 5",
        "SWEEP_SECONDS = 86_400",
        "tests/flow/test_survival.py::test_wiped_redis_loses_nothing",
        "sqlite",
    ),
    Mutant(
        "done-before-the-call",
        "what is on record as done was done",
        "bridge/store/outbox.py",
        'performing = {"batch_id": batch_id, "state": EffectState.PERFORMING.value, "started_at": real_now}',
        'performing = {"batch_id": batch_id, "state": EffectState.DONE.value, "started_at": real_now}',
        "tests/runtime/test_crash.py::test_worker_killed_during_a_call_loses_and_doubles_nothing",
        "sqlite and before and add_comment",
    ),
    Mutant(
        "repeat-blindly",
        "a write whose answer was lost is looked up before it is repeated",
        "bridge/runtime/helpdesk_lane.py",
        "repeat=head.state is EffectState.UNKNOWN,",
        "repeat=False,",
        "tests/runtime/test_crash.py::test_worker_killed_during_a_call_loses_and_doubles_nothing",
        "sqlite and after and add_comment",
    ),
    Mutant(
        "no-stamp",
        "a first write that comes late is a conflict, never a second comment",
        "connectors/zendesk/connector.py",
        "content = translate.with_stamp(content, updated_at=updated_at)",
        "pass",
        "tests/connectors/test_zendesk_connector.py::test_repeat_of_a_comment_that_never_was_is_bound_to_the_stamp",
    ),
    Mutant(
        "send-again-blindly",
        "a send without a verdict is never sent again by itself",
        "bridge/runtime/whatsapp_lane.py",
        "                state=EffectState.UNKNOWN,\n                not_before_at=(effect.started_at",
        "                state=EffectState.READY,\n                not_before_at=(effect.created_at",
        "tests/flow/test_faults.py::test_reply_whose_answer_was_dropped_is_settled_by_its_status",
        "sqlite",
    ),
    Mutant(
        "private-notes-leave",
        "a private note never leaves the helpdesk",
        "bridge/runtime/replies.py",
        "elif comment.public:",
        "elif comment.text:",
        "tests/flow/test_privacy.py::test_only_public_replies_by_staff_leave",
        "sqlite",
    ),
    Mutant(
        "order-of-arrival",
        "messages that wait together stand in WhatsApp's order",
        "bridge/store/outbox.py",
        ".order_by(message.c.occurred_at, effect.c.seq)",
        ".order_by(effect.c.seq)",
        "tests/flow/test_order.py::test_reordered_webhooks_of_messages_that_wait_keep_whatsapps_order",
        "sqlite",
    ),
    Mutant(
        "released-late",
        "what was held goes before newer replies",
        "bridge/runtime/apply.py",
        "outbox.release_held(connection, current.id, now=moment.business)",
        "pass",
        "tests/flow/test_window.py::test_reply_after_window_closes_is_held_and_goes_out_before_newer_replies",
        "sqlite",
    ),
    Mutant(
        "window-to-the-last-second",
        "the last two minutes of the window count as closed",
        "bridge/domain/customer_service_window.py",
        "MARGIN = timedelta(minutes=2)",
        "MARGIN = timedelta(0)",
        "tests/domain/test_customer_service_window.py::test_last_two_minutes_count_as_closed",
    ),
    Mutant(
        "no-compare-and-swap",
        "a conversation that somebody else changed is not written over",
        "bridge/store/conversations.py",
        "if saved.rowcount != 1:",
        "if saved.rowcount > 1:",
        "tests/store/test_contacts.py::test_conversation_saved_by_another_meanwhile_is_not_overwritten",
    ),
)
