"""Figures of merit."""

from __future__ import annotations

import numpy as np
import pytest

from model.measuring.figures import auroc, figures_of, macro_f1, paired_gain, recall_at


def test_accepted_rows_are_counted_with_those_that_cannot_be_right() -> None:
    """Four rows, one of a value that is not among those scored: accepting it is counted."""
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.95, 0.05]], np.float32)
    found = figures_of(scores, np.array([0, 0, 0, -2]), np.arange(4), 0.95, np.full(4, 0.75, np.float32))
    assert found["accuracy"] == 0.5
    assert found["coverage_at_target"] == 0.75
    assert found["precision_at_target"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["unanswerable_accepted"] == 1.0


def test_ranking() -> None:
    """Ties count half for the curve and against the row for recall."""
    assert auroc(np.array([0.9, 0.5], np.float32), np.array([0.5, 0.1], np.float32)) == pytest.approx(0.875)
    pairs = np.array([[0.9, 0.9, 0.1], [0.2, 0.8, 0.1], [0.5, 0.6, 0.4]], np.float32)
    assert recall_at(pairs, 1) == pytest.approx(1 / 3)
    assert recall_at(pairs, 2) == pytest.approx(2 / 3)


def test_a_gain_is_paired() -> None:
    """The same rows right on both sides: no gain, and an interval of nothing."""
    right = np.arange(200) % 3 > 0
    assert paired_gain(right, right, np.arange(200)) == {"rows": 200, "gain": 0.0, "interval_95": [0.0, 0.0]}
    better = paired_gain(np.ones(200, bool), right, np.arange(200))
    assert better["interval_95"][0] > 0.2


def test_macro_f1_counts_each_value_once() -> None:
    """A rare value that is never found halves the mean of two."""
    truth = np.array([0] * 98 + [1, 1])
    assert macro_f1(np.zeros(100, np.int64), truth) == pytest.approx(0.5, abs=0.01)
