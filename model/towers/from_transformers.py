"""Models in transformers' own layout, ``config.json`` and safetensors, read without running anybody's code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

from model.errors import CheckpointError

_AUTO: Any = AutoModel  # which transformers leaves half typed

CODE_NAMES = ("auto_map", "attn_implementation", "_attn_implementation", "custom_pipelines", "trust_remote_code")


def own_config(config: PretrainedConfig, part: str) -> PretrainedConfig:
    """The config of one side, ``vision_config`` or ``text_config``, of a pair; of any other model its own."""
    return getattr(config, part, None) or config


def read_model(folder: Path, config: PretrainedConfig, *, with_pooler: bool) -> PreTrainedModel:
    """The model of a config with the weights in a folder, float32. A pair's folder holds those of either side.

    Raises CheckpointError when weights are missing or do not fit.
    """
    with torch.device("meta"):  # only its class is asked for
        kind: Any = type(_AUTO.from_config(config))
    try:
        model, told = kind.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # transformers raises OSError, ValueError, RuntimeError and those of safetensors
        raise CheckpointError(f"{folder} cannot be read: {type(error).__name__}: {str(error)[:300]}") from error
    absent = sorted(name for name in told["missing_keys"] if with_pooler or not name.startswith("pooler."))
    if absent or told["mismatched_keys"]:
        wrong = absent or sorted(str(one) for one in told["mismatched_keys"])
        raise CheckpointError(f"{folder} lacks weights that its config.json asks for, {wrong[0]} first; take it whole")
    return without_pooler(model, with_pooler=with_pooler)


def without_pooler(model: Any, *, with_pooler: bool) -> PreTrainedModel:
    """Ready to run; without a pooler's weights where nobody asks for them, as BERT, ViT and their kin allow."""
    pooler = getattr(model, "pooler", None)
    if not with_pooler and isinstance(pooler, nn.Module) and any(True for _ in pooler.parameters()):
        model.pooler = None
    ready: PreTrainedModel = model.eval()
    return ready


def built(config: PretrainedConfig) -> PreTrainedModel:
    """The model of a config, weights unset, float32 whatever the config says."""
    model: PreTrainedModel = _AUTO.from_config(config).float()
    return model


def described_in(folder: Path) -> PretrainedConfig:
    """What ``config.json`` in a folder says. Raises CheckpointError where it asks for code of its own."""
    path = folder / "config.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        refuse_code(told, path.name)
        return AutoConfig.for_model(**told)
    except CheckpointError:
        raise
    except Exception as error:  # transformers and the file system raise a dozen kinds
        raise CheckpointError(f"{path} describes no model of transformers: {str(error)[:300]}") from error


def write_config(config: PretrainedConfig, folder: Path) -> None:
    """Write ``config.json`` so that ``described_in`` reads the same."""
    kept = _plain({**config.to_dict(), "model_type": config.model_type})
    (folder / "config.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    """Without what asks for code, and without a precision: a checkpoint's weights are float32 when they are read."""
    return {
        name: _plain(value) if isinstance(value, dict) else value
        for name, value in told.items()
        if name not in (*CODE_NAMES, "dtype", "torch_dtype")
    }


def refuse_code(told: Mapping[str, Any], name: str) -> None:
    """Refuse what makes transformers look for code elsewhere. Raises CheckpointError."""
    if asked := [entry for entry in CODE_NAMES if told.get(entry)]:
        raise CheckpointError(f"{name} asks for code of its own ({asked[0]}); remove that entry")
