"""A line's own axes, however it stands in the picture: where others lie beside it, and boxes widened along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.reading.detect import Corners

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """``origin``, ``right``, ``down`` (2,): the box's top left and its sides; ``width`` and ``height`` in pixels."""

    origin: Floats
    right: Floats
    down: Floats
    width: float
    height: float

    @classmethod
    def of(cls, corners: Corners) -> Frame | None:
        """Of a box, (4, 2) clockwise from the text's own top left; None of one that is thinner than a pixel."""
        origin, right, down = corners[0], corners[1] - corners[0], corners[3] - corners[0]
        width, height = float(np.linalg.norm(right)), float(np.linalg.norm(down))
        return cls(origin, right, down, width, height) if min(width, height) >= 1 else None

    def along(self, corners: Corners) -> Floats:
        """(4,) pixels from the box's left end towards its right one."""
        found: Floats = (corners - self.origin) @ (self.right / self.width)
        return found

    def below(self, corners: Corners) -> Floats:
        """(4,) pixels from the box's top downwards."""
        found: Floats = (corners - self.origin) @ (self.down / self.height)
        return found

    def box(self, start: float, end: float, foot: float) -> Corners:
        """(4, 2) from ``start`` to ``end`` along the line and from its top down to ``foot``, all in pixels."""
        left, far = self.right * np.float32(start / self.width), self.right * np.float32(end / self.width)
        down = self.down * np.float32(foot / self.height)
        corners = (self.origin + left, self.origin + far, self.origin + far + down, self.origin + left + down)
        return np.stack(corners).astype(np.float32)
