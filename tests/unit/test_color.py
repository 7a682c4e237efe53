"""Colours of the foreground: background, letterbox bars, shares, names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.colors.color import lab_to_hex, named_colors
from model.colors.color_names import ciede2000, nearest_names
from model.colors.foreground import find_foreground, rgb_to_lab
from model.types import ColorArea, Pixels

NAVY = (24, 30, 70)
RED = (200, 25, 35)


def picture(background: tuple[int, int, int]) -> Pixels:
    return np.full((224, 224, 3), background, np.uint8)


def foreground_colors(pixels: Pixels) -> tuple[ColorArea, ...]:
    found = find_foreground(pixels)
    return named_colors(found) if found is not None else ()


def test_white_background_is_no_colour() -> None:
    """A navy square on white is navy and nothing else, with its own hex."""
    pixels = picture((255, 255, 255))
    pixels[60:160, 60:160] = NAVY
    (area,) = foreground_colors(pixels)
    assert (area.value, area.hex) == ("navy", "#181e46")
    assert area.share > 0.95


def test_letterbox_bars_do_not_count() -> None:
    """White bars left and right of a picture are neither background nor foreground of it."""
    pixels = picture((255, 255, 255))
    pixels[:, 50:174] = (90, 140, 70)
    pixels[80:140, 90:140] = RED
    assert [area.value for area in foreground_colors(pixels)] == ["red"]


def test_shares_follow_the_areas() -> None:
    """Two thirds red and one third black come out in that order with about these shares."""
    pixels = picture((250, 250, 248))
    pixels[40:160, 60:120] = RED
    pixels[160:220, 60:120] = (10, 10, 10)
    first, second = foreground_colors(pixels)
    assert (first.value, second.value) == ("red", "black")
    assert first.share == pytest.approx(2 / 3, abs=0.04)
    assert second.share == pytest.approx(1 / 3, abs=0.04)


def test_white_product_on_white_stays_white() -> None:
    """White enclosed by a product's outline is the product's, not background."""
    pixels = picture((255, 255, 255))
    pixels[50:180, 50:180] = (120, 120, 120)
    pixels[53:177, 53:177] = (246, 246, 246)
    assert foreground_colors(pixels)[0].value == "white"


def test_picture_filled_by_one_colour_is_all_foreground() -> None:
    """A swatch has no background: the one colour is the answer with all of the share."""
    (area,) = foreground_colors(picture((30, 120, 60)))
    assert (area.value, area.share) == ("green", 1.0)


def test_same_picture_gives_the_same_answer() -> None:
    """Clustering draws no lots: two runs agree exactly."""
    pixels = np.random.default_rng(7).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    assert foreground_colors(pixels) == foreground_colors(pixels)


def test_other_arrays_are_refused_by_name() -> None:
    """Floats are an error that says what to pass, not a wrong colour."""
    with pytest.raises(ValueError, match="uint8"):
        foreground_colors(np.zeros((4, 4, 3), np.float32))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_any_picture_has_valid_areas(height: int, width: int, seed: int) -> None:
    """Whatever the size, shares are sorted, within 0-1 in sum, and names come once."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    areas = foreground_colors(pixels)
    shares = [area.share for area in areas]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1.001
    assert len({area.value for area in areas}) == len(areas)


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, -1, 2), (50, 0, 0), 2.3669),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ],
)
def test_ciede2000_matches_published_pairs(one: tuple[float, ...], other: tuple[float, ...], difference: float) -> None:
    """The distance equals the test pairs of Sharma, Wu and Dalal (2005)."""
    assert float(ciede2000(np.array(one), np.array(other))) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "rgb"),
    [
        ("black", (12, 12, 12)), ("white", (250, 250, 250)), ("grey", (110, 110, 110)), ("red", (210, 20, 30)),
        ("brown", (95, 60, 30)), ("beige", (222, 205, 180)), ("yellow", (250, 220, 40)), ("orange", (240, 120, 20)),
        ("green", (40, 130, 60)), ("blue", (40, 90, 200)), ("navy", (20, 25, 70)), ("pink", (245, 160, 190)),
        ("purple", (110, 50, 140)), ("gold", (190, 155, 70)), ("rose gold", (205, 150, 135)),
        ("silver", (192, 192, 192)),
    ],
)  # fmt: skip
def test_plain_colours_have_their_names(name: str, rgb: tuple[int, int, int]) -> None:
    """A textbook shade of each hue in the vocabulary gets that hue's name."""
    lab = rgb_to_lab(np.array([rgb], np.uint8))
    assert nearest_names(lab) == [name]


@pytest.mark.parametrize(
    ("name", "css"),
    [
        ("black", "000000"), ("white", "ffffff whitesmoke=f5f5f5 snow=fffafa ivory=fffff0"),
        ("grey", "808080 dimgray=696969 darkgray=a9a9a9 slategray=708090"), ("silver", "c0c0c0 lightgray=d3d3d3"),
        ("red", "ff0000 darkred=8b0000 maroon=800000 crimson=dc143c firebrick=b22222 indianred=cd5c5c"),
        ("orange", "ffa500 darkorange=ff8c00 coral=ff7f50 tomato=ff6347 orangered=ff4500"),
        ("yellow", "ffff00"), ("gold", "darkgoldenrod=b8860b"),
        ("green", "008000 lime=00ff00 olive=808000 forestgreen=228b22 seagreen=2e8b57 darkgreen=006400"),
        ("blue", "0000ff cyan=00ffff teal=008080 turquoise=40e0d0 skyblue=87ceeb steelblue=4682b4 royalblue=4169e1"),
        ("navy", "000080 midnightblue=191970 darkblue=00008b"),
        ("purple", "800080 violet=ee82ee orchid=da70d6 rebeccapurple=663399 blueviolet=8a2be2"),
        ("pink", "ffc0cb hotpink=ff69b4 deeppink=ff1493 magenta=ff00ff salmon=fa8072 lightpink=ffb6c1"),
        ("brown", "saddlebrown=8b4513 sienna=a0522d"),
        ("beige", "f5f5dc tan=d2b48c wheat=f5deb3 bisque=ffe4c4 linen=faf0e6 burlywood=deb887 peachpuff=ffdab9"),
    ],
)  # fmt: skip
def test_css_colours_have_the_names_that_shoppers_give_them(name: str, css: str) -> None:
    """The named colours of CSS, by their sRGB, fall under the vocabulary's names."""
    codes = [one.split("=")[-1] for one in css.split()]
    rgb = np.array([[int(code[at : at + 2], 16) for at in (0, 2, 4)] for code in codes], np.uint8)
    assert dict(zip(css.split(), nearest_names(rgb_to_lab(rgb)), strict=True)) == dict.fromkeys(css.split(), name)


@given(st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255)))
def test_hex_undoes_lab(rgb: tuple[int, int, int]) -> None:
    """Going to CIELAB and back changes no channel by more than one level."""
    shown = lab_to_hex(rgb_to_lab(np.array(rgb, np.uint8)))
    back = tuple(int(shown[at : at + 2], 16) for at in (1, 3, 5))
    assert max(abs(a - b) for a, b in zip(rgb, back, strict=True)) <= 1
