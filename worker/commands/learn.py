"""``train`` and ``evaluate``: the model."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from worker.commands.shared import is_terminal, plain_errors, settings_of

_Data = Annotated[
    Path,
    typer.Option(help="Folder with the training data, or a .jsonl or .csv file of your own listings."),
]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N, for the towers.")]


def train(
    context: typer.Context,
    data: _Data,
    out: Annotated[Path, typer.Option(help="Folder for the new checkpoint.")],
    seed: Annotated[int, typer.Option(help="Same seed, same data: same checkpoint.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data; default: 18.")] = None,
    device: _Device = "auto",
    image_tower: Annotated[
        str, typer.Option(help="Short name or KIND:[NAME=]SOURCE[,OPTION=VALUE]; docs/model.md has the kinds.")
    ] = "efficientnet-lite0",
    text_tower: Annotated[str, typer.Option(help="The same for titles; lstm learns one here.")] = "all-MiniLM-L6-v2",
) -> None:
    """Fit a checkpoint and measure it. About half an hour on two cores."""
    settings_of(context)
    with plain_errors():
        from model.report import figures_tables
        from model.train import train as fit

        report = fit(
            data,
            out,
            seed=seed,
            epochs=epochs,
            device=device,
            log=partial(typer.echo, err=True),
            image_tower=image_tower,
            text_tower=text_tower,
        )
        _show(figures_tables(report.figures), report.figures, as_json=not is_terminal())


def add_pair(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="Folder of a CLIP or SigLIP model, or its hub id, org/name@<commit>.")],
    out: Annotated[Path, typer.Option(help="Folder for the new checkpoint.")],
    checkpoint: Annotated[Path | None, typer.Option(help="The one to add it to; default: the shipped one.")] = None,
) -> None:
    """Add a pair of towers to a checkpoint: it answers attributes that the taxonomy declares by prompts."""
    settings_of(context)
    with plain_errors():
        from model.towers.add_pair import add_pair as add
        from model.weights import SHIPPED

        done = add(checkpoint or SHIPPED, source, out)
        typer.echo(f"{source}: {done}", err=True)


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
) -> None:
    """Measure a checkpoint on rows that training never saw; calibrate it on yours."""
    settings_of(context)
    with plain_errors():
        from model.evaluate import evaluate as measure
        from model.report import figures_tables, write_report

        figures = measure(checkpoint, data, device=device)
        if recalibrate is not None:
            _recalibrate(checkpoint, data, device, recalibrate)
        if report is not None:
            write_report(report, figures, checkpoint.name if checkpoint else "hangtag-base")
        _show(figures_tables(figures), figures, as_json=as_json or not is_terminal())


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
