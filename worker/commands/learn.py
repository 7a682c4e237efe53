"""``train`` and ``evaluate``: the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markdown import Markdown

from worker.commands.shared import is_terminal, plain_errors, settings_of

_Data = Annotated[
    Path,
    typer.Option(help="Folder with the training data, or a .jsonl or .csv file of your own listings."),
]
EngineName = Literal["auto", "torch", "openvino"]
PrecisionName = Literal["auto", "fp32", "bf16", "int8"]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N, for the towers.")]


def train(
    context: typer.Context,
    data: _Data,
    out: Annotated[Path | None, typer.Option(help="Folder for the new checkpoint.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same data: same checkpoint.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data; default: 18.")] = None,
    device: _Device = "auto",
    quantise: Annotated[
        Path | None,
        typer.Option(help="Fit nothing: measure int8 for the checkpoint in this folder, write it there."),
    ] = None,
) -> None:
    """Fit a checkpoint and measure it. About half an hour on two cores."""
    settings_of(context)
    if (out is None) == (quantise is None):
        raise typer.BadParameter("name a folder: --out for a new checkpoint, or --quantise for one that is there")
    with plain_errors():
        if out is None or quantise is not None:
            assert quantise is not None  # noqa: S101  # one of the two is there
            _quantise(quantise, data)
            return
        from model.report import figures_tables
        from model.train import train as fit

        report = fit(data, out, seed=seed, epochs=epochs, device=device, log=lambda line: typer.echo(line, err=True))
        _show(figures_tables(report.figures), report.figures, as_json=not is_terminal())


def evaluate(
    context: typer.Context,
    data: _Data,
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the shipped one.")] = None,
    device: _Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable figures.")] = False,
    report: Annotated[Path | None, typer.Option(help="Folder for report.json, report.md and report.html.")] = None,
    recalibrate: Annotated[
        Path | None, typer.Option(help="New folder for a copy of the checkpoint, calibrated on these listings.")
    ] = None,
    engine: Annotated[
        EngineName | None, typer.Option(help="Measure with pictures seen by this engine, and its change against torch.")
    ] = None,
    precision: Annotated[PrecisionName, typer.Option(help="Of that engine.")] = "auto",
) -> None:
    """Measure a checkpoint on rows that training never saw; calibrate it on yours."""
    settings_of(context)
    with plain_errors():
        from model.evaluate import evaluate as measure
        from model.report import figures_tables, write_report

        chosen = None if engine is None and precision == "auto" else (engine or "auto", precision)
        figures = measure(checkpoint, data, device=device, engine=chosen)
        if recalibrate is not None:
            _recalibrate(checkpoint, data, device, recalibrate)
        if report is not None:
            write_report(report, figures, checkpoint.name if checkpoint else "hangtag-base")
        _show(figures_tables(figures), figures, as_json=as_json or not is_terminal())


def _quantise(folder: Path, data: Path) -> None:
    from model.precision import learn_int8_of

    found = learn_int8_of(folder, data, Path(".cache/features"), lambda line: typer.echo(line, err=True))
    report = {"points_changed": found.changes, "chosen_by_auto": found.is_harmless}
    typer.echo(json.dumps(report))


def _recalibrate(checkpoint: Path | None, data: Path, device: str, out: Path) -> None:
    from model.evaluate import features_of, measured_rows
    from model.recalibrate import recalibrate
    from model.weights import SHIPPED, load

    source = checkpoint or SHIPPED
    loaded, rows = load(source), measured_rows(data)
    done = recalibrate(source, loaded, features_of(loaded, rows, device, Path(".cache/features")), rows, out)
    typer.echo(f"{', '.join(done.attributes)} calibrated on {len(rows):,} listings: {done.folder}", err=True)


def _show(table: str, figures: object, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(figures))
    else:
        Console().print(Markdown(table))
