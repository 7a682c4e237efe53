"""What words state of a listing, by attribute and by where they stand. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from model.ranking import Ranking
from model.types import STATED_IN_FULL, Mention


@dataclass(frozen=True, slots=True)
class Words:
    """An attribute's mentions, by where they stand. ``denied``: values that the seller's words say it is not;
    ``silenced``: those that words would state did they not mean something else there; ``is_hinted``: a word may state
    one; ``beyond``: categories of a stated type that the heads cannot name, who cannot know them by it either.
    """

    title: tuple[Mention, ...]
    description: tuple[Mention, ...]
    ocr: tuple[Mention, ...]
    denied: frozenset[str] = frozenset()
    silenced: frozenset[str] = frozenset()
    is_hinted: bool = False
    beyond: frozenset[str] = frozenset()

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
        return replace(self, ocr=())

    @property
    def only_read(self) -> Words:
        """Without what the seller wrote."""
        return Words((), (), self.ocr)

    @property
    def best(self) -> tuple[Mention, ...]:
        """Those in the most reliable place that has any."""
        return self.title or self.description or self.ocr


SILENT = Words((), (), ())


@dataclass(frozen=True, slots=True)
class Reading:
    """What words state of a listing; by attribute, what they deny and what they would state elsewhere; attributes at
    whose values they hint; and which of its pictures are ``pages``, of print rather than of a place.
    """

    mentions: Sequence[Mention]
    denied: Mapping[str, frozenset[str]] = field(default_factory=dict)
    silenced: Mapping[str, frozenset[str]] = field(default_factory=dict)
    hinted: frozenset[str] = frozenset()
    pages: frozenset[int] = frozenset()


NOTHING_SAID = Reading(())


def words_by_attribute(reading: Reading) -> dict[str, Words]:
    """Of those attributes of which words say anything."""
    found: dict[str, dict[str, list[Mention]]] = {}
    for name in (
        *reading.denied,
        *reading.silenced,
        *reading.hinted,
        *(mention.attribute for mention in reading.mentions),
    ):
        found.setdefault(name, {"title": [], "description": [], "ocr": []})
    for mention in reading.mentions:
        found[mention.attribute][mention.span.kind].append(mention)
    return {name: _words_of(reading, name, places) for name, places in found.items()}


def _words_of(reading: Reading, name: str, places: Mapping[str, list[Mention]]) -> Words:
    title, description, ocr = (tuple(places[kind]) for kind in ("title", "description", "ocr"))
    denied, silenced = (one.get(name, frozenset()) for one in (reading.denied, reading.silenced))
    return Words(title, description, ocr, denied, silenced, name in reading.hinted)


def sureness(mentions: Sequence[Mention]) -> Ranking:
    """How surely each value is stated, 1 outright: by its surest mention."""
    surest: Ranking = {}
    for mention in mentions:
        surest[mention.value] = min(1.0, max(surest.get(mention.value, 0.0), mention.score / STATED_IN_FULL))
    return surest
