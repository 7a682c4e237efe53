"""Our BERT is the published one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from model.bert import BertEncoder, BertShape
from model.errors import CheckpointError

CONFIG = {
    "model_type": "bert", "hidden_act": "gelu", "vocab_size": 90, "hidden_size": 24, "num_hidden_layers": 3,
    "num_attention_heads": 4, "intermediate_size": 60, "max_position_embeddings": 40, "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}  # fmt: skip


def _config(folder: Path, **changed: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({name: value for name, value in {**CONFIG, **changed}.items() if value is not None}))
    return path


def test_says_what_the_published_one_says(tmp_path: Path) -> None:
    """The same weights under the same names, the same tokens, padded or not: the same states."""
    transformers = pytest.importorskip("transformers")
    path = _config(tmp_path)
    torch.manual_seed(3)
    config = transformers.BertConfig.from_json_file(path)
    theirs = transformers.BertModel(config, add_pooling_layer=False).eval()
    ours = BertEncoder(BertShape.load(path)).eval()
    ours.load_state_dict(theirs.state_dict())
    ids = torch.randint(0, 90, (5, 17))
    mask = (torch.arange(17) < torch.tensor([17, 1, 9, 16, 2])[:, None]).float()
    with torch.inference_mode():
        wanted = theirs(input_ids=ids, attention_mask=mask).last_hidden_state
        found = ours(ids, mask)
    assert torch.allclose(found[mask > 0], wanted[mask > 0], atol=1e-5)


def test_padding_changes_nothing(tmp_path: Path) -> None:
    """A title's states are the same alone and beside a longer one."""
    ours = BertEncoder(BertShape.load(_config(tmp_path))).eval()
    ids = torch.randint(0, 90, (1, 6))
    padded = torch.cat([ids, torch.randint(0, 90, (1, 9))], dim=1)
    mask = (torch.arange(15) < 6).float()[None]
    with torch.inference_mode():
        assert torch.allclose(ours(ids, torch.ones(1, 6)), ours(padded, mask)[:, :6], atol=1e-5)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"model_type": "t5"}, "model_type"),
        ({"hidden_size": None}, "no hidden"),
    ],
)
def test_another_network_is_refused(tmp_path: Path, changed: dict[str, object], words: str) -> None:
    """A config that this encoder cannot run is refused by name, not run wrongly."""
    with pytest.raises(CheckpointError, match=words):
        BertShape.load(_config(tmp_path, **changed))
