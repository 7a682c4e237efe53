"""``train`` and ``evaluate``: the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from worker.commands.shared import is_terminal, plain_errors, settings_of

_Data = Annotated[Path, typer.Option(help="Folder with the training data.", exists=True, file_okay=False)]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N, for the towers.")]


def train(
    context: typer.Context,
    data: _Data,
    out: Annotated[Path, typer.Option(help="Folder for the new checkpoint.")],
    seed: Annotated[int, typer.Option(help="Same seed, same data: same checkpoint.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data; default: 60.")] = None,
    device: _Device = "auto",
) -> None:
    """Fit a checkpoint and measure it. About ten minutes on two cores, most of it the picture tower."""
    settings_of(context)
    with plain_errors():
        from model.card import figures_table
        from model.train import train as fit

        report = fit(data, out, seed=seed, epochs=epochs, device=device, log=lambda line: typer.echo(line, err=True))
        _show(figures_table(report.figures), report.figures, as_json=not is_terminal())


def evaluate(
    context: typer.Context,
    data: _Data,
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the shipped one.")] = None,
    device: _Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable figures.")] = False,
) -> None:
    """Measure a checkpoint on rows that training never saw."""
    settings_of(context)
    with plain_errors():
        from model.card import figures_table
        from model.evaluate import evaluate as measure

        figures = measure(checkpoint, data, device=device)
        _show(figures_table(figures), figures, as_json=as_json or not is_terminal())


def _show(table: str, figures: object, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(figures))
    else:
        Console().print(Markdown(table))
