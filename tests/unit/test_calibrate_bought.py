"""What a precision target costs, in words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from model.calibrate import Outcomes, bought_of, thresholds_of
from model.labels import Bought, Threshold


def outcomes(share_right: float) -> Outcomes:
    """A thousand rows; the surer half is always right, of the others so many."""
    scores = np.linspace(1, 0.1, 1000).astype(np.float32)
    return Outcomes(scores, (np.arange(1000) < 500) | (np.random.default_rng(0).random(1000) < share_right))


def at_95(known: Mapping[str, Outcomes]) -> Bought:
    """What a target of 95 % costs."""
    return bought_of(known, 0.95, thresholds_of(known, 0.95))


def test_a_threshold_for_stated_values_alone_is_in_reach() -> None:
    """As one that somebody declared is, though no rows were ever measured."""
    assert Threshold(None, None, None, Threshold(0.5, None, None)).is_in_reach
    assert Threshold(0.5, None, None).is_in_reach
    assert not Threshold(None, 0.5, 0.5).is_in_reach


def test_shares_are_told_apart_where_words_state_a_value() -> None:
    """Rows that are nearly all right are accepted but for few, others half, at a target of 95 %."""
    bought = at_95({"fused": outcomes(0.0), "fused_stated": outcomes(0.97)})
    assert bought.stated == 1.0
    assert bought.silent is not None
    assert 0.45 < bought.silent < 0.55
    assert str(bought).startswith("100% where words state one, 5")
    assert str(bought).endswith("where words state none at 0.95")


def test_an_attribute_that_pictures_alone_answer_is_told_by_them() -> None:
    """One declared by prompts has outcomes of pictures and no others; its threshold was bought all the same."""
    known = {"image": outcomes(0.0)}
    bought = at_95(known)
    assert bought.is_in_reach
    assert bought.silent is not None
    assert 0.45 < bought.silent < 0.55
    assert at_95({"fused": outcomes(0.97), **known}).silent == 1.0


def test_a_target_out_of_reach_accepts_nothing() -> None:
    """All wrong: no share; nothing known: no words for it either."""
    wrong = Outcomes(np.linspace(0, 1, 400).astype(np.float32), np.zeros(400, np.bool_))
    assert not at_95({"fused": wrong}).is_in_reach
    assert not thresholds_of({"fused": wrong}, 0.95).is_in_reach
    assert str(Bought(0.9, None, None)) == "nothing at 0.9"
