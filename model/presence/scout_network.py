"""The scout's network: where a picture may hold text worth reading. See `model.reading.scout` for what it is used for.

Depthwise separable convolutions (Howard et al. 2017, MobileNets) with a shortcut where the size stays; the last ones
are dilated (Yu & Koltun 2016), so that a cell of 8 pixels sees what stands around it: a line of letters, or a weave.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_STEM, _MIDDLE, _WIDE = 16, 32, 64
_DILATIONS = (1, 2, 4, 1)


class ScoutNetwork(nn.Module):
    """(B, 3, H, W) in -1 to 1, H and W multiples of 8, to logits (B, H / 8, W / 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem: nn.Module = nn.Sequential(nn.Conv2d(3, _STEM, 3, 2, 1, bias=False), nn.BatchNorm2d(_STEM))
        self.body = nn.Sequential(
            Separable(_STEM, _MIDDLE, stride=2),
            Separable(_MIDDLE, _MIDDLE),
            Separable(_MIDDLE, _WIDE, stride=2),
            *(Separable(_WIDE, _WIDE, dilation=dilation) for dilation in _DILATIONS),
        )
        self.head = nn.Conv2d(_WIDE, 1, 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """See the class."""
        cells: torch.Tensor = self.head(self.body(torch.relu(self.stem(pictures))))
        return cells[:, 0]

    def folded(self) -> ScoutNetwork:
        """The same in use: batch norms folded into the convolutions before them. Changes this one and returns it."""
        self.eval()
        self.stem = _folded(self.stem)
        for block in (block for block in self.body if isinstance(block, Separable)):
            block.depthwise, block.pointwise = _folded(block.depthwise), _folded(block.pointwise)
        return self


class Separable(nn.Module):
    """A 3 by 3 convolution of each channel alone, then one of 1 by 1 over all."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise: nn.Module = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, dilation, dilation, groups=inputs, bias=False), nn.BatchNorm2d(inputs)
        )
        self.pointwise: nn.Module = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self._has_shortcut = inputs == outputs and stride == 1

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, outputs, H / stride, W / stride)."""
        found = torch.relu(self.pointwise(torch.relu(self.depthwise(cells))))
        return cells + found if self._has_shortcut else found


class InUse(nn.Module):
    """What is exported: probabilities, as the engines give them to `model.reading.scout.Scout`."""

    def __init__(self, network: ScoutNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) to (B, H / 8, W / 8) in 0-1."""
        return torch.sigmoid(self.network(pictures))


def _folded(pair: nn.Module) -> nn.Module:
    convolution, norm = pair.children()
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)  # noqa: S101  # as built above
    return fuse_conv_bn_eval(convolution, norm)
