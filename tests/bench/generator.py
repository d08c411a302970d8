"""The load: a process of its own that builds its requests first, then sends them over kept connections.

`python -m tests.bench.generator` reads a `Plan` as a line of JSON, says `ready`, starts at the next line, and answers
with a `Result` as a line of JSON. Without a rate every connection sends again at once (closed loop). With one, requests
come at random moments (a Poisson process with a fixed seed) whatever the answers do, and count from the moment they
were due: a server that stalls cannot hide it.
"""

import asyncio
import json
import random
import re
import sys
import time
from array import array
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import uvloop

from tests.bench.bodies import Batch, requests_of
from tests.bench.figures import percentile
from tests.bench.people import Population

TICK_SECONDS = 0.001
PATIENCE_SECONDS = 20.0
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send. `seconds` ends a closed loop, if its requests do not; `repeat` sends the same ones again.

    `trace`: tell when each request was sent.
    """

    batch: Batch
    connections: int
    seconds: float
    warmup_seconds: float = 0.0
    rate: float | None = None
    repeat: bool = False
    trace: bool = False


@dataclass(slots=True)
class Result:
    """What came of it, without the warm-up. Latencies in milliseconds; `sent_at` on the machine's monotonic clock."""

    requests: int
    seconds: float
    statuses: dict[str, int]
    p50_ms: float
    p99_ms: float
    max_ms: float
    sent_at: dict[int, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0

    @property
    def accepted(self) -> int:
        return self.statuses.get("200", 0)


def plan_from(text: str) -> Plan:
    raw: dict[str, Any] = json.loads(text)
    batch = raw.pop("batch")
    population = Population(**batch.pop("population"))
    return Plan(batch=Batch(**batch, population=population), **raw)


def result_from(text: str) -> Result:
    raw: dict[str, Any] = json.loads(text)
    raw["sent_at"] = {int(number): at for number, at in raw["sent_at"].items()}
    return Result(**raw)


class _Run:
    """One plan being carried out."""

    def __init__(self, plan: Plan, requests: list[tuple[int, bytes]]) -> None:
        self._plan = plan
        self._requests = requests
        self._next = 0
        self._free: deque[_Connection] = deque()
        self._late: deque[tuple[int, float]] = deque()
        self._outstanding = 0
        self._counted_from = 0.0
        self._ends_at = 0.0
        self._last_at = 0.0
        self._finished = asyncio.Event()
        self._latencies = array("d")
        self._statuses: Counter[str] = Counter()
        self._sent_at: dict[int, float] = {}

    async def carry_out(self) -> Result:
        loop = asyncio.get_running_loop()
        connections = []
        for _ in range(self._plan.connections):
            _, connection = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._plan.batch.port)
            connections.append(connection)
        started_at = time.monotonic()
        self._counted_from = started_at + self._plan.warmup_seconds
        self._ends_at = self._counted_from + self._plan.seconds
        if self._plan.rate is None:
            for connection in connections:
                self.answered(connection, None, 0.0)
        else:
            self._free.extend(connections)
            await self._send_at_rate(self._plan.rate)
        if self._outstanding:
            async with asyncio.timeout(self._plan.warmup_seconds + self._plan.seconds + PATIENCE_SECONDS):
                await self._finished.wait()
        for connection in connections:
            connection.close()
        seconds = max(0.0, min(self._last_at, self._ends_at) - self._counted_from)
        return Result(
            requests=len(self._latencies),
            seconds=seconds,
            statuses=dict(self._statuses),
            p50_ms=percentile(self._latencies, 0.50) * 1000,
            p99_ms=percentile(self._latencies, 0.99) * 1000,
            max_ms=max(self._latencies, default=0.0) * 1000,
            sent_at=self._sent_at,
        )

    async def _send_at_rate(self, rate: float) -> None:
        chance = random.Random(1)
        due_at = time.monotonic()
        while self._next < len(self._requests) and due_at < self._ends_at:
            while due_at <= time.monotonic() and self._next < len(self._requests):
                self._take(due_at)
                due_at += chance.expovariate(rate)
            await asyncio.sleep(max(TICK_SECONDS, due_at - time.monotonic()))

    def _take(self, due_at: float) -> None:
        number, self._next = self._next, self._next + 1
        if self._free:
            self._send(self._free.popleft(), number, due_at)
        else:
            self._late.append((number, due_at))

    def _send(self, connection: "_Connection", index: int, due_at: float) -> None:
        number, request = self._requests[index]
        if self._plan.trace:
            self._sent_at[number] = time.monotonic()
        self._outstanding += 1
        self._finished.clear()
        connection.send(request, due_at)

    def answered(self, connection: "_Connection", status: str | None, due_at: float) -> None:
        """A connection is free again (`status` None: it was from the start)."""
        now = time.monotonic()
        if status is not None:
            self._outstanding -= 1
            self._statuses[status] += 1
            if self._counted_from <= now and (now <= self._ends_at or self._plan.rate is not None):
                self._latencies.append(now - due_at)
                self._last_at = now
        if self._late:
            index, late_due_at = self._late.popleft()
            self._send(connection, index, late_due_at)
        elif self._plan.rate is not None:
            self._free.append(connection)
        elif now < self._ends_at:
            if self._next == len(self._requests) and self._plan.repeat:
                self._next = 0
            if self._next < len(self._requests):
                index, self._next = self._next, self._next + 1
                self._send(connection, index, now)
        if not self._outstanding:
            self._finished.set()


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._transport: asyncio.Transport | None = None
        self._due_at = 0.0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass

    def send(self, request: bytes, due_at: float) -> None:
        assert self._transport is not None
        self._due_at = due_at
        self._transport.write(request)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head, separator, body = received.partition(b"\r\n\r\n")
        if separator:
            length = _LENGTH.search(head)
            if length is None or len(body) >= int(length[1]):
                self._received = b""
                self._run.answered(self, head[9:12].decode(), self._due_at)
                return
        self._received = received


def main() -> None:
    plan = plan_from(sys.stdin.readline())
    requests = list(requests_of(plan.batch))
    print("ready", flush=True)
    sys.stdin.readline()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(_Run(plan, requests).carry_out())
    print(json.dumps(asdict(result)), flush=True)


if __name__ == "__main__":
    main()
