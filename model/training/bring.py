"""Brings the towers that were chosen into a new checkpoint's folder: weights, description, tokeniser, and the config
that says how pictures and titles are to be shown to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from model.config import ModelConfig
from model.errors import CheckpointError
from model.image import ImageTower
from model.scenes.image_classes import NUM_KEPT, PACKAGES
from model.towers.registry import build_image, build_text
from model.towers.source import folder_of, save_half, weights_in
from model.towers.spec import DEFAULT_IMAGE, DEFAULT_TEXT, RANDOM, TowerSpec, parse_image, parse_text
from model.training.origin import import_image, import_text

Log = Callable[[str], None]

_IMAGE_FIELDS = {
    "side": "image_side",
    "fit": "image_fit",
    "crop_share": "image_crop_share",
    "interpolation": "image_interpolation",
    "pooling": "image_pooling",
}
_TEXT_FIELDS = {"pooling": "text_pooling", "prefix": "text_prefix", "max_tokens": "max_title_tokens"}


@dataclass(frozen=True, slots=True)
class Brought:
    """The config of what was brought, and where each part comes from: a package's version, or a source as written."""

    config: ModelConfig
    origins: Mapping[str, str]


def bring_towers(
    out: Path,
    image: str = DEFAULT_IMAGE,
    text: str = DEFAULT_TEXT,
    *,
    base: ModelConfig | None = None,
    titles: Sequence[str] = (),
    seed: int = 0,
    log: Log = lambda _: None,
) -> Brought:
    """Write ``towers/`` and ``config.json`` below ``out``. ``base``: the config but for what the towers say;
    ``titles``: those that a tower may learn its words from.

    Raises CheckpointError when a source does not hold what is expected.
    """
    chosen_image, chosen_text = parse_image(image), parse_text(text)
    (out / "towers" / "text").mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    wanted = base or ModelConfig()
    plain = replace(wanted, image_details=(), detail_dim=0, tuned_image_blocks=0)  # what others than lite do not have
    plain = replace(plain, image_classes=0, class_types=False, untaught_scenes=())
    config, image_origins = _bring_image(out, chosen_image, plain)
    config, text_origins = _bring_text(out, chosen_text, config, titles, seed, log)
    config = replace(config, image_details=wanted.image_details, tuned_image_blocks=wanted.tuned_image_blocks)
    config = _tunable(config, log)
    config.save(out / "config.json")
    return Brought(config, {**image_origins, **text_origins})


# ---- pictures -------------------------------------------------------------------------------------------------------


def _bring_image(out: Path, spec: TowerSpec, config: ModelConfig) -> tuple[ModelConfig, dict[str, str]]:
    if spec.kind in (DEFAULT_IMAGE, "efficientnet-lite2") and config.ground_dim:
        config = replace(config, image_classes=NUM_KEPT)
    if spec.kind == DEFAULT_IMAGE:
        return _with_options(config, spec, _IMAGE_FIELDS), import_image(out)
    if spec.kind == "efficientnet-lite2":
        config = replace(config, image_tower="tf_efficientnet_lite2", image_side=260)
        config = _with_options(config, spec, _IMAGE_FIELDS)
        return config, import_image(out, PACKAGES[config.image_tower], config.image_tower)
    folder = None if spec.source.place == RANDOM else folder_of(spec.source)
    bring = {"timm": _from_timm, "torchvision": _from_torchvision, "transformers": _from_transformers}[spec.kind]
    config, weights = bring(out, spec, folder, config)
    save_half(weights, out / "towers" / "image.safetensors")
    tower = build_image(out, config)
    _check_fit(tower.net, weights, str(spec.source))
    return replace(config, image_dim=_width(tower, config.image_side)), {"image tower": f"{spec.kind}, {spec.source}"}


Weights = dict[str, torch.Tensor]


def _from_timm(_: Path, spec: TowerSpec, folder: Path | None, config: ModelConfig) -> tuple[ModelConfig, Weights]:
    from model.towers import timm_images

    if folder is None and not spec.name:
        raise CheckpointError("random weights of what? write timm:ARCHITECTURE=random")
    name = spec.name or timm_images.architecture_in(folder or Path())
    net = timm_images.build(name)
    weights = timm_images.without_classifier(name, weights_in(folder)) if folder else net.state_dict()
    config = replace(config, image_tower=name, **timm_images.preprocessing(net))
    return _with_options(config, spec, _IMAGE_FIELDS), weights


def _from_torchvision(
    _: Path, spec: TowerSpec, folder: Path | None, config: ModelConfig
) -> tuple[ModelConfig, Weights]:
    from model.towers import torchvision_images

    net = torchvision_images.build(spec.name)
    weights = torchvision_images.without_classifier(spec.name, weights_in(folder)) if folder else net.state_dict()
    found = torchvision_images.preprocessing(spec.name)
    return _with_options(replace(config, image_tower=f"torchvision:{spec.name}", **found), spec, _IMAGE_FIELDS), weights


def _from_transformers(
    out: Path, spec: TowerSpec, folder: Path | None, config: ModelConfig
) -> tuple[ModelConfig, Weights]:
    from model.towers import transformers_images
    from model.towers.from_transformers import write_config

    if folder is None:
        raise CheckpointError("a transformers tower is described by its folder; give one, or a hub id")
    config = replace(config, image_tower="transformers", **transformers_images.preprocessing(folder))
    config = _with_options(config, spec, _IMAGE_FIELDS)
    net = transformers_images.read(folder, config.image_pooling)
    own = out / "towers" / "image"
    own.mkdir(exist_ok=True)
    write_config(net.model.config, own)
    return config, net.state_dict()


def _width(tower: ImageTower, side: int) -> int:
    """Features per picture: the tower is asked. Raises CheckpointError for one that gives no vector."""
    with torch.inference_mode():
        found = tower.eval()(torch.zeros(1, side, side, 3, dtype=torch.uint8))
    if found.ndim != 2:
        raise CheckpointError(f"the image tower gives {tuple(found.shape)} for one picture, not a vector; take another")
    return int(found.shape[1])


# ---- titles ---------------------------------------------------------------------------------------------------------


def _bring_text(
    out: Path, spec: TowerSpec, config: ModelConfig, titles: Sequence[str], seed: int, log: Log
) -> tuple[ModelConfig, dict[str, str]]:
    config = _with_options(config, spec, _TEXT_FIELDS)
    own = out / "towers" / "text"
    if spec.kind == DEFAULT_TEXT:
        return config, import_text(out)
    if spec.kind == "lstm":
        return _learned(own, spec, config, titles, seed, log)
    from model.towers import transformers_texts
    from model.towers.from_transformers import write_config

    folder = folder_of(spec.source)
    net = transformers_texts.read(folder, config.text_pooling)
    config = replace(config, max_title_tokens=transformers_texts.most_tokens(net, config.max_title_tokens))
    write_config(net.config, own)
    transformers_texts.write_tokenizer(folder, own)
    save_half(net.state_dict(), own / "model.safetensors")
    tower = build_text(out, replace(config, text_tower="transformers"))
    _check_fit(tower.net, net.state_dict(), str(spec.source))
    config = replace(config, text_tower="transformers", text_dim=tower.dim)
    return config, {"text tower": f"transformers, {spec.source}"}


def _learned(
    own: Path, spec: TowerSpec, config: ModelConfig, titles: Sequence[str], seed: int, log: Log
) -> tuple[ModelConfig, dict[str, str]]:
    from model.towers import lstm_texts

    if not titles:
        raise CheckpointError("an LSTM learns its words from titles, and no training row has one")
    dim, epochs = int(spec.options.get("dim", 256)), int(spec.options.get("epochs", 8))
    lstm_texts.learn(titles, own, dim=dim, max_tokens=config.max_title_tokens, epochs=epochs, seed=seed, log=log)
    return replace(config, text_tower="lstm", text_dim=dim), {"text tower": f"lstm, {len(titles):,} training titles"}


_UNTUNED = "is set to 0: tuning knows the layers of the towers from packages alone"


def _tunable(config: ModelConfig, log: Log) -> ModelConfig:
    """Without the tuning of last layers that a tower does not have."""
    is_known = "efficientnet" in config.image_tower
    if config.tuned_text_layers and config.text_tower != ModelConfig().text_tower:
        config = replace(config, tuned_text_layers=0)
        log(f"tuned_text_layers {_UNTUNED}")
    if config.tuned_image_blocks and not is_known:
        config = replace(config, tuned_image_blocks=0)
        log(f"tuned_image_blocks {_UNTUNED}")
    if not config.image_details or is_known:
        return replace(config, detail_dim=_detail_dim(config))
    log("image_details is emptied: an EfficientNet alone has the stages meant")
    return replace(config, image_details=(), detail_dim=0)


def _detail_dim(config: ModelConfig) -> int:
    plain = replace(config, tuned_image_blocks=0, detail_dim=0)
    return _width(ImageTower(plain), 32) - config.image_dim if config.image_details else 0


# ---- both -----------------------------------------------------------------------------------------------------------


def _with_options(config: ModelConfig, spec: TowerSpec, names: Mapping[str, str]) -> ModelConfig:
    """The config with what the operator wrote in place of what the source says."""
    given: dict[str, Any] = {names[name]: value for name, value in spec.options.items() if name in names}
    config = replace(config, **given)
    config.check("the image tower")
    return config


def _check_fit(net: torch.nn.Module, weights: Mapping[str, torch.Tensor], source: str) -> None:
    wanted, there = {k: v.shape for k, v in net.state_dict().items()}, {k: v.shape for k, v in weights.items()}
    wrong = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if wrong:
        raise CheckpointError(
            f"the weights of {source} do not fit the architecture: {wrong[0]} and {len(wrong) - 1} more"
        )
