"""Scores that keep their word, and rankings that stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.calibrate import Outcomes, expected_calibration_error, fit_curve, threshold_for
from model.honesty import AS_IT_IS, Curve, curve_of, honest, honest_leader, honest_rows

CURVES = st.builds(Curve, st.floats(0, 3), st.floats(0.01, 3), st.floats(-2, 2))
SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=8).map(lambda one: [value / max(1, sum(one)) for value in one])


@given(SCORES, CURVES)
def test_order_stays_and_what_is_left_makes_room(scores: list[float], curve: Curve) -> None:
    """Whatever the curve: probabilities that sum to one at most, best first as before."""
    ranking = {f"value {place}": score for place, score in enumerate(scores)}
    found = honest(ranking, curve)
    assert list(found) == list(ranking)
    assert sum(found.values()) <= 1 + 1e-5
    assert all(0 <= score <= 1 for score in found.values())
    top = max(ranking, key=ranking.__getitem__)
    assert honest_leader((top, ranking[top]), curve) == (top, found[top])
    assert max(found.values()) == found[top]
    others = [value for value in ranking if value != top]
    assert sorted(others, key=ranking.__getitem__) == sorted(others, key=lambda value: (found[value], ranking[value]))


@given(SCORES, CURVES)
def test_rows_and_rankings_say_the_same(scores: list[float], curve: Curve) -> None:
    """What figures are made of is what is published."""
    row = np.array([scores], np.float32)
    ranking = {str(place): float(score) for place, score in enumerate(row[0])}
    if row.max() > 1e-5:
        assert honest_rows(row, curve)[0] == pytest.approx(list(honest(ranking, curve).values()), abs=1e-4)


def test_what_nobody_measured_stays() -> None:
    """Without a curve a score is what the pool gave."""
    assert honest({"red": 0.7, "blue": 0.2}, AS_IT_IS) == {"red": 0.7, "blue": 0.2}
    assert fit_curve(Outcomes(np.full(10, 0.5, np.float32), np.ones(10, np.bool_))) == AS_IT_IS


def test_a_bent_score_is_bent_back() -> None:
    """Scores that are right less often than they say come to say so; a target then accepts the very same rows."""
    draw = np.random.default_rng(0)
    scores = draw.uniform(0.2, 1, 4000).astype(np.float32)
    bent = Outcomes(scores, draw.random(4000) < scores**2)
    told = bent.honest(fit_curve(bent))
    assert expected_calibration_error(bent.scores, bent.right) > 0.1
    assert expected_calibration_error(told.scores, told.right) < 0.03
    before, after = threshold_for(bent, 0.8), threshold_for(told, 0.8)
    assert before is not None
    assert after is not None
    assert ((bent.scores >= before) == (told.scores >= after)).all()


def test_few_rows_bend_little() -> None:
    """Sixty answers, all right, make scores surer; none of them becomes certain, and low ones stay low."""
    curve = fit_curve(Outcomes(np.linspace(0.5, 0.95, 60).astype(np.float32), np.ones(60, np.bool_)))
    assert 0.5 < curve.at(0.5) < 0.999
    assert curve.at(0.01) < 0.3
    assert curve.at(0.9) < curve.at(0.95)


def test_stated_values_have_a_curve_of_their_own_if_there_is_one() -> None:
    """As thresholds have; else the side's."""
    quiet, worded = Curve(0.5), Curve(0.8)
    assert curve_of({"fused": quiet, "fused_stated": worded}, "fused", stated=True) == worded
    assert curve_of({"fused": quiet}, "fused", stated=True) == quiet
    assert curve_of({"fused_stated": worded}, "fused", stated=False) == AS_IT_IS
