"""A reference model's folder: config.json, labels.json, model.safetensors, what reads titles, a card, digests."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig

from model.errors import CheckpointError
from model.reference.config import ReferenceConfig
from model.reference.network import ReferenceModel
from model.reference.outputs import Group
from model.reference.words import PieceReader, Reader, WordReader
from model.towers.source import package_folder
from model.training.origin import TEXT_PACKAGE, image_weights
from model.weights import seal, verify


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference model with all that it needs."""

    config: ReferenceConfig
    network: ReferenceModel
    reader: Reader
    groups: tuple[Group, ...]
    bert: BertConfig | None = None


def begin(config: ReferenceConfig, groups: tuple[Group, ...], titles: list[str]) -> Reference:
    """An untrained one: encoders that have weights begin with them. Raises CheckpointError when they are missing."""
    if config.text == "bert":
        source = Path(config.bert) if config.bert else package_folder(TEXT_PACKAGE) / "model"
        bert = BertConfig.from_json_file(source / "config.json")
        network = ReferenceModel(config, 0, bert)
        weights = load_file(source / "model.safetensors")
        known = {name: one for name, one in weights.items() if name != "embeddings.position_ids"}
        network.text.net.load_state_dict(known, strict=False)  # type: ignore[union-attr]
        reader: Reader = PieceReader.load(source, config.max_tokens)
        begun = Reference(config, network, reader, groups, bert)
    else:
        words = WordReader.of_titles(titles, config.num_words, config.max_tokens)
        begun = Reference(config, ReferenceModel(config, len(words.words), None), words, groups)
    if config.image == "lite0":
        begun.network.image.net.load_state_dict(image_weights())
    return begun


def save(folder: Path, found: Reference) -> None:
    """Write all but the card, as fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    found.config.save(folder / "config.json")
    found.reader.save(folder)
    if found.bert is not None:
        found.bert.to_json_file(folder / "bert.json", use_diff=False)
    labels = {"groups": [asdict(group) for group in found.groups]}
    (folder / "labels.json").write_text(json.dumps(labels, indent=1) + "\n", encoding="utf-8")
    weights = {
        name: (one.half() if one.is_floating_point() else one).contiguous()
        for name, one in found.network.state_dict().items()
    }
    save_file(weights, folder / "model.safetensors")


def finish(folder: Path, card: str) -> None:
    """Write the card, and seal the folder."""
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    seal(folder)


def load(folder: Path) -> Reference:
    """Verify and load. Raises CheckpointError."""
    verify(folder)
    config = ReferenceConfig.load(folder / "config.json")
    try:
        stored = json.loads((folder / "labels.json").read_text(encoding="utf-8"))["groups"]
        groups = tuple(Group(one["head"], one["attribute"], one["start"], tuple(one["values"])) for one in stored)
        bert = BertConfig.from_json_file(folder / "bert.json") if config.text == "bert" else None
        kind = WordReader if bert is None else PieceReader
        reader: Reader = kind.load(folder, config.max_tokens)
        num_words = len(reader.words) if isinstance(reader, WordReader) else 0
        network = ReferenceModel(config, num_words, bert)
        weights = load_file(folder / "model.safetensors")
        network.load_state_dict({n: one.float() if one.is_floating_point() else one for n, one in weights.items()})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"the reference model in {folder} cannot be read: {str(error)[:300]}") from error
    return Reference(config, network.eval(), reader, groups, bert)


def to_half_and_back(network: ReferenceModel) -> None:
    """What is measured is what is kept."""
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.half().float())
