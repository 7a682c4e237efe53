"""What all commands share: where settings come from, and how an operator hears of trouble."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
import typer

from worker.errors import HangtagError, UsageError
from worker.settings import Settings
from worker.sources import SettingsError, load_settings
from worker.telemetry.logs import configure_logging
from worker.telemetry.redact import Redactor

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


def kafka_settings_of(context: typer.Context, *more: str) -> Settings:
    """The same for commands that talk to a broker: librdkafka properties that it does not take are wrong settings."""
    settings = settings_of(context, *more)
    kafka = settings.kafka
    added = {"kafka.client": kafka.client, "kafka.consumer": kafka.consumer, "kafka.producer": kafka.producer}
    from worker.kafka.config import consumer_config, producer_config
    from worker.kafka.property_check import find_wrong_property

    fault = find_wrong_property(consumer_config(kafka), producer_config(kafka), added)
    if fault is not None:
        _complain(SettingsError(Redactor(settings.secrets).text(fault)))
        raise typer.Exit(2)
    return settings


@contextmanager
def plain_errors() -> Iterator[None]:
    """Trouble of the operator's making ends the program with one line, never a traceback: exit code 2 where options
    say nothing that can be done, else 1.
    """
    from model.errors import ModelError

    try:
        yield
    except (HangtagError, ModelError, OSError) as error:
        _complain(error)
        raise typer.Exit(2 if isinstance(error, UsageError) else 1) from error


def _complain(error: Exception | str) -> None:
    """One line of text on a terminal; on a pipe a JSON line, masked like all others, whatever ``log.level`` says."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        error = f"{error.filename}: {error.strerror}"  # without the number, which tells an operator nothing
    if sys.stderr.isatty():
        typer.echo(f"hangtag: {error}", err=True)
        return
    if not structlog.is_configured():
        configure_logging()
    log.critical("command.failed", error=str(error))


def is_terminal() -> bool:
    """Does a person look at standard output?"""
    return sys.stdout.isatty()
