"""Who rings when nobody does? RQ's cron, every few seconds: whatever lies too long is found, a lost bell costs seconds.

Two schedulers ring twice, which does no harm. RQ's cron ends when Redis stays away; then it is tried anew.
"""

import signal
from types import FrameType

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq.cron import CronScheduler
from rq.exceptions import StopRequested

from bridge.runtime import jobs
from bridge.runtime.bell import QUEUE
from bridge.runtime.configuration import Configuration, Orders
from bridge.runtime.settings import Settings

SWEEP_SECONDS = 5
STALE_SECONDS = 30
"""A ring that nobody answered by then has been followed by others."""
REDIS_PATIENCE_SECONDS = 2
PAUSE_SECONDS = 1.0

log = structlog.get_logger()


class Sweeper(CronScheduler):
    """RQ's cron that remembers having been told to stop."""

    orders: Orders

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()
        signal.signal(signal.SIGHUP, self._request_stop)
        if self.orders.stop.is_set():
            raise StopRequested  # told while RQ made itself ready

    def _request_stop(self, signum: int, frame: FrameType | None) -> None:
        was_told = self.orders.stop.is_set()
        self.orders.take(signum, frame)
        if not was_told:
            super()._request_stop(signum, frame)


def run(configuration: Configuration) -> None:
    """Ring until SIGTERM or SIGINT; start over at SIGHUP."""
    orders = Orders()
    orders.obey()
    while True:
        _sweep(configuration.settings, orders)
        if not orders.start_over():
            return
        if configuration.refresh(check=Settings.account):
            log.info("configuration.read")


def _sweep(settings: Settings, orders: Orders) -> None:
    while not orders.stop.is_set():
        orders.obey()
        connection = Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_connect_timeout=REDIS_PATIENCE_SECONDS,
            socket_timeout=REDIS_PATIENCE_SECONDS,
        )
        try:
            connection.ping()
            sweeper = Sweeper(connection, logging_level="WARNING")
            sweeper.orders = orders
            sweeper.register(
                jobs.drain,
                QUEUE,
                interval=SWEEP_SECONDS,
                job_timeout=-1,
                result_ttl=0,
                failure_ttl=0,
                ttl=STALE_SECONDS,
            )
            sweeper.start()
        except StopRequested:
            return
        except (RedisError, OSError):
            log.warning("redis.unavailable")
        finally:
            connection.close()
        orders.stop.wait(PAUSE_SECONDS)
