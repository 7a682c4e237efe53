"""``train`` and ``evaluate``: the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markdown import Markdown

from worker.commands.fit_progress import shown_progress
from worker.commands.idle_options import refuse_idle
from worker.commands.shared import is_terminal, plain_errors, settings_of

if TYPE_CHECKING:
    from model.training.preset import Preset  # imports torch

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
    out: Annotated[
        Path | None, typer.Option(help="New folder for the checkpoint; a killed run goes on where it was.")
    ] = None,
    preset: Annotated[
        str, typer.Option(help="What to train: gated, concatenation, cross_attention, residual, stacking, all, a, b, …")
    ] = "gated",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Same seed, same data: same checkpoint.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the data, all of them. Default: early stopping.")
    ] = None,
    device: _Device = "auto",
    image_tower: Annotated[
        str | None, typer.Option(help="KIND:[NAME=]SOURCE[,OPTION=VALUE], see docs/model.md. Default: the preset's.")
    ] = None,
    text_tower: Annotated[str | None, typer.Option(help="The same for titles; lstm learns one here.")] = None,
    quantise: Annotated[
        Path | None,
        typer.Option(help="Fit nothing: measure int8 for the checkpoint in this folder, write it there."),
    ] = None,
) -> None:
    """Fit a checkpoint and measure it. About half an hour on two cores."""
    settings_of(context)
    if (out is None) == (quantise is None):
        raise typer.BadParameter("name a folder: --out for a new checkpoint, or --quantise for one that is there")
    for name, tower in (("--image-tower", image_tower), ("--text-tower", text_tower)):
        if tower == "":  # of a script's variable that is not set: the preset's would be trained with unseen
            raise typer.BadParameter(f"{name} is empty; name a tower, or leave it out for the preset's")
    if quantise is not None:
        refuse_idle(context, "with --quantise")
    with plain_errors(), shown_progress() as (log, progress):
        if out is None or quantise is not None:
            assert quantise is not None  # noqa: S101  # one of the two is there
            _quantise(quantise, data)
            return
        from model.training.preset import load_preset

        chosen = load_preset(preset)
        if chosen.kind == "reference":
            refuse_idle(context, "with a reference model's --preset")
        how: dict[str, Any] = {"seed": seed, "epochs": epochs, "log": log, "progress": progress}
        if chosen.kind == "tagger":
            how |= {"device": device, "image_tower": image_tower, "text_tower": text_tower}
        figures, table = _fit(data, out, chosen, how)
    _show(table, figures, as_json=not is_terminal())


_Shown = tuple[Mapping[str, Any], str]  # figures, and their tables as Markdown


def _fit(data: Path, out: Path, preset: Preset, how: Mapping[str, Any]) -> _Shown:
    if preset.kind == "reference":
        from model.reference.card import reference_tables
        from model.reference.train import train_reference

        measured = train_reference(data, out, preset, **how)
        return measured, reference_tables(measured)
    from model.measuring.report import figures_tables
    from model.train import train as fit

    figures = fit(data, out, preset=preset, **how).figures
    return figures, figures_tables(figures)


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


_HeldOut = Annotated[
    bool,
    typer.Option(
        "--held-out", help="Instead, leave families, the largest brands and a source out of training and ask."
    ),
]
_Epochs = Annotated[
    int,
    typer.Option(min=1, help="Passes of each fit, with --ablation and --held-out; the shipped preset makes up to 36."),
]
_Fusions = Annotated[
    str,
    typer.Option(help="Which to compare with --ablation, with commas between. Default: all; cross_attention is dear."),
]


_AllRows = Annotated[
    bool,
    typer.Option(
        "--all-rows",
        help="Of a file, also rows that its split says to train on or the checkpoint was trained on: these flatter.",
    ),
]


def evaluate(
    context: typer.Context,
    data: _Data,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Default: model.checkpoint of the settings, else the shipped one.")
    ] = None,
    device: _Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable figures.")] = False,
    report: Annotated[Path | None, typer.Option(help="Folder for report.json, report.md and report.html.")] = None,
    recalibrate: Annotated[
        Path | None, typer.Option(help="New folder for a copy of the checkpoint, calibrated on these listings.")
    ] = None,
    ablation: Annotated[
        bool,
        typer.Option("--ablation", help="Instead, train every fusion on the checkpoint's towers and compare them."),
    ] = False,
    held_out: _HeldOut = False,
    seeds: Annotated[int, typer.Option(min=1, help="Of each fusion, with --ablation.")] = 3,
    epochs: _Epochs = 18,
    fusions: _Fusions = "",
    engine: Annotated[
        EngineName | None, typer.Option(help="Measure with pictures seen by this engine, and its change against torch.")
    ] = None,
    precision: Annotated[PrecisionName, typer.Option(help="Of that engine.")] = "auto",
    all_rows: _AllRows = False,
) -> None:
    """Measure a checkpoint on rows that training never saw; calibrate it on yours; compare fusions and brands."""
    settings = settings_of(context)
    with plain_errors():
        from model.place import locate
        from model.reference.config import is_reference

        folder = checkpoint or locate(settings.model.checkpoint)
        device = settings.model.device if device == "auto" else device
        measures_reference = is_reference(folder)
        refuse_idle(context, _way(ablation=ablation, held_out=held_out, of_reference=measures_reference))
        _check_folders(folder, report, recalibrate)
        if ablation:
            how = {"device": device, "num_seeds": seeds, "epochs": epochs}
            figures, table = _ablation(folder, data, fusions, how, report)
        elif held_out:
            figures, table = _held_out(folder, data, device, epochs, report)
        elif measures_reference:
            figures, table = _reference(folder, data, all_rows=all_rows)
        else:
            chosen = None if engine is None and precision == "auto" else (engine or "auto", precision)
            asked: dict[str, Any] = {"device": device, "engine": chosen, "all_rows": all_rows}
            asked["targets"] = settings.model.precision_targets
            figures, table = _tagger(folder, data, asked, recalibrate, report)
        _show(table, figures, as_json=as_json or not is_terminal())


def _check_folders(checkpoint: Path, report: Path | None, recalibrate: Path | None) -> None:
    """Before any work: what is measured would be lost where it cannot be written. Raises BadParameter, OSError,
    CheckpointError.
    """
    from model.place import locate

    if recalibrate is not None and recalibrate.exists():
        raise typer.BadParameter(f"--recalibrate: {recalibrate} exists; name a new folder")
    if report is not None and report.exists() and not report.is_dir():
        raise typer.BadParameter(f"--report: {report} is a file; name a folder")
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
    locate(str(checkpoint))


def _way(*, ablation: bool, held_out: bool, of_reference: bool) -> str:
    """What is measured, as `worker.commands.idle_options` calls it."""
    if ablation:
        return "with --ablation"
    if held_out:
        return "with --held-out"
    return "with a reference model's --checkpoint" if of_reference else "without --ablation or --held-out"


def _ablation(checkpoint: Path, data: Path, fusions: str, how: Mapping[str, Any], report: Path | None) -> _Shown:
    from model.measuring.ablation import ablate
    from model.measuring.ablation_figures import ablation_tables

    asked = tuple(dict.fromkeys(name.strip() for name in fusions.split(",") if name.strip()))
    if fusions and not asked:
        raise typer.BadParameter(f"--fusions: {fusions!r} names none; leave it out to compare all")
    chosen = {**how, "fusions": asked} if asked else how
    with shown_progress() as (log, progress):
        figures = ablate(data, checkpoint=checkpoint, log=log, progress=progress, **chosen)
    return _kept(report, "ablation", figures, ablation_tables(figures))


def _held_out(checkpoint: Path, data: Path, device: str, epochs: int, report: Path | None) -> _Shown:
    from model.measuring.held_out import held_out_tables, hold_out

    with shown_progress() as (log, progress):
        figures = hold_out(data, checkpoint=checkpoint, device=device, epochs=epochs, log=log, progress=progress)
    return _kept(report, "held-out", figures, held_out_tables(figures))


def _kept(folder: Path | None, name: str, figures: Mapping[str, Any], table: str) -> _Shown:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.md").write_text(table, encoding="utf-8")
        (folder / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return figures, table


def _reference(checkpoint: Path, data: Path, *, all_rows: bool) -> _Shown:
    from model.reference.card import reference_tables
    from model.reference.measure import evaluate_reference

    figures = evaluate_reference(checkpoint, data, all_rows=all_rows, warn=_say)
    return figures, reference_tables(figures)


def _tagger(
    checkpoint: Path, data: Path, asked: Mapping[str, Any], recalibrate: Path | None, report: Path | None
) -> _Shown:
    """``asked``: arguments of `model.evaluate.evaluate`."""
    from model.evaluate import evaluate as measure
    from model.measuring.report import figures_tables, write_report
    from model.place import SHIPPED

    figures = measure(checkpoint, data, warn=_say, **asked)
    if report is not None:  # first, as listings that measure may be too few to calibrate
        write_report(report, figures, "hangtag-base" if checkpoint == SHIPPED else checkpoint.resolve().name)
    if recalibrate is not None:
        _recalibrate(checkpoint, data, asked["device"], recalibrate)
    return figures, figures_tables(figures)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _quantise(folder: Path, data: Path) -> None:
    from model.measuring.precision import learn_int8_of
    from model.place import locate

    found = learn_int8_of(locate(str(folder)), data, Path(".cache/features"), lambda line: typer.echo(line, err=True))
    compared = {"listings_compared": found.compared, "chosen_by_auto": found.is_harmless}
    report = {"points_changed": found.changes, **compared}
    typer.echo(json.dumps(report))


def _recalibrate(source: Path, data: Path, device: str, out: Path) -> None:
    from model.measuring.asked import features_of
    from model.measuring.chosen_rows import rows_to_calibrate
    from model.measuring.recalibrate import recalibrate
    from model.weights import load

    loaded, rows = load(source), rows_to_calibrate(data, source)
    features = features_of(loaded, rows, device, Path(".cache/features"))
    done = recalibrate(source, loaded, features, rows, out, data=data)
    for change in done.changes:
        typer.echo(change.words, err=True)
    told = ", ".join(f"{name} on {count:,} listings" for name, count in done.rows.items())
    typer.echo(f"calibrated {told}: {done.folder}", err=True)
    typer.echo(f"the figures of this run are those of {source} as it was, not of {done.folder}", err=True)
    for note in done.notes:
        typer.echo(f"left out: {note}", err=True)


def _show(table: str, figures: object, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(figures))
    else:
        Console().print(Markdown(table))
