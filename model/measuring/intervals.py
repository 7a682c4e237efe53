"""How sure a figure is, when listings come in families.

Variants of one thing are right or wrong together: six hundred rows of two hundred families tell less than six hundred
things. An interval that took them for independent would be half as wide as it should be.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import numpy.typing as npt

from model.training.dataset import Row

_ROUNDS = 2000
_Z = 1.96

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def family_numbers(rows: Sequence[Row]) -> Ints:
    """(N,) one number per family."""
    known: dict[tuple[str, str], int] = {}
    return np.array([known.setdefault((row.source, row.family), len(known)) for row in rows], np.int64)


def effective_rows(values: Floats, families: Ints) -> float:
    """How many independent rows would tell as much of the mean of ``values`` (N,): N over the design effect (Kish,
    "Survey Sampling", 1965), never more than N. Where all values are the same nothing shows what families share: then
    each family counts as one row.
    """
    apart = values - values.mean()
    numbers = _as_they_come(families)
    within = np.bincount(numbers, weights=apart)
    if not apart.any() or len(within) < 2:
        return float(len(within))
    effect = float((within**2).sum() / (apart**2).sum()) * len(within) / (len(within) - 1)
    return len(values) / max(1.0, effect)


def _as_they_come(families: Ints) -> Ints:
    """Numbered by their first row, so that the same rows among others give the same interval."""
    _, first, numbers = np.unique(families, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[numbers], np.int64)


def share_interval(right: npt.NDArray[np.bool_], families: Ints) -> list[float]:
    """Wilson's 95 % interval of the share that is ``right`` (N,), over as many rows as they are worth."""
    count = effective_rows(right.astype(np.float64), families)
    return interval_95(float(right.mean()) * count, count)


def mean_interval(values: Floats, families: Ints) -> list[float]:
    """95 % interval of the mean of ``values`` (N,): families are drawn anew (Efron 1979; Field & Welsh 2007)."""
    numbers = _as_they_come(families)
    sums, sizes = np.bincount(numbers, weights=values), np.bincount(numbers)
    drawn = np.random.default_rng(0).integers(0, len(sums), (_ROUNDS, len(sums)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
    return [round(float(low), 4), round(float(high), 4)]


def interval_95(correct: float, count: float) -> list[float]:
    """`wilson_interval`, as figures have it; the rows are taken for independent."""
    return [round(bound, 4) for bound in wilson_interval(correct, count)]


def wilson_interval(correct: float, count: float) -> tuple[float, float]:
    """Wilson's 95 % interval (1927) of a share of ``correct`` in ``count``."""
    share = correct / count
    middle = (share + _Z * _Z / (2 * count)) / (1 + _Z * _Z / count)
    spread = _Z * sqrt(share * (1 - share) / count + _Z * _Z / (4 * count * count)) / (1 + _Z * _Z / count)
    return max(0.0, middle - spread), min(1.0, middle + spread)  # rounding alone goes beyond
