"""The titles labelled by hand, and how two sets of labels agree."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.extract import Extractor

FOLDER = Path(__file__).parent / "data"
LANGUAGES = ("german", "french", "spanish", "chinese")

Said = frozenset[str]  # the values that a title states of one attribute


@dataclass(frozen=True, slots=True)
class Labelled:
    """One attribute of one title: what two readings found, and what was settled on."""

    title: str
    first: Said
    second: Said
    final: Said

    @property
    def is_test(self) -> bool:
        return is_of_test(self.title)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Values found rightly, in all that were found, and in all that there were; titles right as a whole; titles."""

    right: int
    found: int
    wanted: int
    whole: int
    titles: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.wanted if self.wanted else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall over all values of all titles."""
        total = self.found + self.wanted
        return 2 * self.right / total if total else 1.0


def is_of_test(title: str) -> bool:
    """Half of all titles, by hash: the others were looked at while the extractor was written, or words were added."""
    return hashlib.sha256(title.encode()).digest()[0] % 2 == 1


def values_of(cell: str) -> Said:
    """Of a file's cell: ``black;white``."""
    return frozenset(filter(None, cell.split(";")))


def load_labels(name: str, attribute: str) -> list[Labelled]:
    """All rows of ``name``.csv in their order."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [
            Labelled(
                row["title"],
                values_of(row[f"{attribute}_first"]),
                values_of(row[f"{attribute}_second"]),
                values_of(row[attribute]),
            )
            for row in csv.DictReader(file)
        ]


def stated(extractor: Extractor, title: str, attribute: str) -> Said:
    """What the extractor finds in the title alone."""
    return frozenset(one.value for one in extractor.extract(title, "", ()) if one.attribute == attribute)


def agreement(found: Sequence[Said], wanted: Sequence[Said]) -> Agreement:
    """Compare two lists of labels of the same titles."""
    pairs = list(zip(found, wanted, strict=True))
    return Agreement(
        right=sum(len(one & other) for one, other in pairs),
        found=sum(map(len, found)),
        wanted=sum(map(len, wanted)),
        whole=sum(one == other for one, other in pairs),
        titles=len(pairs),
    )


def kappa(first: Sequence[Said], second: Sequence[Said]) -> float:
    """Cohen's kappa of two readings; what a title states as a whole is one category."""
    num = len(first)
    same = sum(one == other for one, other in zip(first, second, strict=True)) / num
    one, other = Counter(first), Counter(second)
    chance = sum(count * other[value] for value, count in one.items()) / num**2
    return (same - chance) / (1 - chance) if chance < 1 else 1.0
