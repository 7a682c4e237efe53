"""An expert that no listing taught: product types by what the image tower's own classifier takes a picture for.

ImageNet's thousand classes know toasters, jerseys and bicycles, of which a catalogue may show none, on photos of any
look. ``class_types.csv`` says which product types or categories their things are; it was made by hand. Training
listings correct it: each class counts `_PRIOR_ROWS` listings of what the table says, and those that were taken for it.

Within the catalogue of training this expert is the weakest, and on strange pictures the best: networks and memory know
one catalogue's look and believe in it. So those that see pictures alone are weighed by how strange a picture is: how
much of its features the principal components of training pictures cannot express (as Wang et al. 2022, "ViM", tell what
no class is). What they count for at the strange end was chosen on pictures of other shops, not fitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from model.config import ModelConfig
from model.scenes.image_classes import NUM_KEPT, kept_classes, told_of_classes
from model.taxonomy import Taxonomy

TABLE = Path(__file__).parent / "class_types.csv"
MIN_TYPES = 10  # that the table knows by name or by category; with fewer, it has nothing to say of a catalogue
MIN_ROWS = 2000  # that are remembered: components express the few of a small catalogue, and all else would be strange

_PRIOR_ROWS = 100.0
_USUAL_SHARE = 0.95  # of the training pictures are not strange
_BORDER = 0.03  # of what components leave out: how far it is from hardly to quite strange
_UNSURE = 0.05  # of each score: no class is certain
_WHERE_USUAL = 0.2  # what this expert's scores count for beside networks, on pictures like those of training
_WHERE_STRANGE: Mapping[str, float] = {"image": 0.3, "tuned_image": 0.3, "memory": 0.0}


class ClassExpert(nn.Module):
    """Scores of ``num_types`` values. Filled, not trained by gradients."""

    def __init__(self, config: ModelConfig, num_types: int) -> None:
        super().__init__()
        self.table: torch.Tensor
        self.usual: torch.Tensor
        self.register_buffer("table", torch.full((config.image_classes, num_types), 1 / num_types))
        self.register_buffer("usual", torch.ones(1))

    def learn(self, chances: torch.Tensor, unexpressed: torch.Tensor, labels: torch.Tensor, told: torch.Tensor) -> None:
        """From chances of classes (N, C) of pictures with ``labels`` (N,), what `Memory.unexpressed` gives of them, and
        the table as `told_types` gives it.
        """
        num_types = told.shape[1]
        prior = torch.where(told.any(dim=1, keepdim=True), told, 1 / num_types)
        counts = chances.new_zeros(num_types, chances.shape[1]).index_add_(0, labels, chances)
        found = _PRIOR_ROWS * prior.to(chances.device) + counts.T
        self.table.copy_(found / found.sum(dim=1, keepdim=True))
        self.usual.fill_(unexpressed.quantile(_USUAL_SHARE))

    def strangeness(self, unexpressed: torch.Tensor) -> torch.Tensor:
        """(B,) 0 of a picture like those of training to 1 of one like none of them."""
        return torch.sigmoid((unexpressed - self.usual) / _BORDER)

    def forward(self, chances: torch.Tensor, has_image: torch.Tensor) -> torch.Tensor:
        """(B, V) log-probabilities of chances of classes (B, C); all alike where there is no picture."""
        num_types = self.table.shape[1]
        scores = (1 - _UNSURE) * (chances @ self.table) + _UNSURE / num_types
        return torch.where(has_image[:, None], scores, 1 / num_types).log()


def weighed(
    scores: Mapping[str, torch.Tensor], classes: torch.Tensor, strange: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Scores of experts (B, V) and, as ``classes``, of this one, each weighed by how ``strange`` (B,) the picture is: 0
    where it is like those of training, 1 where it is like none.
    """
    share = strange[:, None]
    found = {name: one * (1 - (1 - _WHERE_STRANGE.get(name, 1.0)) * share) for name, one in scores.items()}
    return {**found, "classes": classes * (_WHERE_USUAL + (1 - _WHERE_USUAL) * share)}


def told_types(types: Sequence[str], taxonomy: Taxonomy, table: Path = TABLE) -> torch.Tensor:
    """(C, V) what the table says of each class that the tower keeps: shares of ``types``, which are product types and
    categories that stand for rare ones; zeros where it says nothing of them.
    """
    places = {name: place for place, name in enumerate(types)}
    found = torch.zeros(NUM_KEPT, len(types))
    said = told_of_classes(table, "types")
    for row, number in enumerate(kept_classes()):
        for name in said[number].split("|") if number in said else ():
            place = places.get(name, places.get(taxonomy.category_of(name) or ""))
            if place is not None:
                found[row, place] += 1.0
    return found / found.sum(dim=1, keepdim=True).clamp(min=1)


def are_told(types: Sequence[str], taxonomy: Taxonomy) -> bool:
    """Does the table know enough of a catalogue's ``types`` to speak of it?"""
    return int(told_types(types, taxonomy).any(dim=0).sum()) >= MIN_TYPES
