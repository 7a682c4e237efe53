"""Wrong labels are counted by pictures that are there twice; drawers for everything are counted apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.measuring.catch_all import apart
from model.measuring.label_noise import error_rate, label_noise, twins
from model.training.dataset import Row


def rows_in(folder: Path, wrong: int) -> list[Row]:
    """Eighty pictures, each there twice in two qualities; of ``wrong`` pairs one is labelled another colour."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(80):
        pixels = np.full((64, 64, 3), 255, np.uint8)
        pixels[8:56, 8:56] = np.kron(generator.integers(0, 255, (6, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        for copy, quality in enumerate((95, 85)):
            path = folder / f"{number}-{copy}.jpg"
            Image.fromarray(pixels).save(path, quality=quality)
            color = "red" if copy and number < wrong else "blue"
            rows.append(Row(path, f"thing {number}", {"color": color}, "train", "catalogue", f"f{number}"))
    return rows


def test_noise_is_what_twins_disagree_about(tmp_path: Path) -> None:
    """Eight pairs of eighty disagree: about one label in twenty is wrong, and the interval says how surely."""
    found = label_noise(rows_in(tmp_path, 8), tmp_path / "cache")["color"]
    assert (found["twins"], found["disagree"]) == (80, 8)
    assert found["error_rate"] == pytest.approx(0.0528, abs=1e-3)
    low, high = found["interval_95"]
    assert low < found["error_rate"] < high
    assert label_noise(rows_in(tmp_path, 0), tmp_path / "cache")["color"]["error_rate"] == 0.0


def test_another_colour_of_the_same_form_is_no_twin() -> None:
    """Small things on white differ where they are, not on the average over the picture."""
    pictures = np.full((4, 16, 16, 3), 255, np.uint8)
    pictures[:2, 7:9, 7:9] = (190, 160, 60)
    pictures[2:, 7:9, 7:9] = (180, 180, 185)
    assert twins(pictures[[0, 2]]) == []
    assert twins(pictures) == [(0, 1), (2, 3)]


def test_error_rate_solves_for_disagreement() -> None:
    """Both labels wrong by themselves: 2e(1 - e)."""
    for rate in (0.0, 0.05, 0.2, 0.5):
        assert error_rate(2 * rate * (1 - rate)) == pytest.approx(rate)


def test_catch_all_types_are_counted_apart() -> None:
    """What is labelled ``home`` is always wrong here, chairs never are."""
    names = ("chair", "home", "rug")
    scores = np.eye(3, dtype=np.float32)[[0, 0, 0, 2]]
    found = apart({"image": scores}, np.array([0, 1, 1, 2]), np.arange(4), names)
    assert (found["catch_all"]["image"]["rows"], found["catch_all"]["image"]["accuracy"]) == (2, 0.0)
    assert (found["telling"]["image"]["rows"], found["telling"]["image"]["accuracy"]) == (2, 1.0)
    assert set(apart({"image": scores[:1]}, np.array([0]), np.arange(1), names)) == {"telling"}
