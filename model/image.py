"""Image tower: pictures to vectors. EfficientNet (Tan & Le 2019) in its "lite" form.

Any other network can take its place (`model.towers`): normalised pictures (B, 3, S, S) in, features (B, D) out. Where
its last stages were tuned (`model.training.tune`) they stand there twice: what they saw as they came, then what they
see tuned.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import nn

from model.config import ModelConfig
from model.errors import ModelError
from model.runtime.efficientnet import SCALES, EfficientNetLite


class ImageTower(nn.Module):
    """A network without its classifier. ``net`` None: the one that timm knows by the config's name."""

    def __init__(self, config: ModelConfig, net: nn.Module | None = None) -> None:
        super().__init__()
        self.net: Any = net if net is not None else _built(config.image_tower)
        self.framing = config.framing
        usual = ModelConfig(image_side=config.image_side)
        shown = [
            (one.framing, one.image_means, one.image_stds, one.image_pooling, one.image_details)
            for one in (config, usual)
        ]
        self.identity = "" if shown[0] == shown[1] else repr(shown[0])  # what beside weights makes its features
        self.tuned: nn.Module | None = None
        self._num_tuned, self._details = config.tuned_image_blocks, config.image_details
        self._mean, self._std = config.image_mean, config.image_std
        self._means: torch.Tensor | None  # (3, 1, 1), on the tower's device, but no part of its weights
        self._stds: torch.Tensor | None
        for name, found in (("_means", config.image_means), ("_stds", config.image_stds)):
            self.register_buffer(name, torch.tensor(found)[:, None, None] if found else None, persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, S, S, 3) uint8 sRGB to (B, D) float32: pooled features; then details, then what tuned stages see."""
        if self.tuned is None and not self._details:
            features: torch.Tensor = self.net(self.scaled(pixels))
            return features
        return torch.cat(self._parts(self.scaled(pixels)), dim=1)

    def _parts(self, scaled: torch.Tensor) -> list[torch.Tensor]:
        net, details, tuned = self.net, [], []
        value = scaled
        for count, value in enumerate(_stages(net, scaled)):  # of blocks so far; none is held longer than it is needed
            if count - 1 in self._details:
                details.append(sums_of(value))
            if self.tuned is not None and count == len(net.blocks) - self._num_tuned:
                tuned.append(self.tuned(value))
        return [net.global_pool(net.bn2(net.conv_head(value))), *details, *tuned]

    def tune(self) -> nn.Module:
        """Let the last stages stand there twice: the copies, to be filled."""
        self.tuned = copy.deepcopy(last_stages(self.net, self._num_tuned))
        return self.tuned

    def scaled(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, S, S, 3) uint8 sRGB to (B, 3, S, S) as the network was trained on them."""
        values = pixels.permute(0, 3, 1, 2).float()
        if self._means is None or self._stds is None:
            scaled = (values - self._mean) / self._std
        else:
            scaled = (values - self._means) / self._stds
        return scaled.contiguous(memory_format=torch.channels_last)


def sums_of(value: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W) to (B, 3 C): each channel's mean, deviation and highest value.

    Early stages still know colours and textures, which a network trained to name things forgets on its way.
    """
    flat = value.flatten(2)
    mean = flat.mean(dim=2)
    deviation = (flat - mean[..., None]).square().mean(dim=2).sqrt()
    return torch.cat([mean, deviation, flat.amax(dim=2)], dim=1)


def first_stages(net: Any, scaled: torch.Tensor, num_tuned: int) -> torch.Tensor:
    """(B, 3, S, S) to (B, C, H, W): an EfficientNet up to its last ``num_tuned`` blocks."""
    *_, found = islice(_stages(net, scaled), len(net.blocks) - num_tuned + 1)
    return found


def _stages(net: Any, scaled: torch.Tensor) -> Iterator[torch.Tensor]:
    """What the stem gives, then each block."""
    found: torch.Tensor = net.bn1(net.conv_stem(scaled))
    yield found
    for block in net.blocks:
        found = block(found)
        yield found


def last_stages(net: Any, num_tuned: int) -> nn.Sequential:
    """The rest, (B, C, H, W) to (B, D), sharing the network's weights. Raises ModelError for another kind."""
    if not all(hasattr(net, name) for name in ("conv_stem", "bn1", "blocks", "conv_head", "bn2", "global_pool")):
        raise ModelError(f"{type(net).__name__} has no EfficientNet's blocks to tune; set tuned_image_blocks to 0")
    return nn.Sequential(*list(net.blocks)[-num_tuned:], net.conv_head, net.bn2, net.global_pool).eval()


def _built(name: str) -> nn.Module:
    if name in SCALES:
        return EfficientNetLite(name)
    import timm

    net: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
    return net
