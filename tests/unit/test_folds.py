"""Families stay together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from model.training.dataset import Row
from model.training.folds import NUM_FOLDS, fold_of_rows


def rows(count: int) -> list[Row]:
    return [
        Row(Path(f"{index}.jpg"), f"thing {index}", {}, "train", "abo", f"family {index // 3}")
        for index in range(count)
    ]


def test_a_family_is_in_one_fold() -> None:
    """Three variants each, unlike pictures: one fold per family, and all folds are used."""
    images = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    folds = fold_of_rows(rows(300), images)
    assert all(len(set(folds[start : start + 3])) == 1 for start in range(0, 300, 3))
    assert set(folds) == set(range(NUM_FOLDS))


def test_listings_that_share_a_picture_are_one_family() -> None:
    """Two families with one rendered room between them stand or fall together, and with whoever is kin to either."""
    images = np.random.default_rng(0).standard_normal((60, 16)).astype(np.float32)
    images[45] = images[2] + 0.001
    folds = fold_of_rows(rows(60), images)
    assert len({*folds[0:3], *folds[45:48]}) == 1


def test_folds_depend_on_nothing_but_the_rows() -> None:
    """The same rows, the same folds."""
    images = np.random.default_rng(0).standard_normal((90, 16)).astype(np.float32)
    assert np.array_equal(fold_of_rows(rows(90), images), fold_of_rows(rows(90), images))
