"""Whether cited words carry their value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model.extract import Extractor
from model.measuring.evidence_check import evidence_figures
from model.taxonomy import load_taxonomy

EXTRACTOR = Extractor(load_taxonomy())
VALUES = ("blue", "red")
TITLES = ["solid oak chair, red", "blue table lamp with a shade", "wooden stool", "red"]
SCORES = np.array([[0.1, 0.9], [0.9, 0.1], [0.5, 0.5], [0.1, 0.9]], np.float32)


def figures(ask_word: str | None) -> dict[str, object]:
    """Of a side that looks for colour words, or for another word alone."""
    asked: list[str] = []

    def ask(rows: npt.NDArray[np.int64], titles: Sequence[str]) -> npt.NDArray[np.float32]:
        asked.extend(titles)
        found = np.full((len(titles), 2), 0.2, np.float32)
        for place, title in enumerate(titles):
            for value, word in enumerate(VALUES):
                found[place, value] += 0.6 * ((ask_word or word) in title)
        return found

    found = evidence_figures("color", VALUES, TITLES, np.arange(len(TITLES)), SCORES, EXTRACTOR, ask)
    for title in asked:
        assert title == " ".join(title.split())
    assert "solid oak chair," in asked
    return found


def test_words_that_carry_a_value_are_sound() -> None:
    """Only titles that state their own top value, and have as much again beside it, are asked."""
    found = figures(None)
    assert (found["rows"], found["sound"]) == (2, 1.0)


def test_words_that_carry_nothing_are_not() -> None:
    """A side that looks elsewhere does not mind their loss."""
    assert figures("nowhere")["sound"] == 0.0


def test_without_a_stated_value_there_is_no_figure() -> None:
    """None of these titles states a material."""
    scores = np.ones((1, 1), np.float32)
    nothing = evidence_figures("material", ["wood"], ["lamp"], np.arange(1), scores, EXTRACTOR, lambda *_: scores)
    assert nothing == {}
