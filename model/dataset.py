"""The training data as rows: three sources, one shape. Nothing is copied; paths point into the data folder."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from model.errors import ModelError

Split = Literal["train", "calibrate", "test"]
_CALIBRATION_SHARE = 0.15
_SCENES = {"studio_white": "studio", "indoor": "indoor", "texture_swatch": "texture_swatch"}  # outdoor: 4 rows, too few


@dataclass(frozen=True, slots=True)
class Row:
    """One listing or photo. ``labels`` by attribute; an attribute that is not known is not there."""

    image: Path
    title: str  # empty where the source has none
    labels: Mapping[str, str]
    split: Split


def load_rows(data: Path) -> list[Row]:
    """All rows below ``data`` in a fixed order. Raises ModelError naming the file that is missing."""
    for name in ("abo/listings.csv", "abo/scene.csv", "clothing.csv", "grocery.csv"):
        if not (data / name).is_file():
            raise ModelError(f"{data / name} is missing; --data must name the folder with the training data")
    return [*_listings(data), *_clothing(data), *_grocery(data)]


def mask_words(title: str, labels: Mapping[str, str]) -> str:
    """The title without the words that state its colour or material, to see what is known beyond them."""
    words = [word for name in ("color", "material", "color_raw") for word in re.findall(r"\w+", labels.get(name, ""))]
    if not words:
        return title
    return re.sub(r"\b(" + "|".join(map(re.escape, words)) + r")\b", " ", title, flags=re.IGNORECASE)


def _listings(data: Path) -> Iterator[Row]:
    scenes = {row["image"]: _SCENES.get(row["scene"]) for row in _read(data / "abo/scene.csv")}
    for row in _read(data / "abo/listings.csv"):
        labels = {
            "product_type": row["product_type"],
            "color": row["color"],
            "color_raw": row["color_raw"],
            "material": row["material_from_title"],
            "scene": scenes.get(row["image"]) or "",
        }
        split: Split = "test" if row["split"] != "train" else _train_or_calibrate(row["title"])
        yield Row(data / "abo/images" / row["image"], row["title"], {k: v for k, v in labels.items() if v}, split)


def _clothing(data: Path) -> Iterator[Row]:
    for row in _read(data / "clothing.csv"):
        split: Split = "test" if row["split"] != "train" else _train_or_calibrate(row["image"])
        path = data / "clothing" / row["image"]
        yield Row(
            path if path.is_file() else data / "clothing" / row["split"] / row["image"], "", {"scene": "indoor"}, split
        )


def _grocery(data: Path) -> Iterator[Row]:
    for row in _read(data / "grocery.csv"):
        split: Split = "test" if row["split"] != "train" else _train_or_calibrate(row["image"])
        yield Row(data / "grocery" / row["image"], "", {"scene": "shop_interior"}, split)


def _read(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _train_or_calibrate(group: str) -> Split:
    """By a hash of the words, digits aside, so that variants of one listing fall on the same side."""
    words = " ".join(sorted(re.findall(r"[a-z]{3,}", group.lower())))
    share = int.from_bytes(blake2b(words.encode(), digest_size=4).digest(), "big") / 2**32
    return "calibrate" if share < _CALIBRATION_SHARE else "train"
