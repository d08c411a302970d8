"""What may a log line say? Only fields declared here, with values that cannot hold a text, a name or a number.

Redaction is by construction: a processor lets through what it knows and replaces everything else. Exceptions show
their types and where they were raised, never their messages. Records of the standard library's logging take the same
way, and show their text only where it stands literally in the source.
"""

import logging
import re
import sys
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from bridge.runtime.sentry import SentryReports

REDACTED = "[redacted]"
FIELDS = frozenset(
    {
        *("effect_id", "event_id", "conversation_id", "message_id", "contact_id", "ticket_row_id"),
        *("shard", "channel", "kind", "state", "status", "code", "reason", "cause", "attempt", "limit", "fence"),
        *("role", "pid", "exit_code", "signal", "count", "seconds", "milliseconds"),
        *("path_template", "method", "exc_type", "where", "frames", "level", "logger", "template", "timestamp"),
    }
)
_EVENT = re.compile(r"[a-z0-9_]{1,40}(\.[a-z0-9_]{1,40}){1,3}")
_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_WORD = re.compile(r"[A-Za-z0-9_./:<>{}\-]{1,80}")
_LONG_NUMBER = re.compile(r"\d[\d.\-/:]{6,}\d")
"""Eight characters and more that could be a phone number or a part of one."""
_NUMBER_LIMIT = 10_000_000
_FRAME_LIMIT = 12
_QUIET = ("httpx", "httpcore", "rq", "aiohttp", "sqlalchemy", "alembic", "asyncio", "uvicorn.access", "redis")
"""These tell of single requests and jobs below a warning."""


class _Static(str):
    """Text that stands in source code, so it can hold nobody's data."""

    __slots__ = ()


def configure(
    log_format: Literal["console", "json"] | None = None,
    *,
    stream: TextIO | None = None,
    sentry: SentryReports | None = None,
) -> None:
    """Set up structlog, standard logging, warnings and the last-resort hooks of this process. May be called again.

    `log_format` None: console on a terminal, else JSON. Lines go to `stream`, by default standard error; errors to
    `sentry` as well.
    """
    out = stream or sys.stderr
    on_terminal = out.isatty()
    console = log_format == "console" or (log_format is None and on_terminal)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _exceptions,
            redact,
            *([] if sentry is None else [_Reporting(sentry)]),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=on_terminal) if console else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Redirect()]
    root.setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


class _Reporting:
    """A processor that hands on what it sees, redacted as it is."""

    def __init__(self, sentry: SentryReports) -> None:
        self._sentry = sentry

    def __call__(self, _logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
        self._sentry.report(event_dict)
        return event_dict


def redact(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Let declared fields with harmless values through; everything else keeps its name at most."""
    return {name: _harmless(name, value) for name, value in event_dict.items()}


def _harmless(name: str, value: object) -> object:
    if name == "event":
        return value if isinstance(value, str) and _EVENT.fullmatch(value) else REDACTED
    if name not in FIELDS:
        return REDACTED
    if value is None or isinstance(value, bool | _Static):
        return value
    if isinstance(value, int | float):
        return value if abs(value) < _NUMBER_LIMIT else REDACTED
    if isinstance(value, tuple) and all(isinstance(item, _Static) for item in value):
        return list(value)
    if not isinstance(value, str):
        return REDACTED
    if name.endswith("_id"):
        return value if _ID.fullmatch(value) else REDACTED
    return str(value) if _WORD.fullmatch(value) and not _LONG_NUMBER.search(value) else REDACTED


def _exceptions(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Replace `exc_info` by the exception's type and the places it went through."""
    exc_info = event_dict.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    exception = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(exception, BaseException):
        event_dict["exc_type"] = _Static(" < ".join(_chain(exception)))
        event_dict["frames"] = tuple(_Static(place) for place in _places(exception.__traceback__))
    return event_dict


def exception_type(exception: BaseException) -> str:
    """The name of its class, which a log line may show."""
    return _Static(f"{type(exception).__module__}.{type(exception).__qualname__}".removeprefix("builtins."))


def _chain(exception: BaseException) -> Iterator[str]:
    seen: set[int] = set()
    link: BaseException | None = exception
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield exception_type(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _places(traceback: TracebackType | None) -> list[str]:
    places = []
    while traceback is not None:
        places.append(_place(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return places[-_FRAME_LIMIT:]


def _place(file: str, line: int | None) -> str:
    return f"{'/'.join(file.rsplit('/', 3)[1:])}:{line}"


class _Redirect(logging.Handler):
    """Standard logging's records, on our way out."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING and record.name.startswith(_QUIET):
            return
        structlog.get_logger().log(
            record.levelno,
            "log.record",
            logger=_Static(record.name),
            template=_Static(record.msg) if _stands_in_source(record.msg) else REDACTED,
            where=_Static(_place(record.pathname, record.lineno)),
            exc_info=record.exc_info,
        )


def _stands_in_source(message: object) -> bool:
    """Whether a caller's code holds exactly this text. A text put together at run time may hold anything."""
    frame: FrameType | None = sys._getframe(1)  # the record names its caller's line, but not its code
    while frame is not None:
        if isinstance(message, str) and message in frame.f_code.co_consts:
            return True
        frame = frame.f_back
    return False


def _uncaught(kind: type[BaseException], exception: BaseException, _traceback: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        structlog.get_logger().error("process.failed", exc_info=exception)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    structlog.get_logger().error("thread.failed", exc_info=args.exc_value)


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    structlog.get_logger().error("object.failed", exc_info=args.exc_value)
