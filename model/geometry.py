"""Pictures brought to size: the same functions for training and for serving, so that both see the same pixels."""

from __future__ import annotations

import numpy as np
from PIL import Image

from model.types import Pixels

_WHITE = (255, 255, 255)


def fit_square(image: Image.Image, side: int) -> Pixels:
    """``image`` (RGB) whole inside a white square, as (side, side, 3) uint8; never enlarged past the square."""
    small = _within(image, side)
    square = Image.new("RGB", (side, side), _WHITE)
    square.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
    return np.asarray(square, np.uint8)


def fit_within(image: Image.Image, max_side: int) -> Pixels:
    """``image`` (RGB) as (H, W, 3) uint8 with ``max(H, W) <= max_side``; smaller ones stay as they are."""
    if max(image.size) > max_side:
        image = _within(image, max_side)
    return np.array(image, np.uint8)


def _within(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
