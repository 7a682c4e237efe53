"""What stands around a word that would state a value, and takes its meaning away: denials (``no real leather``), words
that make something else of it (``leather look``), and heads (``laces for shoes`` are no shoes, ``沙发套`` no sofa).

Each look goes a few words far at most, so the time stays linear in the text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from model.taxonomy import HeadRules, Taxonomy
from model.wording.tokens import TOKEN, Token, has_run, neighbour, stand

_STEPS = 5  # words looked back at
_QUALIFIERS = 2  # of them: real, genuine, made
_OTHERS = 2  # between a preposition and the thing: for running shoes
_ARTICLES = 2
_PLURALS = ("s", "x", "i")


class Context:
    """One attribute's rules."""

    def __init__(self, taxonomy: Taxonomy, name: str) -> None:
        wording = taxonomy.wording(name)
        before, after = (*wording.before, *taxonomy.denials), (*wording.after, *taxonomy.exclusions)
        self.after = frozenset(word for word in after if not has_run(word))
        self._before = _by_end(before)
        self._links = frozenset(taxonomy.links)
        self._qualifiers = frozenset(taxonomy.qualifiers)
        self._alternatives = frozenset(taxonomy.alternatives)
        self._harmless = _by_start(taxonomy.harmless)
        self._head = _Head(wording.head, self._links | self._qualifiers) if wording.head else None
        self._joined_before = _joined(before)
        self._joined_after = _joined(after)
        self._joined_qualifiers = _joined((*taxonomy.links, *taxonomy.qualifiers))
        self._joined_harmless = _joined(taxonomy.harmless)

    def leaves(self, tokens: Sequence[Token], first: int, last: int, text: str, states: Callable[[str], bool]) -> bool:
        """Do the words from ``first`` to ``last`` keep their meaning? ``states``: does a word state any value?"""
        follower = neighbour(tokens, last, last + 1, text)
        if follower in self.after and not any(self._is_harmless(tokens, place, text) for place in (last, last + 1)):
            return False
        if self._is_denied(tokens, first, text):
            return False
        return self._head is None or self._head.is_head(
            tokens, first, last, text, lambda word: self._names(word, states)
        )

    def leaves_in_run(self, text: str, start: int, end: int) -> bool:
        """The same of ``text[start:end]`` where nothing stands between words; what follows there is the head."""
        if text.startswith(self._joined_after, end) and not text.startswith(self._joined_harmless, end):
            return False
        for _ in range(_QUALIFIERS + 1):
            if text.endswith(self._joined_before, 0, start):
                return False
            passed = next((one for one in self._joined_qualifiers if text.endswith(one, 0, start)), None)
            if passed is None:
                return True
            start -= len(passed)
        return True

    def _is_denied(self, tokens: Sequence[Token], first: int, text: str) -> bool:
        qualifiers = 0
        follower = ""
        for place in range(first - 1, first - 1 - _STEPS, -1):
            word = neighbour(tokens, place + 1, place, text)
            if word is None:
                return False
            if follower in self._alternatives:  # no wool or leather
                follower = word
                continue
            follower = word
            if any(stand(rest, tokens, place, text, step=-1) for rest in self._before.get(word, ())):
                return True
            if word in self._alternatives:
                continue
            qualifiers += word in self._qualifiers
            if qualifiers > _QUALIFIERS or not (word in self._links or word in self._qualifiers):
                return False
        return False

    def _is_harmless(self, tokens: Sequence[Token], place: int, text: str) -> bool:
        """``leather free shipping``, ``cotton print``: a phrase that begins at ``place`` takes nothing away."""
        return any(stand(rest, tokens, place, text) for rest in self._harmless.get(tokens[place][0], ()))

    def _names(self, word: str, states: Callable[[str], bool]) -> bool:
        return word not in self.after and states(word)


class _Head:
    """Whether a thing's word is the head of its phrase."""

    def __init__(self, rules: HeadRules, passed: frozenset[str]) -> None:
        self._rules = rules
        self._passed = passed

    def is_head(self, tokens: Sequence[Token], first: int, last: int, text: str, states: Callable[[str], bool]) -> bool:
        return not (
            self._is_aim(tokens, first, text)
            or self._is_part(tokens, first, last, text)
            or self._is_of_another_kind(tokens, last, text, states)
        )

    def _is_aim(self, tokens: Sequence[Token], first: int, text: str) -> bool:
        """``laces for running shoes``: what the thing is for; but ``for women: shoes``."""
        others = 0
        for place in range(first - 1, first - 1 - _STEPS, -1):
            word = neighbour(tokens, place + 1, place, text)
            if word is None or word in self._rules.whom:
                return False
            if word in self._rules.aims:
                return place > 0 and tokens[place - 1][0].isalpha()
            others += word not in self._passed
            if others > _OTHERS:
                return False
        return False

    def _is_part(self, tokens: Sequence[Token], first: int, last: int, text: str) -> bool:
        """``housse de canapé``; but ``lot de chaises``."""
        for place in range(first - 1, first - 1 - _ARTICLES, -1):
            word = neighbour(tokens, place + 1, place, text)
            if word in self._rules.of or word in self._rules.to:
                whole = neighbour(tokens, place, place - 1, text)
                is_many = whole in self._rules.quantities and tokens[last][0].endswith(_PLURALS)
                return whole is not None and whole.isalpha() and not is_many
            if word not in self._passed:
                return False
        return False

    def _is_of_another_kind(self, tokens: Sequence[Token], last: int, text: str, states: Callable[[str], bool]) -> bool:
        """``tapis de souris``; but ``tapis de laine``, ``tapis de salon``."""
        if neighbour(tokens, last, last + 1, text) not in self._rules.of:
            return False
        for place in range(last + 2, last + 2 + _ARTICLES + 1):
            word = neighbour(tokens, place - 1, place, text)
            if word is None:
                return False
            if word not in self._passed:
                known = word in self._rules.kinds or word.removesuffix("s") in self._rules.kinds
                return not (known or word[0].isdigit() or states(word))
        return False


def _joined(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(filter(has_run, words), key=len, reverse=True))


def _by_end(phrases: Iterable[str]) -> dict[str, list[list[str]]]:
    """By their last word: the words before it, the nearest first."""
    found: dict[str, list[list[str]]] = defaultdict(list)
    for phrase in phrases:
        *rest, last = TOKEN.findall(phrase)
        found[last].append(rest[::-1])
    return found


def _by_start(phrases: Iterable[str]) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = defaultdict(list)
    for phrase in phrases:
        first, *rest = TOKEN.findall(phrase)
        found[first].append(rest)
    return found
