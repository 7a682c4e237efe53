"""Listings few enough for a test: rectangles on white, whose form is their type."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

TYPES = {"chair": (8, 90), "rug": (90, 30), "shoes": (40, 40)}  # height and width of what is shown
COLORS = {"red": (190, 30, 30), "blue": (30, 50, 180), "black": (15, 15, 15), "green": (30, 140, 50)}


def picture(kind: str, color: str, seed: int) -> Image.Image:
    """A rectangle on white; its form tells the type."""
    pixels = np.full((96, 96, 3), 255, np.uint8)
    height, width = TYPES[kind]
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    pixels[2 : 2 + height, 3 : 3 + width] = np.clip(np.array(COLORS[color]) + noise, 0, 255)
    return Image.fromarray(pixels)


def write_csv(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def listings(folder: Path) -> Iterator[Mapping[str, str]]:
    for index in range(120):
        kind, color = list(TYPES)[index % 3], list(COLORS)[index // 3 % 4]
        picture(kind, color, index).save(folder / f"{index}.jpg")
        yield {
            "image": f"{index}.jpg",
            "title": f"maker {index // 12} {kind} model {index // 12}, {color}",
            "product_type": kind,
            "color_raw": color,
            "color": color,
            "material_from_title": "wood" if kind == "chair" else "cotton",
            "size_from_title": "",
            "split": "val" if index % 5 == 0 else "train",
        }


def own_file(path: Path, count: int, *, colors: Sequence[str] = tuple(COLORS)) -> Path:
    """Listings as a team labels them: half of the words of colour are wrong."""
    lines = []
    for index in range(count):
        color = colors[index % len(colors)]
        name = f"own{index}.jpg"
        picture("chair", color, index).save(path.parent / name)
        said = color if index % 2 else colors[(index + 1) % len(colors)]
        lines.append(
            json.dumps(
                {"image": name, "title": f"{chr(97 + index % 26)}{chr(97 + index // 26)} chair, {said}", "color": color}
            )
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
