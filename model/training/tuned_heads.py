"""Experts on what a tower's tuned last stages give: the very heads beneath which those stages were tuned."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

_HIDDEN = 384


class TunedHeads(nn.Module):
    """Features (B, ``width``), and colour histograms (B, ``color_dim``) where there are any, to (B, V) by attribute."""

    def __init__(self, width: int, sizes: Mapping[str, int], color_dim: int = 0, dropout: float = 0.2) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, _HIDDEN))
        self.colors = nn.Sequential(nn.Dropout(0.1), nn.Linear(color_dim, _HIDDEN, bias=False)) if color_dim else None
        self.end = nn.Sequential(nn.GELU(), nn.Dropout(dropout))
        self.heads = nn.ModuleDict({name: nn.Linear(_HIDDEN, size) for name, size in sizes.items()})

    def forward(self, features: torch.Tensor, colors: torch.Tensor) -> dict[str, torch.Tensor]:
        """See the class."""
        hidden = self.features(features)
        if self.colors is not None:
            hidden = hidden + self.colors(colors)
        hidden = self.end(hidden)
        return {name: head(hidden) for name, head in self.heads.items()}
