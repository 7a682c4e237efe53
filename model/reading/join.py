"""Parts that the detector took for lines of their own: raised cents, and the halves of a crossed-out line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.reading.detect import Corners, TextBox
from model.reading.frame import Frame

_HEIGHTS = (0.3, 0.75)  # of the smaller box, in heights of the larger
_GAP = (-0.4, 0.3)  # between them, in the same
_WIDEST = 1.4  # two digits are no wider
_SAME_TOP = 0.3
_ALIKE = 0.6  # least height of one half, of the other's
_SHARED = (0.7, 0.5)  # width that both have, of the narrower and the wider half
_SEAM = (-0.55, 0.1)  # between them, in heights of the lower half; lines of a paragraph stand farther apart


def joined(boxes: Sequence[TextBox]) -> list[TextBox]:
    """The boxes in their order; a small one that hangs at the upper right of a larger one is made part of it."""
    gone: set[int] = set()
    found = list(boxes)
    for index, box in enumerate(boxes):
        for other in range(len(boxes)):
            if other != index and other not in gone and index not in gone and (wide := _together(box, boxes[other])):
                found[index] = wide
                gone.add(other)
                break
    return [box for index, box in enumerate(found) if index not in gone]


def _together(box: TextBox, small: TextBox) -> TextBox | None:
    """One box for both, or None if they do not belong together."""
    frame = Frame.of(box.corners)
    if frame is None or frame.width < 0.6 * frame.height:
        return None
    width, height = frame.width, frame.height
    along, below = frame.along(small.corners), frame.below(small.corners)
    is_small = _HEIGHTS[0] <= np.ptp(below) / height <= _HEIGHTS[1] and np.ptp(along) <= _WIDEST * height
    is_beside = _GAP[0] <= (along.min() - width) / height <= _GAP[1] and along.max() > width
    if not (is_small and is_beside and abs(below.min()) <= _SAME_TOP * height):
        return None
    return TextBox(frame.box(0, float(along.max()), height), max(box.score, small.score))


def halves(one: Corners, other: Corners) -> Corners | None:
    """One box for the halves of a line that was parted by a level stroke, or None if they do not look like that."""
    upper, lower = (one, other) if one[:, 1].mean() <= other[:, 1].mean() else (other, one)
    frame = Frame.of(upper)
    if frame is None:
        return None
    width, height, along, below = frame.width, frame.height, frame.along(lower), frame.below(lower)
    tall, wide = float(np.ptp(below)), float(np.ptp(along))
    shared = min(width, float(along.max())) - max(0.0, float(along.min()))
    if not _ALIKE <= tall / height <= 1 / _ALIKE or not _SEAM[0] <= (below.min() - height) / tall <= _SEAM[1]:
        return None
    if shared < _SHARED[0] * min(width, wide) or shared < _SHARED[1] * max(width, wide):
        return None
    return frame.box(min(0.0, float(along.min())), max(width, float(along.max())), float(below.max()))
