"""One log for everything: a JSON object per line on a pipe, readable lines on a terminal; secrets never.

Whoever has something to say comes through here: structlog, the standard library's loggers (librdkafka, aiohttp,
asyncio, redis), warnings, and exceptions that nobody caught, in any thread. `worker.telemetry.redact` says what may be
seen.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from worker.telemetry.redact import Redactor, describe, without_held_error

_OUR_LOGGERS = ("worker", "model", "schemas")
_QUIET_SECONDS = 10.0
_MAX_SAID = 256  # different lines that are remembered
_CHANGING = re.compile(r"(?P<broker>[\w.-]+:\d+/(?:bootstrap|\d+))|\d+")  # times, counts and partitions; no broker
log = structlog.get_logger(__name__)


def configure_logging(
    level: str = "info",
    style: Literal["auto", "json", "console"] = "auto",
    stream: TextIO = sys.stderr,
    secrets: Iterable[str] = (),
) -> None:
    """Send every record to ``stream``, masked. Calling again replaces what was set.

    ``level`` is for our own lines; libraries say nothing below info, as their debug lines quote data.
    """
    is_console = style == "console" or (style == "auto" and stream.isatty())
    redactor = Redactor(secrets)
    told: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _Masking(redactor),
    ]
    handler = _LineHandler(stream)
    handler.addFilter(_SaidBefore())
    handler.setFormatter(_formatter(told, is_console=is_console))
    _attach(handler, logging.getLevelName(level.upper()))
    structlog.configure(
        processors=[*told, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    _take_what_nobody_caught()


class _Masking:
    """The last processor before a line is written: nothing behind it adds anything."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        record: logging.LogRecord | None = event.pop("_record", None)
        from_structlog = event.pop("_from_structlog", None)
        error = _error_in(event.pop("exc_info", None))
        event.pop("stack_info", None)
        if record is not None and record.name == "asyncio":
            event["event"] = without_held_error(str(event["event"]))
        if record is not None:
            event["logger"] = record.name
        masked: EventDict = self._redactor.fields(event)
        if error is not None:
            masked["exception"] = self._redactor.error(error)
        if record is not None:
            masked.update(_record=record, _from_structlog=from_structlog)
        return masked


class _SaidBefore(logging.Filter):
    """Lets each of librdkafka's lines through once in ten seconds: while a broker is away it says the same twenty times
    a second, and what a command has to say would stand below all of it. The next one tells how many there were. Lines
    about two brokers are two: else the second to fail would never be named.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, tuple[float, int]] = {}  # when it was let through, and how often it was not since

    def filter(self, record: logging.LogRecord) -> bool:
        """Is the record to be written?"""
        if record.name != "librdkafka":
            return True
        words = record.getMessage()
        key = _CHANGING.sub(lambda found: found["broker"] or "0", words)
        when, num_more = self._said.get(key, (-_QUIET_SECONDS, 0))
        if abs(record.created - when) < _QUIET_SECONDS:  # the clock may be set back
            self._said[key] = (when, num_more + 1)
            return False
        if len(self._said) >= _MAX_SAID:
            self._said.clear()
        self._said[key] = (record.created, 0)
        if num_more:
            record.msg, record.args = f"{words} (and {num_more:,} times more before)", ()
        return True


class _LineHandler(logging.StreamHandler[TextIO]):
    """A record that cannot be written costs one short line, not a traceback in many."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the standard library's name
        """Say that a line was lost, and whose it was."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            return  # nobody reads any more
        line = {"event": "log.line_lost", "level": "error", "logger": record.name, "error": type(error).__name__}
        self.stream.write(json.dumps(line) + self.terminator)


def _formatter(told: list[Processor], *, is_console: bool) -> logging.Formatter:
    rendering: list[Processor] = (
        [_spell_out, structlog.dev.ConsoleRenderer()] if is_console else [structlog.processors.JSONRenderer()]
    )
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering]
    return structlog.stdlib.ProcessorFormatter(processors=last, foreign_pre_chain=told)


def _spell_out(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Exceptions as the lines that a terminal shows."""
    if told := event.get("exception"):
        lines = [line for one in told for line in (one["error"], *(f"    {place}" for place in one["at"]))]
        event["exception"] = "\n".join(lines)
    return event


def _attach(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.INFO))
    for name in _OUR_LOGGERS:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)


def _error_in(exc_info: Any) -> BaseException | None:
    """The exception meant by any of the forms that loggers accept."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return cast("BaseException | None", exc_info[1])
    return sys.exc_info()[1] if exc_info else None


# ---- what nobody caught ---------------------------------------------------------------------------------------------


def _take_what_nobody_caught() -> None:
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def _uncaught(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        log.info("process.interrupted")
    else:
        log.critical("process.died", exc_info=error)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        log.critical("thread.died", thread=args.thread.name if args.thread else None, exc_info=args.exc_value)


def _unraisable(args: Any) -> None:
    """An exception in a finaliser: its object is not shown, as a ``repr`` may hold anything."""
    log.error("process.unraisable", error=describe(args.exc_value) if args.exc_value else None)
