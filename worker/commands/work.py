"""``run``, ``tag`` and ``demo``: what the worker is for."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated, BinaryIO, NoReturn, TextIO, cast

import typer

from worker.commands.shared import kafka_settings_of, plain_errors, settings_of
from worker.errors import FatalError
from worker.machine.quick_imports import quick_imports
from worker.telemetry.logs import configure_logging


def run(
    context: typer.Context,
    backfill: Annotated[
        str | None,
        typer.Option(help="Name of a replay to do beside live traffic, with what that leaves of the device."),
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Its listings a second; 0: no limit.")] = None,
    share: Annotated[float | None, typer.Option(help="Largest share of the device's time that it takes.")] = None,
) -> None:
    """The always-on worker. Stops cleanly on SIGTERM; a second one ends it at once."""
    # As a container's first process Python would ignore SIGTERM for the seconds until the loop listens for it.
    signal.signal(signal.SIGTERM, _stop_before_start)
    asked = {"backfill.name": backfill, "backfill.rate": rate, "backfill.share": share}
    settings = kafka_settings_of(context, *(f"{key}={value}" for key, value in asked.items() if value is not None))
    if not settings.backfill.name and (rate is not None or share is not None):
        raise typer.BadParameter("--rate and --share hold a backfill back: name it with --backfill")
    with plain_errors():
        with quick_imports():
            from worker.app import Worker
            from worker.app import run as run_worker
            from worker.models import ShippedModels
            from worker.replays.guest import Guest

        def make() -> Worker:
            companion = Guest(settings) if settings.backfill.name else None
            return Worker(settings, ShippedModels(settings), companion=companion)

        raise typer.Exit(run_worker(make))


def _stop_before_start(*_: object) -> NoReturn:
    raise SystemExit(0)


def tag(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="IN.jsonl", help="One listing.created value per line; - for stdin.")],
    out: Annotated[str, typer.Option("-o", "--out", metavar="OUT.jsonl", help="Where tags go; - for stdout.")] = "-",
) -> None:
    """Tag a file of listings without Kafka: one line out per line in, in order."""
    settings = settings_of(context)
    with plain_errors(), ExitStack() as files:
        lines = sys.stdin.buffer if source == "-" else files.enter_context(Path(source).open("rb"))
        _refuse_same_file(lines, out)
        sink = sys.stdout if out == "-" else files.enter_context(Path(out).open("w", encoding="utf-8"))
        with quick_imports():
            from worker.tag_lines import tag_file

        counts = tag_file(settings, cast(BinaryIO, lines), cast(TextIO, sink))
        typer.echo(f"tagged {counts.tagged:,}, rejected {counts.rejected:,}", err=True)


def _refuse_same_file(lines: IO[bytes], out: str) -> None:
    """Opened for writing it would be empty before its first line is read."""
    if out == "-" or not Path(out).is_file():
        return
    if os.path.samestat(os.fstat(lines.fileno()), Path(out).stat()):
        raise FatalError(f"--out {out} is the file that is read, and would be empty by then; write to another")


def demo(
    context: typer.Context,
    listings: Annotated[int | None, typer.Option(min=1, help="How many of the sample listings; default: all.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for events.jsonl and report.html.")] = Path("out"),
) -> None:
    """Real sample photos through the worker, on a broker inside this process. Needs nothing else."""
    settings = settings_of(context)
    configure_logging("warning", settings.log.format, secrets=settings.secrets)  # the demo shows its progress itself
    with plain_errors():
        with quick_imports():
            from worker.demo.run import run_demo

        raise typer.Exit(run_demo(settings, listings, out))
