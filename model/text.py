"""Text tower: titles to vectors. A BERT encoder with mean pooling (Reimers & Gurevych 2019), run by transformers.

Any other encoder can take its place (`model.towers`): token ids and mask in, states (B, T, D) out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from model.titles import Titles, open_tokenizer, padded

_NO_TOKEN = -1e4  # added to what attention gives a place without a token
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
        self.prefix = prefix
        self.identity = "" if (pooling, prefix) == ("mean", "") else f"{pooling} {prefix}"  # beside its weights
        self.tuned: TunedLayers | None = None
        self.engine: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None  # what encodes in torch's stead

    def forward(self, titles: Sequence[str]) -> torch.Tensor:
        """Titles to (B, D) float32 of length 1, in order. Titles of like length are encoded together.

        With ``tuned`` layers (B, 2 D): the vector of the encoder as it came and, after it, theirs.
        """
        device = next(self.net.parameters()).device
        encode, width = self.engine or self.encode, self.dim if self.tuned is None else 2 * self.dim
        return Titles(self._tokenizer, encode, width, device, self.prefix)(titles)

    def token_ids(self, titles: Sequence[str]) -> list[list[int]]:
        """Each title's tokens."""
        return [one.ids for one in self._tokenizer.encode_batch([self.prefix + title for title in titles])]

    def states(self, titles: Sequence[str], limit: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The states of titles' first ``limit`` tokens, (B, T, D), and their mask (B, T), 1 where a token stands."""
        device = next(self.net.parameters()).device
        ids, mask = padded([ids[:limit] for ids in self.token_ids(titles)])
        ids, mask = ids.to(device), mask.to(device)
        states: torch.Tensor = self.net(input_ids=ids, attention_mask=mask).last_hidden_state
        return states.float(), mask

    @property
    def dim(self) -> int:
        """D."""
        return int(cast(Any, self.net.config).hidden_size)

    def last_layers(self, count: int) -> TunedLayers:
        """Copies of a BERT's last ``count`` layers, to be tuned."""
        return TunedLayers(copy.deepcopy(list(cast(Any, self.net).encoder.layer)[-count:]))

    def lower_states(self, tokens: list[list[int]], num_tuned: int) -> torch.Tensor:
        """(B, T, D): what a BERT's layers below the last ``num_tuned`` make of titles' tokens."""
        device = next(self.net.parameters()).device
        ids, mask = padded(tokens)
        return self._lower(ids.to(device), mask.to(device), num_tuned)

    def _lower(self, ids: torch.Tensor, mask: torch.Tensor, num_tuned: int) -> torch.Tensor:
        net = cast(Any, self.net)
        states: torch.Tensor = net.embeddings(input_ids=ids)
        return _through(list(net.encoder.layer)[:-num_tuned], states, mask)

    def _encode_twice(self, ids: torch.Tensor, mask: torch.Tensor, tuned: TunedLayers) -> torch.Tensor:
        num_tuned = len(tuned.layers)
        lower = self._lower(ids, mask, num_tuned)
        own = _vector(_through(list(cast(Any, self.net).encoder.layer)[-num_tuned:], lower, mask), mask)
        return torch.cat([own, tuned(lower, mask)], dim=1)

    def encode(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T) token ids and their mask, 1 where a token stands, to (B, D) of length 1; see ``forward``."""
        if self.tuned is not None:
            return self._encode_twice(ids, mask, self.tuned)
        found = self.net(input_ids=ids, attention_mask=mask)
        return nn.functional.normalize(self._pooled(found, mask).float(), dim=-1)

    def _pooled(self, found: Any, mask: torch.Tensor) -> torch.Tensor:
        if self.pooling == "pooler":
            pooled: torch.Tensor = found.pooler_output
            return pooled
        states: torch.Tensor = found.last_hidden_state  # (B, T, D)
        if self.pooling == "cls":
            return states[:, 0]
        return _mean(states, mask)


class TunedLayers(nn.Module):
    """The last layers of a BERT, tuned: states (B, T, D) of those below and their mask (B, T) to (B, D) of length 1."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return _vector(_through(self.layers, states, mask), mask)


def _through(layers: Iterable[nn.Module], states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    added = (1 - mask)[:, None, None, :] * _NO_TOKEN
    for layer in layers:
        found = layer(states, attention_mask=added)
        states = found[0] if isinstance(found, tuple) else found
    return states


def _mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def _vector(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return nn.functional.normalize(_mean(states, mask).float(), dim=-1)


def _bert(folder: Path) -> nn.Module:
    from transformers import BertConfig, BertModel

    net: nn.Module = BertModel(BertConfig.from_json_file(folder / "config.json"), add_pooling_layer=False)
    return net
