"""Thresholds are bought with a target precision, and pools prefer the head that knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.calibrate import (
    MIN_ROWS,
    Outcomes,
    expected_calibration_error,
    fit_pool,
    threshold_for,
    wilson_lower,
)
from model.fusion import Logits

rows = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=200)


@given(found=rows, target=st.floats(0.5, 0.99))
def test_threshold_keeps_its_promise_on_its_rows(found: list[tuple[float, bool]], target: float) -> None:
    """Rows at or above the threshold are right at least as often as the target, and there are enough of them."""
    outcomes = Outcomes(np.array([score for score, _ in found], np.float32), np.array([right for _, right in found]))
    threshold = threshold_for(outcomes, target)
    if threshold is not None:
        accepted = outcomes.scores >= threshold
        assert accepted.sum() >= MIN_ROWS
        assert outcomes.right[accepted].mean() >= target


@given(found=rows)
def test_higher_target_never_accepts_more(found: list[tuple[float, bool]]) -> None:
    """Asking for more precision can only raise the threshold."""
    outcomes = Outcomes(np.array([score for score, _ in found], np.float32), np.array([right for _, right in found]))
    low, high = threshold_for(outcomes, 0.6), threshold_for(outcomes, 0.9)
    assert high is None or (low is not None and low <= high)


@given(count=st.integers(1, 500), data=st.data())
def test_wilson_bound_is_below_the_share(count: int, data: st.DataObject) -> None:
    """The bound is a share itself, and never above the observed one."""
    correct = data.draw(st.integers(0, count))
    assert -1e-12 <= wilson_lower(correct, count) <= correct / count + 1e-12


def test_pool_trusts_the_head_that_knows() -> None:
    """When only the title's head is right, the pool is nearly its answer."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (400,), generator=generator)
    noise = torch.randn(400, 4, generator=generator)
    sure = 4.0 * torch.nn.functional.one_hot(labels, 4).float() + noise
    pool = fit_pool(Logits(noise.roll(1, 0), noise.roll(2, 0), sure), labels)
    assert pool.text > 3 * max(pool.gated, pool.image)
    fused = pool.fused(Logits(noise.roll(1, 0), noise.roll(2, 0), sure))
    assert (fused.argmax(dim=1) == labels).float().mean() > 0.85
    assert torch.allclose(fused.sum(dim=1), torch.ones(400), atol=1e-5)


def test_calibration_error_of_honest_scores_is_small() -> None:
    """Scores that are right as often as they say have next to no error; overconfident ones have much."""
    generator = np.random.default_rng(0)
    scores = generator.uniform(0, 1, 20_000).astype(np.float32)
    right = generator.uniform(0, 1, 20_000) < scores
    assert expected_calibration_error(scores, right) < 0.02
    assert expected_calibration_error(np.ones(100, np.float32), np.arange(100) < 50) == pytest.approx(0.5)
