"""How a replay looks: tables and bars on a terminal, JSON lines on a pipe."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from schemas.deadletter import rfc3339, time_of
from worker.commands.shared import is_terminal
from worker.replay_plan import Plan


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
