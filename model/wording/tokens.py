"""The words of a text, which of them stand together, and what they state."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_RUNS = "\u0e01-\u0e3a\u0e40-\u0e4e\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # Thai, Japanese, Chinese, Korean
# Of vowels and tones, Indic and Thai: they stand in words, and are no letters.
SIGNS = "".join(filter(lambda sign: unicodedata.category(sign)[0] == "M", map(chr, range(0x0900, 0x0E50))))
_INDIC = "".join(sign for sign in SIGNS if sign < "\u0e00")  # Thai ones stand in runs
_RUN = re.compile(f"[{_RUNS}]")
WORD = rf"[^\W_]+(?:[{SIGNS}]+[^\W_]*)*"  # of any script
TOKEN = re.compile(rf"[{_RUNS}]+|[^\W_{_RUNS}]+(?:[{_INDIC}]+[^\W_{_RUNS}]*)*")
_JOINS = frozenset(("", " ", "-", "'", "’"))  # what may stand between the words of a phrase
_AND_JOINS = _JOINS | {"&", " & ", "+", " + "}

Token = tuple[str, int, int]  # the word, where it starts and where it ends


@dataclass(frozen=True, slots=True)
class Stated:
    """A value that words at ``[start, end)`` state."""

    attribute: str
    value: str
    start: int
    end: int


def has_run(word: str) -> bool:
    """Does it hold a letter of a script that puts nothing between words?"""
    return not word.isascii() and _RUN.search(word) is not None


def with_runs(words: Iterable[str]) -> list[str]:
    """Those that `has_run`, of very many."""
    look = _RUN.search
    return [word for word in words if not word.isascii() and look(word)]


def is_run(token: str) -> bool:
    """The same of a token: it holds no other letters, or none such. False for none at all."""
    return _RUN.match(token) is not None


def tokens_of(text: str) -> list[Token]:
    """Of lowered ``text``, in order."""
    return [(match[0], match.start(), match.end()) for match in TOKEN.finditer(text)]


def stand(
    words: Sequence[str], tokens: Sequence[Token], place: int, text: str, *, step: int = 1, and_too: bool = False
) -> bool:
    """Are ``words`` the neighbours of the word at ``place``, one after the other? ``step`` -1: those before it."""
    return all(
        neighbour(tokens, place + step * (far - 1), place + step * far, text, and_too=and_too) == word
        for far, word in enumerate(words, 1)
    )


def neighbour(tokens: Sequence[Token], place: int, other: int, text: str, *, and_too: bool = False) -> str | None:
    """The word at ``other``, next to the one at ``place``, if nothing but a space, a hyphen or an apostrophe stands
    between; ``and_too``: or an ``&``.
    """
    if not 0 <= other < len(tokens):
        return None
    left, right = min(place, other), max(place, other)
    between = text[tokens[left][2] : tokens[right][1]]
    return tokens[other][0] if between in (_AND_JOINS if and_too else _JOINS) else None
