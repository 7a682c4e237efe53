"""Colours of what a picture shows: k-means over its foreground in CIELAB, names from the vocabulary."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.colors.color_names import LAB_WHITE, RGB_TO_XYZ, nearest_names
from model.colors.foreground import Foreground, Lab
from model.types import ColorArea

_MAX_SAMPLES = 2048
_NUM_CLUSTERS = 6
_NUM_ROUNDS = 8
_MIN_SHARE = 0.03
_XYZ_TO_RGB = np.linalg.inv(RGB_TO_XYZ)


def named_colors(foreground: Foreground) -> tuple[ColorArea, ...]:
    """The colours of a foreground, largest share first.

    Shares are of the whole foreground; colours below 3 % are left out, so they sum to at most 1.
    """
    colors = foreground.colors
    step = max(1, -(-len(colors) // _MAX_SAMPLES))
    centers, shares = _cluster(colors[::step])
    return _named_areas(centers, shares)


def lab_to_hex(lab: Lab) -> str:
    """``#rrggbb`` of one CIELAB colour (3,), clipped to sRGB."""
    fy = (float(lab[0]) + 16) / 116
    f = np.array([fy + float(lab[1]) / 500, fy, fy - float(lab[2]) / 200])
    xyz = np.where(f > 6 / 29, f**3, (f - 4 / 29) * (108 / 841)) * LAB_WHITE
    linear = np.clip(_XYZ_TO_RGB @ xyz, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (round(float(value) * 255) for value in encoded)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _cluster(samples: Lab) -> tuple[Lab, npt.NDArray[np.float64]]:
    """k-means: centres (k, 3) in CIELAB and their shares (k,). Starts from the farthest points, so no chance in it."""
    axes = np.ascontiguousarray(samples.T)
    centers = _spread_out(axes)
    nearest = _assign(axes, centers)
    for _ in range(_NUM_ROUNDS):
        counts = np.bincount(nearest, minlength=len(centers)).astype(np.float64)
        sums = [np.bincount(nearest, weights=axis, minlength=len(centers)) for axis in axes]
        means = np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None]
        centers = np.where(counts[:, None] > 0, means, centers).astype(np.float32)
        before, nearest = nearest, _assign(axes, centers)
        if np.array_equal(before, nearest):
            break
    counts = np.bincount(nearest, minlength=len(centers)).astype(np.float64)
    return centers[counts > 0], counts[counts > 0] / counts.sum()


def _spread_out(axes: Lab) -> Lab:
    """Starting centres (k, 3): the median of samples (3, N), then again and again the sample farthest from all centres
    so far.
    """
    centers = [np.median(axes, axis=1).astype(np.float32)]
    distance = _squares(axes, centers[0])
    while len(centers) < _NUM_CLUSTERS and distance.max() > 4.0:
        centers.append(axes[:, int(distance.argmax())])
        np.minimum(distance, _squares(axes, centers[-1]), out=distance)
    return np.stack(centers)


def _squares(axes: Lab, center: Lab) -> Lab:
    """(N,) squared distances of samples (3, N) from one colour (3,)."""
    away = axes - center[:, None]
    away *= away
    found: Lab = away[0] + away[1] + away[2]
    return found


def _assign(axes: Lab, centers: Lab) -> npt.NDArray[np.intp]:
    """(N,) the nearest of centres (k, 3) for each of the samples (3, N)."""
    closeness = centers @ axes
    closeness *= -2
    closeness += (centers**2).sum(axis=1)[:, None]
    return np.asarray(closeness.argmin(axis=0), np.intp)


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
