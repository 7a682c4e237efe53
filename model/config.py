"""What a checkpoint is made of, as its ``config.json`` states it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from model.colors.color_histogram import HISTOGRAM_DIM
from model.errors import CheckpointError
from model.geometry import FITS, INTERPOLATIONS, Framing

FORMAT = 5
_READ = (3, 4, FORMAT)  # before 4 no table was packed (`model.packing`), before 5 no class told a product type
MAX_SIDE = 1024  # of the square that the image tower sees, in pixels


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shapes and names. ``image_tower`` is a timm architecture, ``torchvision:NAME``, or ``transformers``: then its own
    folder describes it, as it does the text tower. What a field's default means is what the shipped towers do.
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
    memory_rows: int = 0  # training listings that are remembered (`model.memory`); 0: none
    joint_dim: int = 256  # of each of the two spaces in which pictures and titles are compared
    fusions: tuple[str, ...] = ("gated",)  # experts that see both sides (`model.fusions`); (): stacking alone
    modality_dropout: float = 0.25  # how often training hides the picture, and how often the title
    region_grid: int = 4  # a picture is this many regions squared, where a fusion looks at regions
    part_tokens: int = 32  # a title is its first tokens, where a fusion looks at tokens
    image_means: tuple[float, ...] = ()  # red, green, blue, of 0-255; (): image_mean for all
    image_stds: tuple[float, ...] = ()
    image_fit: str = "letterbox"  # see `model.geometry.Framing`
    image_crop_share: float = 1.0
    image_interpolation: str = "bicubic"
    image_pooling: str = "pooler"  # of transformers towers: pooler, mean or cls
    text_tower: str = "bert"  # bert, transformers or lstm
    text_pooling: str = "mean"  # mean, cls or pooler
    text_prefix: str = ""  # what the encoder wants before every title, such as "query: "
    tuned_text_layers: int = 0  # of a BERT: its last ones stand there twice, as they came and tuned; 0: none are tuned
    tuned_image_blocks: int = 0  # the same of an EfficientNet
    image_details: tuple[int, ...] = ()  # stages of an EfficientNet whose channels are summed up beside its features
    detail_dim: int = 0  # of those sums
    ground_dim: int = 0  # of what is measured of a picture's border (`model.scenes.ground`); 0: scenes do without
    image_classes: int = 0  # of the image tower's own classifier, where it is asked; 0: it is not
    class_types: bool = False  # does an expert tell product types by those classes? (`model.class_expert`)
    untaught_scenes: tuple[str, ...] = ()  # the last values of "scene": known to that classifier alone
    pair: Mapping[str, Any] = field(default_factory=dict)  # see `model.towers.pair`; {}: there is none

    @property
    def title_dim(self) -> int:
        """Of a title's vector, as the text tower gives it and the cache keeps it."""
        return 2 * self.text_dim if self.tuned_text_layers else self.text_dim

    @property
    def picture_dim(self) -> int:
        """Of a picture's features, as the image tower gives them: its own, details of earlier stages, tuned ones."""
        return self.image_dim * (2 if self.tuned_image_blocks else 1) + self.detail_dim

    @property
    def framing(self) -> Framing:
        """How a picture is brought to the square that the image tower sees."""
        return Framing(self.image_side, self.image_fit, self.image_crop_share, self.image_interpolation)

    def untuned(self) -> ModelConfig:
        """The same with towers as they came: tuned stages have seen the rows that they were tuned on."""
        return replace(self, tuned_text_layers=0, tuned_image_blocks=0)

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
        if not isinstance(found, dict):
            raise CheckpointError(f"{path.name} of the checkpoint is no table of settings; copy the folder again")
        unknown = set(found) - {one.name for one in fields(cls)}
        if found.get("format") not in _READ or unknown:
            raise CheckpointError(
                f"the checkpoint has format {found.get('format')!r} (unknown fields: {sorted(unknown)}); "
                f"this program reads formats {_READ[0]} to {FORMAT}: train it again with 'hangtag train'"
            )
        values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in found.items()}
        config = cls(**values)
        config.check(path.name)
        return config

    def check(self, name: str) -> None:
        """Raise CheckpointError, naming the file ``name``, for a picture that nobody could make."""
        allowed = {"image_fit": FITS, "image_interpolation": tuple(INTERPOLATIONS)}
        for field_name, values in allowed.items():
            if (found := getattr(self, field_name)) not in values:
                raise CheckpointError(f"{name}: {field_name} is {found!r}; it is one of {', '.join(values)}")
        is_side = isinstance(self.image_side, int) and 0 < self.image_side <= MAX_SIDE
        if not is_side or not isinstance(self.image_crop_share, float | int) or not 0.1 <= self.image_crop_share <= 1:
            raise CheckpointError(
                f"{name}: image_side is {self.image_side!r} and image_crop_share {self.image_crop_share!r}; "
                f"they are 1 to {MAX_SIDE} and 0.1 to 1"
            )
