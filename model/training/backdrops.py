"""Other backdrops for pictures from a studio: the data's are white, those of other shops are not.

A picture is multiplied by light that falls unevenly on a coloured wall, so white becomes the wall and the product takes
its light. Only `model.scenes.ground` learns from it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.types import Pixels

Floats = npt.NDArray[np.float64]

_NOISE = 0.008  # of a camera, of full scale


def before_backdrop(pixels: Pixels, seed: int) -> Pixels:
    """The picture (H, W, 3) sRGB as if before a wall that ``seed`` draws: its colour, gradient, vignette and floor."""
    draw = np.random.default_rng(seed)
    height, width = pixels.shape[:2]
    light = _wall(draw)[None, None] * (_gradient(draw, height, width) * _vignette(draw, height, width))[..., None]
    light = light * _floor(draw, height)[:, None, None]
    shown = pixels / 255 * light + draw.normal(0, _NOISE, pixels.shape)
    return np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)


def _wall(draw: np.random.Generator) -> Floats:
    """(3,) mostly light and greyish."""
    level = draw.uniform(0.3, 1.0) if draw.random() < 0.3 else draw.uniform(0.75, 1.0)
    return np.clip(level + draw.normal(0, 0.04, 3), 0.05, 1)


def _gradient(draw: np.random.Generator, height: int, width: int) -> Floats:
    """(H, W) falling to one side by up to a half, in two of three pictures."""
    fall = draw.uniform(0, 0.5) if draw.random() < 2 / 3 else 0.0
    angle = draw.choice([0.5, 0.5, -0.5, draw.uniform(-1, 1)]) * np.pi
    across = np.linspace(-0.5, 0.5, height)[:, None] * np.sin(angle) + np.linspace(-0.5, 0.5, width) * np.cos(angle)
    return np.asarray(1 - fall * (across + 0.5).clip(0, 1))


def _vignette(draw: np.random.Generator, height: int, width: int) -> Floats:
    """(H, W) darker corners, in one of three pictures."""
    fall = draw.uniform(0, 0.25) if draw.random() < 1 / 3 else 0.0
    away = np.linspace(-1, 1, height)[:, None] ** 2 + np.linspace(-1, 1, width) ** 2
    return np.asarray(1 - fall * away / 2)


def _floor(draw: np.random.Generator, height: int) -> Floats:
    """(H,) a table or floor that is a little lighter or darker than the wall, in one of three pictures."""
    rows = np.ones(height)
    if draw.random() < 1 / 3:
        rows[int(height * draw.uniform(0.55, 0.9)) :] = draw.uniform(0.8, 1.1)
    return rows
