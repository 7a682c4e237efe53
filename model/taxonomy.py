"""What can be said of a listing: attributes, their values' names and synonyms, and where each product type belongs.

All of it stands in ``taxonomy.json``, which people edit and review, and words of further languages beside it
(`model.taxonomy_words`).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from model.prompts import Prompted, read_prompts
from model.taxonomy_checks import EVERY, HEADS, TaxonomyError, check
from model.taxonomy_phrases import check_phrases
from model.taxonomy_shape import check_shape, once
from model.taxonomy_words import in_plain_words, named_with_files, read_words, with_words

_FILE = Path(__file__).parent / "taxonomy.json"
_READING = threading.Lock()  # whoever asks while it is read waits for that, instead of reading it again


@dataclass(frozen=True, slots=True)
class HeadRules:
    """Words by which the head of a phrase is told, for an attribute of which only the head states a value."""

    aims: frozenset[str]  # ``for``: what follows is what another thing is for
    whom: frozenset[str]  # unless it is a person or a place: ``for women``
    of: frozenset[str]  # ``de``: what follows is no head, and what stands before it only by a word of ``kinds``
    to: frozenset[str]  # ``à``: what follows is no head
    kinds: frozenset[str]
    quantities: frozenset[str]  # ``lot``, ``paire``: what they are of is the head


@dataclass(frozen=True, slots=True)
class Wording:
    """How an attribute's values are said. Mappings go from a word, or a part of one, to the value it states."""

    values: Mapping[str, str]
    ignored: tuple[str, ...]  # phrases that hold such a word and state nothing
    before: tuple[str, ...]  # words before a value's word that take away its meaning
    after: tuple[str, ...]  # and after it
    looks: frozenset[str]  # words that also name a look: they count only where another word follows
    beginnings: Mapping[str, str]  # of longer words: ``leder`` in ``lederstiefel``
    ends: Mapping[str, str]
    modifiers: tuple[str, ...]  # stand before a value's word in one word: ``dunkel`` in ``dunkelblau``
    suffixes: tuple[str, ...]  # stand after one: ``farben`` in ``goldfarben``
    parts: Mapping[str, str]  # state a value only with a modifier, a suffix or another part
    exceptions: tuple[str, ...]  # longer words, or ends of them, that state nothing in spite of ``ends``
    head: HeadRules | None

    @property
    def has_compounds(self) -> bool:
        """Is anything looked for within longer words?"""
        return bool(self.beginnings or self.ends or self.modifiers or self.suffixes)


@dataclass(frozen=True, slots=True)
class Silence:
    """Words of a title that sells something of which colours, say, are not told; ``unless`` these stand there too.
    ``always``: words that leave the value to the buyer, whatever is sold.
    """

    words: tuple[str, ...]
    unless: tuple[str, ...]
    always: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Company:
    """Words that state a value only in company: of a stated product type, or of another word of title or text."""

    words: frozenset[str]
    types: frozenset[str]
    company: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The file, checked. A category is a path such as ``Furniture > Chairs``."""

    attributes: tuple[str, ...]
    categories: tuple[str, ...]
    scenes: tuple[str, ...]
    revision: str
    _category_of: Mapping[str, str]
    _labels: Mapping[str, Mapping[str, str]]
    _synonyms: Mapping[str, Mapping[str, tuple[str, ...]]]
    _not_applicable: Mapping[str, tuple[str, ...]]
    _wordings: Mapping[str, Wording]
    _hex: Mapping[str, str]
    links: tuple[str, ...]  # words that may stand between a word and one that takes away its meaning
    denials: tuple[str, ...]  # words before a value of any attribute that take away its meaning
    exclusions: tuple[str, ...]  # and after it
    silenced_by: Mapping[str, Silence]  # by attribute
    needs_company: Mapping[str, Company]  # by attribute
    language_markers: Mapping[str, tuple[str, ...]]  # by language: words that show it
    only_in: Mapping[str, Mapping[str, frozenset[str]]]  # by attribute and word: the languages in which it counts
    assumed_language: str | None  # of a text that shows none
    qualifiers: tuple[str, ...]  # words that may stand between, two at most: ``no real leather``
    harmless: tuple[str, ...]  # phrases with a word of ``after`` that take nothing away: ``free shipping``
    alternatives: tuple[str, ...]  # a denial holds for both: ``no wool or leather``
    prompts: Mapping[str, Prompted] = field(default_factory=dict)  # attributes declared by prompts alone

    def category_of(self, product_type: str) -> str | None:
        """The category path of a product type, None for one that the file does not place."""
        return self._category_of.get(product_type)

    @property
    def product_types(self) -> frozenset[str]:
        """All that the file places."""
        return frozenset(self._category_of)

    def categories_of(self, product_types: Iterable[str]) -> frozenset[str]:
        """The category paths of those that the file places."""
        return frozenset(path for one in product_types if (path := self.category_of(one)) is not None)

    def label(self, attribute: str, value: str) -> str:
        """A readable name: from the file, or made from the value."""
        found = self._labels.get(attribute, {}).get(value)
        return found or (value if attribute == "category" else value.replace("_", " ").capitalize())

    def applies(self, attribute: str, category: str) -> bool:
        """Does the attribute make sense in this category?"""
        ruled_out = self._not_applicable.get(attribute, ())
        return not any(category == path or category.startswith(f"{path} >") for path in ruled_out)

    def synonyms(self, attribute: str) -> Mapping[str, tuple[str, ...]]:
        """Words in several languages that state a value, by value."""
        return self._synonyms.get(attribute, {})

    def wording(self, attribute: str) -> Wording:
        """How the values of a declared attribute are said."""
        return self._wordings[attribute]

    def hex(self, color: str) -> str | None:
        """How the colour typically looks, ``#rrggbb`` sRGB; None for one without a look, such as ``clear``."""
        return self._hex.get(color)


def load_taxonomy(path: Path = _FILE) -> Taxonomy:
    """Read and check the file, and those of ``words/`` beside it. Raises TaxonomyError."""
    try:
        text, words = path.read_bytes(), tuple(read_words(path).items())
        with _READING:
            return _checked(text, words)
    except OSError as error:
        told = f"{error.filename} cannot be read: {error.strerror}; it must be a file, for this user to read"
        raise TaxonomyError(told) from error
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise TaxonomyError(f"{path.name}: {type(error).__name__}: {error}; compare with the shipped file") from error


@lru_cache(maxsize=2)
def _checked(text: bytes, words: tuple[tuple[str, bytes], ...]) -> Taxonomy:
    """Kept, as whoever asks about titles loads it for itself, and checking takes longer than most that they do."""
    own = in_plain_words(json.loads(text, object_pairs_hook=once))
    check_shape(own)
    check_phrases(own)
    found = with_words(own, dict(words))
    try:
        stated = check(found)
    except TaxonomyError as error:
        raise TaxonomyError(named_with_files(error, own, dict(words), check)) from error
    revision = hashlib.sha256(text)
    for language, said in words:
        revision.update(f"\n{language}\n".encode() + said)
    return _read(found, stated, revision.hexdigest()[:16])


def _read(found: Mapping[str, Any], stated: Mapping[str, Mapping[str, str]], revision: str) -> Taxonomy:
    """Of a checked file, and what `check` gave."""
    context, languages = found.get("context", {}), found.get("languages", {})
    return Taxonomy(
        tuple(found["attributes"]),
        tuple(sorted(found["categories"])),
        tuple(found["scenes"]),
        revision,
        {name: path for path, names in found["categories"].items() for name in names},
        found["labels"],
        {
            attribute: {value: tuple(words) for value, words in values.items()}
            for attribute, values in found["synonyms"].items()
        },
        {attribute: tuple(paths) for attribute, paths in found["not_applicable"].items()},
        {name: _wording(name, found, context, stated.get(name, {})) for name in found["attributes"]},
        found["hex"],
        tuple(context.get("links", ())),
        tuple(context.get("before", {}).get(EVERY, ())),
        tuple(context.get("after", {}).get(EVERY, ())),
        {name: _silence(one) for name, one in found.get("silenced_by", {}).items()},
        {name: _company(one) for name, one in found.get("needs_company", {}).items()},
        {language: tuple(words) for language, words in languages.get("markers", {}).items()},
        {name: _by_language(own) for name, own in languages.get("only", {}).items()},
        languages.get("assumed"),
        tuple(context.get("qualifiers", ())),
        tuple(context.get("harmless", ())),
        tuple(context.get("alternatives", ())),
        read_prompts(found.get("prompts", {}), found["attributes"]),
    )


def _wording(name: str, found: Mapping[str, Any], context: Mapping[str, Any], stated: Mapping[str, str]) -> Wording:
    compounds = found.get("compounds", {}).get(name, {})
    return Wording(
        values=stated,
        ignored=tuple(found["ignored"].get(name, ())),
        before=tuple(context.get("before", {}).get(name, ())),
        after=tuple(context.get("after", {}).get(name, ())),
        looks=frozenset(found.get("looks", {}).get(name, ())),
        beginnings=_by_word(compounds.get("beginnings", {})),
        ends=_by_word(compounds.get("ends", {})),
        modifiers=tuple(compounds.get("modifiers", ())),
        suffixes=tuple(compounds.get("suffixes", ())),
        parts=_by_word(compounds.get("parts", {})),
        exceptions=tuple(compounds.get("exceptions", ())),
        head=_head(context.get("heads", {}).get(name)),
    )


def _silence(found: Mapping[str, list[str]]) -> Silence:
    return Silence(tuple(found["words"]), tuple(found.get("unless", ())), tuple(found.get("always", ())))


def _company(found: Mapping[str, list[str]]) -> Company:
    return Company(frozenset(found["words"]), frozenset(found.get("types", ())), tuple(found.get("company", ())))


def _by_language(found: Mapping[str, list[str]]) -> dict[str, frozenset[str]]:
    """From words by language: the languages of each word."""
    languages: dict[str, frozenset[str]] = {}
    for language, words in found.items():
        one = frozenset((language,))
        languages |= {word: languages[word] | one if word in languages else one for word in words}
    return languages


def _head(rules: Mapping[str, list[str]] | None) -> HeadRules | None:
    return HeadRules(*(frozenset(rules.get(kind, ())) for kind in HEADS)) if rules else None


def _by_word(values: Mapping[str, list[str]]) -> dict[str, str]:
    return {word: value for value, words in values.items() for word in words}
