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

Split = Literal["train", "test"]
Source = Literal["abo", "clothing", "grocery", "catalogue"]
_SCENES = {"studio_white": "studio", "indoor": "indoor", "texture_swatch": "texture_swatch"}  # outdoor: 4 rows, too few
FAMILY_WORDS = 4  # with 5 held-out families are easier than test rows by five points, with 3 harder by four
_GARMENTS = {"t-shirt": "t_shirt", "longsleeve": "long_sleeve_shirt", "outwear": "outerwear"}  # others as they are
_PACKAGES = {
    "Juice": "juice", "Milk": "milk", "Soy-Milk": "milk", "Oat-Milk": "milk", "Sour-Milk": "milk",
    "Yoghurt": "yogurt", "Soyghurt": "yogurt", "Oatghurt": "yogurt", "Sour-Cream": "yogurt",
}  # fmt: skip
_WORN_BY = ("", "", "women's", "men's", "kids", "girls", "boys", "ladies")
_LOOKS = ("", "", "casual", "vintage", "new", "slim fit", "classic", "summer", "winter", "used, good condition")
_GARMENT_WORDS = {
    "t_shirt": ("t-shirt", "tee", "t shirt", "crew neck tee"),
    "long_sleeve_shirt": ("long sleeve shirt", "longsleeve", "sweater", "pullover", "sweatshirt"),
    "outerwear": ("jacket", "coat", "hoodie", "parka", "blazer", "outerwear"),
    "shirt": ("shirt", "button-down shirt", "blouse", "oxford shirt"),
    "pants": ("pants", "trousers", "jeans", "chinos", "leggings"),
    "dress": ("dress", "midi dress", "maxi dress", "gown"),
    "shorts": ("shorts", "bermuda shorts", "denim shorts"),
    "skirt": ("skirt", "mini skirt", "pleated skirt"),
    "shoes": ("shoes", "sneakers"),
    "hat": ("hat", "cap", "beanie"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One listing or photo. ``labels`` by attribute; an attribute that is not known is not there.

    ``title`` is the seller's; ``made_title`` one made up from the label, where the source has none: it teaches a type's
    words, and is never measured. Rows of one ``family`` are variants of one thing and stay in one fold.
    ``is_split_given``: the source itself says on which side the row stands.
    """

    image: Path
    title: str
    labels: Mapping[str, str]
    split: Split
    source: Source
    family: str
    made_title: str = ""
    is_split_given: bool = False


def load_rows(data: Path) -> list[Row]:
    """All rows below ``data`` in a fixed order. Raises ModelError naming the file that is missing."""
    for name in ("abo/listings.csv", "abo/scene.csv", "clothing.csv", "grocery.csv"):
        if not (data / name).is_file():
            own = sorted(path.name for path in data.glob("*") if path.suffix.lower() in (".jsonl", ".csv", ".tsv"))
            hint = (
                f"; of your own listings give the file: --data {data / own[0]}" if own and name != "grocery.csv" else ""
            )
            raise ModelError(f"{data / name} is missing; --data must name the folder with the training data{hint}")
    return [*_listings(data), *_clothing(data), *_grocery(data)]


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
        known = {name: value for name, value in labels.items() if value}
        family = " ".join(re.findall(r"[a-z]+", row["title"].casefold())[:FAMILY_WORDS])
        yield Row(data / "abo/images" / row["image"], row["title"], known, _split(row), "abo", family)


def _clothing(data: Path) -> Iterator[Row]:
    for row in _read(data / "clothing.csv"):
        garment = _GARMENTS.get(row["label"], row["label"])
        path = data / "clothing" / row["image"]
        yield Row(
            path if path.is_file() else data / "clothing" / row["split"] / row["image"],
            "",
            {"scene": "indoor", "product_type": garment},
            _split(row),
            "clothing",
            row["image"],
            _made_title(garment, row["image"]),
        )


def _grocery(data: Path) -> Iterator[Row]:
    for row in _read(data / "grocery.csv"):
        kind = Path(row["image"]).parts[1]
        grown = {"Fruit": "fruit", "Vegetables": "vegetable"}.get(kind)
        yield Row(
            data / "grocery" / row["image"],
            "",
            {"scene": "shop_interior", "product_type": grown or _PACKAGES[row["coarse_label"]]},
            _split(row),
            "grocery",
            row["label"],
            f"{row['label']} {row['coarse_label']}".replace("-", " ").casefold(),
        )


def family_share(family: str) -> float:
    """Where a family falls in [0, 1), by a hash of its name: what is drawn by it keeps variants of a thing together."""
    return int.from_bytes(blake2b(family.encode(), digest_size=4).digest(), "big") / 2**32


def _made_title(garment: str, seed: str) -> str:
    """A title as sellers write them, without colour or material: the picture's are not known."""
    draw = blake2b(seed.encode(), digest_size=4).digest()
    words = _GARMENT_WORDS[garment]
    parts = (_WORN_BY[draw[0] % len(_WORN_BY)], _LOOKS[draw[1] % len(_LOOKS)], words[draw[2] % len(words)])
    size = ("", "", ", size s", ", size m", ", size l", ", xl")[draw[3] % 6]
    return " ".join(part for part in parts if part) + size


def _split(row: Mapping[str, str]) -> Split:
    return "train" if row["split"] == "train" else "test"


def _read(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
