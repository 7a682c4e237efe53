"""Words that state values, found in one pass over a text: whole words and phrases, words within longer ones
("dunkelblau", "Lederstiefel"), and Chinese and Japanese, where nothing stands between words.

What is found is decided by the taxonomy alone. A word is looked up in tables, so the time does not depend on how many
words the taxonomy has; it is linear in the text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.taxonomy import Taxonomy, Wording

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_FIRST_CJK = "\u3040"
_JOINS = frozenset(("", " ", "-", "'", "’"))  # what may stand between words that belong together
_SIGNS = frozenset(("&", " & ", "+", " + "))  # and between those of a phrase that is written with such a sign
_SIGN = re.compile("[&+]")
_MIN_REST = 3  # letters that a longer word has beside the one in it
_MAX_FOUND = 200  # in one text
_HEAD = 3  # letters by which words that may be compounds are sorted out quickly

Token = tuple[str, int, int]  # the word, where it starts and where it ends


@dataclass(frozen=True, slots=True)
class Stated:
    """A value that words at ``[start, end)`` state."""

    attribute: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Phrase:
    """What a word, and those that must follow it, say of an attribute; ``value`` None: nothing, and no word in it
    does.
    """

    attribute: str
    value: str | None
    rest: tuple[str, ...]
    is_look: bool
    joins: frozenset[str] = _JOINS


@dataclass(frozen=True, slots=True)
class _Context:
    """Words beside a value's word that take away its meaning."""

    before: frozenset[str]  # right before it, or with a linking word between
    denied: frozenset[str]  # right before it
    after: frozenset[str]


class WordFinder:
    """The tables, made once from the taxonomy."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._wordings = {name: taxonomy.wording(name) for name in taxonomy.attributes if taxonomy.synonyms(name)}
        self._links = frozenset(taxonomy.links)
        self._contexts = {name: _context(taxonomy, wording) for name, wording in self._wordings.items()}
        self._phrases = _phrases(self._wordings)
        self._joined = {name: _Joined(wording) for name, wording in self._wordings.items()}
        self._compounds = {
            name: _Compounds(wording, self._contexts[name].after)
            for name, wording in self._wordings.items()
            if wording.has_compounds
        }
        self._heads = frozenset(head for one in self._compounds.values() for head in one.heads)
        self._tails = frozenset(tail for one in self._compounds.values() for tail in one.tails)

    def find(self, text: str) -> list[Stated]:
        """All values that ``text``, in lower case, states, up to a limit; those of one attribute do not overlap."""
        tokens = [(match[0], match.start(), match.end()) for match in _TOKEN.finditer(text)]
        taken = dict.fromkeys(self._wordings, 0)  # by attribute: where what was found last ends
        found: list[Stated] = []
        is_ascii = text.isascii()
        for place, (word, _, end) in enumerate(tokens):
            if not is_ascii and (word >= _FIRST_CJK or text[end : end + 1] >= _FIRST_CJK):
                self._read_joined(tokens[place], text, taken, found)
            phrases = self._phrases.get(word)
            if phrases is None and (word[:_HEAD] in self._heads or word[-_HEAD:] in self._tails):
                phrases = self._within(word)
            if phrases:
                self._read_word(phrases, tokens, place, text, taken, found)
            if len(found) >= _MAX_FOUND:
                break
        return found

    def _read_word(
        self,
        phrases: Sequence[_Phrase],
        tokens: Sequence[Token],
        place: int,
        text: str,
        taken: dict[str, int],
        found: list[Stated],
    ) -> None:
        start = tokens[place][1]
        for phrase in phrases:
            if start < taken[phrase.attribute] or (phrase.rest and not _follows(phrase, tokens, place, text)):
                continue
            last = place + len(phrase.rest)
            taken[phrase.attribute] = tokens[last][2]
            if phrase.value is not None and self._counts(phrase, tokens, place, last, text):
                found.append(Stated(phrase.attribute, phrase.value, start, tokens[last][2]))

    def _within(self, word: str) -> list[_Phrase]:
        """What parts of a longer word state."""
        values = ((name, compounds.value(word)) for name, compounds in self._compounds.items())
        return [_Phrase(name, value, (), False) for name, value in values if value is not None]

    def _read_joined(self, token: Token, text: str, taken: dict[str, int], found: list[Stated]) -> None:
        """Words in a run without spaces; of a Latin word only those that begin with it, such as ``t恤``."""
        word, start, end = token
        stop_at = end if word >= _FIRST_CJK else start + 1
        for name, joined in self._joined.items():
            at = max(start, taken[name])
            while at < stop_at and len(found) < _MAX_FOUND:
                value, length = joined.at(text, at)
                if value is not None:
                    found.append(Stated(name, value, at, at + length))
                if length:
                    taken[name] = at + length
                at += length or 1

    def _counts(self, phrase: _Phrase, tokens: Sequence[Token], first: int, last: int, text: str) -> bool:
        """Does what stands around the words leave them their meaning?"""
        context = self._contexts[phrase.attribute]
        follower = _neighbour(tokens, last, last + 1, text)
        if follower in context.after:
            return False
        if phrase.is_look and (follower is None or self._is_color_of(phrase, tokens[first][0], follower)):
            return False
        before = _neighbour(tokens, first, first - 1, text)
        if before is None:
            return True
        if before in context.denied or before in context.before:
            return False
        for further in range(first - 2, first - 4, -1):
            if before not in self._links:
                return True
            before = _neighbour(tokens, further + 1, further, text)
            if before in context.before:
                return False
        return True

    def _is_color_of(self, phrase: _Phrase, word: str, follower: str) -> bool:
        """``walnut brown``: the next word states another value of an attribute that the look itself states."""
        others = {one.attribute for one in self._phrases[word]} - {phrase.attribute}
        return any(one.attribute in others for one in self._phrases.get(follower, ()))


class _Joined:
    """One attribute's words that hold a Chinese, Japanese or Korean character."""

    def __init__(self, wording: Wording) -> None:
        self._words: dict[str, str | None] = {word: None for word in wording.ignored if _is_joined(word)}
        self._words |= {word: value for word, value in wording.values.items() if _is_joined(word)}
        self._parts = {part: value for part, value in wording.parts.items() if _is_joined(part)}
        modifiers = [one for one in wording.modifiers if _is_joined(one)]
        self._suffixes = tuple(one for one in wording.suffixes if _is_joined(one))
        self._shaded = {modifier + part: value for modifier in modifiers for part, value in self._parts.items()}
        every = (*self._words, *self._shaded)
        self._longest = max(map(len, every), default=0)
        self._starts = frozenset(word[0] for word in (*every, *self._parts))

    def at(self, text: str, start: int) -> tuple[str | None, int]:
        """The longest word at ``start``: its value, None for an ignored one, and its length; 0 where there is none."""
        if text[start] not in self._starts:
            return None, 0
        for length in range(self._longest, 0, -1):
            piece = text[start : start + length]
            if piece in self._words:
                return self._words[piece], len(piece)
            if piece in self._shaded:
                return self._shaded[piece], len(piece) + self._suffix_at(text, start + len(piece))
        value = self._parts.get(text[start])
        after = self._suffix_at(text, start + 1)
        if value is None or not (after or text[start + 1 : start + 2] in self._parts or self._is_paired(text, start)):
            return None, 0
        return value, 1 + after

    def _is_paired(self, text: str, start: int) -> bool:
        """``黑白``: the second of two parts."""
        return start > 0 and text[start - 1] in self._parts

    def _suffix_at(self, text: str, start: int) -> int:
        return next((len(one) for one in self._suffixes if text.startswith(one, start)), 0)


class _Compounds:
    """One attribute's words within longer ones, as German builds them."""

    def __init__(self, wording: Wording, after: frozenset[str]) -> None:
        self._words = {**wording.parts, **wording.values}
        self._beginnings = wording.beginnings
        self._ends: dict[str, str | None] = {**wording.ends, **dict.fromkeys(wording.exceptions)}
        self._modifiers = frozenset(one for one in wording.modifiers if not _is_joined(one))
        self._suffixes = tuple(one for one in wording.suffixes if not _is_joined(one))
        self._after = tuple(sorted(after))
        self.heads = frozenset(one[:_HEAD] for one in (*self._beginnings, *self._modifiers))
        self.tails = frozenset(one[-_HEAD:] for one in (*self._ends, *self._suffixes))

    def value(self, word: str) -> str | None:
        """The value that a part of ``word`` states."""
        return self._shade(word) or self._colored(word) or self._beginning(word) or self._end(word)

    def _shade(self, word: str) -> str | None:
        """``dunkelblau``: a modifier, then a word of the attribute."""
        for length in range(2, len(word) - 1):
            if word[:length] in self._modifiers and (value := self._words.get(word[length:])) is not None:
                return value
        return None

    def _colored(self, word: str) -> str | None:
        """``goldfarben``: a word of the attribute, then a suffix."""
        heads = (word.removesuffix(suffix) for suffix in self._suffixes if word.endswith(suffix))
        return next((value for head in heads if (value := self._words.get(head)) is not None), None)

    def _beginning(self, word: str) -> str | None:
        """``lederstiefel``; but ``lederoptik`` and ``lederpflege`` are something else."""
        for length in range(len(word) - _MIN_REST, _HEAD - 1, -1):
            value = self._beginnings.get(word[:length])
            if value is not None:
                return None if word[length:].startswith(self._after) else value
        return None

    def _end(self, word: str) -> str | None:
        """``kiefernholz``; the longest end decides, and ``handschuhe`` are no shoes."""
        if word in self._ends and self._ends[word] is None:
            return None
        for length in range(1, len(word) - _HEAD + 1):
            value = self._ends.get(word[length:], "")
            if value is None or (value and length >= _MIN_REST):
                return value
        return None


def _phrases(wordings: Mapping[str, Wording]) -> dict[str, list[_Phrase]]:
    """By their first word, the longest first."""
    found: dict[str, list[_Phrase]] = defaultdict(list)
    for name, wording in wordings.items():
        said: dict[str, str | None] = {**dict.fromkeys(wording.ignored), **wording.values}
        for phrase, value in said.items():
            if not _is_joined(phrase):
                first, *rest = _TOKEN.findall(phrase)
                joins = _JOINS | _SIGNS if _SIGN.search(phrase) else _JOINS
                found[first].append(_Phrase(name, value, tuple(rest), phrase in wording.looks, joins))
    return {first: sorted(phrases, key=lambda one: -len(one.rest)) for first, phrases in found.items()}


def _context(taxonomy: Taxonomy, wording: Wording) -> _Context:
    return _Context(
        frozenset(wording.before), frozenset(taxonomy.denials), frozenset((*wording.after, *taxonomy.exclusions))
    )


def _follows(phrase: _Phrase, tokens: Sequence[Token], place: int, text: str) -> bool:
    """Do the phrase's other words follow?"""
    for offset, word in enumerate(phrase.rest, 1):
        if _neighbour(tokens, place + offset - 1, place + offset, text, phrase.joins) != word:
            return False
    return True


def _neighbour(
    tokens: Sequence[Token], place: int, other: int, text: str, joins: frozenset[str] = _JOINS
) -> str | None:
    """The word at ``other``, next to the one at ``place``, if nothing but one of ``joins`` stands between: a space, a
    hyphen or an apostrophe.
    """
    if not 0 <= other < len(tokens):
        return None
    left, right = min(place, other), max(place, other)
    return tokens[other][0] if text[tokens[left][2] : tokens[right][1]] in joins else None


def _is_joined(word: str) -> bool:
    return any(character >= _FIRST_CJK for character in word)
