"""``bench``: what this machine does with the configured model."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from worker.commands.shared import is_terminal, plain_errors, settings_of
from worker.machine.quick_imports import quick_imports
from worker.telemetry.logs import configure_logging

if TYPE_CHECKING:
    from worker.benching.run import BenchResult


def bench(
    context: typer.Context,
    listings: Annotated[int, typer.Option(min=32, help="Measured, one photo of 800 pixels each.")] = 320,
    simulated: Annotated[
        bool, typer.Option(help="A device that is only a clock, 30 ms a batch and 6 ms a picture.")
    ] = False,
) -> None:
    """Throughput, latency and memory of the worker, beside the best loop on the same engine, pictures and cores. Needs
    no servers: broker and image host are its own, on the same cores; OCR is off.
    """
    settings = settings_of(context)
    configure_logging("warning", settings.log.format, secrets=settings.secrets)
    with plain_errors():
        with quick_imports():
            from model.stand_in import Pace
            from worker.benching.run import run_bench
            from worker.benching.simulated import SimulatedModels
            from worker.models import ShippedModels

        models = SimulatedModels(Pace(0.030, 0.006)) if simulated else ShippedModels(settings)
        found = run_bench(settings, models, listings, lambda words: typer.echo(words, err=True))
    _print(found)


def _print(found: BenchResult) -> None:
    if not is_terminal():
        typer.echo(json.dumps(dataclasses.asdict(found)))
        return
    table = Table("", "worker", "best loop", "ratio", box=None, pad_edge=False)
    for name, ours, loop, ratio in (
        ("listings a second", found.rate, found.loop_rate, found.rate / found.loop_rate),
        ("processor ms a listing", found.cpu_ms, found.loop_cpu_ms, found.loop_cpu_ms / found.cpu_ms),
        ("memory, MiB", found.memory_mib, found.loop_memory_mib, found.loop_memory_mib / found.memory_mib),
    ):
        table.add_row(name, f"{ours:,.1f}", f"{loop:,.1f}", f"{ratio:.2f}")
    for share, milliseconds in ((50, found.latency_p50_ms), (99, found.latency_p99_ms)):
        table.add_row(f"latency, p{share}, ms, at {found.load:.0%} of that rate", f"{milliseconds:,.0f}", "", "")
    words = f"{found.listings:,} listings on {found.engine}; broker, image host and this command share the cores"
    Console(highlight=False).print(table, words, sep="\n")
