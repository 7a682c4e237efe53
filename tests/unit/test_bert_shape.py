"""Which text towers our own graph may stand for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.config import ModelConfig
from model.place import SHIPPED
from model.runtime import efficientnet_graph
from model.runtime.bert_graph import BertShape

CONFIG = SHIPPED / "towers" / "text" / "config.json"


def test_the_shipped_encoder_is_known() -> None:
    """Its shape is read from its own file."""
    shape = BertShape.load(CONFIG)
    assert shape is not None
    assert (shape.num_layers, shape.num_heads, shape.width) == (6, 12, 384)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_type", "roberta"),
        ("hidden_act", "gelu_new"),
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
        ("num_hidden_layers", "6"),
        ("vocab_size", None),
    ],
)
def test_another_network_is_left_to_its_library(tmp_path: Path, name: str, value: object) -> None:
    """Whatever would compute something else, or is not stated, is not taken for a plain BERT."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(CONFIG.read_text()), name: value}))
    assert BertShape.load(path) is None


@pytest.mark.parametrize(
    ("name", "is_known"), [("tf_efficientnet_lite0", True), ("efficientnet_lite0", False), ("resnet50", False)]
)
def test_efficientnet_is_known_by_its_full_name(name: str, is_known: bool) -> None:
    """The same widths padded otherwise are another network."""
    assert efficientnet_graph.describes(ModelConfig(image_tower=name)) == is_known
