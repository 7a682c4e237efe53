"""Where in a picture there may be text, told by a network a twentieth as dear as the detector.

The detector takes texture for text in nine product photos of ten, at a cost of eighty milliseconds each, and every such
box is then read in vain. The scout has learned what the whole chain keeps in the end (`model/presence/scout_train.py`),
so a picture in which it sees nothing is not given to the detector; of the others, only the parts in which it sees
something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from model.errors import CheckpointError
from model.reading.engine import Floats, Network
from model.reading.onnx_metadata import read_metadata

SCOUT_VERSION = "2"  # changes with what is looked at
CELL = 8  # pixels of the detector's input to one number of the scout's
_MARGIN = 6  # cells around hot ones that the detector sees as well: letters at its edge it finds less well
_STEP = 4  # cells: parts have few sizes, as engines prepare themselves for each new one
_MOST = 0.75  # of a picture: parts that cover more cost what the whole costs


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle of the detector's input, pixels: rows from ``top`` to below ``foot``, columns likewise."""

    top: int
    left: int
    foot: int
    right: int

    @property
    def area(self) -> int:
        """Pixels."""
        return (self.foot - self.top) * (self.right - self.left)

    def touches(self, other: Part) -> bool:
        """Do they share a pixel?"""
        return min(self.foot, other.foot) > max(self.top, other.top) and min(self.right, other.right) > max(
            self.left, other.left
        )

    def with_(self, other: Part) -> Part:
        """The smallest part that holds both."""
        return Part(
            min(self.top, other.top), min(self.left, other.left),
            max(self.foot, other.foot), max(self.right, other.right),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Probabilities. ``look``: a picture without a cell that hot has no text; ``read``: nor has a place without one."""

    look: float
    read: float


class Scout:
    """Sees the detector's input, and says which parts of it the detector has to see, and what of it to read."""

    def __init__(self, network: Network, thresholds: Thresholds) -> None:
        self._network = network
        self._thresholds = thresholds

    def heat(self, batch: Floats) -> Floats:
        """Probability of text (H / 8, W / 8) in one picture (1, 3, H, W), H and W multiples of 32."""
        return np.asarray(self._network(batch)[0], np.float32)

    def parts(self, heat: Floats) -> list[Part]:
        """What the detector has to see; parts share no pixel."""
        if float(heat.max()) < self._thresholds.look:
            return []
        height, width = (CELL * length for length in heat.shape)
        found = merged(_around(heat >= self._thresholds.read), height, width)
        if sum(part.area for part in found) > _MOST * height * width:
            return [Part(0, 0, height, width)]
        return found

    def is_text(self, heat: Floats, corners: Floats) -> bool:
        """Is the box with these ``corners`` (4, 2), (x, y) in 0-1 of the picture, worth reading?"""
        return hottest_in(heat, corners) >= self._thresholds.read


def hottest_in(heat: Floats, corners: Floats) -> float:
    """The highest of ``heat`` in the cells that a box touches; ``corners`` (4, 2) in 0-1."""
    cells = corners * np.array(heat.shape[::-1], np.float32)
    left, top = np.maximum(0, np.floor(cells.min(axis=0)).astype(int))
    right, foot = np.ceil(cells.max(axis=0)).astype(int)
    return float(heat[top:foot, left:right].max(initial=0.0))


def _around(hot: npt.NDArray[np.bool_]) -> Iterator[Part]:
    """Boxes around hot cells that lie together, their margin in them."""
    grown = cv2.dilate(hot.astype(np.uint8), np.ones((2 * _MARGIN + 1,) * 2, np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(grown)
    for left, top, width, height, _ in boxes[1:].tolist():
        yield Part(CELL * top, CELL * left, CELL * (top + height), CELL * (left + width))


def _stepped(part: Part, height: int, width: int) -> Part:
    """The part, as much larger as makes its sides whole steps, inside the picture."""
    top, foot = _side(part.top, part.foot, height)
    left, right = _side(part.left, part.right, width)
    return Part(top, left, foot, right)


def _side(start: int, end: int, length: int) -> tuple[int, int]:
    start, end = max(0, start), min(length, end)
    step = CELL * _STEP
    wanted = -(-(end - start) // step) * step
    if wanted >= length:
        return 0, length
    start = min(start, length - wanted)
    return start, start + wanted


def merged(parts: Iterable[Part], height: int, width: int) -> list[Part]:
    """The parts, sides in whole steps; those that share pixels made one, again and again until none do."""
    found: list[Part] = []
    for one_part in parts:
        part = _stepped(one_part, height, width)
        while touching := [one for one in found if one.touches(part)]:
            for one in touching:
                found.remove(one)
                part = part.with_(one)
            part = _stepped(part, height, width)
        found.append(part)
    return found


def thresholds_of(path: Path) -> Thresholds:
    """What stands in a scout's file. Raises CheckpointError."""
    try:
        told = read_metadata(path)
        found = Thresholds(float(told["look"]), float(told["read"]))
        if not 0 < found.read <= found.look < 1:
            raise ValueError(found)
        return found
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path.name} is not whole ({error!r}); install hangtag again") from error
