"""Any image model of timm as a tower: its pooled features before the classifier, its own data config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import timm
import timm.data
import torch
from torch import nn

from model.errors import CheckpointError


def build(name: str) -> nn.Module:
    """The architecture without its classifier, weights unset. Raises CheckpointError."""
    if not timm.is_model(name):
        raise CheckpointError(f"timm knows no architecture {name!r}; timm.list_models() has the names")
    net: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
    return net


def architecture_in(folder: Path) -> str:
    """The architecture that a snapshot of timm's hub names in its ``config.json``. Raises CheckpointError."""
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["architecture"])
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{folder} names no architecture; write timm:ARCHITECTURE={folder}") from error


def without_classifier(name: str, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of all but the classifier."""
    whole: Any = timm.create_model(name, pretrained=False)
    ends = whole.default_cfg.get("classifier") or ()
    prefixes = tuple(f"{end}." for end in ([ends] if isinstance(ends, str) else ends))
    return {key: value for key, value in weights.items() if not prefixes or not key.startswith(prefixes)}


def preprocessing(net: nn.Module) -> dict[str, Any]:
    """Fields of `model.config.ModelConfig`, from the model's own data config."""
    data: Any = timm.data
    found = data.resolve_model_data_config(net)
    share = float(found["crop_pct"])
    is_whole = found["crop_mode"] == "squash"
    return {
        "image_side": int(found["input_size"][-1]),
        "image_means": tuple(255 * one for one in found["mean"]),
        "image_stds": tuple(255 * one for one in found["std"]),
        "image_fit": "stretch" if is_whole else "crop",
        "image_crop_share": 1.0 if is_whole else share,
        "image_interpolation": found["interpolation"] if found["interpolation"] != "random" else "bilinear",
    }
