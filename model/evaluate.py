"""``hangtag evaluate``: how good a checkpoint is on rows that training never saw.

Each attribute is measured by picture alone, title alone, title with the words that state colour and material hidden,
and both together, because colour, material and type stand in most titles: one figure would flatter. Beside them stands
each expert alone, since a pool that does not beat its best expert is worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.association import Sides, all_pairs, pair_features, probabilities, sides_of
from model.calibrate import Outcomes, thresholds_of
from model.fusion import ATTRIBUTES, SINGLE_SIDED, FusionModel, Logits
from model.honesty import curve_of, honest_rows
from model.inputs import Inputs, bag_tensors
from model.labels import DEFAULT_DOUBT
from model.measuring.catch_all import apart
from model.measuring.evidence_check import evidence_figures
from model.measuring.figures import auroc, details_of, figures_of, outcome_figures, paired_gain, recall_at
from model.measuring.label_noise import label_noise
from model.ngrams import bags
from model.parts import all_features
from model.pool import SIDES
from model.predictor import choose_device
from model.presence.presence_data import evaluate_presence
from model.runtime.engines import Engine, Precision, choose_engine, open_images
from model.scoring import Scored, Scorer
from model.taxonomy import load_taxonomy
from model.training.catalogue import is_catalogue, load_catalogue
from model.training.dataset import Row, load_rows
from model.training.features import Features, look_at, read_titles, see_images
from model.training.fit import label_ids
from model.weights import SHIPPED, Checkpoint, Vocabulary, load

TARGET = 0.95
_MASKED = {"fused": "fused_masked", "text": "text_masked"}

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Read = Callable[[Sequence[str]], Floats]  # titles to (N, Dt)


def evaluate(
    checkpoint: Path | None,
    data: Path,
    *,
    device: str = "auto",
    cache: Path = Path(".cache/features"),
    engine: tuple[Engine, Precision] | None = None,
) -> dict[str, Any]:
    """Figures of a checkpoint (None: the shipped one) on ``data``, as JSON-ready values.

    Of a folder with the training data its test rows; of a JSON-lines or CSV file all listings. With an ``engine`` and
    precision the figures are its own, and ``engine`` in them says what it changes against torch in fp32.
    """
    loaded = load(checkpoint or SHIPPED)
    rows = measured_rows(data)
    features = features_of(loaded, rows, device, cache)
    told: dict[str, Any] = {}
    if engine is not None:
        features, told = _on_engine(loaded, features, rows, choose_device(device), engine)
    read = partial(read_titles, tower=loaded.text)
    figures = told | evaluate_features(loaded.fusion, loaded.vocabulary, loaded.outcomes, features, rows, read)
    if loaded.presence is not None and not is_catalogue(data):
        see = partial(see_images, tower=loaded.image, side=loaded.config.image_side, cache=cache, log=lambda _: None)
        figures["text_presence"] = evaluate_presence(loaded.presence, features.images, rows, see, cache)
    everything = rows if is_catalogue(data) else load_rows(data)
    return figures | noise_figures(everything, cache)


def noise_figures(rows: Sequence[Row], cache: Path) -> dict[str, Any]:
    """How often labels of ``rows`` are wrong, training rows included: a ceiling for every other figure."""
    found = label_noise(rows, cache)
    return {"label_noise": found} if found else {}


def _on_engine(
    loaded: Checkpoint, exact: Features, rows: Sequence[Row], device: torch.device, engine: tuple[Engine, Precision]
) -> tuple[Features, dict[str, Any]]:
    """The features as an engine gives them, and by how many points each attribute changes."""
    from model.measuring.precision import changes_of  # which imports this file

    choice = choose_engine(device, *engine, quantisation=loaded.quantisation)
    side = loaded.config.image_side
    with torch.inference_mode():
        fast = look_at(rows, open_images(loaded.image, side, device, choice, loaded.quantisation), loaded.image.framing)
    told = {"engine": {"name": choice.name, "points_changed": changes_of(loaded, exact, fast, rows)}}
    return replace(exact, images=fast), told


def measured_rows(data: Path) -> list[Row]:
    """The rows to measure on. Raises ModelError."""
    if is_catalogue(data):
        return [replace(row, split="test") for row in load_catalogue(data)]
    return [row for row in load_rows(data) if row.split == "test"]


def features_of(loaded: Checkpoint, rows: Sequence[Row], device: str, cache: Path) -> Features:
    """What a checkpoint's towers see in rows."""
    place = choose_device(device)
    towers = (loaded.image.to(place), loaded.text.to(place))
    titles = [row.title for row in rows]
    return all_features(rows, titles, towers, loaded.config, cache, lambda _: None)


def evaluate_features(
    fusion: FusionModel,
    vocabulary: Vocabulary,
    outcomes: Mapping[str, Mapping[str, Outcomes]],
    features: Features,
    rows: Sequence[Row],
    read: Read,
) -> dict[str, Any]:
    """Figures on the test rows among ``rows``; thresholds come from calibration ``outcomes``. ``read``: what gives
    vectors of other titles.
    """
    test = np.array([index for index, row in enumerate(rows) if row.split == "test"], np.int64)
    titled = test[[bool(rows[index].title) for index in test]]
    asked = Asked(fusion, vocabulary, features, rows)
    found: dict[str, Any] = {"rows": {"listings": len(titled)}, "families": _families(outcomes)}
    with torch.inference_mode():
        if len(titled) > 1:
            found |= _of_listings(asked, titled, outcomes, read)
        found |= asked.scene(test, outcomes.get("scene", {}))
        found |= asked.garments(test)
    return found


def _families(outcomes: Mapping[str, Mapping[str, Outcomes]]) -> dict[str, dict[str, Any]]:
    """How experts did that had not seen a row's family, on the rows that set the pools and thresholds."""
    found: dict[str, dict[str, Any]] = {}
    for name, by_side in sorted(outcomes.items()):
        for side in SIDES:
            keys = (side,) if side == "image" else (side, f"{side}_stated")  # a picture's are of all rows as it is
            own = [by_side[key] for key in keys if key in by_side]
            if own:
                found.setdefault(name, {})[side] = outcome_figures(reduce(Outcomes.joined, own))
    return found


def _of_listings(
    asked: Asked, rows: Ints, outcomes: Mapping[str, Mapping[str, Outcomes]], read: Read
) -> dict[str, Any]:
    """Figures of titled listings; of attributes that no row has a label for there are none."""
    plain, logits = asked.scores(rows, masked=False)
    masked, _ = asked.scores(rows, masked=True)
    labelled = [name for name in (*ATTRIBUTES, "category") if plain.known(name).any()]
    found = {name: _attribute(name, plain, masked, outcomes.get(name, {})) for name in labelled}
    if (plain.truth["product_type"] >= 0).any():
        found["product_type"]["published"] = _published_only(plain)
        found["product_type"]["apart"] = asked.apart(plain)
    answered = [name for name in labelled if name != "category"]
    accuracy, right = asked.experts(logits, plain, answered)
    found["experts"] = {"accuracy": accuracy}
    found["gains"] = _gains(right, plain, masked)
    found["association"] = asked.association(rows)
    found["conflicts"] = _conflicts(plain, asked.doubt("color"))
    found["evidence"] = asked.evidence(rows, plain, answered, read)
    found["details"] = asked.details(rows, plain, answered)
    return found


class Asked:
    """A model and the rows it is asked about."""

    def __init__(self, fusion: FusionModel, vocabulary: Vocabulary, features: Features, rows: Sequence[Row]) -> None:
        self._fusion = fusion
        self._vocabulary = vocabulary
        self._features = features
        self._rows = rows
        self._scorer = Scorer.of(vocabulary.values, vocabulary.published_types, load_taxonomy())
        self._types = vocabulary.values["product_type"]
        self._answers = {**vocabulary.values, "product_type": vocabulary.published_types}

    def scores(self, rows: Ints, *, masked: bool) -> tuple[Scored, Mapping[str, Logits]]:
        """Probabilities of listings, and what they came from."""
        chosen = [self._rows[index] for index in rows]
        titles = [self._features.masked_titles[index] if masked else self._rows[index].title for index in rows]
        vectors = self._features.masked if masked else self._features.titles
        logits = self._fusion(self._inputs(rows, titles, vectors[rows], masked=masked))
        values = self._vocabulary.values
        truth = {name: label_ids(chosen, name, values[name]) for name in ATTRIBUTES}
        told = (self._vocabulary.pools, logits, self._scorer.stated(titles), truth)
        return self._scorer.score(*told, self._vocabulary.curves), logits

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
                scores = scores[:, self._scorer.published] if name == "product_type" else scores
                right[name][expert] = scores[known].argmax(axis=1) == truth
            right[name]["title (pool)"] = plain.scores[name]["text"][known].argmax(axis=1) == truth
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
        return apart(by_side, truth[rows], self._vocabulary.published_types)

    def evidence(self, rows: Ints, plain: Scored, names: Sequence[str], read: Read) -> dict[str, Any]:
        """Whether the words that a value's evidence points at carry it, by attribute."""
        titles = [self._rows[index].title for index in rows]
        found = {}
        for name in names:
            ask = partial(self._said, name, rows, read)
            one = evidence_figures(
                name, self._answers[name], titles, plain.scores[name]["text"], self._scorer.extractor, ask
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
        return scores[:, self._scorer.published] if name == "product_type" else scores

    def scene(self, rows: Ints, calibration: Mapping[str, Outcomes]) -> dict[str, Any]:
        """Scenes by pictures, over all sources."""
        values = self._vocabulary.values["scene"]
        truth = label_ids([self._rows[index] for index in rows], "scene", values)
        known = rows[truth >= 0]
        if not len(known):
            return {}
        logits = self._fusion.scenes(*self._features.scene_inputs(known))
        scores = torch.softmax(logits / self._vocabulary.scene_temperature, dim=1).numpy()
        bars = _bars(calibration, "fused", np.zeros(len(known), np.bool_))
        bars[scores.argmax(axis=1) >= self._fusion.num_taught_scenes] = np.inf  # these are never accepted
        return {"scene": {"fused": figures_of(scores, truth[truth >= 0], TARGET, bars)}}

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
        told, known = honest_rows(scores[:, self._scorer.published], curve), truth >= 0
        return {"garments": {"image": figures_of(told[known], truth[known])}} if known.any() else {}

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


def _attribute(name: str, plain: Scored, masked: Scored, calibration: Mapping[str, Outcomes]) -> dict[str, Any]:
    known, truth = plain.known(name), plain.truth[name]
    found: dict[str, Any] = {}
    for side in SIDES:
        bars = _bars(calibration, side, plain.is_stated(name)[known])
        found[side] = figures_of(plain.scores[name][side][known], truth[known], TARGET, bars)
    for own, shown in _MASKED.items():
        found[shown] = figures_of(masked.scores[name][own][known], truth[known])
    return found


def _published_only(plain: Scored) -> dict[str, Any]:
    """Product type on listings whose type has enough training rows to be answered, by side."""
    truth = plain.truth["product_type"]
    rows = truth >= 0
    return {side: figures_of(plain.scores["product_type"][side][rows], truth[rows]) for side in SIDES}


def _conflicts(plain: Scored, doubt: float) -> dict[str, Any]:
    """How often what is said conflicts with the pictures: colours as they are, and each swapped for another."""
    single, said = plain.stating_one("color")
    single &= plain.truth["color"] >= 0
    if not single.any():
        return {}
    said, seen = said[single], plain.seen["color"][single]
    swapped = (said + np.random.default_rng(0).integers(1, seen.shape[1], len(said))) % seen.shape[1]
    lines = np.arange(len(said))
    return {
        "rows": len(said),
        "untouched": round(float((seen[lines, said] < doubt).mean()), 4),
        "swapped": round(float((seen[lines, swapped] < doubt).mean()), 4),
    }


def _bars(calibration: Mapping[str, Outcomes], side: str, is_stated: Bools) -> Floats:
    """(N,) the threshold that each row must reach, infinite where the target cannot be bought."""
    found = thresholds_of(calibration, TARGET)
    stated = found.when_stated or found
    silent_bar, stated_bar = (
        np.float32(np.inf if (bar := getattr(one, side)) is None else bar) for one in (found, stated)
    )
    if side == "image":
        stated_bar = silent_bar  # the picture alone, whatever the words say
    return np.asarray(np.where(is_stated, stated_bar, silent_bar), np.float32)


def _gains(right: Mapping[str, Mapping[str, Bools]], plain: Scored, masked: Scored) -> dict[str, dict[str, Any]]:
    """Fused less the best single side, paired, with a 95 % interval; masked colour beside it."""
    found = {}
    for name, by_expert in right.items():
        single = {expert: one for expert, one in by_expert.items() if expert in (*SINGLE_SIDED, "title (pool)")}
        best = max(single, key=lambda expert: float(single[expert].mean()))
        found[name] = {"over": best} | paired_gain(_right(plain, name, "fused"), single[best])
    if "color" not in right:
        return found
    hidden = {side: _right(masked, "color", side) for side in ("image", "text")}
    best = max(hidden, key=lambda side: float(hidden[side].mean()))
    found["color_masked"] = {"over": best} | paired_gain(_right(masked, "color", "fused"), hidden[best])
    return found


def _right(scored: Scored, name: str, side: str) -> Bools:
    known = scored.known(name)
    right: Bools = scored.scores[name][side][known].argmax(axis=1) == scored.truth[name][known]
    return right


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
