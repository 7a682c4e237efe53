"""A gate that weighs picture against title, number by number.

The gated multimodal unit of Arevalo, Solorio, Montes-y-Gómez and González, "Gated Multimodal Units for Information
Fusion" (2017).
"""

from __future__ import annotations

import torch
from torch import nn

from model.fusions.pair import Pair


class Gate(nn.Module):
    """See `model.fusions.pair.Fusion`."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * hidden, hidden)

    def forward(self, pair: Pair) -> torch.Tensor:
        """See `model.fusions.pair.Fusion`."""
        share = torch.sigmoid(self.gate(torch.cat([pair.seen, pair.said], dim=1)))
        joined: torch.Tensor = share * pair.seen + (1 - share) * pair.said
        return joined
