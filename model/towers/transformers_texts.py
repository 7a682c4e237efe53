"""Any text encoder of transformers as a tower: BERT, DistilBERT, RoBERTa, XLM-R, E5, CLIP's title side, …"""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedModel

from model.errors import CheckpointError
from model.text import POOLINGS, TextTower
from model.towers.from_transformers import built, described_in, own_config, read_model, without_pooler

_WANTS_FULL_WIDTH = ("siglip", "siglip2")  # their text side was trained on titles padded to one width


def read(folder: Path, pooling: str) -> PreTrainedModel:
    """The encoder in a folder of transformers' own layout. Raises CheckpointError."""
    if pooling not in POOLINGS:
        raise CheckpointError(f"pooling {pooling!r} of a text tower is none; it is one of {', '.join(POOLINGS)}")
    whole = described_in(folder)
    config = own_config(whole, "text_config")
    if whole.model_type.startswith(_WANTS_FULL_WIDTH) or getattr(config, "is_encoder_decoder", False):
        raise CheckpointError(f"{folder}: {whole.model_type} is no encoder for titles of any length; take another")
    return read_model(folder, config, with_pooler=pooling == "pooler")


def build(folder: Path, max_tokens: int, pooling: str, prefix: str) -> TextTower:
    """The tower that a checkpoint's folder describes, weights unset. Raises CheckpointError."""
    model = without_pooler(built(described_in(folder)), with_pooler=pooling == "pooler")
    return TextTower(folder, max_tokens, model, pooling, prefix)


def most_tokens(net: PreTrainedModel, wanted: int) -> int:
    """``wanted``, or as many as the encoder has places for; some models count their places from 2."""
    places = getattr(net.config, "max_position_embeddings", None)
    return wanted if not isinstance(places, int) or places <= 2 else min(wanted, places - 2)


def write_tokenizer(source: Path, out: Path) -> None:
    """Write ``tokenizer.json`` as transformers would use it. Raises CheckpointError."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True, trust_remote_code=False)
        tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
    except Exception as error:  # transformers and tokenizers raise a dozen kinds
        raise CheckpointError(f"{source} holds no tokeniser that can be kept: {str(error)[:200]}") from error
