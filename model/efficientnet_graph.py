"""EfficientNet-lite (Tan & Le 2019) as an OpenVINO graph, from the weights as timm names them.

Widths, depths and kernels are read off the weights; what they do not tell is the same for lite0 to lite4: the strides
of the seven stages, TensorFlow's padding, its batch norm's epsilon and ReLU6 everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model.config import ModelConfig
from model.efficientnet import SCALES
from model.graph import Layers, Weights

_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of each stage's first block
_EPSILON = 1e-3


def describes(config: ModelConfig) -> bool:
    """Is the checkpoint's image tower one of these?"""
    return config.image_tower in SCALES


def build(config: ModelConfig, weights: Weights) -> Any:
    """(P, S, S, 3) uint8 sRGB to (P, D) float32, as `model.image.ImageTower`. Raises CheckpointError."""
    weights.drop("num_batches_tracked")
    net = _Net(weights)
    ops, side = net.ops, config.image_side
    pixels = ops.parameter([-1, side, side, 3], np.uint8, name="pixels")
    floats = ops.convert(ops.transpose(pixels, net.integers(0, 3, 1, 2)), "f32")
    scaled = ops.divide(ops.subtract(floats, net.scalar(config.image_mean)), net.scalar(config.image_std))
    value, width = net.conv_norm(scaled, 3, "conv_stem", "bn1", stride=2)
    details: list[Any] = []
    for stage, stride in enumerate(_STRIDES):
        block = 0
        while f"blocks.{stage}.{block}.conv_dw.weight" in weights:
            value, width = net.block(value, width, f"blocks.{stage}.{block}", stride if block == 0 else 1)
            block += 1
        if stage in config.image_details:
            details += net.sums_of(value)
    value, width = net.conv_norm(value, width, "conv_head", "bn2")
    features = ops.reduce_mean(value, net.integers(2, 3), False)
    return net.model(ops.concat([features, *details], 1) if details else features, [pixels])


class _Net(Layers):
    """Blocks of this network; each gives its node and its number of channels."""

    def scalar(self, number: float) -> Any:
        """A single float32."""
        return self.ops.constant(np.float32(number))

    def sums_of(self, value: Any) -> list[Any]:
        """As `model.image.sums_of`: three nodes (P, C)."""
        ops, sides = self.ops, self.integers(2, 3)
        mean = ops.reduce_mean(value, sides, True)
        apart = ops.subtract(value, mean)
        deviation = ops.sqrt(ops.reduce_mean(ops.multiply(apart, apart), sides, False))
        return [ops.squeeze(mean, sides), deviation, ops.reduce_max(value, sides, False)]

    def block(self, value: Any, width: int, name: str, stride: int) -> tuple[Any, int]:
        """An inverted residual (Sandler et al. 2018); the first stage's has nothing to widen."""
        if f"{name}.conv_pwl.weight" in self.weights:
            wide, wide_width = self.conv_norm(value, width, f"{name}.conv_pw", f"{name}.bn1")
            seen, _ = self.conv_norm(wide, wide_width, f"{name}.conv_dw", f"{name}.bn2", stride, depthwise=True)
            last, last_norm = f"{name}.conv_pwl", f"{name}.bn3"
        else:
            wide_width = width
            seen, _ = self.conv_norm(value, width, f"{name}.conv_dw", f"{name}.bn1", stride, depthwise=True)
            last, last_norm = f"{name}.conv_pw", f"{name}.bn2"
        narrow, narrow_width = self.conv_norm(seen, wide_width, last, last_norm, clamp=False)
        if stride == 1 and narrow_width == width:
            narrow = self.ops.add(narrow, value)
        return narrow, narrow_width

    def conv_norm(
        self,
        value: Any,
        width: int,
        conv: str,
        norm: str,
        stride: int = 1,
        *,
        depthwise: bool = False,
        clamp: bool = True,
    ) -> tuple[Any, int]:
        """Convolution, batch norm, ReLU6."""
        kernel = self.weights.take(f"{conv}.weight", width if depthwise else -1, 1 if depthwise else width, -1, -1)
        window = ([stride, stride], [0, 0], [0, 0], [1, 1], "SAME_UPPER")  # padding comes from "same"
        if depthwise:
            found = self.ops.group_convolution(value, self.constant(kernel[:, None]), *window)
        else:
            found = self.ops.convolution(value, self.constant(kernel), *window)
        found = self.batch_norm(found, norm, len(kernel), _EPSILON)
        return (self.ops.clamp(found, 0.0, 6.0) if clamp else found), len(kernel)
