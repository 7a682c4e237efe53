"""Where pictures and titles are compared: do they belong together?

Two encoders and InfoNCE in both directions (van den Oord et al. 2018; Radford et al. 2021), twice. One space takes a
title's n-grams beside its vector, the other its vector alone: words tell variants of a product apart, the encoder knows
words that no training title has. Fitted together the words would leave nothing for the encoder to learn; fitted apart
each has its own view of the picture, and the mean of both cosines finds a picture's title among others more often than
either (own title among ten of 746: 0.80 and 0.79 alone, 0.84 together).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from model.bag_linear import BagLinear
from model.config import ModelConfig
from model.inputs import Inputs

_MOST_LOG_SCALE = 4.6  # a hundred


class JointSpace(nn.Module):
    """Pictures and titles to vectors, each from all that is known of it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.worded = _Space(config, BagLinear(config.joint_dim, config.text_dim))
        self.encoded = _Space(config, _VectorLinear(config.joint_dim, config.text_dim))

    def forward(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 2 J) each, of length 1: their dot product is the mean of the spaces' cosines."""
        (left, right), (other_left, other_right) = (space(inputs) for space in self._spaces())
        return torch.cat([left, other_left], dim=1) / 2**0.5, torch.cat([right, other_right], dim=1) / 2**0.5

    def contrast(self, inputs: Inputs) -> torch.Tensor:
        """InfoNCE: each picture finds its title among those of the batch, and each title its picture."""
        return torch.stack([space.contrast(inputs) for space in self._spaces()]).sum()

    def _spaces(self) -> Iterator[_Space]:
        yield self.worded
        yield self.encoded


class _Space(nn.Module):
    def __init__(self, config: ModelConfig, title: nn.Module) -> None:
        super().__init__()
        width = config.joint_dim
        self.image = nn.Sequential(nn.LayerNorm(config.image_dim), nn.Dropout(0.3), nn.Linear(config.image_dim, width))
        self.colors = nn.Sequential(nn.Dropout(0.1), nn.Linear(config.color_dim + config.detail_dim, width, bias=False))
        self.drop = nn.Dropout(0.1)
        self.title = title
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def forward(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, J) each, of length 1."""
        pictures = self.image(inputs.images) + self.colors(inputs.colors)
        return normalize(pictures, dim=1), normalize(self.title(inputs, self.drop(inputs.titles)), dim=1)

    def contrast(self, inputs: Inputs) -> torch.Tensor:
        left, right = self(inputs)
        scores = self.log_scale.clamp(max=_MOST_LOG_SCALE).exp() * left @ right.T
        own = torch.arange(len(scores), device=scores.device)
        return 0.5 * (cross_entropy(scores, own) + cross_entropy(scores.T, own))


class _VectorLinear(nn.Module):
    """A linear map of the encoder's vector; called as `BagLinear` is."""

    def __init__(self, width: int, text_dim: int) -> None:
        super().__init__()
        self.dense = nn.Linear(text_dim, width)

    def forward(self, _: Inputs, dense: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.dense(dense)
        return found
