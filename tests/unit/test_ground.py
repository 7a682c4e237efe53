"""Grounds: an even border is even in whatever colour and light, and other backdrops are backdrops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.colors.foreground import find_foreground
from model.scenes.ground import NUM_MEASURES, ground_measures
from model.scenes.surroundings import FILLED, PLACE, PLAIN, Grounds, Surroundings
from model.training.backdrops import before_backdrop
from model.types import Pixels
from tests.unit.scene_samples import CONFIG, SCENES, measures_of, product, street, taught, weave

COLORS = st.tuples(*[st.integers(40, 249)] * 3)


def test_an_empty_picture_has_no_ground() -> None:
    """Its measures are zeros, and so are those of a single pixel."""
    assert not ground_measures(None).any()
    assert not ground_measures(find_foreground(np.zeros((1, 1, 3), np.uint8))).any()


@given(COLORS)
@settings(max_examples=40, deadline=None)
def test_colour_and_light_of_a_backdrop_make_no_difference(color: tuple[int, int, int]) -> None:
    """A product before one colour has a border without distances and steps, whatever the colour."""
    _, off_border, near, nearish, far, spread, steps, steep, *_ = measures_of(product(1, backdrop=color))
    assert (near, nearish, far, spread, steps, steep) == pytest.approx((1, 1, 0, 0, 0, 0), abs=1e-5)
    assert off_border > 0.9


def worn(seed: int) -> Pixels:
    """A striped garment cut out on white, wider above than below, which the picture's lower edge cuts off."""
    pixels = product(seed, backdrop=(255, 255, 255))
    stripes = pixels[48, 30:66].copy()
    pixels[:] = 255
    pixels[10:, 30:66], pixels[20:50, 12:84] = stripes, stripes[:1]
    return pixels


def test_white_around_a_product_is_its_border() -> None:
    """Also where white was cut off as if it were letterbox bars, so that the product touches what is left."""
    _, off_border, near, nearish, far, spread, steps, steep, *_ = measures_of(worn(1))
    assert (off_border, near, nearish, far, spread, steps, steep) == pytest.approx((1, 1, 1, 0, 0, 0, 0), abs=1e-5)


def test_a_bright_sky_is_no_border() -> None:
    """White above a street leaves its border uneven."""
    pixels = street(1)
    pixels[:40] = 255
    assert measures_of(pixels)[2] < 0.9


@given(st.integers(0, 10**6), st.integers(1, 64), st.integers(1, 64))
@settings(max_examples=60, deadline=None)
def test_measures_are_finite(seed: int, height: int, width: int) -> None:
    """Of any picture."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    found = measures_of(pixels)
    assert found.shape == (NUM_MEASURES,)
    assert np.isfinite(found).all()


def test_a_backdrop_is_drawn_once_for_all() -> None:
    """The same number draws the same wall, another one another; the picture itself stays as it is."""
    shown = product(3)
    before = shown.copy()
    assert np.array_equal(before_backdrop(shown, 1), before_backdrop(shown, 1))
    assert not np.array_equal(before_backdrop(shown, 1), before_backdrop(shown, 2))
    assert np.array_equal(shown, before)


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_a_backdrop_takes_light_away(seed: int) -> None:
    """No pixel gets much lighter: a wall reflects at most what falls on it, a floor a tenth more."""
    shown = product(2)
    gain = before_backdrop(shown, seed).astype(int) - shown * 1.1
    assert gain.max() < 20  # noise


@pytest.fixture(scope="module")
def learned() -> Surroundings:
    """Grounds as drawn ones teach them."""
    return taught()


@pytest.mark.parametrize(
    ("draw", "ground"),
    [(product, PLAIN), (street, PLACE), (weave, FILLED), (lambda seed: before_backdrop(product(seed), seed), PLAIN)],
)
def test_grounds_are_told_on_other_pictures(learned: Surroundings, draw: Callable[[int], Pixels], ground: int) -> None:
    """Of each kind nearly all, before grey and uneven walls as well."""
    shown = np.stack([measures_of(draw(seed)) for seed in range(1000, 1040)])
    found = learned.by_ground(torch.from_numpy(shown)).argmax(dim=1)
    assert (found == ground).float().mean() > 0.9


def test_a_source_counts_as_much_as_any_other() -> None:
    """However many photos it has: a hundred copies of one source change nothing."""
    once = taught()
    copies = taught(copies=100)
    probe = torch.from_numpy(np.stack([measures_of(draw(7)) for draw in (product, street, weave)]))
    np.testing.assert_allclose(once.by_ground(probe).exp(), copies.by_ground(probe).exp(), atol=0.05)


def test_without_pictures_every_ground_is_as_likely() -> None:
    """Nothing learned says nothing."""
    blank = Surroundings(CONFIG, len(SCENES))
    none = np.zeros((0, NUM_MEASURES), np.float32)
    blank.learn_grounds(Grounds(torch.from_numpy(none), torch.from_numpy(np.zeros(0, np.int64)), []), SCENES)
    found = blank.by_ground(torch.from_numpy(np.stack([measures_of(street(1))])))
    np.testing.assert_allclose(found.exp(), np.full((1, 3), 1 / 3), atol=1e-6)
