"""Ablations compare like with like: on the same rows, after the same seed, with what was given."""

from __future__ import annotations

import numpy as np

from model.measuring.ablation_figures import (
    PICTURE,
    PICTURE_MISSING,
    TITLE,
    TITLE_MISSING,
    Right,
    ablation_tables,
    summarise,
)


def right_of(shares: dict[tuple[str, str], float], num_rows: int = 400, num_seeds: int = 3) -> Right:
    """Made-up answers, right as often as said, the same rows first."""
    generator = np.random.default_rng(0)
    hardness = generator.random(num_rows)
    return {
        ("color", who, title): [hardness + generator.normal(0, 0.02, num_rows) < share for _ in range(num_seeds)]
        for (who, title), share in shares.items()
    }


RIGHT = right_of(
    {
        (PICTURE, "not read"): 0.6,
        (TITLE, "as it is"): 0.8,
        (TITLE, "masked"): 0.3,
        ("gated, in the pool", "as it is"): 0.85,
        ("gated, in the pool", "masked"): 0.65,
        (f"gated, {PICTURE_MISSING}", "as it is"): 0.79,
        (f"gated, {TITLE_MISSING}", "missing"): 0.6,
    }
)


def test_gains_are_over_the_best_side_that_was_given() -> None:
    """With a title the title, with a masked one the picture, and never a side that was missing."""
    over = {(one["who"], one["title"]): one.get("over") for one in summarise(RIGHT)["color"]}
    assert over["gated, in the pool", "as it is"] == TITLE
    assert over["gated, in the pool", "masked"] == PICTURE
    assert over[f"gated, {PICTURE_MISSING}", "as it is"] == TITLE
    assert over[f"gated, {TITLE_MISSING}", "missing"] == PICTURE
    assert over[TITLE, "as it is"] is None


def test_a_paired_gain_is_surer_than_the_accuracies_it_comes_from() -> None:
    """Both models fail on the same hard rows; so the interval of the gain is far narrower, and around the truth."""
    one = next(line for line in summarise(RIGHT)["color"] if line["who"] == "gated, in the pool")
    low, high = one["gain_95"]
    assert low < 0.05 < high or abs(one["gain"] - 0.05) < 0.02
    assert low > 0
    assert high - low < one["interval_95"][1] - one["interval_95"][0]


def test_the_page_has_a_row_for_each_question() -> None:
    """Single sides first, masked titles last, rows and intervals everywhere."""
    page = ablation_tables({"seeds": 3, "epochs": 2, "fitted_rows": 1000, "figures": summarise(RIGHT)})
    lines = [line for line in page.splitlines() if line.startswith("| ") and "400" in line]
    assert len(lines) == len(RIGHT)
    assert lines[0].startswith(f"| {PICTURE} ")
    assert all("masked" in line for line in lines[-2:])
    assert all(line.count(" to ") in (1, 2) for line in lines)
