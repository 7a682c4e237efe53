"""The title, corrected by what picture and title say together, twice over.

Multimodal residual networks (Kim et al., "Multimodal Residual Learning for Visual QA", 2016): a block adds to its
shortcut the product, number by number, of a map of what it has so far and a map of the picture. With a picture that
adds nothing the title stands as it is, which is what plain concatenation cannot promise.
"""

from __future__ import annotations

import torch
from torch import nn

from model.fusions.pair import Pair


class Residual(nn.Module):
    """See `model.fusions.pair.Fusion`."""

    def __init__(self, hidden: int, num_blocks: int = 2) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(hidden) for _ in range(num_blocks))

    def forward(self, pair: Pair) -> torch.Tensor:
        """See `model.fusions.pair.Fusion`."""
        joined = pair.said
        for block in self.blocks:
            joined = block(joined, pair.seen)
        return joined


class _Block(nn.Module):
    """Of the three shortcuts that the authors tried, the linear one."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.shortcut = nn.Linear(hidden, hidden)
        self.said = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh())
        self.seen = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())

    def forward(self, joined: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.shortcut(joined) + self.said(joined) * self.seen(seen)
        return found
