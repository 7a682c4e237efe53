"""A checkpoint's towers on the chosen engine, by the shortest way.

For OpenVINO the graphs of EfficientNet-lite and BERT are built of the weights themselves; any other tower is built by
its library and traced (`model.runtime.engines`), which takes seconds longer and says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.config import ModelConfig
from model.errors import reading
from model.runtime import bert_graph, efficientnet_graph
from model.runtime.engines import EngineChoice, OpenVinoImages, OpenVinoTexts, compiled, move_texts, open_images
from model.runtime.graph import Weights
from model.runtime.quantise import Quantisation
from model.titles import Titles, open_tokenizer
from model.weights import TUNED_FILES, Checkpoint

Images = Callable[[npt.NDArray[np.uint8]], torch.Tensor]  # (P, S, S, 3) to (P, D) on the device
Texts = Callable[[Sequence[str]], torch.Tensor]  # titles to (B, D) of length 1, on the device

# What the graphs below take from the configuration, or what does not concern a tower. Whatever else there may be
# describes another tower as soon as it is not at its default.
_KNOWN = {
    "name", "format", "image_tower", "image_side", "image_dim", "image_mean", "image_std", "text_dim",
    "max_title_tokens", "color_dim", "hidden_dim", "joint_dim", "fusions", "modality_dropout", "region_grid",
    "part_tokens", "image_fit", "image_crop_share", "image_interpolation", "text_prefix", "tuned_text_layers", "pair",
    "image_details", "detail_dim", "ground_dim", "image_classes", "class_types", "untaught_scenes", "memory_rows",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class OpenedTowers:
    """Both towers, ready to run on the thread that opened them."""

    images: Images
    texts: Texts


def open_towers(checkpoint: Checkpoint, device: torch.device, choice: EngineChoice) -> OpenedTowers:
    """See the module. Raises CheckpointError."""
    on_openvino, config = choice.engine == "openvino", checkpoint.config
    images = _images(checkpoint, choice) if on_openvino and _is_plain(config, "image") else None
    texts = _texts(checkpoint, device, choice) if on_openvino and _is_plain(config, "text") else None
    if images is None:
        images = open_images(checkpoint.image, checkpoint.config.image_side, device, choice, checkpoint.quantisation)
    if texts is None:
        texts = checkpoint.text.to(device)
        move_texts(texts, choice)
    return OpenedTowers(images, texts)


def image_graph(folder: Path, config: ModelConfig, quantisation: Quantisation | None = None) -> Any | None:
    """The image tower as an OpenVINO graph, in int8 with a ``quantisation``; None for one that only its library knows.
    Raises CheckpointError.
    """
    if not efficientnet_graph.describes(config):
        return None
    ranges = quantisation.ranges if quantisation is not None else None
    return efficientnet_graph.build(config, Weights.read(folder / "towers" / "image.safetensors"), ranges)


def text_graph(folder: Path, config: ModelConfig) -> Any | None:
    """The same for the text tower's encoder."""
    place = folder / "towers" / "text"
    with reading("towers/text/config.json"):
        shape = bert_graph.BertShape.load(place / "config.json")
    if shape is None or shape.width != config.text_dim:
        return None  # the second is refused when its vectors meet the heads, as on any engine
    num_tuned = config.tuned_text_layers
    tuned = Weights.read(folder / TUNED_FILES["tuned_text"]) if num_tuned else None
    return bert_graph.build(shape, Weights.read(place / "model.safetensors"), tuned, num_tuned)


def _is_plain(config: ModelConfig, side: str) -> bool:
    """Says the configuration nothing of this side's tower, "image" or "text", that the graphs do not know?"""
    other = {"image": "text", "text": "image"}[side]
    asked = [one.name for one in fields(config) if one.name not in _KNOWN and other not in one.name.split("_")]
    return all(getattr(config, name) == getattr(ModelConfig(), name) for name in asked)


def _images(checkpoint: Checkpoint, choice: EngineChoice) -> Images | None:
    quantisation = checkpoint.quantisation if choice.precision == "int8" else None
    graph = image_graph(checkpoint.folder, checkpoint.config, quantisation)
    return None if graph is None else OpenVinoImages(compiled(graph, choice))


def _texts(checkpoint: Checkpoint, device: torch.device, choice: EngineChoice) -> Texts | None:
    graph = text_graph(checkpoint.folder, checkpoint.config)
    if graph is None:
        return None
    config = checkpoint.config
    with reading("towers/text"):
        tokenizer = open_tokenizer(checkpoint.folder / "towers" / "text", config.max_title_tokens)
    return Titles(tokenizer, OpenVinoTexts(compiled(graph, choice.exact)), config.title_dim, device, config.text_prefix)
