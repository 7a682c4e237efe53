"""Titles to vectors by way of tokens: what is the same whatever the encoder runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from model.runtime.like_lengths import CALL_TOKENS, groups_of

Encode = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # (B, T) ids and mask, 1 where a token stands, to (B, D)

_MAX_BATCH = 64
_GPU_CALL_TOKENS = 1_000_000  # as few calls as may be: filling costs a GPU little


def open_tokenizer(folder: Path, max_tokens: int) -> Tokenizer:
    """The tower's tokeniser; ``folder`` holds its ``tokenizer.json``."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    return tokenizer


@dataclass(frozen=True, slots=True)
class Titles:
    """A text tower whose encoder is a function; ``width``: D."""

    tokenizer: Tokenizer
    encode: Encode
    width: int
    device: torch.device
    prefix: str = ""  # what the encoder wants before every title

    def __call__(self, titles: Sequence[str]) -> torch.Tensor:
        """Titles to (B, D) float32 of length 1, in order. Titles of like length are encoded together."""
        tokens = [one.ids for one in self.tokenizer.encode_batch([self.prefix + title for title in titles])]
        order = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
        vectors = torch.empty(len(tokens), self.width, device=self.device)
        call_tokens = CALL_TOKENS if self.device.type == "cpu" else _GPU_CALL_TOKENS
        for some in groups_of([len(tokens[index]) for index in order], _MAX_BATCH, call_tokens):
            chosen = order[some]
            ids, mask = padded([tokens[index] for index in chosen])
            vectors[chosen] = self.encode(ids.to(self.device), mask.to(self.device))
        return vectors


def padded(tokens: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, T) ids and (B, T) mask, as wide as the longest."""
    width = max(len(ids) for ids in tokens)
    ids = torch.zeros(len(tokens), width, dtype=torch.long)
    mask = torch.zeros(len(tokens), width)
    for row, found in enumerate(tokens):
        ids[row, : len(found)] = torch.tensor(found)
        mask[row, : len(found)] = 1
    return ids, mask
