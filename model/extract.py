"""Values that words state outright: types, colours, materials and
patterns by the taxonomy's synonyms, sizes and pack counts by their form.

How sure a mention is depends on where it stands: a seller chooses the words of a title with care, a description names
other things as well, and OCR reads what is printed on anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal

from model.taxonomy import Taxonomy
from model.types import Mention, ReadText, Span
from model.wording.folding import Folded, fold
from model.wording.packs import find_packs
from model.wording.scope import Scope, Scopes
from model.wording.units import find_sizes, lowered
from model.wording.words import WordFinder

_RULES_VERSION = "7"
_RELIABILITY = {"title": 0.95, "description": 0.8, "ocr": 0.7}
_MAX_CHARACTERS = 20_000
_MAX_MENTIONS = 200

Kind = Literal["title", "description", "ocr"]


class Extractor:
    """The rules, made once from the taxonomy."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._words = WordFinder(taxonomy)
        self._scopes = Scopes(taxonomy)
        self._counts_packs = "pack_count" in taxonomy.attributes

    @property
    def revision(self) -> str:
        """Hash of rules and taxonomy: part of the model's revision."""
        return hashlib.sha256(f"{_RULES_VERSION} {self._taxonomy.revision}".encode()).hexdigest()[:16]

    def extract(
        self, title: str, description: str, texts: Sequence[ReadText | None], language: str | None = None
    ) -> list[Mention]:
        """All mentions, title first. Spans are code points of ``title`` and ``description`` as given; ``language`` is
        the BCP 47 tag that the seller named, if one.
        """
        heading = _folded(title)
        scope = self._scopes.of(lowered(heading.text), language)
        found = list(self._mentions(scope, heading, "title", 1.0))
        found += self._mentions(scope, _folded(description), "description", 1.0)
        for image, text in enumerate(texts):
            for index, line in enumerate(text.lines if text else ()):
                found += self._mentions(scope, _folded(line.text), "ocr", line.score, image, index)
        return found[:_MAX_MENTIONS]

    def _mentions(
        self, scope: Scope, folded: Folded, kind: Kind, score: float, image: int = 0, line: int = 0
    ) -> Iterator[Mention]:
        sure = _RELIABILITY[kind] * score
        in_lower_case = lowered(folded.text)
        for one in scope.counting(self._words.find(in_lower_case), in_lower_case):
            if one.attribute == "product_type" and kind != "title":
                continue  # a description names what the thing goes with as well
            span = Span(kind, *folded.span(one.start, one.end), image, line)
            yield from self._stated(one.attribute, one.value, round(sure, 4), span)
        if self._counts_packs:
            for pack in find_packs(in_lower_case):
                span = Span(kind, *folded.span(pack.start, pack.end), image, line)
                yield Mention("pack_count", pack.value, pack.value, round(sure * pack.score, 4), span)
        for size in find_sizes(folded.text):
            span = Span(kind, *folded.span(size.start, size.end), image, line)
            yield Mention("size", size.value, size.label, round(sure * size.score, 4), span)

    def _stated(self, name: str, value: str, score: float, span: Span) -> Iterator[Mention]:
        """The mention, and for a product type also that of its category."""
        yield Mention(name, value, self._taxonomy.label(name, value), score, span)
        path = self._taxonomy.category_of(value) if name == "product_type" else None
        if path is not None:
            yield Mention("category", path, self._taxonomy.label("category", path), score, span)


def _folded(text: str) -> Folded:
    return fold(text[:_MAX_CHARACTERS])
