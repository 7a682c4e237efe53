"""Pairs of pictures and titles."""

from __future__ import annotations

import torch

from model.association import AGREEING, Sides, all_pairs, pair_features, probabilities


def sides(count: int = 6) -> Sides:
    torch.manual_seed(0)
    normal = torch.nn.functional.normalize
    scores = {name: torch.softmax(torch.randn(count, 4), dim=1) for name in AGREEING}
    return Sides(
        normal(torch.randn(count, 8), dim=1),
        normal(torch.randn(count, 8), dim=1),
        scores,
        {n: s.flip(0) for n, s in scores.items()},
    )


def test_pairs_and_the_whole_table_say_the_same() -> None:
    """Ranking among all titles uses the very score that a listing's own pair gets."""
    one, weights = sides(), (4.0, 0.5, 0.25, 0.3, -0.2, 0.1, 0.4, -1.0)
    table = torch.sigmoid(all_pairs(one, weights))
    pictures, titles = torch.tensor([0, 3, 5]), torch.tensor([2, 3, 0])
    assert torch.allclose(
        table[pictures, titles], probabilities(pair_features(one, pictures, titles), weights), atol=1e-6
    )


def test_sides_that_mean_the_same_belong_together() -> None:
    """Both sure of one type scores above both sure of different ones."""
    one = torch.eye(2)
    same = Sides(one, one, dict.fromkeys(AGREEING, one), dict.fromkeys(AGREEING, one))
    features = pair_features(same, torch.tensor([0, 0]), torch.tensor([0, 1]))
    own, other = probabilities(features, (1.0,) * features.shape[1] + (0.0,))
    assert own > 0.99 > 0.01 > other
