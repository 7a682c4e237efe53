"""``compare``: a shadow run's results held against the live ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from worker.commands.shared import is_terminal, kafka_settings_of, plain_errors


def compare(
    context: typer.Context,
    prefix: Annotated[str, typer.Option(help="The shadow run's --output-prefix.")],
    out: Annotated[Path | None, typer.Option(help="Also write a page with examples: FILE.html.")] = None,
    examples: Annotated[int, typer.Option(min=0, help="Of each kind of difference, at most.")] = 20,
) -> None:
    """Per tag: same, changed, gained, lost. Reads live and shadow topics whole; changes nothing."""
    settings = kafka_settings_of(context)
    with plain_errors():
        from worker.errors import FatalError, UsageError
        from worker.kafka.config import client_config
        from worker.shadow.page import to_page
        from worker.shadow.topics import compare_topics

        if not prefix:
            raise UsageError("--prefix is empty: live results would be held against themselves")
        if out is not None and not out.parent.is_dir():  # not after both sides' topics were read
            raise UsageError(f"--out {out}: there is no folder {out.parent}; make it, or name another")
        names = settings.kafka.topics
        pairs = {live: prefix + live for live in (names.attributes, names.scenes, names.texts)}
        found = compare_topics(client_config(settings.kafka), pairs, examples)
        if not found.num_compared and not found.num_without_live:
            raise FatalError(f"there are no results under the prefix {prefix!r}; topics: {', '.join(pairs.values())}")
        if out is not None:
            out.write_text(to_page(found, prefix), encoding="utf-8")
        told = {"compared": found.num_compared, "without_live": found.num_without_live}
        rows = list(found.rows())
        if not is_terminal():
            for row in [*rows, told]:
                typer.echo(json.dumps(row))
            return
        table = Table(*(rows[0] if rows else ("nothing to compare",)), box=None, pad_edge=False)
        for row in rows:
            table.add_row(*map(str, row.values()))
        Console().print(table, f"{found.num_compared:,} pairs; {found.num_without_live:,} without a live counterpart")
