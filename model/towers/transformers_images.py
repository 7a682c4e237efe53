"""Any vision model of transformers as a tower: ViT, SigLIP's and CLIP's picture side, DINOv2, ResNet, ConvNeXt.

``pooling`` says which of its outputs is the picture's vector: ``pooler`` the model's own, ``mean`` over all tokens or
places, ``cls`` the first token.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from model.errors import CheckpointError
from model.towers.from_transformers import built, described_in, own_config, read_model, without_pooler

POOLINGS = ("pooler", "mean", "cls")
_RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # as Pillow numbers them


class PooledVision(nn.Module):
    """Normalised pictures (B, 3, S, S) to one vector each, (B, D)."""

    def __init__(self, model: PreTrainedModel, pooling: str) -> None:
        super().__init__()
        self.model = model
        self._pooling = pooling

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """See the class."""
        if self._pooling == "pooler":
            vector: torch.Tensor = self.model(pixel_values=pictures.contiguous()).pooler_output.flatten(1)
            return vector
        states = self.forward_features(pictures)
        if states.ndim == 4:
            return states.mean(dim=(2, 3))
        return states.mean(dim=1) if self._pooling == "mean" else states[:, 0]

    def forward_features(self, pictures: torch.Tensor) -> torch.Tensor:
        """(B, T, D) of tokens, or (B, D, H, W) of a convolutional network: before anything is pooled."""
        states: torch.Tensor = self.model(pixel_values=pictures.contiguous()).last_hidden_state
        return states


def read(folder: Path, pooling: str) -> PooledVision:
    """The model in a folder of transformers' own layout. Raises CheckpointError."""
    if pooling not in POOLINGS:
        raise CheckpointError(f"pooling {pooling!r} of an image tower is none; it is one of {', '.join(POOLINGS)}")
    config = own_config(described_in(folder), "vision_config")
    return PooledVision(read_model(folder, config, with_pooler=pooling == "pooler"), pooling)


def build(folder: Path, pooling: str) -> PooledVision:
    """The model that ``config.json`` in a folder describes, weights unset. Raises CheckpointError."""
    model = built(described_in(folder))
    return PooledVision(without_pooler(model, with_pooler=pooling == "pooler"), pooling)


def preprocessing(folder: Path) -> dict[str, Any]:
    """Fields of `model.config.ModelConfig`, from the ``preprocessor_config.json`` of a folder."""
    path = folder / "preprocessor_config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}; it says how pictures are brought to size") from error
    found = found.get("image_processor", found)
    size, crop = found.get("size", 224), found.get("crop_size")
    size = {"height": size, "width": size} if isinstance(size, int) else size
    crops = bool(found.get("do_center_crop")) and crop is not None
    crop_side = (crop if isinstance(crop, int) else crop["height"]) if crops else 0
    before = size.get("shortest_edge", size.get("height", 0))
    scale = 255 if found.get("do_rescale", True) else 1
    blank = [0.0] * 3 if not found.get("do_normalize", True) else None
    return {
        "image_side": crop_side or before,
        "image_means": tuple(scale * one for one in blank or found["image_mean"]),
        "image_stds": tuple(scale * one for one in ([1.0] * 3 if blank else found["image_std"])),
        "image_fit": "crop" if crops or "shortest_edge" in size else "stretch",
        "image_crop_share": (crop_side / before) if crops and "shortest_edge" in size else 1.0,
        "image_interpolation": _RESAMPLE.get(found.get("resample", 2), "bicubic"),
    }
