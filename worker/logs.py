"""structlog for everything: JSON lines on a pipe, readable lines on a terminal; secrets never."""

from __future__ import annotations

import logging
import re
import sys
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRET = re.compile(r"password|secret|token|jaas|digest_key", re.IGNORECASE)


def configure_logging(
    level: str = "info",
    style: Literal["auto", "json", "console"] = "auto",
    stream: TextIO = sys.stderr,
) -> None:
    """Send structlog's and the standard library's records to ``stream``. Calling again replaces what was set."""
    is_console = style == "console" or (style == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        mask_secrets,
    ]
    renderer: Processor = structlog.dev.ConsoleRenderer() if is_console else structlog.processors.JSONRenderer()
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if not is_console:
        last.append(structlog.processors.dict_tracebacks)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[*last, renderer], foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def mask_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace the values of keys that name a secret."""
    return {key: "********" if _SECRET.search(key) else value for key, value in event.items()}
