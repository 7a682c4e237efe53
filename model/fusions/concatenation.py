"""Both sides one after the other, through a small network.

The plain early fusion that every survey starts from (Baltrušaitis, Ahuja and Morency, "Multimodal Machine Learning",
2019; Ngiam et al., "Multimodal Deep Learning", 2011).
"""

from __future__ import annotations

import torch
from torch import nn

from model.fusions.pair import Pair


class Concatenation(nn.Module):
    """See `model.fusions.pair.Fusion`."""

    def __init__(self, hidden: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2 * hidden, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
        )

    def forward(self, pair: Pair) -> torch.Tensor:
        """See `model.fusions.pair.Fusion`."""
        joined: torch.Tensor = self.net(torch.cat([pair.seen, pair.said], dim=1))
        return joined
