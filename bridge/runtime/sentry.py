"""What does Sentry get to see? What a log line may say, and not a word more.

Events are made here from what `log` has redacted already: the event's name, harmless fields, the types of exceptions
and the places they went through. None of Sentry's own integrations is on, so it gathers nothing by itself: no locals,
no source, no requests, no breadcrumbs, no host name. It is imported with the first error of a process.
"""

import atexit
import os
from collections.abc import Mapping, Sequence
from typing import Any

FLUSH_SECONDS = 2.0
_LEVELS = {"error": "error", "critical": "fatal"}
_OF_SENTRY = frozenset({"event", "level", "exc_type", "frames", "timestamp"})


class SentryReports:
    """Sends errors to a DSN. Made before a fork or after: each process opens its own connection when it needs one."""

    def __init__(self, dsn: str, *, release: str) -> None:
        self._dsn = dsn
        self._release = release
        self._opened_by: int | None = None

    def report(self, redacted: Mapping[str, object]) -> None:
        """Hand on one event that `log.redact` has let through, where it is an error. Never raises, never waits."""
        level = _LEVELS.get(str(redacted.get("level")))
        if level is None or str(redacted.get("logger", "")).startswith("sentry_sdk"):
            return
        import sentry_sdk

        self._open()
        sentry_sdk.capture_event(event_of(redacted, level=level))

    def _open(self) -> None:
        import sentry_sdk

        if self._opened_by == os.getpid():
            return
        self._opened_by = os.getpid()
        sentry_sdk.init(
            dsn=self._dsn,
            release=self._release,
            server_name="deskbridge",
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            max_breadcrumbs=0,
            attach_stacktrace=False,
            auto_session_tracking=False,
            shutdown_timeout=FLUSH_SECONDS,
            before_send=_only_ours,
        )
        atexit.register(sentry_sdk.flush, timeout=FLUSH_SECONDS)


def event_of(redacted: Mapping[str, object], *, level: str) -> Any:
    """Sentry's form of a redacted log line."""
    name = str(redacted.get("event", ""))
    types = str(redacted.get("exc_type", "")).split(" < ") if redacted.get("exc_type") else []
    places = redacted.get("frames")
    frames = [_frame(str(place)) for place in places] if isinstance(places, Sequence) else []
    event: dict[str, Any] = {
        "level": level,
        "logger": "deskbridge",
        "logentry": {"message": name},
        "extra": {key: value for key, value in redacted.items() if key not in _OF_SENTRY},
        "fingerprint": [name, *types[:1], *(str(places[-1]) for _ in frames[:1] if isinstance(places, Sequence))],
    }
    if types:
        # Sentry shows the last one first: what was raised, after what it came from.
        values: list[dict[str, object]] = [{"type": one, "value": ""} for one in reversed(types)]
        if frames:
            values[-1] = {**values[-1], "stacktrace": {"frames": frames}}
        event["exception"] = {"values": values}
    return event


def _frame(place: str) -> dict[str, object]:
    file, _, line = place.rpartition(":")
    return {"filename": file, "lineno": int(line) if line.isdigit() else 0, "in_app": not file.startswith("site-")}


def _only_ours(event: Any, _hint: object) -> Any:
    """What the library adds beside our event stays here."""
    kept = ("event_id", "timestamp", "level", "logger", "logentry", "extra", "fingerprint", "exception", "release")
    return {name: value for name, value in event.items() if name in (*kept, "platform", "sdk", "environment")}
