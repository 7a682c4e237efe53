"""Text tower: titles to vectors. A BERT encoder with mean pooling (Reimers & Gurevych 2019), run by transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from model.titles import Titles, open_tokenizer


class TextTower(nn.Module):
    """Tokeniser and encoder. ``folder`` holds ``config.json`` and ``tokenizer.json``; weights are loaded by the
    caller.
    """

    def __init__(self, folder: Path, max_tokens: int) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel  # slow, and needed only where torch runs or traces the tower

        self.net = BertModel(BertConfig.from_json_file(folder / "config.json"), add_pooling_layer=False)
        self._tokenizer = open_tokenizer(folder, max_tokens)
        self.engine: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None  # what encodes in torch's stead

    def forward(self, titles: Sequence[str]) -> torch.Tensor:
        """Titles to (B, D) float32 of length 1, in order. Titles of like length are encoded together."""
        encode = self.engine or self.encode
        return Titles(self._tokenizer, encode, self.net.config.hidden_size, self.net.device)(titles)

    def encode(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T) token ids and their mask, 1 where a token stands, to (B, D) of length 1."""
        states = self.net(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, T, D)
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return nn.functional.normalize(mean.float(), dim=-1)
