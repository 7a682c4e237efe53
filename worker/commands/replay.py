"""``replay``: a bounded stretch of the input topic once more, by a group of its own."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated

import typer

from worker.commands.shared import is_terminal, kafka_settings_of, plain_errors
from worker.errors import UsageError
from worker.machine.quick_imports import quick_imports
from worker.replays.plan import Plan, Request, check_only
from worker.replays.where import canonical
from worker.settings import Settings
from worker.telemetry.logs import configure_logging

Name = Annotated[
    str, typer.Option("--name", "--group", help="The replay's name; processes that share it share the work.")
]
Start = Annotated[str | None, typer.Option("--from", help="earliest, latest, a time, -7d, an offset, or 0:100,1:250.")]
Source = Annotated[
    str | None, typer.Option("--input", help="Instead of the topic: a file, a folder or a URL of JSON lines, Parquet.")
]
End = Annotated[str | None, typer.Option("--to", help="The same; default: latest, as of now.")]
Partitions = Annotated[str | None, typer.Option(help="Comma-separated; default: all.")]
Only = Annotated[str | None, typer.Option(help="Publish only these: attributes, scenes, texts.")]
Conditions = Annotated[
    list[str] | None,
    typer.Option("--where", help="title~WORDS, type=VALUE, untagged=REVISION; several: all must hold."),
]
Prefix = Annotated[
    str | None, typer.Option(help="A shadow run: results and dead letters go to topics with this prefix.")
]
Superseded = Annotated[
    bool | None, typer.Option("--include-superseded", help="Also records that a later one of their key replaced.")
]
Rate = Annotated[float, typer.Option(min=0, help="Listings a second of this process; 0: no limit.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a plan that is there; never make one.")]
Freeze = Annotated[bool, typer.Option("--freeze", help="Make the plan and stop: for run --backfill NAME.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show the plan.")]
Status = Annotated[bool, typer.Option("--status", help="Show every replay known, and do nothing.")]


def replay(
    context: typer.Context, name: Name = "", start: Start = None, end: End = None, partitions: Partitions = None,
    source: Source = None, only: Only = None, where: Conditions = None, output_prefix: Prefix = None,
    include_superseded: Superseded = None,
    rate: Rate = 0.0, resume: Resume = False, freeze: Freeze = False, dry_run: DryRun = False, status: Status = False,
) -> None:  # fmt: skip
    """Tag a stretch of the input topic again. Run the same command again to go on after a kill."""
    settings = kafka_settings_of(context)
    with plain_errors():
        from worker.commands.replay_view import show_plan, show_standings
        from worker.replay import check_words, find_plan, standings

        if status:
            show_standings(standings(settings))
            return
        if source and (start or end or partitions):
            raise UsageError("--input takes all that lies there: leave --from, --to and --partitions away")
        start = "earliest" if source else start
        request = Request(start, end, partitions, check_only(only), output_prefix, include_superseded, canonical(where))
        if not name and start is None:
            raise UsageError("say --from to plan a replay, or --name to go on with one; --status shows those known")
        name = name or _name_of(request, source)
        check_words(name, request)
        if source:
            _load(settings, name, source, is_dry=dry_run)
            if dry_run:
                return
        plan = find_plan(settings, name, request, must_exist=resume, is_dry=dry_run, is_bulk=bool(source))
        show_plan(plan, rate)
        if not (dry_run or freeze):
            raise typer.Exit(_run(settings, plan, rate))


def _name_of(request: Request, source: str | None) -> str:
    """The same words, the same replay; so that the same command goes on where it was."""
    words = repr(request.completed()) + (source or "")
    return f"replay-{sha256(words.encode()).hexdigest()[:8]}"


def _load(settings: Settings, name: str, source: str, *, is_dry: bool) -> None:
    """Files into their topic, or only what is there."""
    from worker.commands.replay_view import show_input, show_loaded
    from worker.replay import load_input
    from worker.replays.bulk import open_input

    files = open_input(source)
    show_input(files)
    if not is_dry:
        load_input(settings, name, files, show_loaded)


def _run(settings: Settings, plan: Plan, rate: float) -> int:
    with quick_imports():
        from worker.app import Worker
        from worker.commands.replay_view import show_report, watched
        from worker.models import ShippedModels
        from worker.replay import run_replay
        from worker.replays.backfill import Backfill

    def make(changed: Settings, backfill: Backfill) -> Worker:
        return Worker(changed, ShippedModels(changed), backfill=backfill)

    if is_terminal():  # the bars say it; what is logged would run through them
        configure_logging("warning", settings.log.format, secrets=settings.secrets)
    with watched(plan) as show:
        report = run_replay(settings, plan, make, rate=rate, show=show)
    show_report(settings, plan, report)
    return report.exit_code
