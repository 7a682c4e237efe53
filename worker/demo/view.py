"""What the demo shows while it runs: a live table on a terminal, JSON lines on a pipe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from worker.demo.progress import DemoProgress, Row, Summary, TagCell

_STYLES = {"accepted": "green", "suggested": "yellow", "abstained": "dim", "not_applicable": "dim"}
_HONEST = (
    "Exactly-once is not what this shows: the embedded broker keeps no offsets of transactions. "
    "`make test` proves it on a real Kafka."
)


class View(Protocol):
    """Where progress goes. All methods run on the event loop."""

    def open(self, progress: DemoProgress) -> None:
        """Begin to show."""
        ...

    def update(self, progress: DemoProgress, row: Row | None) -> None:
        """Something moved; ``row`` is there when a listing ended."""
        ...

    def close(self) -> None:
        """Show no more progress."""
        ...

    def summary(self, summary: Summary, files: tuple[Path, ...]) -> None:
        """Say what it came to, and which files were written."""
        ...


class JsonView:
    """Plain JSON lines: one per phase and listing, then the summary."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._phase = ""

    def open(self, progress: DemoProgress) -> None:
        """Nothing to prepare."""
        self.update(progress, None)

    def update(self, progress: DemoProgress, row: Row | None) -> None:
        """One line for a new phase, one for a listing that ended."""
        if progress.phase != self._phase:
            self._phase = progress.phase
            self._write({"type": "phase", "phase": progress.phase})
        if row is not None:
            self._write({"type": "listing", **asdict(row)})

    def close(self) -> None:
        """Nothing is held."""

    def summary(self, summary: Summary, files: tuple[Path, ...]) -> None:
        """The last line."""
        self._write(summary.to_json() | {"files": [str(path) for path in files]})

    def _write(self, line: dict[str, object]) -> None:
        self._out.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._out.flush()


class TerminalView:
    """A bar and a table that move, then tables that stay."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=8, transient=True)

    def open(self, progress: DemoProgress) -> None:
        """Take over the lower end of the terminal."""
        self._live.start()
        self.update(progress, None)

    def update(self, progress: DemoProgress, row: Row | None) -> None:
        """Redraw."""
        self._live.update(Group(_bar(progress), _rows(progress.rows)))

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()

    def summary(self, summary: Summary, files: tuple[Path, ...]) -> None:
        """What stays on the screen."""
        rate = summary.listings / summary.seconds if summary.seconds else 0.0
        head = f"{summary.listings} listings in {summary.seconds:.1f} s ({rate:.1f}/s): {summary.tagged} tagged, "
        self._console.print(Text(head + f"{sum(summary.dead_letters.values())} dead letters", style="bold"))
        for table in (_counts(summary), _stages(summary)):
            self._console.print(table)
            self._console.print()
        if summary.missing:
            self._console.print(Text(f"not ended: {', '.join(summary.missing[:20])}", style="bold red"))
        self._console.print(Text(_HONEST, style="dim"))
        for path in files:
            self._console.print(Text(f"written: {path}"), soft_wrap=True)


def _bar(progress: DemoProgress) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    done = f"{progress.num_ended}/{progress.num_listings}"
    bar = ProgressBar(total=max(progress.num_listings, 1), completed=progress.num_ended, width=40)
    events = f"{progress.events.total()} events, {progress.reasons.total()} dead letters"
    grid.add_row(Text(progress.phase, style="bold"), bar, done, Text(events, style="dim"))
    return grid


def _rows(rows: Iterable[Row]) -> Table:
    table = Table(expand=True, box=None, header_style="dim", pad_edge=False)
    table.add_column("listing", no_wrap=True, width=16, overflow="ellipsis")
    table.add_column("title", no_wrap=True, ratio=5, overflow="ellipsis")
    for name in ("product type", "color", "material", "scene"):
        table.add_column(name, no_wrap=True, ratio=3, overflow="ellipsis")
    table.add_column("text", no_wrap=True, ratio=2, overflow="ellipsis")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> list[Text]:
    head = [Text(row.listing), Text(row.title or "(no title)", style="" if row.title else "dim")]
    if row.reason:
        return [*head, Text(row.reason, style="red"), Text(row.detail, style="dim"), Text(), Text(), Text()]
    tags = [_cell(row.tags.get(name)) for name in ("product_type", "color", "material", "scene")]
    read = ", ".join(row.prices) or (f"{row.num_lines} lines" if row.num_lines else "")
    return [*head, *tags, Text(read)]


def _cell(cell: TagCell | None) -> Text:
    if cell is None:
        return Text("–", style="dim")
    return Text(f"{cell.label} {cell.score:.2f}", style=_STYLES.get(cell.status, ""))


def _counts(summary: Summary) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 3, 0, 0))
    table.add_row()
    table.add_row(_group("events per topic", summary.events), _group("dead letters by reason", summary.dead_letters))
    batches = {
        "batches": str(summary.batches),
        "listings per batch": f"{summary.listings_per_batch:.1f}",
        "pictures per batch": f"{summary.pictures_per_batch:.1f}",
    }
    table.add_row()
    table.add_row(_group(f"title cache: {summary.cache_hits} hits", summary.cache), _group("batches", batches))
    return table


def _group(title: str, counts: Mapping[str, int | str]) -> Group:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, count in counts.items():
        table.add_row(Text(name), Text(str(count), justify="right"))
    return Group(Text(title, style="bold", no_wrap=True), table)


def _stages(summary: Summary) -> Table:
    table = Table(title="seconds per stage", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("stage", "times", "mean", "total"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for name, time in summary.stages.items():
        table.add_row(name, str(time.times), f"{time.mean_seconds:.3f}", f"{time.total_seconds:.1f}")
    return table
