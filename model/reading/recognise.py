"""What a line of text says: crops turned upright, batched by width, decoded by CTC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from model.reading.detect import Corners, as_input
from model.reading.engine import Floats, Network
from model.reading.signs import columns_of, missed_signs
from model.types import Pixels

_T = TypeVar("_T")

_HEIGHT = 48
_TRAINED_WIDTH = 320  # shorter lines were padded to this in training
_ROOM = 32  # columns of that padding that a shorter line has to have: with none it is read worse, with more no better
_MIN_WIDTH = 160  # narrower input is read worse
_MAX_WIDTH = 3200
_WIDTH_STEP = 32  # engines prepare themselves for each new shape, which costs as much as reading a line
_UPRIGHT_SIZE = (48, 192)
_UPRIGHT_TOGETHER = 16  # more fall out of the processor's cache: each costs twice as much
_UPSIDE_DOWN = 0.9


@dataclass(frozen=True, slots=True)
class ReadLine:
    """One line. ``places``: for each character its middle, as a share 0-1 of the crop's width.

    ``least``: the probability of its least sure digit, 1 without digits.
    """

    text: str
    score: float
    places: tuple[float, ...]
    least: float = 1.0


class Recogniser:
    """Reads crops of single lines.

    ``together``: lines of one width in one call of ``network``, best one for each of its threads. On a CPU more make
    each dearer, by a quarter for sixteen, as what lies between two layers falls out of its cache.
    """

    def __init__(self, network: Network, classifier: Network, alphabet: tuple[str, ...], together: int = 1) -> None:
        self._network = network
        self._together = together
        self._classifier = classifier
        self._alphabet = alphabet
        self._signs = columns_of(alphabet)

    def upside_down(self, crops: Sequence[Pixels]) -> list[bool]:
        """For each crop whether its text stands on its head."""
        turned: list[bool] = []
        for some in _slices(crops, _UPRIGHT_TOGETHER):
            chances = self._classifier(np.stack([_padded(crop, *_UPRIGHT_SIZE) for crop in some]))
            turned += [bool(row[1] > row[0] and row[1] > _UPSIDE_DOWN) for row in chances]
        return turned

    def read(self, crops: Sequence[Pixels]) -> list[ReadLine]:
        """One result per crop, in order; crops (H, W, 3) sRGB. What a line says does not hang on those beside it."""
        lines: dict[int, ReadLine] = {}
        for width, alike in _by_width(crops).items():
            for chosen in _slices(alike, self._together):
                output = self._network(np.stack([_padded(crops[index], _HEIGHT, width) for index in chosen]))
                for index, steps in zip(chosen, output, strict=True):
                    lines[index] = self._decode(steps, width / _width_of(crops[index]))
        return [lines[index] for index in range(len(crops))]

    def _decode(self, steps: Floats, stretch: float) -> ReadLine:
        """``steps`` (T, characters) to text: repeats merged, blanks dropped."""
        best = steps.argmax(axis=1)
        keep = best != 0
        keep[1:] &= best[1:] != best[:-1]
        at = np.flatnonzero(keep)
        if not len(at):
            return ReadLine("", 0.0, ())
        text = [self._alphabet[best[step]] for step in at]
        chances, middles = list(steps[at, best[at]]), list(_middles(best, at))
        missed = list(missed_signs("".join(text), steps, at, self._signs)) if all(len(one) == 1 for one in text) else []
        for one in reversed(missed):
            text[one.start : one.end] = [one.sign]
            chances[one.start : one.end] = [np.float32(one.probability)]
            middles[one.start : one.end] = [np.float64(one.step)]
        places = (np.array(middles) + 0.5) / len(steps) * stretch
        score = float(np.mean(chances))
        least = min(
            (float(one) for character, one in zip(text, chances, strict=True) if character.isdigit()), default=1
        )
        return ReadLine("".join(text), score, tuple(float(place) for place in np.minimum(places, 1.0)), least)


def crop_of(picture: Pixels, corners: Corners) -> tuple[Pixels, Corners]:
    """The line cut out level, (H, W, 3), and its corners from the text's own top left.

    A crop 1.5 times as high as wide is a line that runs downwards: it is turned a quarter to the left to lie level.
    """
    width = max(1, int(max(np.linalg.norm(corners[0] - corners[1]), np.linalg.norm(corners[2] - corners[3]))))
    height = max(1, int(max(np.linalg.norm(corners[0] - corners[3]), np.linalg.norm(corners[1] - corners[2]))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    crop = cv2.warpPerspective(picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if height < 1.5 * width:
        return np.asarray(crop, np.uint8), corners
    return np.ascontiguousarray(np.rot90(crop), np.uint8), np.roll(corners, -1, axis=0)


def _width_of(crop: Pixels) -> int:
    """Width of the crop at the network's height."""
    return int(min(_MAX_WIDTH, max(1, ceil(_HEIGHT * crop.shape[1] / crop.shape[0]))))


def _slices(items: Sequence[_T], length: int) -> Iterator[Sequence[_T]]:
    return (items[start : start + length] for start in range(0, len(items), length))


def _by_width(crops: Sequence[Pixels]) -> dict[int, list[int]]:
    """Which crops are read at which width, narrow ones first."""
    found: dict[int, list[int]] = {}
    for index, crop in enumerate(crops):
        found.setdefault(_read_at(_width_of(crop)), []).append(index)
    return dict(sorted(found.items()))


def _read_at(width: int) -> int:
    """Columns of the network's input for a line of ``width``."""
    return max(_MIN_WIDTH, _stepped(width), min(_TRAINED_WIDTH, _stepped(width + _ROOM)))


def _stepped(width: int) -> int:
    return ceil(width / _WIDTH_STEP) * _WIDTH_STEP


def _padded(crop: Pixels, height: int, width: int) -> Floats:
    """(3, height, width) float32: scaled to the height, zeros to the right."""
    used = min(width, max(1, ceil(height * crop.shape[1] / crop.shape[0])))
    full = np.zeros((3, height, width), np.float32)
    full[:, :, :used] = as_input(np.asarray(cv2.resize(crop, (used, height)), np.uint8))
    return full


def _middles(best: npt.NDArray[np.intp], at: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """For each kept step the middle of its run of equal steps."""
    change = np.flatnonzero(np.append(best[1:] != best[:-1], True))
    ends = change[np.searchsorted(change, at)]
    return np.asarray((at + ends) / 2)
