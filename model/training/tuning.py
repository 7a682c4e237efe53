"""Tunes the towers on any rows of the training data: once for every fold, and once for the checkpoint.

Scores of a fold are out of fold only if its rows were hidden from the towers as well as from the experts, so there are
as many tuned towers as fits. What was tuned is kept in the cache: the same rows, labels and plan give the same weights.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model.config import ModelConfig
from model.fusion import ATTRIBUTES, FusionModel
from model.image import ImageTower
from model.text import TextTower, TunedLayers
from model.towers.source import save_half
from model.training.dataset import Row
from model.training.features import Features
from model.training.fit import Examples
from model.training.resume import key_of
from model.training.stages import Views, features_of, look
from model.training.tune import Course, Lessons, Log, fill
from model.training.tuned_heads import TunedHeads
from model.training.tuned_image import PLAN as IMAGE_PLAN
from model.training.tuned_image import tune_image
from model.training.tuned_text import PLAN as TEXT_PLAN
from model.training.tuned_text import States, tune_text
from model.weights import TUNED_FILES

Module = TypeVar("Module", bound=nn.Module)

_LAYOUT = 2  # of the files in the cache


@dataclass(frozen=True, slots=True)
class Tuned:
    """What one tuning gave: stages with their heads, and the examples with what those stages see after the rest."""

    stages: Mapping[str, nn.Module]  # by the name of the expert that reads them
    heads: Mapping[str, TunedHeads]
    examples: Examples

    def give_heads(self, fusion: FusionModel) -> None:
        """Let a fusion model ask them."""
        for name, heads in self.heads.items():
            fusion.tuned[name].load_state_dict(heads.state_dict())

    def seen(self, features: Features) -> Features:
        """The features with what the tuned stages see after the rest."""
        images, titles, masked = (getattr(self.examples, name).numpy() for name in ("images", "titles", "masked"))
        return replace(features, images=images, titles=titles, masked=masked)

    def save(self, folder: Path) -> None:
        """Write the stages into a checkpoint's folder, as fp16."""
        for name, stages in self.stages.items():
            save_half(stages.state_dict(), folder / TUNED_FILES[name])


class Tuning:
    """Towers, what their first stages see in every row, and what the rows teach. ``text`` and ``image`` are not
    changed.
    """

    def __init__(
        self,
        config: ModelConfig,
        towers: tuple[ImageTower, TextTower],
        examples: Examples,
        sizes: Mapping[str, int],
        cache: Path,
        seed: int,
        log: Log,
    ) -> None:
        self._config, self._cache, self._seed, self._log = config, cache, seed, log
        self._image, self._text = towers
        self._examples = examples
        self._plain = examples.images[:, : config.image_dim]
        self._sizes = {name: sizes[name] for name in ATTRIBUTES}
        self._lessons = Lessons(examples.colors, (examples.has_title & ~examples.is_made).numpy(), examples.labels)
        self._views: Views | None = None
        self._states: tuple[States, States] | None = None
        self._read = ""  # of the titles, for the names of files

    def prepare(self, rows: Sequence[Row], titles: Sequence[str], masked: Sequence[str]) -> None:
        """Ask the first stages. ``titles`` and ``masked``: of every row, as they are and without telling words."""
        if self._config.tuned_image_blocks:
            self._views = look(rows, self._image, self._config, self._cache, self._log)
        if self._config.tuned_text_layers:
            self._log("first layers: titles, and titles without telling words")
            count = self._config.tuned_text_layers
            self._states = (States(self._text, titles, count), States(self._text, masked, count))
            self._read = key_of(*titles, *masked)

    def on(self, rows: torch.Tensor) -> Tuned:
        """What comes of tuning on ``rows``, for all rows."""
        chosen = rows.numpy()
        stages: dict[str, nn.Module] = {}
        heads: dict[str, TunedHeads] = {}
        examples = self._examples
        if self._states is not None:
            layers, heads["tuned_text"] = self._tuned_text(chosen, self._states)
            stages["tuned_text"] = layers
            examples = self._with_titles(examples, layers, self._states)
        if self._views is not None:
            stages["tuned_image"], heads["tuned_image"] = self._tuned_image(chosen, self._views)
            seen = torch.from_numpy(features_of(stages["tuned_image"], self._views))
            examples = replace(examples, images=torch.cat([examples.images, seen], dim=1))
        return Tuned(stages, heads, examples)

    def _tuned_text(self, rows: npt.NDArray[np.int64], states: tuple[States, States]) -> tuple[TunedLayers, TunedHeads]:
        torch.manual_seed(self._seed)
        last = self._text.last_layers(self._config.tuned_text_layers)
        heads = TunedHeads(self._config.text_dim, self._sizes)
        course = Course("text tower", self._lessons, rows, TEXT_PLAN, self._seed, self._log, states[0].lengths)
        key = key_of(_LAYOUT, course.digest, self._read, *last.state_dict().values())
        path = self._cache / f"tuned-text-{key[:16]}.safetensors"
        titles = self._examples.titles
        fill(path, {"last": last, "heads": heads}, lambda: tune_text(last, states, heads, titles, course))
        return _rounded(last), heads

    def _tuned_image(self, rows: npt.NDArray[np.int64], views: Views) -> tuple[nn.Module, TunedHeads]:
        torch.manual_seed(self._seed)
        last = copy.deepcopy(views.last)
        heads = TunedHeads(self._config.image_dim, self._sizes, self._config.color_dim)
        course = Course("image tower", self._lessons, rows, IMAGE_PLAN, self._seed, self._log)
        path = self._cache / f"tuned-image-{key_of(_LAYOUT, course.digest, views.key)[:16]}.safetensors"
        fill(path, {"last": last, "heads": heads}, lambda: tune_image(last, views, heads, self._plain, course))
        return _rounded(last), heads

    def _with_titles(self, examples: Examples, last: TunedLayers, states: tuple[States, States]) -> Examples:
        there = examples.has_title[:, None]
        plain, masked = (torch.from_numpy(one.vectors(last)) * there for one in states)
        return replace(
            examples,
            titles=torch.cat([examples.titles, plain], dim=1),
            masked=torch.cat([examples.masked, masked], dim=1),
        )


def _rounded(module: Module) -> Module:
    """To fp16 and back: what is measured is what ships."""
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(value.half().float())
    return module
