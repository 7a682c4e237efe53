"""Titles to hashed n-grams."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.ngrams import NUM_COLUMNS, bags, count_documents, idf, is_familiar, word_bits

ONES = np.ones(NUM_COLUMNS, np.float32)
titles = st.lists(st.text(max_size=60), max_size=6)


def dense(title: str) -> np.ndarray:
    found = bags([title], ONES)
    row = np.zeros(NUM_COLUMNS, np.float32)
    row[found.columns] = found.weights
    return row


@given(titles)
def test_every_title_gets_a_row_of_length_one_or_nothing(given_titles: list[str]) -> None:
    """Rows stand in order, with distinct columns; only a title without words is empty."""
    found = bags(given_titles, ONES)
    assert len(found.starts) == len(given_titles) + 1
    for row in range(len(given_titles)):
        own = slice(found.starts[row], found.starts[row + 1])
        assert len(set(found.columns[own])) == len(found.columns[own])
        assert len(found.columns[own]) == 0 or abs(float((found.weights[own] ** 2).sum()) - 1) < 1e-4


@given(titles, st.data())
def test_rows_can_be_taken_in_any_order(given_titles: list[str], data: st.DataObject) -> None:
    """Taking rows gives what those titles give."""
    chosen = data.draw(st.lists(st.integers(0, max(0, len(given_titles) - 1)), max_size=5)) if given_titles else []
    taken = bags(given_titles, ONES).take(np.array(chosen, np.int64))
    alone = bags([given_titles[index] for index in chosen], ONES)
    assert np.array_equal(taken.columns, alone.columns)
    assert np.array_equal(taken.starts, alone.starts)
    assert np.allclose(taken.weights, alone.weights)


def test_spelling_that_means_the_same_is_the_same() -> None:
    """Case and composed letters do not matter; a word that is close to another is not far from it."""
    assert np.allclose(dense("Café CHAIR"), dense("cafe\u0301 chair"))
    assert dense("backpack") @ dense("backpacks") > 0.6 > dense("backpack") @ dense("teapot")


def test_rare_n_grams_weigh_more() -> None:
    """A word of one title in a hundred outweighs one that all have."""
    known = ["red chair"] * 99 + ["teal chair"]
    weights = idf(count_documents(known), len(known))
    found = bags(["teal chair"], weights)
    teal = dense("teal") > 0
    row = np.zeros(NUM_COLUMNS, np.float32)
    row[found.columns] = found.weights
    assert row[teal & ~(dense("chair") > 0)].max() > row[(dense("chair") > 0) & ~teal].max()


def test_titles_in_unknown_words_are_not_familiar() -> None:
    """Known once is not known: brands and codes stand in one title. Numbers say nothing about a language."""
    bits = word_bits(["red wooden chair", "red table", "wooden table", "chair xqzt"])
    assert is_familiar("wooden chair 42 cm", bits)
    assert is_familiar("", bits)
    assert is_familiar("12 x 4", bits)
    assert not is_familiar("roter Holzstuhl", bits)
    assert not is_familiar("红色木椅", bits)
    assert not is_familiar("xqzt", bits)
    assert not is_familiar("wooden xqzt", bits)  # half is not most
    assert not is_familiar("红色木椅", np.ones_like(bits))  # a bit that is set for a run is another word's
