"""What counts of the words found in a listing: by what it sells, by its language, and by the company they keep.

``Moulin Rouge DVD`` sells no red thing, ``Root rot killer`` is not German, and ``LED Streifen`` are no pattern. All of it
is decided by words of the title and the text, listed in the taxonomy.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from model.taxonomy import Company, Taxonomy
from model.wording.words import Stated

_TOKEN = re.compile(r"[^\W_]+")
_FIRST_CJK = "\u3040"


class Scopes:
    """The tables, made once from the taxonomy."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._silencing = {name: _Phrases(words) for name, words in taxonomy.silenced_by.items()}
        self._markers = {language: _Phrases(words) for language, words in taxonomy.language_markers.items()}
        self._companies = {name: (one, _Phrases(one.company)) for name, one in taxonomy.needs_company.items()}
        self._only_in = taxonomy.only_in
        self._assumed = taxonomy.assumed_language

    def of(self, title: str, language: str | None) -> Scope:
        """For a listing with this title, in lower case, and this BCP 47 language, if the seller named one."""
        tokens = _tokens(title)
        silenced = frozenset(name for name, phrases in self._silencing.items() if phrases.stand_in(title, tokens))
        given = language.lower().split("-")[0] if language else None
        return Scope(self, title, given, silenced)

    def languages_of(self, text: str) -> frozenset[str]:
        """Those that words of the text mark; none: the one that is assumed."""
        tokens = _tokens(text)
        marked = frozenset(name for name, phrases in self._markers.items() if phrases.stand_in(text, tokens))
        return marked or frozenset((self._assumed,) if self._assumed else ())

    def is_bound(self, stated: Stated, word: str) -> bool:
        """Does the word count only in some language, or in company?"""
        company = self._companies.get(stated.attribute)
        return word in self._only_in.get(stated.attribute, {}) or (company is not None and word in company[0].words)

    def counts(self, stated: Stated, word: str, languages: frozenset[str], text: str, types: frozenset[str]) -> bool:
        """Does a word count in a text of these languages, in which these product types are stated?"""
        only_in = self._only_in.get(stated.attribute, {}).get(word)
        if only_in is not None and not only_in & languages:
            return False
        company, phrases = self._companies.get(stated.attribute, (None, None))
        if company is None or phrases is None or word not in company.words:
            return True
        return bool(types & company.types) or phrases.stand_in(text, _tokens(text))


@dataclass(frozen=True, slots=True)
class Scope:
    """One listing's."""

    _scopes: Scopes
    _title: str
    _language: str | None
    _silenced: frozenset[str]  # attributes of which the listing's words say nothing

    def counting(self, found: Iterable[Stated], text: str) -> list[Stated]:
        """Those of a text's words, in lower case, that count. Each text may be in a language of its own, unless the
        seller named one.
        """
        kept = [one for one in found if one.attribute not in self._silenced]
        bound = [one for one in kept if self._scopes.is_bound(one, text[one.start : one.end])]
        if not bound:
            return kept
        whole = text if text == self._title else f"{self._title}\n{text}"
        languages = frozenset((self._language,)) if self._language else self._scopes.languages_of(whole)
        sure = frozenset(one.value for one in kept if one.attribute == "product_type" and one not in bound)
        out = {
            one
            for one in bound
            if not self._scopes.counts(one, text[one.start : one.end], languages, whole, sure)
        }
        return [one for one in kept if one not in out]


class _Phrases:
    """Words and phrases, wherever they stand in a text; between the words of a phrase anything but a word may stand."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._joined = tuple(phrase for phrase in phrases if any(character >= _FIRST_CJK for character in phrase))
        self._rests: dict[str, list[list[str]]] = defaultdict(list)
        for phrase in phrases:
            if phrase not in self._joined:
                first, *rest = _TOKEN.findall(phrase)
                self._rests[first].append(rest)

    def stand_in(self, text: str, tokens: list[str]) -> bool:
        """Does one of them? ``tokens`` are the text's words."""
        for place, token in enumerate(tokens):
            rests = self._rests.get(token, ())
            if any(tokens[place + 1 : place + 1 + len(rest)] == rest for rest in rests):
                return True
        return not text.isascii() and any(phrase in text for phrase in self._joined)


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)
