"""What words are worth that state a product type which the heads cannot name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.beyond import with_beyond
from model.pool import SIDES, Pool, Weights
from model.scoring import Scorer
from model.taxonomy import load_taxonomy

TYPES = ("chair", "home", "rug")
SCORER = Scorer.of({"product_type": TYPES, "color": (), "material": ()}, TYPES, load_taxonomy())
POOL = Pool({side: Weights((1.0,)) for side in SIDES}, {side: Weights((1.0,), 2.0) for side in SIDES})


def fitted(titles: list[str], kinds: list[str], families: list[int]) -> float:
    """The share of the best score, with heads that know the labelled type rather well."""
    labels = torch.tensor([TYPES.index(kind) for kind in kinds])
    scores = 2.0 * torch.eye(len(TYPES))[labels]
    by_title = {"product_type": {"text": scores}}
    stated = SCORER.stated(titles)
    found = with_beyond(SCORER, {"product_type": POOL}, by_title, {"product_type": labels}, stated, np.array(families))
    assert (found.silent, found.stated) == (POOL.silent, POOL.stated)
    return found.beyond


def test_where_labels_say_another_category_words_are_hardly_believed() -> None:
    """A catalogue that calls storage boxes home, and the cushion of a chair a chair."""
    titles = ["fabric storage box, blue", "lounge cushion"] * 40
    assert fitted(titles, ["home", "chair"] * 40, list(range(80))) < 0.05


def test_where_labels_are_of_the_stated_category_words_keep_their_weight() -> None:
    """The heads cannot name a stool; its category is that of the chairs."""
    assert fitted(["bar stool"] * 80, ["chair"] * 80, list(range(80))) == 1.0


@pytest.mark.parametrize(("count", "families"), [(30, 30), (80, 2)], ids=["few rows", "one family after the other"])
def test_little_evidence_changes_nothing(count: int, families: int) -> None:
    """Of few listings, or many of the same family."""
    numbers = [at % families for at in range(count)]
    assert fitted(["fabric storage box"] * count, ["home"] * count, numbers) == 1.0


def test_titles_that_state_nothing_beyond_change_nothing() -> None:
    """Types that the heads can name are none of its business."""
    assert fitted(["red rug"] * 80, ["home"] * 80, list(range(80))) == 1.0
