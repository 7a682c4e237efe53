"""How much of which colour is in a picture: a histogram in CIELAB, for the heads.

Networks trained on ImageNet learn to look past colour, so their features hardly tell navy from black; counted pixels
do. Two histograms, of the foreground and of the picture's middle, since the foreground can be missed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.colors.foreground import Foreground, Lab

_LIGHTNESS = np.array([20, 40, 60, 80], np.float32)
_OPPONENT = np.array([-40, -20, -10, -4, 4, 10, 20, 40], np.float32)  # a* and b*: finest near grey
_CELLS = (len(_LIGHTNESS) + 1) * (len(_OPPONENT) + 1) ** 2
HISTOGRAM_DIM = 2 * _CELLS

Floats = npt.NDArray[np.float32]


def color_histogram(foreground: Foreground | None) -> Floats:
    """(HISTOGRAM_DIM,) square roots of shares, so that dot products compare distributions (Bhattacharyya 1943)."""
    if foreground is None:
        return np.zeros(HISTOGRAM_DIM, np.float32)
    height, width = foreground.mask.shape
    middle = foreground.lab[height // 4 : 3 * height // 4 + 1, width // 4 : 3 * width // 4 + 1].reshape(-1, 3)
    found: Floats = np.sqrt(np.concatenate([_shares(foreground.colors), _shares(middle)]))
    return found


def _shares(colors: Lab) -> Floats:
    steps = len(_OPPONENT) + 1
    lightness = np.digitize(colors[:, 0], _LIGHTNESS)
    red, yellow = (np.digitize(colors[:, axis], _OPPONENT) for axis in (1, 2))
    counts = np.bincount((lightness * steps + red) * steps + yellow, minlength=_CELLS)
    return np.asarray(counts / len(colors), np.float32)
