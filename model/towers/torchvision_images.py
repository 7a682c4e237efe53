"""torchvision's classifiers as towers: ResNet (He et al. 2016) and its kin, all but the last layer.

Which module is the last layer is found, not listed: every classifier of torchvision ends in one linear layer, and what
goes into it are the pooled features.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torchvision import models

from model.errors import CheckpointError


def build(name: str) -> nn.Module:
    """The classifier with an identity for its last layer, weights unset. Raises CheckpointError."""
    if name not in models.list_models(module=models):
        raise CheckpointError(
            f"torchvision knows no classifier {name!r}; torchvision.models.list_models() has the names"
        )
    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    net: nn.Module = models.get_model(name, weights=None, **options)
    last = _last_linear(net)
    parent, _, own = last.rpartition(".")
    setattr(net.get_submodule(parent), own, nn.Identity())
    return net


def without_classifier(name: str, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of all but the last layer."""
    last = _last_linear(models.get_model(name, weights=None))
    return {key: value for key, value in weights.items() if not key.startswith(f"{last}.")}


def preprocessing(name: str) -> dict[str, Any]:
    """Fields of `model.config.ModelConfig`, from the transforms that torchvision publishes with the default weights."""
    found = models.get_model_weights(name).DEFAULT.transforms()
    side, before = found.crop_size[0], found.resize_size[0]
    return {
        "image_side": side,
        "image_means": tuple(255 * one for one in found.mean),
        "image_stds": tuple(255 * one for one in found.std),
        "image_fit": "crop",
        "image_crop_share": side / before,
        "image_interpolation": found.interpolation.value,
    }


def _last_linear(net: nn.Module) -> str:
    names: list[str] = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    if not names:
        raise CheckpointError(f"{type(net).__name__} of torchvision does not end in a linear layer; take another")
    return names[-1]
