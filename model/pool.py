"""Experts' scores to one probability: a log-linear pool (Hinton's product of experts, with weights).

This is fusion of decisions: stacking (Wolpert 1992) of experts whose weights come from scores of rows that they had not
seen. It takes whatever experts there are.

A value that the words state outright is an expert as well: its score is multiplied by ``exp(weight * sureness)``. Where
something is stated the title's experts deserve other weights than where nothing is, so a pool has two sets.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch.nn.functional import log_softmax

from model.fusion import SINGLE_SIDED, Logits
from model.labels import Side

SIDES: tuple[Side, ...] = ("fused", "image", "text")
_OWN = {"image": ("image", "tuned_image", "memory", "classes"), "text": ("text", "words", "tuned_text")}


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the experts of one side, in the order of `experts_of`, and of a value that words state outright."""

    experts: tuple[float, ...]
    stated: float = 0.0


@dataclass(frozen=True, slots=True)
class Pool:
    """One attribute's weights by side: where nothing is stated, and where something is. ``beyond``: of product types
    alone, see `model.beyond`.
    """

    silent: Mapping[Side, Weights]
    stated: Mapping[Side, Weights]
    beyond: float = 1.0

    def scores(self, logits: Logits, side: Side, *, stated: bool) -> torch.Tensor:
        """(B, V) probabilities of one side's experts; what is stated is not yet in them."""
        weights = (self.stated if stated else self.silent)[side]
        return torch.softmax(pooled(logits, side, torch.tensor(weights.experts)), dim=1)

    def of(self, kept: Collection[str], every: Collection[str]) -> Pool:
        """The same weights for fewer experts: those ``kept`` of ``every`` one, which both hold in the logits' order."""

        def only(side: Side, weights: Weights) -> Weights:
            own = zip(experts_of(side, every), weights.experts, strict=True)
            return Weights(tuple(weight for name, weight in own if name in kept), weights.stated)

        silent, stated = ({side: only(side, one) for side, one in own.items()} for own in (self.silent, self.stated))
        return Pool(silent, stated, self.beyond)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Pool:
        """What ``dataclasses.asdict`` gave, through JSON."""

        def weights(one: Mapping[str, list[float] | float]) -> Weights:
            return Weights(tuple(cast(list[float], one["experts"])), cast(float, one["stated"]))

        silent, stated = ({side: weights(one) for side, one in found[part].items()} for part in ("silent", "stated"))
        return cls(silent, stated, found.get("beyond", 1.0))


def experts_of(side: Side, logits: Collection[str]) -> tuple[str, ...]:
    """Whose scores make up a side, in the order of their weights: those that see both sides come first."""
    if side == "fused":
        joint = tuple(name for name in logits if name not in SINGLE_SIDED)
        return (*joint, *(name for name in SINGLE_SIDED if name in logits))
    own = _OWN[side]
    return tuple(name for name in own if name in logits)


def pooled(logits: Logits, side: Side, weights: torch.Tensor) -> torch.Tensor:
    """(B, V) weighted sum of the experts' log-probabilities."""
    parts = [log_softmax(logits[name], dim=1) for name in experts_of(side, logits)]
    return torch.stack([weight * part for weight, part in zip(weights.to(parts[0].device), parts, strict=True)]).sum(0)
