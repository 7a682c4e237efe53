"""BERT's encoder (Devlin et al. 2018) as far as a sentence tower needs it: token ids in, the last layer's states out.

Parameters have the names that published checkpoints use. Written out here because importing a library for these lines
costs every start a second of processor time and every worker a hundred megabytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from model.errors import CheckpointError

_WANTED = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}


@dataclass(frozen=True, slots=True)
class BertShape:
    """Sizes, as ``config.json`` of a published BERT names them."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float

    @classmethod
    def load(cls, path: Path) -> BertShape:
        """Read a ``config.json``. Raises CheckpointError for another kind of network, or where a size is missing."""
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name, wanted in _WANTED.items():
            if told.get(name, wanted) != wanted:
                raise CheckpointError(f"{path.name} of the text tower says {name}={told[name]!r}, only {wanted!r} runs")
        missing = [name for name in cls.__slots__ if not isinstance(told.get(name), int | float)]
        if missing:
            raise CheckpointError(f"{path.name} of the text tower states no {missing[0]}; copy the folder again")
        return cls(**{name: told[name] for name in cls.__slots__})


class BertEncoder(nn.Module):
    """Embeddings and layers, without dropout and without the pooler."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.embeddings = _Embeddings(shape)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(_Layer(shape) for _ in range(shape.num_hidden_layers))})

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T) token ids and their mask, 1 where a token stands, to (B, T, D) states."""
        states: torch.Tensor = self.embeddings(ids)
        seen = mask[:, None, None, :] > 0  # (B, 1, 1, T)
        for layer in cast(nn.ModuleList, self.encoder["layer"]):
            states = layer(states, seen)
        return states


class _Embeddings(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.position_embeddings = nn.Embedding(shape.max_position_embeddings, shape.hidden_size)
        self.token_type_embeddings = nn.Embedding(shape.type_vocab_size, shape.hidden_size)
        self.LayerNorm = nn.LayerNorm(shape.hidden_size, eps=shape.layer_norm_eps)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        known = self.word_embeddings(ids) + self.position_embeddings(places) + self.token_type_embeddings.weight[0]
        normal: torch.Tensor = self.LayerNorm(known)
        return normal


class _Layer(nn.Module):
    """Attention over the tokens, then two dense steps on each, both added to what came in."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        wide, inner = shape.hidden_size, shape.intermediate_size
        own = nn.ModuleDict({name: nn.Linear(wide, wide) for name in ("query", "key", "value")})
        self.attention = nn.ModuleDict({"self": own, "output": _Joint(wide, wide, shape.layer_norm_eps)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(wide, inner)})
        self.output = _Joint(inner, wide, shape.layer_norm_eps)
        self._heads = shape.num_attention_heads

    def forward(self, states: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        own: Any = self.attention["self"]
        query, key, value = (self._split(own[name](states)) for name in ("query", "key", "value"))
        found = scaled_dot_product_attention(query, key, value, attn_mask=seen)
        joined = self.attention["output"](found.transpose(1, 2).flatten(2), states)
        result: torch.Tensor = self.output(gelu(self.intermediate["dense"](joined)), joined)
        return result

    def _split(self, states: torch.Tensor) -> torch.Tensor:
        """(B, T, D) to (B, heads, T, D / heads)."""
        batch, tokens, wide = states.shape
        return states.view(batch, tokens, self._heads, wide // self._heads).transpose(1, 2)


class _Joint(nn.Module):
    """A dense step, added to what stood before, normalised."""

    def __init__(self, inner: int, wide: int, eps: float) -> None:
        super().__init__()
        self.dense = nn.Linear(inner, wide)
        self.LayerNorm = nn.LayerNorm(wide, eps=eps)

    def forward(self, states: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        normal: torch.Tensor = self.LayerNorm(self.dense(states) + before)
        return normal
