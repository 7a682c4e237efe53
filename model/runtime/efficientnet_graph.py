"""EfficientNet-lite (Tan & Le 2019) as an OpenVINO graph, from the weights as timm names them.

Widths, depths and kernels are read off the weights; what they do not tell is the same for lite0 to lite4: the strides
of the seven stages, TensorFlow's padding, its batch norm's epsilon and ReLU6 everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.config import ModelConfig
from model.runtime.efficientnet import SCALES
from model.runtime.graph import Layers, Weights
from model.runtime.quantise import WEIGHT_ENDS, Rounding, refuse_other_ranges, rounding_of

_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of each stage's first block
_EPSILON = 1e-3

Floats = npt.NDArray[np.float32]


def describes(config: ModelConfig) -> bool:
    """Is the checkpoint's image tower one of these?"""
    return config.image_tower in SCALES


def build(config: ModelConfig, weights: Weights, ranges: Mapping[str, Floats] | None = None) -> Any:
    """(P, S, S, 3) uint8 sRGB to (P, D) float32, as `model.image.ImageTower`. With ``ranges`` of what its convolutions
    are given as `model.runtime.quantise.rounded` of it. Raises CheckpointError.
    """
    weights.drop("num_batches_tracked")
    net = _Net(weights, ranges)
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
    net.close()
    features = ops.reduce_mean(value, net.integers(2, 3), False)
    return net.model(ops.concat([features, *details], 1) if details else features, [pixels])


class _Net(Layers):
    """Blocks of this network; each gives its node and its number of channels. ``ranges`` None: nothing is rounded."""

    def __init__(self, weights: Weights, ranges: Mapping[str, Floats] | None) -> None:
        super().__init__(weights)
        self._ranges = ranges
        self._widths: dict[str, int] = {}  # of the convolutions' inputs, by the names that their module has

    def close(self) -> None:
        """Raises CheckpointError for ranges of another tower."""
        if self._ranges is not None:
            refuse_other_ranges(self._ranges, self._widths)

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
        self._widths[name := f"net.{conv}"] = width
        rounding = None
        if self._ranges is not None and name in self._ranges and self._ranges[name].shape == (3, width):
            weight = torch.from_numpy(np.asarray(kernel, np.float32))
            rounding = rounding_of(weight, width if depthwise else 1, self._ranges[name])
            value, kernel = self._rounded_input(value, rounding), rounding.weight.numpy()
        filters = self.constant(kernel[:, None] if depthwise else kernel)
        if rounding is not None:
            filters = self._rounded_weight(filters, rounding, 5 if depthwise else 4)
        convolve = self.ops.group_convolution if depthwise else self.ops.convolution
        found = convolve(value, filters, *window)
        if rounding is not None:
            found = self.ops.add(found, self.constant(rounding.moved.numpy()[None, :, None, None]))
        found = self.batch_norm(found, norm, len(kernel), _EPSILON)
        return (self.ops.clamp(found, 0.0, 6.0) if clamp else found), len(kernel)

    def _rounded_input(self, value: Any, rounding: Rounding) -> Any:
        if rounding.is_balanced:
            value = self.ops.multiply(value, self.constant((1 / rounding.balance).numpy()[None, :, None, None]))
        ends = [self.scalar(rounding.least * rounding.step), self.scalar(rounding.most * rounding.step)]
        return self.ops.fake_quantize(value, *ends, *ends, rounding.most - rounding.least + 1)

    def _rounded_weight(self, filters: Any, rounding: Rounding, rank: int) -> Any:
        steps = rounding.weight_steps.numpy().reshape(-1, *[1] * (rank - 1))
        ends = [self.constant(steps * end) for end in WEIGHT_ENDS]
        return self.ops.fake_quantize(filters, *ends, *ends, WEIGHT_ENDS[1] - WEIGHT_ENDS[0] + 1)
