"""Counted colours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.colors.color_histogram import HISTOGRAM_DIM, color_histogram
from model.colors.foreground import find_foreground


def product(color: tuple[int, int, int], side: int = 96) -> np.ndarray:
    """A thing of one colour in uneven light, on white, as shops show it."""
    pixels = np.full((side, side, 3), 255, np.uint8)
    inner = pixels[side // 4 : -side // 4, side // 4 : -side // 4]
    light = np.random.default_rng(0).normal(1, 0.15, inner.shape[:2])[..., None]
    inner[:] = np.clip(np.array(color) * light + np.random.default_rng(1).normal(0, 4, inner.shape), 0, 255)
    return pixels


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_any_picture_gives_two_distributions(height: int, width: int, seed: int) -> None:
    """Squares of each half sum to one, whatever the picture."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    found = color_histogram(find_foreground(pixels))
    assert found.shape == (HISTOGRAM_DIM,)
    for half in np.split(found, 2):
        assert float((half**2).sum()) == pytest.approx(1, abs=1e-4)


def test_the_background_does_not_count() -> None:
    """The same thing larger or smaller on white has the same foreground histogram."""
    small, large = product((20, 40, 160), 96), product((20, 40, 160), 90)
    first, second = (color_histogram(find_foreground(one))[: HISTOGRAM_DIM // 2] for one in (small, large))
    assert float(first @ second) > 0.95


def test_navy_is_not_black() -> None:
    """What features of ImageNet confuse lies in different cells."""
    navy, black, other_navy = (
        color_histogram(find_foreground(product(rgb))) for rgb in ((15, 25, 90), (8, 8, 8), (18, 28, 84))
    )
    assert float(navy @ black) < 0.6 < float(navy @ other_navy)


def test_an_empty_picture_has_no_colors() -> None:
    """Zeros, so that a missing picture adds nothing."""
    assert not color_histogram(find_foreground(np.zeros((0, 4, 3), np.uint8))).any()
