"""What do we go by, and what do the files say now? Read at the start, and again at SIGHUP: keys, secrets, all of it.

A configuration that cannot be used is said in one line, and the one before goes on.
"""

import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

import structlog

from bridge.runtime import wiring
from bridge.runtime.operator_error import OperatorError
from bridge.runtime.settings import Settings
from bridge.runtime.supervisor import Renewal
from bridge.runtime.terminal import Terminal
from bridge.store.crypto import CannotDecrypt, UnknownKey
from bridge.store.database import StoreUnavailable
from bridge.store.migration import SchemaNotCurrent

AT_START_ALONE: Mapping[str, str] = {
    "data_dir": "DESKBRIDGE_DATA_DIR",
    "host": "DESKBRIDGE_HOST",
    "port": "DESKBRIDGE_PORT",
    "workers": "DESKBRIDGE_WORKERS",
    "embedded_redis": "DESKBRIDGE_REDIS_URL",
    "log_format": "DESKBRIDGE_LOG_FORMAT",
}
"""What counts from the next start on: field of the settings, and its variable."""

log = structlog.get_logger()


class Configuration:
    """The settings that a process goes by. `load` reads them anew, and raises `OperatorError` where it cannot."""

    def __init__(self, settings: Settings, load: Callable[[], Settings]) -> None:
        self.settings = settings
        self._load = load

    def refresh(self, *, check: Callable[[Settings], object]) -> bool:
        """Go by what is written now, if it can be used; False (and a line that says why) when not.

        `check` raises what stands against it: `OperatorError`, `StoreUnavailable`, `CannotDecrypt`, `SchemaNotCurrent`,
        `OSError`.
        """
        try:
            fresh = self._load()
            later = [name for name in AT_START_ALONE if getattr(fresh, name) != getattr(self.settings, name)]
            fresh = fresh.model_copy(update={name: getattr(self.settings, name) for name in _held_back(later)})
            check(fresh)
        except (OperatorError, StoreUnavailable, CannotDecrypt, SchemaNotCurrent, OSError) as exc:
            log.error("configuration.refused", exc_type=type(exc).__name__)
            _say(f"the configuration stays as it was: {_why(exc)}")
            return False
        for name in later:
            log.warning("configuration.later", cause=AT_START_ALONE[name])
        self.settings = fresh
        return True


def _held_back(later: Sequence[str]) -> set[str]:
    """Fields that stay what they were: those of `later`, and what their variables imply."""
    implied = {"data_dir": {"database_url", "redis_url"}, "embedded_redis": {"redis_url"}}
    return set(later).union(*(implied.get(name, set()) for name in later))


def require_usable(settings: Settings) -> None:
    """That a process with these settings could open the database, and everything in it. Raises what `open_store` does,
    and `SettingsError`."""
    settings.account()
    with wiring.open_store(settings, seals=False):
        return


def renewal(configuration: Configuration, *, check: Callable[[Settings], object] = require_usable) -> Renewal:
    """What a SIGHUP means to a supervisor. `check` may open connections: it runs in a child."""

    def try_out() -> None:
        if not configuration.refresh(check=check):
            sys.exit(1)

    def take() -> bool:
        taken = configuration.refresh(check=Settings.account)
        if taken:
            log.info("configuration.read")
        return taken

    return Renewal(try_out, take)


def _why(exc: Exception) -> str:
    if isinstance(exc, StoreUnavailable | OSError) and not isinstance(exc, UnknownKey):
        return "the database does not answer"
    return str(exc)


def _say(line: str) -> None:
    """To whoever reads our log, in words: a log line holds none."""
    sys.stderr.write(f"deskbridge: {line}\n")
    sys.stderr.flush()


class Orders:
    """What signals asked of this process: SIGTERM and SIGINT to end, SIGHUP to start over with what is written now.

    `stop` is set in both cases. Made and used in the main thread; `stop` may be looked at by any.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._terminal = Terminal()
        self._ends = False

    def obey(self) -> None:
        """Take the signals, those that were held back until now included."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.take)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    def take(self, number: int, _frame: FrameType | None = None) -> None:
        """A signal came."""
        self._ends |= number != signal.SIGHUP or self._terminal.has_gone()
        self.stop.set()

    def start_over(self) -> bool:
        """After everything has stopped: shall it start again?"""
        self.stop.clear()
        if self._ends:
            self.stop.set()
        return not self._ends
