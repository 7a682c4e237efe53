"""What all commands share: where settings come from, and how an operator hears of trouble."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
import typer

from worker.errors import HangtagError
from worker.settings import Settings
from worker.sources import SettingsError, load_settings
from worker.telemetry.logs import configure_logging

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """The global options."""

    config: Path | None
    overrides: tuple[str, ...]


def settings_of(context: typer.Context, *more: str) -> Settings:
    """Settings from all sources, before them ``more`` (KEY=VALUE); a wrong one ends the program with exit code 2 and a
    line that names it.
    """
    sources: Sources = context.obj
    configure_logging()  # so that what is said while settings are read goes to stderr as well
    try:
        settings = load_settings(config=sources.config, overrides=(*sources.overrides, *more))
    except SettingsError as error:
        _complain(error)
        raise typer.Exit(2) from error
    configure_logging(settings.log.level, settings.log.format, secrets=settings.secrets)
    return settings


@contextmanager
def plain_errors() -> Iterator[None]:
    """Trouble of the operator's making ends the program with exit code 1 and one line, never a traceback."""
    from model.errors import ModelError

    try:
        yield
    except (HangtagError, ModelError, OSError) as error:
        _complain(error)
        raise typer.Exit(1) from error


def _complain(error: Exception) -> None:
    """One line of text on a terminal; on a pipe a JSON line, masked like all others, whatever ``log.level`` says."""
    if sys.stderr.isatty():
        typer.echo(f"hangtag: {error}", err=True)
        return
    if not structlog.is_configured():
        configure_logging()
    log.critical("command.failed", error=str(error))


def is_terminal() -> bool:
    """Does a person look at standard output?"""
    return sys.stdout.isatty()
