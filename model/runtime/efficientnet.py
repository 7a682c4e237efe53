"""EfficientNet-lite (Tan & Le 2019) in TensorFlow's form, on torch, with its weights named as timm names them.

timm has the same network, but importing it takes longer than importing torch: it brings torchvision, and that torch's
compiler. The worker's usual tower should not cost that. (`model.runtime.efficientnet_graph` is the same for OpenVINO.)
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.functional import pad

SCALES = {  # width and depth, times those of lite0
    "tf_efficientnet_lite0": (1.0, 1.0),
    "tf_efficientnet_lite1": (1.0, 1.1),
    "tf_efficientnet_lite2": (1.1, 1.2),
    "tf_efficientnet_lite3": (1.2, 1.4),
    "tf_efficientnet_lite4": (1.4, 1.8),
}
_STAGES = (  # blocks, kernel, stride of the first block, widening, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280
_EPSILON = 1e-3


class EfficientNetLite(nn.Module):
    """(B, 3, S, S) to (B, 1280): the last feature map's mean. ``name``: one of ``SCALES``."""

    num_features = _HEAD

    def __init__(self, name: str) -> None:
        super().__init__()
        wider, deeper = SCALES[name]
        self.conv_stem = SameConv(3, _STEM, 3, 2)
        self.bn1 = _NormClamp(_STEM)
        stages, width = [], _STEM
        for place, (count, kernel, stride, widening, channels) in enumerate(_STAGES):
            is_fixed = place in (0, len(_STAGES) - 1)
            blocks: list[nn.Module] = []
            for number in range(count if is_fixed else math.ceil(count * deeper)):
                step, wanted = stride if number == 0 else 1, rounded_width(channels * wider)
                kind = _Separable if widening == 1 else _Inverted
                blocks.append(kind(width, wanted, kernel, step, widening))
                width = wanted
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = SameConv(width, _HEAD, 1)
        self.bn2 = _NormClamp(_HEAD)
        self.global_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """See the class."""
        found: torch.Tensor = self.global_pool(self.forward_features(pictures))
        return found

    def forward_features(self, pictures: torch.Tensor) -> torch.Tensor:
        """The last feature map, (B, 1280, S / 32, S / 32)."""
        found: torch.Tensor = self.bn2(self.conv_head(self.blocks(self.bn1(self.conv_stem(pictures)))))
        return found


class SameConv(nn.Conv2d):
    """A convolution without bias that pads as TensorFlow does: what does not divide evenly goes to right and bottom."""

    def __init__(self, given: int, wanted: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        own = kernel // 2 if stride == 1 else 0
        super().__init__(given, wanted, kernel, stride, own, groups=groups, bias=False)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, O, H / stride, W / stride), rounded up."""
        step, kernel = self.stride[0], self.kernel_size[0]
        if step > 1:
            over_y, over_x = (_missing(int(side), kernel, step) for side in value.shape[2:])
            value = pad(value, [over_x // 2, over_x - over_x // 2, over_y // 2, over_y - over_y // 2])
        return super().forward(value)


class _NormClamp(nn.BatchNorm2d):
    """Batch norm and ReLU6."""

    def __init__(self, width: int) -> None:
        super().__init__(width, _EPSILON)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Any shape that batch norm takes."""
        return nn.functional.relu6(super().forward(value))


class _Separable(nn.Module):
    """A depthwise convolution and one across channels; nothing is widened."""

    def __init__(self, given: int, wanted: int, kernel: int, stride: int, _widening: int) -> None:
        super().__init__()
        self.conv_dw = SameConv(given, given, kernel, stride, groups=given)
        self.bn1 = _NormClamp(given)
        self.conv_pw = SameConv(given, wanted, 1)
        self.bn2 = nn.BatchNorm2d(wanted, _EPSILON)
        self._is_residual = stride == 1 and given == wanted

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """(B, given, H, W) to (B, wanted, …)."""
        found: torch.Tensor = self.bn2(self.conv_pw(self.bn1(self.conv_dw(value))))
        return found + value if self._is_residual else found


class _Inverted(nn.Module):
    """An inverted residual (Sandler et al. 2018)."""

    def __init__(self, given: int, wanted: int, kernel: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = given * widening
        self.conv_pw = SameConv(given, wide, 1)
        self.bn1 = _NormClamp(wide)
        self.conv_dw = SameConv(wide, wide, kernel, stride, groups=wide)
        self.bn2 = _NormClamp(wide)
        self.conv_pwl = SameConv(wide, wanted, 1)
        self.bn3 = nn.BatchNorm2d(wanted, _EPSILON)
        self._is_residual = stride == 1 and given == wanted

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """(B, given, H, W) to (B, wanted, …)."""
        seen = self.bn2(self.conv_dw(self.bn1(self.conv_pw(value))))
        found: torch.Tensor = self.bn3(self.conv_pwl(seen))
        return found + value if self._is_residual else found


def rounded_width(channels: float) -> int:
    """The nearest multiple of 8, unless that takes away more than a tenth."""
    found = max(8, int(channels + 4) // 8 * 8)
    return found + 8 if found < 0.9 * channels else found


def _missing(side: int, kernel: int, stride: int) -> int:
    """Pixels to add so that the output has ``side / stride`` of them, rounded up."""
    return max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
