"""Folds that keep a family together: variants of one listing, and listings that share a picture.

Random folds put the red and the blue of one shoe on either side and flatter whatever is fitted on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from model.training.dataset import Row

NUM_FOLDS = 3  # each is a fit of its own, and a tuning of the towers where there is one
_SAME_PICTURE = 0.97  # cosine of centred features
_BLOCK = 1000

Ints = npt.NDArray[np.int64]


def fold_of_rows(rows: Sequence[Row], images: npt.NDArray[np.float32], num_folds: int = NUM_FOLDS) -> Ints:
    """(N,) the fold of each row; ``images`` (N, D): features of the rows' pictures. Depends on nothing but the rows."""
    parents = list(range(len(rows)))
    first: dict[tuple[str, str], int] = {}
    for index, row in enumerate(rows):
        _join(parents, index, first.setdefault((row.source, row.family), index))
    for left, right in _pairs_of_same(images):
        _join(parents, left, right)
    return np.array([_drawn(rows[_root(parents, index)], num_folds) for index in range(len(rows))], np.int64)


def _pairs_of_same(images: npt.NDArray[np.float32]) -> list[tuple[int, int]]:
    centred = images - images.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True) + 1e-9
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(centred), _BLOCK):
        left, right = np.nonzero(centred[start : start + _BLOCK] @ centred[start:].T > _SAME_PICTURE)
        pairs += [(int(start + a), int(start + b)) for a, b in zip(left, right, strict=True) if a < b]
    return pairs


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def _join(parents: list[int], one: int, other: int) -> None:
    low, high = sorted((_root(parents, one), _root(parents, other)))
    parents[high] = low


def _drawn(first: Row, num_folds: int) -> int:
    """By a hash of the family's first row."""
    digest = blake2b(f"{first.source}/{first.family}/{first.image.name}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % num_folds
