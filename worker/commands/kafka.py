"""``topics plan/create`` and ``offsets show/reset``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from worker.commands.shared import is_terminal, kafka_settings_of, plain_errors

_USUAL_PARTITIONS = 12

topics_app = typer.Typer(help="The topics that hangtag needs.", no_args_is_help=True)
offsets_app = typer.Typer(help="Where the group stands.", no_args_is_help=True)

_Partitions = Annotated[
    int | None,
    typer.Option(min=1, help="Of the input topic; outputs get as many. Default: as the input topic has, else 12."),
]
_Replicas = Annotated[int, typer.Option(min=-1, help="Copies of each partition; -1: the broker's default.")]


@topics_app.command("plan")
def plan_topics(context: typer.Context, partitions: _Partitions = None, replication_factor: _Replicas = -1) -> None:
    """Show the topics that are needed, what is there, and how it differs. Changes nothing."""
    _topics(context, partitions, replication_factor, is_dry=True)


@topics_app.command("create")
def create_topics(context: typer.Context, partitions: _Partitions = None, replication_factor: _Replicas = -1) -> None:
    """Create the topics that are missing; those that exist stay as they are, and what they lack is said."""
    _topics(context, partitions, replication_factor, is_dry=False)


@offsets_app.command("show")
def show_offsets(context: typer.Context) -> None:
    """Committed offset, log, lag and listings finished beyond the offset, per partition."""
    settings = kafka_settings_of(context)
    with plain_errors():
        from worker.kafka.admin import Admin

        _print([asdict(place) for place in Admin(settings.kafka).offsets()])


@offsets_app.command("reset")
def reset_offsets(
    context: typer.Context,
    to: Annotated[str, typer.Option(help="earliest, latest, an RFC 3339 time, or an offset.")],
    partitions: Annotated[str, typer.Option(help="Comma-separated; default: all.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be.")] = False,
) -> None:
    """Move the group. Refused while a worker of the group runs."""
    settings = kafka_settings_of(context)
    with plain_errors():
        from worker.kafka.admin import Admin, parse_partitions

        places = Admin(settings.kafka).reset(to, parse_partitions(partitions), is_dry=dry_run)
        _print([{**asdict(place), "dry_run": dry_run} for place in places])


def _topics(context: typer.Context, partitions: int | None, replication_factor: int, *, is_dry: bool) -> None:
    settings = kafka_settings_of(context)
    with plain_errors():
        from worker.kafka.admin import Admin, planned_topics

        admin = Admin(settings.kafka)
        if partitions is None:
            partitions = admin.num_partitions() if admin.has_input() else _USUAL_PARTITIONS
        _print(admin.apply(planned_topics(settings.kafka, partitions, replication_factor), is_dry=is_dry))


def _print(rows: Sequence[dict[str, Any]]) -> None:
    if not is_terminal():
        for row in rows:
            typer.echo(json.dumps(row))
        return
    table = Table(*(rows[0] if rows else ("nothing",)), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)
