"""Figures of ``hangtag evaluate`` for people: Markdown tables, and a page with curves and examples of errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from model.measuring.chosen_rows import examples_in_words

ATTRIBUTES = ("product_type", "category", "color", "material", "scene")
_SIDES = {
    "image": "picture",
    "text": "title",
    "text_masked": "title, masked",
    "fused": "both",
    "fused_masked": "both, masked",
}
_HEAD = (
    "Attribute", "From", "Rows", "Accuracy (95 % interval)", "Top 5", "Macro F1", "Calibration error (if honest)",
    "Brier", "Coverage", "Precision (95 %)",
)  # fmt: skip
_FAMILIES_HEAD = (
    "Attribute", "From", "Rows", "Accuracy", "Calibration error (if honest)", "Brier",
)  # fmt: skip
_FAMILIES_TITLE = (
    "The checkpoint's own calibration rows, not the data above, by experts that had not seen their families"
)
_KINDS = {"catch_all": "answerable, catch-all types", "telling": "answerable, other types"}
_WIDTH, _HEIGHT = 260, 200
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem}"
    "body{color:#1d2430;background:#fff}table{border-collapse:collapse;margin:1rem 0}"
    "td,th{padding:.25rem .6rem;border-bottom:1px solid #dde2ea;text-align:left}"
    "td:nth-child(n+3){font-variant-numeric:tabular-nums}.plots{display:flex;gap:2rem;flex-wrap:wrap}figure{margin:0}"
    "figcaption{color:#5a6577;font-size:13px}svg{background:#f7f8fa;border-radius:6px}"
    "@media(prefers-color-scheme:dark){body{background:#14181f;color:#dfe5ee}td,th{border-color:#2c3442}svg{background:#1c222c}}"
)


def figures_tables(figures: Mapping[str, Any]) -> str:
    """All figures as Markdown tables."""
    return "\n\n".join(as_markdown(title, head, lines) for title, head, lines in _tables(figures))


def write_report(folder: Path, figures: Mapping[str, Any], name: str) -> None:
    """Write ``report.json``, ``report.md`` and ``report.html`` of the checkpoint called ``name`` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    heading = f"# {name}: figures on {_rows_in_words(figures)}"
    (folder / "report.md").write_text(f"{heading}\n\n{figures_tables(figures)}\n", encoding="utf-8")
    (folder / "report.html").write_text(_page(figures, name), encoding="utf-8")


_Table = tuple[str, Sequence[str], list[Sequence[str]]]


def _tables(figures: Mapping[str, Any]) -> Iterator[_Table]:
    if "measured" in figures:
        yield from _measured(figures["measured"])
    yield "", _HEAD, list(_accuracies(figures))
    if "engine" in figures:
        told = figures["engine"]
        lines: list[Sequence[str]] = [(name, f"{points:+.2f}") for name, points in told["points_changed"].items()]
        yield f"{told['name']} against torch fp32", ("Attribute", "Points of accuracy changed"), lines
    if "experts" in figures:
        yield from _comparisons(figures)
    if figures.get("families"):
        yield _FAMILIES_TITLE, _FAMILIES_HEAD, list(_families(figures))
    if "label_noise" in figures:
        yield (
            "Labels that are wrong, by listings that share a picture; at least",
            ("Attribute", "Pairs", "Disagree", "Wrong labels (95 % interval)"),
            [(name, *_noise(one)) for name, one in figures["label_noise"].items()],
        )


def _measured(told: Mapping[str, Any]) -> Iterator[_Table]:
    """Which checkpoint, which rows, and which of their labels it has no value for."""
    targets = ", ".join(f"{target:g} {name}" for name, target in told["targets"].items())
    lines: list[Sequence[str]] = [
        ("data", told["data"]),
        ("rows", told["rows_in_words"]),
        ("checkpoint", f"{told['checkpoint']}, digest {told['digest']}"),
        ("precision targets", targets),
    ]
    yield "Measured", ("What", "Which"), lines
    labels: list[Sequence[str]] = [
        (name, str(one["labelled"]), str(one["measured"]), str(one["no_value"]), examples_in_words(one))
        for name, one in told["labels"].items()
    ]
    if labels:
        head = ("Attribute", "Labelled rows", "Measured", "Label is no value of the checkpoint", "Such labels")
        yield "Labels", head, labels


def _accuracies(figures: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for name in ATTRIBUTES:
        for side, words in _SIDES.items():
            if side in figures.get(name, {}):
                yield _line(name, "picture" if name == "scene" else words, figures[name][side])
    for side, one in figures.get("product_type", {}).get("published", {}).items():
        yield _line("product_type, answerable", _SIDES[side], one)
    for kind, by_side in figures.get("product_type", {}).get("apart", {}).items():
        for side, one in by_side.items():
            yield _line(f"product_type, {_KINDS[kind]}", _SIDES[side], one)
    for name, by_side in figures.get("untitled", {}).items():
        yield _line(f"{name}, rows without a title", "picture", by_side["image"])
    if "garments" in figures:
        yield _line("product_type, clothes at home", "picture", figures["garments"]["image"])


def _families(figures: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for name, by_side in figures["families"].items():
        for side, one in by_side.items():
            yield name, _SIDES[side], str(one["rows"]), within(one, "accuracy"), _error(one), f"{one['brier']:.3f}"


def _comparisons(figures: Mapping[str, Any]) -> Iterator[_Table]:
    experts = figures["experts"]["accuracy"]
    names = list(dict.fromkeys(expert for one in experts.values() for expert in one))
    yield (
        "Each expert alone, accuracy",
        ("Attribute", *names),
        [(name, *(f"{one[key]:.3f}" if key in one else "–" for key in names)) for name, one in experts.items()],
    )
    yield (
        "Both sides together less the best single one, paired",
        ("Attribute", "Over", "Rows", "Gain (95 % interval)"),
        [(name, one["over"], str(one["rows"]), _gain(one)) for name, one in figures["gains"].items()],
    )
    yield "Picture and title", ("Question", "Rows", "Figure"), list(_pairs(figures))
    if figures["evidence"]:
        yield (
            "Words cited as evidence: the title's experts fall further without them than without others of that length",
            ("Attribute", "Rows", "Share (95 % interval)"),
            [(name, str(one["rows"]), within(one, "sound")) for name, one in figures["evidence"].items()],
        )


def _pairs(figures: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    pairs, conflicts = figures["association"], figures["conflicts"]
    rows = str(pairs["rows"])
    for kind, words in (("random", "a random one"), ("same_type", "one of the same type")):
        if f"auroc_{kind}" in pairs:
            yield f"own title against {words}", rows, f"AUROC {pairs[f'auroc_{kind}']:.3f}"
    yield "own title among all", rows, _recalls(pairs)
    if conflicts:
        rows = str(conflicts["rows"])
        yield "stated colour swapped for another", rows, f"called a conflict {conflicts['swapped']:.3f}"
        yield "stated colour as it is", rows, f"called a conflict {conflicts['untouched']:.3f}"


def _recalls(pairs: Mapping[str, Any]) -> str:
    return f"first {pairs['recall_at_1']:.3f}, among ten {pairs['recall_at_10']:.3f}"


def _noise(one: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(one["twins"]), str(one["disagree"]), within(one, "error_rate")


def _gain(one: Mapping[str, Any]) -> str:
    low, high = one["interval_95"]
    return f"{one['gain']:+.3f} ({low:+.3f} to {high:+.3f})"


def _line(name: str, side: str, one: Mapping[str, Any]) -> Sequence[str]:
    precision = one.get("precision_at_target")
    return (
        name,
        side,
        str(one["rows"]),
        within(one, "accuracy"),
        f"{one['top_5']:.3f}",
        f"{one['macro_f1']:.3f}",
        _error(one),
        f"{one['brier']:.3f}",
        f"{one['coverage_at_target']:.3f}" if "coverage_at_target" in one else "",
        f"{precision:.3f} ({one['precision_95'][0]:.3f} to {one['precision_95'][1]:.3f})"
        if precision is not None
        else "",
    )


def within(one: Mapping[str, Any], figure: str) -> str:
    """A figure with its 95 % interval, if it has one."""
    if "interval_95" not in one:
        return f"{one[figure]:.3f}"
    low, high = one["interval_95"]
    return f"{one[figure]:.3f} ({low:.3f} to {high:.3f})"


def _error(one: Mapping[str, Any]) -> str:
    return f"{one['calibration_error']:.3f} ({one['calibration_error_if_honest']:.3f})"


def as_markdown(title: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table with its title above."""
    rows = [head, ["---"] * len(head), *lines]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
    return f"**{title}**\n\n{table}" if title else table


# ---- page -----------------------------------------------------------------------------------------------------------


def _page(figures: Mapping[str, Any], name: str) -> str:
    tables = "".join(_html_table(*one) for one in _tables(figures))
    heading = escape(f"{name}: figures on {_rows_in_words(figures)}")
    details = "".join(_details(attribute, one) for attribute, one in figures.get("details", {}).items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(name)}: figures</title><style>{_STYLE}</style><h1>{heading}</h1>"
        f"{tables}{details}</html>\n"
    )


def _rows_in_words(figures: Mapping[str, Any]) -> str:
    measured = figures.get("measured")
    return f"{measured['rows']:,} rows of {Path(measured['data']).name}" if measured else "test rows"


def _html_table(title: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines)
    return (f"<h2>{escape(title)}</h2>" if title else "") + f"<table><tr>{cells}</tr>{rows}</table>"


def _details(attribute: str, one: Mapping[str, Any]) -> str:
    reliability = _plot([(score, share) for score, share, _ in one["reliability"]], diagonal=True)
    risk = _plot(one["risk_coverage"], diagonal=False)
    plots = (
        f'<div class="plots"><figure>{reliability}<figcaption>Share that is right (up) by score (across), bins of '
        f"equal mass</figcaption></figure><figure>{risk}<figcaption>Precision (up, from 0.5) by share of rows "
        "answered (across), surest first</figcaption></figure></div>"
    )
    confusions = [(truth, found, str(count)) for truth, found, count in one["confusions"]]
    never = [(label, str(count)) for label, count in one.get("unanswerable", ())]
    errors = [(title, truth, found, f"{score:.3f}") for title, truth, found, score in one["errors"]]
    return (
        f"<h2>{escape(attribute)}, both sides</h2>{plots}"
        + _html_table("Confused most often", ("Label", "Answer", "Rows"), confusions)
        + (_html_table("Labels never answered, for want of training rows", ("Label", "Rows"), never) if never else "")
        + _html_table("Surest errors", ("Title", "Label", "Answer", "Score"), errors)
    )


def _plot(points: Sequence[Sequence[float]], *, diagonal: bool) -> str:
    low = 0.0 if diagonal else 0.5
    placed = [(x * _WIDTH, _HEIGHT - (max(y, low) - low) / (1 - low) * _HEIGHT) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#2f6fde"/>' for x, y in placed)
    line = (
        f'<line x1="0" y1="{_HEIGHT}" x2="{_WIDTH}" y2="0" stroke="#9aa5b5" stroke-dasharray="4"/>' if diagonal else ""
    )
    return (
        f'<svg viewBox="-8 -8 {_WIDTH + 16} {_HEIGHT + 16}" width="{_WIDTH + 16}" role="img">{line}'
        f'<polyline points="{path}" fill="none" stroke="#2f6fde" stroke-width="2"/>{dots}</svg>'
    )
