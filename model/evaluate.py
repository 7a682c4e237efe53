"""``hangtag evaluate``: how good a checkpoint is on rows that training never saw.

Each attribute is measured by picture alone, title alone, title with the words that state colour and material masked,
and both together, because colour, material and type stand in most titles: one figure would flatter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.calibrate import Outcomes, expected_calibration_error, threshold_for
from model.dataset import Row, load_rows
from model.features import Features, compute_features
from model.fusion import ATTRIBUTES, FusionModel, Logits
from model.predictor import choose_device
from model.presence_data import evaluate_presence
from model.taxonomy import load_taxonomy
from model.weights import SHIPPED, Vocabulary, load

TARGET = 0.95

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def evaluate(
    checkpoint: Path | None, data: Path, *, device: str = "auto", cache: Path = Path(".cache/features")
) -> dict[str, Any]:
    """Figures of a checkpoint (None: the shipped one) on the test rows of ``data``, as JSON-ready values."""
    loaded = load(checkpoint or SHIPPED)
    rows = [row for row in load_rows(data) if row.split == "test"]
    place = choose_device(device)
    image, text = loaded.image.to(place), loaded.text.to(place)
    features = compute_features(rows, image, text, loaded.config.image_side, cache, lambda _: None)
    figures = evaluate_features(loaded.fusion, loaded.vocabulary, loaded.outcomes, features, rows)
    if loaded.presence is not None:
        see = partial(compute_features, image_tower=image, text_tower=text, side=loaded.config.image_side, cache=cache)
        figures["text_presence"] = evaluate_presence(
            loaded.presence, features.images, rows, lambda more: see(more, log=lambda _: None).images, cache
        )
    return figures


def evaluate_features(
    fusion: FusionModel,
    vocabulary: Vocabulary,
    outcomes: Mapping[str, Mapping[str, Outcomes]],
    features: Features,
    rows: Sequence[Row],
) -> dict[str, Any]:
    """Figures on those of ``rows`` that are test rows; thresholds come from the calibration ``outcomes``."""
    test = np.array([index for index, row in enumerate(rows) if row.split == "test"])
    titled = test[[bool(rows[index].title) for index in test]]
    with torch.inference_mode():
        scores = _all_scores(fusion, vocabulary, features, titled)
        scene_rows = test[label_ids([rows[i] for i in test], "scene", vocabulary.values["scene"]) >= 0]
        scene_logits = fusion.scene(torch.from_numpy(features.images[scene_rows]))
        scenes = torch.softmax(scene_logits / vocabulary.scene_temperature, dim=1).numpy()
        association = _association_accuracy(fusion, vocabulary, features, titled)
    chosen = [rows[index] for index in titled]
    found: dict[str, Any] = {"rows": {"listings": len(titled), "scenes": len(scene_rows)}, "association": association}
    for name in ATTRIBUTES:
        truth = label_ids(chosen, name, vocabulary.values[name])
        found[name] = _figures_by_side({side: one[name] for side, one in scores.items()}, truth, outcomes.get(name, {}))
    truth, by_category = _categories(vocabulary, chosen, scores)
    found["category"] = _figures_by_side(by_category, truth, outcomes.get("category", {}))
    scene_truth = label_ids([rows[i] for i in scene_rows], "scene", vocabulary.values["scene"])
    found["scene"] = _figures_by_side({"fused": scenes}, scene_truth, outcomes.get("scene", {}))
    return found


def label_ids(rows: Sequence[Row], attribute: str, values: tuple[str, ...]) -> Ints:
    """(N,) index of each row's label in ``values``, -1 where it has none there."""
    index = {value: place for place, value in enumerate(values)}
    return np.array([index.get(row.labels.get(attribute, ""), -1) for row in rows], np.int64)


def side_scores(
    vocabulary: Vocabulary, logits: Mapping[str, Logits], truth: Mapping[str, Ints]
) -> dict[str, dict[str, Outcomes]]:
    """Top score and whether it was right, by attribute (``category`` included) and side, on rows with a label."""
    found: dict[str, dict[str, Outcomes]] = {}
    types: dict[str, Floats] = {}
    for name in ATTRIBUTES:
        by_side = _by_side(vocabulary, name, logits[name])
        if name == "product_type":
            types = by_side
        known = truth[name] >= 0
        found[name] = {side: _outcomes(scores[known], truth[name][known]) for side, scores in by_side.items()}
    to_category, ids = _category_of_types(vocabulary)
    known = truth["product_type"] >= 0
    wanted = ids[truth["product_type"][known]]
    found["category"] = {side: _outcomes(scores[known] @ to_category, wanted) for side, scores in types.items()}
    return found


def _by_side(vocabulary: Vocabulary, name: str, logits: Logits) -> dict[str, Floats]:
    pool = vocabulary.pools[name]
    found = {"fused": pool.fused(logits), "image": pool.image_alone(logits), "text": pool.text_alone(logits)}
    return {side: scores.numpy() for side, scores in found.items()}


def _outcomes(scores: Floats, truth: Ints) -> Outcomes:
    return Outcomes(scores.max(axis=1), scores.argmax(axis=1) == truth)


def _all_scores(
    fusion: FusionModel, vocabulary: Vocabulary, features: Features, rows: Ints
) -> dict[str, dict[str, Floats]]:
    """By side (two of them with masked titles) and attribute."""
    there = torch.ones(len(rows), dtype=torch.bool)
    images = torch.from_numpy(features.images[rows])
    found: dict[str, dict[str, Floats]] = {}
    for suffix, titles in (("", features.titles), ("_masked", features.masked)):
        logits = fusion(images, torch.from_numpy(titles[rows]), there, there)
        for name in ATTRIBUTES:
            for side, scores in _by_side(vocabulary, name, logits[name]).items():
                found.setdefault(side + suffix, {})[name] = scores
    del found["image_masked"]
    return found


def _category_of_types(vocabulary: Vocabulary) -> tuple[Floats, Ints]:
    """(types, categories) membership, and each type's category index."""
    taxonomy = load_taxonomy()
    types = vocabulary.values["product_type"]
    ids = np.array([taxonomy.categories.index(taxonomy.category_of(name) or "") for name in types], np.int64)
    return np.eye(len(taxonomy.categories), dtype=np.float32)[ids], ids


def _categories(
    vocabulary: Vocabulary, rows: Sequence[Row], scores: Mapping[str, Mapping[str, Floats]]
) -> tuple[Ints, dict[str, Floats]]:
    taxonomy = load_taxonomy()
    to_category, _ = _category_of_types(vocabulary)
    paths = [taxonomy.category_of(row.labels.get("product_type", "")) for row in rows]
    truth = np.array([taxonomy.categories.index(path) if path else -1 for path in paths], np.int64)
    return truth, {side: one["product_type"] @ to_category for side, one in scores.items()}


def _figures_by_side(
    by_side: Mapping[str, Floats], truth: Ints, outcomes: Mapping[str, Outcomes]
) -> dict[str, dict[str, Any]]:
    known = truth >= 0
    return {side: _figures(scores[known], truth[known], outcomes.get(side)) for side, scores in by_side.items()}


def _figures(scores: Floats, truth: Ints, calibration: Outcomes | None) -> dict[str, Any]:
    top = scores.argmax(axis=1)
    right = top == truth
    best = np.argsort(-scores, axis=1)[:, :5]
    figures: dict[str, Any] = {
        "rows": len(truth),
        "accuracy": round(float(right.mean()), 4),
        "interval_95": [round(bound, 4) for bound in _interval(int(right.sum()), len(right))],
        "top_5": round(float((best == truth[:, None]).any(axis=1).mean()), 4),
        "macro_f1": round(_macro_f1(top, truth), 4),
        "calibration_error": round(expected_calibration_error(scores.max(axis=1), right), 4),
    }
    if calibration is not None:
        threshold = threshold_for(calibration, TARGET)
        accepted = scores.max(axis=1) >= (2.0 if threshold is None else threshold)
        figures["target"] = TARGET
        figures["threshold"] = threshold and round(threshold, 4)
        figures["coverage_at_target"] = round(float(accepted.mean()), 4)
        figures["precision_at_target"] = round(float(right[accepted].mean()), 4) if accepted.any() else None
    return figures


def _interval(correct: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z = 1.96
    share, n = correct / count, count
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - spread, middle + spread


def _macro_f1(found: Ints, truth: Ints) -> float:
    values = []
    for label in np.unique(truth):
        hits = int(((found == label) & (truth == label)).sum())
        values.append(2 * hits / (int((found == label).sum()) + int((truth == label).sum())))
    return float(np.mean(values))


def _association_accuracy(
    fusion: FusionModel, vocabulary: Vocabulary, features: Features, rows: Ints
) -> dict[str, Any]:
    """How often own titles score above 0.5 and titles of other listings below."""
    left, right = fusion.similarity(torch.from_numpy(features.images[rows]), torch.from_numpy(features.titles[rows]))
    scale, offset = vocabulary.association
    own = torch.sigmoid(scale * (left * right).sum(dim=1) + offset) >= 0.5
    others = torch.sigmoid(scale * (left * right.roll(1 + len(rows) // 2, dims=0)).sum(dim=1) + offset) < 0.5
    accuracy = float(torch.cat([own, others]).float().mean())
    return {"rows": 2 * len(rows), "accuracy": round(accuracy, 4)}
