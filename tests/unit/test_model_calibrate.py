"""Thresholds are bought with a target precision, and pools prefer the expert that knows."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.calibrate import (
    Fitting,
    Outcomes,
    expected_calibration_error,
    fit_logistic,
    fit_pool,
    honest_error,
    is_shown,
    threshold_for,
)
from model.fusion import Logits

rows = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=400)


def outcomes_of(found: list[tuple[float, bool]]) -> Outcomes:
    return Outcomes(np.array([score for score, _ in found], np.float32), np.array([right for _, right in found]))


@given(found=rows, target=st.floats(0.5, 0.99))
def test_threshold_keeps_its_promise_on_its_rows(found: list[tuple[float, bool]], target: float) -> None:
    """Rows at or above the threshold show the target precision at 95 % confidence."""
    outcomes = outcomes_of(found)
    threshold = threshold_for(outcomes, target)
    if threshold is not None:
        accepted = outcomes.scores >= threshold
        assert is_shown(int((~outcomes.right[accepted]).sum()), int(accepted.sum()), target)
        assert outcomes.right[accepted].mean() >= target


def test_precision_is_reached_on_new_rows_as_often_as_promised() -> None:
    """Of 200 thresholds found on calibrated scores, at most 5 % (and chance) miss the target on endless new rows."""
    generator = np.random.default_rng(0)
    fresh = generator.beta(5, 1, 200_000).astype(np.float32)
    missed = found = 0
    for _ in range(200):
        scores = generator.beta(5, 1, 1500).astype(np.float32)
        threshold = threshold_for(Outcomes(scores, generator.random(1500) < scores), 0.9)
        if threshold is not None:
            found += 1
            missed += fresh[fresh >= threshold].mean() < 0.9
    assert found > 150
    assert missed <= 0.09 * found


@given(wrong=st.integers(0, 60), count=st.integers(1, 600), target=st.floats(0.5, 0.99))
def test_more_errors_never_show_more(wrong: int, count: int, target: float) -> None:
    """The test is monotone, and nothing is shown by errors alone."""
    if wrong < count and is_shown(wrong + 1, count, target):
        assert is_shown(wrong, count, target)
    assert not is_shown(count, count, target)


@given(wrong=st.integers(0, 40), count=st.integers(1, 400), hundredths=st.integers(50, 99))
def test_the_test_is_exact(wrong: int, count: int, hundredths: int) -> None:
    """Against the sum of the binomial's terms in whole numbers."""
    if wrong < count:
        ways = sum(comb(count, k) * (100 - hundredths) ** k * hundredths ** (count - k) for k in range(wrong + 1))
        is_rarer = 20 * ways <= 100**count and 100 * wrong < (100 - hundredths) * count
        assert is_shown(wrong, count, hundredths / 100) == is_rarer


@pytest.mark.parametrize("target", [5e-324, 1e-17, 1 - 1e-16])
def test_targets_at_both_ends_can_be_asked_for(target: float) -> None:
    """A setting may be any number above 0: 1 less so little is 1."""
    assert is_shown(0, 1, target) == (target < 0.5)
    assert is_shown(9, 10, target) == (target < 0.5)
    assert not is_shown(1, 10**6, 1 - 1e-16)


def test_too_few_rows_show_nothing() -> None:
    """For 0.95, 58 right ones in a row could be luck; 59 are enough."""
    assert not is_shown(0, 58, 0.95)
    assert is_shown(0, 59, 0.95)
    assert threshold_for(outcomes_of([(0.9, True)] * 58), 0.95) is None


def test_wrong_labels_among_the_surest_do_not_end_it_all() -> None:
    """The strict start fails where four of the surest hundred are wrong; the second start goes by the first 400."""
    right = np.ones(2000, np.bool_)
    right[[3, 20, 50, 90]] = False
    right[1000:] = np.arange(1000) % 3 > 0
    outcomes = Outcomes(np.linspace(1, 0, 2000).astype(np.float32), right)
    bar = threshold_for(outcomes, 0.95)
    assert bar is not None
    accepted = outcomes.scores >= bar
    assert 1000 < accepted.sum() < 1200
    assert right[accepted].mean() >= 0.95


def test_both_starts_together_seldom_promise_too_much() -> None:
    """Of scores that tell nothing, with a precision right at the target, no more than 5 % of draws accept any."""
    draw = np.random.default_rng(0)
    scores = np.linspace(1, 0, 1000).astype(np.float32)
    promised = sum(threshold_for(Outcomes(scores, draw.random(1000) < 0.95), 0.95) is not None for _ in range(400))
    assert promised <= 33  # 20 expected at most, and three deviations more


def _fitting(
    logits: Logits, labels: torch.Tensor, stated: torch.Tensor, renamed: torch.Tensor | None = None
) -> Fitting:
    """``renamed`` left out: no label is another name for what is stated."""
    return Fitting(logits, labels, stated, torch.zeros(len(labels), dtype=torch.bool) if renamed is None else renamed)


def test_pool_trusts_the_expert_that_knows() -> None:
    """When only the n-grams are right, the pool is nearly their answer; the picture's side does not hear of it."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (600,), generator=generator)
    noise = torch.randn(600, 4, generator=generator)
    sure = 4.0 * torch.nn.functional.one_hot(labels, 4).float() + noise
    logits = {"gated": noise.roll(1, 0), "image": noise.roll(2, 0), "text": noise.roll(3, 0), "words": sure}
    pool = fit_pool(_fitting(logits, labels, torch.zeros(600, 4)))
    gated, image, text, words = pool.silent["fused"].experts
    assert words > 3 * max(gated, image, text)
    fused = pool.scores(logits, "fused", stated=False)
    assert (fused.argmax(dim=1) == labels).float().mean() > 0.85
    assert torch.allclose(fused.sum(dim=1), torch.ones(600), atol=1e-5)


def test_pool_learns_what_stated_words_are_worth() -> None:
    """Stated values that are right nine times in ten get much weight; ones that are right by chance get none."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (2000,), generator=generator)
    noise = {name: torch.randn(2000, 4, generator=generator) for name in ("gated", "image", "text", "words")}
    told = torch.where(torch.rand(2000, generator=generator) < 0.9, labels, (labels + 1) % 4)
    worth = {}
    for kind, said in (("honest", told), ("random", torch.randint(0, 4, (2000,), generator=generator))):
        stated = torch.nn.functional.one_hot(said, 4).float()
        worth[kind] = fit_pool(_fitting(noise, labels, stated), _fitting(noise, labels, torch.zeros(2000, 4)))
    assert worth["honest"].stated["fused"].stated > 2
    assert worth["random"].stated["fused"].stated < 0.3


def test_what_a_catalogue_calls_otherwise_takes_no_trust_from_words_beside_pictures_alone() -> None:
    """Half of the listings of two values are labelled by another name. Where the title's experts are heard, what words
    state counts for less; beside a picture whose title nobody can read it counts as if there were no such labels.
    """
    generator = torch.Generator().manual_seed(0)
    said = torch.randint(0, 4, (4000,), generator=generator)
    renamed = (said < 2) & (torch.rand(4000, generator=generator) < 0.5)
    labels = torch.where(renamed, said + 2, said)
    noise = {name: torch.randn(4000, 4, generator=generator) for name in ("gated", "image", "text", "words")}
    stated = torch.nn.functional.one_hot(said, 4).float()
    told = fit_pool(_fitting(noise, labels, stated, renamed)).stated
    plain = fit_pool(_fitting({name: one[~renamed] for name, one in noise.items()}, labels[~renamed], stated[~renamed]))
    assert told["image"] == plain.stated["image"]
    assert told["fused"].stated < 0.5 * told["image"].stated


def test_a_pool_without_some_experts_keeps_the_weights_of_the_others() -> None:
    """Fits that tune no tower ask the pools of a checkpoint that has tuned ones."""
    experts = ("gated", "image", "text", "words", "tuned_image", "tuned_text")
    generator = torch.Generator().manual_seed(0)
    logits = {name: torch.randn(100, 4, generator=generator) for name in experts}
    pool = fit_pool(_fitting(logits, torch.arange(100) % 4, torch.zeros(100, 4)))
    kept = {name: one for name, one in logits.items() if not name.startswith("tuned_")}
    fewer = pool.of(tuple(kept), experts)
    assert fewer.silent["fused"].experts == pool.silent["fused"].experts[:4]
    assert (len(fewer.silent["image"].experts), len(fewer.stated["text"].experts)) == (1, 2)
    assert fewer.scores(kept, "text", stated=False).shape == (100, 4)


def test_a_pool_without_rows_takes_all_experts_alike() -> None:
    """Nothing says which of them knows; the weights are numbers all the same."""
    logits = {name: torch.zeros(0, 1) for name in ("gated", "image", "text", "words")}
    pool = fit_pool(_fitting(logits, torch.zeros(0, dtype=torch.long), torch.zeros(0, 1)))
    assert pool.silent["fused"].experts == (1.0,) * 4
    assert pool.stated["image"].experts == (1.0,)


def test_logistic_regression_finds_the_slope() -> None:
    """Odds that double with each step of the only feature."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(20_000, 1, generator=generator)
    truth = (torch.rand(20_000, generator=generator) < torch.sigmoid(0.7 * features[:, 0] - 0.3)).float()
    slope, offset = fit_logistic(features, truth)
    assert slope == pytest.approx(0.7, abs=0.06)
    assert offset == pytest.approx(-0.3, abs=0.06)


def test_calibration_error_of_honest_scores_is_small() -> None:
    """Scores that are right as often as they say stay below what chance allows; overconfident ones do not."""
    generator = np.random.default_rng(0)
    scores = generator.uniform(0, 1, 20_000).astype(np.float32)
    right = generator.uniform(0, 1, 20_000) < scores
    assert expected_calibration_error(scores, right) < honest_error(scores) * 1.3 < 0.03
    assert expected_calibration_error(np.ones(100, np.float32), np.arange(100) % 2 == 0) == pytest.approx(0.5, abs=0.05)
