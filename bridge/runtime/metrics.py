"""What do workers count? Bounded labels only, and nothing of a customer.

Counters of a process live in Redis hashes between scrapes (`flush`), since the web part answers for all processes;
depths and ages are asked from the database when they are scraped.
"""

from collections import Counter
from collections.abc import Mapping

from redis.asyncio import Redis
from redis.exceptions import RedisError

KEY = "deskbridge:counters"
COUNTERS: Mapping[str, tuple[str, str]] = {
    "deskbridge_messages_received_total": ("Customer messages taken in.", ""),
    "deskbridge_statuses_received_total": ("Statuses applied, parked or moved.", "status"),
    "deskbridge_events_set_aside_total": ("Events that nothing follows from.", "reason"),
    "deskbridge_events_postponed_total": ("Events that failed and are tried again.", "kind"),
    "deskbridge_events_dead_total": ("Events nobody could be found for.", "reason"),
    "deskbridge_replies_received_total": ("Public replies of agents.", ""),
    "deskbridge_tickets_read_total": ("Tickets read after a ring.", ""),
    "deskbridge_window_turns_total": (
        "Windows that were about to close, or closed, on an unanswered customer, by what became of it.",
        "turn",
    ),
    "deskbridge_rings_repaired_total": ("Rings that the change feed made up for.", ""),
    "deskbridge_receipts_total": ("Messages of customers marked as read, by how it ended.", "outcome"),
    "deskbridge_files_out_total": ("Agents' files by the form in which they were made ready.", "form"),
    "deskbridge_conversions_total": ("Conversions of files, by kind and whether they succeeded.", "conversion"),
    "deskbridge_effects_total": ("Attempts at effects by how they ended.", "outcome"),
    "deskbridge_unknown_outcomes_total": ("Calls whose answer was lost.", "kind"),
    "deskbridge_sends_held_back_total": ("Sends that waited for one of our limits.", "limit"),
    "deskbridge_requesters_total": ("Helpdesk users found or made.", "how"),
    "deskbridge_directory_contacts_total": ("Helpdesk users whose numbers were read into the directory.", ""),
    "deskbridge_contacts_merged_total": ("Contacts that turned out to be one person, by what showed it.", "evidence"),
    "deskbridge_id_changes_total": ("Changes of numbers and ids that WhatsApp told.", "kind"),
    "deskbridge_helpdesk_calls_total": ("Calls to the helpdesk by what they were for.", "cause"),
    "deskbridge_helpdesk_warnings_total": ("Answers that say a part of the request was dropped.", "cause"),
    "deskbridge_lane_failures_total": ("Failures that no rule covers.", "type"),
}
"""Every counter: what it means, and the name of its label."""


HISTOGRAMS: Mapping[str, str] = {
    "deskbridge_post_seconds": "From a customer's message taken in to it standing on the ticket.",
    "deskbridge_send_seconds": "From a reply taken over to Meta having accepted it, time on hold included.",
}
"""Every histogram. Business time."""
BOUNDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
_SUM = "sum"


class WorkerMetrics:
    """Counts in memory; `flush` adds what is new to the shared counters."""

    def __init__(self) -> None:
        self._new: Counter[str] = Counter()

    def count(self, name: str, label: str = "", amount: int = 1) -> None:
        """`name` is a metric, `label` one of its few values."""
        self._new[f"{name}|{label}"] += amount

    def observe(self, name: str, seconds: float) -> None:
        """`name` is a histogram. The sum is kept in whole milliseconds."""
        for bound in BOUNDS:
            if seconds <= bound:
                self._new[f"{name}|{bound}"] += 1
        self._new[f"{name}|+Inf"] += 1
        self._new[f"{name}|{_SUM}"] += max(0, round(seconds * 1000))

    async def flush(self, redis: Redis) -> None:
        """Best effort: what cannot be written now goes along with the next flush."""
        if not self._new:
            return
        batch, self._new = self._new, Counter()
        try:
            async with redis.pipeline(transaction=False) as pipeline:
                for field, amount in batch.items():
                    pipeline.hincrby(KEY, field, amount)
                await pipeline.execute()
        except (RedisError, OSError):
            self._new.update(batch)


async def read_counters(redis: Redis) -> Mapping[tuple[str, str], int]:
    """(metric, label) -> total over all processes. Empty while Redis is away."""
    try:
        raw = await redis.hgetall(KEY)
    except (RedisError, OSError):
        return {}
    counters = {}
    for field, amount in raw.items():
        name, _, label = str(field, "ascii").partition("|") if isinstance(field, bytes) else field.partition("|")
        counters[name, label] = int(amount)
    return counters


def histogram_of(counters: Mapping[tuple[str, str], int], name: str) -> tuple[list[tuple[str, float]], float]:
    """(bound, count up to it) and the sum in seconds."""
    buckets = [(str(bound), float(counters.get((name, str(bound)), 0))) for bound in (*BOUNDS, "+Inf")]
    return buckets, counters.get((name, _SUM), 0) / 1000
