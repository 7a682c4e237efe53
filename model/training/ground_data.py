"""Measures of all rows' grounds, computed once and kept in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.colors.foreground import find_foreground
from model.geometry import Framing
from model.scenes.ground import NUM_MEASURES, ground_measures
from model.scenes.surroundings import PLAIN, ground_of
from model.training.backdrops import before_backdrop
from model.training.dataset import Row
from model.training.features import GroundFeatures, cached
from model.training.picture_files import digests_of, load_pixels

Floats = npt.NDArray[np.float32]
Log = Callable[[str], None]

_LAYOUT = 2  # of the measures: what the cache holds of another one is of no use


def grounds_of(rows: Sequence[Row], framing: Framing, cache: Path, log: Log) -> GroundFeatures:
    """What `ground.py` measures of the rows' pictures, and of those from a studio before another backdrop each."""
    plain = [ground_of(scene) == PLAIN if (scene := row.labels.get("scene")) else False for row in rows]
    pictures = [row.image for row in rows]
    key = (_LAYOUT, framing, *digests_of(pictures, log), *plain)
    found = cached(cache, "grounds", key, lambda: _measure(pictures, plain, framing, log))
    return GroundFeatures(found["measures"], found["backdrops"])


def _measure(
    pictures: Sequence[Path], plain: Sequence[bool], framing: Framing, log: Log
) -> Mapping[str, npt.NDArray[np.float32]]:
    measures = np.zeros((len(pictures), NUM_MEASURES), np.float32)
    backdrops = np.zeros_like(measures)
    for place, path in enumerate(pictures):
        pixels = load_pixels(path, framing)
        measures[place] = ground_measures(find_foreground(pixels))
        if plain[place]:
            backdrops[place] = ground_measures(find_foreground(before_backdrop(pixels, place)))
        if place % 2000 == 0:
            log(f"grounds of pictures {place:,} of {len(pictures):,}")
    return {"measures": measures, "backdrops": backdrops}
