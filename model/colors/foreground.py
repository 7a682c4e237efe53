"""What of a picture is the product: the background off the border, in CIELAB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.colors.color_names import LAB_WHITE, RGB_TO_XYZ
from model.types import Pixels

Lab = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_SIDE = 96  # pixels a side that are looked at
_BAR_LEVEL = 250  # letterbox bars are 255, a little less after JPEG
_SAME = 7.0  # CIELAB distance at which a pixel joined to the border still is background
_EXACT = 2.5  # and at which it is background even when the product encloses it
_MIN_FOREGROUND = 0.03
_MIN_WHITE = 0.15  # of what is left without bars, and of its border's upper and lower half, around a cut-out product


@dataclass(frozen=True, slots=True)
class Foreground:
    """A picture made small, without letterbox bars: colours (H, W, 3) in CIELAB, and where the product is (H, W).

    ``is_cut_out``: pure white surrounds the product, so what was cut off with the bars was its backdrop as well.
    """

    lab: Lab
    mask: Mask
    is_cut_out: bool = False

    @property
    def colors(self) -> Lab:
        """(N, 3) the product's pixels, row by row."""
        return self.lab[self.mask]


def find_foreground(pixels: Pixels) -> Foreground | None:
    """The foreground of ``pixels`` (H, W, 3) uint8 sRGB, None of an empty picture.

    Background is what resembles the border; white letterbox bars are cut off first. Deterministic.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"pixels are {pixels.shape} {pixels.dtype}; pass (H, W, 3) uint8 sRGB")
    if 0 in pixels.shape:
        return None
    inner, is_studio = _without_bars(_subsample(pixels))
    lab = rgb_to_lab(inner)
    return Foreground(lab, foreground_mask(lab, is_studio), _is_cut_out(inner))


def rgb_to_lab(rgb: Pixels) -> Lab:
    """CIELAB (D65) of sRGB ``rgb`` (..., 3) uint8, as float32 of the same shape."""
    xyz = _LINEAR[rgb].reshape(-1, 3) @ _TO_WHITE
    f = np.cbrt(xyz)
    dark = xyz <= 216 / 24389
    f[dark] = xyz[dark] * np.float32(841 / 108) + np.float32(4 / 29)
    found: Lab = (f @ _TO_LAB + _LAB_OFFSET).reshape(rgb.shape)
    return found


def foreground_mask(lab: Lab, is_studio: bool) -> Mask:
    """Where the product is, (H, W) bool: what neither resembles nor joins the border. Never empty.

    ``is_studio``: white was cut off on all four sides, so white is the background whatever the border says.
    """
    background = np.array([100.0, 0.0, 0.0], np.float32) if is_studio else _border_color(lab)
    whole: Mask = np.ones(lab.shape[:2], np.bool_)
    if background is None:
        return whole
    away = _squares(lab, background)
    exact = away < _EXACT**2
    for limit in (_SAME, _EXACT):
        mask: Mask = ~(_joined_to_border(away < limit**2) | exact)
        if mask.mean() >= _MIN_FOREGROUND:
            return mask
    return whole


def _linear_table() -> npt.NDArray[np.float32]:
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR = _linear_table()
_TO_WHITE = np.asarray(RGB_TO_XYZ.T / LAB_WHITE, np.float32)  # linear sRGB to X, Y, Z, white's being 1
_TO_LAB = np.array([[0, 500, 0], [116, -500, 200], [0, 0, -200]], np.float32)  # their cube roots to L*, a*, b*
_LAB_OFFSET = np.array([-16, 0, 0], np.float32)


def _subsample(pixels: Pixels) -> Pixels:
    step = max(1, max(pixels.shape[:2]) // _SIDE)
    return pixels[step // 2 :: step, step // 2 :: step] if min(pixels.shape[:2]) > step else pixels


def _without_bars(pixels: Pixels) -> tuple[Pixels, bool]:
    """The picture without white bars, and whether white stood on all four sides."""
    dark = ~_white(pixels)
    rows = np.flatnonzero(dark.any(axis=1))
    columns = np.flatnonzero(dark.any(axis=0))
    if not len(rows):
        return pixels, False
    height, width = dark.shape
    inset = (rows[0], height - 1 - rows[-1], columns[0], width - 1 - columns[-1])
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], min(inset) > 0


def _white(pixels: Pixels) -> Mask:
    """Where nothing was photographed, or so much light that it looks so."""
    white: Mask = np.minimum(np.minimum(pixels[..., 0], pixels[..., 1]), pixels[..., 2]) >= _BAR_LEVEL
    return white


def _is_cut_out(inner: Pixels) -> bool:
    """Of a picture without its bars: white beside the product above and below. A bright sky is above alone, and what
    photos of rooms burn out is less.
    """
    white = _white(inner)
    if white.mean() < _MIN_WHITE:
        return False
    middle = white.shape[0] // 2
    upper = (white[0], white[:middle, 0], white[:middle, -1])
    lower = (white[-1], white[middle:, 0], white[middle:, -1])
    return all(np.concatenate(half).mean() > _MIN_WHITE for half in (upper, lower))


def _border_color(lab: Lab) -> Lab | None:
    """The colour that most of the border has, or None when it has no such colour."""
    depth = max(1, min(lab.shape[:2]) // 24)
    sides = (lab[:depth], lab[-depth:], lab[:, :depth], lab[:, -depth:])
    ring = np.concatenate([side.reshape(-1, 3) for side in sides])
    center = np.median(ring, axis=0)
    for _ in range(3):
        near = _squares(ring, center) < (2 * _SAME) ** 2
        if near.mean() < 0.4:
            return None
        center = np.median(ring[near], axis=0)
    return np.asarray(center, np.float32)


def _squares(lab: Lab, color: Lab) -> Lab:
    """(...,) squared distances of colours (..., 3) from one (3,)."""
    away = lab - color
    found: Lab = np.einsum("...i,...i->...", away, away)  # several times as fast as a sum over so short an axis
    return found


def _joined_to_border(similar: Mask) -> Mask:
    """Pixels of ``similar`` that can be walked to from the border over ``similar`` pixels, within a few turns."""
    reached = similar.copy()
    reached[1:-1, 1:-1] = False
    for _ in range(4):
        before = int(reached.sum())
        reached = _spread_in_rows(similar, reached)
        reached = _spread_in_rows(similar.T, reached.T).T
        if int(reached.sum()) == before:
            break
    return reached


def _spread_in_rows(similar: Mask, reached: Mask) -> Mask:
    """Fill each unbroken run of ``similar`` in a row that holds a reached pixel."""
    walls = ~similar
    walls[:, 0] = True
    first_column_open = similar[:, 0]
    run = np.cumsum(walls.ravel())
    touched = np.zeros(int(run[-1]) + 1, np.bool_)
    touched[run[reached.ravel()]] = True
    filled = touched[run].reshape(similar.shape) & similar
    filled[:, 0] = first_column_open & filled[:, 0]
    return filled
