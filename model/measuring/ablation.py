"""Which fusion helps? Every one trained on the same cached features, with several seeds, and measured side by side.

Each fit sees two thirds of the training families. On the last third pools are fitted, as `hangtag train` does on
every fold; test rows are used for the figures alone. All fits make the same number of passes. Intervals come from a
bootstrap over rows and seeds at once, gains are paired: both models are asked about the same rows after the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.calibrate import fit_pool
from model.config import ModelConfig
from model.errors import ModelError
from model.fusion import ATTRIBUTES, SINGLE_SIDED, FusionModel, Logits
from model.fusions.registry import FUSIONS, refuse_other_fusions
from model.measuring.ablation_figures import PICTURE, PICTURE_MISSING, STACKING, TITLE, TITLE_MISSING, Right, summarise
from model.parts import all_features
from model.pool import Pool
from model.predictor import choose_device
from model.scoring import Scored, Scorer
from model.taxonomy import load_taxonomy
from model.train import published_types, vocabularies, with_untaught
from model.training.catalogue import rows_of
from model.training.dataset import Row
from model.training.features import Features
from model.training.fit import (
    Examples,
    Length,
    examples_of,
    fit_classes,
    fit_memory,
    fit_network,
    fit_surroundings,
    fit_words,
)
from model.training.folds import fold_of_rows
from model.training.progress import Meter, ShowProgress, silent
from model.weights import SHIPPED, load_towers

MASKED = ("color", "material")  # attributes whose telling words can be hidden
EVERY: Sequence[str] = ()

Log = Callable[[str], None]


def ablate(
    data: Path,
    *,
    num_seeds: int = 3,
    epochs: int = 18,
    fusions: Sequence[str] = tuple(FUSIONS),
    device: str = "auto",
    cache: Path = Path(".cache/features"),
    checkpoint: Path = SHIPPED,
    log: Log = lambda _: None,
    progress: ShowProgress = silent,
) -> dict[str, Any]:
    """Figures as JSON-ready values, for `model.measuring.ablation_figures.ablation_tables`; towers are those of
    ``checkpoint``.

    Raises ModelError when data is missing.
    """
    refuse_other_fusions(fusions)  # not after the first ones were trained
    rows = rows_of(data, log)
    config = replace(ModelConfig.load(checkpoint / "config.json").untuned(), fusions=tuple(fusions))
    values, config = with_untaught(vocabularies(rows), config)
    features = features_by(rows, config, checkpoint, device, cache, log)
    bench = _bench(rows, features, values, config.image_dim)
    meter = Meter(num_seeds * len(fusions) * epochs, progress)
    right: Right = {}
    words: Mapping[str, torch.Tensor] = {}
    for seed in range(num_seeds):
        for name in fusions:
            meter.begin(f"{name}, seed {seed}")
            torch.manual_seed(seed)
            one = replace(config, fusions=(name,))
            fusion = fit_network(one, bench.data, bench.fitted, bench.sizes, Length(epochs), log, meter.step)
            if not words:  # a linear solver without chance: the same for all
                fit_words(fusion, bench.data, bench.fitted)
                words = fusion.words.state_dict()
            fusion.words.load_state_dict(words)
            fit_surroundings(one, fusion, bench.data, bench.fitted)
            fit_memory(one, fusion, bench.data, bench.fitted)
            fit_classes(fusion, bench.data, bench.fitted)
            with torch.inference_mode():
                asked = {key: bench.ask(fusion, *how) for key, how in _QUESTIONS.items()}
            _note(right, bench, name, asked, is_first=name == fusions[0])
    return {"seeds": num_seeds, "epochs": epochs, "fitted_rows": len(bench.fitted), "figures": summarise(right)}


# What fusions are asked, on which rows: ("test" or "held", title masked, with picture, with title)
_QUESTIONS = {
    "held": ("held", False, True, True),
    "held_masked": ("held", True, True, True),
    "plain": ("test", False, True, True),
    "masked": ("test", True, True, True),
    "no_picture": ("test", False, False, True),
    "no_title": ("test", False, True, False),
}


@dataclass(frozen=True, slots=True)
class _Bench:
    """The rows, and what of them every fit shares."""

    data: Examples
    sizes: Mapping[str, int]
    fitted: torch.Tensor
    held: torch.Tensor
    test: torch.Tensor
    stated: Mapping[str, Mapping[str, torch.Tensor]]  # "held", "test", "test_masked"
    scorer: Scorer

    def ask(self, fusion: FusionModel, rows: str, masked: bool, picture: bool, title: bool) -> Mapping[str, Logits]:
        """All experts' scores of test or held-out rows."""
        chosen = self.held if rows == "held" else self.test
        parts = []
        for batch in chosen.split(512):  # type: ignore[no-untyped-call]
            inputs = self.data.inputs(batch, hide=torch.full((len(batch),), masked))
            there = torch.ones(len(batch), dtype=torch.bool)
            parts.append(fusion(replace(inputs, has_image=there & picture, has_title=inputs.has_title & title)))
        return {name: {e: torch.cat([p[name][e] for p in parts]) for e in parts[0][name]} for name in ATTRIBUTES}

    def alone(self, logits: Mapping[str, Logits], expert: str) -> dict[str, npt.NDArray[np.float32]]:
        """Probabilities of test rows by one expert as it is."""
        found = {name: torch.softmax(logits[name][expert], dim=1).numpy() for name in ATTRIBUTES}
        types = found["product_type"]
        return found | {
            "product_type": types[:, self.scorer.published],
            "category": types @ self.scorer.to_category,
        }

    def scored(self, pools: Mapping[str, Pool], logits: Mapping[str, Logits], stated: str) -> Scored:
        """Probabilities of test rows by side."""
        truth = {name: self.data.labels[name][self.test].numpy() for name in ATTRIBUTES}
        return self.scorer.score(pools, logits, self.stated[stated], truth)


def features_by(
    rows: Sequence[Row], config: ModelConfig, checkpoint: Path, device: str, cache: Path, log: Log
) -> Features:
    """What the checkpoint's towers see in all rows; what ``cache`` has is read from there."""
    place = choose_device(device)
    image, text = load_towers(checkpoint, config)
    towers = (image.to(place), text.to(place))
    titles = [row.title or row.made_title for row in rows]
    return all_features(rows, titles, towers, config, cache, log)


def _bench(rows: Sequence[Row], features: Features, values: Mapping[str, tuple[str, ...]], image_dim: int) -> _Bench:
    folds = fold_of_rows(rows, features.images[:, :image_dim])
    training = [index for index, row in enumerate(rows) if row.split == "train"]
    held = [index for index in training if folds[index] == 0 and rows[index].title]
    test = [index for index, row in enumerate(rows) if row.split == "test" and row.title]
    if not held or not test:
        raise ModelError("an ablation needs titled listings to train on, to hold out, and to test on")
    titles = {"held": [rows[index].title for index in held], "test": [rows[index].title for index in test]}
    titles["test_masked"] = [features.masked_titles[index] for index in test]
    scorer = Scorer.of(values, published_types(rows), load_taxonomy())
    return _Bench(
        examples_of(rows, features, values),
        {name: len(one) for name, one in values.items()},
        torch.tensor([index for index in training if folds[index] != 0]),
        torch.tensor(held),
        torch.tensor(test),
        {key: scorer.stated(one) for key, one in titles.items()},
        scorer,
    )


def _note(
    right: Right, bench: _Bench, fusion: str, asked: Mapping[str, Mapping[str, Logits]], *, is_first: bool
) -> None:
    """Which test rows one fit had right, whatever it was asked."""
    pools = _pools(bench, asked, EVERY)
    single_pools = _pools(bench, asked, SINGLE_SIDED) if is_first else {}
    for stated, key, title in (("test", "plain", "as it is"), ("test_masked", "masked", "masked")):
        pooled = bench.scored(pools, asked[key], stated)
        _add(right, pooled.truth, f"{fusion}, in the pool", title, _of_side(pooled, "fused"))
        _add(right, pooled.truth, f"{fusion}, alone", title, bench.alone(asked[key], fusion))
        if is_first:  # experts that see one side are fitted beside every fusion: those of the first are shown
            single = bench.scored(single_pools, _chosen(asked[key], SINGLE_SIDED), stated)
            _add(right, single.truth, STACKING, title, _of_side(single, "fused"))
            _add(right, single.truth, TITLE, title, _of_side(single, "text"))
            if key == "plain":
                _add(right, single.truth, PICTURE, "not read", _of_side(single, "image"))
    for key, what, title in (("no_picture", PICTURE_MISSING, "as it is"), ("no_title", TITLE_MISSING, "missing")):
        _add(right, pooled.truth, f"{fusion}, {what}", title, bench.alone(asked[key], fusion))


def _pools(bench: _Bench, asked: Mapping[str, Mapping[str, Logits]], experts: Sequence[str]) -> dict[str, Pool]:
    plain, masked = (_chosen(asked[key], experts) for key in ("held", "held_masked"))
    found = {}
    for name in ATTRIBUTES:
        labels, stated = bench.data.labels[name][bench.held], bench.stated["held"][name]
        rows = bench.scorer.fitting(name, plain[name], labels, stated)
        found[name] = fit_pool(rows, bench.scorer.fitting(name, masked[name], labels, torch.zeros_like(stated)))
    return found


def _chosen(logits: Mapping[str, Logits], experts: Sequence[str]) -> dict[str, Logits]:
    """Scores of some experts; of all where ``experts`` is `EVERY`."""
    return {
        name: {one: scores for one, scores in own.items() if one in experts or experts is EVERY}
        for name, own in logits.items()
    }


def _of_side(scored: Scored, side: str) -> dict[str, npt.NDArray[np.float32]]:
    return {name: by_side[side] for name, by_side in scored.scores.items()}


def _add(
    right: Right,
    truth: Mapping[str, npt.NDArray[np.int64]],
    what: str,
    title: str,
    scores: Mapping[str, npt.NDArray[np.float32]],
) -> None:
    for name in (*ATTRIBUTES, "category"):
        known = truth[name] >= 0  # listings of types that nobody names are left out
        if known.any() and (title != "masked" or name in MASKED):
            top = scores[name][known].argmax(axis=1)
            right.setdefault((name, what, title), []).append(top == truth[name][known])
