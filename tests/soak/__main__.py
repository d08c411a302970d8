"""`./scripts/soak`: a seeded plan of traffic and faults against real processes, and the ledger. Exit 1 if it fails."""

import argparse
import signal
import sys
from collections.abc import Sequence

from tests.soak.faults import FAULTS, possible
from tests.soak.helpdesks import HELPDESKS
from tests.soak.plan import make_plan
from tests.soak.report import render
from tests.soak.run import run

DEFAULT_MINUTES = 0.4
PER_MINUTE = 5.0
"""Messages of each customer, and replies per customer, in a minute of a longer run."""


def main(arguments: Sequence[str]) -> int:
    """0 when it adds up, 1 when it does not, 2 for wrong usage."""
    wish = _parser().parse_args(arguments)
    if wish.list:
        for name, fault in sorted(FAULTS.items()):
            only = "" if len(fault.databases) > 1 else f" [{next(iter(fault.databases))} alone]"
            print(f"{name:<26} {fault.explanation}{only}")
        return 0
    usable = possible(database=wish.database, helpdesk=wish.helpdesk)
    if impossible := sorted(set(wish.fault) - set(usable)):
        print(f"soak: {impossible[0]} cannot be done here on {wish.database} with {wish.helpdesk}", file=sys.stderr)
        return 2
    if left_out := sorted(
        name
        for name, fault in FAULTS.items()
        if fault.fits(database=wish.database, helpdesk=wish.helpdesk) and name not in usable
    ):
        print(f"soak: left out, since only root may make a small disk: {', '.join(left_out)}", file=sys.stderr)
    names = [] if wish.no_faults else wish.fault or sorted(usable)
    longer = max(1.0, wish.minutes)
    plan = make_plan(
        wish.seed,
        traffic_seconds=wish.minutes * 60,
        customers=wish.customers,
        messages=wish.messages or round(PER_MINUTE * longer),
        replies=round(wish.customers * longer) if wish.replies is None else wish.replies,
        faults={name: usable[name].lasts_seconds for name in names},
    )
    desk = HELPDESKS[wish.helpdesk]
    outcome = run(plan, usable, database=wish.database, desk=desk, vendor_plan=wish.plan, keep=wish.keep)
    print(render(outcome, database=wish.database, helpdesk=wish.helpdesk), flush=True)
    return 0 if outcome.adds_up else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./scripts/soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same plan")
    parser.add_argument("--minutes", type=float, default=DEFAULT_MINUTES, help="of traffic; default %(default)s")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--helpdesk", choices=sorted(HELPDESKS), default="zendesk")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        choices=sorted(FAULTS),
        metavar="NAME",
        help="this fault alone; may be given again",
    )
    parser.add_argument("--no-faults", action="store_true", help="traffic alone")
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--messages", type=int, help="of each customer; default 5, or 5 a minute")
    parser.add_argument("--replies", type=int, help="altogether; default one for each customer, or that each minute")
    parser.add_argument("--plan", help="the helpdesk's plan; default: the one with the widest limits")
    parser.add_argument("--keep", action="store_true", help="leave database, logs and all for a look, whatever comes")
    parser.add_argument("--list", action="store_true", help="tell the faults and end")
    return parser


def _end(number: int, _: object) -> None:
    """What was started is ended as well."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
