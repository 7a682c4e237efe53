"""A batch of listings as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from model.fusions.pair import Parts
from model.ngrams import Bags


@dataclass(frozen=True, slots=True)
class Inputs:
    """A batch. Where a picture or a title is missing its row holds zeros, or an empty bag."""

    images: torch.Tensor  # (B, Di), details and tuned stages' features after them
    colors: torch.Tensor  # (B, Dc)
    titles: torch.Tensor  # (B, Dt), tuned layers' vectors after them
    columns: torch.Tensor  # (M,) the bags of all titles, one after the other
    weights: torch.Tensor  # (M,)
    starts: torch.Tensor  # (B + 1,)
    has_image: torch.Tensor  # (B,) bool
    has_title: torch.Tensor  # (B,) bool
    parts: Parts | None = None  # regions and tokens, where a fusion needs them

    def to(self, device: torch.device) -> Inputs:
        """The same on another device."""
        vectors = {name: getattr(self, name).to(device) for name in Inputs.__slots__ if name != "parts"}
        return Inputs(**vectors, parts=self.parts.to(device) if self.parts is not None else None)


def bag_tensors(bags: Bags) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Columns, weights and starts, as `Inputs` takes them."""
    return torch.from_numpy(bags.columns), torch.from_numpy(bags.weights), torch.from_numpy(bags.starts)
