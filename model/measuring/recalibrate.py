"""New weights and thresholds for a checkpoint from a team's own labelled listings; its experts stay as they are.

One half of the listings, by family, fits the pools; the other half fits the curves that make scores honest, and buys
the thresholds. So a threshold is not judged by the rows that the pool was fitted on, and which listings it accepts no
curve changes: its precision holds for listings like the team's own.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch

from model.calibrate import MIN_POOL_ROWS, Fitting, Outcomes, fit_pool, honest_outcomes
from model.doubts import doubt_of, fit_association
from model.errors import ModelError
from model.fusion import ATTRIBUTES, Logits
from model.measuring.asked import Asked, Ints
from model.pool import Pool
from model.prompts import Prompted
from model.taxonomy import load_taxonomy
from model.training.dataset import Row
from model.training.features import Features
from model.training.fit import label_ids
from model.weights import Checkpoint, Vocabulary, save_outcomes, seal
from model.zero_shot_calibrate import calibrate_prompts

MIN_ROWS = 200
_SHOWN_VALUES = 3


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """Where the new checkpoint is, and on how many listings each attribute was calibrated; others kept their scores.

    ``notes``: of labels that taught nothing, as the checkpoint has no such value, a line for each attribute.
    """

    folder: Path
    rows: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @property
    def attributes(self) -> tuple[str, ...]:
        """Those that were calibrated."""
        return tuple(self.rows)


def recalibrate(
    source: Path,
    checkpoint: Checkpoint,
    features: Features,
    rows: Sequence[Row],
    out: Path,
    prompts: Mapping[str, Prompted] | None = None,
) -> Recalibrated:
    """Write a copy of the checkpoint in ``source`` to the new folder ``out``, calibrated on ``rows``. ``prompts``: the
    attributes that prompts declare, None: those of the taxonomy; they need no title.

    Raises ModelError when ``out`` exists, or no attribute has ``MIN_ROWS`` titled listings that are labelled with
    values of the checkpoint, with ``MIN_POOL_ROWS`` of them in each half.
    """
    if out.exists():
        raise ModelError(f"{out} exists; name a new folder for the recalibrated checkpoint")
    titled = np.array([index for index, row in enumerate(rows) if row.title], np.int64)
    is_fit = np.array([_is_fit(rows[index]) for index in titled], np.bool_)
    halves = titled[is_fit], titled[~is_fit]
    listings = [[rows[index] for index in half] for half in halves]
    counts = {name: _count(checkpoint, name, listings) for name in ATTRIBUTES}
    enough = [name for name, one in counts.items() if one.is_enough]
    asked_by_prompts = load_taxonomy().prompts if prompts is None else prompts
    shares = [row for row in rows if _is_fit(row)], [row for row in rows if not _is_fit(row)]
    prompted, by_prompts = calibrate_prompts(checkpoint, asked_by_prompts, *shares, min_rows=MIN_ROWS)
    notes = tuple(one.note for one in counts.values() if one.note)
    if not enough and not prompted:
        raise ModelError(
            f"no attribute has {MIN_ROWS} titled listings labelled with values that the checkpoint knows, with "
            f"{MIN_POOL_ROWS} in each of two halves that share no family; label more, or keep the checkpoint"
            + "".join(f"; {note}" for note in notes)
        )
    told = replace(checkpoint.vocabulary, prompted={**checkpoint.vocabulary.prompted, **prompted})
    vocabulary, fresh = _renewed(replace(checkpoint, vocabulary=told), features, rows, halves, enough)
    _write(source, out, vocabulary.to_json(), {**checkpoint.outcomes, **fresh, **by_prompts})
    of_heads = {name: counts["product_type" if name == "category" else name].known for name in fresh}
    of_prompts = {name: sum(row.labels.get(name) in asked_by_prompts[name].values for row in rows) for name in prompted}
    return Recalibrated(out, of_heads | of_prompts, notes)


def _is_fit(row: Row) -> bool:
    """Does the row's family fit the pools? The others' rows buy the thresholds."""
    return blake2b(row.family.encode(), digest_size=1).digest()[0] % 2 == 0


@dataclass(frozen=True, slots=True)
class _Count:
    """Of one attribute: listings whose label is one of the checkpoint's values, and whether there are enough."""

    known: int
    is_enough: bool
    note: str  # of labels that are no values, empty where there are none


def _count(checkpoint: Checkpoint, name: str, halves: Sequence[Sequence[Row]]) -> _Count:
    values = checkpoint.vocabulary.values[name]
    unknown: Counter[str] = Counter()
    known = []
    for half in halves:
        found = label_ids(half, name, values)
        known.append(int((found >= 0).sum()))
        unknown.update(row.labels[name] for row, one in zip(half, found, strict=True) if one < 0 and name in row.labels)
    note = ""
    if unknown:
        shown = ", ".join(repr(value) for value, _ in unknown.most_common(_SHOWN_VALUES))
        more = ", …" if len(unknown) > _SHOWN_VALUES else ""
        note = f"{name} of {unknown.total()} listings is none of the checkpoint's values ({shown}{more})"
    return _Count(sum(known), sum(known) >= MIN_ROWS and min(known) >= MIN_POOL_ROWS, note)


def _renewed(
    checkpoint: Checkpoint, features: Features, rows: Sequence[Row], halves: tuple[Ints, Ints], names: Sequence[str]
) -> tuple[Vocabulary, dict[str, dict[str, Outcomes]]]:
    """With pools of these attributes fitted on the first of ``halves``, and all that follows from them on the second;
    and the outcomes that are new.
    """
    before = checkpoint.vocabulary
    if not names:
        return before, {}
    fit_rows, bought_rows = halves
    with torch.no_grad():
        first, logits = Asked(checkpoint.fusion, before, features, rows).scores(fit_rows, masked=False)
        fitted = _pools(checkpoint, names, logits, first.stated, [rows[index] for index in fit_rows])
        raw = replace(before, pools={**before.pools, **fitted}, curves={})
        asked = Asked(checkpoint.fusion, raw, features, rows)
        scored, _ = asked.scores(bought_rows, masked=False)
        sides = asked.sides(bought_rows)
    renewed = (*names, "category") if "product_type" in names else names
    # What has no outcomes was measured by nobody: none of it would ever be accepted again.
    told = {name: one for name, one in scored.outcomes().items() if name in renewed and one}
    curves, fresh = honest_outcomes(told)
    doubts = {name: one for name in fresh if (one := doubt_of(scored, name)) is not None}
    types = label_ids([rows[index] for index in bought_rows], "product_type", before.values["product_type"])
    vocabulary = replace(
        raw,
        curves={**before.curves, **curves},
        doubts={**before.doubts, **doubts},
        association=fit_association(sides, torch.from_numpy(types), seed=0),
    )
    return vocabulary, fresh


def _pools(
    checkpoint: Checkpoint,
    names: Sequence[str],
    logits: Mapping[str, Logits],
    stated: Mapping[str, torch.Tensor],
    rows: Sequence[Row],
) -> dict[str, Pool]:
    pools = {}
    for name in names:
        labels = torch.from_numpy(label_ids(rows, name, checkpoint.vocabulary.values[name]))
        own = Fitting(logits[name], labels, stated[name]).chosen(labels >= 0)
        pools[name] = fit_pool(own, before=checkpoint.vocabulary.pools[name])
    return pools


def _write(
    source: Path, out: Path, vocabulary: Mapping[str, object], outcomes: Mapping[str, Mapping[str, Outcomes]]
) -> None:
    shutil.copytree(source, out)
    (out / "labels.json").write_text(json.dumps(vocabulary, indent=1) + "\n", encoding="utf-8")
    save_outcomes(out, outcomes)
    seal(out)
