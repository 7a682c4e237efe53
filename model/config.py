"""What a checkpoint is made of, as its ``config.json`` states it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from model.color_histogram import HISTOGRAM_DIM
from model.errors import CheckpointError

FORMAT = 2


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shapes and names. ``image_tower`` is a timm architecture; the text tower is a BERT that its own folder
    describes.
    """

    name: str = "hangtag-base"
    format: int = FORMAT
    image_tower: str = "tf_efficientnet_lite0"
    image_side: int = 224
    image_dim: int = 1280
    image_mean: float = 127.0  # of 0-255; what EfficientNet-lite was trained with
    image_std: float = 128.0
    text_dim: int = 384
    max_title_tokens: int = 96
    color_dim: int = HISTOGRAM_DIM  # of the colour histogram
    hidden_dim: int = 512
    joint_dim: int = 128  # of the space in which pictures and titles are compared
    fusions: tuple[str, ...] = (
        "gated",
    )  # experts that see both sides (`model.fusions.registry`); () is stacking alone
    modality_dropout: float = 0.25  # how often training hides the picture, and how often the title
    region_grid: int = 4  # a picture is this many regions squared, where a fusion looks at regions
    part_tokens: int = 32  # a title is its first tokens, where a fusion looks at tokens

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> ModelConfig:
        """Read what ``save`` wrote. Raises CheckpointError for another format or unknown fields."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path.name} of the checkpoint cannot be read: {error}") from error
        unknown = set(found) - {field.name for field in fields(cls)}
        if found.get("format") != FORMAT or unknown:
            raise CheckpointError(
                f"the checkpoint has format {found.get('format')!r} (unknown fields: {sorted(unknown)}); "
                f"this program reads format {FORMAT}: train it again with 'hangtag train'"
            )
        return cls(**{**found, "fusions": tuple(found.get("fusions", ("gated",)))})
