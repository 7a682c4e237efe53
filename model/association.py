"""Do picture and title belong together? A calibrated probability from how alike they are, and what each says alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from model.fusion import Logits
from model.pool import Pool

AGREEING = ("product_type", "color")
_FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class Sides:
    """What each side says alone: vectors (N, J) of length 1 in the joint space, probabilities (N, V) by attribute."""

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
    """(P, 3) of pairs, by row numbers: cosine, and for each attribute the log-odds that both sides mean one value."""
    cosine = (one.image[pictures] * one.title[titles]).sum(dim=1)
    agreements = [_log_odds((one.seen[name][pictures] * one.said[name][titles]).sum(dim=1)) for name in AGREEING]
    return torch.stack([cosine, *agreements], dim=1)


def all_pairs(one: Sides, weights: tuple[float, ...]) -> torch.Tensor:
    """(N, N) logits of every picture (rows) with every title (columns)."""
    found = weights[0] * one.image @ one.title.T + weights[-1]
    for weight, name in zip(weights[1:-1], AGREEING, strict=True):
        found = found + weight * _log_odds(one.seen[name] @ one.said[name].T)
    return found


def probabilities(features: torch.Tensor, weights: tuple[float, ...]) -> torch.Tensor:
    """(P,) 0-1 that a pair belongs together; ``weights`` as `model.calibrate.fit_logistic` gives them."""
    return torch.sigmoid(features @ torch.tensor(weights[:-1], device=features.device) + weights[-1])


def _log_odds(agreement: torch.Tensor) -> torch.Tensor:
    share = agreement.clamp(_FLOOR, 1 - _FLOOR)
    return torch.log(share) - torch.log1p(-share)
