"""Words that state values, found in one pass over a text: whole words and phrases, words within longer ones
("dunkelblau", "Lederstiefel"), and Chinese, Japanese and Thai, where nothing stands between words.

What is found is decided by the taxonomy alone. A word is looked up in tables, so the time does not depend on how many
words the taxonomy has; it is linear in the text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from model.taxonomy import Taxonomy, Wording
from model.wording.compounds import HEAD, MAX_COMPOUND, Compounds, Joined
from model.wording.context import Context
from model.wording.shares import largest
from model.wording.tokens import TOKEN, Stated, Token, has_run, is_run, neighbour, stand, tokens_of

_MAX_FOUND = 200  # in one text
_MAX_MET = 50_000  # words whose phrases are kept laid out
_NAMES = frozenset(("color", "material"))  # attributes whose words are names of people and firms as well


@dataclass(frozen=True, slots=True)
class _Phrase:
    """What a word, and those that must follow it, say of an attribute; ``value`` None: nothing, and no word in it
    does.
    """

    attribute: str
    value: str | None
    rest: tuple[str, ...]
    is_look: bool
    has_and: bool = False  # an ``&`` stands in it
    silences: tuple[str, ...] = ()  # values that its words would state, did they not stand in it


@dataclass(frozen=True, slots=True)
class Found:
    """What a text states; what its words deny (``no leather``); what they would state, did they not stand in a phrase
    of another meaning (``black pepper``); and attributes of which they hint at a value (``walnut`` may be a colour).
    """

    stated: list[Stated]
    denied: list[Stated]
    silenced: list[Stated]
    hinted: set[str]


class WordFinder:
    """The tables, made once from the taxonomy."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._wordings = {name: taxonomy.wording(name) for name in taxonomy.attributes if taxonomy.synonyms(name)}
        self._contexts = {name: Context(taxonomy, name) for name in self._wordings}
        self._phrases = _Phrases(self._wordings)
        self._joined = {name: Joined(wording) for name, wording in self._wordings.items()}
        self._compounds = {
            name: Compounds(wording, self._contexts[name].after)
            for name, wording in self._wordings.items()
            if wording.has_compounds
        }
        self._heads = frozenset(head for one in self._compounds.values() for head in one.heads)
        self._tails = frozenset(tail for one in self._compounds.values() for tail in one.tails)

    def find(self, text: str) -> Found:
        """All values that ``text``, in lower case, states, up to a limit; those of one attribute do not overlap."""
        tokens = tokens_of(text)
        taken = dict.fromkeys(self._wordings, 0)  # by attribute: where what was found last ends
        found = Found([], [], [], set())
        is_ascii = text.isascii()
        for place, (word, _, end) in enumerate(tokens):
            if not is_ascii and (is_run(word) or is_run(text[end : end + 1])):
                self._read_joined(tokens[place], text, taken, found)
            phrases: Sequence[_Phrase] = self._phrases.beginning_with(word)
            if word[:HEAD] in self._heads or word[-HEAD:] in self._tails:
                phrases = [*phrases, *self._within(word, phrases)]
            if phrases:
                self._read_word(phrases, tokens, place, text, taken, found)
            if len(found.stated) >= _MAX_FOUND:
                break
        denied, silenced = found.denied[:_MAX_FOUND], found.silenced[:_MAX_FOUND]
        return Found(largest(text, found.stated), denied, silenced, found.hinted)

    def _read_word(
        self,
        phrases: Sequence[_Phrase],
        tokens: Sequence[Token],
        place: int,
        text: str,
        taken: dict[str, int],
        found: Found,
    ) -> None:
        start = tokens[place][1]
        follower = tokens[place + 1][0] if place + 1 < len(tokens) else None
        for phrase in phrases:
            if phrase.rest and phrase.rest[0] != follower:
                continue  # nearly always, and dearer to see by `stand`
            if start < taken[phrase.attribute] or not stand(phrase.rest, tokens, place, text, and_too=phrase.has_and):
                continue
            last = place + len(phrase.rest)
            end = taken[phrase.attribute] = tokens[last][2]
            found.silenced.extend(Stated(phrase.attribute, value, start, end) for value in phrase.silences)
            if phrase.value is None:
                continue
            if phrase.attribute in _NAMES and _is_owner(text, end):
                found.silenced.append(Stated(phrase.attribute, phrase.value, start, end))
                continue
            if phrase.is_look and not self._is_of(phrase, tokens, place, last, text):
                found.hinted.add(phrase.attribute)
                continue
            counts = self._contexts[phrase.attribute].leaves(tokens, place, last, text, self._states)
            (found.stated if counts else found.denied).append(Stated(phrase.attribute, phrase.value, start, end))

    def _within(self, word: str, known: Sequence[_Phrase] = ()) -> list[_Phrase]:
        """What parts of a longer word state, of attributes of which the whole is not ``known``: a ``ledersofa`` is a
        sofa as a whole, and of leather by its beginning.
        """
        whole = {one.attribute for one in known}
        values = ((name, one.value(word)) for name, one in self._compounds.items() if name not in whole)
        return [_Phrase(name, value, (), False) for name, value in values if value is not None]

    def _read_joined(self, token: Token, text: str, taken: dict[str, int], found: Found) -> None:
        """Words in a run without spaces; of a Latin word only those that begin with it, such as ``t恤``."""
        word, start, end = token
        stop_at = end if is_run(word) else start + 1
        for name, joined in self._joined.items():
            at = max(start, taken[name])
            while at < stop_at and len(found.stated) < _MAX_FOUND:
                value, length = joined.at(text, at)
                if value is not None:
                    counts = self._contexts[name].leaves_in_run(text, at, at + length)
                    (found.stated if counts else found.denied).append(Stated(name, value, at, at + length))
                if length:
                    taken[name] = at + length
                at += length or 1

    def _is_of(self, phrase: _Phrase, tokens: Sequence[Token], first: int, last: int, text: str) -> bool:
        """Is a look's word what the next word is made of? ``walnut table``, not ``table, walnut``."""
        follower = neighbour(tokens, last, last + 1, text)
        return follower is not None and not self._is_color_of(phrase, tokens[first][0], follower)

    def _states(self, word: str) -> bool:
        """Does it state a value of any attribute?"""
        return any(phrase.value is not None for phrase in self._phrases.beginning_with(word) or self._within(word))

    def _is_color_of(self, phrase: _Phrase, word: str, follower: str) -> bool:
        """``walnut brown``: the next word states another value of an attribute that the look itself states."""
        others = {one.attribute for one in self._phrases.beginning_with(word) if not one.rest} - {phrase.attribute}
        return any(one.attribute in others for one in self._phrases.beginning_with(follower))


def _is_owner(text: str, end: int) -> bool:
    """``Brown's dictionary``: does the word that ends there own what follows?"""
    return text[end : end + 2] in ("'s", "’s") and not text[end + 2 : end + 3].isalnum()


class _Phrases:
    """What stands in the tables of all attributes, by first word. The tables hold a hundred thousand words and a
    listing few of them, so a word's phrases are laid out when it is met.
    """

    def __init__(self, wordings: Mapping[str, Wording]) -> None:
        self._wordings = wordings
        self._ignored = {name: frozenset(one.ignored) for name, one in wordings.items()}
        every = chain(*(one.values for one in wordings.values()), *self._ignored.values())
        self._longer = sorted([phrase for phrase in every if not phrase.isalnum()])
        self._met = lru_cache(_MAX_MET)(self._laid_out)

    def beginning_with(self, word: str) -> tuple[_Phrase, ...]:
        """The longest first; none where ``word`` begins nothing, or is a run. What is longer than words in use is not
        kept: a listing may have one of 20,000 letters.
        """
        if is_run(word):
            return ()
        return self._met(word) if len(word) <= MAX_COMPOUND else self._laid_out(word)

    def _laid_out(self, word: str) -> tuple[_Phrase, ...]:
        # What may stand between words sorts from " " to "-", and so before "." and every letter.
        first, end = (bisect_left(self._longer, word + sign) for sign in (" ", "."))
        phrases = dict.fromkeys((word, *(one for one in self._longer[first:end] if not has_run(one))))
        found = [one for name in self._wordings for phrase in phrases for one in self._of(name, phrase)]
        return tuple(sorted(found, key=lambda one: -len(one.rest)))

    def _of(self, name: str, phrase: str) -> Iterator[_Phrase]:
        wording = self._wordings[name]
        value = wording.values.get(phrase)
        if value is not None or phrase in self._ignored[name]:
            silences = self._silenced(name, phrase) if value is None else ()
            rest = tuple(TOKEN.findall(phrase)[1:])
            yield _Phrase(name, value, rest, phrase in wording.looks, "&" in phrase, silences)

    def _silenced(self, name: str, phrase: str) -> tuple[str, ...]:
        """What the words of a phrase that states nothing would state by themselves. Nothing where one states a value
        of another attribute: the colour of 14k white gold is no food and no film, and the title's experts know it.
        """
        words, values = TOKEN.findall(phrase), self._wordings[name].values
        if any(
            word in one.values for other, one in self._wordings.items() if other != name for word in (phrase, *words)
        ):
            return ()
        return tuple(dict.fromkeys(values[word] for word in words if word in values))
