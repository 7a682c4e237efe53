"""Which pixels of a line's crop are ink, and where each character's ink lies.

Letters on photos have shadows, outlines and busy ground, so there is no one way to part ink from paper. Several are
tried, and each is judged by whether it yields one glyph per character that was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from model.types import Pixels

Mask = npt.NDArray[np.bool_]
HEIGHT = 64  # rows to which a crop is scaled before its ink is measured

_WIDEST = 2048  # columns; a longer line is squeezed, so that no crop costs much
_LEAST_GLYPH = 0.2  # of the crop's height: smaller ink is a point, a comma or dirt
_WIDEST_GLYPH = 1.3
_FARTHEST = 0.45  # of the crop's height, from where the reader saw a character to its glyph


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character's ink: rows and columns, in pixels of the scaled crop."""

    left: float
    right: float
    top: float
    bottom: float

    @property
    def height(self) -> float:
        """Rows."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """Column."""
        return (self.left + self.right) / 2


def scaled(crop: Pixels) -> Pixels:
    """``crop`` (H, W, 3) at ``HEIGHT`` rows, at most 2,048 columns."""
    width = min(_WIDEST, max(1, round(crop.shape[1] * HEIGHT / crop.shape[0])))
    return np.asarray(cv2.resize(crop, (width, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def inks(crop: Pixels) -> Iterator[Mask]:
    """(H, W) bool, several: either side of the main colour axis' best cut, and each of three colours."""
    flat = crop.reshape(-1, 3).astype(np.float32)
    centred = flat - flat.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    along = (centred @ axes[:, -1]).reshape(crop.shape[:2])
    span = float(np.ptp(along))
    if span < 1:
        return
    grey = ((along - along.min()) * (255 / span)).astype(np.uint8)
    _, marked = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    yield np.asarray(marked, np.bool_)
    yield ~np.asarray(marked, np.bool_)
    start = np.digitize(grey.reshape(-1), np.quantile(grey, (1 / 3, 2 / 3))).astype(np.int32)
    rule = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 8, 1.0)
    _, colours, _ = cv2.kmeans(flat, 3, start[:, None], rule, 1, cv2.KMEANS_USE_INITIAL_LABELS)
    for colour in range(3):
        yield (colours == colour).reshape(crop.shape[:2])


def glyphs_at(ink: Mask, places: Sequence[float]) -> list[Glyph] | None:
    """One glyph for each place (share of the width, from left to right), or None where that does not come out."""
    height, width = ink.shape
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    boxes = sorted(
        ((int(x), int(y), int(w), int(h)) for x, y, w, h, _ in stats[1:]), key=lambda box: box[0] + box[2] / 2
    )
    glyphs = [
        Glyph(x, x + w, y, y + h)
        for x, y, w, h in boxes
        if h >= _LEAST_GLYPH * height and w <= _WIDEST_GLYPH * height and h < height and w < width
    ]
    return _in_order(glyphs, [place * width for place in places], _FARTHEST * height)


def _in_order(glyphs: Sequence[Glyph], middles: Sequence[float], farthest: float) -> list[Glyph] | None:
    """The assignment that keeps the order with the least distance in all; None when a character finds no glyph."""
    if len(glyphs) < len(middles) or len(glyphs) > 60:
        return None
    none = float("inf")
    costs = np.full((len(middles) + 1, len(glyphs) + 1), none)
    costs[0] = 0.0
    for row, middle in enumerate(middles):
        for column, glyph in enumerate(glyphs):
            away = abs(glyph.middle - middle)
            taken = costs[row, column] + away if away <= farthest else none
            costs[row + 1, column + 1] = min(costs[row + 1, column], taken)
    if not np.isfinite(costs[-1, -1]):
        return None
    chosen: list[Glyph] = []
    column = len(glyphs)
    for row in range(len(middles), 0, -1):
        while costs[row, column - 1] == costs[row, column]:
            column -= 1
        chosen.append(glyphs[column - 1])
        column -= 1
    return chosen[::-1]
