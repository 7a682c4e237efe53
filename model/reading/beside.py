"""Signs that the detector took for lines of their own, given to the amounts that they stand beside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.reading.detect import Corners
from model.reading.frame import Frame
from model.reading.second_look import SeenLine
from model.reading.signs import SIGNS
from model.wording.price_forms import RAISED

_LEAST = 0.8  # score of the sign: a letter or a logo may look like one
_AMOUNT = re.compile(rf"\d{{1,6}}(?:[.,'’ ]\d{{2,3}}){{0,3}}[{RAISED}]{{0,2}}(?:[.,]?[-–—])?")
_GAP = (-0.4, 0.6)  # between them, in heights of the amount
_HEIGHTS = (0.3, 1.3)  # of the sign's box, in the same


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line and where it is: ``corners`` (4, 2) float32 in pixels, clockwise from the text's own top left."""

    line: SeenLine
    corners: Corners


def with_lone_signs(lines: Sequence[PlacedLine]) -> list[PlacedLine]:
    """One picture's lines in their order; a sign beside an amount without one becomes part of that line."""
    found: list[PlacedLine | None] = list(lines)
    for index, sign in enumerate(lines):
        if len(sign.line.text) != 1 or sign.line.text not in SIGNS or sign.line.score < _LEAST:
            continue
        for other, amount in enumerate(found):
            if amount is not None and _AMOUNT.fullmatch(amount.line.text) and (wide := _together(amount, sign)):
                found[other], found[index] = wide, None
                break
    return [one for one in found if one is not None]


def _together(amount: PlacedLine, sign: PlacedLine) -> PlacedLine | None:
    """Both as one line, or None if the sign is elsewhere."""
    frame = Frame.of(amount.corners)
    if frame is None:
        return None
    width, height, along, below = frame.width, frame.height, frame.along(sign.corners), frame.below(sign.corners)
    is_beside = 0 <= below.mean() <= height and _HEIGHTS[0] <= np.ptp(below) / height <= _HEIGHTS[1]
    after, before = (along.min() - width) / height, -along.max() / height
    if not is_beside or not (_GAP[0] <= max(after, before) <= _GAP[1]):
        return None
    corners = frame.box(min(0.0, float(along.min())), max(width, float(along.max())), height)
    return PlacedLine(_joined(amount.line, sign.line, is_after=after > before), corners)


def _joined(amount: SeenLine, sign: SeenLine, *, is_after: bool) -> SeenLine:
    score = (amount.score * len(amount.text) + sign.score) / (len(amount.text) + 1)
    if is_after:
        return replace(amount, text=f"{amount.text} {sign.text}", score=score)
    struck = tuple((start + 1 if start else 0, end + 1) for start, end in amount.struck)
    return SeenLine(sign.text + amount.text, score, struck)
