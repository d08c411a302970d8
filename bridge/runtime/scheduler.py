"""Who rings when nobody does? RQ's cron, every few seconds: whatever lies too long is found, a lost bell costs seconds.

Two schedulers ring twice, which does no harm. RQ's cron ends when Redis stays away; then it is tried anew.
"""

import signal
import threading
from types import FrameType

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq.cron import CronScheduler

from bridge.runtime import jobs
from bridge.runtime.bell import QUEUE
from bridge.runtime.settings import Settings

SWEEP_SECONDS = 5
STALE_SECONDS = 30
"""A ring that nobody answered by then has been followed by others."""
REDIS_PATIENCE_SECONDS = 2
PAUSE_SECONDS = 1.0

log = structlog.get_logger()


class Sweeper(CronScheduler):
    """RQ's cron that remembers having been told to stop."""

    stop: threading.Event

    def _request_stop(self, signum: int, frame: FrameType | None) -> None:
        self.stop.set()
        super()._request_stop(signum, frame)


def run(settings: Settings) -> None:
    """Ring until SIGTERM or SIGINT."""
    stop = threading.Event()
    while not stop.is_set():
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        signal.signal(signal.SIGINT, lambda *_: stop.set())
        connection = Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_connect_timeout=REDIS_PATIENCE_SECONDS,
            socket_timeout=REDIS_PATIENCE_SECONDS,
        )
        try:
            connection.ping()
            sweeper = Sweeper(connection, logging_level="WARNING")
            sweeper.stop = stop
            sweeper.register(
                jobs.drain,
                QUEUE,
                interval=SWEEP_SECONDS,
                job_timeout=-1,
                result_ttl=0,
                failure_ttl=0,
                ttl=STALE_SECONDS,
            )
            if not stop.is_set():
                sweeper.start()
        except (RedisError, OSError):
            log.warning("redis.unavailable")
        finally:
            connection.close()
        stop.wait(PAUSE_SECONDS)
