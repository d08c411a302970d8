"""What does this machine do at its best? The bare server, loaded by the same generator in the same way."""

import http.client

from tests.bench.bodies import Batch
from tests.bench.generator import Plan
from tests.bench.people import Population
from tests.bench.processes import free_port
from tests.bench.report import Line
from tests.bench.rig import status
from tests.bench.stage import CONNECTIONS, Stage, shares, spent

REQUESTS = 20_000
SECONDS = 6.0
QUICK_SECONDS = 2.0
WARMUP_SECONDS = 0.5


def measure(*, quick: bool) -> Line:
    """Requests per second of the server that checks the signature and keeps nothing."""
    with Stage() as stage:
        port = free_port()
        stage.start_module("bare server", "tests.bench.bare", str(port))
        stage.until(lambda: status(port, "/") == http.client.UNAUTHORIZED, "the bare server answers")
        plan = Plan(
            Batch("mix", REQUESTS, Population(3_000, REQUESTS), port),
            connections=CONNECTIONS,
            seconds=QUICK_SECONDS if quick else SECONDS,
            warmup_seconds=WARMUP_SECONDS,
            repeat=True,
        )
        with stage.load(plan) as go:
            before = stage.cpu()
            result = go()
            used = spent(before, stage.cpu())
    if set(result.statuses) != {"200"}:
        raise RuntimeError(f"the bare server answered {result.statuses}")
    limit = shares(used, result.seconds + WARMUP_SECONDS)
    return Line("baseline", "none", "bare server, signature checked", result.rate, "requests/s", note=limit)
