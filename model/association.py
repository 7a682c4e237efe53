"""Do picture and title belong together? A calibrated probability from how alike they are, and what each says alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from model.fusion import Logits
from model.pool import Pool

AGREEING = ("product_type", "color", "material")
_FLOOR = 1e-3
_LEAST_COSINE = 1e-4


@dataclass(frozen=True, slots=True)
class Sides:
    """What each side says alone: vectors (N, 2 J) of length 1 in the joint space, probabilities (N, V) by attribute."""

    image: torch.Tensor
    title: torch.Tensor
    seen: Mapping[str, torch.Tensor]
    said: Mapping[str, torch.Tensor]


def sides_of(
    vectors: tuple[torch.Tensor, torch.Tensor], logits: Mapping[str, Logits], pools: Mapping[str, Pool]
) -> Sides:
    """From a fusion model's ``similarity`` and scores."""
    seen = {name: pools[name].scores(logits[name], "image", stated=False) for name in AGREEING}
    said = {name: pools[name].scores(logits[name], "text", stated=False) for name in AGREEING}
    return Sides(*vectors, seen, said)


def pair_features(one: Sides, pictures: torch.Tensor, titles: torch.Tensor) -> torch.Tensor:
    """(P, F) of pairs, by row numbers: cosine in the joint space, and for each attribute how well both sides agree."""
    found = [(one.image[pictures] * one.title[titles]).sum(dim=1)]
    for name in AGREEING:
        seen, said = one.seen[name][pictures], one.said[name][titles]
        found += _agreement((seen * said).sum(dim=1), seen.norm(dim=1) * said.norm(dim=1))
    return torch.stack(found, dim=1)


def all_pairs(one: Sides, weights: tuple[float, ...]) -> torch.Tensor:
    """(N, N) logits of every picture (rows) with every title (columns)."""
    found = weights[0] * one.image @ one.title.T + weights[-1]
    for name, pair in zip(AGREEING, zip(weights[1:-1:2], weights[2:-1:2], strict=True), strict=True):
        seen, said = one.seen[name], one.said[name]
        agreement = _agreement(seen @ said.T, seen.norm(dim=1)[:, None] * said.norm(dim=1))
        for weight, feature in zip(pair, agreement, strict=True):
            found += weight * feature
    return found


def probabilities(features: torch.Tensor, weights: tuple[float, ...]) -> torch.Tensor:
    """(P,) 0-1 that a pair belongs together; ``weights`` as `model.calibrate.fit_logistic` gives them."""
    return torch.sigmoid(features @ torch.tensor(weights[:-1], device=features.device) + weights[-1])


def _agreement(same: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
    """Log-odds that both sides mean one value, and how alike what they say is whether they are sure of it or not: the
    logarithm of the cosine of their probabilities.
    """
    share = same.clamp(_FLOOR, 1 - _FLOOR)
    return [torch.log(share) - torch.log1p(-share), torch.log((same / lengths).clamp(min=_LEAST_COSINE))]
