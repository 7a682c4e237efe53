"""Figures and thresholds come from `model.scoring`, tags from `model.tagging`: both must say the same of a listing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.extract import Extractor
from model.fusion import ATTRIBUTES, Logits
from model.honesty import Curve
from model.labels import FOUND_IN_TITLES, Labels, Side
from model.pool import SIDES, Pool, Weights
from model.scoring import Scorer, category_matrix, score_all, stated_values
from model.tagging import Tagging
from model.taxonomy import load_taxonomy
from model.types import Prediction, Scores, Vector

TAXONOMY = load_taxonomy()
EXTRACTOR = Extractor(TAXONOMY)
# Two chairs' types share a category, so that a stated type and its category are not raised alike.
TYPES = ("bench", "chair", "rug", "shoes", "stool_seating")
VALUES = {
    "product_type": TYPES,
    "color": ("black", "blue", "red", "white"),
    "material": ("cotton", "leather", "wood"),
    "scene": ("studio",),
}
CATEGORIES, TO_CATEGORY = category_matrix(TYPES, TAXONOMY)
PUBLISHED = (0, 1, 3)
EXPERTS = ("gated", "image", "text", "words")
TITLES = (
    "a thing",
    "wooden chair, red",
    "bench",
    "red and blue rug",
    "leather shoes black",
    "chair or stool in white cotton",
    "beanbag for the garden",
)
CURVES = {
    name: {side: Curve(1.2, 0.8, -0.3, {"red": 0.4, "chair": -0.5}) for side in ("fused", "text_stated", "image")}
    for name in (*ATTRIBUTES, "category")
}
ANSWERS = {**VALUES, "product_type": [TYPES[place] for place in PUBLISHED], "category": CATEGORIES}


def pools(random: np.random.Generator) -> dict[str, Pool]:
    def weights(stated: bool) -> dict[Side, Weights]:
        counts: dict[Side, int] = {"fused": 4, "image": 1, "text": 2}
        return {
            side: Weights(tuple(random.uniform(0.1, 1.5, count)), random.uniform(0, 4) if stated else 0.0)
            for side, count in counts.items()
        }

    return {name: Pool(weights(False), weights(True), float(random.choice([1.0, 0.1]))) for name in ATTRIBUTES}


def labels(found: Mapping[str, Pool]) -> Labels:
    stated: dict[str, dict[str, float]] = {
        name: {side: one.stated for side, one in pool.stated.items()} for name, pool in found.items()
    }
    values = {**VALUES, "product_type": tuple(TYPES[place] for place in PUBLISHED), "category": CATEGORIES}
    beyond = found["product_type"].beyond
    return Labels(values, {}, {**stated, "category": stated["product_type"]}, curves=CURVES, beyond=beyond)


def served(found: Mapping[str, Pool], logits: Mapping[str, Logits], sides: tuple[Side, ...]) -> dict[str, Scores]:
    """As `model.predictor` hands scores on, for a listing that has these sides."""
    by_name = {}
    for name, pool in found.items():
        both = []
        for stated in (False, True):
            one = {side: pool.scores(logits[name], side, stated=stated)[0].numpy() for side in SIDES}
            both.append({**one, "fused": one["fused" if len(sides) == 2 else sides[0]]})
        by_name[name] = both
    by_name["category"] = [{side: one @ TO_CATEGORY for side, one in by.items()} for by in by_name["product_type"]]
    by_name["product_type"] = [
        {side: one[list(PUBLISHED)] for side, one in by.items()} for by in by_name["product_type"]
    ]

    def scores(one: Mapping[Side, Vector], when_stated: Scores | None = None) -> Scores:
        image, text = (one[side] if side in sides else None for side in ("image", "text"))
        return Scores(one["fused"], image, text, when_stated)

    return {name: scores(quiet, scores(told)) for name, (quiet, told) in by_name.items()}


@pytest.mark.parametrize("sides", [("image", "text"), ("text",)], ids=["both", "title"])
@given(seed=st.integers(0, 2**32 - 1), title=st.sampled_from(TITLES))
@settings(max_examples=60)
def test_figures_are_of_what_is_served(seed: int, title: str, sides: tuple[Side, ...]) -> None:
    """Top value and score of each attribute, whatever words state, by both sides and by the title alone."""
    random = np.random.default_rng(seed)
    found = pools(random)
    logits: dict[str, Logits] = {
        name: {expert: torch.from_numpy(random.normal(0, 2, (1, len(VALUES[name])))).float() for expert in EXPERTS}
        for name in ATTRIBUTES
    }
    stated = stated_values(EXTRACTOR, [title], VALUES, CATEGORIES, PUBLISHED)
    truth = {name: np.zeros(1, np.int64) for name in ATTRIBUTES}
    scored = score_all(found, logits, stated, truth, PUBLISHED, TO_CATEGORY, CURVES, ANSWERS)
    prediction = Prediction(served(found, logits, sides), None, (), None, (), None)
    tags = Tagging(labels(found), TAXONOMY).resolve(prediction, EXTRACTOR.read(title, "", ()), title, was_read=False)
    said = {one.value for one in EXTRACTOR.extract(title, "", ()) if one.attribute == "product_type"}
    side = "fused" if len(sides) == 2 else sides[0]
    for name in ("category", *ATTRIBUTES):
        values = labels(found).values[name]
        row = scored.scores[name][side][0]
        told = (tags.category if name == "category" else tags.attributes[name]).values
        if name in FOUND_IN_TITLES and not stated[name].any():
            continue  # titles that state none are in no figure, and their guesses are not heard
        is_beyond = not told or any(one.value not in values for one in told)
        if is_beyond and name == "product_type" and said - set(values):
            continue  # a stated type that the heads cannot name is served, and stands in no figure
        if not told:  # all that could be named is next to impossible
            assert row.max() < 1e-4
            continue
        best = told[0]
        assert all(one.value in values for one in told)
        assert best.value == values[int(row.argmax())], (name, asdict(best))
        assert best.score == pytest.approx(float(row.max()), abs=2e-4)


def test_a_label_is_another_name_for_a_stated_type_of_its_category_or_where_it_is_a_drawer() -> None:
    """A stool called a chair, and a rug called `home`; no other errors, and only of product types."""
    types = (*TYPES, "home")
    scorer = Scorer.of({**VALUES, "product_type": types}, types, TAXONOMY)
    rows = [("a stool", "chair"), ("bench", "bench"), ("red rug", "home"), ("shoes", "rug"), ("a thing", "home")]
    stated = scorer.stated([title for title, _ in rows])["product_type"]
    labels = torch.tensor([types.index(label) for _, label in rows])
    logits = {"image": torch.zeros(len(rows), len(types))}
    found = scorer.fitting("product_type", logits, labels, stated)
    assert found.renamed.tolist() == [True, False, True, False, False]
    assert not scorer.fitting("color", logits, labels % 4, stated).renamed.any()
    unlabelled = scorer.fitting("product_type", logits, torch.where(labels == 0, -1, labels), stated)
    assert len(unlabelled.labels) == 4
