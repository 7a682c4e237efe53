"""Attributes that prompts declare, calibrated on a team's labelled pictures: a temperature, outcomes for thresholds.

One half of the rows fits the temperature, on the other the thresholds are bought, as for trained attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from model.calibrate import Outcomes, fit_temperature
from model.geometry import Framing
from model.prompts import Prompted
from model.runtime.engines import EngineChoice
from model.training.dataset import Row
from model.training.picture_files import load_pixels
from model.weights import Calibrated, Checkpoint
from model.zero_shot import ZeroShot, open_zero_shot

_BATCH = 32


def calibrate_prompts(
    checkpoint: Checkpoint,
    prompts: Mapping[str, Prompted],
    fit_rows: Sequence[Row],
    bought_rows: Sequence[Row],
    *,
    min_rows: int,
) -> tuple[dict[str, Calibrated], dict[str, dict[str, Outcomes]]]:
    """By attribute with ``min_rows`` labelled pictures or more: what was fitted, and how its top values did.

    Raises CheckpointError where the checkpoint has no pair and some attribute would need it.
    """
    fitted: dict[str, Calibrated] = {}
    outcomes: dict[str, dict[str, Outcomes]] = {}
    for name, prompted in prompts.items():
        halves = [_labelled(rows, name, prompted) for rows in (fit_rows, bought_rows)]
        if sum(map(len, halves)) < min_rows or not all(halves):
            continue
        plain = EngineChoice("torch", "fp32")
        zero_shot = open_zero_shot(checkpoint, torch.device("cpu"), plain, {name: prompted}, calibrated_before=False)
        first, second = (_similar(zero_shot, name, rows, checkpoint.config.framing) for rows in halves)
        labels = [torch.tensor([prompted.values.index(row.labels[name]) for row in rows]) for rows in halves]
        temperature = fit_temperature(first, labels[0])
        scores = torch.softmax(second / temperature, dim=1)[:, : len(prompted.values)].numpy()
        fitted[name] = Calibrated(prompted.digest, temperature)
        outcomes[name] = {"image": Outcomes(scores.max(axis=1), scores.argmax(axis=1) == labels[1].numpy())}
    return fitted, outcomes


def _labelled(rows: Sequence[Row], name: str, prompted: Prompted) -> list[Row]:
    return [row for row in rows if row.labels.get(name) in prompted.values]


def _similar(zero_shot: ZeroShot, name: str, rows: Sequence[Row], framing: Framing) -> torch.Tensor:
    """(N, V and what is no value)."""
    starts = range(0, len(rows), _BATCH)
    with torch.inference_mode():
        parts = [
            zero_shot.similarities(name, [load_pixels(row.image, framing) for row in rows[start : start + _BATCH]])
            for start in starts
        ]
    return torch.cat(parts).clone()
