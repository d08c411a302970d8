"""How many helpdesk calls does a message cost? By story: it is the scarce thing (fact sheet Zendesk 7.1)."""

from collections import Counter

from tests.bench.bodies import Batch
from tests.bench.people import Population
from tests.bench.report import Line
from tests.bench.rig import DatabaseKind, Rig

CUSTOMERS = 20
TOGETHER = 10
HELPDESK_SECONDS = 0.1


def measure(database: DatabaseKind, *, quick: bool) -> list[Line]:
    """The same on every machine; `quick` changes nothing. Tokens and the poll of the change feed are not counted."""
    known = Population(CUSTOMERS, CUSTOMERS)
    both = Population(2 * CUSTOMERS, 0)
    lines: list[Line] = []
    with Rig(database) as rig:
        rig.start_product(known)
        rig.start_worker(known)
        stories = (
            ("first message of an unknown customer", Batch("message", CUSTOMERS, both, rig.port, first=CUSTOMERS)),
            ("single message of a known customer", Batch("message", CUSTOMERS, known, rig.port, first=1_000)),
            ("reply of an agent", Batch("ring", CUSTOMERS, known, rig.port)),
        )
        for story, batch in stories:
            rig.set_far_side(delay_seconds=HELPDESK_SECONDS, replies=batch.kind == "ring")
            rig.post_all(batch)
            lines.append(_line(rig, story, CUSTOMERS))
        rig.stop("worker")
        rig.set_far_side(delay_seconds=HELPDESK_SECONDS)
        rig.post_all(Batch("message", CUSTOMERS * TOGETHER, known, rig.port, first=2_000))
        rig.start("worker")
        lines.append(_line(rig, f"one of {TOGETHER} messages that wait together", CUSTOMERS * TOGETHER))
    return lines


def _line(rig: Rig, story: str, events: int) -> Line:
    rig.until(lambda: not rig.in_hand(), "everything is worked off")
    calls = Counter(one.call for one in rig.arrivals())
    sends = calls.pop("send", 0)
    told = ", ".join(f"{count / events:g} {call}" for call, count in calls.most_common())
    note = told + (f"; {sends / events:g} Cloud API sends" if sends else "")
    return Line("cost", rig.database.name, f"helpdesk calls: {story}", calls.total() / events, "calls", note=note)
