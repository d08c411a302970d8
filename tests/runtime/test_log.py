"""No canary comes out, whichever way it went in."""

import asyncio
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog

from bridge.runtime import log

CANARY = "Canary"
NUMBER = "491511234567"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    stream = io.StringIO()
    log.configure("json", stream=stream)
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    sys.excepthook, threading.excepthook, sys.unraisablehook = before[2:]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def written(stream: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_declared_fields_pass(lines: io.StringIO) -> None:
    fields = {
        "effect_id": "01JD0000000000000000000000",
        "state": "performing",
        "code": "131047",
        "count": 3,
        "seconds": 0.25,
        "path_template": "/{phone_number_id}/messages",
        "shard": 0,
        "reason": None,
    }
    structlog.get_logger().info("effect.performed", **fields)
    assert written(lines).items() >= ({"event": "effect.performed", "level": "info"} | fields).items()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", CANARY),
        ("wa_id", NUMBER),
        ("effect_id", NUMBER),
        ("effect_id", f"wamid.{CANARY}"),
        ("code", NUMBER),
        ("code", f"+{NUMBER}"),
        ("code", f"4915-1123-4567-{CANARY}"),
        ("reason", f"a sentence with {CANARY}"),
        ("reason", {"text": CANARY}),
        ("reason", [CANARY]),
        ("reason", CANARY.encode()),
        ("reason", ValueError(CANARY)),
        ("count", int(NUMBER)),
        ("frames", (CANARY,)),
    ],
)
def test_everything_else_is_redacted(lines: io.StringIO, name: str, value: object) -> None:
    structlog.get_logger().warning("effect.performed", **{name: value})
    assert written(lines)[name] == log.REDACTED
    assert CANARY not in lines.getvalue()
    assert NUMBER not in lines.getvalue()


def test_an_event_is_a_fixed_word_or_nothing(lines: io.StringIO) -> None:
    structlog.get_logger().info(f"{CANARY} wrote us")
    assert written(lines)["event"] == log.REDACTED


def fail() -> None:
    local = CANARY
    try:
        raise KeyError(local)
    except KeyError as exc:
        raise RuntimeError(f"{local} {NUMBER}") from exc


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_exception_shows_its_types_and_places_alone(
    log_format: Literal["json", "console"], lines: io.StringIO
) -> None:
    log.configure(log_format, stream=lines)
    try:
        fail()
    except RuntimeError:
        structlog.get_logger().exception("effect.failed")
    text = lines.getvalue()
    assert "RuntimeError < KeyError" in text
    assert "runtime/test_log.py:" in text
    assert CANARY not in text
    assert NUMBER not in text


def test_standard_logging_shows_its_template_and_never_its_arguments(lines: io.StringIO) -> None:
    logging.getLogger("somebody").warning("cannot reach %s at %d", CANARY, int(NUMBER))
    line = written(lines)
    assert line["template"] == "cannot reach %s at %d"
    assert line["logger"] == "somebody"
    assert CANARY not in lines.getvalue()
    assert NUMBER not in lines.getvalue()


def test_standard_logging_hides_a_text_that_was_put_together(lines: io.StringIO) -> None:
    logging.getLogger("somebody").warning(f"cannot reach {CANARY}")  # noqa: G004 - what libraries do
    logging.getLogger("somebody").error(ValueError(CANARY))
    assert written(lines)["template"] == log.REDACTED
    assert CANARY not in lines.getvalue()


@pytest.mark.parametrize(
    "name", ["httpx", "httpcore.http11", "rq.worker", "sqlalchemy.engine.Engine", "uvicorn.access"]
)
def test_what_tells_of_single_requests_and_jobs_is_silent(lines: io.StringIO, name: str) -> None:
    logging.getLogger(name).info("HTTP Request: %s", CANARY)
    assert lines.getvalue() == ""


def test_a_task_that_nobody_awaited_tells_no_text(lines: io.StringIO) -> None:
    async def forget() -> None:
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": CANARY, "exception": ValueError(CANARY), "future": CANARY})

    asyncio.run(forget())
    assert written(lines)["exc_type"] == "ValueError"
    assert CANARY not in lines.getvalue()


def test_warnings_take_the_same_way(lines: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn(CANARY, stacklevel=1)
    assert written(lines)["logger"] == "py.warnings"
    assert CANARY not in lines.getvalue()


def test_last_resort_hooks_take_the_same_way(lines: io.StringIO) -> None:
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        fail()
    except RuntimeError as exc:
        sys.excepthook(RuntimeError, exc, exc.__traceback__)
    assert lines.getvalue().count("RuntimeError < KeyError") == 2
    assert CANARY not in lines.getvalue()
