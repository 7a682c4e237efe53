"""Titles as numbers: words for the LSTM, word pieces for BERT."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from tokenizers import Tokenizer

from model.ngrams import words_of

PADDING, UNKNOWN = 0, 1


class Reader(Protocol):
    """Titles to (B, T) ids and (B,) how many of them count, at least one."""

    def __call__(self, titles: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """See the class."""
        ...

    def save(self, folder: Path) -> None:
        """Write what a checkpoint needs to read titles again."""
        ...


class WordReader:
    """Words of training titles by number; others are ``UNKNOWN``."""

    def __init__(self, words: Sequence[str], limit: int) -> None:
        self.words = tuple(words)
        self._limit = limit
        self._index = {word: place + 2 for place, word in enumerate(words)}

    @classmethod
    def of_titles(cls, titles: Sequence[str], num_words: int, limit: int) -> WordReader:
        """The commonest words that at least two titles have."""
        counts = Counter(word for title in titles for word in set(words_of(title)))
        common = sorted((word for word, count in counts.items() if count > 1), key=lambda word: (-counts[word], word))
        return cls(common[:num_words], limit)

    def __call__(self, titles: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Reader`."""
        found = [[self._index.get(word, UNKNOWN) for word in words_of(title)][: self._limit] for title in titles]
        return _padded([ids or [UNKNOWN] for ids in found])

    def save(self, folder: Path) -> None:
        """See `Reader`."""
        (folder / "words.json").write_text(json.dumps(self.words, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, limit: int) -> WordReader:
        """What ``save`` wrote."""
        return cls(json.loads((folder / "words.json").read_text(encoding="utf-8")), limit)


class PieceReader:
    """A BERT's own tokeniser."""

    def __init__(self, tokenizer: Tokenizer, limit: int) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.enable_truncation(limit)
        self._tokenizer.no_padding()

    def __call__(self, titles: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Reader`."""
        return _padded([one.ids or [UNKNOWN] for one in self._tokenizer.encode_batch(list(titles))])

    def save(self, folder: Path) -> None:
        """See `Reader`."""
        self._tokenizer.save(str(folder / "tokenizer.json"))

    @classmethod
    def load(cls, folder: Path, limit: int) -> PieceReader:
        """From a folder with ``tokenizer.json``."""
        return cls(Tokenizer.from_file(str(folder / "tokenizer.json")), limit)


def _padded(found: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.full((len(found), max(len(one) for one in found)), PADDING)
    for row, one in enumerate(found):
        ids[row, : len(one)] = torch.tensor(one)
    return ids, torch.tensor([len(one) for one in found])
