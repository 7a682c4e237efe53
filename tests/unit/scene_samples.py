"""Drawn pictures of the three grounds, and surroundings that learned from them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from model.colors.foreground import find_foreground
from model.config import ModelConfig
from model.scenes.ground import NUM_MEASURES, ground_measures
from model.scenes.surroundings import FILLED, PLACE, PLAIN, Grounds, Surroundings
from model.training.backdrops import before_backdrop
from model.types import Pixels

SCENES = ("indoor", "studio", "texture_swatch", "outdoor")
CONFIG = ModelConfig(image_dim=4, ground_dim=NUM_MEASURES, image_classes=3, untaught_scenes=("outdoor",))

_SIDE = 96


def product(seed: int, backdrop: tuple[int, int, int] = (252, 252, 252)) -> Pixels:
    """A striped thing in the middle of one colour, a little larger or smaller."""
    draw = np.random.default_rng(seed)
    pixels = np.full((_SIDE, _SIDE, 3), backdrop, np.uint8)
    inset = int(draw.integers(16, 30))
    stripes = draw.integers(0, 30, (1, _SIDE - 2 * inset, 3)).repeat(_SIDE - 2 * inset, axis=0)
    pixels[inset:-inset, inset:-inset] = stripes.astype(np.uint8)
    return pixels


def street(seed: int) -> Pixels:
    """Blocks of any colour and size, to the edges."""
    draw = np.random.default_rng(seed)
    pixels = np.full((_SIDE, _SIDE, 3), draw.integers(60, 200, 3), np.uint8)
    for _ in range(40):
        top, left = draw.integers(0, _SIDE - 8, 2)
        height, width = draw.integers(8, 40, 2)
        pixels[top : top + height, left : left + width] = draw.integers(0, 256, 3)
    return pixels


def weave(seed: int) -> Pixels:
    """The same fine grain all over."""
    draw = np.random.default_rng(seed)
    level = draw.integers(60, 190, 3)
    grain = draw.normal(0, 4, (_SIDE, _SIDE, 1))
    return np.clip(level + grain, 0, 249).astype(np.uint8)


def measures_of(pixels: Pixels) -> npt.NDArray[np.float32]:
    """See `model.scenes.ground`."""
    return ground_measures(find_foreground(pixels))


def taught(copies: int = 1) -> Surroundings:
    """Surroundings fitted on sixty drawn pictures of each ground; those of one of two sources of places
    ``copies`` times.
    """
    shown: list[tuple[npt.NDArray[np.float32], int, str]] = []
    for seed in range(60):
        shown.append((measures_of(product(seed)), PLAIN, "shop"))
        shown.append((measures_of(before_backdrop(product(seed), seed)), PLAIN, "shop before backdrops"))
        shown.append((measures_of(weave(seed)), FILLED, "shop"))
        source = "homes" if seed % 2 else "streets"
        shown += [(measures_of(street(seed)), PLACE, source)] * (copies if source == "homes" else 1)
    measures, grounds, groups = zip(*shown, strict=True)
    found = Surroundings(CONFIG, len(SCENES))
    pictures = Grounds(torch.from_numpy(np.stack(measures)), torch.tensor(grounds), groups)
    found.learn_grounds(pictures, SCENES)
    return found
