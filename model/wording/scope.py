"""What counts of the words found in a listing: by what it sells, by its language, and by the company they keep.

``Moulin Rouge DVD`` sells no red thing, ``Root rot killer`` is not German, and ``LED Streifen`` are no pattern. All
of it is decided by words of the title and the text, listed in the taxonomy.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from model.taxonomy import Taxonomy
from model.wording.tokens import WORD, Stated, with_runs

_TOKEN = re.compile(WORD)
# Codes of languages whose words stand under another: written Norwegian, Malay, Serbian and Bosnian, and old codes.
_SAME = {"nb": "no", "nn": "no", "ms": "id", "bs": "hr", "sr": "hr", "iw": "he", "in": "id"}


class Scopes:
    """The tables, made once from the taxonomy."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._silencing = _Phrases({name: one.words for name, one in taxonomy.silenced_by.items()})
        self._unless = _Phrases({name: one.unless for name, one in taxonomy.silenced_by.items()})
        self._always = _Phrases({name: one.always for name, one in taxonomy.silenced_by.items()})
        self._markers = _Phrases(taxonomy.language_markers)
        self._needs = taxonomy.needs_company
        self._companies = _Phrases({name: one.company for name, one in taxonomy.needs_company.items()})
        self._only_in = taxonomy.only_in
        self._assumed = taxonomy.assumed_language

    def of(self, title: str, language: str | None) -> Scope:
        """For a listing with this title, in lower case, and this BCP 47 language, if the seller named one."""
        silenced = self._silencing.named_in(title)
        if silenced:
            silenced -= self._unless.named_in(title)
        silenced |= self._always.named_in(title)
        code = (language or "").lower().split("-")[0]
        named = frozenset(filter(None, (code, _SAME.get(code))))
        return Scope(self, _Said(title, self._markers, self._companies), named, silenced)

    def said_by(self, text: str) -> _Said:
        """What words of another text than the title say."""
        return _Said(text, self._markers, self._companies)

    def languages_of(self, marked: frozenset[str], named: frozenset[str]) -> frozenset[str]:
        """Those that words mark, for sellers name the wrong one as well, and the named ones; without either the one
        that is assumed.
        """
        return marked | named or frozenset((self._assumed,) if self._assumed else ())

    def languages_needed(self, stated: Stated, word: str) -> frozenset[str]:
        """In which the word counts; none: in any."""
        return self._only_in.get(stated.attribute, {}).get(word, frozenset())

    def needs_company(self, stated: Stated, word: str, types: frozenset[str]) -> bool:
        """Does the word need company? ``types``, the product types that the text states, may be some."""
        needed = self._needs.get(stated.attribute)
        return needed is not None and word in needed.words and not types & needed.types


@dataclass(frozen=True)
class _Said:
    """What words of a text, in lower case, say of its languages and of company, looked for when somebody asks, and
    once: a listing's pictures have hundreds of lines, and each is held against its title.
    """

    text: str
    _markers: _Phrases
    _companies: _Phrases

    @cached_property
    def languages(self) -> frozenset[str]:
        return self._markers.named_in(self.text)

    @cached_property
    def company(self) -> frozenset[str]:
        """Attributes whose words have it."""
        return self._companies.named_in(self.text)


@dataclass(frozen=True, slots=True)
class Scope:
    """One listing's."""

    _scopes: Scopes
    _title: _Said
    _languages: frozenset[str]  # that the seller named
    _silenced: frozenset[str]  # attributes of which the listing's words say nothing

    def is_silent(self, attribute: str) -> bool:
        """Do the listing's words say nothing of it, whatever they are?"""
        return attribute in self._silenced

    def counting(self, found: Iterable[Stated], text: str) -> list[Stated]:
        """Those of a text's words, in lower case, that count. Each text may be in a language of its own."""
        scopes, title = self._scopes, self._title
        own = title if text == title.text else scopes.said_by(text)
        kept = [one for one in found if one.attribute not in self._silenced]
        needed = [scopes.languages_needed(one, text[one.start : one.end]) for one in kept]
        if any(needed):
            languages = scopes.languages_of(title.languages | own.languages, self._languages)
            kept = [one for one, some in zip(kept, needed, strict=True) if not some or some & languages]
        types = frozenset(one.value for one in kept if one.attribute == "product_type")
        return [
            one
            for one in kept
            if not scopes.needs_company(one, text[one.start : one.end], types)
            or one.attribute in title.company | own.company
        ]


class _Phrases:
    """Names, each with words and phrases, found in one pass; between the words of a phrase may stand anything but a
    word.
    """

    def __init__(self, phrases: Mapping[str, Iterable[str]]) -> None:
        self._joined = [(name, phrase) for name, own in phrases.items() for phrase in with_runs(own)]
        self._words: dict[str, tuple[str, ...]] = {}
        self._longer: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
        for name, own in phrases.items():
            words = dict.fromkeys(own, (name,))
            self._words |= words | {one: (*self._words[one], name) for one in words.keys() & self._words.keys()}
            for phrase in [one for one in own if not one.isalnum()]:
                first, *rest = _TOKEN.findall(phrase)
                self._longer[first].append((name, rest))

    def named_in(self, text: str) -> frozenset[str]:
        """The names of which a phrase stands in the text, in lower case."""
        tokens = _TOKEN.findall(text)
        found = {name for token in tokens if token in self._words for name in self._words[token]}
        found.update(
            name
            for place, token in enumerate(tokens)
            if token in self._longer
            for name, rest in self._longer[token]
            if tokens[place + 1 : place + 1 + len(rest)] == rest
        )
        if not text.isascii():
            found.update(name for name, phrase in self._joined if phrase in text)
        return frozenset(found)
