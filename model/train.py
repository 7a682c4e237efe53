"""``hangtag train``: towers are imported, experts fitted, pooled, calibrated and measured.

Pools, curves, thresholds and the association come from out-of-fold scores: three times experts are fitted on two thirds
of the training rows, and towers tuned where the preset asks for it, and asked about the rest, families kept together.
Test rows are used once, for the figures. How long to train is found on one of these folds, never on test rows. The same
seed on the same data gives the same checkpoint, also when the run was killed on the way and started again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.association import sides_of
from model.beyond import with_beyond
from model.calibrate import Outcomes, fit_pool, honest_outcomes
from model.class_expert import MIN_ROWS, are_told
from model.config import ModelConfig
from model.doubts import doubt_of, fit_association
from model.errors import ModelError
from model.evaluate import evaluate_features, noise_figures
from model.fusion import ATTRIBUTES, FusionModel
from model.image import ImageTower
from model.labels import UNTAUGHT
from model.measuring.card import write_card
from model.measuring.intervals import family_numbers
from model.measuring.precision import learn_int8, part_of
from model.measuring.provenance import name_of
from model.packing import pack, unpack
from model.parts import all_features
from model.pool import Pool
from model.predictor import choose_device
from model.presence.presence_data import learn_presence
from model.scenes.image_classes import scenes_of_classes, untaught_scenes
from model.scoring import Scorer
from model.taxonomy import load_taxonomy
from model.training.bring import bring_towers
from model.training.catalogue import rows_of
from model.training.dataset import Row, Split
from model.training.features import Features, read_titles, see_images
from model.training.fit import (
    Examples,
    Length,
    choose_length,
    examples_of,
    fit_experts,
    remember_words,
    worth_remembering,
)
from model.training.folds import NUM_FOLDS, fold_of_rows
from model.training.out_of_fold import OutOfFold, ask, scene_outcomes, together
from model.training.preset import Preset
from model.training.progress import Meter, ShowProgress, silent
from model.training.resume import UNFINISHED, Unfinished, begin, key_of, refuse_taken
from model.training.trained_on import save_trained_on
from model.training.tuning import Tuned, Tuning
from model.weights import Vocabulary, load_towers, save_heads, save_outcomes, seal

MIN_TYPE_ROWS = 20
MIN_MATERIAL_ROWS = 15

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
    patience: int
    seed: int
    log: Log
    meter: Meter
    tuning: Tuning

    def choose_length(self, rows: torch.Tensor, watched: torch.Tensor) -> Length:
        torch.manual_seed(self.seed)
        one = (self.config, self.data, (rows, watched), self.sizes, self.epochs, self.patience, self.log)
        return choose_length(*one, self.meter.step)

    def fit(self, rows: torch.Tensor, length: Length) -> tuple[FusionModel, Tuned]:
        """Experts that have seen ``rows``, above towers that have seen no others."""
        tuned = self.tuning.on(rows)
        torch.manual_seed(self.seed)
        fusion = fit_experts(self.config, self.data, rows, self.sizes, length, self.log, self.meter.step)
        tuned.give_heads(fusion)
        return fusion, tuned


def train(
    data: Path,
    out: Path,
    *,
    preset: Preset | None = None,
    seed: int = 0,
    epochs: int | None = None,
    device: str = "auto",
    cache: Path = Path(".cache/features"),
    log: Log = lambda _: None,
    progress: ShowProgress = silent,
    image_tower: str | None = None,
    text_tower: str | None = None,
) -> TrainReport:
    """Write a complete checkpoint to the new folder ``out``. Raises ModelError when it is none, or data is missing.

    What a run that was killed had finished is found in ``out/unfinished``. ``epochs``: so many passes, no early
    stopping. ``image_tower``, ``text_tower``: as `model.towers.spec` has them, in place of the preset's.
    """
    preset = preset or Preset()
    preset = replace(preset, image_tower=image_tower or preset.image_tower, text_tower=text_tower or preset.text_tower)
    how = _How(seed, epochs, choose_device(device), cache, log, progress)
    _refuse(seed, out)
    rows = rows_of(data, log)
    given = _prepare(rows, vocabularies(rows), out, preset, how)
    recipe = given.recipe
    folds = _folds(given)
    key = key_of(asdict(recipe.config), recipe.epochs, recipe.patience, seed, folds, *_arrays(recipe.data))
    unfinished = Unfinished(out / UNFINISHED, key, log)
    length = _length(recipe, rows, folds, unfinished)
    found = _out_of_fold(recipe, rows, folds, length, unfinished)
    vocabulary, outcomes = _calibrate(recipe, rows, found, given.values)
    recipe.meter.begin("fitting on all training rows")
    log("fitting on all training rows")
    fusion, tuned = recipe.fit(_rows_of(rows, "train"), length)
    tuned.save(out)
    remember_words(fusion, [title for row in rows if row.split == "train" and (title := row.title or row.made_title)])
    _save_heads(out, fusion, vocabulary, outcomes)
    features = tuned.seen(given.features)
    _save_presence(out, given, features, how)
    _save_int8(out, given, features, (fusion, vocabulary), how)
    _, text = load_towers(out, recipe.config)
    read = partial(read_titles, tower=text.to(how.place))
    figures = evaluate_features(fusion, vocabulary, outcomes, features, rows, read) | noise_figures(rows, cache)
    write_card(out, recipe.config, vocabulary, given.origins, rows, figures, data)
    unfinished.clear()  # not before: a kill on the way here would cost every fold again
    seal(out)
    unfinished.close()
    return TrainReport(out, figures)


@dataclass(frozen=True, slots=True)
class _How:
    """What the command line says beside the preset."""

    seed: int
    epochs: int | None
    place: torch.device
    cache: Path
    log: Log
    progress: ShowProgress


@dataclass(frozen=True, slots=True)
class _Given:
    """What there is before anything is fitted. The image tower is as it came."""

    rows: Sequence[Row]
    image: ImageTower
    features: Features
    values: Mapping[str, tuple[str, ...]]
    origins: Mapping[str, str]
    recipe: _Recipe


def _prepare(
    rows: Sequence[Row], values: Mapping[str, tuple[str, ...]], out: Path, preset: Preset, how: _How
) -> _Given:
    """Bring the towers, ask them, and lay out what to fit."""
    begin(out)
    own = [row.title for row in rows if row.split == "train" and row.title]
    specs = (preset.image_tower, preset.text_tower)
    brought = bring_towers(
        out,
        *specs,
        base=replace(preset.model, name=name_of(preset.model.name, rows)),
        titles=own,
        seed=how.seed,
        log=how.log,
    )
    values, config = with_untaught(values, brought.config)
    save_trained_on(out, rows)
    image, text = load_towers(out, config.untuned())
    towers = (image.to(how.place), text.to(how.place))
    titles = [row.title or row.made_title for row in rows]
    features = all_features(rows, titles, towers, config, how.cache, how.log)
    examples = examples_of(rows, features, values)
    known = worth_remembering(_rows_of(rows, "train"), examples.labels)
    memory_rows = min(config.memory_rows, len(known))
    config = replace(config, memory_rows=memory_rows, class_types=config.class_types and memory_rows >= MIN_ROWS)
    config.save(out / "config.json")
    sizes = {name: len(one) for name, one in values.items()}
    tuning = Tuning(config, towers, examples, sizes, how.cache, how.seed, how.log)
    tuning.prepare(rows, titles, features.masked_titles)
    passes, patience = how.epochs or preset.epochs, 0 if how.epochs else preset.patience
    meter = Meter(passes * (NUM_FOLDS + 1 + bool(patience)), how.progress)
    recipe = _Recipe(config, examples, sizes, passes, patience, how.seed, how.log, meter, tuning)
    return _Given(rows, image, features, values, brought.origins, recipe)


def _refuse(seed: int, out: Path) -> None:
    """Raise ModelError for what would fail after an hour, or cost what is there."""
    if seed < 0:
        raise ModelError(f"--seed: {seed} is negative; give 0 or more")
    refuse_taken(out)


def _save_heads(
    out: Path, fusion: FusionModel, vocabulary: Vocabulary, outcomes: Mapping[str, Mapping[str, Outcomes]]
) -> None:
    fusion.load_state_dict(unpack(pack(fusion.state_dict())))  # what is measured is what ships
    save_heads(out, fusion)
    save_outcomes(out, outcomes)
    (out / "labels.json").write_text(json.dumps(vocabulary.to_json(), indent=1) + "\n", encoding="utf-8")


def _save_presence(out: Path, given: _Given, features: Features, how: _How) -> None:
    side = given.recipe.config.image_side
    width = given.recipe.config.image_dim  # details and tuned stages are not asked

    def see(pictures: Sequence[Row]) -> np.ndarray:
        return see_images(pictures, given.image, side, how.cache, how.log)[:, :width]

    presence = learn_presence(features.images[:, :width], given.rows, see, how.cache)
    if presence is not None:
        presence.save(out)


def _save_int8(out: Path, given: _Given, features: Features, heads: tuple[FusionModel, Vocabulary], how: _How) -> None:
    """Of a tower whose stages stand there twice nothing is measured: ranges are by layer of the one that came."""
    test = [index for index in _rows_of(given.rows, "test").tolist() if given.rows[index].title]
    if test and not given.recipe.config.tuned_image_blocks:
        compared = (part_of(features, test), [given.rows[index] for index in test])
        training = [row for row in given.rows if row.split == "train"]
        learn_int8(given.image, heads, training, compared, given.image.framing, how.cache, how.log).save(out)


def _arrays(data: Examples) -> list[torch.Tensor]:
    scenes = [data.scenes.measures, data.scenes.backdrops] if data.scenes is not None else []
    told = [data.told] if data.told is not None else []
    return [data.images, data.colors, data.titles, data.masked, *scenes, *told, *data.labels.values()]


def vocabularies(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """Values per attribute, sorted: what training rows hold often enough, `UNTAUGHT` where they hold nothing so. Rare
    product types stand together, as their category.

    Raises ModelError where no product type could be named, or too few listings have a title.
    """
    titled = sum(row.split == "train" and bool(row.title) for row in rows)
    if titled < MIN_TYPE_ROWS:
        raise ModelError(f"{titled} training listings have a title; at least {MIN_TYPE_ROWS} are needed: give more")
    if not published_types(rows):
        most = max(_counts(rows, "product_type").values(), default=0)
        raise ModelError(
            f"product_type: no value has {MIN_TYPE_ROWS} training listings, the commonest has {most}; label more, or "
            "keep the shipped checkpoint and calibrate it: 'hangtag evaluate --data … --recalibrate OUT'"
        )
    least = {"color": 1, "material": MIN_MATERIAL_ROWS, "scene": MIN_TYPE_ROWS}
    often = {name: sorted(v for v, n in _counts(rows, name).items() if n >= few) for name, few in least.items()}
    found = {name: tuple(values) or UNTAUGHT for name, values in often.items()}
    taxonomy = load_taxonomy()
    types = {
        value if count >= MIN_TYPE_ROWS else taxonomy.category_of(value) or value
        for value, count in _counts(rows, "product_type").items()
    }
    return {"product_type": tuple(sorted(types))} | found


def with_untaught(
    values: Mapping[str, tuple[str, ...]], config: ModelConfig
) -> tuple[dict[str, tuple[str, ...]], ModelConfig]:
    """With the scenes that the image tower's own classes tell beside those taught; without classes that tell neither
    scenes nor product types.
    """
    taxonomy = load_taxonomy()
    others = untaught_scenes(values["scene"], taxonomy.scenes if config.image_classes else ())
    scenes = (*values["scene"], *others)
    is_complete = bool(config.image_classes and config.ground_dim and config.memory_rows)
    has_types = is_complete and are_told(values["product_type"], taxonomy)
    is_told = has_types or not set(scenes).isdisjoint(scenes_of_classes().values())
    image_classes = config.image_classes if is_told else 0
    config = replace(config, image_classes=image_classes, class_types=has_types, untaught_scenes=others)
    return {**values, "scene": scenes}, config


def published_types(rows: Sequence[Row]) -> tuple[str, ...]:
    """Product types with enough training rows to be named."""
    return tuple(sorted(v for v, n in _counts(rows, "product_type").items() if n >= MIN_TYPE_ROWS))


def _counts(rows: Sequence[Row], attribute: str) -> Counter[str]:
    return Counter(row.labels[attribute] for row in rows if row.split == "train" and attribute in row.labels)


def _rows_of(rows: Sequence[Row], split: Split) -> torch.Tensor:
    return torch.tensor([index for index, row in enumerate(rows) if row.split == split], dtype=torch.long)


# ---- out of fold ----------------------------------------------------------------------------------------------------


def _folds(given: _Given) -> torch.Tensor:
    """(N,) by row. Raises ModelError where there are too few families to ask about rows whose family was not seen."""
    folds = fold_of_rows(given.rows, given.features.images[:, : given.recipe.config.image_dim])
    titled = np.array([row.split == "train" and bool(row.title) for row in given.rows])
    if len(np.unique(folds[titled])) < NUM_FOLDS:
        raise ModelError(
            f"training listings fall into fewer than {NUM_FOLDS} parts that share no family and no picture; give more "
            "of other kinds, or tell families apart by the field family"
        )
    return torch.from_numpy(folds)


def _length(recipe: _Recipe, rows: Sequence[Row], folds: torch.Tensor, unfinished: Unfinished) -> Length:
    """Found by a fit that watches the first fold; with no patience, all epochs."""
    if not recipe.patience:
        return Length(recipe.epochs)
    recipe.meter.begin("how long to train")
    training = _rows_of(rows, "train")

    def compute() -> dict[str, torch.Tensor]:
        found = recipe.choose_length(training[folds[training] != 0], training[folds[training] == 0])
        return {"passes": torch.tensor(found.num_passes)}

    length = Length(recipe.epochs, int(unfinished.part("length", compute)["passes"]))
    recipe.meter.reach(recipe.epochs)
    recipe.meter.shorten((recipe.epochs - length.num_passes) * (NUM_FOLDS + 1))
    return length


def _out_of_fold(
    recipe: _Recipe, rows: Sequence[Row], folds: torch.Tensor, length: Length, unfinished: Unfinished
) -> OutOfFold:
    training = _rows_of(rows, "train")

    def compute(fold: int) -> dict[str, torch.Tensor]:
        recipe.log(f"fold {fold + 1} of {NUM_FOLDS}")
        fusion, tuned = recipe.fit(training[folds[training] != fold], length)
        with torch.inference_mode():
            return ask(fusion, tuned.examples, training[folds[training] == fold]).tensors()

    parts = []
    for fold in range(NUM_FOLDS):
        recipe.meter.begin(f"fold {fold + 1} of {NUM_FOLDS}")
        name = f"fold-{fold + 1}"
        if unfinished.has(name):
            recipe.meter.step(length.num_passes)
        parts.append(OutOfFold.from_tensors(unfinished.part(name, partial(compute, fold))))
    return together(parts)


# ---- calibrate ------------------------------------------------------------------------------------------------------


def _calibrate(
    recipe: _Recipe, rows: Sequence[Row], found: OutOfFold, values: Mapping[str, tuple[str, ...]]
) -> tuple[Vocabulary, dict[str, dict[str, Outcomes]]]:
    titles = [rows[index].title for index in found.rows.tolist()]
    labels = {name: recipe.data.labels[name][found.rows] for name in ATTRIBUTES}
    published = published_types(rows)
    scorer = Scorer.of(values, published, load_taxonomy())
    stated = scorer.stated(titles)
    pools = {name: _fit_pool(scorer, found, name, labels[name], stated[name]) for name in ATTRIBUTES}
    truth = {name: one.numpy() for name, one in labels.items()}
    families = family_numbers([rows[index] for index in found.rows.tolist()])
    pools["product_type"] = with_beyond(scorer, pools, found.logits, labels, stated, families)
    scored = replace(scorer.score(pools, found.logits, stated, truth), families=families)
    curves, outcomes = honest_outcomes(scored.judged())
    num_taught = len(values["scene"]) - len(recipe.config.untaught_scenes)
    temperature, of_scenes = scene_outcomes(found, recipe.data.labels["scene"][found.scene_rows], num_taught)
    outcomes |= of_scenes
    sides = sides_of(found.vectors, found.logits, pools)
    association = fit_association(sides, labels["product_type"], recipe.seed)
    doubts = {name: one for name in scored.scores if (one := doubt_of(scored, name)) is not None}
    return Vocabulary(values, published, pools, temperature, association, doubts, curves=curves), outcomes


def _fit_pool(scorer: Scorer, found: OutOfFold, name: str, labels: torch.Tensor, stated: torch.Tensor) -> Pool:
    plain = scorer.fitting(name, found.logits[name], labels, stated)
    masked = scorer.fitting(name, found.masked[name], labels, torch.zeros_like(stated))
    return fit_pool(plain, masked if bool(stated.any()) else None)
