"""A pair of towers trained to agree about pictures and sentences: CLIP (Radford et al. 2021), SigLIP (Zhai et al.
2023), SigLIP 2, by transformers. An optional extra of a checkpoint, under ``towers/pair``, for attributes declared by
prompts.

Pictures come as the checkpoint's own squares and are brought to the pair's side here. Sentences are read once, when the
checkpoint is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn.functional import interpolate, normalize
from transformers import AutoTokenizer

from model.errors import CheckpointError
from model.towers.from_transformers import built, described_in, read_model, write_config
from model.towers.source import folder_of, save_half
from model.towers.spec import Source
from model.towers.transformers_images import preprocessing

_FULL_WIDTH = ("siglip", "siglip2")  # trained on sentences padded to one width, and without a mask
_SAMPLED = ("bilinear", "bicubic")


class PairImages(nn.Module):
    """The picture side: (B, S, S, 3) uint8 sRGB to (B, J) of length 1. ``side``: S, of the checkpoint's squares."""

    def __init__(self, model: Any, settings: Mapping[str, Any], side: int) -> None:
        super().__init__()
        self._model = model
        self._is_resized = side != settings["side"]
        self._resampling: torch.Tensor  # (pair's side, S): along rows and along columns
        self._means: torch.Tensor
        self._stds: torch.Tensor
        resampling = _resampling(side, settings["side"], settings["interpolation"])
        self.register_buffer("_resampling", resampling, persistent=False)
        for name in ("means", "stds"):
            self.register_buffer(f"_{name}", torch.tensor(settings[name])[:, None, None], persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """See the class."""
        values = pixels.permute(0, 3, 1, 2).float()
        if self._is_resized:
            values = (self._resampling @ values).clamp(0, 255).round()
            values = (values @ self._resampling.T).clamp(0, 255).round()
        found = self._model.get_image_features(pixel_values=(values - self._means) / self._stds)
        return normalize(_vectors(found), dim=-1)


class Pair:
    """Both sides, and how sharply similarities are told apart. ``settings``: the config's ``pair``."""

    def __init__(self, folder: Path, model: Any, settings: Mapping[str, Any], side: int) -> None:
        self.images = PairImages(model, settings, side).eval()
        self._model = model
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(settings["max_tokens"])
        width = settings["max_tokens"] if settings["full_width"] else None
        self._tokenizer.enable_padding(pad_id=settings["pad_id"], length=width)
        self._has_mask = not settings["full_width"]

    @property
    def scale(self) -> float:
        """What similarities are multiplied by, as the pair learned it: one over its temperature."""
        return float(cast(torch.Tensor, self._model.logit_scale).detach().exp())

    def read(self, sentences: Sequence[str]) -> torch.Tensor:
        """(N, J) of length 1, on the CPU."""
        tokens = self._tokenizer.encode_batch(list(sentences))
        given = {"input_ids": torch.tensor([one.ids for one in tokens])}
        if self._has_mask:
            given["attention_mask"] = torch.tensor([one.attention_mask for one in tokens])
        device = next(self._model.parameters()).device
        with torch.inference_mode():
            found = self._model.get_text_features(**{name: one.to(device) for name, one in given.items()})
            return normalize(_vectors(found), dim=-1).cpu()


def open_pair(folder: Path, settings: Mapping[str, Any], side: int) -> tuple[nn.Module, Pair]:
    """The pair in a checkpoint's folder, weights unset: the module to fill, and what uses it.

    Raises CheckpointError.
    """
    own = folder / "towers" / "pair"
    try:
        model: Any = built(described_in(own)).eval()  # type: ignore[no-untyped-call]
        return model, Pair(own, model, settings, side)
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"config.json describes no pair: {error!r}; add it again with 'hangtag add-pair'"
        ) from error


def bring_pair(source: Source, out: Path) -> dict[str, Any]:
    """Write a pair below ``out``; gives the ``pair`` of its config. Raises CheckpointError."""
    folder = folder_of(source)
    config = described_in(folder)
    if not hasattr(config, "vision_config") or not hasattr(config, "text_config"):
        raise CheckpointError(f"{source}: {config.model_type} is no pair of towers; take CLIP's or SigLIP's kind")
    model: Any = read_model(folder, config, with_pooler=True)
    if not hasattr(model, "logit_scale") or not hasattr(model, "get_image_features"):
        raise CheckpointError(f"{source}: {config.model_type} compares no pictures with sentences; take CLIP's kind")
    shown = preprocessing(folder)
    if shown["image_interpolation"] not in _SAMPLED:
        raise CheckpointError(
            f"{source} wants {shown['image_interpolation']} pictures; {', '.join(_SAMPLED)} can be had"
        )
    own = out / "towers" / "pair"
    own.mkdir(parents=True, exist_ok=True)
    write_config(config, own)
    save_half(model.state_dict(), own / "model.safetensors")
    return {
        "source": str(source),
        "side": shown["image_side"],
        "means": shown["image_means"],
        "stds": shown["image_stds"],
        "interpolation": shown["image_interpolation"],
        **_tokenizer_into(own, folder, config),
    }


def _tokenizer_into(own: Path, folder: Path, config: Any) -> dict[str, Any]:
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        backend = tokenizer.backend_tokenizer
        backend.no_padding()
        backend.no_truncation()
        backend.save(str(own / "tokenizer.json"))
    except Exception as error:  # transformers and tokenizers raise a dozen kinds
        raise CheckpointError(f"{folder} holds no tokeniser that can be kept: {str(error)[:200]}") from error
    return {
        "max_tokens": int(config.text_config.max_position_embeddings),
        "pad_id": int(tokenizer.pad_token_id or 0),
        "full_width": config.model_type in _FULL_WIDTH,
    }


def _resampling(side: int, wanted: int, interpolation: str) -> torch.Tensor:
    """(wanted, side): one axis of a resize as a matrix, as Pillow weighs neighbours. A product is traced everywhere."""
    lines = torch.eye(side)[None, None]  # of each column one pixel is lit
    return interpolate(lines, (wanted, side), mode=interpolation, antialias=True, align_corners=False)[0, 0]


def _vectors(found: Any) -> torch.Tensor:
    """transformers 5 wraps what 4 gave as it was."""
    vectors: torch.Tensor = found if isinstance(found, torch.Tensor) else found.pooler_output
    return vectors
