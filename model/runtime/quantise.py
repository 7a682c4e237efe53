"""int8: what a tower's convolutions are given, measured on pictures, and the tower with its numbers rounded to that.

``rounded`` says in torch what int8 says: inputs in 8 bits per layer, weights in 7 bits per output channel, exact sums.
OpenVINO's CPU plugin makes int8 kernels of it. Seven bits, because a CPU without VNNI adds two products in 16 bits, and
2 · 255 · 64 still fits: so int8 gives the same tags on every CPU. Where inputs have both signs, channels are balanced
(SmoothQuant, Xiao et al. 2022): what is divided out of them is multiplied into the weights. What rounding the weights
moves an output by on the mean is given back (Nagel et al. 2019).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.nn.utils import parametrize

from model.errors import CheckpointError

FILE = "int8.safetensors"
MAX_CHANGE = 0.5  # points of accuracy that int8 may cost on any attribute, for ``auto`` to choose it
MIN_COMPARED = 600  # listings: of fewer, half a point is less than three, and whether these tip is chance
NUM_PICTURES = 256  # ranges do not grow any more after about a hundred
_WEIGHT_LEVELS = 64
WEIGHT_ENDS = (-127, 127)  # OpenVINO wants its whole range named
_LAYER, _CHANGE, _COMPARED = "layer:", "change:", "compared"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Quantisation:
    """What int8 needs to know of a tower.

    ``ranges`` by the name of a convolution: (3, C) lowest, highest and mean input by channel. ``changes``: points of
    accuracy won or lost against fp32 on test rows, by attribute and side ("color fused", "color image"); empty where
    nobody measured. ``compared``: on how many listings; None: an older file does not say.
    """

    ranges: Mapping[str, Floats]
    changes: Mapping[str, float] = field(default_factory=dict)
    compared: int | None = None

    @property
    def is_harmless(self) -> bool:
        """Was it measured on enough listings, and does no attribute move by more than ``MAX_CHANGE``? By the picture
        alone it may win: few rows have answers so narrow that they tip, and more of them tip to the right by chance.
        """
        is_measured = bool(self.changes) and (self.compared is None or self.compared >= MIN_COMPARED)
        return is_measured and all(
            points >= -MAX_CHANGE and (points <= MAX_CHANGE or not name.endswith(" fused"))
            for name, points in self.changes.items()
        )

    def save(self, folder: Path) -> None:
        """Write into a checkpoint's folder; whoever seals the folder comes after."""
        found = {_LAYER + name: np.ascontiguousarray(one, np.float16) for name, one in self.ranges.items()}
        told = {_CHANGE + name: np.array([points], np.float32) for name, points in self.changes.items()}
        told |= {_COMPARED: np.array([self.compared], np.float32)} if self.compared is not None else {}
        save_file(found | told, folder / FILE)


def load_quantisation(folder: Path) -> Quantisation | None:
    """What a checkpoint knows of int8, None if nothing. Raises CheckpointError for numbers that cannot be."""
    path = folder / FILE
    if not path.is_file():
        return None
    found = load_file(path)
    ranges = {name.removeprefix(_LAYER): _floats(one) for name, one in found.items() if name.startswith(_LAYER)}
    if not all(np.isfinite(one).all() for one in found.values()):
        raise CheckpointError(f"{FILE} of the checkpoint holds numbers that are not finite; measure it again")
    changes = {name.removeprefix(_CHANGE): float(one[0]) for name, one in found.items() if name.startswith(_CHANGE)}
    return Quantisation(ranges, changes, int(found[_COMPARED][0]) if _COMPARED in found else None)


def measure_ranges(tower: nn.Module, batches: Iterable[torch.Tensor]) -> dict[str, Floats]:
    """By the name of a convolution, (3, C): the lowest, the highest and the mean value of each channel of its input."""
    looks = {name: _Look() for name in _convolutions(tower)}
    hooks = [conv.register_forward_pre_hook(looks[name]) for name, conv in _convolutions(tower).items()]
    try:
        with torch.inference_mode():
            for pictures in batches:
                tower(pictures)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: look.ranges() for name, look in looks.items()}


class _Look:
    """A hook before a convolution that keeps what its input's channels were. Raises CheckpointError if nothing came."""

    def __init__(self) -> None:
        self._lows: list[torch.Tensor] = []
        self._highs: list[torch.Tensor] = []
        self._means: list[torch.Tensor] = []

    def __call__(self, _: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        (given,) = inputs
        self._lows.append(given.amin((0, 2, 3)))
        self._highs.append(given.amax((0, 2, 3)))
        self._means.append(given.mean((0, 2, 3)))

    def ranges(self) -> Floats:
        """(3, C); as fp16, in which they are stored."""
        if not self._lows:
            raise CheckpointError("int8 cannot be measured: a convolution of the image tower was given nothing")
        low, high = torch.stack(self._lows).amin(0), torch.stack(self._highs).amax(0)
        return _floats(torch.stack([low, high, torch.stack(self._means).mean(0)]).cpu().numpy().astype(np.float16))


@dataclass(frozen=True, slots=True)
class Rounding:
    """What int8 does to one convolution, whoever computes it."""

    balance: torch.Tensor  # (C,) by which inputs are divided before they are rounded
    least: int  # inputs are rounded to these whole steps,
    most: int  # both ends included
    step: float
    weight: torch.Tensor  # (O, C / groups, H, W) with the balance in it, not yet rounded
    weight_steps: torch.Tensor  # (O,) rounded to ``WEIGHT_ENDS`` of them
    moved: torch.Tensor  # (O,) to be added to the outputs: what rounding the weights moves them by on the mean

    @property
    def is_balanced(self) -> bool:
        """Does dividing the inputs change them?"""
        return not bool((self.balance == 1).all())


def rounding_of(weight: torch.Tensor, groups: int, seen: Floats) -> Rounding:
    """Of a convolution's weights (O, C / groups, H, W) and the (3, C) ranges that were ``seen`` of its input."""
    low, high, mean = (torch.from_numpy(one) for one in seen)
    balance = _balance(weight, groups, low, high)
    low, high, mean = low / balance, high / balance, mean / balance
    weight = weight * balance[None, :, None, None] if groups == 1 else weight
    steps = (weight.flatten(1).abs().amax(1) / _WEIGHT_LEVELS).clamp_min(1e-12)
    inputs = mean.reshape(groups, -1).repeat_interleave(len(weight) // groups, dim=0)  # as each output meets them
    moved = ((weight - _in_steps(weight, steps)).sum((2, 3)) * inputs).sum(1)
    lowest, highest = float(low.min()), float(high.max())
    if lowest < 0:
        return Rounding(balance, -128, 127, max(-lowest / 128, highest / 127, 1e-8), weight, steps, moved)
    return Rounding(balance, 0, 255, max(highest / 255, 1e-8), weight, steps, moved)


def refuse_other_ranges(ranges: Mapping[str, Floats], wanted: Mapping[str, int]) -> None:
    """Raise CheckpointError unless they are of convolutions with these names and so many input channels each."""
    if {name: one.shape for name, one in ranges.items()} != {name: (3, width) for name, width in wanted.items()}:
        raise CheckpointError(
            f"{FILE} of the checkpoint belongs to another image tower; measure it again: hangtag train --quantise"
        )


def rounded(tower: nn.Module, ranges: Mapping[str, Floats]) -> nn.Module:
    """A copy of ``tower`` whose convolutions work on rounded inputs and weights; the same interface.

    Raises CheckpointError for another tower's ranges.
    """
    refuse_other_ranges(ranges, {name: conv.in_channels for name, conv in _convolutions(tower).items()})
    copied = copy.deepcopy(tower)
    for name, conv in _convolutions(copied).items():
        with torch.no_grad():
            rounding = rounding_of(conv.weight, conv.groups, ranges[name])
            conv.weight.copy_(rounding.weight)
            conv.bias = nn.Parameter(rounding.moved if conv.bias is None else conv.bias + rounding.moved)
        conv.register_forward_pre_hook(_RoundedInput(rounding))
        parametrize.register_parametrization(conv, "weight", _RoundedWeight(rounding.weight_steps))
    return copied


def _convolutions(tower: nn.Module) -> dict[str, nn.Conv2d]:
    return {name: one for name, one in tower.named_modules() if isinstance(one, nn.Conv2d)}


def _floats(found: npt.NDArray[np.generic]) -> Floats:
    return np.asarray(found, np.float32)


def _balance(weight: torch.Tensor, groups: int, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """(C,) by which input channels are divided; ones where all channels have one range, as after ReLU6."""
    if groups > 1 or float(low.min()) >= 0:
        return torch.ones_like(high)
    given = torch.maximum(-low, high).clamp_min(1e-5)
    weights = weight.abs().amax((0, 2, 3)).clamp_min(1e-5)
    found = (given / weights).sqrt()
    return found / found.mean()


class _RoundedInput:
    """A hook before a convolution: its input in 8 bits, from zero where it is never negative, else symmetric."""

    def __init__(self, rounding: Rounding) -> None:
        self._rounding = rounding
        self._inverse = (1 / rounding.balance)[None, :, None, None] if rounding.is_balanced else None

    def __call__(self, _: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        given = inputs[0] if self._inverse is None else inputs[0] * self._inverse
        one = self._rounding
        return (torch.fake_quantize_per_tensor_affine(given, one.step, 0, one.least, one.most),)


class _RoundedWeight(nn.Module):
    """(O, C, H, W) weights in whole steps (O,) of each output channel: ``_WEIGHT_LEVELS`` at most either way."""

    steps: torch.Tensor

    def __init__(self, steps: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("steps", steps)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The weights as int8 sees them."""
        return _in_steps(weight, self.steps)


def _in_steps(weight: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    zeros = torch.zeros(len(steps), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, steps, zeros, 0, *WEIGHT_ENDS)
