"""How does a run read? A table of sums, then everything that does not add up. Pure."""

from collections.abc import Iterator

from tests.soak.ledger import KINDS
from tests.soak.run import Outcome

FINDINGS_SHOWN = 40


def render(outcome: Outcome, *, database: str, helpdesk: str) -> str:
    """Lines for a person."""
    return "\n".join(_lines(outcome, database=database, helpdesk=helpdesk))


def _lines(outcome: Outcome, *, database: str, helpdesk: str) -> Iterator[str]:
    plan, balance = outcome.plan, outcome.balance
    verdict = "adds up" if outcome.adds_up else "DOES NOT ADD UP"
    yield f"seed {plan.seed}, {database}, {helpdesk}: {verdict}"
    yield (
        f"  {plan.traffic_seconds:.0f} s of traffic, {len(plan.strikes)} strikes of "
        f"{len({strike.fault for strike in plan.strikes})} faults; quiet {outcome.settled_after_seconds:.0f} s later; "
        f"{outcome.took_seconds:.0f} s altogether"
    )
    for name, count in balance.counts.items():
        yield f"  {count:>8}  {name}"
    by_kind = balance.by_kind
    for kind in KINDS:
        yield f"  {by_kind[kind]:>8}  {kind}"
    yield f"  {len(outcome.leaks):>8}  leaks in {outcome.searched_bytes / 1e6:.0f} MB of files, logs and answers"
    yield f"  {outcome.unwritten:>8}  replies that had no ticket to go to"
    for name, value in outcome.stuck.items():
        yield f"  {value:>8.0f}  STUCK: {name}"
    for complaint in outcome.complaints:
        yield f"  AN OPERATOR COULD NOT: {complaint}"
    for name, count in sorted(outcome.noted.items()):
        if count:
            yield f"  {count:>8}  noted: {name}"
    if outcome.adds_up:
        return
    yield "strikes:"
    for began, ended, strike in outcome.struck:
        yield f"  {began:7.1f} to {ended:7.1f} s  {strike.fault}"
    yield "findings:"
    for finding in balance.findings[:FINDINGS_SHOWN]:
        yield f"  {finding.kind}: {finding.what}"
    if len(balance.findings) > FINDINGS_SHOWN:
        yield f"  and {len(balance.findings) - FINDINGS_SHOWN} more"
    for leak in outcome.leaks:
        yield f"  leak: {leak.what} in {leak.where}"
    if outcome.folder:
        yield f"kept: {outcome.folder}"
