"""Scores that keep their word, and rankings that stay."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.calibrate import Judged, Outcomes, expected_calibration_error, fit_curve, honest_outcomes, threshold_for
from model.honesty import AS_IT_IS, Curve, curve_of, honest, honest_leader, honest_rows

SHIFTS = st.dictionaries(st.sampled_from(["value 0", "value 1", "0", "1"]), st.floats(-2, 2))
CURVES = st.builds(Curve, st.floats(0, 3), st.floats(0.01, 3), st.floats(-2, 2), SHIFTS)
SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=8).map(lambda one: [value / max(1, sum(one)) for value in one])


def judged(scores: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], values: list[str] | None = None) -> Judged:
    """Answers that name these values, "red" where it does not matter; no two of one family."""
    named = np.array(values or ["red"] * len(scores), np.str_)
    return Judged(Outcomes(scores.astype(np.float32), right), named, np.arange(len(scores)))


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
        assert honest_rows(row, curve, list(ranking))[0] == pytest.approx(
            list(honest(ranking, curve).values()), abs=1e-4
        )


def test_what_nobody_measured_stays() -> None:
    """Without a curve a score is what the pool gave."""
    assert honest({"red": 0.7, "blue": 0.2}, AS_IT_IS) == {"red": 0.7, "blue": 0.2}
    assert fit_curve(judged(np.full(10, 0.5), np.ones(10, np.bool_))) == AS_IT_IS


def test_a_bent_score_is_bent_back() -> None:
    """Scores that are right less often than they say come to say so; where all answers name one value, a target then
    accepts the very same rows.
    """
    draw = np.random.default_rng(0)
    scores = draw.uniform(0.2, 1, 4000).astype(np.float32)
    bent = judged(scores, draw.random(4000) < scores**2)
    told = bent.honest(fit_curve(bent))
    assert expected_calibration_error(bent.outcomes.scores, bent.outcomes.right) > 0.1
    assert expected_calibration_error(told.scores, told.right) < 0.03
    before, after = threshold_for(bent.outcomes, 0.8), threshold_for(told, 0.8)
    assert before is not None
    assert after is not None
    assert ((scores >= before) == (told.scores >= after)).all()


def test_few_rows_bend_little() -> None:
    """Sixty answers, all right, make scores surer; none of them becomes certain, and low ones stay low."""
    curve = fit_curve(judged(np.linspace(0.5, 0.95, 60), np.ones(60, np.bool_)))
    assert 0.5 < curve.at(0.5, "red") < 0.999
    assert curve.at(0.01, "red") < 0.3
    assert curve.at(0.9, "red") < curve.at(0.95, "red")


def test_values_that_keep_their_word_are_believed_sooner() -> None:
    """Of scores that are alike those of a value that is seldom wrong come to say more, and a target that the value's
    answers reach accepts them; one that nobody saw has the curve of all.
    """
    draw = np.random.default_rng(0)
    kept = draw.random(4000) < 0.5
    bent = judged(
        np.full(4000, 0.9), draw.random(4000) < np.where(kept, 0.99, 0.8), ["boot" if one else "home" for one in kept]
    )
    curves, outcomes = honest_outcomes({"product_type": {"fused": bent}})
    curve, told = curves["product_type"]["fused"], outcomes["product_type"]["fused"]
    assert curve.at(0.9, "home") == pytest.approx(0.8, abs=0.03)
    assert 0.96 < curve.at(0.9, "boot") < 0.99, "pulled a little towards what all are"
    assert curve.at(0.9, "home") < curve.at(0.9, "sofa") < curve.at(0.9, "boot")
    assert threshold_for(bent.outcomes, 0.95) is None
    bar = threshold_for(told, 0.95)
    assert bar is not None
    assert (told.scores >= bar)[kept].mean() > 0.9
    assert not (told.scores >= bar)[~kept].any()


def test_values_that_only_words_state_are_not_told_apart() -> None:
    """Listings of which nothing else is known are unlike those that the curves are fitted on."""
    right = np.array([place % 5 > 0 for place in range(400)])
    bent = judged(np.full(400, 0.95), right, ["boot" if one else "home" for one in right])
    curve = honest_outcomes({"product_type": {"words": bent}})[0]["product_type"]["words"]
    assert curve.at(0.95, "boot") == curve.at(0.95, "home") == pytest.approx(0.8, abs=0.02)


def test_a_value_seen_a_few_times_is_hardly_told_apart() -> None:
    """Three right answers are no proof that a fourth will be."""
    values = ["home"] * 400 + ["boot"] * 3
    right = np.array([place % 5 > 0 for place in range(400)] + [True] * 3)
    curve = fit_curve(judged(np.full(403, 0.8), right, values))
    assert curve.at(0.8, "boot") < 0.9


def test_thresholds_are_not_judged_by_rows_that_the_curves_know() -> None:
    """Of answers that name a value each, right by chance, no shift learned from them makes any sure."""
    draw = np.random.default_rng(0)
    values = [f"value {place // 3}" for place in range(3000)]
    bent = judged(np.full(3000, 0.8), draw.random(3000) < 0.8, values)
    families = Judged(bent.outcomes, bent.values, np.arange(3000) // 3)
    told = honest_outcomes({"color": {"fused": families}})[1]["color"]["fused"]
    assert told.scores == pytest.approx(0.8, abs=0.02)


def test_stated_values_have_a_curve_of_their_own_if_there_is_one() -> None:
    """As thresholds have; else the side's."""
    quiet, worded = Curve(0.5), Curve(0.8)
    assert curve_of({"fused": quiet, "fused_stated": worded}, "fused", stated=True) == worded
    assert curve_of({"fused": quiet}, "fused", stated=True) == quiet
    assert curve_of({"fused_stated": worded}, "fused", stated=False) == AS_IT_IS
