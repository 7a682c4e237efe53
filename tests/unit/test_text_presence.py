"""The head that says in which pictures there is something to read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.errors import CheckpointError
from model.presence.text_presence import TextPresence, fit_presence, load_presence, presence_figures, threshold_for

RANDOM = np.random.default_rng(5)
DIM = 24


def _pictures(count: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Features in which two of the numbers tell whether there is text, and the truth."""
    has_text = RANDOM.random(count) < 0.4
    features = RANDOM.normal(size=(count, DIM)) * np.linspace(0.1, 5, DIM)
    features[:, 3] += has_text * 2.0
    features[:, 7] -= has_text * 3.0
    return (features + noise * RANDOM.normal(size=features.shape)).astype(np.float32), has_text


def test_finds_text_and_holds_the_recall_on_pictures_it_never_saw() -> None:
    """Ninety-nine in a hundred pictures with text pass, and most of the others are passed by."""
    features, has_text = _pictures(4000, 0.1)
    head = fit_presence(features, has_text, np.arange(4000) % 4 == 0)
    others, truth = _pictures(2000, 0.1)
    found = presence_figures(head.probabilities(others), truth.astype(np.int64) * 5, head.threshold)
    assert found["recall"] >= 0.98
    assert found["skipped_without_text"] > 0.5


def test_threshold_keeps_the_recall_asked_for() -> None:
    """Of a hundred pictures with text, the one that is lowest may fall below, no more."""
    probabilities = np.linspace(0.01, 1.0, 100, dtype=np.float32)
    threshold = threshold_for(probabilities, np.ones(100, np.bool_), 0.99)
    assert (probabilities >= threshold).sum() == 99


def test_without_examples_nothing_is_passed_by() -> None:
    """No calibration picture with text: the threshold lets every picture through."""
    assert threshold_for(np.array([0.2, 0.9], np.float32), np.zeros(2, np.bool_)) == 0.0


def test_comes_back_from_a_checkpoint(tmp_path: Path) -> None:
    """What was fitted is what is loaded, to the last digit."""
    head = TextPresence(RANDOM.normal(size=DIM).astype(np.float32), -0.5, 0.125)
    head.save(tmp_path)
    again = load_presence(tmp_path, DIM)
    assert again is not None
    assert (again.bias, again.threshold) == (-0.5, 0.125)
    assert np.array_equal(again.weights, head.weights)


def test_checkpoint_without_a_head_is_read_all_through(tmp_path: Path) -> None:
    """An older checkpoint has none: nothing is passed by."""
    assert load_presence(tmp_path, DIM) is None


def test_head_of_another_tower_is_refused(tmp_path: Path) -> None:
    """Weights for other features, or numbers that are not finite, are said to be so."""
    TextPresence(np.ones(DIM, np.float32), 0.0, 0.5).save(tmp_path)
    with pytest.raises(CheckpointError, match="train it again"):
        load_presence(tmp_path, DIM + 1)
    TextPresence(np.full(DIM, np.nan, np.float32), 0.0, 0.5).save(tmp_path)
    with pytest.raises(CheckpointError, match="not finite"):
        load_presence(tmp_path, DIM)
