"""Text tower: titles to vectors. A BERT encoder with mean pooling (Reimers & Gurevych 2019), run by transformers.

Any other encoder can take its place (`model.towers`): token ids and mask in, states (B, T, D) out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from model.titles import Titles, open_tokenizer, padded

POOLINGS = ("mean", "cls", "pooler")


class TextTower(nn.Module):
    """Tokeniser and encoder. ``folder`` holds ``config.json`` and ``tokenizer.json``; weights are loaded by the
    caller. ``net`` None: the BERT that the folder describes.

    ``net`` takes ``input_ids`` and ``attention_mask`` and gives an object with ``last_hidden_state``, and with
    ``pooler_output`` where ``pooling`` asks for it; ``net.config.hidden_size`` is D.
    """

    def __init__(
        self, folder: Path, max_tokens: int, net: nn.Module | None = None, pooling: str = "mean", prefix: str = ""
    ) -> None:
        super().__init__()
        self.net = net if net is not None else _bert(folder)
        self._tokenizer = open_tokenizer(folder, max_tokens)
        self.pooling = pooling
        self._prefix = prefix
        self.engine: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None  # what encodes in torch's stead

    def forward(self, titles: Sequence[str]) -> torch.Tensor:
        """Titles to (B, D) float32 of length 1, in order. Titles of like length are encoded together."""
        device = next(self.net.parameters()).device
        encode = self.engine or self.encode
        return Titles(self._tokenizer, encode, self.dim, device, self._prefix)(titles)

    def states(self, titles: Sequence[str], limit: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The states of titles' first ``limit`` tokens, (B, T, D), and their mask (B, T), 1 where a token stands."""
        ids, mask = padded([one.ids[:limit] for one in self._tokenizer.encode_batch(list(titles))])
        ids, mask = ids.to(self.net.device), mask.to(self.net.device)
        states: torch.Tensor = self.net(input_ids=ids, attention_mask=mask).last_hidden_state
        return states.float(), mask

    @property
    def dim(self) -> int:
        """D."""
        return int(cast(Any, self.net.config).hidden_size)

    def encode(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T) token ids and their mask, 1 where a token stands, to (B, D) of length 1."""
        found = self.net(input_ids=ids, attention_mask=mask)
        return nn.functional.normalize(self._pooled(found, mask).float(), dim=-1)

    def _pooled(self, found: Any, mask: torch.Tensor) -> torch.Tensor:
        if self.pooling == "pooler":
            pooled: torch.Tensor = found.pooler_output
            return pooled
        states: torch.Tensor = found.last_hidden_state  # (B, T, D)
        if self.pooling == "cls":
            return states[:, 0]
        return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def _bert(folder: Path) -> nn.Module:
    from transformers import BertConfig, BertModel

    net: nn.Module = BertModel(BertConfig.from_json_file(folder / "config.json"), add_pooling_layer=False)
    return net
