"""What networks are trained on."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy


def smoothed_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Mean over the rows (N, V) whose label (N,) is not negative, with smoothed labels (Szegedy et al. 2016); 0, with
    gradients, where there are none.
    """
    known = labels >= 0
    if not bool(known.any()):
        return logits.sum() * 0
    return cross_entropy(logits[known], labels[known], label_smoothing=smoothing)
