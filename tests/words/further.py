"""Titles in the languages of ``model/words``: what they sell, in what colour and of what material."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

from model.extract import Extractor
from tests.words.labels import FOLDER, Agreement, Said, agreement, is_of_test, values_of


@dataclass(frozen=True, slots=True)
class Titled:
    """A title and what it states. ``categories`` are all that a shop might choose; none where none fits."""

    language: str
    title: str
    categories: Said
    color: Said
    material: Said

    @property
    def is_test(self) -> bool:
        return is_of_test(self.title)


@dataclass(frozen=True, slots=True)
class Understood:
    """Of some titles: how many state a right category and a wrong one, and what is found of colours and materials."""

    titles: int
    right: int
    wrong: int
    color: Agreement
    material: Agreement


def load_further() -> list[Titled]:
    """All rows in their order."""
    with (FOLDER / "further.csv").open(encoding="utf-8", newline="") as file:
        return [
            Titled(
                row["language"], row["title"], *(values_of(row[name]) for name in ("categories", "color", "material"))
            )
            for row in csv.DictReader(file)
        ]


def understood(extractor: Extractor, rows: Sequence[Titled]) -> Understood:
    """By title alone: no language is named."""
    found = [extractor.extract(row.title, "", ()) for row in rows]

    def values(name: str) -> list[Said]:
        return [frozenset(one.value for one in mentions if one.attribute == name) for mentions in found]

    stated = list(zip(values("category"), rows, strict=True))
    return Understood(
        len(rows),
        sum(bool(said) and said <= row.categories for said, row in stated),
        sum(not said <= row.categories for said, row in stated),
        agreement(values("color"), [row.color for row in rows]),
        agreement(values("material"), [row.material for row in rows]),
    )
