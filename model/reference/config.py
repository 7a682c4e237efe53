"""What a reference model is made of, as its ``config.json`` and a preset state it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from model.errors import CheckpointError, ModelError

IMAGES = ("resnet18", "resnet50", "lite0")
TEXTS = ("lstm", "bert")
HEADS = ("product_type", "product", "scene", "attribute")
KIND = "reference"


@dataclass(frozen=True, slots=True)
class ReferenceConfig:
    """Shapes, and how it is trained. ``heads``: outputs by head; those that no label reaches are not claimed."""

    name: str = "reference"
    image: str = "resnet50"  # torchvision's, from random weights; lite0: EfficientNet-lite0 with ImageNet's
    text: str = "lstm"  # or bert: its pooled output
    heads: Mapping[str, int] = field(default_factory=lambda: {"product_type": 10})
    side: int = 64  # of the square pictures, pixels
    hidden: int = 512  # of each encoder's vector
    widths: tuple[int, ...] = (512, 256, 128, 64)  # of the network behind the concatenation
    num_words: int = 8000  # that the LSTM knows
    max_tokens: int = 32
    max_rows: int = 0  # training listings, drawn by family; 0: all
    batch: int = 64
    learning_rate: float = 1e-3
    pretrained_learning_rate: float = 1e-4  # of encoders that begin with weights
    bert: str = ""  # folder with config.json, tokenizer.json, model.safetensors; empty: the package's MiniLM

    @classmethod
    def from_table(cls, where: str, table: Mapping[str, Any]) -> ReferenceConfig:
        """From a preset. Raises ModelError naming what is unknown or wrong."""
        if unknown := sorted(set(table) - {one.name for one in fields(cls)}):
            raise ModelError(
                f"{where}: [reference] has no {unknown[0]!r}; it has {', '.join(f.name for f in fields(cls))}"
            )
        refuse_kinds(f"{where}: [reference]", table, cls())
        found = cls(**{**table, "widths": tuple(table.get("widths", (512, 256, 128, 64)))})
        for key, value, known in (("image", found.image, IMAGES), ("text", found.text, TEXTS)):
            if value not in known:
                raise ModelError(f"{where}: {key} {value!r} is none; choose among {', '.join(known)}")
        for head, size in found.heads.items():
            if head not in HEADS or not isinstance(size, int) or size < 2:
                raise ModelError(
                    f"{where}: head {head!r} of {size!r}; heads are {', '.join(HEADS)}, of 2 outputs or more"
                )
        return found

    def save(self, path: Path) -> None:
        """Write as JSON; where its BERT once came from is nobody's business."""
        path.write_text(json.dumps({"kind": KIND} | asdict(self) | {"bert": ""}, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> ReferenceConfig:
        """Read what ``save`` wrote. Raises CheckpointError."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls.from_table(path.name, {key: value for key, value in found.items() if key != "kind"})
        except (OSError, ValueError, TypeError, AttributeError, ModelError) as error:
            raise CheckpointError(f"{path.name} of the reference model cannot be read: {error}") from error


def refuse_kinds(where: str, table: Mapping[str, Any], default: object) -> None:
    """Raise ModelError for a value of another kind than the one that stands there by default."""
    for key, value in table.items():
        kind = type(getattr(default, key))
        fits = (int, float) if kind is float else (list, tuple) if kind is tuple else kind
        if not isinstance(value, fits) or isinstance(value, bool):
            raise ModelError(f"{where} {key} is {value!r}; write one of kind {kind.__name__}")


def is_reference(folder: Path) -> bool:
    """Does a checkpoint's folder hold a reference model?"""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("kind") == KIND
