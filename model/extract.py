"""Values that words state outright: types, colours, materials and
patterns by the taxonomy's synonyms, sizes and pack counts by their form.

How sure a mention is depends on where it stands: a seller chooses the words of a title with care, a description names
other things as well, and OCR reads what is printed on anything.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from model.mentions import Reading
from model.taxonomy import Taxonomy
from model.types import STATED_IN_FULL, Mention, ReadText, Span, TextLine
from model.wording.asides import is_named_for, is_of_part, without_asides
from model.wording.folding import Folded, fold
from model.wording.packs import find_packs
from model.wording.scope import Scope, Scopes
from model.wording.tokens import Stated
from model.wording.units import find_sizes, lowered
from model.wording.words import Found, WordFinder

_RULES_VERSION = "11"
_RELIABILITY = {"title": 0.95, "description": 0.8, "ocr": 0.7}
_OF_PART = 0.5  # how much less a part's colour says of the whole
_PAGE_LINES = 30  # leaflets and receipts have more; packages, and price tags on a shelf, nearly always fewer
_MAX_CHARACTERS = 20_000  # of a title, of a description, and of all that was read in a listing's pictures
_MAX_MENTIONS = 200

Kind = Literal["title", "description", "ocr"]


@dataclass(slots=True)
class _Seen:
    """A listing's, as it grows: see `Reading`."""

    mentions: list[Mention]
    denied: defaultdict[str, set[str]]
    silenced: defaultdict[str, set[str]]
    hinted: set[str]

    def note_unsaid(self, words: Found, scope: Scope) -> None:
        """What a text's words do not say, or not of this listing."""
        self.hinted |= words.hinted
        silent = [one for one in words.stated if scope.is_silent(one.attribute)]
        for unsaid, found in ((self.denied, words.denied), (self.silenced, [*words.silenced, *silent])):
            for one in found:
                if one.attribute != "product_type":  # laces for shoes are no shoes, but their pictures show some
                    unsaid[one.attribute].add(one.value)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a text stands, and how sure its reading is, 0-1."""

    kind: Kind
    score: float = 1.0
    image: int = 0
    line: int = 0

    @property
    def sureness(self) -> float:
        """Of what is stated there outright."""
        return _RELIABILITY[self.kind] * self.score

    def names(self, one: Stated, text: str) -> bool:
        """``colour: grey`` in a description speaks of the thing itself, as a title does."""
        return self.kind == "description" and is_named_for(one.attribute, text, one.start)

    def span(self, folded: Folded, start: int, end: int) -> Span:
        """In the text as it was given."""
        return Span(self.kind, *folded.span(start, end), self.image, self.line)


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

        The event loop waits for this, so it is bounded: at most 200 mentions of the first 20,000 characters of each.
        """
        return list(self.read(title, description, texts, language).mentions)

    def read(
        self, title: str, description: str, texts: Sequence[ReadText | None], language: str | None = None
    ) -> Reading:
        """The same, and what the seller's words deny or would state elsewhere, where nothing in them states it."""
        heading, text = _folded(title), _folded(description)
        named = lowered(heading.text)
        scope = self._scopes.of(named, language)
        seen = _Seen([], defaultdict(set), defaultdict(set), set())
        self._note(seen, scope, heading, _Place("title"))
        self._note(seen, scope, text, _Place("description"), named)
        written = {(one.attribute, one.value) for one in seen.mentions}
        denied, silenced = (
            {name: frozenset(value for value in own if (name, value) not in written) for name, own in one.items()}
            for one in (seen.denied, seen.silenced)
        )
        for image, index, line in _lines(texts):
            if len(seen.mentions) >= _MAX_MENTIONS:
                break
            self._note(seen, scope, _folded(line.text), _Place("ocr", line.score, image, index))
        pages = (image for image, text in enumerate(texts) if text is not None and len(text.lines) >= _PAGE_LINES)
        return Reading(seen.mentions[:_MAX_MENTIONS], denied, silenced, frozenset(seen.hinted), frozenset(pages))

    def categories_beyond(self, taught: Container[str], mentions: Iterable[Mention]) -> frozenset[str]:
        """Categories of product types among ``mentions`` that are not ``taught``."""
        types = (one.value for one in mentions if one.attribute == "product_type")
        return self._taxonomy.categories_of(one for one in types if one not in taught)

    def _note(self, seen: _Seen, scope: Scope, folded: Folded, place: _Place, title: str = "") -> None:
        text, in_lower_case = folded.text, lowered(folded.text)
        if place.kind == "description" and (kept := without_asides(text, in_lower_case)) is not text:
            text, in_lower_case = kept, lowered(kept)
        words = self._words.find(in_lower_case)
        if place.kind != "ocr":
            seen.note_unsaid(words, scope)
        first: dict[str, Stated] = {}
        for one in scope.counting(words.stated, in_lower_case):
            if one.attribute == "product_type" and place.kind != "title":
                continue  # a description names what the thing goes with as well
            is_named = place.names(one, in_lower_case)
            sure = round(STATED_IN_FULL if is_named else place.sureness, 4)
            by_sentence = place.kind == "description" and not is_named
            if is_of_part(first.setdefault(one.attribute, one), one, in_lower_case, by_sentence=by_sentence):
                is_named, sure = False, round(sure * _OF_PART, 4)
            span = place.span(folded, one.start, one.end)
            seen.mentions.extend(self._stated(one.attribute, one.value, sure, span, is_named=is_named))
        sure = place.sureness
        if self._counts_packs:
            for pack in find_packs(in_lower_case):
                span = place.span(folded, pack.start, pack.end)
                seen.mentions.append(Mention("pack_count", pack.value, pack.value, round(sure * pack.score, 4), span))
        for size in find_sizes(text, title):
            span = place.span(folded, size.start, size.end)
            seen.mentions.append(Mention("size", size.value, size.label, round(sure * size.score, 4), span))

    def _stated(self, name: str, value: str, score: float, span: Span, *, is_named: bool) -> Iterator[Mention]:
        """The mention, and for a product type also that of its category."""
        yield Mention(name, value, self._taxonomy.label(name, value), score, span, is_named)
        path = self._taxonomy.category_of(value) if name == "product_type" else None
        if path is not None:
            yield Mention("category", path, self._taxonomy.label("category", path), score, span)


def _folded(text: str) -> Folded:
    return fold(text[:_MAX_CHARACTERS]).first(_MAX_CHARACTERS)


def _lines(texts: Sequence[ReadText | None]) -> Iterator[tuple[int, int, TextLine]]:
    """Picture, place and line of all that was read, up to as many characters as are looked at."""
    left = _MAX_CHARACTERS
    for image, text in enumerate(texts):
        for index, line in enumerate(text.lines if text else ()):
            left -= len(line.text)
            if left < 0:
                return
            yield image, index, line
