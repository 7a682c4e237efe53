"""``--version``, ``config show``, ``schemas export``, ``metrics``, ``doctor``: what is, and whether it is well."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from worker.commands.shared import is_terminal, kafka_settings_of, plain_errors, settings_of
from worker.errors import FatalError
from worker.settings import keys
from worker.sources import masked

config_app = typer.Typer(help="Settings.", no_args_is_help=True)
schemas_app = typer.Typer(help="The wire contract.", no_args_is_help=True)

_MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}


def versions(context: typer.Context) -> None:
    """Versions of the program, of the contract, and of the checkpoint that the settings name."""
    settings = settings_of(context)
    with plain_errors():
        from worker.versions import find_versions

        found = find_versions(settings.model.checkpoint)
    if not is_terminal():
        typer.echo(json.dumps(asdict(found)))
        return
    typer.echo(f"hangtag {found.program}\nschemas {found.schemas}: {', '.join(found.events)}")
    typer.echo(f"checkpoint {found.checkpoint} {found.digest}")


@config_app.command("show")
def show_config(context: typer.Context) -> None:
    """Every setting as resolved, secrets masked."""
    found = masked(settings_of(context))
    if not is_terminal():
        typer.echo(json.dumps(found))
        return
    table = Table("setting", "value", "meaning", box=None, pad_edge=False)
    for key, field in keys().items():
        table.add_row(key, json.dumps(found[key]), field.description or "", end_section=False)
    Console().print(table)


@schemas_app.command("export")
def export_schemas(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Created if it is not there.")]) -> None:
    """Write JSON Schemas of all events and one AsyncAPI document."""
    with plain_errors():
        from schemas.export import export

        for path in export(folder):
            typer.echo(path)


@schemas_app.command("register")
def register_schemas(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="Of a registry that speaks Confluent's API.")],
    check: Annotated[bool, typer.Option("--check", help="Only say what would come of it.")] = False,
    ca: Annotated[str, typer.Option(metavar="FILE", help="The authority that signed its certificate.")] = "",
) -> None:
    """Put the schemas of all topics into a Schema Registry, all or none; exit code 1 when it refuses one."""
    settings = settings_of(context)
    with plain_errors():
        try:
            from worker.kafka.registry import Registry, subjects
        except ImportError as error:
            raise FatalError(f"{error.name} is not installed: pip install 'hangtag[registry]'") from error

        wanted, registry = subjects(settings.kafka.topics), Registry(url, ca)
        answers = registry.check(wanted) if check else registry.register(wanted)
    for one in answers:
        name, level = one.subject.name, one.subject.level
        if is_terminal():
            typer.echo(f"{one.outcome:8} {name} version {one.version}, {level}")
        else:
            typer.echo(json.dumps({"subject": name, "level": level, "outcome": one.outcome, "version": one.version}))
    if any(one.outcome == "refused" for one in answers):
        typer.echo(
            "nothing was registered: a change of this kind is a new version of the event, see docs/versioning.md",
            err=True,
        )
        raise typer.Exit(1)


def metrics() -> None:
    """Print every metric with kind, unit, labels and meaning, as Markdown."""
    from worker.telemetry.metrics_page import page

    typer.echo(page(), nl=False)


def doctor(context: typer.Context) -> None:
    """Check broker, topics, cache, checkpoint and device; say what to do about each failure."""
    settings = kafka_settings_of(context)
    from worker.doctor import examine

    has_failed = False
    console = Console()
    for finding in examine(settings):
        has_failed |= finding.level == "fail"
        if is_terminal():
            console.print(_MARKS[finding.level].ljust(20), f"[bold]{finding.subject}[/]", finding.words, soft_wrap=True)
        else:
            typer.echo(json.dumps({"level": finding.level, "subject": finding.subject, "words": finding.words}))
    raise typer.Exit(1 if has_failed else 0)
