"""Where text is in a picture: boxes from the detector's probability map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
import numpy.typing as npt

from model.reading.engine import Floats, Network
from model.reading.scout import Part, Scout, merged
from model.types import Pixels

Corners = npt.NDArray[np.float32]

_TEXT_LEVEL = 0.3  # a pixel is text above this probability
_BOX_LEVEL = 0.5  # a box is text above this mean probability
_FAINT_LEVEL = 0.4  # above this one, it may be text: crossed-out prices often are
_GROW = 1.6  # the network marks shrunk lines: area over perimeter times this grows them back
_MIN_MARK = 3.0  # pixels of the map, shorter side of a mark
_MAX_MARKS = 1000
_GRID = 32  # the network halves its input five times
_LEVELS = np.arange(256, dtype=np.float32) * np.float32(1 / 127.5) - np.float32(1)  # by a pixel's level: what goes in


@dataclass(frozen=True, slots=True)
class TextBox:
    """One line's place. ``corners`` (4, 2) float32 in pixels of the picture, clockwise from the top left."""

    corners: Corners
    score: float

    @property
    def is_faint(self) -> bool:
        """Is it text only if what is read in it says so?"""
        return self.score < _BOX_LEVEL


@dataclass(frozen=True, slots=True)
class Place:
    """A level rectangle of a picture, in pixels."""

    left: float
    top: float
    right: float
    foot: float


class Detector:
    """Finds lines of text. Without a ``scout`` it looks everywhere."""

    def __init__(self, network: Network, scout: Scout | None = None) -> None:
        self._network = network
        self._scout = scout

    def find(self, picture: Pixels, side: int, max_side: int) -> list[TextBox]:
        """Boxes in reading order, faint ones among them.

        Looked for with the shorter side at ``side``, the longer one at most ``max_side``.
        """
        height, width = picture.shape[:2]
        batch = _resized(picture, *grid_size(height, width, side, max_side))
        if self._scout is None:
            return boxes_in(self._probabilities(batch, [Part(0, 0, *batch.shape[2:])]), height, width)
        heat = self._scout.heat(batch)
        parts = self._scout.parts(heat)
        boxes = boxes_in(self._probabilities(batch, parts), height, width) if parts else []
        size = np.array([width, height], np.float32)
        return [box for box in boxes if self._scout.is_text(heat, box.corners / size)]

    def find_in(self, picture: Pixels, places: Sequence[Place], side: int, max_side: int) -> list[TextBox]:
        """The same in ``places`` alone, and whatever the scout would say of them."""
        height, width = picture.shape[:2]
        batch = _resized(picture, *grid_size(height, width, side, max_side))
        rows, columns = batch.shape[2:]
        down, along = rows / height, columns / width
        parts = merged(
            (
                Part(int(one.top * down), int(one.left * along), ceil(one.foot * down), ceil(one.right * along))
                for one in places
            ),
            rows,
            columns,
        )
        return boxes_in(self._probabilities(batch, parts), height, width)

    def _probabilities(self, batch: Floats, parts: Sequence[Part]) -> Floats:
        """Text probability (H, W) of one picture (1, 3, H, W); outside of ``parts`` 0."""
        found = np.zeros(batch.shape[2:], np.float32)
        for part in parts:
            rows, columns = slice(part.top, part.foot), slice(part.left, part.right)
            found[rows, columns] = self._network(np.ascontiguousarray(batch[:, :, rows, columns]))[0, 0]
        return found


def _resized(picture: Pixels, height: int, width: int) -> Floats:
    """(1, 3, height, width), as the networks take it."""
    return as_input(np.asarray(cv2.resize(picture, (width, height)), np.uint8))[None]


def as_input(picture: Pixels) -> Floats:
    """(H, W, 3) sRGB uint8 to (3, H, W) float32 in -1 to 1, blue first as the networks were trained."""
    return _LEVELS.take(picture[:, :, ::-1].transpose(2, 0, 1))


def grid_size(height: int, width: int, side: int, max_side: int) -> tuple[int, int]:
    """Height and width, multiples of 32, at which to look at a picture of ``height`` by ``width``."""
    scale = min(side / min(height, width), max_side / max(height, width))
    return max(_GRID, round(height * scale / _GRID) * _GRID), max(_GRID, round(width * scale / _GRID) * _GRID)


def boxes_in(probability: Floats, height: int, width: int) -> list[TextBox]:
    """Boxes of a probability map, scaled to a picture of ``height`` by ``width``, in reading order."""
    marked = cv2.dilate((probability > _TEXT_LEVEL).astype(np.uint8), np.ones((2, 2), np.uint8))
    outlines, _ = cv2.findContours(marked, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    scale = np.array([width / probability.shape[1], height / probability.shape[0]], np.float32)
    limit = np.array([width - 1, height - 1], np.float32)
    boxes = []
    for outline in outlines[:_MAX_MARKS]:
        box = _box_of(np.asarray(outline), probability)
        if box is not None:
            boxes.append(TextBox(np.clip(box.corners * scale, 0, limit).astype(np.float32), box.score))
    return in_reading_order([box for box in boxes if min(_sides(box.corners)) > 3])


def _box_of(outline: npt.NDArray[np.int32], probability: Floats) -> TextBox | None:
    center, size, angle = cv2.minAreaRect(outline)
    if min(size) < _MIN_MARK:
        return None
    score = _mean_inside(np.asarray(cv2.boxPoints((center, size, angle)), np.float32), probability)
    if score < _FAINT_LEVEL:
        return None
    grow = size[0] * size[1] * _GROW / (2 * (size[0] + size[1]))
    grown = (size[0] + 2 * grow, size[1] + 2 * grow)
    return TextBox(clockwise(np.asarray(cv2.boxPoints((center, grown, angle)), np.float32)), score)


def _mean_inside(points: npt.NDArray[np.floating], probability: Floats) -> float:
    """Mean probability inside a quadrilateral."""
    height, width = probability.shape
    low = np.clip(np.floor(points.min(axis=0)), 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil(points.max(axis=0)), 0, (width - 1, height - 1)).astype(int)
    mask = np.zeros((high[1] - low[1] + 1, high[0] - low[0] + 1), np.uint8)
    cv2.fillPoly(mask, [(points - low).astype(np.int32)], 1)
    window = probability[low[1] : high[1] + 1, low[0] : high[0] + 1]
    return float(cv2.mean(window, mask)[0])


def clockwise(points: Corners) -> Corners:
    """Four corners, clockwise from the top left of the text, which runs along the upper of the long sides."""
    by_x = points[np.argsort(points[:, 0], kind="stable")]
    left = by_x[:2][np.argsort(by_x[:2, 1], kind="stable")]
    right = by_x[2:][np.argsort(by_x[2:, 1], kind="stable")]
    return np.stack([left[0], right[0], right[1], left[1]])


def _sides(corners: Corners) -> tuple[float, float]:
    return float(np.linalg.norm(corners[0] - corners[1])), float(np.linalg.norm(corners[0] - corners[3]))


def in_reading_order(boxes: list[TextBox]) -> list[TextBox]:
    """Rows from top to bottom, each from left to right. Boxes share a row when their middles are level."""
    waiting = sorted(boxes, key=lambda box: float(box.corners[:, 1].mean()))
    ordered: list[TextBox] = []
    row: list[TextBox] = []
    for box in waiting:
        if row and not _is_level(row[-1], box):
            ordered += sorted(row, key=lambda one: float(one.corners[:, 0].mean()))
            row = []
        row.append(box)
    return ordered + sorted(row, key=lambda one: float(one.corners[:, 0].mean()))


def _is_level(one: TextBox, other: TextBox) -> bool:
    shorter = min(np.ptp(one.corners[:, 1]), np.ptp(other.corners[:, 1]))
    return bool(abs(one.corners[:, 1].mean() - other.corners[:, 1].mean()) < 0.5 * shorter)
