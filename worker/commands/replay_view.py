"""How a replay looks: tables and bars on a terminal, JSON lines on a pipe."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from schemas.deadletter import rfc3339, time_of
from worker.commands.shared import is_terminal
from worker.kafka.config import client_config
from worker.replays.bulk import BulkInput
from worker.replays.bulk_load import Loaded
from worker.replays.plan import Plan
from worker.replays.progress import ProgressReader, ReplayProgress, Report, Standing
from worker.settings import Settings

_LINE_SECONDS = 5.0


def show_input(source: BulkInput) -> None:
    """Which files, and how large."""
    files, num_bytes = len(source.files), sum(one.num_bytes for one in source.files)
    if is_terminal():
        Console().print(f"{files:,} files, {num_bytes / 1e6:,.1f} MB", highlight=False)
    else:
        typer.echo(json.dumps({"input_files": files, "input_bytes": num_bytes, "input_digest": source.digest}))


def show_loaded(loaded: Loaded) -> None:
    """How many listings are in their topic; on a terminal, on one line."""
    told = {"loaded_listings": loaded.listings, "too_large": loaded.too_large, "is_loaded": loaded.is_done}
    if not is_terminal():
        typer.echo(json.dumps(told))
        return
    left_out = f", {loaded.too_large:,} left out as too large for the broker" if loaded.too_large else ""
    Console().print(
        f"{loaded.listings:,} listings loaded{left_out}", highlight=False, end="\n" if loaded.is_done else "\r"
    )


def show_plan(plan: Plan, rate: float) -> None:
    """Each partition's stretch, then all together. ``rate``: listings a second; 0: unknown."""
    rows = [
        _row(one.partition, one.first, one.end, one.num_offsets, one.first_ms, one.last_ms) for one in plan.partitions
    ]
    firsts = [one.first_ms for one in plan.partitions if one.first_ms is not None]
    lasts = [one.last_ms for one in plan.partitions if one.last_ms is not None]
    total = {
        "plan": plan.name, "topic": plan.topic, "group": plan.group_id, "created_at": rfc3339(plan.created_at),
        "from": plan.request.start, "to": plan.request.end, "partitions": len(rows), "events_at_most": plan.num_offsets,
        "first_time": _time(min(firsts, default=None)), "last_time": _time(max(lasts, default=None)),
        "estimated_seconds": round(plan.num_offsets / rate) if rate else None,
    }  # fmt: skip
    if not is_terminal():
        for row in [*rows, total]:
            typer.echo(json.dumps(row))
        return
    console = Console()
    console.print(_table(rows), highlight=False)
    told = f"{plan.name}: {plan.num_offsets:,} events at most over {len(rows)} partitions, as the group {plan.group_id}"
    seconds = total["estimated_seconds"]
    duration = f"about {seconds:,} s at this rate" if seconds else "duration unknown until it runs"
    console.print(f"{told}, {duration}", highlight=False, soft_wrap=True)


def _row(partition: int, first: int, end: int, count: int, first_ms: int | None, last_ms: int | None) -> dict[str, Any]:
    return {
        "partition": partition, "first": first, "end": end, "events_at_most": count,
        "first_time": _time(first_ms), "last_time": _time(last_ms),
    }  # fmt: skip


def _time(at_ms: int | None) -> str | None:
    moment = time_of(at_ms)
    return rfc3339(moment) if moment else None


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(*(rows[0] if rows else ("nothing",)), box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            *("" if value is None else f"{value:,}" if isinstance(value, int) else str(value) for value in row.values())
        )
    return table


@contextmanager
def watched(plan: Plan) -> Iterator[Callable[[ReplayProgress, Mapping[str, Any]], None]]:
    """A bar per partition on a terminal; on a pipe one JSON line every few seconds."""
    if not is_terminal():
        yield _Lines(plan).show
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Bar(*columns, console=Console(stderr=True)) as bar:
        tasks = {
            one.partition: bar.add_task(f"partition {one.partition}", total=one.num_offsets) for one in plan.partitions
        }
        total = bar.add_task(plan.name, total=plan.num_offsets)

        def show(progress: ReplayProgress, counts: Mapping[str, Any]) -> None:
            for one in progress.partitions:
                bar.update(tasks[one.partition], completed=one.num_done)
            here = ", ".join(f"{name.replace('_', ' ')} {number:,.0f}" for name, number in counts.items())
            bar.update(total, completed=progress.num_done, description=f"{plan.name} (here: {here})")

        yield show


class _Lines:
    """Progress for a pipe."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._began: tuple[float, int] | None = None
        self._told_at = 0.0

    def show(self, progress: ReplayProgress, counts: Mapping[str, Any]) -> None:
        now = time.monotonic()
        began_at, began_with = self._began = self._began or (now, progress.num_done)
        if now - self._told_at < _LINE_SECONDS and not progress.is_done:
            return
        self._told_at = now
        rate = (progress.num_done - began_with) / (now - began_at) if now > began_at else 0.0
        left = progress.num_offsets - progress.num_done
        told = {
            "replay": self._plan.name, "done": progress.num_done, "offsets": progress.num_offsets,
            "partitions_done": sum(one.is_done for one in progress.partitions), "per_second": round(rate, 1),
            "eta_seconds": round(left / rate) if rate else None, "here": dict(counts),
        }  # fmt: skip
        typer.echo(json.dumps(told))


def show_report(settings: Settings, plan: Plan, report: Report) -> None:
    """How it ended: counts of this process, dead letters of the whole replay, and what to do about them."""
    dead_topic = (plan.request.output_prefix or "") + settings.kafka.topics.dead_letter
    dead = ProgressReader(client_config(settings.kafka)).dead_letters(plan, dead_topic) or Counter()
    told = {
        "replay": plan.name, "is_done": report.progress.is_done, "offsets": plan.num_offsets,
        "here": report.counts, "dead_letters": dict(dead),
        "remedy": _remedy(plan, dead_topic, dead, is_bulk=plan.topic != settings.kafka.input_topic),
    }  # fmt: skip
    if not is_terminal():
        typer.echo(json.dumps(told))
        return
    console = Console()
    state = "done" if report.progress.is_done else "stopped before its end; run the same command again to go on"
    here = ", ".join(f"{number:,.0f} {name.replace('_', ' ')}" for name, number in report.counts.items())
    console.print(f"[bold]{plan.name}[/]: {state}. This process: {here or 'nothing left to do'}.", highlight=False)
    if dead:
        reasons = ", ".join(f"{reason} {number:,}" for reason, number in dead.most_common())
        console.print(f"{dead.total():,} dead letters ({reasons}); {told['remedy']}", highlight=False, soft_wrap=True)


def show_standings(standings: Sequence[Standing]) -> None:
    """One row per replay."""
    rows = [_standing_row(one) for one in standings]
    if is_terminal():
        Console().print(_table(rows), highlight=False)
        return
    for row in rows:
        typer.echo(json.dumps(row))


def _standing_row(one: Standing) -> dict[str, Any]:
    eta = one.eta_seconds
    state = "done" if one.progress.is_done else "running" if one.per_second else "resting"
    return {
        "replay": one.plan.name, "state": state, "done": one.progress.num_done, "offsets": one.progress.num_offsets,
        "per_second": one.per_second and round(one.per_second, 1), "eta_seconds": None if eta is None else round(eta),
        "dead_letters": one.dead_letters, "from": one.plan.request.start, "to": one.plan.request.end,
        "created_at": rfc3339(one.plan.created_at), "done_at": rfc3339(one.done_at) if one.done_at else None,
    }  # fmt: skip


def _remedy(plan: Plan, topic: str, dead: Counter[str], *, is_bulk: bool) -> str | None:
    """What to do about failures. A shadow run's may not go to the live input: its results would be live ones; those of
    files came from no input that a redrive could go to.
    """
    if not dead:
        return None
    if is_bulk:
        return (
            f"see them: hangtag --set kafka.dead_letter_topic={topic} dlq ls; mend the files, replay as another --name"
        )
    if plan.request.output_prefix:
        return f"see them: hangtag --set kafka.dead_letter_topic={topic} dlq ls; then replay under another --name"
    return f"send them through again: hangtag dlq redrive --group {plan.group_id}"
