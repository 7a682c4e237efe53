"""``hangtag``: the commands. Each lives in `worker.commands`; this file only lists them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.commands import dlq, kafka, learn, samples, show, work
from worker.commands.bench import bench
from worker.commands.compare import compare
from worker.commands.replay import replay
from worker.commands.shared import Sources
from worker.commands.simulate import simulate

app = typer.Typer(
    name="hangtag",
    help="Tags marketplace listings: Kafka in, pictures and words through a multimodal model, enriched events out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(context: typer.Context, wanted: bool) -> None:
    """The options that say where settings come from are eager, so they are known here: they name the checkpoint."""
    if wanted:
        context.obj = Sources(context.params.get("config"), tuple(context.params.get("set_") or ()))
        show.versions(context)
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(envvar="HANGTAG_CONFIG", help="TOML file with settings, one table per group.", is_eager=True),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting; may be given several times.", is_eager=True),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Program, schemas and checkpoint.", callback=_print_version)
    ] = False,
) -> None:
    """Settings come from --set, then the environment (HANGTAG_KAFKA__GROUP_ID), then --config, then defaults."""
    context.obj = Sources(config, tuple(set_ or ()))


app.command("run", rich_help_panel="Work")(work.run)
app.command("replay", rich_help_panel="Work")(replay)
app.command("compare", rich_help_panel="Work")(compare)
app.command("tag", rich_help_panel="Work")(work.tag)
app.command("demo", rich_help_panel="Work")(work.demo)
app.command("train", rich_help_panel="Model")(learn.train)
app.command("evaluate", rich_help_panel="Model")(learn.evaluate)
app.command("add-pair", rich_help_panel="Model")(learn.add_pair)
app.command("bench", rich_help_panel="Operate")(bench)
app.command("simulate", rich_help_panel="Operate")(simulate)
app.command("doctor", rich_help_panel="Operate")(show.doctor)
app.command("metrics", rich_help_panel="Operate")(show.metrics)
app.add_typer(show.config_app, name="config", rich_help_panel="Operate")
app.add_typer(show.schemas_app, name="schemas", rich_help_panel="Operate")
app.add_typer(kafka.topics_app, name="topics", rich_help_panel="Operate")
app.add_typer(kafka.offsets_app, name="offsets", rich_help_panel="Operate")
app.add_typer(samples.samples_app, name="samples", rich_help_panel="Work")
app.add_typer(dlq.dlq_app, name="dlq", rich_help_panel="Operate")


def main() -> None:
    """Entry point of the console script."""
    app()
