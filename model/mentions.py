"""What words state of a listing, by attribute and by where they stand. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.ranking import Ranking
from model.types import STATED_IN_FULL, Mention


@dataclass(frozen=True, slots=True)
class Words:
    """An attribute's mentions, by where they stand."""

    title: tuple[Mention, ...]
    description: tuple[Mention, ...]
    ocr: tuple[Mention, ...]

    @property
    def written(self) -> tuple[Mention, ...]:
        """What the seller wrote."""
        return self.title + self.description

    @property
    def all(self) -> tuple[Mention, ...]:
        """Wherever they stand."""
        return self.written + self.ocr

    @property
    def only_written(self) -> Words:
        """Without what OCR read."""
        return Words(self.title, self.description, ())

    @property
    def only_read(self) -> Words:
        """Without what the seller wrote."""
        return Words((), (), self.ocr)

    @property
    def best(self) -> tuple[Mention, ...]:
        """Those in the most reliable place that has any."""
        return self.title or self.description or self.ocr


SILENT = Words((), (), ())


def words_by_attribute(mentions: Sequence[Mention]) -> dict[str, Words]:
    """Of those attributes that have any."""
    found: dict[str, dict[str, list[Mention]]] = {}
    for mention in mentions:
        places = found.setdefault(mention.attribute, {"title": [], "description": [], "ocr": []})
        places[mention.span.kind].append(mention)
    return {name: Words(*map(tuple, places.values())) for name, places in found.items()}


def sureness(mentions: Sequence[Mention]) -> Ranking:
    """How surely each value is stated, 1 outright: by its surest mention."""
    surest: Ranking = {}
    for mention in mentions:
        surest[mention.value] = min(1.0, max(surest.get(mention.value, 0.0), mention.score / STATED_IN_FULL))
    return surest
