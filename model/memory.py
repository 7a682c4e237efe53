"""An expert that remembers: what were the training listings that look most like this one?

Nearest neighbours (Cover & Hart 1967), weighted by a kernel (Nadaraya 1964; Watson 1964). Networks draw few, smooth
borders between values; what stands close by knows the exceptions, and pooling both foretells better than either (as
Khandelwal et al. 2020 found for language). Cosines are taken in principal components whose spread is evened out half
way, since the first few would drown the others.

Titles have no such expert: on families that were not in the memory they gained as much as pictures, but within one
catalogue alone. Titles of another shop are alike in the wrong things.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.functional import normalize, pad

from model.config import ModelConfig
from model.inputs import Inputs

_NEAREST = 50  # of 20, 50 and 120 the pools were likeliest with
_KERNEL_WIDTH = 0.06  # of a cosine: how fast what is farther away counts for less
_COMMON_SHARE = 0.03  # of a score that is left to how common a value is: neighbours never rule a value out
_NO_SPREAD = 1e-6  # of the widest component
_FAR = -1e4
_AT_ONCE = 512  # listings: each takes a few numbers for everything that is remembered

# By attribute, how much each view counts: chosen by the pools' log-likelihood on families that were not in the memory.
_VIEWS: Mapping[str, Mapping[str, float]] = {
    "product_type": {"looks": 1.0, "details": 0.25},
    "color": {"looks": 0.5, "details": 0.5, "colors": 1.0},
    "material": {"looks": 1.0, "details": 0.25},
}


class Memory(nn.Module):
    """``config.memory_rows`` listings: how they looked, and what they were."""

    def __init__(self, config: ModelConfig, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self._num_details = config.detail_dim
        widths = {"looks": (config.image_dim, 128), "colors": (config.color_dim, 64)}
        if config.detail_dim:
            widths["details"] = (config.detail_dim, 64)
        self.views = nn.ModuleDict({name: _View(*dims, config.memory_rows) for name, dims in widths.items()})
        for name in _VIEWS:
            self.register_buffer(f"labels_{name}", torch.full((config.memory_rows,), -1, dtype=torch.int16))
            self.register_buffer(f"common_{name}", torch.full((sizes[name],), 1 / sizes[name]))

    def learn(self, inputs: Inputs, labels: Mapping[str, torch.Tensor]) -> None:
        """Remember these N listings: their labels (N,) by attribute, -1 where nothing is known."""
        for name, block in self._blocks(inputs).items():
            cast(_View, self.views[name]).learn(block)
        for name in _VIEWS:
            known = labels[name][labels[name] >= 0]
            counts = torch.bincount(known, minlength=len(self._kept("common", name))) + 1
            setattr(self, f"labels_{name}", labels[name].to(torch.int16))
            setattr(self, f"common_{name}", counts / counts.sum())

    def unexpressed(self, images: torch.Tensor) -> torch.Tensor:
        """(B,) which share of what a picture's features differ in from the remembered ones' mean their principal
        components leave out, by the tower's features (B, D): much of a picture that is like none of them.
        """
        found: torch.Tensor = cast(_View, self.views["looks"]).unexpressed(normalize(images, dim=1))
        return found

    def forward(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """(B, V) log-probabilities by attribute. Who sees no picture knows how common a value is."""
        blocks, has_image = self._blocks(inputs), inputs.has_image
        parts = []
        for start in range(0, max(1, len(has_image)), _AT_ONCE):
            chosen = slice(start, start + _AT_ONCE)
            alike = {name: cast(torch.Tensor, self.views[name](block[chosen])) for name, block in blocks.items()}
            parts.append({name: self._answer(name, alike, has_image[chosen]) for name in _VIEWS})
        return {name: torch.cat([part[name] for part in parts]) for name in _VIEWS}

    def _answer(self, name: str, alike: Mapping[str, torch.Tensor], has_image: torch.Tensor) -> torch.Tensor:
        labels, common = self._kept("labels", name), self._kept("common", name)
        weights = {view: weight for view, weight in _VIEWS[name].items() if view in alike}
        scale = _KERNEL_WIDTH * sum(weights.values())
        logits = cast(torch.Tensor, sum(alike[view] * (weight / scale) for view, weight in weights.items()))
        near, places = logits.masked_fill_(labels < 0, _FAR).topk(min(_NEAREST, len(labels)), dim=1)
        shares = torch.zeros(len(near), len(common), device=near.device).scatter_add_(
            1, labels[places].long().clamp(min=0), torch.softmax(near, dim=1)
        )
        is_known = has_image[:, None] & (near[:, :1] > _FAR)
        return torch.where(is_known, (1 - _COMMON_SHARE) * shares + _COMMON_SHARE * common, common).log()

    def _blocks(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """What the experts are given (see `FusionModel.own`), by view; rows of zeros where there is no picture."""
        split = inputs.colors.shape[1] - self._num_details
        blocks = {
            "looks": normalize(inputs.images, dim=1),
            "colors": inputs.colors[:, :split],
            "details": inputs.colors[:, split:],
        }
        return {name: blocks[name] for name in self.views}

    def _kept(self, kind: str, name: str) -> torch.Tensor:
        return cast(torch.Tensor, getattr(self, f"{kind}_{name}"))


class _View(nn.Module):
    """One side of the listings: principal components, and each listing's place among them."""

    def __init__(self, dim: int, width: int, num_rows: int) -> None:
        super().__init__()
        width = min(dim, width)
        self.mean: torch.Tensor
        self.map: torch.Tensor
        self.keys: torch.Tensor
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("map", torch.zeros(dim, width))
        self.register_buffer("keys", torch.zeros(num_rows, width))

    def forward(self, block: torch.Tensor) -> torch.Tensor:
        """(B, N) cosines of a block (B, D) with what is remembered; 0 where there is nothing."""
        found: torch.Tensor = self._place(block) @ self.keys.T
        return found

    def unexpressed(self, block: torch.Tensor) -> torch.Tensor:
        """(B,) which share of a block's (B, D) squared distance from the mean no component has."""
        off = block - self.mean
        # The axes' lengths, squared. To divide the axes themselves costs three times as much.
        lengths = self.map.square().sum(dim=0).clamp(min=1e-12)
        inside = ((off @ self.map).square() / lengths).sum(dim=1)
        return (1 - inside / off.square().sum(dim=1).clamp(min=1e-12)).clamp(0, 1)

    def learn(self, block: torch.Tensor) -> None:
        """Principal components of a block (N, D), and its rows' places."""
        there = block[block.any(dim=1)]
        if not len(there):
            self.keys = torch.zeros(len(block), self.map.shape[1])
            return
        self.mean = there.mean(dim=0)
        spread, axes = _components((there - self.mean).double().cpu().numpy(), self.map.shape[1])
        share = spread / spread[0].clamp(min=1e-12)
        # Where the listings do not differ, in fewer rows than there are components, others would differ at will.
        even = torch.where(share > _NO_SPREAD, share.clamp(min=_NO_SPREAD) ** -0.25, 0)
        self.map = (axes * even).contiguous().to(block.device)
        self.keys = self._place(block)

    def _place(self, block: torch.Tensor) -> torch.Tensor:
        """(B, W) of length 1."""
        found = normalize((block - self.mean) @ self.map, dim=1)
        return found * block.any(dim=1, keepdim=True)


def _components(off: npt.NDArray[np.float64], width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Principal components of centred rows (N, D), the widest first: spread (W,) and axes (D, W).

    Of fewer rows than columns by the rows' products, which say the same in less time; what is missing then is zeros.
    """
    is_wide = off.shape[0] < off.shape[1]
    found = np.linalg.eigh(off @ off.T if is_wide else off.T @ off)  # torch's gives up on rows that repeat
    spread, axes = (torch.from_numpy(one).flip(-1)[..., :width] for one in found)
    if is_wide:
        axes = normalize(torch.from_numpy(off).T @ axes, dim=0)
    missing = (0, width - len(spread))
    return pad(spread, missing).float(), pad(axes, missing).float()
