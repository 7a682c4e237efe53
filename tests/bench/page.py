"""A bench's figures for a terminal, and as Markdown, JSON and an SVG chart under ``docs/results/``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import torch

from tests.bench.figure import Figure

FOLDER = Path(__file__).parents[2] / "docs" / "results"
SPEED = "bench"  # the page of all benches that have none of their own
_MARKS = {True: "holds", False: "MISSED", None: "no bar"}
_COLOURS = {True: "#2e7d32", False: "#c62828", None: "#607d8b"}
_ROW, _LEFT, _WIDE, _MOST = 26, 560, 300, 2.0


def to_text(figures: Sequence[Figure]) -> str:
    """Aligned, for a terminal or a log."""
    rows = [_cells(figure) for figure in figures]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def write(name: str, title: str, command: str, figures: Sequence[Figure], seconds: float, stem: str = SPEED) -> None:
    """Put one bench's figures into ``<stem>.json``, and make ``.md`` and ``.svg`` of all that are there.

    Figures of speed replace those of processors of the same kind: others would not be the same measurement again.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{stem}.json"
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    wide = torch.backends.cpu.get_cpu_capability()  # what engines are worth to each other depends on it most
    on = f"{os.cpu_count()} cores ({wide}), load {os.getloadavg()[1]:.0f}, {seconds:.0f} s"
    run = f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, {on}"
    key, heading = (f"{name} {wide}", f"{title}, {wide}") if stem == SPEED else (name, title)
    known[key] = {"title": heading, "processor": wide, "run": run, "figures": [asdict(one) for one in figures]}
    known = dict(sorted(known.items()))
    path.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    found = {bench: [_figure(told) for told in one["figures"]] for bench, one in known.items()}
    (FOLDER / f"{stem}.md").write_text(_markdown(found, known, stem), encoding="utf-8")
    kinds = {one["processor"] for one in known.values()}
    judged = [
        replace(figure, what=f"{figure.what}, {known[bench]['processor']}") if len(kinds) > 1 else figure
        for bench, figures in found.items()
        for figure in figures
        if figure.bar
    ]
    (FOLDER / f"{stem}.svg").write_text(_svg(judged), encoding="utf-8")


def _figure(told: Mapping[str, Any]) -> Figure:
    bar = told["bar"]
    return Figure(**{**told, "bar": (bar[0], bar[1]) if bar else None, "raw": tuple(told["raw"])})


def _markdown(found: Mapping[str, Sequence[Figure]], known: Mapping[str, Any], stem: str) -> str:
    lines = [
        "# Speed" if stem == SPEED else f"# {stem.capitalize()}",
        "",
        "Load: the machine's mean of runnable processes over five minutes, ours included.",
        "",
    ]
    lines += [f"![Figures against their bars]({stem}.svg)", ""]
    for name, figures in found.items():
        lines += [f"## {known[name]['title']}", "", known[name]["run"], ""]
        lines += ["| Figure | Measured | Bar | | How |", "|---|---|---|---|---|"]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in _cells(figure)) + " |" for figure in figures]
        lines.append("")
    return "\n".join(lines)


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
