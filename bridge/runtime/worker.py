"""A worker process: RQ waits for bells in the main thread, an event loop beside it does the work.

The loop lives as long as the process, so connections, tokens and the database's threads do too. While Redis is away
the worker looks at the tables by itself, so what customers wrote still reaches the helpdesk.
"""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from types import FrameType
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.exceptions import StopRequested

from bridge.runtime import checkup, doctor, jobs, wiring
from bridge.runtime.bell import QUEUE
from bridge.runtime.configuration import Configuration, Orders, require_usable
from bridge.runtime.drain import Drain
from bridge.runtime.settings import Settings
from bridge.runtime.wiring import Workshop
from bridge.store import leases
from bridge.store.crypto import UnknownKey
from bridge.store.database import StoreUnavailable
from bridge.store.ids import new_id

WITHOUT_REDIS_SECONDS = 1.0
REDIS_PATIENCE_SECONDS = 2
IDLE_POLL_SECONDS = 15
STORE_PATIENCE_SECONDS = 1.0

log = structlog.get_logger()


class BellWorker(SimpleWorker):
    """RQ's worker that does not fork, and that does not touch Redis from a signal handler."""

    orders: Orders

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()
        signal.signal(signal.SIGHUP, self.request_stop)
        # What came while RQ made itself ready reached nobody else.
        self._stop_requested = self.orders.stop.is_set()

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        was_told = self.orders.stop.is_set()
        self.orders.take(signum, frame)
        if not was_told:
            super().request_stop(signum, frame)

    def set_shutdown_requested_date(self) -> None:
        """With Redis dead, RQ's own version raises into whatever runs and breaks it off."""

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """A second signal hurries nothing: the first ends us within seconds."""
        self.orders.take(signum, frame)


def run(configuration: Configuration) -> None:
    """Work until SIGTERM or SIGINT, and start over at SIGHUP. Raises `StoreUnavailable`, `SettingsError` at first."""
    orders = Orders()
    orders.obey()
    _work(configuration.settings, orders)
    while orders.start_over():
        if configuration.refresh(check=require_usable):
            log.info("configuration.read")
        _work_as_soon_as_possible(configuration.settings, orders)


def _work_as_soon_as_possible(settings: Settings, orders: Orders) -> None:
    """A database that is away just now does not end a process that only meant to start over."""
    while not orders.stop.is_set():
        try:
            _work(settings, orders)
        except StoreUnavailable:
            log.warning("store.unavailable")
            orders.stop.wait(STORE_PATIENCE_SECONDS)


def _work(settings: Settings, orders: Orders) -> None:
    """Until a signal comes; then what is under way gets its seconds, and the shards are given back."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
    with wiring.open_store(settings, every_key=False) as store, _loop_beside() as wait_for:
        workshop_context = wiring.open_workshop(settings, store)
        workshop: Workshop = wait_for(workshop_context.__aenter__())
        rounds = wait_for(_begin_rounds(settings, store, workshop))
        try:
            jobs.answer_with(lambda: wait_for(_drain(workshop, holder=holder, stop=orders.stop)))
            _answer_bells(settings, orders)
        finally:
            wait_for(_end_rounds(rounds))
            wait_for(_leave(workshop, holder))
            wait_for(workshop_context.__aexit__(None, None, None))


async def _begin_rounds(settings: Settings, store: wiring.Store, workshop: Workshop) -> asyncio.Task[None]:
    look = partial(doctor.look, settings, store, workshop)
    return asyncio.create_task(checkup.keep_looking(store, workshop.services.channel, look))


async def _end_rounds(rounds: asyncio.Task[None]) -> None:
    rounds.cancel()
    await asyncio.gather(rounds, return_exceptions=True)


@contextlib.contextmanager
def _loop_beside() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """An event loop in a thread of its own, and how to wait for something that runs in it."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        thread = threading.Thread(target=_run_loop, args=(loop,), name="worker-loop", daemon=True)
        thread.start()
        try:
            yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


async def _drain(workshop: Workshop, *, holder: str, stop: threading.Event) -> None:
    services = workshop.services
    try:
        await services.upkeep()
        await Drain(services, holder=holder, stop=stop).run()
    except UnknownKey:
        # Said once, by the upkeep. Whoever knows the key takes our share meanwhile.
        await _leave(workshop, holder)
        await asyncio.sleep(STORE_PATIENCE_SECONDS)
    except StoreUnavailable:
        log.warning("store.unavailable")
        await asyncio.sleep(STORE_PATIENCE_SECONDS)


async def _leave(workshop: Workshop, holder: str) -> None:
    try:
        await workshop.services.database.write(lambda connection: leases.leave(connection, holder=holder))
    except StoreUnavailable:
        log.warning("store.unavailable")


def _answer_bells(settings: Settings, orders: Orders) -> None:
    stop = orders.stop
    while not stop.is_set():
        orders.obey()
        connection = Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_connect_timeout=REDIS_PATIENCE_SECONDS,
            socket_timeout=IDLE_POLL_SECONDS + 10,
        )
        try:
            connection.ping()
            worker = BellWorker([QUEUE], connection=connection, worker_ttl=IDLE_POLL_SECONDS + 15)
            worker.orders = orders
            worker.work(logging_level="WARNING")
        except StopRequested:
            return  # told before RQ's own loop had begun
        except (RedisError, OSError):
            log.warning("redis.unavailable")
        finally:
            connection.close()
        orders.obey()  # RQ leaves handlers of its own behind
        if not stop.is_set():
            # Bells cannot be heard: look at the tables, as the sweep would have made us.
            jobs.drain()
            stop.wait(WITHOUT_REDIS_SECONDS)
