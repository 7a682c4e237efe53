"""Lines drawn through prices: found in a crop's pixels, and taken out so that what they cross can be read.

A struck price is one where a straight line of one colour runs through all its characters and the gaps between them.
In the gaps nothing else has ink; that tells a line from the bars of letters.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from model.reading.ink import HEIGHT, Mask, inks, scaled
from model.types import Pixels

_COVERED = 0.95  # of the columns, where the line has ink
_BARE = 0.22  # of the columns, at least: no ink above or below the line, near to it
_MIDDLE = (0.3, 0.72)  # of the crop's height: where a line through the letters has its middle
_STEEPEST = 0.55  # rise over the whole length, of the crop's height
_THICKEST = 0.16  # of the crop's height

Rows = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Strike:
    """A line from column ``left`` to ``right``; rows of its middle there, all in pixels of the scaled crop."""

    left: int
    right: int
    first_row: float
    last_row: float
    thickness: float


def find_strike(crop: Pixels, start: float, end: float) -> Strike | None:
    """The line through what stands between ``start`` and ``end``, shares of the crop's width."""
    small = scaled(crop)
    left, right = max(0, int(start * small.shape[1])), min(small.shape[1], int(np.ceil(end * small.shape[1])))
    if right - left < HEIGHT // 2:
        return None
    for ink in inks(small[:, left:right]):
        strike = _in_ink(ink, left, right)
        if strike is not None:
            return strike
    return None


def _in_ink(ink: Mask, left: int, right: int) -> Strike | None:
    height, width = ink.shape
    rows = np.arange(0, height, 2)
    firsts, lasts = (one.ravel() for one in np.meshgrid(rows, rows, indexing="ij"))
    middle = (firsts + lasts) / 2
    is_fit = (
        (abs(firsts - lasts) <= _STEEPEST * height) & (middle >= _MIDDLE[0] * height) & (middle <= _MIDDLE[1] * height)
    )
    firsts, lasts = firsts[is_fit].astype(float), lasts[is_fit].astype(float)
    columns = np.arange(0, width, 2)
    thick = cv2.dilate(ink.astype(np.uint8), np.ones((3, 1), np.uint8)).astype(np.bool_)
    share = columns / max(1, width - 1)
    path = np.rint(firsts[:, None] + (lasts - firsts)[:, None] * share).astype(int)
    covered = thick[path, columns].mean(axis=1)
    best = None
    for index in np.argsort(-covered, kind="stable")[:24]:
        if covered[index] < _COVERED:
            break
        found = _measured(ink, path[index], columns)
        if found is not None and (best is None or found[1] > best[1]):
            best = (index, found[1], found[0])
    if best is None:
        return None
    return Strike(left, right, float(firsts[best[0]]), float(lasts[best[0]]), best[2])


def _measured(ink: Mask, path: npt.NDArray[np.int_], columns: npt.NDArray[np.int_]) -> tuple[float, float] | None:
    """Thickness in pixels and share of bare columns, or None for what is no line."""
    height = ink.shape[0]
    reach = int(_THICKEST * height)
    offsets = np.arange(-reach - 2, reach + 3)
    band = ink[np.clip(path[:, None] + offsets, 0, height - 1), columns[:, None]]
    outside = band[:, (offsets < -reach) | (offsets > reach)]
    is_bare = ~outside.any(axis=1)
    if is_bare.mean() < _BARE:
        return None
    thickness = float(np.median(band[is_bare].sum(axis=1)))
    return (thickness, float(is_bare.mean())) if 0 < thickness <= _THICKEST * height else None


def without(crop: Pixels, strike: Strike) -> Pixels:
    """The scaled crop with the line taken out: in each column, its rows run from the colour above to that below."""
    small = scaled(crop).astype(np.float32)
    height = small.shape[0]
    reach = strike.thickness / 2 + 1
    slope = (strike.last_row - strike.first_row) / max(1, strike.right - strike.left - 1)
    rows = np.arange(height)
    for column in range(small.shape[1]):
        middle = strike.first_row + slope * (column - strike.left)
        above, below = int(np.floor(middle - reach)), int(np.ceil(middle + reach))
        if above < 0 or below >= height:
            continue
        share = (rows[above : below + 1] - above)[:, None] / (below - above)
        small[above : below + 1, column] = small[above, column] * (1 - share) + small[below, column] * share
    return small.astype(np.uint8)
