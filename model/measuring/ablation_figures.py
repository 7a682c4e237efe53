"""What an ablation found, in numbers and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

PICTURE, TITLE, STACKING = "picture only", "title only", "stacking, no joint expert"
PICTURE_MISSING, TITLE_MISSING = "alone, picture missing", "alone, title missing"
_SINGLE = (PICTURE, TITLE)
_ROUNDS = 1000

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Right = dict[tuple[str, str, str], list[Bools]]  # (attribute, who was asked, title) -> by seed, (N,) over test rows


def summarise(right: Right) -> dict[str, list[dict[str, Any]]]:
    """By attribute, line by line: who was asked, with which title, rows, accuracy over seeds, gain over the best single
    side that was given as much (a masked title counts as a masked title), each with a 95 % interval.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for (name, who, title), by_seed in right.items():
        rows = np.stack(by_seed).astype(np.float64)
        best = _best_single(right, name, who, title)
        line = {"who": who, "title": title, "rows": rows.shape[1], "seeds": rows.shape[0]}
        line |= {"accuracy": round(float(rows.mean()), 4), "interval_95": _interval(rows)}
        line["by_seed"] = [round(float(one.mean()), 4) for one in rows]
        if who not in _SINGLE and best:
            over = np.stack(right[name, best, "not read" if best == PICTURE else title]).astype(np.float64)
            line |= {"over": best, "gain": round(float((rows - over).mean()), 4), "gain_95": _interval(rows - over)}
        found.setdefault(name, []).append(line)
    return found


def _best_single(right: Right, name: str, who: str, title: str) -> str | None:
    """The better of picture and title, by accuracy; where a side is missing, the other."""
    asked = [] if who.endswith(PICTURE_MISSING) else [(PICTURE, "not read")]
    asked += [(TITLE, title)] if title != "missing" else []
    there = [(who, float(np.mean(right[name, who, how]))) for who, how in asked if (name, who, how) in right]
    return max(there, key=lambda one: one[1])[0] if there else None


def _interval(rows: Floats) -> list[float]:
    """95 % interval of the mean of (S, N): seeds and rows are both drawn anew (Efron 1979)."""
    of_seeds, of_rows = _drawn(*rows.shape)
    means = ((of_seeds @ rows) * of_rows).sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return [round(float(low), 4), round(float(high), 4)]


@lru_cache(maxsize=1)
def _drawn(num_seeds: int, num_rows: int) -> tuple[Floats, Floats]:
    """By round, what share of the mean is each seed's and each row's; the same for every line of a table."""
    generator = np.random.default_rng(0)
    of_seeds, of_rows = np.empty((_ROUNDS, num_seeds)), np.empty((_ROUNDS, num_rows))
    for place in range(_ROUNDS):
        for share, count in ((of_seeds, num_seeds), (of_rows, num_rows)):
            share[place] = np.bincount(generator.integers(0, count, count), minlength=count) / count
    return of_seeds, of_rows


def ablation_tables(found: Mapping[str, Any]) -> str:
    """A Markdown page with a table per attribute."""
    head = (
        "Towers as they came, no stage tuned. "
        f"Each fit saw {found['fitted_rows']:,} training rows for {found['epochs']} passes; pools were fitted on the "
        f"third of the training families that was held out. Means over {found['seeds']} seeds; 95 % intervals over "
        "rows and seeds; gains are paired with the best single side that was given as much. Product types: those with "
        "enough training rows to be named. Where a side is missing the pool answers by the other side's experts, as in "
        "the first rows."
    )
    tables = [_table(name, lines) for name, lines in found["figures"].items()]
    return "\n\n".join(["# Fusions compared", f"Printed by `hangtag evaluate --ablation`. {head}", *tables]) + "\n"


def _table(name: str, lines: Sequence[Mapping[str, Any]]) -> str:
    cells = ("Asked", "Title", "Rows", "Accuracy (95 % interval)", "Over", "Gain (95 % interval)")
    rows = [cells, ("---",) * len(cells), *_cells(lines)]
    return f"## {name}\n" + "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cells(lines: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for one in sorted(lines, key=lambda line: (line["title"] == "masked", line["who"] not in _SINGLE)):
        low, high = one["interval_95"]
        accuracy = f"{one['accuracy']:.3f} ({low:.3f} to {high:.3f})"
        gain = ""
        if "gain" in one:
            least, most = one["gain_95"]
            gain = f"{one['gain']:+.3f} ({least:+.3f} to {most:+.3f})"
        yield one["who"], one["title"], str(one["rows"]), accuracy, one.get("over", ""), gain
