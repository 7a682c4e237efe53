"""Towers chosen by configuration: each sees and reads as its own library would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import timm.data
import torch
from PIL import Image
from torch import nn
from torchvision import models
from transformers import AutoImageProcessor, AutoTokenizer, PreTrainedModel

from model.config import ModelConfig
from model.errors import CheckpointError
from model.image import ImageTower
from model.training.bring import bring_towers
from model.weights import load_towers
from tests.unit.tower_sources import (
    bert_folder,
    clip_folder,
    distilbert_folder,
    photo,
    siglip_folder,
    timm_folder,
    torchvision_folder,
    vit_folder,
    xlmr_folder,
)

TITLES = ["red chair", "a photo of a blue lamp", "rug", "maker black shoe shoe shoe of green square, yellow"]
Normalised = torch.Tensor  # (1, 3, S, S)


def brought(out: Path, **chosen: str) -> tuple[ModelConfig, ImageTower]:
    """The image tower as a checkpoint would load it; the config is read back from its file."""
    text = {"titles": TITLES * 4} if chosen.setdefault("text", "lstm") == "lstm" else {}
    bring_towers(out, **chosen, **text)  # type: ignore[arg-type]  # names of towers and titles
    config = ModelConfig.load(out / "config.json")
    return config, load_towers(out, config)[0]


def seen(tower: ImageTower, image: Image.Image) -> tuple[Normalised, torch.Tensor]:
    """What the network is shown of a picture, and what the tower makes of it, (D,)."""
    shown: list[torch.Tensor] = []
    hook = tower.net.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    pixels = np.asarray(tower.framing.square(image.convert("RGB")), np.uint8)
    with torch.inference_mode():
        features = tower(torch.from_numpy(pixels.copy())[None])
    hook.remove()
    return shown[0], features[0]


def halved(net: nn.Module) -> nn.Module:
    """With weights as a checkpoint keeps them."""
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.half().float())
    return net.eval()


def assert_alike(ours: torch.Tensor, theirs: torch.Tensor, within: float = 0.01) -> None:
    """Relative to the spread of what is compared."""
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max()) <= within * float(theirs.std() + 1e-6)


@pytest.mark.parametrize("architecture", ["test_efficientnet", "test_vit", "test_resnet"])
def test_timm_towers_see_as_timm_does(tmp_path: Path, architecture: str) -> None:
    """Its data config scales, crops and normalises; the features are those before the classifier."""
    net = halved(timm_folder(tmp_path / "source", architecture))
    config, tower = brought(tmp_path / "out", image=f"timm:{tmp_path / 'source'}")
    data: Any = timm.data
    transform = data.create_transform(**data.resolve_model_data_config(net), is_training=False)
    shown, features = seen(tower, photo(300, 200))
    wanted = transform(photo(300, 200))[None]
    assert_alike(shown, wanted, within=0.04)
    with torch.inference_mode():
        theirs = net.forward_head(net.forward_features(shown), pre_logits=True)[0]  # type: ignore[operator]
    assert_alike(features, theirs)
    assert (config.image_dim, config.image_tower) == (len(theirs), architecture)


@pytest.mark.parametrize("architecture", ["resnet50", "mobilenet_v3_small", "convnext_tiny"])
def test_torchvision_towers_see_as_torchvision_does(tmp_path: Path, architecture: str) -> None:
    """The transforms published with its weights; the features are what goes into the last layer."""
    net = halved(torchvision_folder(tmp_path / "source", architecture))
    config, tower = brought(tmp_path / "out", image=f"torchvision:{architecture}={tmp_path / 'source'}")
    transforms = models.get_model_weights(architecture).DEFAULT.transforms()
    shown, features = seen(tower, photo(400, 300))
    assert_alike(shown, transforms(photo(400, 300))[None], within=0.04)
    last = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    inside: list[torch.Tensor] = []
    last.register_forward_pre_hook(lambda _, given: inside.append(given[0]))
    with torch.inference_mode():
        net(shown)
    assert_alike(features, inside[0][0])
    assert config.image_dim == last.in_features


@pytest.mark.parametrize(
    ("make", "pooling", "part"),
    [
        (vit_folder, "pooler", ""),
        (vit_folder, "cls", ""),
        (clip_folder, "pooler", "vision_model"),
        (siglip_folder, "pooler", "vision_model"),
        (siglip_folder, "mean", "vision_model"),
    ],
)
def test_transformers_towers_see_as_transformers_does(
    tmp_path: Path, make: Callable[[Path], PreTrainedModel], pooling: str, part: str
) -> None:
    """Its image processor prepares pictures; of a pair's folder the picture side is taken."""
    model = halved(make(tmp_path / "source"))
    config, tower = brought(tmp_path / "out", image=f"transformers:{tmp_path / 'source'},pooling={pooling}")
    processor = AutoImageProcessor.from_pretrained(tmp_path / "source")  # type: ignore[no-untyped-call]
    shown, features = seen(tower, photo(90, 60))
    assert_alike(shown, processor(photo(90, 60), return_tensors="pt")["pixel_values"], within=0.04)
    side = model.get_submodule(part) if part else model
    with torch.inference_mode():
        told = side(pixel_values=shown)
    states = {"pooler": told.pooler_output, "cls": told.last_hidden_state[:, 0], "mean": told.last_hidden_state.mean(1)}
    assert_alike(features, states[pooling][0])
    assert config.image_dim == 32


@pytest.mark.parametrize(
    ("make", "pooling"),
    [(bert_folder, "mean"), (bert_folder, "cls"), (bert_folder, "pooler"), (distilbert_folder, "mean"),
     (xlmr_folder, "mean")],
)  # fmt: skip
def test_transformers_towers_read_as_transformers_does(
    tmp_path: Path, make: Callable[[Path], PreTrainedModel], pooling: str
) -> None:
    """Its tokeniser pads all titles to one width, ours by groups; the vectors are the same, of length 1."""
    model = halved(make(tmp_path / "source"))
    spec = f"transformers:{tmp_path / 'source'},pooling={pooling},prefix=photo of "
    config = bring_towers(tmp_path / "out", "timm:test_vit=random", spec).config
    tower = load_towers(tmp_path / "out", config)[1]
    tokens = AutoTokenizer.from_pretrained(tmp_path / "source")(
        [f"photo of {title}" for title in TITLES], padding=True, return_tensors="pt"
    )
    tokens.pop("token_type_ids", None)
    with torch.inference_mode():
        told, ours = model(**tokens), tower(TITLES)
    mask = tokens["attention_mask"][..., None]
    states = told.last_hidden_state
    theirs = {"mean": (states * mask).sum(1) / mask.sum(1), "cls": states[:, 0], "pooler": told.get("pooler_output")}
    assert_alike(ours, nn.functional.normalize(theirs[pooling], dim=1))
    assert (config.text_dim, config.text_tower) == (32, "transformers")


def test_a_title_longer_than_an_encoder_has_places_for_is_cut(tmp_path: Path) -> None:
    """Not refused, and not the end of the batch."""
    xlmr_folder(tmp_path / "source")
    config = bring_towers(tmp_path / "out", "timm:test_vit=random", f"transformers:{tmp_path / 'source'}").config
    tower = load_towers(tmp_path / "out", config)[1]
    with torch.inference_mode():
        found = tower(["red chair " * 100, "lamp"])
    assert config.max_title_tokens == 30
    assert bool(torch.isfinite(found).all())


def test_a_tower_published_in_half_precision_is_run_in_single(tmp_path: Path) -> None:
    """What its description says of precision is about its file."""
    model: Any = vit_folder(tmp_path / "source")
    model.half().save_pretrained(tmp_path / "source")
    assert "float16" in (tmp_path / "source" / "config.json").read_text()
    _, tower = brought(tmp_path / "out", image=f"transformers:{tmp_path / 'source'}")
    assert {value.dtype for value in tower.net.parameters()} == {torch.float32}
    assert bool(torch.isfinite(seen(tower, photo())[1]).all())


def test_an_lstm_reads_a_title_alone_as_in_company(tmp_path: Path) -> None:
    """However wide its neighbours make the batch; both directions count, and its words are kept with it."""
    config, _ = brought(tmp_path, image="timm:test_vit=random", text="lstm")
    tower = load_towers(tmp_path, config)[1]
    with torch.inference_mode():
        together = tower(TITLES)
        alone = torch.cat([tower([title]) for title in TITLES])
        turned = tower(["chair red"])
    assert_alike(together, alone, within=1e-4)
    assert float((turned[0] - together[0]).abs().max()) > 1e-3
    assert together.shape == (len(TITLES), config.text_dim)
    assert timm.is_model(config.image_tower)


def test_lstms_of_the_same_titles_and_seed_are_the_same(tmp_path: Path) -> None:
    """Byte for byte, words included."""
    for name in ("one", "two"):
        bring_towers(tmp_path / name, "timm:test_vit=random", "lstm,dim=32,epochs=2", titles=TITLES * 8)
    for file in ("model.safetensors", "tokenizer.json", "config.json"):
        one, two = (tmp_path / name / "towers" / "text" / file for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("fit", ["letterbox", "crop", "stretch"])
def test_a_picture_can_be_brought_to_size_otherwise(tmp_path: Path, fit: str) -> None:
    """The operator's word stands in place of the source's: white edges only where the whole picture is kept."""
    config, tower = brought(tmp_path, image=f"timm:test_vit=random,fit={fit},side=64")
    square = np.asarray(tower.framing.square(Image.new("RGB", (200, 100), (200, 0, 0))))
    assert square.shape == (64, 64, 3)
    assert (square[0, 0].tolist() == [255, 255, 255]) == (fit == "letterbox")
    assert config.framing == tower.framing


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("resnet50", "image tower 'resnet50' is none; write efficientnet-lite0"),
        ("torchvision:resnet50", "ARCHITECTURE=SOURCE"),
        ("torchvision:nothing=random", "knows no classifier 'nothing'"),
        ("timm:nothing=random", "knows no architecture 'nothing'"),
        ("transformers:google/vit-base@main", "pinned commit"),
        ("transformers:./nowhere", "is no folder here"),
        ("timm:test_vit=package:no_such_package", "pip install no-such-package"),
        ("timm:test_vit=random,side=big", "side='big' is no int"),
        ("timm:test_vit=random,sides=3", "option 'sides' is none"),
        ("timm:test_vit=random,fit=round", "image_fit is 'round'; it is one of letterbox, crop, stretch"),
        ("timm:test_vit=random,side=5000", "image_side is 5000"),
    ],
)
def test_a_choice_that_is_none_is_explained(tmp_path: Path, spec: str, words: str) -> None:
    """With what could be written instead."""
    with pytest.raises(CheckpointError, match=words):
        bring_towers(tmp_path / "out", spec)


def test_a_hub_that_cannot_be_reached_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Id, commit and what to do; nothing is tried without a commit."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    commit = "0123456789" * 4
    with pytest.raises(CheckpointError, match=rf"google/vit at {commit} cannot be had.*give its folder"):
        bring_towers(tmp_path / "out", f"transformers:google/vit@{commit}")


def test_pickles_and_code_are_not_taken(tmp_path: Path) -> None:
    """A folder with a pickle alone, and one whose description asks for code of its own."""
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"cos\nsystem\n.")
    with pytest.raises(CheckpointError, match="pickles are not read"):
        bring_towers(tmp_path / "one", f"torchvision:resnet18={tmp_path / 'pickled'}")
    vit_folder(tmp_path / "vit")
    path = tmp_path / "vit" / "config.json"
    path.write_text(path.read_text().replace("{", '{"auto_map": {"AutoModel": "code.Model"},', 1))
    with pytest.raises(CheckpointError, match=r"asks for code of its own \(auto_map\)"):
        bring_towers(tmp_path / "two", f"transformers:{tmp_path / 'vit'}")


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    """The first name that does not fit is said."""
    torchvision_folder(tmp_path / "source", "resnet18")
    with pytest.raises(CheckpointError, match="do not fit the architecture"):
        bring_towers(tmp_path / "out", f"torchvision:resnet34={tmp_path / 'source'}")
