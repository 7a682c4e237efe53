"""A suite's rows as a table: Markdown for ``docs/results/``, aligned text for a terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.reliability.suite import Row

_FOLDER = Path(__file__).parents[2] / "docs" / "results"
_MARKS = {True: "holds", False: "MISSED", None: "no bar"}


def to_text(rows: Sequence[Row]) -> str:
    """For a terminal or a log."""
    widths = [max(len(cell) for cell in column) for column in zip(*map(_cells, rows), strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(_cells(row), widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def to_markdown(title: str, command: str, rows: Sequence[Row], *, seconds: float) -> str:
    """A page that says what was run, when, on what, and what came of it."""
    head = (
        f"# {title}\n\n`{command}`, {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {seconds / 60:.0f} min\n\n"
        "| Property | Bar | Measured | |\n|---|---|---|---|\n"
    )
    return head + "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in _cells(row)) + " |\n" for row in rows)


def write(name: str, page: str) -> Path:
    """Put a suite's page where results lie."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    path = _FOLDER / f"reliability-{name}.md"
    path.write_text(page, encoding="utf-8")
    return path


def _cells(row: Row) -> tuple[str, str, str, str]:
    return row.what, row.bar, row.found, _MARKS[row.holds]
