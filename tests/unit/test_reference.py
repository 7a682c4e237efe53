"""Reference models: trained end to end from a preset, kept, read back, measured; unclaimed outputs answer nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel

from model.errors import CheckpointError, ModelError
from model.reference.card import reference_tables
from model.reference.config import ReferenceConfig, is_reference
from model.reference.measure import evaluate_reference
from model.reference.network import ReferenceModel
from model.reference.outputs import hand_out
from model.reference.train import train_reference
from model.training.dataset import Row
from model.training.preset import Preset, load_preset
from model.weights import load
from tests.unit.tiny_catalogue import COLORS, TYPES, picture

pytestmark = pytest.mark.long

SMALL = {"image": "resnet18", "side": 16, "batch": 32, "hidden": 32, "widths": (32, 16), "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 listings of three types and four colours; every sixth is tested on, each time other ones of the twelve kinds:
    of what is tested training has seen its like.
    """
    folder = tmp_path_factory.mktemp("own")
    lines = []
    for index in range(96):
        kind, color = list(TYPES)[index % 3], list(COLORS)[index // 3 % 4]
        picture(kind, color, index).save(folder / f"{index}.jpg")
        line = {
            "image": f"{index}.jpg",
            "title": f"{color} {kind} number {index}",
            "product_type": kind,
            "color": color,
        }
        lines.append(
            json.dumps(line | {"split": "test" if (index + index // 12) % 6 == 5 else "train", "family": f"f{index}"})
        )
    path = folder / "own.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def small_bert(folder: Path) -> Path:
    """A BERT of one layer with a tokeniser of whole words, laid out as packages lay theirs out."""
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", *TYPES, *COLORS, "number"]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    config.to_json_file(folder / "config.json", use_diff=False)
    save_file(
        {name: one.contiguous() for name, one in BertModel(config).state_dict().items()}, folder / "model.safetensors"
    )
    return folder


@pytest.fixture(scope="module", params=["a", "b"])
def trained(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Mapping[str, Any]]:
    """Both references with small encoders: A's head and LSTM, B's three heads and BERT."""
    folder = tmp_path_factory.mktemp(request.param)
    own = {"a": {"text": "lstm"}, "b": {"text": "bert", "bert": str(small_bert(folder))}}[request.param]
    heads = load_preset(request.param).reference.heads
    config = ReferenceConfig.from_table("test", {**SMALL, **own, "heads": heads, "pretrained_learning_rate": 1e-3})
    figures = train_reference(data, folder / "out", Preset("reference", 20, 16, reference=config))
    return folder / "out", figures


def test_a_reference_learns_its_catalogue(trained: tuple[Path, Mapping[str, Any]]) -> None:
    """From random weights, end to end: far above a guess of one in three."""
    _, figures = trained
    assert figures["product_type"]["fused"]["rows"] == 16
    assert figures["product_type"]["fused"]["accuracy"] > 0.8
    assert "| product_type | both | 16 |" in reference_tables(figures)


def test_evaluate_prints_what_train_found(trained: tuple[Path, Mapping[str, Any]], data: Path) -> None:
    """Read back from its folder it has the figures that its card states, and claims what labels reach."""
    folder, figures = trained
    assert is_reference(folder)
    test_rows = [line for line in data.read_text(encoding="utf-8").splitlines() if '"test"' in line]
    own = data.parent / "test.jsonl"
    own.write_text("\n".join(test_rows) + "\n", encoding="utf-8")
    assert evaluate_reference(folder, own) == figures
    assert reference_tables(figures) in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    heads = figures["outputs"]
    assert heads in (
        {"product_type": {"outputs": 10, "claimed": 3}},
        {
            "product": {"outputs": 100, "claimed": 3},
            "scene": {"outputs": 20, "claimed": 0},
            "attribute": {"outputs": 50, "claimed": 4},
        },
    )


def test_the_worker_refuses_a_reference(trained: tuple[Path, Mapping[str, Any]]) -> None:
    """With what it is and what to do with it."""
    with pytest.raises(CheckpointError, match="a reference model, to be measured with 'hangtag evaluate'"):
        load(trained[0])


def test_a_damaged_reference_is_refused(trained: tuple[Path, Mapping[str, Any]], data: Path, tmp_path: Path) -> None:
    """A file that differs from its digest is not read."""
    for path in trained[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "labels.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"labels.json of the checkpoint does not match its digest"):
        evaluate_reference(tmp_path, data)


def row(number: int, **labels: str) -> Row:
    """A titled training row."""
    return Row(Path(f"{number}.jpg"), f"thing {number}", labels, "train", "catalogue", f"f{number}")


def test_outputs_go_to_the_most_frequent_values() -> None:
    """Two of three types fit; colours and materials stand side by side; rare values get none."""
    rows = [row(n, product_type="abc"[n % 3 if n < 9 else 0], color="red" if n % 2 else "blue") for n in range(40)]
    rows += [row(50 + n, material="wood") for n in range(12)] + [row(99, material="silk")]
    types, colors, materials = hand_out({"product_type": 2, "attribute": 50}, rows)
    assert types.values == ("a", "b")
    assert set(colors.values) == {"red", "blue"}
    assert (materials.start, materials.values) == (2, ("wood",))
    assert types.labels([row(1, product_type="c"), row(2, product_type="b")]).tolist() == [-1, 1]
    outputs = {"attribute": torch.arange(50.0)[None]}
    assert materials.scores(outputs).tolist() == [[2.0]]


def test_the_network_is_the_designs() -> None:
    """ResNet-50 and a bidirectional LSTM to 512 each, then 512, 256, 128, 64; what is missing is a learned vector."""
    network = ReferenceModel(load_preset("a").reference, 5, None).eval()
    widths = [tuple(one.weight.shape) for one in network.net if isinstance(one, torch.nn.Linear)]
    assert widths == [(512, 1024), (256, 512), (128, 256), (64, 128)]
    assert network.image.end[0].weight.shape == (512, 2048)
    lstm = network.text.get_submodule("net")
    assert isinstance(lstm, torch.nn.LSTM)
    assert lstm.bidirectional
    pixels = torch.randint(0, 255, (2, 64, 64, 3), dtype=torch.uint8)
    ids, lengths = torch.tensor([[2, 3], [4, 0]]), torch.tensor([2, 1])
    there, gone = torch.ones(2, dtype=torch.bool), torch.zeros(2, dtype=torch.bool)
    with torch.inference_mode():
        assert network(pixels, ids, lengths, there, there)["product_type"].shape == (2, 10)
        one, other = (network(seen, ids, lengths, gone, there)["product_type"] for seen in (pixels, 255 - pixels))
    assert torch.equal(one, other)


def test_too_little_data_is_said(tmp_path: Path, data: Path) -> None:
    """Without a labelled training listing there is nothing to learn."""
    lines = [line for line in data.read_text(encoding="utf-8").splitlines() if '"test"' in line]
    path = data.parent / "only-test.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(ModelError, match="too few labelled training listings"):
        train_reference(path, tmp_path / "out", Preset("reference", 1, 0, reference=ReferenceConfig()))
