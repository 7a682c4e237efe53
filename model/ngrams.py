"""Titles as bags of hashed n-grams: words, pairs of words, and 2 to 5 letters inside words.

An encoder knows what words mean, n-grams which exact words sellers use. Weights are sublinear tf-idf of unit length
(Salton & Buckley 1988), columns the hashing trick (Weinberger et al. 2009): the same title gives the same bag anywhere.

A title mostly of words that no training title had is not to be read by either: most likely it is in another language.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import numpy as np
import numpy.typing as npt

NUM_COLUMNS = 1 << 14
NUM_WORD_BITS = 1 << 18
FAMILIAR_SHARE = 0.5
_LENGTHS = (2, 3, 4, 5)
_MAX_WORDS = 64
_MAX_WORD_LENGTH = 40
_WORDS = re.compile(r"\w+")
_RUN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_LETTERS = re.compile(rf"[^\W\d_]{{3,}}|{_RUN.pattern}")

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bags:
    """Rows of a sparse matrix (N, NUM_COLUMNS): row ``n`` is ``columns[starts[n]:starts[n + 1]]`` with its weights."""

    columns: Ints
    weights: Floats
    starts: Ints  # (N + 1,)

    def take(self, rows: Ints) -> Bags:
        """Some of the rows, in the given order."""
        lengths = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(self.starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
        return Bags(self.columns[places], self.weights[places], starts)


def count_documents(titles: Sequence[str]) -> Ints:
    """(NUM_COLUMNS,) in how many of the titles each column occurs."""
    counts = np.zeros(NUM_COLUMNS, np.int64)
    for title in titles:
        counts[list(_columns(title))] += 1
    return counts


def idf(num_documents: Ints, num_titles: int) -> Floats:
    """(NUM_COLUMNS,) smoothed inverse document frequency."""
    return np.asarray(np.log((1 + num_titles) / (1 + num_documents)) + 1, np.float32)


def bags(titles: Sequence[str], weights: Floats) -> Bags:
    """Titles to bags, in order; ``weights``: what `idf` gave. A title without words gives an empty row."""
    columns: list[Ints] = []
    values: list[Floats] = []
    starts = np.zeros(len(titles) + 1, np.int64)
    for row, title in enumerate(titles):
        counts = _columns(title)
        own = np.fromiter(counts.keys(), np.int64, len(counts))
        value = (1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))) * weights[own]
        columns.append(own)
        values.append(value / max(float(np.sqrt((value * value).sum())), 1e-9))
        starts[row + 1] = starts[row] + len(own)
    return Bags(
        np.concatenate([*columns, np.zeros(0, np.int64)]),
        np.concatenate([*values, np.zeros(0, np.float32)]).astype(np.float32),
        starts,
    )


def word_bits(titles: Sequence[str], min_titles: int = 2) -> npt.NDArray[np.uint8]:
    """(NUM_WORD_BITS,) 1 for the words that at least ``min_titles`` of the titles have, by hash."""
    counts = Counter(word for title in titles for word in set(_letters(title)))
    bits = np.zeros(NUM_WORD_BITS, np.uint8)
    bits[[_bit(word) for word, count in counts.items() if count >= min_titles]] = 1
    return bits


def is_familiar(title: str, bits: npt.NDArray[np.uint8]) -> bool:
    """Are more than half of a title's words known? A title without words is. Words of scripts that are written without
    spaces are not: they come in runs, and where the bit of one is set, that is chance.
    """
    words = _letters(title)
    known = sum(int(bits[_bit(word)]) for word in words if not _RUN.search(word))
    return not words or known > FAMILIAR_SHARE * len(words)


def _letters(title: str) -> list[str]:
    return _LETTERS.findall(unicodedata.normalize("NFKC", title).casefold())[:_MAX_WORDS]


def _bit(word: str) -> int:
    return crc32(word.encode()) % NUM_WORD_BITS


def words_of(title: str) -> list[str]:
    """The words of a title in a form that does not depend on case or on how letters are composed."""
    return _WORDS.findall(unicodedata.normalize("NFKC", title).casefold())[:_MAX_WORDS]


def _columns(title: str) -> Counter[int]:
    return Counter(crc32(gram.encode()) % NUM_COLUMNS for gram in _grams(title))


def _grams(title: str) -> Iterator[str]:
    words = words_of(title)
    for word in words:
        yield f"w:{word}"
    for first, second in pairwise(words):
        yield f"b:{first} {second}"
    for word in words:
        framed = f"<{word[:_MAX_WORD_LENGTH]}>"
        for length in _LENGTHS:
            for start in range(len(framed) - length + 1):
                yield f"c:{framed[start : start + length]}"
