"""BERT (Devlin et al. 2019) with mean pooling as an OpenVINO graph, from the weights as transformers names them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.runtime.graph import Layers, Weights

_PLAIN = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
_NUMBERS = (
    "num_attention_heads", "num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size",
    "max_position_embeddings", "type_vocab_size",
)  # fmt: skip
_OFF = ("is_decoder", "add_cross_attention", "chunk_size_feed_forward")  # other networks under the same name


@dataclass(frozen=True, slots=True)
class BertShape:
    """What the weights alone do not tell."""

    num_heads: int
    num_layers: int
    width: int
    inner_width: int
    num_words: int
    num_positions: int
    num_kinds: int
    epsilon: float

    @classmethod
    def load(cls, path: Path) -> BertShape | None:
        """From the tower's ``config.json``; None when it describes anything else than a plain BERT encoder."""
        found = json.loads(path.read_text(encoding="utf-8"))
        if any(found.get(name, plain) != plain for name, plain in _PLAIN.items()) or any(found.get(n) for n in _OFF):
            return None
        numbers = [found.get(name) for name in _NUMBERS]
        if "model_type" not in found or any(type(number) is not int for number in numbers):
            return None
        heads, layers, width, inner_width, words, positions, kinds = numbers
        epsilon = float(found.get("layer_norm_eps", 1e-12))
        return cls(heads, layers, width, inner_width, words, positions, kinds, epsilon)


def build(shape: BertShape, weights: Weights, tuned: Weights | None = None, num_tuned: int = 0) -> Any:
    """(B, T) int64 token ids and (B, T) float32 mask to (B, D) of length 1, as `model.text.TextTower.encode`; with
    ``tuned`` weights of the last ``num_tuned`` layers (B, 2 D). Raises CheckpointError.
    """
    weights.drop("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")
    net = _Net(weights, shape)
    ops = net.ops
    ids = ops.parameter([-1, -1], np.int64, name="ids")
    mask = ops.parameter([-1, -1], np.float32, name="mask")
    states = net.embed(ids)
    attended = ops.unsqueeze(ops.convert(mask, "boolean"), net.integers(1, 2))  # (B, 1, 1, T)
    shared = shape.num_layers - num_tuned
    states = net.through(states, attended, [f"encoder.layer.{place}" for place in range(shared)])
    own = net.through(states, attended, [f"encoder.layer.{place}" for place in range(shared, shape.num_layers)])
    vector = net.mean(own, mask)
    if tuned is not None:
        other = _Net(tuned, shape)
        last = other.through(states, attended, [f"layers.{place}" for place in range(num_tuned)])
        vector = ops.concat([vector, other.mean(last, mask)], 1)
        tuned.close()
    return net.model(vector, [ids, mask])


class _Net(Layers):
    """The encoder's parts."""

    def __init__(self, weights: Weights, shape: BertShape) -> None:
        super().__init__(weights)
        self._shape = shape

    def embed(self, ids: Any) -> Any:
        """(B, T) ids to (B, T, D): words, their places, and the one kind of segment that titles have."""
        ops, shape = self.ops, self._shape
        length = ops.gather(ops.shape_of(ids), self.integers(1), self.integers(0))
        places = ops.range(ops.constant(0), ops.squeeze(length, self.integers(0)), ops.constant(1), "i64")
        words = self.table("embeddings.word_embeddings.weight", shape.num_words, shape.width, ids)
        kinds = self.constant(
            self.weights.take("embeddings.token_type_embeddings.weight", shape.num_kinds, shape.width)[0]
        )
        order = self.table("embeddings.position_embeddings.weight", shape.num_positions, shape.width, places)
        return self.norm(ops.add(ops.add(words, kinds), order), "embeddings.LayerNorm")

    def layer(self, states: Any, attended: Any, name: str) -> Any:
        """(B, T, D) to (B, T, D)."""
        ops, width, inner = self.ops, self._shape.width, self._shape.inner_width
        query, key, value = (self._heads(states, f"{name}.attention.self.{one}") for one in ("query", "key", "value"))
        seen = ops.scaled_dot_product_attention(query, key, value, attended)
        joined = ops.reshape(ops.transpose(seen, self.integers(0, 2, 1, 3)), self.integers(0, 0, width), True)
        said = self.linear(joined, f"{name}.attention.output.dense", width, width)
        states = self.norm(ops.add(said, states), f"{name}.attention.output.LayerNorm")
        inside = ops.gelu(self.linear(states, f"{name}.intermediate.dense", inner, width), "erf")
        outside = self.linear(inside, f"{name}.output.dense", width, inner)
        return self.norm(ops.add(outside, states), f"{name}.output.LayerNorm")

    def through(self, states: Any, attended: Any, names: Sequence[str]) -> Any:
        """(B, T, D) through layers, one after the other."""
        for name in names:
            states = self.layer(states, attended, name)
        return states

    def mean(self, states: Any, mask: Any) -> Any:
        """(B, T, D) to (B, D) of length 1: the mean over tokens."""
        ops = self.ops
        total = ops.reduce_sum(ops.multiply(states, ops.unsqueeze(mask, self.integers(2))), self.integers(1), False)
        mean = ops.divide(total, ops.reduce_sum(mask, self.integers(1), True))
        length = ops.maximum(ops.reduce_l2(mean, self.integers(1), True), ops.constant(np.float32(1e-12)))
        return ops.divide(mean, length)

    def norm(self, states: Any, name: str) -> Any:
        """Layer norm with the encoder's epsilon."""
        return self.layer_norm(states, name, self._shape.width, self._shape.epsilon)

    def _heads(self, states: Any, name: str) -> Any:
        """(B, T, D) to (B, heads, T, D / heads)."""
        heads, width = self._shape.num_heads, self._shape.width
        whole = self.linear(states, name, width, width)
        split = self.ops.reshape(whole, self.integers(0, 0, heads, width // heads), True)
        return self.ops.transpose(split, self.integers(0, 2, 1, 3))
