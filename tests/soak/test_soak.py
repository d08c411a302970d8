"""Short runs against real processes: faults over each other, and in the end everything adds up."""

import pytest

from tests.soak.faults import FAULTS
from tests.soak.helpdesks import HELPDESKS
from tests.soak.plan import make_plan
from tests.soak.report import render
from tests.soak.run import run


@pytest.mark.parametrize(
    ("database", "faults"),
    [
        ("sqlite", ["kill-web", "flush-redis", "helpdesk-cut", "duplicates"]),
        ("postgresql", ["kill-backend", "kill-redis", "meta-cut", "overlapping-batches"]),
    ],
)
def test_short_run_adds_up(database: str, faults: list[str]) -> None:
    plan = make_plan(
        1,
        traffic_seconds=5,
        customers=5,
        messages=3,
        replies=5,
        faults={name: FAULTS[name].lasts_seconds for name in faults},
    )
    outcome = run(plan, FAULTS, database=database, desk=HELPDESKS["zendesk"])
    assert outcome.adds_up, render(outcome, database=database, helpdesk="zendesk")
    assert outcome.balance.counts["messages on tickets"] == 15
    assert outcome.searched_bytes > 0
