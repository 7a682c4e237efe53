"""Colours of what a picture shows: background off the border, k-means in CIELAB, names from the vocabulary."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.color_names import LAB_WHITE, RGB_TO_XYZ, nearest_names
from model.types import ColorArea, Pixels

Lab = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_SIDE = 96  # pixels a side that are looked at
_MAX_SAMPLES = 2048
_NUM_CLUSTERS = 6
_NUM_ROUNDS = 8
_BAR_LEVEL = 250  # letterbox bars are 255, a little less after JPEG
_SAME = 7.0  # CIELAB distance at which a pixel joined to the border still is background
_EXACT = 2.5  # and at which it is background even when the product encloses it
_MIN_FOREGROUND = 0.03
_MIN_SHARE = 0.03


def foreground_colors(pixels: Pixels) -> tuple[ColorArea, ...]:
    """Name the colours of the foreground of ``pixels`` (H, W, 3) uint8 sRGB, largest share first.

    Shares are of the whole foreground; colours below 3 % are left out, so they sum to at most 1.
    Background is what resembles the border; white letterbox bars are cut off first. Deterministic.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"pixels are {pixels.shape} {pixels.dtype}; pass (H, W, 3) uint8 sRGB")
    if 0 in pixels.shape:
        return ()
    small = _subsample(pixels)
    inner, is_studio = _without_bars(small)
    lab = rgb_to_lab(inner)
    mask = foreground_mask(lab, is_studio)
    rows, columns = np.nonzero(mask)
    step = max(1, -(-len(rows) // _MAX_SAMPLES))
    samples = lab[rows[::step], columns[::step]]
    centers, shares = _cluster(samples)
    return _named_areas(centers, shares)


def rgb_to_lab(rgb: Pixels) -> Lab:
    """CIELAB (D65) of sRGB ``rgb`` (..., 3) uint8, as float32 of the same shape."""
    xyz = _LINEAR[rgb] @ RGB_TO_XYZ.T / LAB_WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), xyz * (841 / 108) + 4 / 29)
    lightness = 116 * f[..., 1] - 16
    return np.stack([lightness, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1).astype(
        np.float32
    )


def lab_to_hex(lab: Lab) -> str:
    """``#rrggbb`` of one CIELAB colour (3,), clipped to sRGB."""
    fy = (float(lab[0]) + 16) / 116
    f = np.array([fy + float(lab[1]) / 500, fy, fy - float(lab[2]) / 200])
    xyz = np.where(f > 6 / 29, f**3, (f - 4 / 29) * (108 / 841)) * LAB_WHITE
    linear = np.clip(np.linalg.solve(RGB_TO_XYZ, xyz), 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (round(float(value) * 255) for value in encoded)
    return f"#{red:02x}{green:02x}{blue:02x}"


def foreground_mask(lab: Lab, is_studio: bool) -> Mask:
    """Where the product is, (H, W) bool: what neither resembles nor joins the border. Never empty.

    ``is_studio``: white was cut off on all four sides, so white is the background whatever the border says.
    """
    background = np.array([100.0, 0.0, 0.0], np.float32) if is_studio else _border_color(lab)
    whole: Mask = np.ones(lab.shape[:2], np.bool_)
    if background is None:
        return whole
    distance = np.sqrt(((lab - background) ** 2).sum(axis=-1))
    for limit in (_SAME, _EXACT):
        mask: Mask = ~(_joined_to_border(distance < limit) | (distance < _EXACT))
        if mask.mean() >= _MIN_FOREGROUND:
            return mask
    return whole


def _linear_table() -> npt.NDArray[np.float32]:
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR = _linear_table()


def _subsample(pixels: Pixels) -> Pixels:
    step = max(1, max(pixels.shape[:2]) // _SIDE)
    return pixels[step // 2 :: step, step // 2 :: step] if min(pixels.shape[:2]) > step else pixels


def _without_bars(pixels: Pixels) -> tuple[Pixels, bool]:
    """The picture without white bars, and whether white stood on all four sides."""
    dark = pixels.min(axis=2) < _BAR_LEVEL
    rows = np.flatnonzero(dark.any(axis=1))
    columns = np.flatnonzero(dark.any(axis=0))
    if not len(rows):
        return pixels, False
    height, width = dark.shape
    inset = (rows[0], height - 1 - rows[-1], columns[0], width - 1 - columns[-1])
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], min(inset) > 0


def _border_color(lab: Lab) -> Lab | None:
    """The colour that most of the border has, or None when it has no such colour."""
    depth = max(1, min(lab.shape[:2]) // 24)
    sides = (lab[:depth], lab[-depth:], lab[:, :depth], lab[:, -depth:])
    ring = np.concatenate([side.reshape(-1, 3) for side in sides])
    center = np.median(ring, axis=0)
    for _ in range(3):
        near = ((ring - center) ** 2).sum(axis=1) < (2 * _SAME) ** 2
        if near.mean() < 0.4:
            return None
        center = np.median(ring[near], axis=0)
    return np.asarray(center, np.float32)


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


def _cluster(samples: Lab) -> tuple[Lab, npt.NDArray[np.float64]]:
    """k-means: centres (k, 3) in CIELAB and their shares (k,). Starts from the farthest points, so no chance in it."""
    centers = _spread_out(samples)
    nearest = _assign(samples, centers)
    for _ in range(_NUM_ROUNDS):
        counts = np.bincount(nearest, minlength=len(centers)).astype(np.float64)
        sums = [np.bincount(nearest, weights=samples[:, axis], minlength=len(centers)) for axis in range(3)]
        means = np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None]
        centers = np.where(counts[:, None] > 0, means, centers).astype(np.float32)
        before, nearest = nearest, _assign(samples, centers)
        if np.array_equal(before, nearest):
            break
    counts = np.bincount(nearest, minlength=len(centers)).astype(np.float64)
    return centers[counts > 0], counts[counts > 0] / counts.sum()


def _spread_out(samples: Lab) -> Lab:
    """Starting centres: the median, then again and again the sample farthest from all centres so far."""
    centers = [np.median(samples, axis=0).astype(np.float32)]
    distance = ((samples - centers[0]) ** 2).sum(axis=1)
    while len(centers) < _NUM_CLUSTERS and distance.max() > 4.0:
        centers.append(samples[int(distance.argmax())])
        distance = np.minimum(distance, ((samples - centers[-1]) ** 2).sum(axis=1))
    return np.stack(centers)


def _assign(samples: Lab, centers: Lab) -> npt.NDArray[np.intp]:
    cross = samples @ centers.T
    return np.asarray(((centers**2).sum(axis=1) - 2 * cross).argmin(axis=1), np.intp)


def _named_areas(centers: Lab, shares: npt.NDArray[np.float64]) -> tuple[ColorArea, ...]:
    """One area per name: shares added, the hex of its largest cluster."""
    names = nearest_names(centers)
    total: dict[str, float] = {}
    shown: dict[str, Lab] = {}
    for index in np.argsort(-shares, kind="stable"):
        total[names[index]] = total.get(names[index], 0.0) + float(shares[index])
        shown.setdefault(names[index], centers[index])
    areas = (ColorArea(name, lab_to_hex(shown[name]), round(share, 4)) for name, share in total.items())
    return tuple(sorted((area for area in areas if area.share >= _MIN_SHARE), key=lambda area: -area.share))
