"""Gated fusion of picture and title, beside a head for each side alone.

The gate is the gated multimodal unit (Arevalo et al. 2017); a side that is missing is replaced by a learned vector, and
training drops sides at random (modality dropout) so that the gate knows how to do without. What is published is a
log-linear pool of the gated head and the two single-sided heads, its weights fitted on held-out rows (see
`model.calibrate`): on small data that beats the gate alone, and the single-sided heads are needed anyway, to say what a
tag would have been without the picture or without the title.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from model.config import ModelConfig

ATTRIBUTES = ("product_type", "color", "material")  # "category" is summed from product_type


@dataclass(frozen=True, slots=True)
class Logits:
    """One attribute's raw scores, each (B, V): of the gated head, of the picture alone, of the title alone."""

    gated: torch.Tensor
    image: torch.Tensor
    text: torch.Tensor


class FusionModel(nn.Module):
    """Projections, gate, heads. ``sizes``: values per attribute, "scene" included."""

    def __init__(self, config: ModelConfig, sizes: Mapping[str, int], modality_dropout: float = 0.25) -> None:
        super().__init__()
        hidden = config.hidden_dim
        self._modality_dropout = modality_dropout
        self.image_side = _projection(config.image_dim, hidden, 0.3)
        self.text_side = _projection(config.text_dim, hidden, 0.2)
        self.no_image = nn.Parameter(torch.zeros(hidden))
        self.no_text = nn.Parameter(torch.zeros(hidden))
        self.gate = nn.Linear(2 * hidden, hidden)
        self.heads = nn.ModuleDict(
            {
                side: nn.ModuleDict({name: nn.Linear(hidden, sizes[name]) for name in ATTRIBUTES})
                for side in ("gated", "image", "text")
            }
        )
        self.scene = nn.Sequential(
            nn.LayerNorm(config.image_dim), nn.Dropout(0.3), nn.Linear(config.image_dim, sizes["scene"])
        )
        self.image_joint = nn.Linear(config.image_dim, config.joint_dim)
        self.text_joint = nn.Linear(config.text_dim, config.joint_dim)
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def forward(
        self, images: torch.Tensor, titles: torch.Tensor, has_image: torch.Tensor, has_title: torch.Tensor
    ) -> dict[str, Logits]:
        """Images (B, Di), titles (B, Dt), which of them are there (B,) bool, to logits by attribute."""
        image, text = self.image_side(images), self.text_side(titles)
        keep_image, keep_title = self._drop(has_image, has_title)
        seen = torch.where(keep_image[:, None], image, self.no_image)
        said = torch.where(keep_title[:, None], text, self.no_text)
        share = torch.sigmoid(self.gate(torch.cat([seen, said], dim=1)))
        joint = share * seen + (1 - share) * said
        gated, by_image, by_text = (cast(nn.ModuleDict, self.heads[side]) for side in ("gated", "image", "text"))
        return {name: Logits(gated[name](joint), by_image[name](image), by_text[name](text)) for name in ATTRIBUTES}

    def similarity(self, images: torch.Tensor, titles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both sides in the joint space, each (B, J) of length 1: their dot product says whether they belong
        together.
        """
        normal = nn.functional.normalize
        return normal(self.image_joint(images), dim=1), normal(self.text_joint(titles), dim=1)

    def _drop(self, has_image: torch.Tensor, has_title: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.training:
            return has_image, has_title
        chance = torch.rand(len(has_image), device=has_image.device)
        drop_image = (chance < self._modality_dropout) & has_title
        drop_title = (chance > 1 - self._modality_dropout) & has_image
        return has_image & ~drop_image, has_title & ~drop_title


def _projection(width: int, hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout)
    )
