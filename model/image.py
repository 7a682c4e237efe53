"""Image tower: pictures to vectors. EfficientNet (Tan & Le 2019) in its "lite" form.

Any other network can take its place (`model.towers`): normalised pictures (B, 3, S, S) in, features (B, D) out.
"""

from __future__ import annotations

import torch
from torch import nn

from model.config import ModelConfig
from model.efficientnet import SCALES, EfficientNetLite


class ImageTower(nn.Module):
    """A network without its classifier. ``net`` None: the one that timm knows by the config's name."""

    def __init__(self, config: ModelConfig, net: nn.Module | None = None) -> None:
        super().__init__()
        self.net = net if net is not None else _built(config.image_tower)
        self.framing = config.framing
        self._mean, self._std = config.image_mean, config.image_std
        self._means: torch.Tensor | None  # (3, 1, 1), on the tower's device, but no part of its weights
        self._stds: torch.Tensor | None
        for name, found in (("_means", config.image_means), ("_stds", config.image_stds)):
            self.register_buffer(name, torch.tensor(found)[:, None, None] if found else None, persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, S, S, 3) uint8 sRGB to (B, D) float32: pooled features."""
        features: torch.Tensor = self.net(self.scaled(pixels))
        return features

    def scaled(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, S, S, 3) uint8 sRGB to (B, 3, S, S) as the network was trained on them."""
        values = pixels.permute(0, 3, 1, 2).float()
        if self._means is None or self._stds is None:
            scaled = (values - self._mean) / self._std
        else:
            scaled = (values - self._means) / self._stds
        return scaled.contiguous(memory_format=torch.channels_last)


def _built(name: str) -> nn.Module:
    if name in SCALES:
        return EfficientNetLite(name)
    import timm

    net: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
    return net
