"""Which colour name a CIELAB colour has: prototypes of the vocabulary's hues and the CIEDE2000 distance."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

RGB_TO_XYZ: Final = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
LAB_WHITE: Final = np.array([0.95047, 1.0, 1.08883])

# A name may have several prototypes: light, middle and dark shades that shoppers call the same.
_PROTOTYPES: Final[tuple[tuple[str, float, float, float], ...]] = (
    ("black", 8, 0, 0), ("black", 20, 0, 0), ("black", 14, 2, 2), ("black", 15, 1, -4),
    ("white", 97, 0, 0), ("white", 91, 0, 1), ("white", 93, 0, -3),
    ("grey", 35, 0, 0), ("grey", 47, 0, -1), ("grey", 58, 0, 0), ("grey", 42, 1, -6), ("grey", 50, 1, 4),
    ("grey", 53, -2, -9), ("grey", 67, 0, 0),
    ("silver", 72, 0, 0), ("silver", 80, 0, -1), ("silver", 75, 0, -5),
    ("beige", 84, 1, 9), ("beige", 78, 3, 14), ("beige", 72, 4, 18), ("beige", 90, 1, 8), ("beige", 66, 4, 13),
    ("beige", 78, 7, 28), ("beige", 88, 2, 22),
    ("brown", 25, 10, 12), ("brown", 35, 12, 18), ("brown", 45, 14, 24), ("brown", 54, 12, 26), ("brown", 18, 5, 6),
    ("brown", 40, 22, 28), ("brown", 32, 6, 9), ("brown", 48, 7, 14),
    ("red", 45, 65, 42), ("red", 36, 52, 28), ("red", 53, 75, 55), ("red", 25, 38, 18), ("red", 40, 50, 15),
    ("red", 53, 46, 24),
    ("orange", 65, 42, 60), ("orange", 58, 50, 58), ("orange", 72, 30, 62), ("orange", 75, 24, 79),
    ("yellow", 88, -5, 75), ("yellow", 82, 5, 70), ("yellow", 92, -8, 45), ("yellow", 75, 10, 65),
    ("gold", 68, 6, 42), ("gold", 76, 4, 36), ("gold", 58, 9, 42), ("gold", 85, 2, 28),
    ("rose gold", 72, 17, 18), ("rose gold", 64, 20, 20), ("rose gold", 80, 12, 13),
    ("green", 50, -40, 35), ("green", 40, -20, 18), ("green", 30, -14, 10), ("green", 65, -25, 25),
    ("green", 45, -8, 20), ("green", 60, -35, 8), ("green", 80, -20, 15), ("green", 35, -6, 12), ("green", 75, -30, 50),
    ("blue", 45, 5, -45), ("blue", 60, -8, -32), ("blue", 72, -10, -20), ("blue", 50, -25, -20), ("blue", 35, 25, -60),
    ("blue", 42, -3, -20), ("blue", 82, -8, -10), ("blue", 55, -2, -15), ("blue", 65, -28, -12),
    ("navy", 15, 4, -18), ("navy", 22, 5, -25), ("navy", 25, 1, -13), ("navy", 18, 2, -9), ("navy", 20, 20, -40),
    ("pink", 75, 28, 4), ("pink", 65, 45, 0), ("pink", 85, 15, 4), ("pink", 55, 60, -5), ("pink", 60, 30, 8),
    ("pink", 67, 44, 26),
    ("purple", 40, 35, -35), ("purple", 30, 25, -22), ("purple", 55, 25, -25), ("purple", 70, 18, -18),
    ("purple", 30, 28, -8),
)  # fmt: skip

_NAMES: Final = tuple(row[0] for row in _PROTOTYPES)
_CENTERS: Final = np.array([row[1:] for row in _PROTOTYPES])

Array = npt.NDArray[np.float64]


def nearest_names(lab: npt.NDArray[np.floating]) -> list[str]:
    """The vocabulary's name for each CIELAB colour of ``lab`` (n, 3). ``multicolor`` and ``clear`` are no hues."""
    distance = ciede2000(np.asarray(lab, np.float64)[:, None], _CENTERS[None])
    return [_NAMES[index] for index in distance.argmin(axis=1)]


def ciede2000(one: Array, other: Array) -> Array:
    """CIEDE2000 colour difference of CIELAB arrays that broadcast to (..., 3), as (...)."""
    mean_chroma = (np.hypot(one[..., 1], one[..., 2]) + np.hypot(other[..., 1], other[..., 2])) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7))
    first, second = _polar(one, stretch), _polar(other, stretch)
    chroma, delta_chroma = (first[0] + second[0]) / 2, second[0] - first[0]
    hue, delta_hue = _hues(first, second)
    lightness = (one[..., 0] + other[..., 0]) / 2 - 50
    scaled_l = (other[..., 0] - one[..., 0]) / (1 + 0.015 * lightness**2 / np.sqrt(20 + lightness**2))
    scaled_c = delta_chroma / (1 + 0.045 * chroma)
    scaled_h = delta_hue / (1 + 0.015 * chroma * _hue_weight(hue))
    turn = np.radians(60) * np.exp(-(((np.degrees(hue) - 275) / 25) ** 2))
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * np.sin(turn)
    return np.asarray(np.sqrt(np.maximum(scaled_l**2 + scaled_c**2 + scaled_h**2 + rotation * scaled_c * scaled_h, 0)))


def _polar(lab: Array, stretch: Array) -> tuple[Array, Array]:
    """Chroma and hue angle (0 to 2 pi) after CIEDE2000's correction of a*."""
    a = lab[..., 1] * stretch
    return np.hypot(a, lab[..., 2]), np.arctan2(lab[..., 2], a) % (2 * np.pi)


def _hues(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
    """Mean hue angle, and the hue difference as a length."""
    difference = second[1] - first[1]
    total = first[1] + second[1]
    far = np.abs(difference) > np.pi
    grey = first[0] * second[0] == 0
    mean = np.where(far, np.where(total < 2 * np.pi, total + 2 * np.pi, total - 2 * np.pi), total) / 2
    short = np.where(far, difference - np.sign(difference) * 2 * np.pi, difference)
    short = np.where(grey, 0.0, short)
    return np.where(grey, total, mean), 2 * np.sqrt(first[0] * second[0]) * np.sin(short / 2)


def _hue_weight(hue: Array) -> Array:
    return np.asarray(
        1
        - 0.17 * np.cos(hue - np.radians(30))
        + 0.24 * np.cos(2 * hue)
        + 0.32 * np.cos(3 * hue + np.radians(6))
        - 0.20 * np.cos(4 * hue - np.radians(63))
    )
