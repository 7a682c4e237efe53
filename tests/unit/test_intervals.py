"""Intervals over families of listings: as wide as what they tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.measuring.intervals import effective_rows, family_numbers, mean_interval, share_interval, wilson_interval
from model.training.dataset import Row


def test_rows_that_repeat_each_other_count_once() -> None:
    """Ten copies of a hundred rows tell what the hundred tell, up to the one that their mean takes."""
    draw = np.random.default_rng(0).random(100) < 0.7
    copies, families = np.repeat(draw, 10), np.repeat(np.arange(100), 10)
    assert effective_rows(copies.astype(float), families) == pytest.approx(99, rel=0.001)
    assert share_interval(copies, families) == pytest.approx(wilson_interval(draw.sum(), 100), abs=0.005)
    wide, narrow = (mean_interval(copies.astype(float), one) for one in (families, np.arange(1000)))
    assert wide[1] - wide[0] == pytest.approx((narrow[1] - narrow[0]) * 10**0.5, rel=0.2)


def test_families_that_share_nothing_count_all_their_rows() -> None:
    """Whose rows are as different as any."""
    right, families = np.tile([True, False], 200), np.repeat(np.arange(100), 4)
    assert effective_rows(right.astype(float), families) == 400


def test_where_nothing_differs_each_family_is_one_row() -> None:
    """Thirty right answers of three families may be three."""
    assert share_interval(np.ones(30, np.bool_), np.repeat([1, 2, 3], 10)) == pytest.approx(
        wilson_interval(3, 3), abs=1e-4
    )


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=60))
def test_an_interval_holds_its_share(found: list[tuple[bool, int]]) -> None:
    """And families never make it surer than as many independent rows would be."""
    right, families = (np.array(one) for one in zip(*found, strict=True))
    low, high = share_interval(right, families)
    assert 0 <= low <= right.mean() + 1e-4
    assert right.mean() - 1e-4 <= high <= 1
    assert 0 < effective_rows(right.astype(float), families) <= len(right)


def test_families_are_told_apart_by_source_too() -> None:
    """The same words in another collection are another family."""
    rows = [Row(Path("1.jpg"), "a thing", {}, "test", "abo", family) for family in ("a", "b", "a")]
    rows.append(Row(Path("1.jpg"), "a thing", {}, "test", "clothing", "a"))
    assert family_numbers(rows).tolist() == [0, 1, 0, 2]
