"""What counts of the words found in a listing: by what it sells, by its language, and by the company they keep.

``Moulin Rouge DVD`` sells no red thing, ``Root rot killer`` is not German, and ``LED Streifen`` are no pattern. All
of it is decided by words of the title and the text, listed in the taxonomy.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from model.taxonomy import Taxonomy
from model.wording.tokens import WORD, Stated, has_run

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
        return Scope(self, title, _SAME.get(code, code) or None, silenced)

    def languages_of(self, text: str, given: str | None) -> frozenset[str]:
        """Those that words of the text mark, for sellers name the wrong one as well, and the given one; without either
        the one that is assumed.
        """
        marked = self._markers.named_in(text)
        named = given or (None if marked else self._assumed)
        return marked | frozenset((named,) if named else ())

    def languages_needed(self, stated: Stated, word: str) -> frozenset[str]:
        """In which the word counts; none: in any."""
        return self._only_in.get(stated.attribute, {}).get(word, frozenset())

    def lacks_company(self, stated: Stated, word: str, text: str, types: frozenset[str]) -> bool:
        """Does the word need company that is not there? ``types`` are the product types that the text states."""
        needed = self._needs.get(stated.attribute)
        if needed is None or word not in needed.words or types & needed.types:
            return False
        return stated.attribute not in self._companies.named_in(text)


@dataclass(frozen=True, slots=True)
class Scope:
    """One listing's."""

    _scopes: Scopes
    _title: str
    _language: str | None
    _silenced: frozenset[str]  # attributes of which the listing's words say nothing

    def is_silent(self, attribute: str) -> bool:
        """Do the listing's words say nothing of it, whatever they are?"""
        return attribute in self._silenced

    def counting(self, found: Iterable[Stated], text: str) -> list[Stated]:
        """Those of a text's words, in lower case, that count. Each text may be in a language of its own."""
        scopes, whole = self._scopes, text if text == self._title else f"{self._title}\n{text}"
        kept = [one for one in found if one.attribute not in self._silenced]
        needed = [scopes.languages_needed(one, text[one.start : one.end]) for one in kept]
        if any(needed):
            languages = scopes.languages_of(whole, self._language)
            kept = [one for one, some in zip(kept, needed, strict=True) if not some or some & languages]
        types = frozenset(one.value for one in kept if one.attribute == "product_type")
        return [one for one in kept if not scopes.lacks_company(one, text[one.start : one.end], whole, types)]


class _Phrases:
    """Names, each with words and phrases, found in one pass; between the words of a phrase may stand anything but a
    word.
    """

    def __init__(self, phrases: Mapping[str, Iterable[str]]) -> None:
        self._joined: list[tuple[str, str]] = []
        self._rests: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
        for name, own in phrases.items():
            for phrase in own:
                if has_run(phrase):
                    self._joined.append((name, phrase))
                else:
                    first, *rest = (phrase,) if phrase.isalnum() else _TOKEN.findall(phrase)
                    self._rests[first].append((name, rest))

    def named_in(self, text: str) -> frozenset[str]:
        """The names of which a phrase stands in the text, in lower case."""
        tokens = _TOKEN.findall(text)
        found = {
            name
            for place, token in enumerate(tokens)
            if token in self._rests
            for name, rest in self._rests[token]
            if tokens[place + 1 : place + 1 + len(rest)] == rest
        }
        if not text.isascii():
            found.update(name for name, phrase in self._joined if phrase in text)
        return frozenset(found)
