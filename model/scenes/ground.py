"""What a product stands before: measures of a picture's border and surface that know no things and no colours.

A plain backdrop is told by its even border, a place by an uneven one, a swatch by being the same all over. Features of
a network tell collections apart instead: of photos that training never saw it believes what their things were once seen
before. Nothing here depends on how light a backdrop is or what colour it has, so a grey one is as plain as a white one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import log1p, sqrt

import numpy as np
import numpy.typing as npt

from model.colors.foreground import Foreground, Lab, Mask

Floats = npt.NDArray[np.float32]

NUM_MEASURES = 10

_RING_SHARE = 0.06  # of the shorter side
_NEAR, _NEARISH = 7.0, 15.0  # CIELAB distances: the same surface; the same surface in another light
_EVERY = 5  # of the border's pixels: neighbours say the same
_STEP = 4.0  # of lightness between neighbours: more than a gradient's or a soft shadow's


def ground_measures(foreground: Foreground | None) -> Floats:
    """(NUM_MEASURES,) shares as they are, distances as logarithms; zeros of an empty picture."""
    if foreground is None or min(foreground.lab.shape[:2]) < 2:
        return np.zeros(NUM_MEASURES, np.float32)
    lab, mask = _with_border(foreground)
    ring = _ring(mask, _depth(*mask.shape))
    steps = _steps(lab[..., 0])
    of_ring = steps[ring]
    sides = _sides(lab)
    border = np.concatenate(sides)
    distance = np.sqrt(((border - _middle(border)) ** 2).sum(axis=1))
    return np.array(
        [
            mask.mean(),
            1 - mask[ring].mean(),
            (distance < _NEAR).mean(),
            (distance < _NEARISH).mean(),
            log1p(np.partition(distance, 3 * len(distance) // 4)[3 * len(distance) // 4]),
            log1p(_farthest([_middle(side) for side in sides])),
            log1p(of_ring.mean()),
            (of_ring > _STEP).mean(),
            log1p(steps.mean()),
            (steps > _STEP).mean(),
        ],
        np.float32,
    )


def _with_border(foreground: Foreground) -> tuple[Lab, Mask]:
    """Its colours and where the product is; around one that was cut out the white once more, as a border, which went
    with the letterbox bars: what is left of it touches the product on all sides.
    """
    if not foreground.is_cut_out:
        return foreground.lab, foreground.mask
    depth = _depth(*foreground.mask.shape) + 2  # the ring is deeper around more, and steps are seen across its edge
    lab = np.pad(foreground.lab, ((depth, depth), (depth, depth), (0, 0)))
    mask = np.pad(foreground.mask, depth)
    lab[_ring(mask, depth), 0] = 100.0
    return lab, mask


def _depth(height: int, width: int) -> int:
    return max(1, round(_RING_SHARE * min(height, width)))


def _ring(mask: Mask, depth: int) -> Mask:
    ring = np.ones_like(mask)
    ring[depth:-depth, depth:-depth] = False
    return ring


def _sides(lab: Lab) -> list[Lab]:
    """Colours (N, 3) along each side, a part of the pixels."""
    depth = _depth(lab.shape[0], lab.shape[1])
    sides = (lab[:depth], lab[-depth:], lab[:, :depth], lab[:, -depth:])
    return [side.reshape(-1, 3)[::_EVERY] for side in sides]


def _middle(colors: Lab) -> Lab:
    """(3,) the median of each coordinate, the lower one of two."""
    at = (len(colors) - 1) // 2
    return np.asarray(np.partition(colors, at, axis=0)[at], np.float32)


def _farthest(colors: Sequence[Lab]) -> float:
    """The largest distance between two: a floor differs from its wall."""
    return sqrt(max(float(((one - other) ** 2).sum()) for one, other in combinations(colors, 2)))


def _steps(lightness: Floats) -> Floats:
    """(H, W) how much lighter or darker each pixel is than the ones above and before it."""
    steps = np.zeros_like(lightness)
    steps[1:] = np.abs(lightness[1:] - lightness[:-1])
    steps[:, 1:] += np.abs(lightness[:, 1:] - lightness[:, :-1])
    return steps
