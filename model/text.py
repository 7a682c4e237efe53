"""Text tower: titles to vectors. A BERT encoder with mean pooling (Reimers & Gurevych 2019), run by transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import BertConfig, BertModel

from model.like_lengths import CALL_TOKENS, groups_of

_MAX_BATCH = 64
_GPU_CALL_TOKENS = 1_000_000  # as few calls as may be: filling costs a GPU little


class TextTower(nn.Module):
    """Tokeniser and encoder. ``folder`` holds ``config.json`` and ``tokenizer.json``; weights are loaded by the
    caller.
    """

    def __init__(self, folder: Path, max_tokens: int) -> None:
        super().__init__()
        self.net = BertModel(BertConfig.from_json_file(folder / "config.json"), add_pooling_layer=False)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()
        self.engine: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None  # what encodes in torch's stead

    def forward(self, titles: Sequence[str]) -> torch.Tensor:
        """Titles to (B, D) float32 of length 1, in order. Titles of like length are encoded together."""
        device = self.net.device
        tokens = [one.ids for one in self._tokenizer.encode_batch(list(titles))]
        order = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
        vectors = torch.empty(len(tokens), self.net.config.hidden_size, device=device)
        call_tokens = CALL_TOKENS if device.type == "cpu" else _GPU_CALL_TOKENS
        for some in groups_of([len(tokens[index]) for index in order], _MAX_BATCH, call_tokens):
            chosen = order[some]
            ids, mask = _padded([tokens[index] for index in chosen])
            vectors[chosen] = (self.engine or self.encode)(ids.to(device), mask.to(device))
        return vectors

    def encode(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T) token ids and their mask, 1 where a token stands, to (B, D) of length 1."""
        states = self.net(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, T, D)
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return nn.functional.normalize(mean.float(), dim=-1)


def _padded(tokens: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, T) ids and (B, T) mask, as wide as the longest."""
    width = max(len(ids) for ids in tokens)
    ids = torch.zeros(len(tokens), width, dtype=torch.long)
    mask = torch.zeros(len(tokens), width)
    for row, found in enumerate(tokens):
        ids[row, : len(found)] = torch.tensor(found)
        mask[row, : len(found)] = 1
    return ids, mask
