"""Experts on a listing, and how alike its picture and its title are.

Several experts answer for every attribute. ``image`` sees the picture: the tower's features, a colour histogram.
``text`` reads the encoder's vector of the title, ``words`` its n-grams as well. ``tuned_image`` and ``tuned_text`` are
the heads that were fitted together with a tower's last stages, where those were tuned (`model.training.tune`). Those
named in the configuration's ``fusions`` see picture and title at once (`model.fusions`), a missing side as a learned
vector; training drops sides at random, so that they know how to do without. ``words`` is linear, the others are small
networks. What is published is a pool of them (see `model.pool`): on small data that beats any single one, and the
single-sided experts are needed anyway, to say what a tag would be without picture or title. ``memory`` asks the
training listings that look most alike (`model.memory`), ``classes`` the image tower's own classifier, for product types
alone (`model.class_expert`), where the configuration has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import torch
from torch import nn

from model.bag_linear import BagLinear
from model.class_expert import ClassExpert, weighed
from model.config import ModelConfig
from model.fusions.pair import Pair
from model.fusions.registry import NEEDS_PARTS, Widths, build_fusion
from model.inputs import Inputs
from model.joint_space import JointSpace
from model.memory import Memory
from model.ngrams import NUM_COLUMNS, NUM_WORD_BITS
from model.scenes.surroundings import Surroundings
from model.training.tuned_heads import TunedHeads

ATTRIBUTES = ("product_type", "color", "material")  # "category" is summed from product_type
_DETAIL_SHARE = 0.1  # of a deviation: a detail weighs about what a cell of the colour histogram does
SINGLE_SIDED = ("image", "text", "words", "tuned_image", "tuned_text", "memory", "classes")

Logits = Mapping[str, torch.Tensor]  # expert -> (B, V); those that see both sides come first


class FusionModel(nn.Module):
    """Experts, scene head, joint space. ``sizes``: values per attribute, "scene" included.

    Raises ModelError where the configuration names a fusion that is none.
    """

    def __init__(self, config: ModelConfig, sizes: Mapping[str, int], modality_dropout: float = 0.25) -> None:
        super().__init__()
        hidden = config.hidden_dim
        self._modality_dropout = modality_dropout
        self._image_dim, self._text_dim = config.image_dim, config.text_dim
        self._seen_dim = config.image_dim + config.detail_dim
        self.image_side = _PictureSide(config, hidden)
        self.text_side = nn.Sequential(
            nn.LayerNorm(config.text_dim),
            nn.Dropout(0.2),
            nn.Linear(config.text_dim, hidden),
            nn.GELU(),
            nn.Dropout(0.2),
        )
        self.no_image = nn.Parameter(torch.zeros(hidden))
        self.no_text = nn.Parameter(torch.zeros(hidden))
        widths = Widths(hidden, config.image_dim, config.text_dim)
        self.fusions = nn.ModuleDict({name: build_fusion(name, widths) for name in config.fusions})
        self.heads = nn.ModuleDict(
            {
                side: nn.ModuleDict({name: nn.Linear(hidden, sizes[name]) for name in ATTRIBUTES})
                for side in (*config.fusions, "image", "text")
            }
        )
        self.words = nn.ModuleDict({name: BagLinear(sizes[name], config.text_dim) for name in ATTRIBUTES})
        self.num_taught_scenes = sizes["scene"] - len(config.untaught_scenes)
        self.scene = nn.Sequential(
            nn.LayerNorm(config.image_dim), nn.Dropout(0.3), nn.Linear(config.image_dim, self.num_taught_scenes)
        )
        self.surroundings = Surroundings(config, sizes["scene"]) if config.ground_dim else None
        self.tuned = nn.ModuleDict(_tuned_heads(config, {name: sizes[name] for name in ATTRIBUTES}))
        self.joint = JointSpace(config)
        self.memory = Memory(config, sizes) if config.memory_rows else None
        has_classes = config.class_types and self.memory is not None and self.surroundings is not None
        self.classes = ClassExpert(config, sizes["product_type"]) if has_classes else None
        self.idf: torch.Tensor
        self.word_bits: torch.Tensor
        self.detail_mean: torch.Tensor
        self.detail_scale: torch.Tensor
        if config.detail_dim:
            self.register_buffer("detail_mean", torch.zeros(config.detail_dim))
            self.register_buffer("detail_scale", torch.ones(config.detail_dim))
        self.register_buffer("idf", torch.ones(NUM_COLUMNS))
        self.register_buffer("word_bits", torch.zeros(NUM_WORD_BITS, dtype=torch.uint8))

    @property
    def needs_parts(self) -> bool:
        """Does a fusion look at regions and tokens?"""
        return bool(NEEDS_PARTS & set(self.fusions))

    def experts(self, attribute: str) -> tuple[str, ...]:
        """The names of those that answer for it, in the order of ``forward``'s."""
        others = {"memory": self.memory, "classes": self.classes if attribute == "product_type" else None}
        return (*self.heads, "words", *self.tuned, *(name for name, one in others.items() if one is not None))

    def forward(self, inputs: Inputs) -> dict[str, Logits]:
        """Raw scores of every expert, by attribute."""
        plain = self.own(inputs)
        found, tuned = self._network(plain), self._ask_tuned(inputs)
        remembered = {"memory": self.memory(plain)} if self.memory is not None else {}
        told = {
            name: {**found[name], "words": self.words[name](plain, plain.titles)}
            | {expert: one[name] for expert, one in (tuned | remembered).items()}
            for name in ATTRIBUTES
        }
        return {**told, "product_type": self._with_classes(told["product_type"], plain)}

    def network(self, inputs: Inputs) -> dict[str, Logits]:
        """Raw scores of the experts that are trained on what the towers see: all but ``words`` and the tuned ones."""
        return self._network(self.own(inputs))

    def _network(self, inputs: Inputs) -> dict[str, Logits]:
        image, text = self.image_side(inputs.images, inputs.colors), self.text_side(inputs.titles)
        keep_image, keep_title = self._drop(inputs.has_image, inputs.has_title)
        seen = torch.where(keep_image[:, None], image, self.no_image)
        said = torch.where(keep_title[:, None], text, self.no_text)
        pair = Pair(seen, said, keep_image, keep_title, inputs.parts)
        joined = {name: fuse(pair) for name, fuse in self.fusions.items()} | {"image": image, "text": text}
        heads = {side: cast(nn.ModuleDict, self.heads[side]) for side in joined}
        return {name: {side: heads[side][name](vector) for side, vector in joined.items()} for name in ATTRIBUTES}

    def _with_classes(self, types: dict[str, torch.Tensor], plain: Inputs) -> dict[str, torch.Tensor]:
        """Scores of product types, with the expert's on classes, where there is one, all weighed by how strange a
        picture is.
        """
        if self.classes is None or self.memory is None or self.surroundings is None:
            return types
        scores = self.classes(self.surroundings.classes(plain.images), plain.has_image)
        return weighed(types, scores, self.strangeness(plain.images) * plain.has_image)

    def strangeness(self, images: torch.Tensor) -> torch.Tensor:
        """(P,) how strange pictures are by their features (P, Di): see `ClassExpert`; 0 where nobody can tell."""
        if self.classes is None or self.memory is None:
            return images.new_zeros(len(images))
        return self.classes.strangeness(self.memory.unexpressed(images[:, : self._image_dim]))

    def similarity(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures and titles in the joint space, each (B, 2 J) of length 1: their dot product says whether they
        belong together.
        """
        joined: tuple[torch.Tensor, torch.Tensor] = self.joint(self.own(inputs))
        return joined

    def contrast(self, inputs: Inputs) -> torch.Tensor:
        """The joint space's loss on a batch in which each picture has its title."""
        return self.joint.contrast(self.own(inputs))

    def scenes(self, images: torch.Tensor, grounds: torch.Tensor) -> torch.Tensor:
        """(P, V) raw scores of pictures' scenes, from their features (P, Di) and what is measured of their grounds
        (P, K), which only those with `model.scenes.surroundings` look at.
        """
        taught = self.taught_scenes(images)
        if self.surroundings is None:
            return taught
        found: torch.Tensor = self.surroundings(taught, images[:, : self._image_dim], grounds)
        return found

    def taught_scenes(self, images: torch.Tensor) -> torch.Tensor:
        """(P, T) raw scores by the head alone, which training photos taught."""
        found: torch.Tensor = self.scene(images[:, : self._image_dim])
        return found

    def learn_details(self, images: torch.Tensor) -> None:
        """Take mean and deviation of details from those of ``images`` (N, Di or more)."""
        details = images[:, self._image_dim : self._seen_dim]
        if details.shape[1]:
            self.detail_mean.copy_(details.mean(dim=0))
            self.detail_scale.copy_(_DETAIL_SHARE / (details.std(dim=0) + 1e-6))

    def remember(self, inputs: Inputs, labels: Mapping[str, torch.Tensor]) -> None:
        """Put these listings into the memory, where there is one, in place of all others: see `Memory.learn`."""
        if self.memory is not None:
            self.memory.learn(self.own(inputs), labels)

    def learn_class_types(self, inputs: Inputs, labels: torch.Tensor, told: torch.Tensor) -> None:
        """Fill the expert on classes, where there is one, from these pictures: see `ClassExpert.learn`."""
        if self.classes is not None and self.memory is not None and self.surroundings is not None:
            plain = self.own(inputs)
            left = self.memory.unexpressed(plain.images)
            self.classes.learn(self.surroundings.classes(plain.images), left, labels, told)

    def own(self, inputs: Inputs) -> Inputs:
        """Details beside the colours, and nothing of tuned stages: these experts were not fitted on that."""
        images, titles = inputs.images[:, : self._image_dim], inputs.titles[:, : self._text_dim]
        details, colors = inputs.images[:, self._image_dim : self._seen_dim], inputs.colors
        if details.shape[1]:
            level = (details - self.detail_mean) * self.detail_scale * inputs.has_image[:, None]
            colors = torch.cat([colors, level.clamp(-1, 1)], dim=1)
        return replace(inputs, images=images, colors=colors, titles=titles)

    def _ask_tuned(self, inputs: Inputs) -> dict[str, dict[str, torch.Tensor]]:
        seen = {"tuned_image": inputs.images[:, self._seen_dim :], "tuned_text": inputs.titles[:, self._text_dim :]}
        return {name: heads(seen[name], inputs.colors) for name, heads in self.tuned.items()}

    def _drop(self, has_image: torch.Tensor, has_title: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.training:
            return has_image, has_title
        chance = torch.rand(len(has_image), device=has_image.device)
        drop_image = (chance < self._modality_dropout) & has_title
        drop_title = (chance > 1 - self._modality_dropout) & has_image
        return has_image & ~drop_image, has_title & ~drop_title


def _tuned_heads(config: ModelConfig, sizes: Mapping[str, int]) -> dict[str, nn.Module]:
    heads: dict[str, nn.Module] = {}
    if config.tuned_image_blocks:
        heads["tuned_image"] = TunedHeads(config.image_dim, sizes, config.color_dim)
    if config.tuned_text_layers:
        heads["tuned_text"] = TunedHeads(config.text_dim, sizes)
    return heads


class _PictureSide(nn.Module):
    """The tower's features and the colour histogram as one hidden vector."""

    def __init__(self, config: ModelConfig, hidden: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.LayerNorm(config.image_dim), nn.Dropout(0.5), nn.Linear(config.image_dim, hidden)
        )
        self.colors = nn.Sequential(
            nn.Dropout(0.1), nn.Linear(config.color_dim + config.detail_dim, hidden, bias=False)
        )
        self.end = nn.Sequential(nn.GELU(), nn.Dropout(0.5))

    def forward(self, images: torch.Tensor, colors: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.end(self.features(images) + self.colors(colors))
        return found
