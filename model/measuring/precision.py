"""What another precision costs in tags: the same listings, pictures seen by torch in fp32 and by something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model.errors import ModelError
from model.fusion import ATTRIBUTES, FusionModel
from model.geometry import Framing
from model.measuring.asked import Asked, features_of
from model.runtime.quantise import MIN_COMPARED, NUM_PICTURES, Quantisation, measure_ranges, rounded
from model.training.catalogue import rows_of
from model.training.dataset import Row
from model.training.features import Features, batches_of, cached, look_at
from model.training.picture_files import digests_of
from model.weights import Checkpoint, Vocabulary, load, seal

_SIDES = ("fused", "image")

Floats = npt.NDArray[np.float32]
Log = Callable[[str], None]


def learn_int8(
    tower: nn.Module,
    heads: tuple[FusionModel, Vocabulary],
    seen_by: Sequence[Row],
    measured: tuple[Features, Sequence[Row]],
    framing: Framing,
    cache: Path,
    log: Log,
) -> Quantisation:
    """What int8 rounds to, from ``NUM_PICTURES`` of the rows ``seen_by``, and what it changes on those ``measured``.
    What ``cache`` has of the former is read from there.
    """
    drawn = np.random.default_rng(0).permutation(len(seen_by))[:NUM_PICTURES]
    chosen = [seen_by[index].image for index in drawn]
    on_cpu = tower.cpu()

    def measure() -> Mapping[str, Floats]:
        return measure_ranges(on_cpu, map(torch.from_numpy, batches_of(chosen, framing)))

    ranges = cached(cache, "ranges", (tower, framing, *digests_of(chosen, log)), measure)
    features, rows = measured
    few = f"; of fewer than {MIN_COMPARED}, auto does not choose it" if len(rows) < MIN_COMPARED else ""
    log(f"int8: {len(chosen)} pictures measured, {len(rows)} listings compared{few}")
    coarse = rounded(on_cpu, ranges)
    with torch.inference_mode():
        fast = look_at(rows, lambda pictures: coarse(torch.from_numpy(pictures)), framing)
        return Quantisation(ranges, points_changed(heads, features, fast, rows), len(rows))


def learn_int8_of(folder: Path, data: Path, cache: Path, log: Log) -> Quantisation:
    """The same for a checkpoint that is there: writes into its folder and seals it anew. Compared are test rows alone,
    also those of a file that leaves it to training which these are. Raises ModelError.
    """
    loaded = load(folder)
    everything = rows_of(data, log)
    training = [row for row in everything if row.split == "train"]
    rows = [row for row in everything if row.split == "test" and row.title]
    if not training or not rows:
        raise ModelError(f"{data} holds no training rows, or no titled test rows; int8 needs both to be measured")
    features = features_of(loaded, rows, "cpu", cache)
    heads = (loaded.fusion, loaded.vocabulary)
    found = learn_int8(loaded.image, heads, training, (features, rows), loaded.image.framing, cache, log)
    found.save(folder)
    seal(folder)
    return found


def changes_of(loaded: Checkpoint, features: Features, fast: Floats, rows: Sequence[Row]) -> dict[str, float]:
    """See ``points_changed``; on titled rows."""
    titled = [index for index, row in enumerate(rows) if row.title]
    heads = (loaded.fusion, loaded.vocabulary)
    return points_changed(heads, part_of(features, titled), fast[titled], [rows[index] for index in titled])


def points_changed(
    heads: tuple[FusionModel, Vocabulary], exact: Features, fast: Floats, rows: Sequence[Row]
) -> dict[str, float]:
    """Points of accuracy won or lost when the rows' pictures look like ``fast`` (N, Di), by attribute and side:
    "color fused" with title and picture, "color image" with the picture alone.
    """
    before, after = (_accuracies(heads, one, rows) for one in (exact, replace(exact, images=fast)))
    return {name: round(100 * (after[name] - share), 2) for name, share in before.items()}


def part_of(features: Features, rows: Sequence[int]) -> Features:
    """The features of these rows."""
    chosen = np.asarray(rows, np.int64)
    hidden = tuple(features.masked_titles[index] for index in rows)
    images, colors = features.images[chosen], features.colors[chosen]
    parts = features.parts.part_of(chosen) if features.parts is not None else None
    grounds = features.grounds.part_of(chosen) if features.grounds is not None else None
    return Features(images, colors, features.titles[chosen], features.masked[chosen], hidden, parts, grounds)


def _accuracies(heads: tuple[FusionModel, Vocabulary], features: Features, rows: Sequence[Row]) -> Mapping[str, float]:
    """By attribute and side."""
    fusion, vocabulary = heads
    lines = np.arange(len(rows))
    asked = Asked(fusion, vocabulary, features, rows)
    found: dict[str, float] = {}
    with torch.inference_mode():
        scored, _ = asked.scores(lines, masked=False)
        scene = asked.scene(lines, {}).get("scene")
    for name in (*ATTRIBUTES, "category"):
        known = scored.known(name)
        for side in _SIDES if known.any() else ():
            right = scored.scores[name][side][known].argmax(axis=1) == scored.truth[name][known]
            found[f"{name} {side}"] = float(right.mean())
    if scene is not None:
        found["scene image"] = float(scene["fused"]["accuracy"])
    return found
