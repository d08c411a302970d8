"""A worker process: RQ waits for bells in the main thread, an event loop beside it does the work.

The loop lives as long as the process, so connections, tokens and the database's threads do too. While Redis is away
the worker looks at the tables by itself, so what customers wrote still reaches the helpdesk.
"""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import SimpleWorker

from bridge.runtime import jobs, wiring
from bridge.runtime.bell import QUEUE
from bridge.runtime.drain import Drain
from bridge.runtime.settings import Settings
from bridge.runtime.wiring import Workshop
from bridge.store import leases
from bridge.store.database import StoreUnavailable
from bridge.store.ids import new_id

WITHOUT_REDIS_SECONDS = 1.0
REDIS_PATIENCE_SECONDS = 2
IDLE_POLL_SECONDS = 15
STORE_PATIENCE_SECONDS = 1.0

log = structlog.get_logger()


class BellWorker(SimpleWorker):
    """RQ's worker that does not fork, and that does not touch Redis from a signal handler."""

    stop: threading.Event

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        self.stop.set()
        super().request_stop(signum, frame)

    def set_shutdown_requested_date(self) -> None:
        """With Redis dead, RQ's own version raises into whatever runs and breaks it off."""

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """A second signal changes nothing: the first ends us within seconds."""


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT. Raises `StoreUnavailable` and `SettingsError` at the start."""
    stop = threading.Event()
    _obey_signals(stop)
    holder = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
    with wiring.open_store(settings) as store, asyncio.Runner() as runner:
        loop = runner.get_loop()
        thread = threading.Thread(target=_run_loop, args=(loop,), name="worker-loop", daemon=True)
        thread.start()

        def wait_for(work: Coroutine[Any, Any, Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(work, loop).result()

        workshop_context = wiring.open_workshop(settings, store)
        workshop: Workshop = wait_for(workshop_context.__aenter__())
        try:
            jobs.answer_with(lambda: wait_for(_drain(workshop, holder=holder, stop=stop)))
            _answer_bells(settings, stop)
        finally:
            wait_for(_leave(workshop, holder))
            wait_for(workshop_context.__aexit__(None, None, None))
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


def _obey_signals(stop: threading.Event) -> None:
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


async def _drain(workshop: Workshop, *, holder: str, stop: threading.Event) -> None:
    services = workshop.services
    try:
        await services.upkeep()
        await Drain(services, holder=holder, stop=stop).run()
    except StoreUnavailable:
        log.warning("store.unavailable")
        await asyncio.sleep(STORE_PATIENCE_SECONDS)


async def _leave(workshop: Workshop, holder: str) -> None:
    try:
        await workshop.services.database.write(lambda connection: leases.leave(connection, holder=holder))
    except StoreUnavailable:
        log.warning("store.unavailable")


def _answer_bells(settings: Settings, stop: threading.Event) -> None:
    while not stop.is_set():
        _obey_signals(stop)
        connection = Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_connect_timeout=REDIS_PATIENCE_SECONDS,
            socket_timeout=IDLE_POLL_SECONDS + 10,
        )
        try:
            connection.ping()
            worker = BellWorker([QUEUE], connection=connection, worker_ttl=IDLE_POLL_SECONDS + 15)
            worker.stop = stop
            if not stop.is_set():
                worker.work(logging_level="WARNING")
        except (RedisError, OSError):
            log.warning("redis.unavailable")
        finally:
            connection.close()
        _obey_signals(stop)  # RQ leaves handlers of its own behind
        if not stop.is_set():
            # Bells cannot be heard: look at the tables, as the sweep would have made us.
            jobs.drain()
            stop.wait(WITHOUT_REDIS_SECONDS)
