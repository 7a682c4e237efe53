"""A linear map of a title's n-grams and of numbers beside them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from model.inputs import Inputs
from model.ngrams import NUM_COLUMNS


class BagLinear(nn.Module):
    """A linear map of bags of n-grams and ``dense_dim`` other columns, (B, ``width``)."""

    def __init__(self, width: int, dense_dim: int) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(NUM_COLUMNS, width, mode="sum", include_last_offset=True)
        self.dense = nn.Linear(dense_dim, width)
        nn.init.zeros_(self.table.weight)

    def forward(self, inputs: Inputs, dense: torch.Tensor) -> torch.Tensor:
        """See the class."""
        found: torch.Tensor = self.table(inputs.columns, inputs.starts, inputs.weights) + self.dense(dense)
        return found

    def fill(self, weights: np.ndarray, bias: np.ndarray) -> None:
        """Take over what a linear solver found: weights (width, NUM_COLUMNS + dense_dim) and bias (width,)."""
        table, dense = np.split(np.asarray(weights, np.float32), [NUM_COLUMNS], axis=1)
        with torch.no_grad():
            self.table.weight.copy_(torch.from_numpy(np.ascontiguousarray(table.T)))
            self.dense.weight.copy_(torch.from_numpy(np.ascontiguousarray(dense)))
            self.dense.bias.copy_(torch.from_numpy(bias.astype(np.float32)))
