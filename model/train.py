"""``hangtag train``: towers are imported and frozen, experts are fitted, pooled, calibrated and measured.

Pools, thresholds and the association come from out-of-fold scores: five times the experts are fitted on four fifths of
the training rows and asked about the rest, families kept together. Test rows are used once, for the figures. The same
seed on the same data gives the same checkpoint.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.association import pair_features, sides_of
from model.calibrate import Fitting, Outcomes, fit_logistic, fit_pool, fit_temperature
from model.card import write_card
from model.catalogue import is_catalogue, load_catalogue
from model.config import ModelConfig
from model.dataset import Row, Split, load_rows
from model.evaluate import evaluate_features
from model.extract import Extractor
from model.features import compute_features, see_images
from model.fit import Examples, examples_of, fit_network, fit_words, remember_words
from model.folds import NUM_FOLDS, fold_of_rows
from model.fusion import ATTRIBUTES, FusionModel, Logits
from model.origin import import_towers
from model.pool import Pool
from model.precision import learn_int8, part_of
from model.predictor import choose_device
from model.presence_data import learn_presence
from model.scoring import category_matrix, score_all, stated_values
from model.taxonomy import load_taxonomy
from model.weights import Vocabulary, load_towers, save_heads, save_outcomes, seal

MIN_TYPE_ROWS = 20
MIN_MATERIAL_ROWS = 15
_EPOCHS = 18
_DOUBTED_SHARE = 0.02  # of listings whose words are right: these are called conflicts

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainReport:
    """Where the checkpoint is, and its figures as ``hangtag evaluate`` gives them."""

    folder: Path
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Recipe:
    """All that a fit needs but the rows."""

    config: ModelConfig
    data: Examples
    sizes: Mapping[str, int]
    epochs: int
    seed: int
    log: Log

    def fit(self, rows: torch.Tensor) -> FusionModel:
        torch.manual_seed(self.seed)
        fusion = fit_network(self.config, self.data, rows, self.sizes, self.epochs, self.log)
        fit_words(fusion, self.data, rows)
        return fusion


@dataclass(frozen=True, slots=True)
class _OutOfFold:
    """Scores of the training rows by experts that have not seen their family, row by row as in ``rows``."""

    rows: torch.Tensor  # of listings with a title of their own
    logits: Mapping[str, Logits]
    masked: Mapping[str, Logits]  # telling words hidden
    vectors: tuple[torch.Tensor, torch.Tensor]
    scene_rows: torch.Tensor
    scenes: torch.Tensor


def train(
    data: Path,
    out: Path,
    *,
    seed: int = 0,
    epochs: int | None = None,
    device: str = "auto",
    cache: Path = Path(".cache/features"),
    log: Log = lambda _: None,
) -> TrainReport:
    """Write a complete checkpoint to the folder ``out``. Raises ModelError when data or weights are missing."""
    out.mkdir(parents=True, exist_ok=True)
    config = ModelConfig()
    config.save(out / "config.json")
    origins = import_towers(out)
    rows = rows_of(data)
    image, text = load_towers(out, config)
    place = choose_device(device)
    titles = [row.title or row.made_title for row in rows]
    towers = (image.to(place), text.to(place))
    features = compute_features(rows, titles, towers, config.image_side, cache, log)
    values = vocabularies(rows)
    examples = examples_of(rows, features, values)
    recipe = _Recipe(config, examples, {name: len(one) for name, one in values.items()}, epochs or _EPOCHS, seed, log)
    folds = fold_of_rows(rows, features.images)
    found = _out_of_fold(recipe, rows, torch.from_numpy(folds))
    vocabulary, outcomes = _calibrate(recipe, rows, found, values)
    log("fitting on all training rows")
    fusion = recipe.fit(_rows_of(rows, "train"))
    remember_words(fusion, [title for row, title in zip(rows, titles, strict=True) if row.split == "train" and title])
    _round_to_half(fusion)
    save_heads(out, fusion)
    save_outcomes(out, outcomes)
    see = partial(see_images, tower=image, side=config.image_side, cache=cache, log=log)
    presence = learn_presence(features.images, rows, see, cache)
    if presence is not None:
        presence.save(out)
    test = [index for index in _rows_of(rows, "test").tolist() if rows[index].title]
    if test:
        compared = (part_of(features, test), [rows[index] for index in test])
        training = [row for row in rows if row.split == "train"]
        learn_int8(image, (fusion, vocabulary), training, compared, config.image_side, log).save(out)
    (out / "labels.json").write_text(json.dumps(vocabulary.to_json(), indent=1) + "\n", encoding="utf-8")
    figures = evaluate_features(fusion, vocabulary, outcomes, features, rows)
    write_card(out, config, vocabulary, origins, rows, figures)
    seal(out)
    return TrainReport(out, figures)


def rows_of(data: Path) -> list[Row]:
    """What to train on: a folder with the training data, or a team's own file. Raises ModelError."""
    return load_catalogue(data) if is_catalogue(data) else load_rows(data)


def vocabularies(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """Values per attribute, sorted: what training rows hold often enough. Rare product types stand together, as their
    category.
    """
    least = {"color": 1, "material": MIN_MATERIAL_ROWS, "scene": MIN_TYPE_ROWS}
    found = {name: tuple(sorted(v for v, n in _counts(rows, name).items() if n >= few)) for name, few in least.items()}
    taxonomy = load_taxonomy()
    types = {
        value if count >= MIN_TYPE_ROWS else taxonomy.category_of(value) or value
        for value, count in _counts(rows, "product_type").items()
    }
    return {"product_type": tuple(sorted(types))} | found


def _published(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(sorted(v for v, n in _counts(rows, "product_type").items() if n >= MIN_TYPE_ROWS))


def _counts(rows: Sequence[Row], attribute: str) -> Counter[str]:
    return Counter(row.labels[attribute] for row in rows if row.split == "train" and attribute in row.labels)


def _rows_of(rows: Sequence[Row], split: Split) -> torch.Tensor:
    return torch.tensor([index for index, row in enumerate(rows) if row.split == split], dtype=torch.long)


# ---- out of fold ----------------------------------------------------------------------------------------------------


def _out_of_fold(recipe: _Recipe, rows: Sequence[Row], folds: torch.Tensor) -> _OutOfFold:
    training = _rows_of(rows, "train")
    parts = []
    for fold in range(NUM_FOLDS):
        recipe.log(f"fold {fold + 1} of {NUM_FOLDS}")
        held_out = training[folds[training] == fold]
        fusion = recipe.fit(training[folds[training] != fold])
        with torch.inference_mode():
            parts.append(_ask(fusion, recipe.data, held_out))
    return _together(parts)


def _ask(fusion: FusionModel, data: Examples, rows: torch.Tensor) -> _OutOfFold:
    titled = rows[~data.is_made[rows]]
    inputs = data.inputs(titled)
    scene_rows = rows[data.labels["scene"][rows] >= 0]
    return _OutOfFold(
        titled,
        fusion(inputs),
        fusion(data.inputs(titled, hide=torch.ones(len(titled), dtype=torch.bool))),
        fusion.similarity(inputs),
        scene_rows,
        fusion.scene(data.images[scene_rows]),
    )


def _together(parts: Sequence[_OutOfFold]) -> _OutOfFold:
    def joined(pick: Callable[[_OutOfFold], Mapping[str, Logits]]) -> dict[str, Logits]:
        first = pick(parts[0])
        return {
            name: {expert: torch.cat([pick(part)[name][expert] for part in parts]) for expert in first[name]}
            for name in first
        }

    return _OutOfFold(
        torch.cat([part.rows for part in parts]),
        joined(lambda part: part.logits),
        joined(lambda part: part.masked),
        (torch.cat([part.vectors[0] for part in parts]), torch.cat([part.vectors[1] for part in parts])),
        torch.cat([part.scene_rows for part in parts]),
        torch.cat([part.scenes for part in parts]),
    )


# ---- calibrate ------------------------------------------------------------------------------------------------------


def _calibrate(
    recipe: _Recipe, rows: Sequence[Row], found: _OutOfFold, values: Mapping[str, tuple[str, ...]]
) -> tuple[Vocabulary, dict[str, dict[str, Outcomes]]]:
    taxonomy = load_taxonomy()
    titles = [rows[index].title for index in found.rows.tolist()]
    labels = {name: recipe.data.labels[name][found.rows] for name in ATTRIBUTES}
    stated = stated_values(Extractor(taxonomy), titles, values)
    pools = {name: _fit_pool(found, name, labels[name], stated[name]) for name in ATTRIBUTES}
    published = _published(rows)
    chosen = [values["product_type"].index(name) for name in published]
    _, to_category = category_matrix(values["product_type"], taxonomy)
    truth = {name: one.numpy() for name, one in labels.items()}
    scored = score_all(pools, found.logits, stated, truth, chosen, to_category)
    outcomes = scored.outcomes()
    scene_truth = recipe.data.labels["scene"][found.scene_rows]
    temperature = fit_temperature(found.scenes, scene_truth)
    scenes = torch.softmax(found.scenes / temperature, dim=1).numpy()
    by_picture = Outcomes(scenes.max(axis=1), scenes.argmax(axis=1) == scene_truth.numpy())
    outcomes["scene"] = {"fused": by_picture, "image": by_picture}
    association = _fit_association(found, pools, labels["product_type"], recipe.seed)
    doubts = {name: _doubt(scored.scores[name]["image"], scored.truth[name]) for name in scored.scores}
    return Vocabulary(values, published, pools, temperature, association, doubts), outcomes


def _fit_pool(found: _OutOfFold, name: str, labels: torch.Tensor, stated: torch.Tensor) -> Pool:
    known = labels >= 0
    plain = Fitting(found.logits[name], labels, stated).chosen(known)
    masked = Fitting(found.masked[name], labels, torch.zeros_like(stated)).chosen(known)
    return fit_pool(plain, masked if bool(stated.any()) else None)


def _doubt(scores: np.ndarray, truth: np.ndarray) -> float:
    """What the pictures give to the true value at least, but for the few listings that may be doubted wrongly."""
    known = truth >= 0
    return float(np.quantile(scores[known, truth[known]], _DOUBTED_SHARE))


def _fit_association(found: _OutOfFold, pools: Mapping[str, Pool], types: torch.Tensor, seed: int) -> tuple[float, ...]:
    """Own titles against as many of other listings, half of those of the same product type."""
    sides = sides_of(found.vectors, found.logits, pools)
    count = len(types)
    own = torch.arange(count)
    others = torch.cat([_others(types, seed, same_type=False), _others(types, seed, same_type=True)])
    features = torch.cat([pair_features(sides, own, own)] * 2 + [pair_features(sides, own.repeat(2), others)])
    truth = torch.cat([torch.ones(2 * count), torch.zeros(2 * count)])
    return fit_logistic(features, truth)


def _others(types: torch.Tensor, seed: int, *, same_type: bool) -> torch.Tensor:
    """(N,) for each row another one, drawn with the seed; of the same type where there is one."""
    generator = np.random.default_rng(seed)
    count = len(types)
    drawn = (np.arange(count) + generator.integers(1, count, count)) % count
    if same_type:
        for value in np.unique(types.numpy()):
            shuffled = generator.permutation(np.flatnonzero(types.numpy() == value))
            drawn[shuffled] = np.roll(shuffled, 1) if len(shuffled) > 1 else drawn[shuffled]
    return torch.from_numpy(drawn)


def _round_to_half(fusion: FusionModel) -> None:
    """What is measured is what ships."""
    with torch.no_grad():
        for value in [*fusion.parameters(), fusion.idf]:
            value.copy_(value.half().float())
