"""Titles labelled by hand, and what the extractor finds in them."""

from __future__ import annotations

import tracemalloc

import pytest

from model.extract import Extractor
from model.taxonomy import load_taxonomy
from model.wording.words import WordFinder
from tests.words.__main__ import SETS
from tests.words.further import load_further, understood
from tests.words.labels import agreement, kappa, load_labels, stated

EXTRACTOR = Extractor(load_taxonomy())


@pytest.mark.parametrize(("name", "attribute", "bar"), SETS)
def test_words_are_understood_as_readers_do(name: str, attribute: str, bar: float) -> None:
    """F1 against the labels, over all titles and over the half that was not looked at."""
    rows = load_labels(name, attribute)
    for chosen in (rows, [row for row in rows if row.is_test]):
        found = [stated(EXTRACTOR, row.title, attribute) for row in chosen]
        assert agreement(found, [row.final for row in chosen]).f1 >= bar


@pytest.mark.parametrize(("name", "attribute", "bar"), SETS)
def test_the_labels_are_what_they_say(name: str, attribute: str, bar: float) -> None:
    """Enough titles, read twice with the same result nearly always; values that the taxonomy knows."""
    rows = load_labels(name, attribute)
    assert len({row.title for row in rows}) == len(rows) == (300 if name == "titles" else 200)
    assert kappa([row.first for row in rows], [row.second for row in rows]) > bar
    assert all(row.final in (row.first, row.second) for row in rows)
    if attribute != "size":
        assert frozenset().union(*(row.final for row in rows)) <= set(load_taxonomy().synonyms(attribute))


def test_titles_of_further_languages_are_understood() -> None:
    """Most state their category, few a wrong one, by title alone; so do those that were not looked at, and in every
    language.
    """
    rows = load_further()
    for chosen in (rows, [row for row in rows if row.is_test]):
        found = understood(EXTRACTOR, chosen)
        assert found.right / found.titles >= 0.85
        assert found.wrong / found.titles <= 0.06
        assert found.color.f1 >= 0.9
        assert found.material.f1 >= 0.9
    for language in {row.language for row in rows}:
        found = understood(EXTRACTOR, [row for row in rows if row.language == language])
        assert found.right / found.titles >= 0.65, language


def test_labels_of_further_languages_are_what_the_taxonomy_knows() -> None:
    """And titles stand there once."""
    rows = load_further()
    taxonomy = load_taxonomy()
    assert len({row.title for row in rows}) == len(rows)
    assert frozenset().union(*(row.categories for row in rows)) <= set(taxonomy.categories)
    for name in ("color", "material"):
        assert frozenset().union(*(getattr(row, name) for row in rows)) <= set(taxonomy.synonyms(name))


@pytest.mark.parametrize(
    ("title", "values"),
    [
        ("Matbord ek, svart", {"table", "wood", "black"}),
        ("ΚΑΝΑΠΕΣ ΓΚΡΙ", {"sofa", "grey"}),
        ("кресло кожаное чёрное", {"chair", "leather", "black"}),
        ("KIRMIZI ELBİSE", {"dress", "red"}),
        ("كرسي خشب أسود", {"chair", "wood", "black"}),
        ("लकड़ी की कुर्सी", {"chair", "wood"}),
        ("เก้าอี้ไม้สีดำ", {"chair", "wood", "black"}),
        ("원목 책상 화이트", {"desk", "wood", "white"}),
        ("ソファカバー", {"furniture_cover"}),
        ("小牛皮皮帶 黑", {"accessory", "leather", "black"}),
        ("Bord", set()),
        ("Passenger", set()),
    ],
)
def test_words_of_further_languages_and_scripts(title: str, values: set[str]) -> None:
    """Capitals, accents left out, vowel signs within words, runs; a cover is no sofa, a false friend nothing."""
    found = {
        one.value for one in EXTRACTOR.extract(title, "", ()) if one.attribute in ("product_type", "color", "material")
    }
    assert found == values


def test_agreement_counts_what_is_missing_and_what_is_too_much() -> None:
    """One of two found rightly, one found wrongly: precision, recall and F1 are one half."""
    one = agreement([frozenset("a"), frozenset("b")], [frozenset("a"), frozenset("c")])
    assert (one.precision, one.recall, one.f1, one.whole, one.titles) == (0.5, 0.5, 0.5, 1, 2)
    assert kappa([frozenset("a"), frozenset()], [frozenset(), frozenset("a")]) == -1


def test_a_text_of_one_word_repeated_has_a_limit() -> None:
    """What is found in one text does not grow without end."""
    assert len(WordFinder(load_taxonomy()).find("黑色" * 10_000).stated) <= 200


def test_a_word_longer_than_any_in_use_is_not_looked_into() -> None:
    """What that takes grows with the square of its length; one as long as the longest in use is, and what follows."""
    finder = WordFinder(load_taxonomy())
    longest = "kiefernholz".rjust(64, "x")
    longer = "x" + longest
    assert [one.value for one in finder.find(longest).stated] == ["wood"]
    assert finder.find(longer).stated == [] == finder.find("kiefernholz" * 1_800).stated
    assert [one.value for one in finder.find(f"{longer} kiefernholz").stated] == ["wood"]


def test_a_word_is_found_whatever_stands_around_it() -> None:
    """Punctuation, hyphens, underscores and other alphabets end a word."""
    finder = WordFinder(load_taxonomy())
    for text in ("black", "(black)", "chair_black", "size-black-l", "椅子black色", "black/white"):
        assert "black" in {one.value for one in finder.find(text).stated if one.attribute == "color"}, text


def test_long_words_are_not_remembered() -> None:
    """Listings that each have a word of 20,000 letters would fill gigabytes."""
    finder = WordFinder(load_taxonomy())
    tracemalloc.start()
    for place in range(50):
        finder.find(f"{place:05}" + "x" * 20_000)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 500_000
