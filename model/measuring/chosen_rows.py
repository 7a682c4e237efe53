"""Which rows of ``--data`` are measured, and what their labels are to a checkpoint: said with every figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import ModelError
from model.training.catalogue import is_catalogue, load_catalogue
from model.training.dataset import Row, load_rows
from model.training.fit import label_ids
from model.training.trained_on import load_trained_on

Log = Callable[[str], None]

_NUM_EXAMPLES = 3
_LIKE = 0.75
_TO_TRAIN = "split says train"
_TRAINED_ON = "the checkpoint was trained on them or on variants of them"
_UNKNOWN = "the checkpoint does not say which rows it was trained on"
_AMONG_THEM = "rows that it was trained on are among them, if there are any (--all-rows)"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows to measure, each with ``split`` "test"; how many there were, and how many were left out and why.

    ``note``: what stays unknown of them.
    """

    rows: list[Row]
    total: int
    left_out: Mapping[str, int]
    note: str = ""

    @property
    def words(self) -> str:
        """What was measured, as a report's heading says it."""
        told = f"{len(self.rows):,} of {self.total:,} rows"
        left = "; ".join(f"left out {count:,}: {why}" for why, count in self.left_out.items() if count)
        return "; ".join(part for part in (told, left, self.note) if part)


def choose_rows(data: Path, checkpoint: Path | None, *, all_rows: bool = False, warn: Log = lambda _: None) -> Chosen:
    """Of a folder with the training data its test rows; of a file all that neither ``split`` says to train on nor the
    ``checkpoint`` was trained on, ``all_rows``: those as well. Raises ModelError where nothing is left.
    """
    if not is_catalogue(data):
        everything = load_rows(data)
        test = [row for row in everything if row.split == "test"]
        return Chosen(test, len(everything), {_TO_TRAIN: len(everything) - len(test)})
    rows = load_catalogue(data, warn=warn)
    trained = load_trained_on(checkpoint) if checkpoint is not None else None
    reasons = ["" if all_rows else _why_left_out(row) for row in rows]
    if trained is not None and not all_rows:
        reasons = [why or (_TRAINED_ON if trained.has(row) else "") for row, why in zip(rows, reasons, strict=True)]
    kept = [replace(row, split="test") for row, why in zip(rows, reasons, strict=True) if not why]
    left_out = {why: count for why, count in Counter(reasons).items() if why}
    note = _AMONG_THEM if all_rows else _UNKNOWN if trained is None else ""
    found = Chosen(kept, len(rows), left_out, note)
    if not kept:
        raise ModelError(f"{data}: {found.words}; give rows with split test, or measure these with --all-rows")
    return found


def _why_left_out(row: Row) -> str:
    return _TO_TRAIN if row.is_split_given and row.split == "train" else ""


def rows_to_calibrate(data: Path, checkpoint: Path) -> list[Row]:
    """Rows that a checkpoint may be calibrated on: neither those that a file's ``split`` keeps for the test nor those
    that it was trained on, whose scores flatter. Each has ``split`` "train". Raises ModelError where nothing is left.
    """
    if not is_catalogue(data):
        return [replace(row, split="train") for row in choose_rows(data, checkpoint).rows]
    rows = load_catalogue(data)
    trained = load_trained_on(checkpoint)
    free = [row for row in rows if not (row.is_split_given and row.split == "test")]
    kept = [replace(row, split="train") for row in free if trained is None or not trained.has(row)]
    if not kept:
        raise ModelError(
            f"{data}: of {len(rows):,} rows {len(rows) - len(free):,} are kept for the test by their split, and the "
            "checkpoint was trained on the others; label listings that it has not seen"
        )
    return kept


# ---- labels ---------------------------------------------------------------------------------------------------------


def labels_of(rows: Sequence[Row], values: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """By attribute that any row is labelled with: how many are, how many of them can be measured, and the commonest
    labels that are no value of the checkpoint, each with the value nearest to it in spelling.

    A product type that the checkpoint knows by its category alone can be measured: it stands in the category's figures.
    """
    found = {}
    for name, own in values.items():
        labelled = [row for row in rows if row.labels.get(name)]
        if not labelled:
            continue
        ids = label_ids(labelled, name, own)
        strange = Counter(labelled[index].labels[name] for index in np.flatnonzero(ids < 0))
        found[name] = {
            "labelled": len(labelled),
            "measured": len(labelled) - strange.total(),
            "no_value": strange.total(),
            "examples": [[label, count, nearest(label, own)] for label, count in strange.most_common(_NUM_EXAMPLES)],
        }
    return found


def nearest(label: str, values: Sequence[str]) -> str:
    """The value that was most likely meant by a label that is none; empty where none is like it."""
    plain = "_".join(label.casefold().replace("-", " ").split())
    for value in values:
        if value and value.casefold() == plain:
            return value
    return next(iter(get_close_matches(plain, [value for value in values if value], 1, _LIKE)), "")


def warnings_of(labels: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each attribute that has labels nobody could measure."""
    return [
        f"{name}: {one['no_value']:,} of {one['labelled']:,} labels are no value of the checkpoint and were not "
        f"measured: {examples_in_words(one)}"
        for name, one in labels.items()
        if one["no_value"]
    ]


def examples_in_words(one: Mapping[str, Any]) -> str:
    """Labels that are no values, and what each may mean."""
    shown = [
        f"{label!r} ({count:,}" + (f", nearest: {near})" if near else ")") for label, count, near in one["examples"]
    ]
    return ", ".join(shown) + (", …" if sum(count for _, count, _ in one["examples"]) < one["no_value"] else "")
