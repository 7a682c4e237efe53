"""A bench's figures for a terminal, and as Markdown, JSON and an SVG chart under ``docs/results/``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from tests.bench.figure import Figure

FOLDER = Path(__file__).parents[2] / "docs" / "results"
_MARKS = {True: "holds", False: "MISSED", None: "no bar"}
_COLOURS = {True: "#2e7d32", False: "#c62828", None: "#607d8b"}
_ROW, _LEFT, _WIDE, _MOST = 26, 560, 300, 2.0


def to_text(figures: Sequence[Figure]) -> str:
    """Aligned, for a terminal or a log."""
    rows = [_cells(figure) for figure in figures]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def write(found: Mapping[str, Sequence[Figure]], titles: Mapping[str, str], command: str, seconds: float) -> list[Path]:
    """``bench.md``, ``bench.json`` and ``bench.svg``."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    head = f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {seconds / 60:.0f} min"
    pages = {
        "bench.md": _markdown(found, titles, head),
        "bench.json": _json(found, head),
        "bench.svg": _svg([figure for figures in found.values() for figure in figures if figure.bar]),
    }
    for name, page in pages.items():
        (FOLDER / name).write_text(page, encoding="utf-8")
    return [FOLDER / name for name in pages]


def _markdown(found: Mapping[str, Sequence[Figure]], titles: Mapping[str, str], head: str) -> str:
    lines = ["# Speed", "", head, "", "![Figures against their bars](bench.svg)", ""]
    for name, figures in found.items():
        lines += [f"## {titles[name]}", "", "| Figure | Measured | Bar | | How |", "|---|---|---|---|---|"]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in _cells(figure)) + " |" for figure in figures]
        lines.append("")
    return "\n".join(lines)


def _json(found: Mapping[str, Sequence[Figure]], head: str) -> str:
    benches = {
        name: [
            {
                "what": one.what, "value": one.value, "unit": one.unit, "bar": one.bar, "holds": one.holds,
                "raw": one.raw, "note": one.note,
            }
            for one in figures
        ]
        for name, figures in found.items()
    }  # fmt: skip
    return json.dumps({"run": head, "benches": benches}, indent=1, ensure_ascii=False) + "\n"


def _svg(figures: Sequence[Figure]) -> str:
    """Each figure as a share of its bar, so that longer is better: a bar that ends beyond the line is held."""
    height = _ROW * len(figures) + 40
    line = _LEFT + _WIDE / _MOST
    size = f'width="{_LEFT + _WIDE + 90}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="100%" fill="white"/><text x="{line}" y="16" text-anchor="middle">bar</text>',
    ]
    for place, figure in enumerate(figures):
        assert figure.bar is not None
        share = _share(figure)
        y = 24 + place * _ROW
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(figure.what)}</text>'
            f'<rect x="{_LEFT}" y="{y + 3}" width="{min(share, _MOST) / _MOST * _WIDE:.0f}" height="{_ROW - 9}" '
            f'fill="{_COLOURS[figure.holds]}"/>'
            f'<text x="{_LEFT + _WIDE + 6}" y="{y + 15}">{figure.value:g} {escape(figure.unit)}</text>'
        )
    parts.append(f'<line x1="{line}" x2="{line}" y1="20" y2="{height - 10}" stroke="black"/></svg>')
    return "\n".join(parts) + "\n"


def _share(figure: Figure) -> float:
    assert figure.bar is not None
    better, bar = figure.bar
    return figure.value / bar if better == ">=" else bar / max(figure.value, 1e-9)


def _cells(figure: Figure) -> tuple[str, str, str, str, str]:
    bar = f"{figure.bar[0]} {figure.bar[1]:g}" if figure.bar else "–"
    spread = f"; pairs {', '.join(f'{one:g}' for one in figure.raw)}" if len(figure.raw) > 1 else ""
    return figure.what, f"{figure.value:g} {figure.unit}".strip(), bar, _MARKS[figure.holds], figure.note + spread
