"""Which scene a picture shows, beyond what the photos of training teach: by its ground, and by what stands in it.

A head on the image tower's features tells collections apart: of photos from a source that training never saw it
believes what their things were once seen before, a street is a studio to it. Two experts that no collection taught
correct it: how plain the border is (`model.scenes.ground`), and what the tower's own classifier, which learned a
thousand classes on a million photos, takes the picture for: a seashore is outdoors, a four-poster is indoors. The three
are multiplied. Their weights were chosen on sources left out of training, not fitted: on photos like those of training
the head alone is right, and would be believed.

A value that fewer than 20 training photos show is known by the classifier alone (``config.untaught_scenes``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy, log_softmax, softmax

from model.config import ModelConfig
from model.minimise import minimise

PLAIN, FILLED, PLACE = range(3)  # the product stands before a backdrop; is the whole picture; stands somewhere
_GROUND_OF = {"studio": PLAIN, "texture_swatch": FILLED}

_HEAD_WEIGHT, _GROUND_WEIGHT, _CLASSES_WEIGHT = 0.75, 1.0, 1.0
_LEAST_MASS = 0.02  # of a scene's classes together: below it they say nothing
_LEAST_CHANCE = 0.02  # of a ground
_UNTAUGHT = 1.0  # how much the logarithm of an untaught value is lowered
_DECAY = 1e-3


def ground_of(scene: str) -> int:
    """PLAIN, FILLED or PLACE."""
    return _GROUND_OF.get(scene, PLACE)


@dataclass(frozen=True, slots=True)
class Grounds:
    """Pictures to learn grounds from. ``groups``: sources of photos, each of which counts as much as any other."""

    measures: torch.Tensor  # (N, K)
    grounds: torch.Tensor  # (N,)
    groups: Sequence[str]


@dataclass(frozen=True, slots=True)
class ScenePictures:
    """All rows' pictures, to learn scenes' surroundings from. ``values``: the scenes, in the order of the labels."""

    measures: torch.Tensor  # (N, K)
    backdrops: torch.Tensor  # (N, K): see `model.training.features.GroundFeatures`
    sources: tuple[str, ...]  # (N,)
    values: tuple[str, ...]

    def grounds(self, rows: torch.Tensor, labels: torch.Tensor) -> Grounds:
        """Of ``rows`` (B,) with known ``labels`` (B,), -1 is none; from a studio, before their other backdrop too."""
        known = rows[labels >= 0]
        own = torch.tensor([ground_of(one) for one in self.values])[labels[labels >= 0]]
        sources = [self.sources[row] for row in known.tolist()]
        plain = own == PLAIN
        others = [f"{source} before backdrops" for source, one in zip(sources, plain.tolist(), strict=True) if one]
        measures = torch.cat([self.measures[known], self.backdrops[known[plain]]])
        return Grounds(measures, torch.cat([own, own[plain]]), [*sources, *others])


class Surroundings(nn.Module):
    """Scores of scenes from the head's, the tower's features and the ground's measures. Fitted and filled, not trained
    by gradients of the whole.
    """

    def __init__(self, config: ModelConfig, num_values: int) -> None:
        super().__init__()
        self._num_taught = num_values - len(config.untaught_scenes)
        buffers = {
            "ground_mean": torch.zeros(config.ground_dim),
            "ground_scale": torch.ones(config.ground_dim),
            "ground_weights": torch.zeros(3, config.ground_dim * (config.ground_dim + 3) // 2),
            "ground_bias": torch.zeros(3),
            "class_weights": torch.zeros(config.image_classes, config.image_dim),
            "class_bias": torch.zeros(config.image_classes),
            "class_values": torch.full((config.image_classes,), -1, dtype=torch.long),
            "value_grounds": torch.full((num_values,), PLACE, dtype=torch.long),
        }
        self.ground_mean: torch.Tensor
        self.ground_scale: torch.Tensor
        self.ground_weights: torch.Tensor
        self.ground_bias: torch.Tensor
        self.class_weights: torch.Tensor
        self.class_bias: torch.Tensor
        self.class_values: torch.Tensor
        self.value_grounds: torch.Tensor
        for name, value in buffers.items():
            self.register_buffer(name, value)

    def forward(self, taught: torch.Tensor, images: torch.Tensor, grounds: torch.Tensor) -> torch.Tensor:
        """(P, V) raw scores: of the head's (P, T), features (P, D) and measures (P, K)."""
        scores = _HEAD_WEIGHT * self._by_head(log_softmax(taught, dim=1))
        scores = scores + _GROUND_WEIGHT * self.by_ground(grounds)[:, self.value_grounds]
        if len(self.class_bias):
            scores = scores + _CLASSES_WEIGHT * self._by_classes(images)
        scores[:, self._num_taught :] -= _UNTAUGHT
        return scores

    def by_ground(self, measures: torch.Tensor) -> torch.Tensor:
        """(P, 3) logarithms of how likely each ground is, of measures (P, K); never less than a little, as pictures
        come that resemble none.
        """
        crossed = _crossed((measures - self.ground_mean) * self.ground_scale)
        chances = softmax(crossed @ self.ground_weights.T + self.ground_bias, dim=1)
        return (chances * (1 - 3 * _LEAST_CHANCE) + _LEAST_CHANCE).log()

    def classes(self, images: torch.Tensor) -> torch.Tensor:
        """(P, C) how likely each of the tower's own classes is, of its features (P, D)."""
        return softmax(images @ self.class_weights.T + self.class_bias, dim=1)

    def _by_head(self, taught: torch.Tensor) -> torch.Tensor:
        """(P, V): a place that the head does not know looks to it like the place that it resembles most."""
        num_untaught = len(self.value_grounds) - self._num_taught
        if not num_untaught:
            return taught
        is_place = self.value_grounds[: self._num_taught] == PLACE
        strange = taught[:, is_place].amax(dim=1, keepdim=True)
        return torch.cat([taught, strange.expand(-1, num_untaught)], dim=1)

    def _by_classes(self, images: torch.Tensor) -> torch.Tensor:
        """(P, V) logarithms of what the classes of each scene have together; their mean, where a scene has none; the
        same for all, where no class tells a scene.
        """
        chances = self.classes(images)
        members = self.class_values[:, None] == torch.arange(len(self.value_grounds), device=images.device)
        masses, known = chances @ members.to(chances.dtype) + _LEAST_MASS, members.any(dim=0)
        usual = (masses * known).sum(dim=1, keepdim=True) / known.sum().clamp(min=1)
        return torch.where(known, masses, usual.clamp(min=_LEAST_MASS)).log()

    def know_classes(self, weights: torch.Tensor, bias: torch.Tensor, values: Sequence[int]) -> None:
        """Take over the tower's classifier: (C, D), (C,), and each class's scene, -1 where it tells none."""
        self.class_weights.copy_(weights)
        self.class_bias.copy_(bias)
        self.class_values.copy_(torch.tensor(values))

    def learn_grounds(self, pictures: Grounds, scenes: Sequence[str]) -> None:
        """Fit the ground's expert for these ``scenes``, the values in their order: a softmax regression on measures and
        their products, in which grounds count alike, and within each ground its groups.
        """
        self.value_grounds.copy_(torch.tensor([ground_of(scene) for scene in scenes]))
        if not len(pictures.grounds):
            return
        self.ground_mean.copy_(pictures.measures.mean(dim=0))
        self.ground_scale.copy_(1 / (pictures.measures.std(dim=0, correction=0) + 1e-3))
        crossed, weights = _crossed((pictures.measures - self.ground_mean) * self.ground_scale), _shares(pictures)
        present = torch.unique(pictures.grounds)
        truth = torch.searchsorted(present, pictures.grounds)

        def loss(raw: torch.Tensor) -> torch.Tensor:
            scores = crossed @ raw[:, :-1].T + raw[:, -1]
            found = (cross_entropy(scores, truth, reduction="none") * weights).sum()
            return found + _DECAY * raw[:, :-1].square().sum()

        raw = minimise(torch.zeros(len(present), crossed.shape[1] + 1), loss)
        self.ground_weights.zero_()[present] = raw[:, :-1]
        self.ground_bias.zero_()[present] = raw[:, -1]


def _crossed(scaled: torch.Tensor) -> torch.Tensor:
    """(N, K) to (N, K + K (K + 1) / 2): the measures, and the products of any two."""
    first, second = torch.triu_indices(scaled.shape[1], scaled.shape[1], device=scaled.device)
    return torch.cat([scaled, scaled[:, first] * scaled[:, second]], dim=1)


def _shares(pictures: Grounds) -> torch.Tensor:
    """(N,) weights that sum to 1."""
    names = sorted(set(pictures.groups))
    groups = torch.tensor([names.index(group) for group in pictures.groups])
    weights = torch.zeros(len(groups))
    grounds = torch.unique(pictures.grounds)
    for ground in grounds:
        own = pictures.grounds == ground
        there = torch.unique(groups[own])
        for group in there:
            rows = own & (groups == group)
            weights[rows] = 1 / (len(grounds) * len(there) * int(rows.sum()))
    return weights
