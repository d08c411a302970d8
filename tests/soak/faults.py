"""What can go wrong, and how is it done? A plain dict: a fault is a block that begins it and, at its end, mends it."""

import asyncio
import base64
import json
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import redis

from tests.flow.installation import ACCOUNTS, Process
from tests.soak.installation import NEW_APP_SECRET, OLD_APP_SECRET, Group, mounts
from tests.soak.stage import Stage

Strike = Callable[[Stage, random.Random], AbstractAsyncContextManager[None]]

BOTH = frozenset({"sqlite", "postgresql"})
POSTGRESQL = frozenset({"postgresql"})
BEYOND_LEASE_SECONDS = (16.5, 19.0)
"""A lease lasts 15 s."""
COUNTED_SECONDS = (4.0, 10.0)
"""Of faults that hit the next few calls: long enough that there are some."""
ROTATION_ATTEMPTS = 60
HANG_UP_EVERY = 5
TOLD_AGAIN = 200
"""Entries of the sandbox's journal that are looked through for webhooks."""
BEYOND_TIMEOUT_SECONDS = 22.0
"""Calls to both far sides are given up after 20 s."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `lasts_seconds`: from, to. `needs_small_disk`: only where one can be made.

    `helpdesks`: those that have such a thing; empty: all.
    """

    explanation: str
    strike: Strike
    lasts_seconds: tuple[float, float] = (1.0, 4.0)
    databases: frozenset[str] = BOTH
    needs_small_disk: bool = False
    helpdesks: frozenset[str] = frozenset()

    def fits(self, *, database: str, helpdesk: str) -> bool:
        """Whether such an installation can have it."""
        return database in self.databases and (not self.helpdesks or helpdesk in self.helpdesks)


def possible(*, database: str, helpdesk: str) -> dict[str, Fault]:
    """The faults that this machine can do to an installation on this database with this helpdesk."""
    return {
        name: fault
        for name, fault in FAULTS.items()
        if fault.fits(database=database, helpdesk=helpdesk) and (mounts() or not fault.needs_small_disk)
    }


def _kill(who: Callable[[Stage, random.Random], Process]) -> Strike:
    @asynccontextmanager
    async def strike(stage: Stage, rng: random.Random) -> AsyncIterator[None]:
        process = who(stage, rng)
        with stage.installation.init.down(process):
            await asyncio.to_thread(process.kill)
            yield

    return strike


def _web(stage: Stage, _: random.Random) -> Process:
    return stage.installation.web


def _scheduler(stage: Stage, _: random.Random) -> Process:
    return stage.installation.scheduler


def _redis(stage: Stage, _: random.Random) -> Process:
    return stage.installation.redis


def _group(stage: Stage, rng: random.Random) -> Process:
    return rng.choice(stage.installation.groups).process


def _postgresql(stage: Stage, _: random.Random) -> Process:
    assert stage.installation.postgresql is not None
    return stage.installation.postgresql


@asynccontextmanager
async def _kill_workers(stage: Stage, rng: random.Random) -> AsyncIterator[None]:
    """A process of a group at a time; whoever started it starts it again."""
    stage.installation.kill_one_of(_group(stage, rng), rng)
    yield
    stage.installation.kill_one_of(_group(stage, rng), rng)


@asynccontextmanager
async def _kill_backends(stage: Stage, rng: random.Random) -> AsyncIterator[None]:
    """PostgreSQL ends every session and recovers when one of its processes is killed."""
    stage.installation.kill_one_of(_postgresql(stage, rng), rng)
    yield


@asynccontextmanager
async def _pause_worker(stage: Stage, rng: random.Random) -> AsyncIterator[None]:
    group = _group(stage, rng)
    found = stage.installation.processes_of(group)
    if not found:
        yield
        return
    with suppress(ProcessLookupError):
        # A handle, not a number: the process may be killed meanwhile.
        handle = os.pidfd_open(found[-1])
        try:
            signal.pidfd_send_signal(handle, signal.SIGSTOP)
            yield
        finally:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGCONT)
            os.close(handle)
        return
    yield


@asynccontextmanager
async def _flush_redis(stage: Stage, _: random.Random) -> AsyncIterator[None]:
    def flush() -> None:
        with suppress(redis.RedisError), stage.installation.redis_client() as client:
            client.flushall()

    await asyncio.to_thread(flush)
    yield
    await asyncio.to_thread(flush)


def _switches(make: Callable[[Stage, random.Random], Mapping[str, Any]]) -> Strike:
    @asynccontextmanager
    async def strike(stage: Stage, rng: random.Random) -> AsyncIterator[None]:
        async with stage.switches(make(stage, rng)):
            yield

    return strike


def _of_helpdesk(make: Callable[[random.Random], Mapping[str, Any]]) -> Strike:
    return _switches(
        lambda stage, rng: {f"{stage.helpdesk}.{name}": value for name, value in make(rng).items()},
    )


def _of_meta(make: Callable[[random.Random], Mapping[str, Any]]) -> Strike:
    return _switches(lambda _, rng: {f"whatsapp.{name}": value for name, value in make(rng).items()})


@asynccontextmanager
async def _two_schedulers(stage: Stage, _: random.Random) -> AsyncIterator[None]:
    second = stage.installation.second_scheduler
    await asyncio.to_thread(second.start)
    try:
        yield
    finally:
        await asyncio.to_thread(second.kill)


@asynccontextmanager
async def _disk_full(stage: Stage, _: random.Random) -> AsyncIterator[None]:
    with stage.installation.full_disk():
        yield


@asynccontextmanager
async def _clock_jumps(stage: Stage, rng: random.Random) -> AsyncIterator[None]:
    """Ahead only: the far sides go by the same clock, and theirs do not run backwards."""
    await stage.turn_clock(by_seconds=rng.uniform(60.0, 3 * 3600.0))
    yield
    await stage.turn_clock(by_seconds=rng.uniform(1.0, 1800.0))


@asynccontextmanager
async def _restart_everything(stage: Stage, rng: random.Random) -> AsyncIterator[None]:
    """Everything is ended in some order, as an operator would, and started in another."""
    installation = stage.installation
    everything = [*installation.servers, *installation.roles]
    async with AsyncExitStack() as down:
        for process in everything:
            down.enter_context(installation.init.down(process))
        for process in rng.sample(everything, len(everything)):
            how = signal.SIGINT if process is installation.postgresql else signal.SIGTERM
            with suppress(AssertionError):
                await asyncio.to_thread(process.stop, how=how)
        yield
        for process in rng.sample(everything, len(everything)):
            if not process.lives:  # a strike that overlaps with this one may have begun with the starting
                process.start()
            await asyncio.sleep(rng.uniform(0.0, 0.5))


def _cut_off(*cables: str) -> Strike:
    @asynccontextmanager
    async def strike(stage: Stage, rng: random.Random) -> AsyncIterator[None]:
        group: Group = stage.installation.groups[-1]
        loud = rng.random() < 0.5
        for name in cables:
            group.cables[name].cut(loud=loud)
        try:
            yield
        finally:
            for name in cables:
                group.cables[name].mend()

    return strike


@asynccontextmanager
async def _rotate_keys(stage: Stage, rng: random.Random) -> AsyncIterator[None]:
    """A new key in front, `SIGHUP`; at the end everything anew under it, the old one away, and old news once more."""
    installation = stage.installation
    async with stage.keys:
        new = base64.b64encode(rng.randbytes(32)).decode()
        installation.configure_keys([new, *installation.keys])
        installation.hang_up()
        yield
        said = ""
        for attempt in range(1, ROTATION_ATTEMPTS):
            done = await asyncio.to_thread(installation.command, "keys", "rotate", "--json")
            if done.returncode == 0:
                installation.configure_keys([new])
                installation.hang_up()
                await _tell_again(stage)
                return
            said = done.stderr.strip()
            if attempt % HANG_UP_EVERY == 0:
                installation.hang_up()  # as the command says, where a process could not read the new one
            await asyncio.sleep(1.0)
        stage.complaints.append(f"keys rotate: {said[-300:]}")


async def _tell_again(stage: Stage) -> None:
    """Meta repeats what it told before."""
    for entry in await stage.get("/journal", limit=TOLD_AGAIN):
        body = entry["detail"].get("body") if entry["source"] == "whatsapp" else None
        if body is not None:
            await stage.post("/whatsapp/webhook", {"body": json.loads(body)})


@asynccontextmanager
async def _other_app_secret(stage: Stage, _: random.Random) -> AsyncIterator[None]:
    await stage.post("/setup", {"whatsapp": {**ACCOUNTS["whatsapp"], "app_secret": NEW_APP_SECRET}})
    try:
        yield
    finally:
        await stage.post("/setup", {"whatsapp": {**ACCOUNTS["whatsapp"], "app_secret": OLD_APP_SECRET}})


FAULTS: Mapping[str, Fault] = {
    "kill-web": Fault("SIGKILL of the web part; it stays dead for the strike", _kill(_web), (0.2, 1.5)),
    "kill-group": Fault("SIGKILL of a whole worker group; it stays dead for the strike", _kill(_group), (0.2, 2.0)),
    "kill-worker": Fault("SIGKILL of one process of a worker group, at both ends of the strike", _kill_workers),
    "kill-scheduler": Fault("SIGKILL of the scheduler; it stays dead for the strike", _kill(_scheduler), (1.0, 8.0)),
    "kill-redis": Fault("SIGKILL of Redis; it stays dead for the strike", _kill(_redis), (0.2, 4.0)),
    "kill-postgresql": Fault(
        "SIGKILL of PostgreSQL; it stays dead for the strike", _kill(_postgresql), (0.2, 3.0), POSTGRESQL
    ),
    "kill-backend": Fault("SIGKILL of one of PostgreSQL's processes", _kill_backends, (0.5, 2.0), POSTGRESQL),
    "pause-worker": Fault("SIGSTOP … SIGCONT of a worker beyond its lease", _pause_worker, BEYOND_LEASE_SECONDS),
    "flush-redis": Fault("FLUSHALL at both ends of the strike", _flush_redis, (0.1, 3.0)),
    "helpdesk-down": Fault("the helpdesk answers 503", _of_helpdesk(lambda _: {"down": True})),
    "helpdesk-down-until": Fault(
        "the helpdesk answers 503 with Retry-After",
        _of_helpdesk(lambda rng: {"down": True, "down_retry_after_seconds": rng.randint(1, 3)}),
    ),
    "helpdesk-limited": Fault(
        "the helpdesk answers 429 with Retry-After",
        _of_helpdesk(lambda rng: {"rate_limited": rng.randint(3, 15)}),
        COUNTED_SECONDS,
    ),
    "helpdesk-limited-silently": Fault(
        "the helpdesk answers 429 without Retry-After",
        _of_helpdesk(lambda rng: {"rate_limited": rng.randint(3, 15), "with_retry_after": False}),
        COUNTED_SECONDS,
    ),
    "helpdesk-cut": Fault(
        "the connection is cut after the helpdesk's write",
        _of_helpdesk(lambda rng: {"drop_answer": rng.randint(3, 12)}),
        COUNTED_SECONDS,
    ),
    "helpdesk-late-answer": Fault(
        "the helpdesk writes, and answers after our time-out",
        _of_helpdesk(
            lambda rng: {"late_answer_next": rng.randint(1, 4), "late_answer_seconds": BEYOND_TIMEOUT_SECONDS}
        ),
        COUNTED_SECONDS,
    ),
    "helpdesk-late-write": Fault(
        "the helpdesk writes late, and then cuts the connection",
        _of_helpdesk(lambda rng: {"late_write_next": rng.randint(2, 6), "late_write_seconds": rng.uniform(0.5, 5.0)}),
        COUNTED_SECONDS,
    ),
    "helpdesk-slow": Fault(
        "every call to the helpdesk takes seconds", _of_helpdesk(lambda rng: {"slow_seconds": rng.uniform(1.0, 5.0)})
    ),
    "helpdesk-tokens-end": Fault(
        "every access token of the helpdesk has expired",
        _of_helpdesk(lambda _: {"expire_tokens": True}),
        helpdesks=frozenset({"zendesk"}),
    ),
    "meta-down": Fault("the Cloud API answers 503", _of_meta(lambda _: {"down": True})),
    "meta-limited": Fault(
        "the Cloud API answers 429 (130429, 131056)",
        _of_meta(
            lambda rng: {
                "fail_next": {"code": rng.choice([130429, 131056]), "where": "sync", "count": rng.randint(2, 8)}
            }
        ),
        COUNTED_SECONDS,
    ),
    "meta-cut": Fault(
        "the connection is cut after the Cloud API took a message",
        _of_meta(lambda rng: {"drop_answer": rng.randint(2, 8)}),
        COUNTED_SECONDS,
    ),
    "meta-cut-before": Fault(
        "the connection is cut after a request was read, and nothing is taken",
        _of_meta(lambda rng: {"refuse_connection_after_read": rng.randint(1, 4)}),
        COUNTED_SECONDS,
    ),
    "meta-silent": Fault(
        "messages are taken, but neither the answer nor any status comes",
        _of_meta(lambda rng: {"drop_answer": (count := rng.randint(1, 4)), "lose_statuses": 2 * count}),
        COUNTED_SECONDS,
    ),
    "meta-late": Fault(
        "the Cloud API takes messages after our time-out",
        _of_meta(lambda _: {"slow_seconds": BEYOND_TIMEOUT_SECONDS}),
        (0.5, 1.5),
    ),
    "meta-slow": Fault(
        "every call to the Cloud API takes seconds", _of_meta(lambda rng: {"slow_seconds": rng.uniform(1.0, 5.0)})
    ),
    "meta-token": Fault(
        "190: the token has expired, and is mended at the end of the strike",
        _of_meta(lambda _: {"token_expired": True}),
    ),
    "statuses-late": Fault("statuses are held back and come all at once", _of_meta(lambda _: {"hold_statuses": True})),
    "duplicates": Fault(
        "every webhook comes up to four times", _of_meta(lambda rng: {"redeliver": rng.randint(1, 3)}), (3.0, 8.0)
    ),
    "shuffled": Fault(
        "webhooks overtake each other, and items do in a batch",
        _of_meta(
            lambda rng: {"reorder": True, "batch_milliseconds": rng.choice([0, 200]), "batch_shuffle": True},
        ),
        (3.0, 8.0),
    ),
    "overlapping-batches": Fault(
        "batches that repeat a part of the one before",
        _of_meta(
            lambda rng: {
                "batch_milliseconds": rng.randint(100, 800),
                "batch_overlap": rng.randint(3, 40),
                "redeliver": 1,
            }
        ),
        (3.0, 8.0),
    ),
    "rings-lost": Fault(
        "the helpdesk's webhooks are never made", _of_helpdesk(lambda _: {"lose_rings": -1}), (2.0, 8.0)
    ),
    "rings-doubled": Fault(
        "every webhook of the helpdesk comes twice, and late",
        _of_helpdesk(lambda rng: {"double_rings": True, "delay_rings_seconds": rng.uniform(0.0, 2.0)}),
        (3.0, 8.0),
    ),
    "two-schedulers": Fault("a second scheduler runs", _two_schedulers, (6.0, 12.0)),
    "disk-full": Fault(
        "not a byte is left under database and Redis (a small tmpfs)", _disk_full, (1.0, 4.0), needs_small_disk=True
    ),
    "clock-jumps": Fault(
        "business time jumps ahead by up to 3 h, and by up to 30 min at the end of the strike", _clock_jumps
    ),
    "restarts": Fault("everything is ended in some order and started in another", _restart_everything, (0.0, 1.5)),
    "cut-redis": Fault("a worker group is cut off from Redis", _cut_off("redis"), (3.0, 20.0), POSTGRESQL),
    "cut-database": Fault("a worker group is cut off from the database", _cut_off("database"), (3.0, 20.0), POSTGRESQL),
    "cut-both": Fault(
        "a worker group is cut off from Redis and the database", _cut_off("redis", "database"), (3.0, 20.0), POSTGRESQL
    ),
    "key-rotation": Fault(
        "a new encryption key, everything anew under it, the old one away, and old webhooks once more",
        _rotate_keys,
        (0.5, 3.0),
    ),
    "other-app-secret": Fault(
        "Meta signs with the other of two app secrets for the strike", _other_app_secret, (2.0, 6.0)
    ),
}
"""Every fault by its name."""
