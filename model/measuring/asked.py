"""A model and rows, asked one thing after the other: what `model.evaluate` makes figures of.

What has one owner here is how a row becomes the model's input, with its words hidden or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.association import Sides, all_pairs, pair_features, probabilities, sides_of
from model.calibrate import Outcomes, thresholds_of
from model.fusion import ATTRIBUTES, FusionModel, Logits
from model.honesty import curve_of, honest_rows
from model.inputs import Inputs, bag_tensors
from model.labels import DEFAULT_DOUBT, STRANGE, Side
from model.measuring.catch_all import apart
from model.measuring.chosen_rows import choose_rows
from model.measuring.evidence_check import evidence_figures
from model.measuring.figures import auroc, details_of, figures_of, recall_at
from model.measuring.intervals import family_numbers
from model.ngrams import bags
from model.parts import all_features
from model.pool import SIDES
from model.predictor import choose_device
from model.scoring import Scored, Scorer
from model.taxonomy import load_taxonomy
from model.training.dataset import Row
from model.training.features import Features
from model.training.fit import label_ids
from model.weights import Checkpoint, Vocabulary

# Pools of one side that stand beside the experts: what answers where the other side is missing.
POOLS: Mapping[str, Side] = {"picture (pool)": "image", "title (pool)": "text"}
TARGET = 0.95  # of an attribute that no other is given for

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Read = Callable[[Sequence[str]], Floats]  # titles to (N, Dt)


def measured_rows(data: Path, checkpoint: Path | None = None) -> list[Row]:
    """The rows to measure a checkpoint on, see `model.measuring.chosen_rows`. Raises ModelError."""
    return choose_rows(data, checkpoint).rows


def features_of(loaded: Checkpoint, rows: Sequence[Row], device: str, cache: Path) -> Features:
    """What a checkpoint's towers see in rows."""
    place = choose_device(device)
    towers = (loaded.image.to(place), loaded.text.to(place))
    titles = [row.title for row in rows]
    return all_features(rows, titles, towers, loaded.config, cache, lambda _: None)


class Asked:
    """A model and the rows it is asked about. ``targets``: precision by attribute, `TARGET` for the others."""

    def __init__(
        self,
        fusion: FusionModel,
        vocabulary: Vocabulary,
        features: Features,
        rows: Sequence[Row],
        targets: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._fusion = fusion
        self._vocabulary = vocabulary
        self._features = features
        self._rows = rows
        self._families = family_numbers(rows)
        self._targets = targets
        self.scorer = Scorer.of(vocabulary.values, vocabulary.published_types, load_taxonomy())
        self._types = vocabulary.values["product_type"]
        self._answers = self.scorer.answers

    def scores(self, rows: Ints, *, masked: bool) -> tuple[Scored, Mapping[str, Logits]]:
        """Probabilities of listings, and what they came from."""
        chosen = [self._rows[index] for index in rows]
        titles = [self._features.masked_titles[index] if masked else self._rows[index].title for index in rows]
        vectors = self._features.masked if masked else self._features.titles
        logits = self._fusion(self._inputs(rows, titles, vectors[rows], masked=masked))
        values = self._vocabulary.values
        truth = {name: label_ids(chosen, name, values[name]) for name in ATTRIBUTES}
        told = (self._vocabulary.pools, logits, self.scorer.stated(titles), truth)
        scored = self.scorer.score(*told, self._vocabulary.curves)
        return replace(scored, families=self._families[rows]), logits

    def experts(
        self, logits: Mapping[str, Logits], plain: Scored, names: Sequence[str]
    ) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, Bools]]]:
        """Accuracy of each expert alone, and, for paired comparison, which rows it had right."""
        accuracy: dict[str, dict[str, float]] = {}
        right: dict[str, dict[str, Bools]] = {}
        for name in names:
            known = plain.known(name)
            truth = plain.truth[name][known]
            right[name] = {}
            for expert, one in logits[name].items():
                scores = one.numpy()
                scores = scores[:, self.scorer.published] if name == "product_type" else scores
                right[name][expert] = scores[known].argmax(axis=1) == truth
            for pool, side in POOLS.items():
                right[name][pool] = plain.scores[name][side][known].argmax(axis=1) == truth
            accuracy[name] = {expert: round(float(one.mean()), 4) for expert, one in right[name].items()}
        return accuracy, right

    def details(self, rows: Ints, plain: Scored, names: Sequence[str]) -> dict[str, Any]:
        """Curves and examples, by attribute."""
        found = {}
        for name in names:
            known = plain.known(name)
            chosen = [self._rows[index] for index in rows[known]]
            words, titles = [row.labels[name] for row in chosen], [row.title for row in chosen]
            found[name] = details_of(
                plain.scores[name]["fused"][known], plain.truth[name][known], self._answers[name], words, titles
            )
        return found

    def apart(self, plain: Scored) -> dict[str, Any]:
        """Product type by side, where the label is a catch-all and where it is not."""
        truth = plain.truth["product_type"]
        rows = truth >= 0
        by_side: dict[str, Floats] = {side: plain.scores["product_type"][side][rows] for side in SIDES}
        return apart(by_side, truth[rows], plain.families[rows], self._vocabulary.published_types)

    def evidence(self, rows: Ints, plain: Scored, names: Sequence[str], read: Read) -> dict[str, Any]:
        """Whether the words that a value's evidence points at carry it, by attribute."""
        titles = [self._rows[index].title for index in rows]
        found = {}
        for name in names:
            ask = partial(self._said, name, rows, read)
            one = evidence_figures(
                name,
                self._answers[name],
                titles,
                plain.families,
                plain.scores[name]["text"],
                self.scorer.extractor,
                ask,
            )
            if one:
                found[name] = one
        return found

    def _said(self, name: str, rows: Ints, read: Read, chosen: Ints, titles: Sequence[str]) -> Floats:
        """(N, V) what the title's experts would say of the chosen ones of ``rows``, had they these ``titles``. What
        words state is not added, or taking it away would be the proof.
        """
        logits = self._fusion(self._inputs(rows[chosen], titles, read(titles)))[name]
        scores = self._vocabulary.pools[name].scores(logits, "text", stated=True).numpy()
        return scores[:, self.scorer.published] if name == "product_type" else scores

    def scene(self, rows: Ints, calibration: Mapping[str, Outcomes]) -> dict[str, Any]:
        """Scenes by pictures, over all sources."""
        values = self._vocabulary.values["scene"]
        truth = label_ids([self._rows[index] for index in rows], "scene", values)
        known = rows[truth >= 0]
        if not len(known):
            return {}
        images, grounds = self._features.scene_inputs(known)
        logits = self._fusion.scenes(images, grounds)
        scores = torch.softmax(logits / self._vocabulary.scene_temperature, dim=1).numpy()
        target = self.target("scene")
        bars = bars_of(calibration, "fused", np.zeros(len(known), np.bool_), target)
        bars[scores.argmax(axis=1) >= self._fusion.num_taught_scenes] = np.inf  # these are never accepted,
        bars[self._fusion.strangeness(images).numpy() > STRANGE] = np.inf  # nor are those of strange pictures
        return {"scene": {"fused": figures_of(scores, truth[truth >= 0], self._families[known], target, bars)}}

    def target(self, attribute: str) -> float:
        """The precision that its thresholds are bought with."""
        return self._targets.get(attribute, TARGET)

    def garments(self, rows: Ints) -> dict[str, Any]:
        """Photos of clothes taken at home: is the product type right, by the picture alone?"""
        photos = np.array([index for index in rows if self._rows[index].source == "clothing"], np.int64)
        return self._photos(photos) if len(photos) else {}

    def _photos(self, rows: Ints) -> dict[str, Any]:
        blank = np.zeros_like(self._features.titles)
        logits = self._fusion(self._inputs(rows, [""] * len(rows), blank[rows]))
        scores = self._vocabulary.pools["product_type"].scores(logits["product_type"], "image", stated=False).numpy()
        curve = curve_of(self._vocabulary.curves.get("product_type", {}), "image", stated=False)
        truth = label_ids([self._rows[index] for index in rows], "product_type", self._vocabulary.published_types)
        told = honest_rows(scores[:, self.scorer.published], curve, self._answers["product_type"])
        known = truth >= 0
        if not known.any():
            return {}
        return {"garments": {"image": figures_of(told[known], truth[known], self._families[rows[known]])}}

    def association(self, rows: Ints) -> dict[str, Any]:
        """Own titles against random ones and against those of the same type; and among all titles."""
        sides = self.sides(rows)
        weights = self._vocabulary.association
        own = torch.arange(len(rows))
        types = label_ids([self._rows[index] for index in rows], "product_type", self._types)
        found: dict[str, Any] = {"rows": len(rows)}
        positive = probabilities(pair_features(sides, own, own), weights).numpy()
        for kind, same_type in (("random", False), ("same_type", True)):
            pictures, titles = _strangers(types, same_type=same_type)
            if not len(pictures):
                continue
            negative = probabilities(pair_features(sides, pictures, titles), weights).numpy()
            found[f"auroc_{kind}"] = round(auroc(positive, negative), 4)
        pairs = all_pairs(sides, weights).numpy()
        return found | {f"recall_at_{k}": round(recall_at(pairs, k), 4) for k in (1, 10)}

    def sides(self, rows: Ints) -> Sides:
        """What picture and title of listings say alone."""
        inputs = self._inputs(rows, [self._rows[index].title for index in rows], self._features.titles[rows])
        return sides_of(self._fusion.similarity(inputs), self._fusion(inputs), self._vocabulary.pools)

    def doubt(self, attribute: str) -> float:
        """See `model.labels.Labels`."""
        return self._vocabulary.doubts.get(attribute, DEFAULT_DOUBT)

    def _inputs(self, rows: Ints, titles: Sequence[str], vectors: Floats, *, masked: bool = False) -> Inputs:
        pictures, colors = (torch.from_numpy(one[rows]) for one in (self._features.images, self._features.colors))
        words = bag_tensors(bags(titles, self._fusion.idf.numpy()))
        there = torch.ones(len(rows), dtype=torch.bool)
        has_title = torch.tensor([bool(title.strip()) for title in titles])
        parts = self._features.parts
        own = parts.take(torch.from_numpy(rows), there & masked) if parts is not None else None
        return Inputs(pictures, colors, torch.from_numpy(vectors), *words, there, has_title, own)


def bars_of(calibration: Mapping[str, Outcomes], side: str, is_stated: Bools, target: float) -> Floats:
    """(N,) the threshold that each row must reach, infinite where the ``target`` precision cannot be bought.
    ``is_stated``: (N,) rows whose top value words state.
    """
    found = thresholds_of(calibration, target)
    stated = found.when_stated or found
    silent_bar, stated_bar = (
        np.float32(np.inf if (bar := getattr(one, side)) is None else bar) for one in (found, stated)
    )
    if side == "image":
        stated_bar = silent_bar  # the picture alone, whatever the words say
    return np.asarray(np.where(is_stated, stated_bar, silent_bar), np.float32)


def _strangers(types: Ints, *, same_type: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs of a picture and another listing's title: every second offset of one row to the next ones."""
    count = len(types)
    pictures = np.repeat(np.arange(count), 5)
    generator = np.random.default_rng(0)
    if not same_type:
        titles = (pictures + generator.integers(1, count, len(pictures))) % count
        return torch.from_numpy(pictures), torch.from_numpy(titles)
    pairs = [
        (row, int(other))
        for row in range(count)
        for other in generator.permutation(np.flatnonzero(types == types[row]))[:6]
        if other != row and types[row] >= 0
    ]
    return torch.tensor([left for left, _ in pairs]), torch.tensor([right for _, right in pairs])
