"""How often are the labels themselves wrong? By listings that show the very same thing and are labelled differently.

Twins are two listings with the same picture, up to compression: each row's nearest other thumbnail, if what is not
white in either differs by a few grey levels on average. One picture has one product type and one colour, so where twins
disagree one of the labels is wrong. If each is wrong with probability e, by itself and not in the same way, twins
disagree with probability d = 2e(1 - e); so e is found from the share d of twins that do, and 1 - e is a ceiling that no
honest model passes by much. Sellers label variants in one go, so errors of twins are alike and e is at least what is
found here: confident learning (Northcutt, Jiang and Chuang 2021) on scores would count a model's own errors as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.measuring.intervals import wilson_interval
from model.training.dataset import Row
from model.training.features import cached
from model.training.picture_files import digests_of, load_thumbnail

NOISY = ("product_type", "color")  # material labels are read off titles: twins agree where titles do
_SIDE = 16
_WHITE = 245
_SAME = 4.0  # grey levels
_BLOCK = 1000

Thumbnails = npt.NDArray[np.uint8]


def label_noise(rows: Sequence[Row], cache: Path, log: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """By attribute: pairs of twins that are both labelled, how many disagree, the error rate with a 95 % interval."""
    listings = [row for row in rows if row.title]
    if len(listings) < 2:
        return {}
    pictures = [row.image for row in listings]
    seen = cached(
        cache,
        "thumbnails",
        (_SIDE, *digests_of(pictures, log)),
        lambda: {"thumbnails": thumbnails(pictures, log)},
    )
    pairs = twins(seen["thumbnails"])
    found = {}
    for name in NOISY:
        labels = [(listings[a].labels.get(name), listings[b].labels.get(name)) for a, b in pairs]
        both = [one != other for one, other in labels if one and other]
        if both:
            low, high = wilson_interval(sum(both), len(both))
            found[name] = {
                "twins": len(both),
                "disagree": sum(both),
                "error_rate": round(error_rate(sum(both) / len(both)), 4),
                "interval_95": [round(error_rate(low), 4), round(error_rate(high), 4)],
            }
    return found


def error_rate(disagreement: float) -> float:
    """e of d = 2e(1 - e), the lesser solution; half where twins disagree more than by chance."""
    return (1 - sqrt(max(0.0, 1 - 2 * max(0.0, disagreement)))) / 2


def thumbnails(pictures: Sequence[Path], log: Callable[[str], None] = lambda _: None) -> Thumbnails:
    """(N, S, S, 3) sRGB."""
    found = np.zeros((len(pictures), _SIDE, _SIDE, 3), np.uint8)
    for place, path in enumerate(pictures):
        found[place] = load_thumbnail(path, _SIDE)
        if place % 2000 == 0:
            log(f"thumbnails {place:,} of {len(pictures):,}")
    return found


def twins(found: Thumbnails) -> list[tuple[int, int]]:
    """Pairs of rows with the same picture, each pair once; a row's twin is its nearest other row."""
    flat = found.reshape(len(found), -1).astype(np.float32) / 255
    lengths = (flat * flat).sum(axis=1)
    pairs = set()
    for start in range(0, len(flat), _BLOCK):
        block = flat[start : start + _BLOCK]
        distances = lengths[None] - 2 * block @ flat.T  # but for a term that is the same in a line
        distances[np.arange(len(block)), start + np.arange(len(block))] = np.inf
        for row, other in enumerate(distances.argmin(axis=1), start):
            if _difference(found[row], found[other]) < _SAME:
                pairs.add((min(row, int(other)), max(row, int(other))))
    return sorted(pairs)


def _difference(one: Thumbnails, other: Thumbnails) -> float:
    """Mean difference in grey levels where either is not white."""
    shown = (one < _WHITE).any(axis=2) | (other < _WHITE).any(axis=2)
    if not shown.any():
        return float("inf")
    return float(np.abs(one[shown].astype(np.int16) - other[shown]).mean())
