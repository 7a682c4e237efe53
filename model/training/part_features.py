"""Regions and tokens of all rows, as `model.parts` computes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from model.fusions.pair import Parts

Halves = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class PartFeatures:
    """One line per row; of a title shorter than T tokens the rest is zeros."""

    regions: Halves  # (N, R, Di)
    tokens: Halves  # (N, T, Dt)
    masked: Halves  # (N, T, Dt): of the titles without telling words
    lengths: npt.NDArray[np.int64]  # (N,) tokens of the title
    masked_lengths: npt.NDArray[np.int64]  # (N,)

    def part_of(self, rows: npt.NDArray[np.int64]) -> PartFeatures:
        """Those of some rows."""
        return PartFeatures(*(getattr(self, name)[rows] for name in PartFeatures.__slots__))

    def take(self, rows: torch.Tensor, hide: torch.Tensor) -> Parts:
        """Parts of ``rows`` (B,); titles of those to ``hide`` (B,) bool lose their telling words."""
        chosen, hidden = rows.numpy(), hide.numpy()
        lengths = np.where(hidden, self.masked_lengths[chosen], self.lengths[chosen])
        width = max(1, int(lengths.max(initial=1)))
        tokens = np.where(hidden[:, None, None], self.masked[chosen, :width], self.tokens[chosen, :width])
        is_token = torch.from_numpy(np.arange(width) < lengths[:, None])
        regions = torch.from_numpy(self.regions[chosen].astype(np.float32))
        return Parts(regions, torch.from_numpy(tokens.astype(np.float32)), is_token)
