"""What the frozen towers see in every training row, computed once and kept in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

from model.dataset import Row, mask_words
from model.geometry import fit_square
from model.image import ImageTower
from model.text import TextTower
from model.types import Pixels

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Features:
    """One line per row. Rows without a title have zeros in ``titles`` and ``masked``."""

    images: Floats  # (N, 1280)
    titles: Floats  # (N, 384)
    masked: Floats  # (N, 384): the titles without the words that state colour and material


def compute_features(
    rows: Sequence[Row],
    image_tower: ImageTower,
    text_tower: TextTower,
    side: int,
    cache: Path,
    log: Callable[[str], None],
) -> Features:
    """Features of all rows; read from ``cache`` if they were computed before for the same rows and towers."""
    key = _key(rows, image_tower, text_tower, side)
    path = cache / f"features-{key}.safetensors"
    if path.is_file():
        return Features(**load_file(path))
    with torch.inference_mode():
        titles = _titles([row.title for row in rows], text_tower)
        masked = _titles([mask_words(row.title, row.labels) for row in rows], text_tower)
        log(f"titles of {len(rows):,} rows done")
        images = _images(rows, image_tower, side, log)
    cache.mkdir(parents=True, exist_ok=True)
    save_file({"images": images, "titles": titles, "masked": masked}, path)
    return Features(images, titles, masked)


def _titles(titles: Sequence[str], tower: TextTower) -> Floats:
    vectors = tower([title or "-" for title in titles]).cpu().numpy()
    vectors[[index for index, title in enumerate(titles) if not title.strip()]] = 0
    # The cache keeps fp16, so training sees what serving will see.
    return np.asarray(vectors.astype(np.float16), np.float32)


def _images(rows: Sequence[Row], tower: ImageTower, side: int, log: Callable[[str], None]) -> Floats:
    device = next(tower.parameters()).device
    parts = []
    for start in range(0, len(rows), 32):
        batch = np.stack([_pixels(row.image, side) for row in rows[start : start + 32]])
        parts.append(tower(torch.from_numpy(batch).to(device)).cpu().numpy())
        if start % 1600 == 0:
            log(f"pictures {start:,} of {len(rows):,}")
    return np.concatenate(parts).astype(np.float32)


def _pixels(path: Path, side: int) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(fit_square(image.convert("RGB"), side), np.uint8)


def _key(rows: Sequence[Row], image_tower: ImageTower, text_tower: TextTower, side: int) -> str:
    digest = hashlib.sha256(str(side).encode())
    for row in rows:
        digest.update(f"{row.image.name}\0{row.title}\0{sorted(row.labels.items())}\n".encode())
    for tower in (image_tower, text_tower):
        digest.update(
            np.concatenate([p.detach().cpu().float().numpy().ravel()[:64] for p in tower.parameters()]).tobytes()
        )
    return digest.hexdigest()[:16]
