"""Small models with random weights, written into folders as their libraries would publish them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from torchvision import models as torchvision_models
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

WORDS = (
    "red",
    "green",
    "blue",
    "yellow",
    "black",
    "chair",
    "lamp",
    "rug",
    "shoe",
    "a",
    "photo",
    "of",
    "maker",
    "square",
)
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_SIZES: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
_SEEING: dict[str, Any] = {**_SIZES, "image_size": 32, "patch_size": 8}
_READING: dict[str, Any] = {**_SIZES, "vocab_size": len(WORDS) + len(_SPECIAL), "max_position_embeddings": 32}


def photo(width: int = 90, height: int = 60, seed: int = 0) -> Image.Image:
    """Smooth colours: what two ways of scaling agree about."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def timm_folder(folder: Path, architecture: str) -> nn.Module:
    """As timm's hub has it: ``config.json`` with the architecture, weights with the classifier."""
    torch.manual_seed(1)
    net: nn.Module = timm.create_model(architecture, pretrained=False)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architecture": architecture}))
    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, folder / "model.safetensors")
    return net.eval()


def torchvision_folder(folder: Path, architecture: str) -> nn.Module:
    """A classifier's weights under torchvision's names."""
    torch.manual_seed(2)
    net: nn.Module = torchvision_models.get_model(architecture, weights=None)
    folder.mkdir()
    save_file(net.state_dict(), folder / "model.safetensors")
    return net.eval()


def vit_folder(folder: Path) -> PreTrainedModel:
    """Stretches pictures to a square; has a pooler."""
    torch.manual_seed(3)
    return _saved(
        folder, ViTModel(ViTConfig(**_SEEING)), ViTImageProcessor(size={"height": 32, "width": 32}, resample=2)
    )


def clip_folder(folder: Path, shortest: int = 40) -> PreTrainedModel:
    """A pair that crops the middle of pictures, with a tokeniser that ends a title with [SEP]. ``shortest``: pixels of
    the shorter side, of which 32 are left.
    """
    torch.manual_seed(4)
    text = {**_READING, "eos_token_id": _SPECIAL.index("[SEP]"), "pad_token_id": 0, "bos_token_id": 2}
    config = CLIPConfig(text_config=text, vision_config=_SEEING, projection_dim=32)
    processor = CLIPImageProcessor(size={"shortest_edge": shortest}, crop_size={"height": 32, "width": 32})
    model = _saved(folder, CLIPModel(config), processor)
    tokenizer().save_pretrained(folder)
    return model


def siglip_folder(folder: Path) -> PreTrainedModel:
    """A pair with a bias beside its temperature, trained on titles of full width."""
    torch.manual_seed(5)
    text = {**_READING, "max_position_embeddings": 16, "projection_size": 32, "pad_token_id": 0}
    config = SiglipConfig(text_config=text, vision_config=_SEEING)
    model = _saved(folder, SiglipModel(config), SiglipImageProcessor(size={"height": 32, "width": 32}))
    tokenizer(max_length=16).save_pretrained(folder)
    return model


def bert_folder(folder: Path) -> PreTrainedModel:
    """With a pooler."""
    torch.manual_seed(6)
    return _reading(folder, BertModel(BertConfig(**_READING)))


def distilbert_folder(folder: Path) -> PreTrainedModel:
    """An encoder whose config names its sizes otherwise, without a pooler."""
    torch.manual_seed(7)
    sizes: dict[str, Any] = {
        "dim": 32,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 64,
        "vocab_size": _READING["vocab_size"],
    }
    return _reading(folder, DistilBertModel(DistilBertConfig(**sizes)))


def xlmr_folder(folder: Path) -> PreTrainedModel:
    """Counts places from behind its padding token."""
    torch.manual_seed(8)
    return _reading(folder, XLMRobertaModel(XLMRobertaConfig(**_READING, pad_token_id=0, bos_token_id=2)))


def tokenizer(max_length: int = 32) -> PreTrainedTokenizerFast:
    """Splits at spaces; [CLS] before and [SEP] behind."""
    vocabulary = {word: place for place, word in enumerate([*_SPECIAL, *WORDS])}
    own = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    own.normalizer = normalizers.Lowercase()
    own.pre_tokenizer = pre_tokenizers.Whitespace()
    own.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=own, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        eos_token="[SEP]", model_max_length=max_length,
    )  # fmt: skip


def _reading(folder: Path, model: PreTrainedModel) -> PreTrainedModel:
    _saved(folder, model)
    tokenizer().save_pretrained(folder)
    return model


def _saved(folder: Path, model: Any, *others: Any) -> PreTrainedModel:
    for one in (model, *others):
        one.save_pretrained(folder)
    ready: PreTrainedModel = model.eval()
    return ready
