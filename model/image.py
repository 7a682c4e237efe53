"""Image tower: pictures to vectors. EfficientNet (Tan & Le 2019) in its "lite" form, built by timm."""

from __future__ import annotations

import torch
from torch import nn

from model.config import ModelConfig


class ImageTower(nn.Module):
    """A convolutional network without its classifier."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        import timm  # slow, and needed only where torch runs or traces the tower

        self.net = timm.create_model(config.image_tower, pretrained=False, num_classes=0)
        self._mean, self._std = config.image_mean, config.image_std

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, S, S, 3) uint8 sRGB to (B, D) float32: pooled features."""
        scaled = (pixels.permute(0, 3, 1, 2).float() - self._mean) / self._std
        features: torch.Tensor = self.net(scaled.contiguous(memory_format=torch.channels_last))
        return features
