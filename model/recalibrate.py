"""New weights and thresholds for a checkpoint from a team's own labelled listings; its experts stay as they are.

One half of the listings, by family, fits the pools; the other half fits the curves that make scores honest, and buys
the thresholds. So a threshold is not judged by the rows that the pool was fitted on, and which listings it accepts no
curve changes: its precision holds for listings like the team's own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch

from model.calibrate import Fitting, Outcomes, fit_pool, honest_outcomes
from model.dataset import Row
from model.errors import ModelError
from model.evaluate import Asked
from model.features import Features
from model.fit import label_ids
from model.fusion import ATTRIBUTES, Logits
from model.pool import Pool
from model.prompts import Prompted
from model.taxonomy import load_taxonomy
from model.weights import Checkpoint, save_outcomes, seal
from model.zero_shot_calibrate import calibrate_prompts

MIN_ROWS = 200


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """Where the new checkpoint is, and the attributes that had enough labelled listings; others kept their scores."""

    folder: Path
    attributes: tuple[str, ...]


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

    Raises ModelError when ``out`` exists, or no attribute has ``MIN_ROWS`` titled listings that are labelled.
    """
    if out.exists():
        raise ModelError(f"{out} exists; name a new folder for the recalibrated checkpoint")
    titled = np.array([index for index, row in enumerate(rows) if row.title], np.int64)
    chosen = [rows[index] for index in titled]
    enough = tuple(name for name in ATTRIBUTES if sum(name in row.labels for row in chosen) >= MIN_ROWS)
    asked_by_prompts = load_taxonomy().prompts if prompts is None else prompts
    halves = [row for row in rows if _is_fit(row)], [row for row in rows if not _is_fit(row)]
    prompted, by_prompts = calibrate_prompts(checkpoint, asked_by_prompts, *halves, min_rows=MIN_ROWS)
    if prompted and not enough:
        vocabulary = replace(checkpoint.vocabulary, prompted={**checkpoint.vocabulary.prompted, **prompted})
        _write(source, out, vocabulary.to_json(), {**checkpoint.outcomes, **by_prompts})
        return Recalibrated(out, tuple(prompted))
    if not enough:
        raise ModelError(
            f"no attribute has {MIN_ROWS} labelled listings with a title; label more, or keep the checkpoint"
        )
    is_fit = np.array([_is_fit(row) for row in chosen])
    fit_rows, bought_rows = titled[is_fit], titled[~is_fit]
    if not len(fit_rows) or not len(bought_rows):
        raise ModelError("all listings are of one family; recalibration needs two halves that share none")
    asked = Asked(checkpoint.fusion, checkpoint.vocabulary, features, rows)
    with torch.no_grad():
        first, logits = asked.scores(fit_rows, masked=False)
        fitted = _pools(checkpoint, enough, logits, first.stated, [rows[index] for index in fit_rows])
        pools = {**checkpoint.vocabulary.pools, **fitted}
        told = {**checkpoint.vocabulary.prompted, **prompted}
        raw = replace(checkpoint.vocabulary, pools=pools, prompted=told, curves={})
        scored, _ = Asked(checkpoint.fusion, raw, features, rows).scores(bought_rows, masked=False)
    renewed = (*enough, "category") if "product_type" in enough else enough
    curves, fresh = honest_outcomes({name: one for name, one in scored.outcomes().items() if name in renewed})
    vocabulary = replace(raw, curves={**checkpoint.vocabulary.curves, **curves})
    outcomes = {**checkpoint.outcomes, **fresh}
    _write(source, out, vocabulary.to_json(), {**outcomes, **by_prompts})
    return Recalibrated(out, (*renewed, *prompted))


def _is_fit(row: Row) -> bool:
    """Does the row's family fit the pools? The others' rows buy the thresholds."""
    return blake2b(row.family.encode(), digest_size=1).digest()[0] % 2 == 0


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
