"""Which tower a checkpoint's config means. Each kind's module is imported only when a config asks for it."""

from __future__ import annotations

from pathlib import Path

from model.config import ModelConfig
from model.errors import CheckpointError
from model.image import ImageTower
from model.text import TextTower
from model.towers.spec import TEXT_KINDS


def build_image(folder: Path, config: ModelConfig) -> ImageTower:
    """The image tower of a checkpoint's folder, weights unset. Raises CheckpointError."""
    kind, _, name = config.image_tower.rpartition(":")
    if config.image_tower == "transformers":
        from model.towers import transformers_images

        return ImageTower(config, transformers_images.build(folder / "towers" / "image", config.image_pooling))
    if kind == "torchvision":
        from model.towers import torchvision_images

        return ImageTower(config, torchvision_images.build(name))
    return ImageTower(config)


def build_text(folder: Path, config: ModelConfig) -> TextTower:
    """The text tower of a checkpoint's folder, weights unset. Raises CheckpointError."""
    own = folder / "towers" / "text"
    if config.text_tower == "bert":
        return TextTower(own, config.max_title_tokens, None, config.text_pooling, config.text_prefix)
    if config.text_tower == "lstm":
        from model.towers import lstm_texts

        return lstm_texts.build(own, config.max_title_tokens)
    if config.text_tower == "transformers":
        from model.towers import transformers_texts

        return transformers_texts.build(own, config.max_title_tokens, config.text_pooling, config.text_prefix)
    raise CheckpointError(f"text_tower {config.text_tower!r} is none; it is bert or one of {', '.join(TEXT_KINDS)}")
